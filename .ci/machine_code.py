# SPDX-License-Identifier: MIT
"""What nvcc made of the kernels that work on pairs, and whether it is as it should be.

    cuobjdump -sass FILE | python .ci/machine_code.py [--bounds]

A line for each kernel: all instructions, those on local memory, and the loop with the most arithmetic: its instructions,
arithmetic ones and exchanges between threads. A kernel that makes environments and moments has two lines: the loop over the latter is the one without
roots and divisions. With --bounds the exit status is 1 where a kernel looks for masks at run time
(MATCH), has local memory (LDL, STL) in a loop that does arithmetic, is launched from constant memory, or has more in its loop
than BOUNDS says.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

# Kernel, value type, components: the most instructions and exchanges of its loop. A round of it is 8 pairs of 24 channels, with
# tables of order 5, in the kernels with moments; 8 products of neighbours' vectors in those of triples, with tables of order 11, or,
# once a list, the sums of powers over the threads (the exchanges of ComputeTriples); 16 inputs of 64 neurons, for 32 atoms, in that
# of the fitting net; 32 pairs in the others.
BOUNDS = {
    "GatherPairs<false>": (150, 2),
    "GatherPairs<true>": (150, 2),
    "ComputeEnvironment<double, 4, false>": (290, 0),
    "ComputeEnvironment<double, 4, true>": (420, 0),
    "ComputeEnvironment<float, 4, false>": (305, 0),
    "ComputeEnvironment<float, 4, true>": (420, 0),
    "ComputeMoments<double, 9>": (90, 0),
    "ComputeMoments<double, 16>": (145, 0),
    "ComputeMoments<double, 25>": (200, 0),
    "ComputeMoments<float, 9>": (90, 0),
    "ComputeMoments<float, 16>": (145, 0),
    "ComputeMoments<float, 25>": (200, 0),
    "ComputePairs<double, 1>, environment": (340, 0),
    "ComputePairs<double, 1>, moments": (170, 0),  # two rounds at once
    "ComputePairs<double, 4>, environment": (420, 0),
    "ComputePairs<double, 4>, moments": (205, 0),
    "ComputePairs<float, 1>, environment": (340, 0),
    "ComputePairs<float, 1>, moments": (170, 0),  # two rounds at once
    "ComputePairs<float, 4>, environment": (420, 0),
    "ComputePairs<float, 4>, moments": (205, 0),
    "ComputeTriples<double, 1>": (140, 24),
    "ComputeTriples<double, 2>": (160, 48),
    "ComputeTriples<float, 1>": (140, 24),
    "ComputeTriples<float, 2>": (155, 48),
    "ReverseEnvironment<double, 4>": (165, 0),
    "ReverseEnvironment<float, 4>": (190, 0),
    "ReverseMoments over r<double, 9>": (390, 36),
    "ReverseMoments over r<double, 16>": (415, 24),
    "ReverseMoments over r<double, 25>": (940, 100),
    "ReverseMoments over r<float, 9>": (345, 18),
    "ReverseMoments over r<float, 16>": (360, 12),
    "ReverseMoments over r<float, 25>": (845, 50),
    "ReversePairs<double, 1>": (150, 4),
    "ReversePairs<double, 4>": (265, 6),
    "ReversePairs<float, 1>": (145, 2),
    "ReversePairs<float, 4>": (235, 3),
    "ReversePairs over r<double, 4>": (270, 6),
    "ReversePairs over r<float, 4>": (240, 3),
    "ReverseTriples<double, 1>": (230, 4),
    "ReverseTriples<double, 2>": (260, 4),
    "ReverseTriples<float, 1>": (230, 2),
    "ReverseTriples<float, 2>": (255, 2),
}
FUSED, FUSED_UNITS = "FusedNet<>", 48  # 8 tiles of neurons, 2 of atoms, 3 products of halves each
FUSED_SIZES = {"sm_80": 380, "sm_90": 165}  # the former unrolls the loop
FUSED_LOCAL = 4  # instructions on local memory in all of it: one number that is stored at its begin and read at its end
ARITHMETIC = {"DFMA", "DMUL", "DADD", "FFMA", "FMUL", "FADD", "FFMA2", "FMUL2", "FADD2", "HMMA"}
EXCHANGES = {"SHFL", "VOTE", "VOTEU"}
ROOTS = {"MUFU"}  # and divisions
LOCAL = {"LDL", "STL"}
LEAST_SHARE = 8  # one instruction of so many is arithmetic: less is not a loop over pairs

UNITS = {"HMMA"}  # matrix units: what the fitting net's kernel is for
NAME = re.compile(r"dpc::kokkos::(FusedNet|GatherPairs|Compute(?:Environment|Moments|Pairs|Triples)|Reverse(?:Environment|Moments|Pairs|Triples))<")


class Kernel(NamedTuple):
    """One kernel of the machine code: its operations, and those of its innermost loops."""

    name: str
    architecture: str
    from_constant: bool
    operations: list[str]
    loops: list[list[str]]

    def loop(self) -> list[str]:
        return max(self.loops, key=lambda loop: count(loop, ARITHMETIC), default=[])


def count(operations: list[str], names: set[str]) -> int:
    return sum(operation in names for operation in operations)


def demangled(names: list[str]) -> list[str]:
    return subprocess.run(["c++filt"], input="\n".join(names), text=True, capture_output=True, check=True).stdout.splitlines()


def short(name: str) -> str | None:
    """`ReverseMoments<float, 4>` of a kernel's full name; None: not a kernel of pairs."""
    found = NAME.search(name)
    if not found:
        return None
    words = re.match(r"[^<>()]*", name[found.end() :])
    arguments = [word.strip() for word in words.group().split(",")] if words else []
    kept = [word for word in arguments if re.fullmatch(r"double|float|true|false|\d+", word)]
    slope = " over r" if "EnvironmentSlope" in name else ""
    return f"{found.group(1)}{slope}<{', '.join(kept)}>"


def kernels(text: str) -> Iterator[Kernel]:
    before, *parts = re.split(r"\n\s*Function : ", text)
    architecture = "".join(re.findall(r"code for (sm_\d+)", before))
    for name, part in zip(demangled([part.split("\n", 1)[0].strip() for part in parts]), parts, strict=True):
        label = short(name)
        if label:
            code = [(int(at, 16), words.strip()) for at, words in re.findall(r"/\*([0-9a-f]{4,})\*/\s+(.*?);", part)]
            operations = [re.sub(r"^@\S+\s+", "", words).split()[0].split(".")[0] for _, words in code]
            kernel = Kernel(label, architecture, "constant_memory" in name, operations, list(innermost(code, operations)))
            yield from (halves(kernel) if label.startswith("ComputePairs") else [kernel])


def halves(kernel: Kernel) -> Iterator[Kernel]:
    """The two halves of a kernel that makes environments and moments: as if each had its own loops alone."""
    for name, has_roots in (("environment", True), ("moments", False)):
        loops = [loop for loop in kernel.loops if (count(loop, ROOTS) > 0) == has_roots]
        yield kernel._replace(name=f"{kernel.name}, {name}", loops=loops)


def innermost(code: list[tuple[int, str]], operations: list[str]) -> Iterator[list[str]]:
    """Loops that do arithmetic, without another such one inside. A loop: from the target of a branch back to it."""
    loops = {}
    for at, words in code:
        target = re.search(r"\bBRA\b.*?(0x[0-9a-f]+)", words)
        if target and int(target.group(1), 16) < at:
            begin = int(target.group(1), 16)
            inside = [operation for (place, _), operation in zip(code, operations, strict=True) if begin <= place <= at]
            if count(inside, ARITHMETIC) * LEAST_SHARE > len(inside):
                loops[begin, at] = inside
    for (begin, end), inside in loops.items():
        if not any((a, b) != (begin, end) and begin <= a and b <= end for a, b in loops):
            yield inside


def complaints(kernel: Kernel) -> Iterator[str]:
    if "MATCH" in kernel.operations:
        yield "looks for masks at run time (MATCH)"
    if kernel.from_constant:
        yield "is launched from constant memory"
    if any(count(loop, LOCAL) for loop in kernel.loops):
        yield "local memory in a loop"
    if kernel.name == FUSED and count(kernel.operations, LOCAL) > FUSED_LOCAL:
        yield f"{count(kernel.operations, LOCAL)} instructions on local memory, at most {FUSED_LOCAL} wanted"
    if kernel.name == FUSED and count(kernel.loop(), UNITS) != FUSED_UNITS:
        yield f"{count(kernel.loop(), UNITS)} products of matrix units in its loop, not {FUSED_UNITS}"
    bounds = BOUNDS | {FUSED: (FUSED_SIZES.get(kernel.architecture, 0), 0)}
    size, exchanges = bounds.get(kernel.name, (0, 0))
    found, exchanged = len(kernel.loop()), count(kernel.loop(), EXCHANGES)
    if found > size or exchanged > exchanges:
        yield f"{found} instructions and {exchanged} exchanges in its loop, at most {size} and {exchanges} wanted"


def numbers(kernel: Kernel) -> tuple[int, ...]:
    loop, all_of_it = kernel.loop(), kernel.operations
    return len(all_of_it), count(all_of_it, LOCAL), len(loop), count(loop, ARITHMETIC), count(loop, EXCHANGES)


class Gate(NamedTuple):
    """What is read, and what is said of it: a line for each kernel."""

    description: str | None
    kernels: Callable[[str], Iterator[Any]]
    titles: tuple[str, ...]  # of numbers
    numbers: Callable[[Any], tuple[int, ...]]
    complaints: Callable[[Any], Iterator[str]]

    def main(self) -> int:
        """The exit status."""
        parser = argparse.ArgumentParser(description=(self.description or "").splitlines()[0])
        parser.add_argument("--bounds", action="store_true")
        chosen = parser.parse_args()
        found = sorted(self.kernels(sys.stdin.read()), key=lambda kernel: kernel.name)
        wrong = 0 if found else 1
        titles = "".join(f"{title:>14}" for title in self.titles)
        print(f"{'kernel':42}{titles}" if found else "no kernels of pairs in what was read")
        for kernel in found:
            print(f"{kernel.name:42}" + "".join(f"{number:14}" for number in self.numbers(kernel)))
            for complaint in self.complaints(kernel) if chosen.bounds else ():
                print(f"    {complaint}")
                wrong += 1
        return 1 if wrong else 0


if __name__ == "__main__":
    columns = "all", "local memory", "loop", "arithmetic", "exchanges"
    sys.exit(Gate(__doc__, kernels, columns, numbers, complaints).main())
