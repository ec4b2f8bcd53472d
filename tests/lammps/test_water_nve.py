# SPDX-License-Identifier: MIT
"""Dynamics of the full water model against the uncompressed peer from the same start.

tests/data/water_nve says how the peer's run was made.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from lammps_runs import Lammps, Run

DATA = Path(__file__).resolve().parents[1] / "data" / "water_nve"
ATOMS = 192
TIMESTEP = 0.25e-3  # ps

TRAJECTORY = 1e-6  # angstrom over 50 steps: force errors of 1e-8 eV/A move a hydrogen by 1e-9 A in 12.5 fs, chaos adds little yet
PRESSURE = 1e-3  # bar: the table's virial error, 1e-7 eV, in a box of 1,927 A^3 is 3e-5 bar
DRIFT = 1e-6  # eV/atom/ps
FLUCTUATION = 0.1  # relative: trajectories part after some hundred steps, so only the statistics can agree
MIXED_DRIFT = 1e-5  # eV/atom/ps: single precision is noise on the forces, not a loss of energy


@pytest.fixture(scope="module")
def peer() -> np.ndarray:
    """Columns step, temp, pe, ke, etotal, press of the uncompressed model."""
    return np.genfromtxt(DATA / "peer_nve.csv", delimiter=",", names=True)


def start(lammps: Lammps, style: str, rest: str) -> Run:
    """in.nve's head with another end."""
    head = (DATA / "in.nve").read_text().split("dump ", 1)[0]
    return lammps.run(head + rest, arguments=("-var", "start", str(DATA / "start.data"), "-var", "style", style))


def thermo(run: Run) -> np.ndarray:
    """Rows step, temp, pe, ke, etotal, press of all runs in the output."""
    rows = re.findall(r"^ +(\d+(?: +[-+.\de]+){5}) *$", run.output, re.MULTILINE)
    return np.array([[float(word) for word in row.split()] for row in rows])


def drift_and_fluctuation(step: np.ndarray, energy: np.ndarray) -> tuple[float, float]:
    """Slope (eV/atom/ps) of the fitted line and standard deviation (eV/atom) around it."""
    time = step * TIMESTEP
    fit = np.polyfit(time, energy / ATOMS, 1)
    return fit[0], float(np.std(energy / ATOMS - np.polyval(fit, time)))


def test_first_fifty_steps_equal_the_uncompressed_trajectory(lammps: Lammps, tables: Callable[[str], Path], peer) -> None:
    rest = "dump first all custom 1 first.dump id xu yu zu\ndump_modify first sort id format float %.12f\nrun 50\n"
    run = start(lammps, f"dpcompressed {tables('water-full')} overflow warn", rest)
    expected = np.load(DATA / "peer_first50.npz")["positions"]
    np.testing.assert_allclose(np.array(run.dumps("first.dump")), expected, rtol=0, atol=TRAJECTORY)
    assert thermo(run)[0][5] == pytest.approx(peer["press"][0], abs=PRESSURE)
    assert thermo(run)[0][2] == pytest.approx(peer["pe"][0], abs=1e-9 * ATOMS)


def test_energy_is_conserved_like_the_uncompressed_model(lammps: Lammps, tables: Callable[[str], Path], peer) -> None:
    run = start(lammps, f"dpcompressed {tables('water-full')} overflow warn", "thermo_modify format float %.14g\nrun 4000\n")
    rows = thermo(run)
    assert rows[-1][0] == 4000
    drift, fluctuation = drift_and_fluctuation(rows[:, 0], rows[:, 4])
    _, peer_fluctuation = drift_and_fluctuation(peer["step"], peer["etotal"])
    assert abs(drift) < DRIFT
    assert fluctuation == pytest.approx(peer_fluctuation, rel=FLUCTUATION)


def test_mixed_precision_conserves_energy(lammps: Lammps, tables: Callable[[str], Path]) -> None:
    style = f"dpcompressed {tables('water-full')} overflow warn precision mixed"
    rows = thermo(start(lammps, style, "thermo_modify format float %.14g\nrun 4000\n"))
    assert abs(drift_and_fluctuation(rows[:, 0], rows[:, 4])[0]) < MIXED_DRIFT


def test_constant_pressure_starts_from_the_same_pressure(lammps: Lammps, tables: Callable[[str], Path], peer) -> None:
    """NPT: the virial reaches the pressure that the barostat sees, and the box follows it."""
    barostat = "fix integrate all npt temp 330 330 0.1 iso $(press) $(press) 0.5\n"
    rest = f'unfix integrate\n{barostat}run 0\nrun 100\nprint "box: $(lx)"\n'
    run = start(lammps, f"dpcompressed {tables('water-full')} overflow warn", "run 0\n" + rest)
    rows = thermo(run)
    assert rows[0][5] == pytest.approx(peer["press"][0], abs=PRESSURE)
    assert rows[-1][0] == 100
    assert np.all(np.isfinite(rows))
    assert 0 < abs(run.value("box")[0] - 12.44466) < 0.5
