# SPDX-License-Identifier: MIT
"""Settings that take pairs out of LAMMPS' neighbour list would make the model silently wrong: refused where they touch it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from lammps_runs import Lammps, System, on_backends, setup, static

FORCE = 1e-8  # eV/angstrom, as in test_reference.py


@pytest.fixture
def molecules(water: System, lammps: Lammps) -> System:
    """The same water as atom_style full with O-H bonds (each O's two nearest H) in full.data."""
    oxygen, hydrogen = np.flatnonzero(water.types == 1), np.flatnonzero(water.types == 2)
    d = water.positions[hydrogen][None] - water.positions[oxygen][:, None]
    box = np.diag(water.cell)
    distance = np.linalg.norm(d - box * np.round(d / box), axis=2)
    partners = hydrogen[np.argsort(distance, axis=1)[:, :2]]
    molecule = np.zeros(len(water), dtype=np.int64)
    bonds = []
    for m, (o, pair) in enumerate(zip(oxygen, partners, strict=True)):
        molecule[[o, *pair]] = m + 1
        bonds += [(o + 1, h + 1) for h in pair]
    assert (molecule > 0).all(), "every H belongs to one O"
    system = replace(water, bonds=tuple(bonds), molecules=molecule)
    system.write(lammps.folder / "full.data")
    return system


def full(style: str, extra: str = "", coeff: str = "* * O H") -> str:
    return setup("full.data", style, coeff, atom_style="full\nbond_style zero").replace(
        "pair_style", f"bond_coeff *\n{extra}\npair_style", 1
    )


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("factors", ["", "special_bonds lj/coul 0 1 1", "special_bonds lj/coul 1 0 1"])
@on_backends("host", "kk", "kk_host")
def test_special_bonds_of_zero_are_refused(factors: str, ranks: int, lammps: Lammps, molecules: System, small: Path) -> None:
    """LAMMPS' default is 0 0 0, which drops every bonded pair."""
    run = lammps.run(full(lammps.style(small), factors) + static(), ranks, check=False)
    assert len(run.errors) == 1, run.output
    assert "special_bonds with a factor of 0 hides bonded neighbours" in run.errors[0]
    assert "special_bonds lj/coul 1 1 1" in run.errors[0]


@pytest.mark.parametrize(
    "factors", ["special_bonds lj/coul 1 1 1", "special_bonds lj/coul 1e-50 1e-50 1e-50", "special_bonds lj/coul 1 1 0"]
)
@on_backends("host", "kk")
def test_special_bonds_that_lose_nothing(
    factors: str, lammps: Lammps, molecules: System, small: Path, small_reference: dict
) -> None:
    """All neighbours stay, with LAMMPS' marks for bonded ones in the list's indices. (Water has no 1-4 pairs.)"""
    run = lammps.run(full(lammps.style(small), factors) + static())
    np.testing.assert_allclose(run.dump("forces.dump"), small_reference["forces0"], rtol=0, atol=FORCE)


def test_special_bonds_outside_the_model(lammps: Lammps, molecules: System, small: Path) -> None:
    """Bonds of O with H do not matter to a model of the oxygen atoms alone."""
    run = lammps.run(full(lammps.style(small, "overflow warn"), coeff="* * O NULL") + static())
    assert np.abs(run.dump("forces.dump")[molecules.types == 1]).max() > 0


MOLECULE = """a pair of H

2 atoms
1 bonds

Coords

1 0 0 0
2 0 0 0.8

Types

1 3
2 3

Bonds

1 1 1 2

Special Bond Counts

1 1 0 0
2 1 0 0

Special Bonds

1 2
2 1
"""


@pytest.mark.parametrize("pair", ["NULL", "H"])
def test_bonds_of_a_template(pair: str, lammps: Lammps, water: System, small: Path) -> None:
    """Beside oxygen atoms of the model, which belong to no template, a pair of one: outside the model, or in it."""
    (lammps.folder / "pair.mol").write_text(MOLECULE)
    oxygen = replace(water, names=("O", "H", "H")).subset(water.types == 1)
    oxygen.write(lammps.folder / "oxygen.data")
    style, coeff = lammps.style(small, "overflow warn"), f"* * O NULL {pair}"
    plain = lammps.run(setup("oxygen.data", style, coeff) + static("plain.dump"))
    x, y, z = box = np.diag(oxygen.cell)
    made = [f"region box block 0 {x:.17g} 0 {y:.17g} 0 {z:.17g}", "create_box 3 box bond/types 1", "mass * 1", "bond_coeff *"]
    made += ["create_atoms 1 single {:.17g} {:.17g} {:.17g} units box".format(*r) for r in oxygen.positions % box]
    made += ["create_atoms 0 single 1 1 1 mol pair 4711 units box"]
    script = setup("oxygen.data", style, coeff, atom_style="template pair\nbond_style zero").replace(
        "read_data oxygen.data", "\n".join(made)
    )
    run = lammps.run("molecule pair pair.mol\n" + script + static(), check=pair == "NULL")
    if pair == "NULL":
        np.testing.assert_allclose(run.dump("forces.dump")[: len(oxygen)], plain.dump("plain.dump"), rtol=0, atol=1e-12)
    else:
        assert "special_bonds with a factor of 0 hides bonded neighbours of atom" in run.errors[0]


RULES = {
    "exclude type 1 2": "neigh_modify exclude type 1 2 hides",
    "exclude group some other": "neigh_modify exclude group some other hides",
    "exclude molecule/intra all": "neigh_modify exclude molecule (group all) hides",
    "exclude molecule/inter some": "neigh_modify exclude molecule (group some) hides",
    "include some": "neigh_modify include some hides",
}


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("rule", RULES)
@on_backends("host", "kk")
def test_rules_that_hide_neighbours_are_refused(rule: str, ranks: int, lammps: Lammps, molecules: System, small: Path) -> None:
    groups = "special_bonds lj/coul 1 1 1\ngroup some id 1:60\ngroup other id 100:192\natom_modify first some\n"
    run = lammps.run(full(lammps.style(small), groups) + f"neigh_modify {rule}\n" + static(), ranks, check=False)
    assert len(run.errors) == 1, run.output
    assert RULES[rule] in run.errors[0]


@pytest.mark.parametrize("ranks", [1, 2])
def test_ghosts_of_one_group_only_are_refused(ranks: int, lammps: Lammps, water: System, small: Path) -> None:
    script = setup("water.data", lammps.style(small), "* * O H") + "group some id 1:60\natom_modify first some\n"
    run = lammps.run(script + "comm_modify group some\n" + static(), ranks, check=False)
    assert len(run.errors) == 1, run.output
    assert "comm_modify group some hides neighbours" in run.errors[0]


@pytest.mark.parametrize("rule", ["type 2 2", "type 1 2", "group hydrogen all", "molecule/intra hydrogen"])
def test_rules_outside_the_model_are_allowed(rule: str, lammps: Lammps, molecules: System, small: Path) -> None:
    """With H as NULL nothing of a model of the oxygen atoms alone is hidden, and nothing changes."""
    style, groups = lammps.style(small, "overflow warn"), "special_bonds lj/coul 1 1 1\ngroup hydrogen type 2\n"
    plain = lammps.run(full(style, groups, "* * O NULL") + static("plain.dump"))
    ruled = lammps.run(full(style, groups, "* * O NULL") + f"neigh_modify exclude {rule}\n" + static("ruled.dump"))
    np.testing.assert_allclose(ruled.dump("ruled.dump"), plain.dump("plain.dump"), rtol=0, atol=1e-12)
