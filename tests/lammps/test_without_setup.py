# SPDX-License-Identifier: MIT
"""`run N pre no` goes on with LAMMPS' neighbour list. Commands between the runs that set LAMMPS up anew or exchange atoms, and
build no list, leave one of other atoms: energies that are wrong by thousands of electronvolts, or by a few near a wall. So may
a change of the box, which LAMMPS follows at a setup, and otherwise where a fix says that it changes it."""

from __future__ import annotations

import re
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


def test_ghosts_that_nobody_moves_are_refused(lammps: Lammps, water: System, small: Path) -> None:
    """Of the communication that comm_style replaces; with the package KOKKOS LAMMPS crashes."""
    script = setup("water.data", lammps.style(small, "overflow warn"), "* * O H")
    script += MOVING.format(between="comm_style tiled", words="pre no", dump="never.dump")
    assert f"step 5: {OLD_LIST}" in lammps.run(script, check=False).errors[0]


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


EVERY_STEP, KEPT = "every 1 delay 0 check no", "every 1000 delay 0 check no"
SAME = 1e-8  # eV, of 3e4: the same positions; sums may have another order
REMEDY = "`run` without `pre no` after change_box"
# Atoms stay where they are, so that a run with a setup has the energy that one without it should have. The skin is 2 angstrom.
AT_REST = """
neigh_modify {neighbours}
{before}
fix nve all nve
timestep 1e-9
run 2
{between}
run 1 {words}
print "energy: $(pe:%.17g)"
"""


def at_rest(lammps: Lammps, small: Path, between: str, words: str, neighbours: str = EVERY_STEP, before: str = "") -> str:
    script = setup("water.data", lammps.style(small, "overflow warn"), "* * O H")
    return script + AT_REST.format(between=between, words=words, neighbours=neighbours, before=before)


HALF = ("change_box all x scale 0.5 remap", "x 0 to 12.4447 became 3.11117 to 9.3335. Ghost atoms are missing in a strip")


@pytest.mark.parametrize(
    ("between", "says", "ranks"),
    [
        (*HALF, 1),
        (*HALF, 2),
        ("change_box all y delta 2 2 z delta 2 2", "y 0 to 12.4447 became 2 to 14.4447, z 0 .* strip of up to 2,", 1),
        ("change_box all x scale 3", "up to 12.4447 outside of the bins of the list, of size 3.5", 1),
        ("change_box all boundary f p p", "x is no longer periodic", 1),
        ("change_box all triclinic", "it became triclinic", 1),
    ],
)
@on_backends("host", "kk", "kk_host")
def test_borders_of_another_box_are_refused(
    between: str, says: str, ranks: int, lammps: Lammps, water: System, small: Path
) -> None:
    """The list is new, its ghost atoms are those that the box of before needed: wrong by 0.5, 0.5, 1e-4 eV, (atoms outside of
    LAMMPS' bins,) 0.3 and 300 eV."""
    run = lammps.run(at_rest(lammps, small, between, "pre no"), ranks, check=False)
    assert len(run.errors) == 1, run.output
    assert "step 3: since the last setup of a run the box has changed" in run.errors[0]
    assert re.search(says, run.errors[0])
    assert REMEDY in run.errors[0]


MOLECULE = """
units metal
region box block 0 24 0 24 0 24
create_box 2 box
create_atoms 1 single 12 12 12
create_atoms 2 single 12.96 12 12
create_atoms 2 single 11.76 12.93 12
mass 1 16
mass 2 1
pair_style {style}
pair_coeff * * O H
"""


def of_a_molecule(lammps: Lammps, small: Path, between: str, words: str) -> str:
    """One without images in its box, so that LAMMPS has no ghost atoms to lose and keeps the list."""
    before = MOLECULE.format(style=lammps.style(small, "overflow warn"))
    return before + AT_REST.format(between=between, words=words, neighbours=KEPT, before="")


@on_backends("host", "kk", "kk_host")
def test_a_kept_list_without_images_is_refused(lammps: Lammps, small: Path) -> None:
    """Those of a molecule have come to 6 angstrom."""
    run = lammps.run(of_a_molecule(lammps, small, "change_box all x final 9 15", "pre no"), check=False)
    assert len(run.errors) == 1, run.output
    assert "step 3: since the neighbour list was built the box has changed" in run.errors[0]
    assert "x 0 to 24 became 9 to 15. Images of atoms have come nearer by up to 36, half the skin is 1" in run.errors[0]
    assert REMEDY in run.errors[0]


def test_a_tilt_is_refused(lammps: Lammps, small: Path) -> None:
    script = of_a_molecule(lammps, small, "change_box all xy final 3", "pre no").replace(
        "run 2", "change_box all triclinic\nrun 2"
    )
    run = lammps.run(script, check=False)
    assert len(run.errors) == 1, run.output
    assert "xy 0 became 3. Images of atoms have come nearer by up to 3, half the skin is 1" in run.errors[0]


@pytest.mark.parametrize(
    "between", ["change_box all x final -20 60 y final 0 40", "change_box all x final 0 23.5", "neighbor 0.1 bin"]
)
@on_backends("host", "kk", "kk_host")
def test_a_kept_list_serves_a_larger_box(between: str, lammps: Lammps, small: Path) -> None:
    """A vacuum may grow, and any edge change by less than half the skin."""
    same_energy(*(lammps.run(of_a_molecule(lammps, small, between, words)).value("energy") for words in ("pre no", "")))


@pytest.mark.parametrize(
    ("between", "ranks"),
    [
        ("change_box all x scale 0.95 y scale 0.95 z scale 0.95 remap", 1),
        ("change_box all x scale 1.1 z scale 1.2 remap", 2),
    ],
)
@on_backends("host", "kk")
def test_a_small_change_is_allowed(between: str, ranks: int, lammps: Lammps, water: System, small: Path) -> None:
    """Shorter by 0.6 angstrom, and longer, which takes images away."""
    same_energy(*(lammps.run(at_rest(lammps, small, between, words), ranks).value("energy") for words in ("pre no", "")))


def test_with_a_fix_that_changes_it_the_box_is_followed(lammps: Lammps, water: System, small: Path) -> None:
    """LAMMPS makes borders and bins anew with every list where a fix says so, whoever changes the box."""
    barostat = "fix box all press/berendsen x 0 0 1000 modulus 1e12"
    between = "change_box all x scale 0.5 remap"
    same_energy(
        *(lammps.run(at_rest(lammps, small, between, words, before=barostat)).value("energy") for words in ("pre no", ""))
    )


@pytest.mark.parametrize("ranks", [1, 2])
@on_backends("host", "kk")
def test_a_deformed_box_is_followed(ranks: int, lammps: Lammps, water: System, small: Path) -> None:
    """By 4 angstrom, in one run or in two, the second without a setup."""
    script = setup("water.data", lammps.style(small, "overflow warn"), "* * O H")
    script += """
neigh_modify every 1 delay 0 check yes
fix box all deform 1 x vel -100 remap x
timestep 0.001
{runs}
print "energy: $(pe:%.17g)"
"""
    runs = ("run 20 start 0 stop 40\nrun 20 pre no start 0 stop 40", "run 40")
    same_energy(*(lammps.run(script.format(runs=words), ranks).value("energy") for words in runs))


def same_energy(without_setup: np.ndarray, with_setup: np.ndarray) -> None:
    np.testing.assert_allclose(without_setup, with_setup, rtol=0, atol=SAME)
