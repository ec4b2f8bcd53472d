# SPDX-License-Identifier: MIT
"""What hipcc made of the kernels that work on pairs (machine_code.py: the same of nvcc), and whether it is as it should be.

    python .ci/amd_code.py [--bounds] < FILE.s

A line for each kernel of the assembler code: registers of a thread, wavefronts of a SIMD, local memory of a thread (bytes),
shared memory of a team, instructions, exchanges between threads, additions to memory. With --bounds the exit status is 1 where
a kernel has more local memory than LOCAL says, or adds to memory by compare and swap of 8 bytes.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import NamedTuple

from machine_code import Gate, demangled, short

# Bytes of a thread, where registers end; none in the other kernels.
LOCAL = {
    "ComputeMoments<float, 25>": 128,
    "ReverseMoments over r<double, 25>": 128,
    "ReversePairs over r<double, 4>": 8,  # once a group
}
# As the compiler says.
SIZES = {"registers": "NumVgprs", "waves": "Occupancy", "local memory": "ScratchSize", "shared": "LDSByteSize"}
OPERATIONS = {"exchanges": "ds_bpermute", "additions": "global_atomic_add_f", "swaps": "global_atomic_cmpswap_x2"}


class Kernel(NamedTuple):
    name: str
    sizes: dict[str, int]  # of SIZES
    n_instructions: int
    counts: dict[str, int]  # of OPERATIONS


def kernels(text: str) -> Iterator[Kernel]:
    parts = re.findall(r"^(_Z\w+):[^\n]*\n(.*?^; Occupancy: \d+)", text, re.MULTILINE | re.DOTALL)
    for name, (_, part) in zip(demangled([name for name, _ in parts]), parts, strict=True):
        label = short(name)
        if label:
            operations = re.findall(r"^\t([a-z]\w+)", part, re.MULTILINE)
            sizes = {size: int(re.findall(rf"^; {word}: (\d+)", part, re.MULTILINE)[0]) for size, word in SIZES.items()}
            counts = {what: sum(o.startswith(begin) for o in operations) for what, begin in OPERATIONS.items()}
            yield Kernel(label, sizes, len(operations), counts)


def complaints(kernel: Kernel) -> Iterator[str]:
    most = LOCAL.get(kernel.name, 0)
    if kernel.sizes["local memory"] > most:
        yield f"{kernel.sizes['local memory']} bytes of local memory, at most {most} wanted"
    if kernel.counts["swaps"]:
        yield "adds to memory by compare and swap"


def numbers(kernel: Kernel) -> tuple[int, ...]:
    return *kernel.sizes.values(), kernel.n_instructions, kernel.counts["exchanges"], kernel.counts["additions"]


if __name__ == "__main__":
    columns = *SIZES, "instructions", "exchanges", "additions"
    sys.exit(Gate(__doc__, kernels, columns, numbers, complaints).main())
