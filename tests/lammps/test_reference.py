# SPDX-License-Identifier: MIT
"""Every model that there are tables for, all its frames (periodic, triclinic, open), on 1, 2 and 4 ranks against the trainer's
own results."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from lammps_runs import THREADED, Array, Lammps, System, evaluate_frames, from_reference, on_backends, setup, static

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
    "zbl-dpa1",
    "se_e3-small",
    "se_e3_tebd-strip",
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


WAYS = [("host", 1), ("host", 2), ("host", 4), ("kk", 1), ("kk", 4), ("kk_host", 1), ("kk_host", 2)]


@pytest.mark.parametrize(("lammps", "ranks"), WAYS, indirect=["lammps"])
@pytest.mark.parametrize("model", MODELS)
def test_model_equals_reference(
    model: str, ranks: int, lammps: Lammps, reference: Callable[[str], dict[str, Array]], tables: Callable[[str], Path]
) -> None:
    assert_reference(lammps, reference(model), tables(model), ranks)


TENSORFLOW = [
    "v1.3-se_a", "se_e2_a-two_side-exclude", "se_e2_r-two_side", "se_e2_r-one_side-exclude", "se_atten_v2", "se_a_tebd_v2",
    "zbl-se_e2_a", "linear-a_r",
]  # fmt: skip


def tensorflow_tables(shared: Path, model: str, folder: Path) -> tuple[Path, dict[str, Array]]:
    """Tables of a model, and DeePMD-kit's results."""
    source = shared / "models-tf" / model
    if not source.is_dir():
        pytest.skip(f"no shared models in {source}")
    command = [sys.executable, "-m", "pybuild", str(source / "model.pb"), "tables.bin", "--min-nbor-dist", "0.885"]
    subprocess.run(command, check=True, cwd=folder)
    with np.load(source / "reference.npz") as arrays:
        return folder / "tables.bin", dict(arrays)


@pytest.mark.parametrize("model", TENSORFLOW)
@on_backends("host", "kk")
def test_tensorflow_model_equals_reference(model: str, lammps: Lammps, shared: Path, tmp_path: Path) -> None:
    tables, expected = tensorflow_tables(shared, model, tmp_path)
    assert_reference(lammps, expected, tables, 2)


@on_backends("host", "kk", "kk_host")
def test_virtual_atoms(lammps: Lammps, shared: Path, tmp_path: Path) -> None:
    """TensorFlow's type -1 is NULL: such atoms are as if they were not there, wherever they are, and take no slot."""
    tables, expected = tensorflow_tables(shared, "se_atten_v2", tmp_path)
    known = from_reference(expected, 0)
    positions, types = np.vstack([known.positions, known.positions[:9] + 0.05]), np.append(known.types, [3] * 9)
    replace(known, names=(*known.names, "X"), positions=positions, types=types).write(lammps.folder / "more.data")
    run = lammps.run(setup("more.data", lammps.style(tables, "overflow warn"), "* * O H NULL") + static())
    assert abs(run.value("energy")[0] - expected["energy0"]) < ENERGY_PER_ATOM * len(known)
    forces = run.dump("forces.dump")
    np.testing.assert_allclose(forces[: len(known)], expected["forces0"], rtol=0, atol=FORCE)
    np.testing.assert_array_equal(forces[len(known) :], 0)


@pytest.mark.parametrize(
    "model", ["water-full", "se_e2_a-softplus-pair_exclude", "se_e2_r-small", "se_e3-small", "dpa1-strip-attn0", "zbl-dpa1"]
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
