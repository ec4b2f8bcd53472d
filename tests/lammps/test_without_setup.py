# SPDX-License-Identifier: MIT
"""`run N pre no` goes on with LAMMPS' neighbour list. Commands between the runs that set LAMMPS up anew or exchange atoms, and
build no list, leave one of other atoms: energies that are wrong by thousands of electronvolts, or by a few near a wall."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from lammps_runs import Lammps, System, on_backends, setup

OLD_LIST = "since the neighbour list was built a command between two runs"
MOVING = """
neigh_modify every 1000 delay 0 check no
velocity all set -5 -3 -2
fix nve all nve
timestep 0.0005
run 4
{between}
run 4 {words}
write_dump all custom {dump} id x y z fx fy fz modify format float %.17g
"""


@pytest.mark.parametrize(
    ("between", "ranks"),
    [
        ("write_restart saved", 1),
        ("write_data saved", 2),
        ("change_box all x scale 1.01 remap", 1),
        ("reset_atoms id", 2),
        ("balance 1.0 shift x 5 1.0", 2),
    ],
)
@on_backends("host", "kk", "kk_host")
def test_a_list_of_before_is_refused(between: str, ranks: int, lammps: Lammps, water: System, small: Path) -> None:
    script = setup("water.data", lammps.style(small, "overflow warn"), "* * O H")
    script += MOVING.format(between=between, words="pre no", dump="never.dump")
    run = lammps.run(script, ranks, check=False)
    assert len(run.errors) == 1, run.output
    assert f"step 5: {OLD_LIST}" in run.errors[0]


@on_backends("host", "kk", "kk_host")
def test_a_list_without_setup_is_refused(lammps: Lammps, water: System, small: Path) -> None:
    """The first step makes a new list after `balance`, but has the ghost atoms of the processors of before: wrong by 0.7 eV."""
    script = "comm_style tiled\n" + setup("water.data", lammps.style(small, "overflow warn"), "* * O H")
    run = lammps.run(
        script + MOVING.format(between="balance 0.9 rcb", words="pre no", dump="never.dump").replace("1000", "1"), 2, check=False
    )
    assert len(run.errors) == 1, run.output
    assert f"step 5: {OLD_LIST}" in run.errors[0]


@pytest.mark.parametrize("between", ["write_restart saved noinit", "velocity all scale 600"])
def test_what_leaves_the_list_is_allowed(between: str, lammps: Lammps, water: System, small: Path) -> None:
    """As with a setup."""
    script = setup("water.data", lammps.style(small, "overflow warn"), "* * O H")
    without, with_setup = (
        lammps.run(script + MOVING.format(between=between, words=words, dump=f"{words[4:]}.dump")).dump(f"{words[4:]}.dump")
        for words in ("pre no", "pre yes")
    )
    np.testing.assert_allclose(without[:, 3:], with_setup[:, 3:], rtol=0, atol=1e-10)
