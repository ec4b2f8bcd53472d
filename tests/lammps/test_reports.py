# SPDX-License-Identifier: MIT
"""When overflow reports are printed: neither are they lost in LAMMPS' limit of 100 warnings, nor do they use it up."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from lammps_runs import Lammps, Run, System, on_backends, setup

from pybuild.oracles import reference as oracle
from pybuild.readers import read_model

CLOSE, BEYOND = "closer than in the training data. Worst", "closer than the tables reach. Worst"
SUMMARY, PENDING = "in the whole run", "not reported before"
BOX = np.diag([24.0, 24.0, 24.0])
REPORTED = 1e-5  # relative: messages have 6 digits


@pytest.fixture(scope="module")
def limit(shared: Path) -> float:
    """Angstrom: the smallest distance of the training data, for all pairs of types."""
    model: oracle.ModelDescription = read_model(shared / "models" / "se_e2_a-small" / "model.pth")
    return model.min_nbor_dist


def steps(run: Run, kind: str) -> list[int]:
    """Steps of the worst pairs of all messages of a kind."""
    return [int(re.search(r"step (\d+), atoms", line)[1]) for line in run.warnings if kind in line]


def number(run: Run, kind: str, words: str) -> list[int]:
    """The number at `words`, a regular expression with one group, in all messages of a kind."""
    return [int(re.search(words, line)[1]) for line in run.warnings if kind in line]


def close_pair(lammps: Lammps, distance: float) -> str:
    """Two O-H pairs, atoms 1 and 2 `distance` apart, that stay where they are; an input script up to the run."""
    positions = np.array([[6.0, 6, 6], [6.0 + distance, 6, 6], [18.0, 18, 18], [19.0, 18, 18]])
    System(("O", "H"), np.array([1, 2, 1, 2]), positions, BOX).write(lammps.folder / "pair.data")
    script = setup("pair.data", lammps.style("{tables}", "check 1 overflow warn"), "* * O H")
    return script + "thermo 1000\nthermo_style custom step pe\n"


@pytest.mark.parametrize("ranks", [1, 2])
@on_backends("host", "kk")
def test_the_first_reports_then_growing_gaps_and_a_summary(ranks: int, lammps: Lammps, small: Path, limit: float) -> None:
    """201 evaluations, at steps 0 to 200, each with one pair seen from both sides."""
    script = close_pair(lammps, 0.98 * limit).format(tables=small)
    run = lammps.run(script + "run 200\n", ranks)
    since = number(run, CLOSE, r"(\d+) since the last report")
    assert since == [2, 2, 2, 2 * 3, 2 * 6, 2 * 12, 2 * 24, 2 * 48, 2 * 96], "reports 1, 2, 3, 6, 12, ..., 192"
    assert number(run, SUMMARY, r"run: (\d+) times") == [2 * 201]
    assert number(run, SUMMARY, r"times, beyond the tables: (\d+),") == [0]
    assert number(run, SUMMARY, r"(\d+) reports were not printed") == [201 - 9]


def test_atoms_without_ids(lammps: Lammps, small: Path) -> None:
    """None is called atom 0."""
    script = "units metal\natom_modify id no\nregion box block 0 24 0 24 0 24\ncreate_box 2 box\nmass * 1\n"
    script += f"pair_style dpcompressed {small}\npair_coeff * * O H\n"
    script += "create_atoms 1 single 6 6 6\ncreate_atoms 2 single 6.8 6 6\nrun 0\n"
    run = lammps.run(script)
    assert "atoms without ID (O) and without ID (H), 0.8 angstrom apart" in "".join(run.warnings)
    same_place = lammps.run(script.replace("6.8", "6"), check=False)
    assert "are in the same place (" in same_place.errors[0]  # where in the source
    assert "atom ID" not in same_place.errors[0]


def test_every_run_has_its_own_reports(lammps: Lammps, small: Path, limit: float) -> None:
    script = close_pair(lammps, 0.98 * limit).format(tables=small)
    run = lammps.run(script + "run 1\nrun 8\nset atom 2 x 8.0\nrun 8\n")
    assert number(run, CLOSE, r"(\d+) since the last report") == [2, 2, 2, 2, 2, 2 * 3]
    assert number(run, SUMMARY, r"run: (\d+) times") == [2 * 9]


@pytest.mark.parametrize("ranks", [1, 2])
@on_backends("host", "kk")
def test_beyond_the_table_is_never_lost(ranks: int, lammps: Lammps, small: Path, limit: float) -> None:
    """After hundreds of reports of the harmless kind, and where LAMMPS was told to print no more warnings."""
    script = close_pair(lammps, 0.98 * limit).format(tables=small) + "thermo_modify warn 1\nrun 300\n"
    run = lammps.run(script + "set atom 2 x 6.05\nrun 3\n", ranks)
    assert steps(run, BEYOND) == [300, 301, 302, 303]
    assert number(run, BEYOND, r"beyond the table: (\d+) since") == [2] * 4


NUMDIFF = "fix n all numdiff 1 1e-4\nthermo 1\n"


def test_many_evaluations_of_a_setup_step_give_one_report(lammps: Lammps, small: Path, limit: float) -> None:
    """fix numdiff evaluates 4 * 3 * 2 + 1 = 25 times more, twice on one step; all are in the summary."""
    script = close_pair(lammps, 0.98 * limit).format(tables=small).replace("read_data", "atom_modify map yes\nread_data")
    run = lammps.run(script + NUMDIFF + "run 0\n")
    assert number(run, CLOSE, r"(\d+) since the last report") == [2]
    assert number(run, SUMMARY, r"run: (\d+) times") == [2 * 26]


def test_minimiser(lammps: Lammps, small: Path, limit: float) -> None:
    """Line searches evaluate several times a step: one report each, at most, and a summary."""
    script = close_pair(lammps, 0.98 * limit).format(tables=small)
    run = lammps.run(script + "minimize 0 0 5 100\n")
    found = steps(run, CLOSE)
    assert len(found) == len(set(found)) >= 1


LOST = """
group oxygen id 1
group hydrogen id 2
group others id 3 4
fix 1 oxygen move linear 0 0 1.0 units box
fix 2 hydrogen move linear 0 0 -1.0 units box
fix 3 others move linear 0 0 20.0 units box
neigh_modify delay 0 every 1 check no
thermo 20
timestep 0.1
run 100
"""


def passing_pair(lammps: Lammps, tables: Path, words: str, limit: float, thermo: str = "") -> tuple[str, int]:
    """Atoms 1 and 2 pass each other at 0.9 of the limit, closest at step 10; at step 20 LAMMPS sees that atoms 3 and 4 have left
    the box. A script, and in how many steps the two are too close."""
    closest, speed = 0.9 * limit, 0.2  # angstrom, angstrom a step
    positions = np.array([[6.0, 6, 11.0], [6.0 + closest, 6, 13.0], [18.0, 18, 6.0], [18.0, 18, 8.0]])
    System(("O", "H"), np.array([1, 2, 1, 2]), positions, BOX).write(lammps.folder / "pair.data")
    script = setup("pair.data", lammps.style(tables, words), "* * O H", boundary="p p f") + thermo + LOST
    return script, sum(np.hypot(closest, speed * (k - 10)) < limit for k in range(21))


@pytest.mark.parametrize("ranks", [1, 2])
@on_backends("host", "kk")
def test_what_is_pending_when_lammps_ends_the_run(ranks: int, lammps: Lammps, small: Path, limit: float) -> None:
    """The program ends at step 20, before the first check. All ranks say what they counted."""
    script, too_close = passing_pair(lammps, small, "check 1000", limit)
    run = lammps.run(f"processors 1 1 {ranks}\n" + script, ranks, check=False)
    assert "Lost atoms" in run.errors[0], run.output
    assert too_close > 1
    assert sum(number(run, PENDING, r"counted (\d+),")) == 2 * too_close
    assert set(steps(run, "not reported before")) <= {9, 10, 11}
    assert 10 in steps(run, PENDING)
    assert not [line for line in run.warnings if CLOSE in line]


def test_limit_of_lammps_is_left_to_lammps(lammps: Lammps, small: Path, limit: float) -> None:
    """LAMMPS says its one warning, at step 20, after three of ours."""
    script, too_close = passing_pair(lammps, small, "check 1", limit, "thermo_modify lost warn warn 1\n")
    run = lammps.run(script)
    assert too_close >= 3
    assert len(steps(run, CLOSE)) >= 3
    assert [line for line in run.warnings if "Lost atoms" in line], run.output


def test_run_of_a_library_goes_on_after_an_error(lammps: Lammps, small: Path, limit: float) -> None:
    """`clear` destroys the pair style: nothing is pending at a normal end."""
    script = close_pair(lammps, 0.98 * limit).format(tables=small).replace("check 1 ", "check 1000 ")
    run = lammps.run(script + "run 3\nclear\n")
    assert not [line for line in run.warnings if PENDING in line]
    assert number(run, CLOSE, r"(\d+) since the last report") == [2, 2 * 3]
