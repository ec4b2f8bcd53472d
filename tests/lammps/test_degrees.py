# SPDX-License-Identifier: MIT
"""DPA-1 with lmax > 1 in LAMMPS: forces and energy of DeePMD-kit, of models that it made with random weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from lammps_runs import Lammps, System, on_backends, setup, static

from pybuild.compress.build import build
from pybuild.readers import read_model
from pybuild.tablefile.file import write_tables

FOLDER = Path(__file__).resolve().parents[1] / "data" / "dpa1"
TOLERANCE, SINGLE = 1e-8, 1e-4  # eV, eV/A: the tables'; mixed precision of forces of some eV/A


@pytest.fixture(scope="module")
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path, first = tmp_path_factory.mktemp("degrees") / "tables.bin", np.load(FOLDER / f"{request.param}.npz")["types"][0]
    padding = {} if request.param == "lmax4" else {"padding_type": "ABC"[first]}
    write_tables(path, build(read_model(FOLDER / f"{request.param}.pth", **padding), 1.0).tables)
    return path


@pytest.mark.parametrize("precision", ["double", "mixed"])
@pytest.mark.parametrize(("made", "name"), [("lmax2", "lmax2"), ("lmax4", "lmax4")], indirect=["made"])
@on_backends("host", "kokkos_serial", "kk")
def test_forces_of_the_trained_model(lammps: Lammps, made: Path, name: str, precision: str) -> None:
    data = np.load(FOLDER / f"{name}.npz")
    atoms = System(("X", "X", "X"), data["types"].astype(np.int64) + 1, data["positions"], data["cell"])
    atoms.write(lammps.folder / "atoms.data")
    run = lammps.run(setup("atoms.data", lammps.style(made, f"precision {precision} overflow warn"), "* * A B C") + static(), 2)
    tolerance = TOLERANCE if precision == "double" else SINGLE
    np.testing.assert_allclose(run.dump("forces.dump"), data["forces0"], rtol=0, atol=tolerance)
    assert run.value("energy")[0] == pytest.approx(float(data["energy0"]), abs=tolerance * len(data["types"]))
