# SPDX-License-Identifier: MIT
"""Heat flux, paths and replicas: commands of LAMMPS around the model, against finite differences and runs without them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from lammps_runs import MASSES, Array, Lammps, Run, System, has_style, on_backends, setup, static

from pybuild.oracles import reference as oracle
from pybuild.readers import read_model

FLUX = 2e-3  # eV angstrom/ps of some thousand: squares of the time step, and rounding of sum r e over it
FORCE = 1e-8  # eV/angstrom, as in test_reference.py
SAME = 1e-9  # eV, eV/angstrom: the same atoms in another run


@pytest.mark.parametrize("ranks", [1, 4])
@on_backends("host", "kk", "kk_host")
def test_heat_flux_is_the_derivative_of_the_energy_moment(ranks: int, lammps: Lammps, water: System, small: Path) -> None:
    """J = d/dt sum r_i e_i, exact in an open box. Only centroid/stress/atom gives a many-body potential's."""
    step = 1e-6  # ps
    cluster = System(water.names, water.types[:96], water.positions[:96], None)
    cluster.write(lammps.folder / "cluster.data")
    script = setup("cluster.data", lammps.style(small, "overflow warn"), "* * O H", boundary="f f f")
    script += f"""
velocity all create 600 17 loop geom
compute ke all ke/atom
compute pe all pe/atom
compute s all stress/atom NULL virial
compute c all centroid/stress/atom NULL virial
compute jc all heat/flux ke pe c
compute js all heat/flux ke pe s
variable mx atom x*(c_ke+c_pe)
variable my atom y*(c_ke+c_pe)
variable mz atom z*(c_ke+c_pe)
compute m all reduce sum v_mx v_my v_mz
fix nve all nve
timestep {step}
thermo 1
thermo_style custom step c_m[1] c_m[2] c_m[3] c_jc[1] c_js[1]
fix p all print 1 "$(c_m[1]:%.17g) $(c_m[2]:%.17g) $(c_m[3]:%.17g) $(c_jc[1]:%.17g) $(c_jc[2]:%.17g) $(c_jc[3]:%.17g) &
$(c_js[1]:%.17g) $(c_js[2]:%.17g) $(c_js[3]:%.17g) $(c_jc[4]:%.17g) $(c_jc[5]:%.17g) $(c_jc[6]:%.17g)" &
file flux.txt title "" screen no
run 2
"""
    lammps.run(script, ranks)
    rows = np.loadtxt(lammps.folder / "flux.txt")
    derivative = (rows[2, :3] - rows[0, :3]) / (2 * step)
    centroid, symmetric, convective = rows[1, 3:].reshape(3, 3)
    np.testing.assert_allclose(centroid, derivative, rtol=0, atol=FLUX)
    assert np.abs(centroid - convective).min() > 100 * FLUX
    assert np.abs(symmetric - derivative).max() > 100 * FLUX


@pytest.mark.parametrize("ranks", [1, 2])
def test_dynamical_matrix(ranks: int, lammps: Lammps, water: System, small: Path, shared: Path) -> None:
    """Of two atoms, after a run: LAMMPS builds a list of its own for it, and counts the builds otherwise than a setup does."""
    step, some = 1e-3, [4, 99]  # angstrom; an O and an H
    script = setup("water.data", lammps.style(small), "* * O H").replace("read_data", "atom_modify map yes\nread_data")
    script += f"""
group some id {" ".join(str(i + 1) for i in some)}
fix nve all nve
timestep 0.0002
run 5
write_dump all custom here.dump id x y z modify format float %.17g
dynamical_matrix some regular {step} file matrix.txt
"""
    here = lammps.run(script, ranks).dump("here.dump")
    model = read_model(shared / "models" / "se_e2_a-small" / "model.pth")
    mass = np.repeat([MASSES[water.names[t - 1]] for t in water.types[some]], 3)
    expected = np.empty((6, 6))
    for row in range(6):
        moved = np.stack([here, here])
        moved[:, some[row // 3], row % 3] += [step, -step]
        forces = [oracle.evaluate(model, x, water.types - 1, water.cell).forces[some].ravel() for x in moved]
        expected[row] = (forces[1] - forces[0]) / (2 * step) / np.sqrt(mass[row] * mass)
    found = np.loadtxt(lammps.folder / "matrix.txt").reshape(6, 6)
    np.testing.assert_allclose(found, expected, rtol=0, atol=FORCE / step)
    assert np.abs(expected).max() > 0.1


def partitions(n: int) -> tuple[str, ...]:
    return ("-partition", f"{n}x1", "-plog", "none", "-pscreen", "none")


def read_dump(file: Path) -> Array:
    """Positions by ID."""
    return Run(0, "", file.parent).dump(file.name)


def energy_of(lammps: Lammps, system: System, style: str) -> float:
    system.write(lammps.folder / "alone.data")
    return Lammps(lammps.folder).run(setup("alone.data", style) + static("alone.dump")).value("energy")[0]


@on_backends("host", "kk")
def test_neb(lammps: Lammps, tables: Callable[[str], Path]) -> None:
    """A vacancy in copper that moves to the next place: the path is symmetric, and the energies are those of its atoms."""
    side = 3.62
    corners = np.stack(np.meshgrid(*[np.arange(2)] * 3, indexing="ij"), -1).reshape(-1, 1, 3)
    fcc = side * (corners + np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])).reshape(-1, 3)
    vacancy, atoms = fcc[0], fcc[1:]
    start = System(("Cu",), np.ones(len(atoms), dtype=np.int64), atoms, np.diag([2 * side] * 3))
    start.write(lammps.folder / "start.data")
    (lammps.folder / "end.txt").write_text(f"1\n1 {vacancy[0]} {vacancy[1]} {vacancy[2]}\n")
    style = lammps.style(tables("se_e2_a-cu"), "overflow warn")
    if not has_style(lammps, "neb"):
        pytest.skip("this LAMMPS has no package REPLICA")
    script = setup("start.data", style).replace("read_data", "atom_modify map array\nread_data")
    script += """
variable r uloop 3 pad
timestep 0.005
fix n all neb 1.0 parallel ideal
min_style quickmin
neb 0.0 0.05 60 20 10 final end.txt
write_dump all custom path.$r id x y z modify format float %.17g
print "energy: $(pe:%.17g)" file energy.$r
"""
    lammps.run(script, 3, partitions(3))
    energies = []
    for image in (1, 2, 3):
        (said,) = [float(line.split(":")[1]) for line in (lammps.folder / f"energy.{image}").read_text().splitlines()]
        frame = lammps.folder / f"path.{image}"
        moved = start.moved(read_dump(frame))
        energies.append(energy_of(lammps, moved, f"dpcompressed {tables('se_e2_a-cu')} overflow warn"))
        assert said == pytest.approx(energies[-1], abs=SAME)
    assert energies[0] == pytest.approx(energies[2], abs=SAME), "the two ends are images of each other"
    halfway = (atoms[0] + vacancy) / 2
    apart = (read_dump(lammps.folder / "path.2")[0] - halfway) / (2 * side)
    np.testing.assert_allclose(2 * side * (apart - np.round(apart)), 0, atol=1e-6)  # on the face of the cell: either side of it
    straight = start.moved(np.vstack([halfway, atoms[1:]]))
    assert energies[1] < energy_of(lammps, straight, f"dpcompressed {tables('se_e2_a-cu')} overflow warn") - 0.1


@on_backends("host", "kk")
def test_temper(lammps: Lammps, water: System, small: Path) -> None:
    """Replicas exchange temperatures and go on; the energy that decides is that of their atoms."""
    if not has_style(lammps, "temper"):
        pytest.skip("this LAMMPS has no package REPLICA")
    script = "variable t world 300 320\nvariable w world first second\n"
    script += setup("water.data", lammps.style(small, "overflow warn"), "* * O H")
    script += """
velocity all create 300 17 loop geom
fix nve all nve
fix t all langevin $t $t 0.01 48279
timestep 0.0002
temper 20 5 $t t 0 58728
write_dump all custom ${w}.end id x y z modify format float %.17g
print "energy: $(pe:%.17g)" file energy.${w}
"""
    lammps.run(script, 2, partitions(2))
    for world in ("first", "second"):
        said = float((lammps.folder / f"energy.{world}").read_text().split(":")[1])
        moved = water.moved(read_dump(lammps.folder / f"{world}.end"))
        assert said == pytest.approx(energy_of(lammps, moved, f"dpcompressed {small} overflow warn"), abs=1e-8)


@pytest.mark.parametrize(("is_open", "iterations"), [(True, 2), (False, 2), (True, 0), (False, 0)])
@on_backends("host", "kk")
def test_prd(is_open: bool, iterations: int, lammps: Lammps, water: System, small: Path) -> None:
    """Events that are dumped are atoms of another replica, in a setup at the step of the one before it and without an init."""
    if not has_style(lammps, "prd"):
        pytest.skip("this LAMMPS has no package REPLICA")
    system = System(water.names, water.types[:96], water.positions[:96], None) if is_open else water
    system.write(lammps.folder / "system.data")
    script = setup("system.data", lammps.style(small, "overflow warn"), "* * O H", boundary=system.boundary)
    script = script.replace("read_data", "atom_modify map yes sort 0 0\nread_data")
    script += """
variable r uloop 2
variable seed equal 100*$r+4711
velocity all create 600 ${seed}
timestep 0.0005
fix nve all nve
fix t all langevin 600 600 0.05 ${seed}
compute moved all event/displace 0.02
neighbor 0.3 bin
min_modify dmax 0.01
neigh_modify every 1 delay 0 check yes
dump events all custom 1000 events.dump id x y z fx fy fz
dump_modify events sort id format float %.17g
"""
    script += f"prd 400 20 0 5 0 moved 54985 temp 600 min 0 0 {iterations} {iterations} vel all gaussian\n"
    lammps.run(script, 2, partitions(2))
    frames = Run(0, "", lammps.folder).dumps("events.dump")
    assert len(frames) >= 2
    for frame in frames[1:4]:
        system.moved(frame[:, :3]).write(lammps.folder / "event.data")
        alone = setup("event.data", f"dpcompressed {small} overflow warn", "* * O H", boundary=system.boundary)
        alone += static("alone.dump")
        np.testing.assert_allclose(frame[:, 3:], lammps.run(alone).dump("alone.dump"), rtol=0, atol=FORCE)
