# SPDX-License-Identifier: MIT
"""Together with the rest of LAMMPS: hybrid styles, NULL types, minimisation, restart files, rerun."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from lammps_runs import Array, Lammps, System, on_backends, setup, static

from pybuild.oracles import reference as oracle
from pybuild.readers import read_model
from pybuild.tablefile.file import from_bytes, to_bytes

FORCE = 1e-8  # eV/angstrom, as in test_reference.py
ENERGY = 1e-9  # eV per atom
SAME = 1e-11  # the same sums by the same code
PRECISIONS = {"double": (FORCE, ENERGY), "mixed": (1e-4, 1e-4)}  # as in test_precision.py
in_both_precisions = pytest.mark.parametrize("precision", PRECISIONS)

SPREAD = 4.0  # angstrom between the extra atoms
EPSILON, SIGMA = 0.01, 3.0  # eV, angstrom: the Lennard-Jones potential between them


def with_extra_atoms(water: System) -> System:
    """Three atoms of a third type amid the water, in a row."""
    row = np.array([[1.0 + SPREAD * k, 6.0, 6.0] for k in range(3)])
    return System((*water.names, "X"), np.append(water.types, [3, 3, 3]), np.vstack([water.positions, row]), water.cell)


def row_forces(box: float) -> Array:
    """(3, 3) eV/angstrom: Lennard-Jones forces in the periodic row, cut off at 6 angstrom."""
    forces = np.zeros((3, 3))
    x = np.array([1.0 + SPREAD * k for k in range(3)])
    for i in range(3):
        for j in range(3):
            for image in (-1, 0, 1):
                d = x[j] + image * box - x[i]
                if 0 < abs(d) < 6.0:
                    s6 = (SIGMA / abs(d)) ** 6
                    forces[i, 0] -= 24 * EPSILON * (2 * s6**2 - s6) / d
    return forces


@in_both_precisions
@pytest.mark.parametrize("ranks", [1, 2])
@on_backends("host", "kokkos_serial", "kk", "kk_host")
def test_null_types_are_not_there(
    ranks: int, precision: str, lammps: Lammps, water: System, small: Path, small_reference: dict
) -> None:
    with_extra_atoms(water).write(lammps.folder / "extra.data")
    force, energy = PRECISIONS[precision]
    style = lammps.style(small, f"precision {precision}")
    run = lammps.run(setup("extra.data", style, "* * O H NULL") + static(), ranks)
    forces = run.dump("forces.dump")
    np.testing.assert_allclose(forces[:192], small_reference["forces0"], rtol=0, atol=force)
    np.testing.assert_array_equal(forces[192:], 0)
    assert abs(run.value("energy")[0] - small_reference["energy0"]) < energy * 192


@on_backends("host", "kk")
def test_null_for_an_element_of_the_model(lammps: Lammps, water: System, small: Path, shared: Path) -> None:
    """A model of O and H on the O atoms alone."""
    run = lammps.run(setup("water.data", lammps.style(small), "* * O NULL") + static())
    model = read_model(shared / "models" / "se_e2_a-small" / "model.pth")
    oxygen = water.types == 1
    expected = oracle.evaluate(model, water.positions[oxygen], np.zeros(oxygen.sum(), dtype=int), water.cell)
    forces = run.dump("forces.dump")
    np.testing.assert_allclose(forces[oxygen], expected.forces, rtol=0, atol=FORCE)
    np.testing.assert_array_equal(forces[~oxygen], 0)


@in_both_precisions
@pytest.mark.parametrize("ranks", [1, 2])
@on_backends("host", "kk")
def test_hybrid(ranks: int, precision: str, lammps: Lammps, water: System, small: Path, small_reference: dict) -> None:
    with_extra_atoms(water).write(lammps.folder / "extra.data")
    style = f"hybrid dpcompressed {small} precision {precision} lj/cut 6.0"
    script = setup("extra.data", style, "* * dpcompressed O H NULL")
    script += f"pair_coeff 3 3 lj/cut {EPSILON} {SIGMA}\npair_coeff 1*2 3 none\n"
    forces = lammps.run(script + static(), ranks).dump("forces.dump")
    np.testing.assert_allclose(forces[:192], small_reference["forces0"], rtol=0, atol=PRECISIONS[precision][0])
    np.testing.assert_allclose(forces[192:], row_forces(water.cell[0, 0]), rtol=0, atol=SAME)


@pytest.mark.parametrize("dx", [-18.5, -30.0])
@on_backends("host", "kk", "kk_host")
def test_a_rank_that_loses_its_last_atom(dx: float, lammps: Lammps, small: Path) -> None:
    """Atoms of a hybrid style move to the other rank; this one keeps ghosts, or nothing. Their energy stays what it was."""
    positions = np.array([[45, 10, 10], [46, 10, 10], [44.8, 10.9, 10], [45, 4, 10], [48, 4, 10.0]])
    System(("O", "H", "X"), np.array([1, 2, 2, 3, 3]), positions, np.diag([60.0, 20, 20])).write(lammps.folder / "five.data")
    style = f"hybrid/overlay {lammps.style(small, 'overflow warn')} zero 4.0"
    script = "processors * 1 1\n" + setup("five.data", style, "* * dpcompressed O H NULL") + "pair_coeff * 3 zero\n"
    for move in ("", f"displace_atoms all move {dx} 0 0\n", f"displace_atoms all move {-dx} 0 0\n"):
        script += f'{move}run 0\nprint "energy: $(pe:%.17g)"\n'
    before, moved, back = lammps.run(script, ranks=2).values("energy")
    np.testing.assert_allclose([moved[0], back[0]], before[0], rtol=0, atol=1e-9)


@on_backends("host", "kk")
def test_hybrid_overlay(lammps: Lammps, water: System, small: Path) -> None:
    """Both styles act on the same pairs: forces, energies and virials add up."""
    lj = "1 1 lj/cut 0.005 2.5"
    script = setup("water.data", "lj/cut 4.0", "* * 0.0 1.0") + "pair_coeff 1 1 0.005 2.5\n" + static("lj.dump")
    script += "clear\n" + setup("water.data", lammps.style(small)) + static("dp.dump")
    script += "clear\n" + setup("water.data", f"hybrid/overlay {lammps.style(small)} lj/cut 4.0", "* * dpcompressed O H")
    script += f"pair_coeff * * lj/cut 0.0 1.0\npair_coeff {lj}\n" + static("both.dump")
    run = lammps.run(script)
    np.testing.assert_allclose(run.dump("both.dump"), run.dump("lj.dump") + run.dump("dp.dump"), rtol=0, atol=SAME)
    assert np.abs(run.dump("lj.dump")).max() > 1e-3
    for name in ("energy", "virial"):
        lj_value, dp_value, both = run.values(name)
        np.testing.assert_allclose(both, lj_value + dp_value, rtol=1e-12)


@on_backends("host", "kk")
def test_hybrid_must_leave_the_model_its_pairs(lammps: Lammps, water: System, small: Path) -> None:
    script = setup("water.data", f"hybrid dpcompressed {small} lj/cut 4.0", "* * dpcompressed O H")
    run = lammps.run(script + "pair_coeff 1 2 lj/cut 0.1 2.0\n" + static(), check=False)
    assert len(run.errors) == 1, run.output
    assert "gives the pair of atom types 1 and 2 to another style" in run.errors[0]


@pytest.mark.parametrize("ranks", [1, 2])
@on_backends("host", "kk")
def test_minimise(ranks: int, lammps: Lammps, water: System, small: Path, shared: Path) -> None:
    script = setup("water.data", lammps.style(small, "overflow warn"), "* * O H")
    script += """
thermo_style custom step pe
thermo_modify format float %.17g
run 0
print "before: $(pe:%.17g)"
minimize 0 0 8 40
print "after: $(pe:%.17g)"
write_dump all custom end.dump id x y z fx fy fz modify format float %.17g
"""
    run = lammps.run(script, ranks)
    end = run.dump("end.dump")
    model = read_model(shared / "models" / "se_e2_a-small" / "model.pth")
    expected = oracle.evaluate(model, end[:, :3], water.types - 1, water.cell)
    after = run.value("after")[0]
    assert after < run.value("before")[0] - 0.1
    assert abs(after - expected.energy) < ENERGY * 192
    np.testing.assert_allclose(end[:, 3:], expected.forces, rtol=0, atol=FORCE)


class TestRestart:
    """A restart file holds file name, keywords and element names, so that read_restart alone goes on."""

    def write(self, lammps: Lammps, small: Path, ranks: int = 1) -> Array:
        (lammps.folder / "my tables.bin").write_bytes(small.read_bytes())
        script = setup("water.data", '"dpcompressed" "my tables.bin" check 7 overflow warn', "* * O H") + static("before.dump")
        return lammps.run(script + "write_restart saved.restart\n", ranks).dump("before.dump")

    @pytest.mark.parametrize("ranks", [1, 2])
    @on_backends("host", "kk")
    def test_read_restart_is_enough(self, ranks: int, lammps: Lammps, water: System, small: Path) -> None:
        before = self.write(lammps, small, ranks)
        run = lammps.run("read_restart saved.restart\n" + static("after.dump"), ranks)
        np.testing.assert_allclose(run.dump("after.dump"), before, rtol=0, atol=SAME)
        assert "checked every 7 steps, and is warned of" in run.output
        assert "atom types 1=O 2=H" in run.output

    def test_pair_style_can_replace_the_settings(self, lammps: Lammps, water: System, small: Path) -> None:
        before = self.write(lammps, small)
        (lammps.folder / "my tables.bin").unlink()
        run = lammps.run(f"read_restart saved.restart\npair_style dpcompressed {small} check 2\n" + static("after.dump"))
        np.testing.assert_allclose(run.dump("after.dump"), before, rtol=0, atol=SAME)
        assert "checked every 2 steps, and stops the run" in run.output

    @on_backends("host", "kk")
    def test_another_table_file_at_its_place(self, lammps: Lammps, water: System, small: Path) -> None:
        """Is said, once, unless pair_style names it."""
        self.write(lammps, small)
        content = from_bytes(small.read_bytes())
        (lammps.folder / "my tables.bin").write_bytes(to_bytes(replace(content, energy_bias=content.energy_bias + 1.0)))
        restart, again = "read_restart saved.restart\n", 'pair_style dpcompressed "my tables.bin"\n'
        other = lammps.run(restart + static(), ranks=2)
        meant = lammps.run(restart + again + static(), ranks=2)
        said = [warning for warning in other.warnings if "another table file" in warning]
        assert len(said) == 1, other.output
        assert "my tables.bin is another table file than when the restart file was written" in said[0]
        assert "another table file" not in meant.output
        assert other.value("energy")[0] == pytest.approx(meant.value("energy")[0], rel=1e-13)

    def test_lost_table_file(self, lammps: Lammps, water: System, small: Path) -> None:
        self.write(lammps, small)
        (lammps.folder / "my tables.bin").unlink()
        run = lammps.run("read_restart saved.restart\n" + static("after.dump"), ranks=2, check=False)
        assert "my tables.bin" in run.errors[0]

    @pytest.mark.parametrize("ranks", [1, 2])
    @pytest.mark.parametrize("length", [-5, 2**30])
    def test_damaged_length(self, length: int, ranks: int, lammps: Lammps, water: System, small: Path) -> None:
        """The settings are a length and so many bytes; the line of "my tables.bin" ends them."""
        self.write(lammps, small)
        file = lammps.folder / "saved.restart"
        content = file.read_bytes()
        end = content.index(b"my tables.bin\n") + len(b"my tables.bin\n")
        start = next(k for k in range(end - 14, 0, -1) if struct.unpack_from("<i", content, k - 4)[0] == end - k)
        file.write_bytes(content[: start - 4] + struct.pack("<i", length) + content[start:])
        run = lammps.run("read_restart saved.restart\n" + static("after.dump"), ranks=ranks, check=False)
        assert "the restart file is damaged" in run.errors[0]

    @pytest.mark.parametrize(
        ("before", "after", "message"),
        [
            (b"neighbors=", b"neighbort=", "the restart file was written by another version of this pair style"),
            (b"precision=double", b"precision=triple", "precision must be double or mixed, not 'triple'"),
        ],
    )
    def test_words_of_another_version(
        self, before: bytes, after: bytes, message: str, lammps: Lammps, water: System, small: Path
    ) -> None:
        self.write(lammps, small)
        file = lammps.folder / "saved.restart"
        content = file.read_bytes()
        assert content.count(before) == 1
        file.write_bytes(content.replace(before, after))
        run = lammps.run("read_restart saved.restart\n" + static("after.dump"), check=False)
        assert message in run.errors[0]

    @on_backends("host", "kk")
    def test_hybrid_needs_pair_coeff_again(self, lammps: Lammps, water: System, small: Path) -> None:
        coeff = "pair_coeff * * dpcompressed O H\npair_coeff * * zero\n"
        script = setup("water.data", f"hybrid/overlay dpcompressed {small} zero 4.0", "* * dpcompressed O H") + coeff
        before = lammps.run(script + static("before.dump") + "write_restart saved.restart\n").dump("before.dump")
        after = lammps.run("read_restart saved.restart\n" + coeff + static("after.dump")).dump("after.dump")
        np.testing.assert_allclose(after, before, rtol=0, atol=SAME)


@on_backends("host", "kk")
def test_rerun(lammps: Lammps, water: System, small: Path) -> None:
    start = setup("water.data", lammps.style(small, "overflow warn"), "* * O H")
    thermo = "thermo 1\nthermo_style custom step pe press\nthermo_modify format float %.15g\n"
    thermo += 'fix p all print 5 "$(step) $(pe:%.17g)" file {} title "" screen no\n'
    first = (
        start
        + thermo.format("run.txt")
        + """
velocity all create 300 17 loop geom
fix nve all nve
timestep 0.0002
dump d all custom 5 frames.dump id type x y z
dump_modify d format float %.17g
run 10
"""
    )
    lammps.run(first)
    lammps.run(start + thermo.format("rerun.txt") + "rerun frames.dump dump x y z\n", ranks=2)
    md, again = (np.loadtxt(lammps.folder / name) for name in ("run.txt", "rerun.txt"))
    assert md.shape == (3, 2)
    np.testing.assert_allclose(again, md, rtol=1e-12)


RESPA = """
velocity all create 300 17 loop geom
fix nve all nve
timestep {step}
{words}
run {n}
write_dump all custom {dump} id x y z fx fy fz modify format float %.17g
"""


def test_respa_with_the_model_in_one_level(lammps: Lammps, water: System, small: Path) -> None:
    """Nothing is in the inner level: two steps of it are one of plain dynamics."""
    start = setup("water.data", lammps.style(small, "overflow warn"), "* * O H")
    words = "run_style respa 2 2 bond 1 pair 2"
    found = lammps.run(start + RESPA.format(step=0.0002, words=words, n=8, dump="respa.dump"), ranks=2).dump("respa.dump")
    plain = lammps.run(start + RESPA.format(step=0.0002, words="", n=8, dump="plain.dump")).dump("plain.dump")
    np.testing.assert_allclose(found, plain, rtol=0, atol=1e-10)
    words = "run_style respa 2 2 inner 1 4 5 outer 2"
    refused = lammps.run(start + RESPA.format(step=0.0002, words=words, n=1, dump="never.dump"), check=False)
    assert "does not support rRESPA" in refused.errors[0]
