# SPDX-License-Identifier: MIT
"""Hybrid models, and models that take parameters: LAMMPS gives what the trained model gives, on any number of ranks and after a
restart; a clear error where parameters are missing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from lammps_runs import Lammps, System, on_backends, setup, static

from pybuild.compress.build import build
from pybuild.oracles import reference
from pybuild.readers import read_model
from pybuild.tablefile.file import write_tables

FOLDER = Path(__file__).resolve().parents[1] / "data" / "options"
TABLES = 1e-8  # eV/A
NAMES = "* * A B C"
GIVEN = {"fparam": [0.7, -0.4], "aparam": [1.3]}


@pytest.fixture(scope="module")
def tables_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The table file of a model of the folder, made once."""
    folder = tmp_path_factory.mktemp("parameters")

    def make(name: str) -> Path:
        path = folder / f"{name}.bin"
        if not path.exists():
            write_tables(path, build(read_model(FOLDER / f"{name}.pth"), 1.1).tables)
        return path

    return make


def write_atoms(lammps: Lammps, name: str) -> dict[str, np.ndarray]:
    data = dict(np.load(FOLDER / f"{name}.npz"))
    system = System(("X", "X", "X"), data["types"].astype(np.int64) + 1, data["positions"], data["cell"])
    system.write(lammps.folder / "atoms.data")
    return data


def words(**given: list[float]) -> str:
    return " ".join(f"{name} {' '.join(map(str, values))}" for name, values in given.items())


@pytest.mark.parametrize("ranks", [1, 2])
@on_backends("host", "kokkos_serial", "kk")
def test_several_descriptors(lammps: Lammps, tables_of: Callable, ranks: int) -> None:
    """Three of two kinds and cutoffs, all with too few slots: the peer's numbers."""
    data = write_atoms(lammps, "hybrid_tight")
    run = lammps.run(setup("atoms.data", lammps.style(tables_of("hybrid_tight"), "overflow warn"), NAMES) + static(), ranks)
    np.testing.assert_allclose(run.dump("forces.dump"), data["forces"], rtol=0, atol=TABLES)
    assert run.value("energy")[0] == pytest.approx(float(data["energy"]), abs=TABLES * 27)
    assert "se_e2_a + se_e2_r + se_e2_a, cutoff 4 angstrom" in run.output


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("given", [GIVEN, {"aparam": [1.3]}])
@on_backends("host", "kokkos_serial", "kk")
def test_parameters(lammps: Lammps, tables_of: Callable, given: dict[str, list[float]], ranks: int) -> None:
    """Frame parameters of the input, or those of the model."""
    data = write_atoms(lammps, "parameters")
    style = lammps.style(tables_of("parameters"), f"overflow warn {words(**given)} check 5")
    run = lammps.run(setup("atoms.data", style, NAMES) + static(), ranks)
    x, types = data["positions"], data["types"].astype(np.int64)
    model = read_model(FOLDER / "parameters.pth")
    expected = reference.evaluate(model, x, types, data["cell"], given.get("fparam"), np.full((27, 1), 1.3))
    np.testing.assert_allclose(run.dump("forces.dump"), expected.forces, rtol=0, atol=TABLES)
    assert run.value("energy")[0] == pytest.approx(expected.energy, abs=TABLES * 27)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("", "the model takes 1 atomic parameters, keyword aparam has 0: give aparam and 1 number"),
        ("aparam 1.0 fparam 2.0", "the model takes 2 frame parameters, keyword fparam has 1: give fparam and 2 numbers"),
        ("aparam 1.0 2.0", "the model takes 1 atomic parameters, keyword aparam has 2"),
        ("aparam", "keyword 'aparam' has no value"),
        ("aparam warm", "aparam must be one or more numbers, not 'warm'"),
    ],
)
def test_what_is_missing_is_said(lammps: Lammps, tables_of: Callable, given: str, message: str) -> None:
    write_atoms(lammps, "parameters")
    text = setup("atoms.data", lammps.style(tables_of("parameters"), given), NAMES) + static()
    run = lammps.run(text, check=False)
    assert any(message in line for line in run.errors)


def test_a_model_without_parameters(lammps: Lammps, tables_of: Callable) -> None:
    write_atoms(lammps, "hybrid_a_r")
    text = setup("atoms.data", lammps.style(tables_of("hybrid_a_r"), "fparam 1.0"), NAMES) + static()
    run = lammps.run(text, check=False)
    assert any("the model takes no frame parameters, keyword fparam has 1: leave it out" in line for line in run.errors)
