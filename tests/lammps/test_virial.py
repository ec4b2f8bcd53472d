# SPDX-License-Identifier: MIT
"""Per-atom energies and virials, and the pressure that a barostat sees."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from lammps_runs import BAR_PER_EV_A3, SINGLE, Lammps, System, on_backends, setup

from pybuild.oracles import reference as oracle
from pybuild.readers import read_model

ATOM_ENERGY = 1e-9  # eV
ATOM_VIRIAL = 2e-7  # eV: forces of 1e-8 eV/angstrom times distances, summed over some hundred neighbours
SUM = 1e-9  # eV: sums of the same numbers in another order
PRESSURE = 1e-3  # bar: 1e-6 eV of virial in a box of 2,000 cubic angstroms

# LAMMPS' orders of components in terms of a flattened (3, 3) matrix, position component first
SYMMETRIC = [(0, 0), (4, 4), (8, 8), (1, 3), (2, 6), (5, 7)]
CENTROID = [0, 4, 8, 1, 2, 5, 3, 6, 7]


@pytest.fixture(scope="module")
def expected(shared: Path, small_reference: dict) -> oracle.Result:
    """The oracle on frame 2: triclinic, atoms displaced, large stresses of every component."""
    model = read_model(shared / "models" / "se_e2_a-small" / "model.pth")
    return oracle.evaluate(model, small_reference["positions2"], small_reference["types"], small_reference["cell2"])


@pytest.fixture
def triclinic(water: System, lammps: Lammps, small_reference: dict) -> System:
    system = System(water.names, water.types, small_reference["positions2"], small_reference["cell2"])
    system.write(lammps.folder / "triclinic.data")
    return system


@pytest.mark.parametrize("ranks", [1, 2])
@on_backends(*SINGLE, "kk-2")
def test_per_atom_energy_and_virial(ranks: int, lammps: Lammps, triclinic: System, small: Path, expected: oracle.Result) -> None:
    columns = "c_e " + " ".join(f"c_s[{k}]" for k in range(1, 7)) + " " + " ".join(f"c_c[{k}]" for k in range(1, 10))
    virial = " ".join(f"$(c_p[{k}]*vol:%.17g)" for k in range(1, 7))
    script = setup("triclinic.data", lammps.style(small, "overflow warn"), "* * O H")
    script += f"""
compute e all pe/atom
compute s all stress/atom NULL virial
compute c all centroid/stress/atom NULL virial
compute p all pressure NULL virial
compute total all reduce sum c_e
thermo_style custom step pe c_total c_p[1] c_p[2] c_p[3] c_p[4] c_p[5] c_p[6]
dump d all custom 1 atoms.dump id {columns}
dump_modify d format float %.17g
run 0
print "energies: $(pe:%.17g) $(c_total:%.17g)"
print "virial: {virial}"
"""
    run = lammps.run(script, ranks)
    atoms = run.dump("atoms.dump")
    np.testing.assert_allclose(atoms[:, 0], expected.atom_energy, rtol=0, atol=ATOM_ENERGY)
    total, of_atoms = run.value("energies")
    assert abs(total - of_atoms) < SUM

    # The computes print -W times nktv2p.
    w = expected.atom_virial
    symmetric = np.stack([(w[:, i] + w[:, j]) / 2 for i, j in SYMMETRIC], axis=1)
    np.testing.assert_allclose(-atoms[:, 1:7] / BAR_PER_EV_A3, symmetric, rtol=0, atol=ATOM_VIRIAL)
    np.testing.assert_allclose(-atoms[:, 7:16] / BAR_PER_EV_A3, w[:, CENTROID], rtol=0, atol=ATOM_VIRIAL)
    assert np.abs(w[:, 1] - w[:, 3]).max() > 1e-3, "the two off-diagonal halves differ, so the order is tested"
    virial = run.value("virial")
    np.testing.assert_allclose(-atoms[:, 1:7].sum(0) / BAR_PER_EV_A3, virial / BAR_PER_EV_A3, rtol=0, atol=SUM)


MOVERS = {
    "npt": "fix move all npt temp 300 300 0.1 aniso 1.0 1.0 0.5",
    "strain": "fix move all nve\nfix strain all deform 4 x erate 20.0 remap x",  # at the end of step 4, after its forces
}


@pytest.mark.parametrize("mover", MOVERS)
@pytest.mark.parametrize("ranks", [1, 2])
@on_backends("host", "kk")
def test_pressure_in_a_moving_box(mover: str, ranks: int, lammps: Lammps, water: System, small: Path, shared: Path) -> None:
    """From rest: pressure and energies of atoms are the oracle's for atoms and box of the same step, and the box moves."""
    steps = 6
    box = " ".join(f"$({word}:%.17g)" for word in ("c_p", "press", "temp", "xlo", "xhi", "ylo", "yhi", "zlo", "zhi"))
    script = setup("water.data", lammps.style(small, "overflow warn"), "* * O H")
    script += f"""
timestep 0.0002
{MOVERS[mover]}
compute p all pressure NULL virial
compute e all pe/atom
thermo 1
thermo_style custom step temp press c_p
fix print all print 1 "$(step) {box}" screen no file box.txt title ""
dump d all custom 1 moving.dump id x y z c_e
dump_modify d format float %.17g
run {steps}
"""
    run = lammps.run(script, ranks)
    model = read_model(shared / "models" / "se_e2_a-small" / "model.pth")
    boxes = {int(row[0]): row for row in np.loadtxt(lammps.folder / "box.txt")}
    frames = run.dumps("moving.dump")
    assert len(frames) == steps + 1
    for step in (0, steps):
        _, virial_pressure, pressure, temperature, *ends = boxes[step]
        low, high = np.array(ends[::2]), np.array(ends[1::2])
        cell = np.diag(high - low)
        result = oracle.evaluate(model, frames[step][:, :3] - low, water.types - 1, cell)
        np.testing.assert_allclose(frames[step][:, 3], result.atom_energy, rtol=0, atol=ATOM_ENERGY)
        oracle_pressure = np.trace(result.virial) / 3 / np.linalg.det(cell) * BAR_PER_EV_A3
        assert abs(virial_pressure - oracle_pressure) < PRESSURE, step
        if step == 0:
            assert temperature == 0
            assert abs(pressure - virial_pressure) < PRESSURE
    assert np.abs(boxes[steps][5:] - boxes[0][5:]).max() > 1e-6, "the box moved"
