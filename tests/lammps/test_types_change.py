# SPDX-License-Identifier: MIT
"""Atom types that change between two builds of the neighbour list: Monte Carlo, `set`, fix set, a library call."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from lammps_runs import Lammps, System, on_backends, run_library, setup, static

SAME = 1e-11  # eV/angstrom: the same sums in another order
ENERGY = 1e-9  # eV for 192 atoms of 470 eV: rounding
KEEP_LIST = "neigh_modify every 1000 delay 0 check no\nthermo 1\nthermo_modify format float %.17g\n"
PRINT_STEP = """
{change}
run {steps} pre {pre}
write_dump all custom {dump} id fx fy fz modify format float %.17g
print "energy: $(pe:%.17g)"
"""
SWAP = "group o type 1\ngroup h type 2\nset group o type 2\nset group h type 1"


def swapped(lammps: Lammps, water: System, small: Path, chosen: np.ndarray) -> tuple[float, np.ndarray]:
    """Energy and forces of the same atoms where O and H are exchanged for the chosen ones, from the start."""
    types = np.where(chosen, 3 - water.types, water.types)
    replace(water, types=types).write(lammps.folder / "swapped.data")
    run = lammps.run(setup("swapped.data", lammps.style(small, "overflow warn"), "* * O H") + static("swapped.dump"))
    return run.value("energy")[0], run.dump("swapped.dump")


@pytest.mark.parametrize("ranks", [1, 2])
@on_backends("host", "kokkos_serial", "kk", "kk_host")
def test_set_between_runs(ranks: int, lammps: Lammps, water: System, small: Path) -> None:
    """LAMMPS does not tell the ghosts; a second change brings the first types back."""
    start = setup("water.data", lammps.style(small, "overflow warn"), "* * O H") + KEEP_LIST + "run 0\n"
    one = PRINT_STEP.format(dump="one.dump", change=SWAP, steps=1, pre="no")
    back = "set group o type 1\nset group h type 2"
    run = lammps.run(start + one + PRINT_STEP.format(dump="two.dump", change=back, steps=1, pre="no") + static("end.dump"), ranks)
    energy, forces = swapped(lammps, water, small, np.ones(len(water), dtype=bool))
    energies = [value[0] for value in run.values("energy")]
    assert energies[0] == pytest.approx(energy, abs=ENERGY)
    assert abs(energy - energies[1]) > 1, "the two differ"
    assert energies[1] == pytest.approx(energies[2], abs=ENERGY)
    np.testing.assert_allclose(run.dump("one.dump"), forces, rtol=0, atol=SAME)
    np.testing.assert_allclose(run.dump("two.dump"), run.dump("end.dump"), rtol=0, atol=SAME)


@pytest.mark.parametrize("ranks", [1, 2])
@on_backends("host", "kk")
def test_one_atom_at_a_time(ranks: int, lammps: Lammps, water: System, small: Path) -> None:
    """Atoms on one rank only; the others see them as ghosts."""
    start = setup("water.data", lammps.style(small, "overflow warn"), "* * O H") + KEEP_LIST + "run 0\n"
    chosen = np.zeros(len(water), dtype=bool)
    for atom in (1, 100, 192):
        chosen[atom - 1] = True
        change = f"set atom {atom} type {3 - water.types[atom - 1]}"
        start += PRINT_STEP.format(dump=f"{atom}.dump", change=change, steps=1, pre="no")
    run = lammps.run(start, ranks)
    energy, forces = swapped(lammps, water, small, chosen)
    assert run.values("energy")[-1][0] == pytest.approx(energy, abs=ENERGY)
    np.testing.assert_allclose(run.dump("192.dump"), forces, rtol=0, atol=SAME)


@pytest.mark.parametrize("ranks", [1, 2])
def test_fix_set(ranks: int, lammps: Lammps, water: System, small: Path) -> None:
    """The types change at the end of step 1, without a new list; step 2 sees them."""
    script = setup("water.data", lammps.style(small, "overflow warn"), "* * O H") + KEEP_LIST
    change = "variable other atom 3-type\nfix s all set 1 0 group all type v_other"
    run = lammps.run(script + PRINT_STEP.format(dump="set.dump", change=change, steps=2, pre="yes"), ranks)
    energy, forces = swapped(lammps, water, small, np.ones(len(water), dtype=bool))
    assert run.value("energy")[0] == pytest.approx(energy, abs=ENERGY)
    np.testing.assert_allclose(run.dump("set.dump"), forces, rtol=0, atol=SAME)


SGCMC = """
units metal
atom_modify map yes
lattice sc 2.6
region b block 0 9 0 9 0 9
create_box 2 b
create_atoms 1 box
set group all type/fraction 2 0.5 4711
mass 1 16.0
mass 2 2.0
displace_atoms all random 0.15 0.15 0.15 99
pair_style dpcompressed {tables} overflow warn
pair_coeff * * O H
neighbor 0.5 bin
neigh_modify every 50 delay 0 check no
timestep 0.0
fix 1 all nve
fix mc all sgcmc 3 0.05 3000.0 0.0 randseed 324
thermo 1
thermo_style custom step pe f_mc[1] f_mc[2]
run 4
print "moves: $(f_mc[1]) $(f_mc[2])"
print "energy: $(pe:%.17g)"
run 0
print "energy: $(pe:%.17g)"
"""
DEEPMD_SGCMC = (15, 17, -103846.85)  # moves accepted and not, eV: DeePMD-kit on the same input


def test_semi_grand_canonical_monte_carlo(lammps: Lammps, small: Path) -> None:
    """Trials inside a step; energies before and after a new list agree. (LAMMPS allows it on one rank only.)"""
    run = lammps.run(SGCMC.format(tables=small))
    before, after = (value[0] for value in run.values("energy"))
    assert before == pytest.approx(after, abs=1e-7), "eV, of 1e5: rounding"
    accepted, rejected, energy = DEEPMD_SGCMC
    assert tuple(run.value("moves")) == (accepted, rejected)
    assert before == pytest.approx(energy, abs=5e-3), "two decimals are known"


LIBRARY = """
from lammps import lammps
run = lammps(cmdargs=["-log", "none", "-screen", "none"])
run.file("in.lammps")
types = run.gather_atoms("type", 0, 1)
for i in range(len(types)):
    types[i] = 3 - types[i]
run.scatter_atoms("type", 0, 1, types)
run.command("run 1 pre no")
print("energy:", repr(run.get_thermo("pe")))
"""


def kept_list(small: Path) -> str:
    """A run without steps whose neighbour list stays."""
    script = setup("water.data", f"dpcompressed {small} overflow warn", "* * O H")
    return script.replace("read_data", "atom_modify map yes\nread_data") + KEEP_LIST + "run 0\n"


def test_scattered_from_python(lammps: Lammps, water: System, small: Path) -> None:
    done = run_library(lammps, kept_list(small), LIBRARY)
    assert done.returncode == 0, done.stdout + done.stderr
    energy, _ = swapped(lammps, water, small, np.ones(len(water), dtype=bool))
    found = float(next(line for line in done.stdout.splitlines() if line.startswith("energy:")).split()[1])
    assert found == pytest.approx(energy, abs=ENERGY)


@pytest.mark.parametrize("ranks", [1, 2])
@on_backends("host", "kk")
def test_atoms_that_leave_the_model_and_come_back(ranks: int, lammps: Lammps, water: System, small: Path) -> None:
    """Type 3 is NULL: two atoms become that and return, with the neighbours that the list has for them all the time."""
    start = replace(water, names=(*water.names, "X"))
    start.write(lammps.folder / "three.data")
    script = setup("three.data", lammps.style(small, "overflow warn"), "* * O H NULL") + KEEP_LIST + "run 0\n"
    gone = "set atom 1 type 3\nset atom 100 type 3"
    script += PRINT_STEP.format(dump="gone.dump", change=gone, steps=1, pre="no")
    back = f"set atom 1 type {water.types[0]}\nset atom 100 type {water.types[99]}"
    run = lammps.run(script + PRINT_STEP.format(dump="back.dump", change=back, steps=1, pre="no") + static("end.dump"), ranks)
    keep = np.ones(len(water), dtype=bool)
    keep[[0, 99]] = False
    water.subset(keep).write(lammps.folder / "fewer.data")
    fewer = lammps.run(setup("fewer.data", lammps.style(small, "overflow warn"), "* * O H") + static("fewer.dump"))
    assert run.value("energy")[0] == pytest.approx(fewer.value("energy")[0], abs=ENERGY)
    np.testing.assert_allclose(run.dump("gone.dump")[keep], fewer.dump("fewer.dump"), rtol=0, atol=SAME)
    np.testing.assert_array_equal(run.dump("gone.dump")[~keep], 0)
    np.testing.assert_allclose(run.dump("back.dump"), run.dump("end.dump"), rtol=0, atol=SAME)


@pytest.mark.parametrize("ranks", [1, 2])
@on_backends("host", "kokkos_serial", "kk", "kk_host")
def test_atoms_that_join_the_model_need_a_new_list(ranks: int, lammps: Lammps, water: System, small: Path) -> None:
    """LAMMPS lists no neighbours for a type without cutoff."""
    script = setup("water.data", lammps.style(small, "overflow warn"), "* * O NULL") + KEEP_LIST + "run 0\n"
    hydrogen = int(np.flatnonzero(water.types == 2)[0]) + 1
    run = lammps.run(script + f"set atom {hydrogen} type 1\nrun 1 pre no\n", ranks, check=False)
    assert len(run.errors) == 1, run.output
    assert f"atom ID {hydrogen} became O (atom type 1) since the neighbour list was built" in run.errors[0]
    ended_well = lammps.run(script + f"set atom {hydrogen} type 1\nrun 1\n", ranks)
    assert not ended_well.errors


def test_type_that_does_not_exist(lammps: Lammps, water: System, small: Path) -> None:
    """Only a library call can do that."""
    done = run_library(lammps, kept_list(small), LIBRARY.replace("3 - types[i]", "7 if i == 4 else types[i]"))
    assert done.returncode != 0
    assert "atom ID 5 has type 7, but there are types 1 to 2" in done.stderr


@on_backends("host", "kk")
def test_new_settings_need_a_setup(lammps: Lammps, water: System, small: Path) -> None:
    """pair_coeff between two runs, the second without setup: the evaluator and LAMMPS' list belong to the old ones."""
    script = setup("water.data", lammps.style(small, "overflow warn"), "* * O H") + KEEP_LIST + "run 0\n"
    run = lammps.run(script + "pair_coeff * * O NULL\nrun 1 pre no\n", check=False)
    assert len(run.errors) == 1, run.output
    assert "without `pre no`" in run.errors[0]
