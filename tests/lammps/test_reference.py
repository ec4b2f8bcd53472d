# SPDX-License-Identifier: MIT
"""Every model that there are tables for, all its frames (periodic, triclinic, open), on 1, 2 and 4 ranks against the trainer's
own results."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from lammps_runs import THREADED, Array, Lammps, System, evaluate_frames, from_reference, on_backends

from pybuild.oracles import reference as oracle
from pybuild.readers import read_model

MODELS = [
    "se_e2_a-small",
    "se_e2_a-two_side-exclude",
    "se_e2_a-resnet_dt-set_davg_zero",
    "se_e2_a-silu-sigmoid",
    "se_e2_a-softplus-pair_exclude",
    "se_e2_a-cu",
    "se_e2_r-small",
    "dpa1-concat-attn0",
    "dpa1-strip-attn0",
    "se_e3-small",
    "water-full",
    "cu-full",
]
FRAMES = range(4)
# What the default tolerance of the build promises on these models; the code itself agrees to 1e-12 with equal tables.
ENERGY_PER_ATOM = 1e-9  # eV
FORCE = 1e-8  # eV/angstrom
VIRIAL = 1e-6  # eV


def frames_of(reference: dict[str, Array]) -> list[System]:
    return [from_reference(reference, frame) for frame in FRAMES]


def assert_reference(lammps: Lammps, expected: dict[str, Array], tables: Path, ranks: int) -> None:
    for frame, (energy, forces, virial) in enumerate(evaluate_frames(lammps, frames_of(expected), tables, ranks)):
        n = len(forces)
        assert abs(energy - expected[f"energy{frame}"]) < ENERGY_PER_ATOM * n, frame
        np.testing.assert_allclose(forces, expected[f"forces{frame}"], rtol=0, atol=FORCE, err_msg=f"frame {frame}")
        np.testing.assert_allclose(virial, expected[f"virial{frame}"], rtol=0, atol=VIRIAL, err_msg=f"frame {frame}")


@pytest.mark.parametrize("ranks", [1, 2, 4])
@pytest.mark.parametrize("model", MODELS)
@on_backends("host", "kk")
def test_model_equals_reference(
    model: str, ranks: int, lammps: Lammps, reference: Callable[[str], dict[str, Array]], tables: Callable[[str], Path]
) -> None:
    assert_reference(lammps, reference(model), tables(model), ranks)


TENSORFLOW = ["v1.3-se_a", "se_e2_a-two_side-exclude", "se_e2_r-two_side", "se_e2_r-one_side-exclude"]


@pytest.mark.parametrize("model", TENSORFLOW)
@on_backends("host", "kk")
def test_tensorflow_model_equals_reference(model: str, lammps: Lammps, shared: Path, tmp_path: Path) -> None:
    folder = shared / "models-tf" / model
    if not folder.is_dir():
        pytest.skip(f"no shared models in {folder}")
    command = [sys.executable, "-m", "pybuild", str(folder / "model.pb"), "tables.bin", "--min-nbor-dist", "0.885"]
    subprocess.run(command, check=True, cwd=tmp_path)
    with np.load(folder / "reference.npz") as arrays:
        assert_reference(lammps, dict(arrays), tmp_path / "tables.bin", 2)


@pytest.mark.parametrize(
    "model", ["water-full", "se_e2_a-softplus-pair_exclude", "se_e2_r-small", "se_e3-small", "dpa1-strip-attn0"]
)
@on_backends("kokkos_serial", "kokkos_openmp", *THREADED)
def test_every_backend_equals_reference(
    model: str, lammps: Lammps, reference: Callable[[str], dict[str, Array]], tables: Callable[[str], Path]
) -> None:
    assert_reference(lammps, reference(model), tables(model), ranks=1)


def test_float32_model_equals_float64_evaluation(
    lammps: Lammps, shared: Path, reference: Callable[[str], dict[str, Array]], tables: Callable[[str], Path]
) -> None:
    """The trainer evaluates this model in float32; the weights are exact in float64, and so are we."""
    model = "se_e2_a-float32"
    frames = reference(model)
    description = read_model(shared / "models" / model / "model.pth")
    for frame, (energy, forces, virial) in enumerate(evaluate_frames(lammps, frames_of(frames), tables(model), ranks=1)):
        expected = oracle.evaluate(description, frames[f"positions{frame}"], frames["types"], frames.get(f"cell{frame}"))
        assert abs(energy - expected.energy) < ENERGY_PER_ATOM * len(forces), frame
        np.testing.assert_allclose(forces, expected.forces, rtol=0, atol=FORCE, err_msg=f"frame {frame}")
        np.testing.assert_allclose(virial, expected.virial, rtol=0, atol=VIRIAL, err_msg=f"frame {frame}")
