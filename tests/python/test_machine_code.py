# SPDX-License-Identifier: MIT
"""The gates on the GPUs' machine code (.ci/machine_code.py, .ci/amd_code.py) see what they are there for."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path

import pytest


def gate(name):
    """A module of .ci, under the name by which others there import it."""
    path = Path(__file__).resolve().parents[2] / ".ci" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


machine_code, amd_code = gate("machine_code"), gate("amd_code")

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


# dpc::kokkos::ReversePairs<Kokkos::HIP, float, 4>::call()
NAME_OF_AMD = "_ZN3dpc6kokkos12ReversePairsIN6Kokkos3HIPEfLi4EE4callEv"
CODE_OF_AMD = ["ds_bpermute_b32 v1, v2, v3", "global_atomic_add_f64 v0, v[2:3], s[4:5]", "s_endpgm"]


def of_amd(code=CODE_OF_AMD, local=0, name=NAME_OF_AMD):
    """A kernel as hipcc prints its assembler code, behind a function that is none."""
    lines = [f"{name}: ; @{name}", "; %bb.0:", *(f"\t{line}" for line in code)]
    lines += ["; NumVgprs: 128", f"; ScratchSize: {local}", "; LDSByteSize: 8 bytes/workgroup", "; Occupancy: 4"]
    return "\n".join(["\t.text", "__assert_fail:", "\ts_endpgm", "; ScratchSize: 96", "; Occupancy: 8", *lines, ""])


def complaints_of_amd(text):
    (kernel,) = amd_code.kernels(text)
    return list(amd_code.complaints(kernel))


def test_what_is_counted_of_amd():
    (kernel,) = amd_code.kernels(of_amd() + of_amd(name="_ZN3dpc4funcEv"))
    assert kernel == amd_code.Kernel(
        "ReversePairs<float, 4>",
        {"registers": 128, "waves": 4, "local memory": 0, "shared": 8},
        3,
        {"exchanges": 1, "additions": 1, "swaps": 0},
    )
    assert complaints_of_amd(of_amd()) == []


def test_what_is_complained_of_amd():
    assert complaints_of_amd(of_amd(local=8)) == ["8 bytes of local memory, at most 0 wanted"]
    swap = "global_atomic_cmpswap_x2 v[0:1], v2, v[4:7], s[0:1] glc"
    assert complaints_of_amd(of_amd([swap, *CODE_OF_AMD])) == ["adds to memory by compare and swap"]
