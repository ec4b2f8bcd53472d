# SPDX-License-Identifier: MIT
"""The shipped examples: what a new user runs first, with the repository's own models and nothing else."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from lammps_runs import Lammps

from pybuild.oracles import reference
from pybuild.readers import read_model

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
NAMES = ("water", "copper")

TABLE_FORCE = 1e-8  # eV/A: the default tolerance of a build
TABLE_ENERGY = 1e-9  # eV/atom
SAME_RUN = (0.1, 0.001, 0.001, 10.0)  # K, eV, eV, bar: what the examples' expected.txt promises for the first run's rows
FIRST_ROWS = 4  # of the thermodynamic output: before rounding errors have grown


@pytest.fixture(params=NAMES)
def example(request: pytest.FixtureRequest, lammps: Lammps) -> str:
    """Name of an example, copied with its tables into the folder of the run."""
    shutil.copytree(EXAMPLES / request.param, lammps.folder, dirs_exist_ok=True)
    subprocess.run([sys.executable, "-m", "pybuild", "model.pt", "tables.bin"], cwd=lammps.folder, check=True)
    return request.param


def thermo_rows(text: str) -> np.ndarray:
    """First five columns (step, temp, pe, etotal, press) of all thermodynamic rows."""
    rows = re.findall(r"^ +(\d+(?: +[-+.\de]+){4,}) *$", text, re.MULTILINE)
    return np.array([[float(word) for word in row.split()[:5]] for row in rows])


def test_run_is_the_expected_one(example: str, lammps: Lammps) -> None:
    run = lammps.run((lammps.folder / "in.lammps").read_text())
    found = thermo_rows(run.output)[:FIRST_ROWS]
    expected = thermo_rows((lammps.folder / "expected.txt").read_text())[:FIRST_ROWS]
    assert len(expected) == FIRST_ROWS
    np.testing.assert_array_equal(found[:, 0], expected[:, 0])
    for column, tolerance in enumerate(SAME_RUN, start=1):
        np.testing.assert_allclose(found[:, column], expected[:, column], rtol=0, atol=tolerance)


@pytest.mark.parametrize("ranks", [1, 2])
def test_first_forces_equal_the_network(example: str, ranks: int, lammps: Lammps) -> None:
    """Against the uncompressed net in NumPy."""
    head = (lammps.folder / "in.lammps").read_text().split("\nfix ", 1)[0]
    script = (
        "\ndump static all custom 1 static.dump id type x y z fx fy fz\ndump_modify static format float %.17g\nrun 0\n"
        'print "energy: $(pe:%.17g)"\nprint "box: $(lx:%.17g) $(ly:%.17g) $(lz:%.17g)"\n'
    )
    run = lammps.run(head + script, ranks)
    atoms = run.dump("static.dump")
    model = read_model(lammps.folder / "model.pt")
    exact = reference.evaluate(model, atoms[:, 1:4], atoms[:, 0].astype(int) - 1, np.diag(run.value("box")))
    np.testing.assert_allclose(atoms[:, 4:], exact.forces, rtol=0, atol=TABLE_FORCE)
    assert abs(run.value("energy")[0] - exact.energy) < TABLE_ENERGY * len(atoms)
