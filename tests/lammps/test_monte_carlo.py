# SPDX-License-Identifier: MIT
"""Atoms excluded against all are absent, and the trials of fix gcmc and fix widom are the energies that they should be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from lammps_runs import Array, Lammps, System, on_backends, setup, static

FORCE = 1e-11  # eV/angstrom: the same sums in another order
ENERGY = 1e-9  # eV, of 3e4: rounding
GONE = (5, 77, 150)  # atom IDs
COLUMNS = "fx fy fz c_e " + " ".join(f"c_s[{k}]" for k in range(1, 7))
PER_ATOM = "compute e all pe/atom\ncompute s all stress/atom NULL\n"
STRESS = 1e-4  # bar angstrom^3: 1.6e6 of them are an eV


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("rule", ["group gone all", "group all gone"])
@on_backends("host", "kokkos_serial", "kk", "kk_host")
def test_atoms_excluded_against_all_are_absent(rule: str, ranks: int, lammps: Lammps, water: System, small: Path) -> None:
    script = setup("water.data", lammps.style(small, "overflow warn"), "* * O H") + PER_ATOM
    script += f"group gone id {' '.join(map(str, GONE))}\nneigh_modify exclude {rule}\n" + static("gone.dump", COLUMNS)
    run = lammps.run(script, ranks)
    keep = np.ones(len(water), dtype=bool)
    keep[np.array(GONE) - 1] = False
    water.subset(keep).write(lammps.folder / "fewer.data")
    fewer = lammps.run(
        setup("fewer.data", lammps.style(small, "overflow warn"), "* * O H") + PER_ATOM + static("fewer.dump", COLUMNS), ranks
    )
    found, expected = run.dump("gone.dump"), fewer.dump("fewer.dump")
    np.testing.assert_allclose(found[keep, :4], expected[:, :4], rtol=0, atol=FORCE * 100)
    np.testing.assert_allclose(found[keep, 4:], expected[:, 4:], rtol=0, atol=STRESS)
    np.testing.assert_array_equal(found[~keep], 0)
    assert abs(run.value("energy")[0] - fewer.value("energy")[0]) < ENERGY
    np.testing.assert_allclose(run.value("virial"), fewer.value("virial"), rtol=0, atol=STRESS * len(water))
    said = [line for line in run.warnings if "`neigh_modify exclude group ... all` leaves 3 atoms out of the model" in line]
    assert len(said) == 1, run.output


def test_other_rules_beside_it_are_refused(lammps: Lammps, water: System, small: Path) -> None:
    """Only absent atoms are in the first group of the first rule, which is fine; not so in the second."""
    script = setup("water.data", lammps.style(small, "overflow warn"), "* * O H") + "group gone id 5\ngroup some id 6 7 8\n"
    script += "neigh_modify exclude group gone all\nneigh_modify exclude group gone some\n" + static()
    assert not lammps.run(script).errors
    run = lammps.run(script + "neigh_modify exclude group some some\nrun 0\n", check=False)
    assert "neigh_modify exclude group some some hides neighbours" in run.errors[0]


def test_rules_count_from_the_next_setup(lammps: Lammps, water: System, small: Path) -> None:
    """LAMMPS' list keeps the rule until then, and so does the model."""
    script = setup("water.data", lammps.style(small, "overflow warn"), "* * O H")
    script += "neigh_modify delay 0 every 1 check no\nthermo 1\ngroup gone id 5\nneigh_modify exclude group gone all\n"
    energy = 'print "energy: $(pe:%.17g)"\n'
    script += "run 0\n" + energy + "neigh_modify exclude none\nrun 1 pre no\n" + energy + "run 0\n" + energy
    run = lammps.run(script)
    without, still_without, whole = (value[0] for value in run.values("energy"))
    assert still_without == pytest.approx(without, abs=ENERGY)
    assert abs(whole - without) > 1


COPPER = 4 * 3**3  # atoms
COLD = 100.0  # kelvin: kT is 0.009 eV, so that a trial is decided by its energy, and exp(E/kT) of a few eV is still a number
KT = 8.617343e-5 * COLD
LOWEST = 20 * KT  # eV between the atom that may go and the others


def copper(lammps: Lammps, tables: Path) -> str:
    """A crystal whose atoms are bound differently, by random displacements; written to copper.data."""
    grid = np.stack(np.meshgrid(*[np.arange(3)] * 3, indexing="ij"), -1).reshape(-1, 1, 3)
    basis = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    positions = 3.6 * (grid + basis).reshape(-1, 3) + np.random.default_rng(2).uniform(-0.3, 0.3, (COPPER, 3))
    system = System(("Cu",), np.ones(COPPER, dtype=np.int64), positions, 10.8 * np.eye(3))
    system.write(lammps.folder / "copper.data")
    script = setup("copper.data", lammps.style(tables, "overflow warn"), "* * Cu")
    return script.replace("read_data", "atom_modify map yes\nread_data")


def removal_energies(lammps: Lammps, start: str) -> Array:
    """Energies in eV without one of the atoms, for each of them."""
    script = f"variable i loop {COPPER}\nlabel next\nclear\n" + start
    script += 'group one id $i\ndelete_atoms group one compress no\nrun 0 post no\nprint "without: $(pe:%.17g)"\n'
    run = lammps.run(script + "next i\njump SELF next\n")
    return np.array([value[0] for value in run.values("without")])


@pytest.mark.parametrize("ranks", [1, 2])
def test_gcmc_deletes_the_atom_that_is_least_bound(ranks: int, lammps: Lammps, tables: Callable[[str], Path]) -> None:
    """One of some atoms may go (min, max), at a chemical potential between the energies of the two that are least bound: LAMMPS
    tries them at random, and only right energies of the trials let the right one go."""
    start = copper(lammps, tables("se_e2_a-cu"))
    whole = lammps.run(start + static()).value("energy")[0]
    without = removal_energies(lammps, start)
    order = np.argsort(without)
    others = order[without[order] > without[order[0]] + LOWEST][:20]
    assert len(others) == 20
    potential = whole - (without[order[0]] + without[others[0]]) / 2  # eV: what is less bound goes
    n = len(others) + 1
    script = f"""
group gas id {" ".join(str(k + 1) for k in (order[0], *others))}
fix mc gas gcmc 1 60 0 1 4711 {COLD} {potential:.17g} 0.1 full_energy min {n - 1} max {n - 1}
thermo 10
run 10
print "energy: $(pe:%.17g)"
print "moves: $(f_mc[5]) $(f_mc[6]) $(f_mc[4])"
write_dump all custom left.dump id type
"""
    run = lammps.run(start + script, ranks)
    attempts, deletions, insertions = run.value("moves")
    assert (deletions, insertions) == (1, 0)
    assert attempts > 200
    ids = np.loadtxt(lammps.folder / "left.dump", skiprows=9)[:, 0]
    assert set(range(COPPER)) - set(ids.astype(int) - 1) == {order[0]}
    assert run.value("energy")[0] == pytest.approx(without[order[0]], abs=ENERGY)


@pytest.mark.parametrize("ranks", [1, 2])
@on_backends("host", "kokkos_serial", "kk", "kk_host")
def test_deposited_atoms(ranks: int, lammps: Lammps, water: System, tables: Callable[[str], Path]) -> None:
    """Their number grows while two models run: forces and deviations of all atoms, also of the new ones, are those of a run that
    begins with them."""
    files = [str(tables(name)) for name in ("se_e2_a-small", "se_e2_r-small")]
    words = "overflow warn"
    script = setup("water.data", lammps.style(" ".join(files), f"{words} out_freq 8 atomic"), "* * O H")
    script += """
change_box all boundary p p f z final -5 40
region above block 1 11 1 11 14 18 units box
fix deposit all deposit 3 1 3 4711 region above near 2.0 units box
fix nve all nve
timestep 0.0002
run 8
write_dump all custom end.dump id type x y z fx fy fz modify format float %.17g
"""
    end = lammps.run(script, ranks).dump("end.dump")
    assert len(end) == len(water) + 3
    cell = np.diag([*np.diag(water.cell)[:2], 45.0])
    System(water.names, end[:, 0].astype(np.int64), end[:, 1:4] + [0, 0, 5], cell).write(lammps.folder / "end.data")
    forces = []
    for file in files:
        alone = setup("end.data", f"dpcompressed {file} {words}", "* * O H", boundary="p p f") + static("alone.dump")
        forces.append(Lammps(lammps.folder).run(alone).dump("alone.dump"))
    np.testing.assert_allclose(end[:, 4:], forces[0], rtol=0, atol=FORCE * 100)
    assert np.abs(forces[0][len(water) :]).max() > 1e-3, "the new ones feel the others"
    row = (lammps.folder / "model_devi.out").read_text().splitlines()[-1].split()
    deviations = np.array([float(word) for word in row[7:]])
    np.testing.assert_allclose(deviations, np.linalg.norm(forces[0] - forces[1], axis=1) / 2, rtol=1.1e-6, atol=1e-8)


WIDOM = """
units metal
atom_style atomic
atom_modify map yes
read_data water.data
pair_style hybrid/overlay dpcompressed {tables} {words} zbl 0.5 1.0
pair_coeff * * dpcompressed O H
pair_coeff 1 1 zbl {core} {core}
pair_coeff 1 2 zbl {core} {core}
pair_coeff 2 2 zbl {core} {core}
{setting}
"""
HOT = 1e7  # kelvin: exp(-E/kT) of an energy of some thousand eV is a number
CUBE = 1e-3  # eV: forces of up to 1e3 eV/angstrom over its 2e-7 angstrom
SPOT = (6.1, 6.2, 6.3)  # angstrom


def insertion(place: tuple[float, ...], moves: int = 5) -> str:
    """An H into a cube of 2e-7 angstrom."""
    cube = " ".join(f"{x - 1e-7:.12g} {x + 1e-7:.12g}" for x in place)
    return f"region spot block {cube}\nfix w all widom 1 {moves} 2 4711 {HOT} region spot full_energy\nthermo 1\nrun 2\n"


def with_one_more(water: System, place: tuple[float, ...]) -> System:
    return System(water.names, np.append(water.types, 2), np.vstack([water.positions, place]), water.cell)


@pytest.mark.parametrize("ranks", [1, 2])
def test_widom_insertion_is_the_energy_of_one_more_atom(ranks: int, lammps: Lammps, water: System, small: Path) -> None:
    """In a cube without extension the excess chemical potential is E(N + 1) - E(N)."""
    with_one_more(water, SPOT).write(lammps.folder / "more.data")
    plain = {name: setup(f"{name}.data", lammps.style(small, "overflow warn"), "* * O H") for name in ("water", "more")}
    energies = {name: lammps.run(script + static()).value("energy")[0] for name, script in plain.items()}
    start = plain["water"].replace("read_data", "atom_modify map yes\nread_data")
    run = lammps.run(start + insertion(SPOT) + 'print "potential: $(f_w[1]:%.17g)"\n', ranks)
    assert run.value("potential")[0] == pytest.approx(energies["more"] - energies["water"], abs=CUBE)


CORE = {"with a repulsive core": 8.0, "without": 0.0}  # charge numbers of the ZBL potential


@pytest.mark.parametrize("core", CORE)
def test_widom_insertion_on_top_of_an_atom(core: str, lammps: Lammps, water: System, small: Path) -> None:
    """docs/lammps.md: `overflow warn`, and a core that makes the trial as costly as it is; the model itself does not."""
    place = tuple(water.positions[0] + [0.03, 0.02, 0.01])
    script = WIDOM.format(tables=small, words="overflow warn", core=CORE[core], setting="")
    run = lammps.run(script + insertion(place) + 'print "potential: $(f_w[1]:%.17g)"\n')
    assert [line for line in run.warnings if "closer than the tables reach" in line], run.output
    repulsion = 14.4 * 8 * 8 / np.linalg.norm([0.03, 0.02, 0.01])  # eV: bare nuclei
    model = run.value("potential")[0]
    if CORE[core]:
        assert 0.5 * repulsion < model < repulsion + 1e3
    else:
        assert abs(model) < 0.1 * repulsion


@pytest.mark.parametrize("ranks", [1, 2])
def test_widom_insertion_stops_where_overflow_does(ranks: int, lammps: Lammps, water: System, small: Path) -> None:
    """The default: the message says what to set."""
    place = tuple(water.positions[0] + [0.03, 0.02, 0.01])
    script = setup("water.data", lammps.style(small), "* * O H").replace("read_data", "atom_modify map yes\nread_data")
    run = lammps.run(script + insertion(place), ranks, check=False)
    assert len(run.errors) == 1, run.output
    assert "overflow warn" in run.errors[0]
