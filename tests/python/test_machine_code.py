# SPDX-License-Identifier: MIT
"""The gate on the GPU's machine code (.ci/machine_code.py) sees what it is there for."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import pytest

PATH = Path(__file__).resolve().parents[2] / ".ci" / "machine_code.py"
spec = importlib.util.spec_from_file_location("machine_code", PATH)
machine_code = importlib.util.module_from_spec(spec)
spec.loader.exec_module(machine_code)

pytestmark = pytest.mark.skipif(shutil.which("c++filt") is None, reason="no c++filt")

KERNEL = "dpc::kokkos::GroupSegments<dpc::kokkos::ReversePairs<Kokkos::Cuda, float, 4, dpc::math::EnvironmentIsArgument>, Warp>"
LOOP = ["LDG.E.64 R2, [R4]", "FFMA R6, R2, R2, R6", "FFMA R7, R2, R3, R7", "SHFL.BFLY PT, R8, R6, 0x1, 0x1f", "FADD R6, R6, R8"]


def disassembled(loop, before=(), launch="local_memory"):
    """A kernel that goes through a loop, as cuobjdump prints it."""
    first = 16 * len(before)
    lines = [*before, *loop, f"@P0 BRA {first:#x}", "EXIT"]
    code = "\n".join(f"        /*{16 * k:04x}*/    {line} ;    /* 0x0 */" for k, line in enumerate(lines))
    return f"code for sm_90\n\t\tFunction : cuda_parallel_launch_{launch}<{KERNEL}>(int)\n{code}\n"


def complaints(text):
    (kernel,) = machine_code.kernels(text)
    return list(machine_code.complaints(kernel))


def test_what_is_counted():
    (kernel,) = machine_code.kernels(disassembled(LOOP, ["MOV R1, R2"]))
    assert kernel.name == "ReversePairs<float, 4>"
    assert len(kernel.operations) == 8
    assert [len(loop) for loop in kernel.loops] == [6]
    assert machine_code.count(kernel.loop(), machine_code.ARITHMETIC) == 3
    assert complaints(disassembled(LOOP)) == []


def test_what_is_complained_of():
    assert complaints(disassembled(LOOP, ["MATCH.ANY R1, R2"])) == ["looks for masks at run time (MATCH)"]
    assert complaints(disassembled([*LOOP, "STL [R1], R2"])) == ["local memory in a loop"]
    assert complaints(disassembled(LOOP, launch="constant_memory")) == ["is launched from constant memory"]
    assert complaints(disassembled(4 * LOOP)) == ["21 instructions and 4 exchanges in its loop, at most 235 and 3 wanted"]
    assert complaints(disassembled([*LOOP, *(235 * ["FADD R6, R6, R8"])])) != []


def test_more_components():
    few, many = "ReversePairs<Kokkos::Cuda, float, 4, dpc::math::", "ReverseMoments<float, 25, dpc::math::EnvironmentSlope, "
    text = disassembled(LOOP).replace(few, many)
    assert [kernel.name for kernel in machine_code.kernels(text)] == ["ReverseMoments over r<float, 25>"]
    assert complaints(text) == []
    assert complaints(disassembled(51 * LOOP[3:]).replace(few, many)) == [
        "103 instructions and 51 exchanges in its loop, at most 845 and 50 wanted"
    ]
    assert complaints(disassembled([*LOOP, "STL [R1], R2"]).replace(few, many)) == ["local memory in a loop"]


def test_the_fused_net_has_a_bound_of_each_architecture():
    loop = 48 * ["HMMA.16816.F32 R4, R8, R12, R4"] + 130 * ["MOV R1, R2"]
    text = disassembled(loop).replace(KERNEL, "dpc::kokkos::FusedNet<Kokkos::Cuda>")
    assert complaints(text) == ["179 instructions and 0 exchanges in its loop, at most 165 and 0 wanted"]
    assert complaints(text.replace("sm_90", "sm_80")) == []


def test_spills_around_a_loop_are_not():
    assert complaints(disassembled(LOOP, ["STL [R1], R2"])) == []


def test_environments_and_moments_are_two_loops():
    text = disassembled(["MUFU.RSQ R2, R3", *LOOP], [*LOOP, "@P0 BRA 0x0"])
    environment, moments = machine_code.kernels(text.replace("ReversePairs<Kokkos::Cuda, ", "ComputePairs<"))
    assert (environment.name, len(environment.loop())) == ("ComputePairs<float, 4>, environment", 7)
    assert (moments.name, len(moments.loop())) == ("ComputePairs<float, 4>, moments", 6)
