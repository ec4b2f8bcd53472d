# SPDX-License-Identifier: MIT
"""Models mixed with each other and with classical force fields: every force is the sum of what its parts give alone, which in
mixed precision is what they give alone in double, within the tolerance of mixed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from lammps_runs import Array, Lammps, Run, System, has_style, on_backends, setup, static

WORDS = "overflow warn"
SAME = 1e-11  # eV/angstrom: the same sums in another order


@dataclass(frozen=True)
class Tolerance:
    words: str  # of pair_style
    force: float  # eV/angstrom
    energy: float  # eV, of an atom
    stress: float  # bar angstrom^3

    def assert_forces(self, found: Array, expected: Array, force: float | None = None) -> None:
        """force: in place of this one's, where there is more than the model's forces in it and they are in double."""
        difference = np.abs(found - expected).max()
        assert difference < (force if force is not None and not self.is_mixed else self.force)
        assert difference > 1e-9 or not self.is_mixed, "in mixed precision?"

    @property
    def is_mixed(self) -> bool:
        return "mixed" in self.words


DOUBLE = Tolerance(WORDS, SAME, 2e-10, 1e-4)
MIXED = Tolerance(f"{WORDS} precision mixed", 1e-4, 1e-4, 2e3)  # forces and energies as in test_precision.py
in_both_precisions = pytest.mark.parametrize("tolerance", [DOUBLE, MIXED], ids=["double", "mixed"])
COLUMNS = "fx fy fz c_e " + " ".join(f"c_s[{k}]" for k in range(1, 7))
PER_ATOM = "compute e all pe/atom\ncompute s all stress/atom NULL virial\n"
BOTH = "* * dpcompressed 1 O H\npair_coeff * * dpcompressed 2 O H"


@pytest.fixture(scope="module")
def two(tables: Callable[[str], Path]) -> list[Path]:
    return [tables("se_e2_a-small"), tables("se_e2_r-small")]


def alone(lammps: Lammps, file: Path) -> tuple[float, Array, Array]:
    """Energy, virial, and (n, 10) forces, energies and stresses of atoms, of one model on the host."""
    run = Lammps(lammps.folder).run(
        setup("water.data", f"dpcompressed {file} {WORDS}", "* * O H") + PER_ATOM + static("alone.dump", COLUMNS)
    )
    return run.value("energy")[0], run.value("virial"), run.dump("alone.dump")


def assert_is_sum(run: Run, parts: list[tuple[float, Array, Array]], factors: list[float], tolerance: Tolerance) -> None:
    energy, virial, atoms = (sum(f * part[k] for f, part in zip(factors, parts, strict=True)) for k in range(3))
    found = run.dump("all.dump")
    assert run.value("energy")[0] == pytest.approx(energy, abs=tolerance.energy * len(found))
    np.testing.assert_allclose(run.value("virial"), virial, rtol=0, atol=tolerance.stress * len(found))
    tolerance.assert_forces(found[:, :3], atoms[:, :3])
    np.testing.assert_allclose(found[:, 3], atoms[:, 3], rtol=0, atol=tolerance.energy)
    np.testing.assert_allclose(found[:, 4:], atoms[:, 4:], rtol=0, atol=tolerance.stress)


@pytest.mark.parametrize(("tolerance", "ranks"), [(DOUBLE, 1), (DOUBLE, 4), (MIXED, 1), (MIXED, 2)])
@on_backends("host", "kokkos_serial", "kk", "kk_host")
def test_sum_of_two_models(ranks: int, tolerance: Tolerance, lammps: Lammps, water: System, two: list[Path]) -> None:
    style = "hybrid/overlay " + " ".join(lammps.style(file, tolerance.words) for file in two)
    run = lammps.run(setup("water.data", style, BOTH) + PER_ATOM + static("all.dump", COLUMNS), ranks)
    assert_is_sum(run, [alone(lammps, file) for file in two], [1, 1], tolerance)


@in_both_precisions
@pytest.mark.parametrize("ranks", [1, 2])
@on_backends("host", "kokkos_serial")
def test_scaled_sum_of_two_models(ranks: int, tolerance: Tolerance, lammps: Lammps, water: System, two: list[Path]) -> None:
    """Constant and variable factors, as for thermodynamic integration from one model to the other."""
    style = f"hybrid/scaled 0.3 {lammps.style(two[0], tolerance.words)} v_rest {lammps.style(two[1], tolerance.words)}"
    script = "variable rest equal 0.7\n" + setup("water.data", style, BOTH) + PER_ATOM + static("all.dump", COLUMNS)
    assert_is_sum(lammps.run(script, ranks), [alone(lammps, file) for file in two], [0.3, 0.7], tolerance)


@in_both_precisions
@pytest.mark.parametrize("ranks", [1, 2])
def test_scaled_sum_with_itself(ranks: int, tolerance: Tolerance, lammps: Lammps, water: System, two: list[Path]) -> None:
    """Shares of one file that add up to 1 are that file; each style has engines, lists and reports of its own."""
    one = f"dpcompressed {two[0]} {tolerance.words}"
    script = setup("water.data", f"hybrid/scaled 0.3 {one} 0.7 {one}", BOTH) + PER_ATOM + static("all.dump", COLUMNS)
    run = lammps.run(script, ranks)
    assert_is_sum(run, [alone(lammps, two[0])], [1], tolerance)
    assert run.output.count("summary of this run") == 2


@in_both_precisions
@pytest.mark.parametrize("ranks", [1, 2])
def test_alchemy(ranks: int, tolerance: Tolerance, lammps: Lammps, water: System, two: list[Path]) -> None:
    """Forces are those of both models, each times its own partition's variable at that step: the two must add up to 1.

    At step k of 8 the first one's share is 1 - k/8."""
    if not has_style(lammps, "alchemy"):
        pytest.skip("this LAMMPS has no package REPLICA")
    script = f"variable file world {two[0]} {two[1]}\nvariable w world first second\n"
    script += "variable from world 1 0\nvariable to world 0 1\nvariable share equal ramp(${from},${to})\n"
    script += setup("water.data", "dpcompressed ${file} " + tolerance.words, "* * O H").replace(
        "read_data", "atom_modify map array\nread_data"
    )
    script += """
fix a all alchemy v_share
fix nve all nve
timestep 0.0002
dump d all custom 1 ${w}.dump id type x y z fx fy fz
dump_modify d format float %.17g
fix p all print 1 "$(f_a:%.17g)" file ${w}.txt title "" screen no
run 8
"""
    lammps.run(script, 2 * ranks, ("-partition", f"2x{ranks}", "-plog", "none", "-pscreen", "none"))
    files = [Run(0, "", lammps.folder).dumps(f"{w}.dump") for w in ("first", "second")]
    shares = 1 - np.arange(9) / 8
    for w, expected in (("first", shares), ("second", 1 - shares)):
        np.testing.assert_allclose(np.loadtxt(lammps.folder / f"{w}.txt"), expected, rtol=0, atol=1e-15)
    for k in (0, 2, 6, 8):
        first, second = files[0][k], files[1][k]
        np.testing.assert_array_equal(first, second)
        water.moved(first[:, 1:4]).write(lammps.folder / "water.data")
        parts = [alone(lammps, file)[2][:, :3] for file in two]
        tolerance.assert_forces(first[:, 4:], shares[k] * parts[0] + (1 - shares[k]) * parts[1])
        assert np.abs(parts[0] - parts[1]).max() > 0.1


@in_both_precisions
@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize(
    ("style", "coeff"),
    [
        ("zbl 1.0 2.0", "1 1 zbl 8 8\npair_coeff 1 2 zbl 8 1\npair_coeff 2 2 zbl 1 1"),
        ("dispersion/d3 original pbe 8.0 5.0", "* * dispersion/d3 O H"),
    ],
    ids=["zbl", "d3"],
)
@on_backends("host", "kk")
def test_classical_terms_on_top(
    ranks: int, style: str, coeff: str, tolerance: Tolerance, lammps: Lammps, water: System, two: list[Path]
) -> None:
    """A repulsive core and a correction for dispersion, which is of many bodies and communicates by itself."""
    name = style.split()[0]
    if not has_style(lammps, name):
        pytest.skip(f"this LAMMPS has no pair style {name}")
    both = f"* * dpcompressed O H\npair_coeff {coeff}"
    run = lammps.run(
        setup("water.data", f"hybrid/overlay dpcompressed {two[0]} {tolerance.words} {style}", both)
        + PER_ATOM
        + static("all.dump", COLUMNS),
        ranks,
    )
    classical = Lammps(lammps.folder).run(
        setup("water.data", style, coeff.replace(f"{name} ", "")) + PER_ATOM + static("classical.dump", COLUMNS)
    )
    parts = [alone(lammps, two[0]), (classical.value("energy")[0], classical.value("virial"), classical.dump("classical.dump"))]
    assert np.abs(parts[1][2][:, :3]).max() > 1e-3
    assert_is_sum(run, parts, [1, 1], tolerance)


SOLVENT = """
bond_style harmonic
bond_coeff * 20.0 1.1
special_bonds lj/coul 0 0 0
"""
CLASSICAL = "lj/cut/coul/long 5.0"
WITHOUT_KSPACE = "lj/cut/coul/cut 5.0"  # for a LAMMPS without the package KSPACE
LJ = """
pair_coeff * * {style} 0.002 3.0
pair_coeff 1*2 1*2 {style} 0.0 3.0
"""
KSPACE = """
kspace_style pppm 1e-8
kspace_modify mesh 24 24 24 gewald 0.5
"""


def nearest_pairs(positions: Array, box: float) -> list[tuple[int, int]]:
    """Indices, each once at most: every atom in turn with the nearest that is left."""
    left, pairs = list(range(len(positions))), []
    while len(left) > 1:
        i = left.pop(0)
        apart = positions[left] - positions[i]
        pairs.append((i, left.pop(int(np.argmin(np.linalg.norm(apart - box * np.round(apart / box), axis=1))))))
    return pairs


def write_mixture(water: System, path: Path) -> None:
    """A third of the water as types 1 and 2; the rest is solvent: type 3, charged dimers with a bond."""
    solvent = np.flatnonzero(water.positions[:, 2] > 0.35 * water.cell[2, 2])
    pairs = solvent[np.array(nearest_pairs(water.positions[solvent], water.cell[0, 0]))]
    charges, types = np.zeros(len(water)), water.types.copy()
    charges[pairs] = 0.4, -0.4
    types[solvent] = 3
    lines = [f"mixture\n\n{len(water)} atoms\n3 atom types\n{len(pairs)} bonds\n1 bond types\n"]
    lines += [f"0 {water.cell[k, k]:.17g} {'xyz'[k]}lo {'xyz'[k]}hi" for k in range(3)]
    lines += ["\nMasses\n\n1 16\n2 1\n3 20\n\nAtoms # full\n"]
    for i, (t, q, r) in enumerate(zip(types, charges, water.positions, strict=True)):
        lines.append(f"{i + 1} 1 {t} {q} {r[0]:.17g} {r[1]:.17g} {r[2]:.17g}")
    lines += ["\nBonds\n", *(f"{k + 1} 1 {i + 1} {j + 1}" for k, (i, j) in enumerate(pairs))]
    path.write_text("\n".join(lines) + "\n")


@in_both_precisions
@pytest.mark.parametrize("ranks", [1, 2])
@on_backends("host", "kk")
def test_solute_in_a_classical_solvent(ranks: int, tolerance: Tolerance, lammps: Lammps, water: System, small: Path) -> None:
    """Charges, bonds and (on the host) long-range forces around atoms of the model; bonds of NULL atoms may hide their pairs."""
    write_mixture(water, lammps.folder / "mixture.data")
    with_kspace = has_style(lammps, "pppm")
    pairs, kspace = (CLASSICAL, KSPACE) if with_kspace else (WITHOUT_KSPACE, "")
    assert with_kspace or lammps.backend.lmp is not None, "the LAMMPS of the Python package has KSPACE"

    def script(style: str, coeff: str) -> str:
        start = setup("mixture.data", style, coeff, atom_style="full")
        head, tail = start.split("pair_style", 1)
        return head + SOLVENT + "pair_style" + tail

    classical = lammps.run(script(pairs, "* * 0.0 3.0") + LJ.format(style="") + kspace + static("classical.dump"))
    model = lammps.run(script(f"dpcompressed {small} {WORDS}", "* * O H NULL") + "bond_coeff 1 0.0 1.1\n" + static("model.dump"))
    both = f"hybrid/overlay dpcompressed {small} {tolerance.words} {pairs}"
    terms = LJ.format(style=pairs.split()[0]) + kspace
    mixed = lammps.run(script(both, "* * dpcompressed O H NULL") + terms + static("mixed.dump"), ranks)
    parts = [classical.dump("classical.dump"), model.dump("model.dump")]
    assert min(np.abs(part).max() for part in parts) > 0.05
    tolerance.assert_forces(mixed.dump("mixed.dump"), sum(parts), force=1e-9)
    expected = classical.value("energy")[0] + model.value("energy")[0]
    assert mixed.value("energy")[0] == pytest.approx(expected, abs=tolerance.energy * len(water))


def test_long_range_forces_on_ranks_of_their_own(lammps: Lammps, water: System, small: Path) -> None:
    """run_style verlet/split: the second partition has the part in k-space, the first one all others."""
    if not has_style(lammps, "verlet/split"):
        pytest.skip("this LAMMPS has no package REPLICA")
    write_mixture(water, lammps.folder / "mixture.data")
    style = f"hybrid/overlay dpcompressed {small} {WORDS} {CLASSICAL}"
    head, tail = setup("mixture.data", style, "* * dpcompressed O H NULL", atom_style="full").split("pair_style", 1)
    script = head + SOLVENT + "pair_style" + tail + LJ.format(style="lj/cut/coul/long") + KSPACE
    script += """
velocity all create 300 17 loop geom
fix nve all nve
timestep 0.000002
{}
run 5
write_dump all custom {} id x y z fx fy fz modify format float %.17g
"""
    whole = lammps.run(script.format("", "whole.dump")).dump("whole.dump")
    split = script.format("run_style verlet/split", "split.dump").replace("write_dump", "partition yes 1 write_dump")
    lammps.run(split, 2, ("-partition", "1", "1", "-plog", "none", "-pscreen", "none"))
    np.testing.assert_allclose(Run(0, "", lammps.folder).dump("split.dump"), whole, rtol=0, atol=1e-9)
