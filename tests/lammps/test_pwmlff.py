# SPDX-License-Identifier: MIT
"""Trained models of PWMLFF and MatPL in LAMMPS, against the results of these programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from lammps_runs import Array, Lammps, System, evaluate_frames, on_backends, setup, static

from pybuild.cli import main

ENERGY_PER_ATOM, FORCE, VIRIAL = 1e-9, 1e-8, 1e-6
NAMES = {1: "H", 8: "O", 29: "Cu"}
Expected = tuple[float, Array, Array]


def checkpoint_frame(data: dict[str, Array], k: int) -> tuple[System, Expected]:
    """The types in LAMMPS are the elements passed, in their order."""
    names = tuple(NAMES[number] for number in data[f"f{k}_image_atom_type"].tolist())
    types = np.array([names.index(NAMES[number]) + 1 for number in data[f"f{k}_numbers"].tolist()])
    system = System(names, types, data[f"f{k}_positions"], data[f"f{k}_cell"])
    return system, (float(data[f"f{k}_energy"]), data[f"f{k}_forces"], data[f"f{k}_virial9"].reshape(3, 3))


def script_frame(data: dict[str, Array], k: int) -> tuple[System, Expected]:
    """LAMMPS' types in another order than the file's."""
    system = System(("Hf", "O"), 2 - data["types"], data[f"positions{k}"], data.get(f"cell{k}"))
    return system, (float(data[f"energy{k}"]), data[f"forces{k}"], data[f"virial{k}"])


def assert_agrees(lammps: Lammps, frames: Sequence[tuple[System, Expected]], model: Path, words: Sequence[str]) -> None:
    tables = lammps.folder / "tables.bin"
    assert main([str(model), str(tables), *words]) == 0
    found = evaluate_frames(lammps, [system for system, _ in frames], tables, ranks=2)
    for k, ((energy, forces, virial), (_, expected)) in enumerate(zip(found, frames, strict=True)):
        assert abs(energy - expected[0]) < ENERGY_PER_ATOM * len(forces), k
        np.testing.assert_allclose(forces, expected[1], rtol=0, atol=FORCE, err_msg=f"frame {k}")
        upper = np.triu_indices(3)
        np.testing.assert_allclose(virial[upper], expected[2][upper], rtol=0, atol=VIRIAL, err_msg=f"frame {k}")


@pytest.mark.parametrize(
    ("name", "frames", "words"),
    [
        ("a_cu", (0, 1, 2), ("--min-nbor-dist", "1.9")),  # frame 2: closer than in the training data
        ("b_oh", (0, 1, 4), ()),  # frame 4: O alone, and given O H
        ("b_oh", (3,), ("--types", "O")),  # the same atoms, given O
        ("c_oh_typeemb", (1, 2, 4, 5), ()),
    ],
)
@on_backends("host", "kk")
def test_checkpoints(shared: Path, lammps: Lammps, name: str, frames: Sequence[int], words: Sequence[str]) -> None:
    folder = shared / "models" / "pwmlff" / name
    data = dict(np.load(folder / "reference.npz"))
    assert_agrees(lammps, [checkpoint_frame(data, k) for k in frames], folder / "dp_model.ckpt", words)


def test_a_torchscript_model(shared: Path, lammps: Lammps) -> None:
    folder = shared / "models-public" / "matpl-hfo2-jit"
    if not folder.is_dir():
        pytest.skip(f"no shared models in {folder}")
    data = dict(np.load(folder / "reference.npz"))
    assert_agrees(lammps, [script_frame(data, k) for k in range(3)], folder / "jit_dp.pt", ("--min-nbor-dist", "1.6"))


def test_fewer_elements_than_the_tables_are_for(shared: Path, lammps: Lammps) -> None:
    """Their number divides the sum over neighbours: said once, with the way to the other model."""
    folder, tables = shared / "models" / "pwmlff" / "b_oh", lammps.folder / "tables.bin"
    data = dict(np.load(folder / "reference.npz"))
    oxygen, (energy, _, _) = checkpoint_frame(data, 3)  # O alone, given O
    oxygen.write(lammps.folder / "o.data")
    replace(oxygen, names=("O", "H")).write(lammps.folder / "oh.data")

    def said(atoms: str, elements: str) -> tuple[list[str], float]:
        run = lammps.run(setup(atoms, lammps.style(tables, "overflow warn"), elements) + static() + "run 0\n")
        return [line for line in run.warnings if "elements" in line], run.value("energy")[0]

    assert main([str(folder / "dp_model.ckpt"), str(tables)]) == 0
    assert said("oh.data", "* * O H")[0] == []
    warnings, other = said("o.data", "* * O")
    assert len(warnings) == 1
    assert "has 1 (O) of the 2 elements (O H) that the tables were built for" in warnings[0]
    assert warnings[0].endswith("--types O")
    assert abs(other - energy) > 1.0
    assert main([str(folder / "dp_model.ckpt"), str(tables), "--types", "O"]) == 0
    warnings, found = said("o.data", "* * O")
    assert warnings == []
    assert abs(found - energy) < ENERGY_PER_ATOM * len(oxygen)
