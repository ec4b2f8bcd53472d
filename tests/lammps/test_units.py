# SPDX-License-Identifier: MIT
"""The same atoms in other LAMMPS units: energies, forces and pressures are the metal ones times the units' factors."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from lammps_runs import BAR_PER_EV_A3, Lammps, System, on_backends, setup, static

# Energies follow LAMMPS' Boltzmann constants, so that E / kT is the same in all units; those have 7 digits.
CONSTANTS = 1e-6
EXACT = 1e-11  # forces over energies: no constant but the length is left


@dataclass(frozen=True)
class Units:
    """In units of the run: one angstrom, one eV; pressure times volume per energy (LAMMPS' nktv2p); a skin of 2 angstrom."""

    angstrom: float
    ev: float
    nktv2p: float
    skin: str


UNITS = {
    "real": Units(1.0, 23.060549, 68568.415, "2.0"),  # kcal/mol, atm
    "si": Units(1e-10, 1.602176634e-19, 1.0, "2.0e-10"),  # J, Pa
    "nano": Units(0.1, 160.2176634, 1.0, "0.2"),  # attogram nm^2/ns^2 = 1e-21 J
}


@pytest.mark.parametrize("name", UNITS)
@on_backends("host", "kk")
def test_units_are_converted(name: str, lammps: Lammps, water: System, small: Path) -> None:
    units = UNITS[name]
    water.write(lammps.folder / "converted.data", length=units.angstrom)
    metal = lammps.run(setup("water.data", lammps.style(small)) + static("metal.dump"))
    script = setup("converted.data", lammps.style(small), units=name) + f"neighbor {units.skin} bin\n" + static("other.dump")
    other = lammps.run(script)

    energy = other.value("energy")[0] / metal.value("energy")[0]
    assert energy == pytest.approx(units.ev, rel=CONSTANTS)
    forces = metal.dump("metal.dump") * energy / units.angstrom
    np.testing.assert_allclose(other.dump("other.dump"), forces, rtol=0, atol=EXACT * np.abs(forces).max())
    virial = metal.value("virial") / BAR_PER_EV_A3 * units.ev * units.nktv2p
    np.testing.assert_allclose(other.value("virial"), virial, rtol=0, atol=CONSTANTS * np.abs(virial).max())
