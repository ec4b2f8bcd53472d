# SPDX-License-Identifier: MIT
"""Atoms closer than in the training data, beyond the tables, in the same place, nowhere; more neighbours than sel."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
from lammps_runs import Lammps, Run, System, on_backends, setup, static

from pybuild.oracles import reference as oracle
from pybuild.readers import read_model
from pybuild.tablefile.file import read_tables, write_tables

CLOSE, BEYOND, CROWD = "closer than in the training data", "closer than the tables reach", "more neighbours than sel"
BOX = np.diag([24.0, 24.0, 24.0])
REPORTED = 1e-5  # relative: messages have 6 digits


@pytest.fixture(scope="module")
def model(shared: Path) -> oracle.ModelDescription:
    return read_model(shared / "models" / "se_e2_a-small" / "model.pth")


def pair_at(lammps: Lammps, distance: float, axis: int = 0) -> None:
    """Three O-H pairs; in the last, atoms 5 (O) and 6 (H), the two are `distance` apart, across the middle of the box."""
    positions = np.array([[4.0, 4, 4], [5.0, 4, 4], [4.0, 20, 20], [5.0, 20, 20], [12, 12, 12], [12, 12, 12]])
    positions[4, axis] -= distance / 2
    positions[5, axis] += distance / 2
    System(("O", "H"), np.array([1, 2, 1, 2, 1, 2]), positions, BOX).write(lammps.folder / "pair.data")


def the_report(lines: list[str], kind: str) -> dict[str, float]:
    """Numbers of the only message of a kind."""
    found = [line for line in lines if kind in line]
    assert len(found) == 1, "\n".join(lines)
    match = re.search(
        r"step (?P<step>\d+), atoms (?P<i>\d+) \((?P<type_i>\w+)\) and (?P<j>\d+) \((?P<type_j>\w+)\), "
        r"(?P<distance>\S+) angstrom apart; "
        r"the closest (\w+)-(\w+) pair of the training data is at (?P<limit>\S+) and the table ends at (?P<end>\S+) angstrom",
        found[0],
    )
    assert match, found[0]
    numbers = {name: float(match[name]) for name in ("step", "i", "j", "distance", "limit", "end")}
    assert {(numbers["i"], match["type_i"]), (numbers["j"], match["type_j"])} == {(5.0, "O"), (6.0, "H")}
    numbers["count"] = float(re.search(r"(\d+) since the last report", found[0])[1])
    return numbers


def kinds(run: Run) -> list[str]:
    return [kind for line in run.warnings for kind in (CLOSE, BEYOND, CROWD) if kind in line]


@pytest.mark.parametrize("ranks", [1, 2])
@on_backends("host", "kokkos_openmp-2", "kk", "kk_host")
def test_closer_than_training_data_warns(ranks: int, lammps: Lammps, small: Path, model: oracle.ModelDescription) -> None:
    distance = 0.99 * model.min_nbor_dist
    pair_at(lammps, distance)
    run = lammps.run(setup("pair.data", lammps.style(small), "* * O H") + static(), ranks)
    assert kinds(run) == [CLOSE]
    report = the_report(run.warnings, CLOSE)
    assert report["step"] == 0
    assert report["distance"] == pytest.approx(distance, rel=REPORTED)
    assert report["limit"] == pytest.approx(model.min_nbor_dist, rel=REPORTED)
    assert report["end"] < report["limit"]
    assert report["count"] == 2, "the pair, seen from both atoms"


def test_training_range_is_silent(lammps: Lammps, small: Path, model: oracle.ModelDescription) -> None:
    pair_at(lammps, 1.01 * model.min_nbor_dist)
    assert kinds(lammps.run(setup("pair.data", lammps.style(small), "* * O H") + static())) == []


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("option", ["", "overflow stop"])
@on_backends("host", "kk")
def test_beyond_the_table_stops(option: str, ranks: int, lammps: Lammps, small: Path) -> None:
    pair_at(lammps, 0.05)
    run = lammps.run(setup("pair.data", f"dpcompressed {small} {option}", "* * O H") + static(), ranks, check=False)
    assert len(run.errors) == 1, run.output
    report = the_report(run.errors, BEYOND)
    assert report["distance"] == pytest.approx(0.05, rel=REPORTED)
    assert report["end"] > 0.05
    assert "overflow warn" in run.errors[0]


@on_backends("host", "kokkos_openmp-2", "kk")
def test_beyond_the_table_can_go_on(lammps: Lammps, small: Path) -> None:
    pair_at(lammps, 0.05)
    run = lammps.run(setup("pair.data", lammps.style(small, "overflow warn"), "* * O H") + static())
    assert kinds(run) == [BEYOND]
    assert np.isfinite(run.dump("forces.dump")).all()


@pytest.mark.parametrize("ranks", [1, 2])
@on_backends("host", "kokkos_openmp-2", "kk")
def test_beyond_a_table_that_ends_above_the_smallest_distance(ranks: int, lammps: Lammps, small: Path) -> None:
    """The pair is no closer than the training data, but beyond the table all the same."""
    near = np.full((2, 2), 0.01)
    far_off = dataclasses.replace(read_tables(small), min_distance=near, close_distance=near)
    write_tables(lammps.folder / "far.bin", far_off)
    pair_at(lammps, 0.05)
    run = lammps.run(setup("pair.data", lammps.style(lammps.folder / "far.bin", "overflow warn"), "* * O H") + static(), ranks)
    assert kinds(run) == [BEYOND]
    report = the_report(run.warnings, BEYOND)
    assert report["limit"] == 0.01 < report["distance"] < report["end"]
    assert report["count"] == 2
    assert any("Closer than the training data: 0, beyond the table: 2" in line for line in run.warnings)
    stopped = lammps.run(setup("pair.data", lammps.style(lammps.folder / "far.bin"), "* * O H") + static(), ranks, check=False)
    assert len(stopped.errors) == 1
    assert BEYOND in stopped.errors[0]


MOVING = """
group oxygen id 5
group hydrogen id 6
fix 1 oxygen move linear 0 {speed} 0 units box
fix 2 hydrogen move linear 0 -{speed} 0 units box
timestep 0.001
run {steps}
"""


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize(("check", "steps", "reported"), [("check 9", 32, 18), ("check 100", 32, 32), ("", 32, 20)])
@on_backends("host", "kk")
def test_nothing_between_two_checks_is_missed(
    check: str, steps: int, reported: int, ranks: int, lammps: Lammps, small: Path, model: oracle.ModelDescription
) -> None:
    """Two atoms pass each other at a fixed impact parameter: too close only at steps 15, 16, 17, closest at 16."""
    closest, step_length = 0.97 * model.min_nbor_dist, 0.0
    # at steps 16 +- 1 still closer than the limit, at 16 +- 2 no more
    step_length = 0.15 * model.min_nbor_dist
    assert np.hypot(closest, step_length) < model.min_nbor_dist < np.hypot(closest, 2 * step_length)
    positions = np.array([[4.0, 4, 4], [5.0, 4, 4], [4.0, 20, 20], [5.0, 20, 20], [12, 12, 12], [12, 12, 12]])
    positions[4] += [-closest / 2, -8 * step_length, 0]
    positions[5] += [closest / 2, 8 * step_length, 0]
    System(("O", "H"), np.array([1, 2, 1, 2, 1, 2]), positions, BOX).write(lammps.folder / "pair.data")
    speed = step_length / 2 / 0.001
    script = "processors 1 * 1\n" + setup("pair.data", f"dpcompressed {small} {check}", "* * O H")
    script += "thermo_style custom step pe\nthermo 1\n" + MOVING.format(speed=f"{speed:.17g}", steps=steps)
    run = lammps.run(script, ranks)
    report = the_report(run.warnings, CLOSE)
    assert report["step"] == 16
    assert report["distance"] == pytest.approx(closest, rel=REPORTED)
    assert report["count"] == 3 * 2
    before = run.output.split("WARNING: pair_style")[0]
    last_step = int(re.findall(r"^ +(\d+) ", before, re.MULTILINE)[-1])
    assert last_step == reported - 1, "the report comes before the thermo line of its step"


@on_backends("host", "kk")
def test_more_neighbours_than_sel(lammps: Lammps, small: Path, model: oracle.ModelDescription) -> None:
    """A lattice with 32 O atoms within the cutoff where sel is 24: said once per run, and all of them count."""
    spacing = 2.4
    grid = np.stack(np.meshgrid(*[np.arange(5)] * 3, indexing="ij"), -1).reshape(-1, 3) * spacing
    rng = np.random.default_rng(5)
    positions = grid + rng.uniform(-0.05, 0.05, grid.shape)
    system = System(("O", "H"), np.ones(len(grid), dtype=int), positions, np.diag([5 * spacing] * 3))
    system.write(lammps.folder / "dense.data")
    script = setup("dense.data", lammps.style(small, "check 2"), "* * O H") + static()
    script += "fix nve all nve\ntimestep 0.0001\nrun 10\n"
    run = lammps.run(script, ranks=2)
    assert kinds(run) == [CROWD, CROWD], "once in each of the two runs"
    found = re.search(
        r"at step 0 atom (\d+) \(O\) has (\d+) O neighbours within the cutoff, sel is (\d+); (\d+) such cases", run.output
    )
    assert found, run.output
    d = positions[:, None] - positions[None]
    d -= 5 * spacing * np.round(d / (5 * spacing))
    counts = (np.linalg.norm(d, axis=2) < model.descriptors[0].rcut).sum(1) - 1
    assert int(found[2]) == counts.max() == counts[int(found[1]) - 1]
    assert int(found[3]) == model.descriptors[0].sel[0]
    assert int(found[4]) == (counts > model.descriptors[0].sel[0]).sum()
    expected = oracle.evaluate(model, positions, system.types - 1, system.cell)
    np.testing.assert_allclose(run.dump("forces.dump"), expected.forces, rtol=0, atol=1e-8)


@pytest.mark.parametrize("ranks", [1, 2])
@on_backends("host", "kokkos_openmp-2", "kk")
def test_two_atoms_in_one_place(ranks: int, lammps: Lammps, small: Path) -> None:
    pair_at(lammps, 0.0)
    run = lammps.run(setup("pair.data", lammps.style(small, "overflow warn"), "* * O H") + static(), ranks, check=False)
    assert re.search(r"step 0: .*atom IDs (5 and 6|6 and 5)\)", run.errors[0]), run.output


@pytest.mark.parametrize("ranks", [1, 2])
@on_backends("host", "kokkos_openmp-2", "kk")
def test_positions_that_are_not_finite(ranks: int, lammps: Lammps, small: Path) -> None:
    """An atom is thrown out of the world between two builds of the neighbour list, where LAMMPS does not look."""
    pair_at(lammps, 2.0)
    script = setup("pair.data", lammps.style(small), "* * O H")
    script += """
neigh_modify delay 100 every 100 check no
group fast id 5
velocity fast set 1e308 0 0
fix nve all nve
timestep 1000
run 10
"""
    run = lammps.run(script, ranks, check=False)
    assert re.search(r"step 1: .*finite.*atom ID 5\)", run.errors[0]), run.output
