# SPDX-License-Identifier: MIT
"""fix adapt and the factor `scale`, for thermodynamic integration: energy, forces and virial, in total and per atom."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from lammps_runs import PRINT_TOTALS, Lammps, System, on_backends, setup, static

FACTOR = 0.37
RELATIVE = 1e-12  # of the unscaled values: another order of factors
FORCE = 1e-11  # eV/angstrom
STRESS = 1e-4  # bar angstrom^3: 1.6e6 of them are an eV
COLUMNS = "fx fy fz c_e " + " ".join(f"c_s[{k}]" for k in range(1, 10))
PER_ATOM = "compute e all pe/atom\ncompute s all centroid/stress/atom NULL virial\n"
ADAPT = "variable f equal {value}\nfix a all adapt 1 pair dpcompressed scale {pairs} v_f reset yes\n"


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("factor", [FACTOR, 0.0])
@on_backends("host", "kokkos_serial", "kk", "kk_host")
def test_everything_is_scaled(factor: float, ranks: int, lammps: Lammps, water: System, small: Path) -> None:
    script = setup("water.data", lammps.style(small), "* * O H") + PER_ATOM
    plain = lammps.run(script + static("plain.dump", COLUMNS))
    script += ADAPT.format(value=factor, pairs="* *") + static("scaled.dump", COLUMNS)
    scaled = lammps.run(script + "unfix a\nthermo_style one\nuncompute virial_pressure\n" + static("reset.dump", COLUMNS), ranks)
    assert scaled.values("energy")[0] == pytest.approx(factor * plain.value("energy"), rel=RELATIVE)
    np.testing.assert_allclose(scaled.values("virial")[0], factor * plain.value("virial"), rtol=0, atol=STRESS * len(water))
    for name, expected in (("scaled.dump", factor), ("reset.dump", 1.0)):
        found, unscaled = scaled.dump(name), expected * plain.dump("plain.dump")
        np.testing.assert_allclose(found[:, :3], unscaled[:, :3], rtol=0, atol=FORCE)
        np.testing.assert_allclose(found[:, 3], unscaled[:, 3], rtol=RELATIVE, atol=0)
        np.testing.assert_allclose(found[:, 4:], unscaled[:, 4:], rtol=0, atol=STRESS)


@on_backends("host", "kk")
def test_ramp(lammps: Lammps, water: System, small: Path) -> None:
    """From 1 to 0 in ten steps, atoms at rest: the energy of each step."""
    script = setup("water.data", lammps.style(small), "* * O H") + ADAPT.format(value="ramp(1.0,0.0)", pairs="* *")
    script += 'thermo 1\nfix p all print 1 "value: $(step) $(pe:%.17g)" screen yes\nrun 10\n'
    rows = np.array(lammps.run(script).values("value"))
    np.testing.assert_array_equal(rows[:, 0], np.arange(11))
    whole = lammps.run(setup("water.data", lammps.style(small), "* * O H") + static()).value("energy")[0]
    np.testing.assert_allclose(rows[:, 1], whole * (1 - rows[:, 0] / 10), rtol=0, atol=abs(whole) * RELATIVE)


def test_in_hybrid_with_null(lammps: Lammps, water: System, small: Path) -> None:
    """Pairs with NULL have no say; another style in the same run is not scaled."""
    style = f"hybrid/overlay dpcompressed {small} overflow warn lj/cut 4.0"
    script = setup("water.data", style, "* * dpcompressed O NULL") + "pair_coeff * * lj/cut 0.005 2.5\n"
    plain = lammps.run(script + static("plain.dump"))
    none = lammps.run(script + ADAPT.format(value=0, pairs="1 1") + static("none.dump"))
    some = lammps.run(script + ADAPT.format(value=FACTOR, pairs="1 1") + static("some.dump"))
    expected = none.dump("none.dump") + FACTOR * (plain.dump("plain.dump") - none.dump("none.dump"))
    np.testing.assert_allclose(some.dump("some.dump"), expected, rtol=0, atol=FORCE)
    assert np.abs(none.dump("none.dump")).max() > 1e-3


@pytest.mark.parametrize("ranks", [1, 2])
@on_backends("host", "kk")
def test_one_factor_for_all_pairs(ranks: int, lammps: Lammps, water: System, small: Path) -> None:
    script = setup("water.data", lammps.style(small), "* * O H") + ADAPT.format(value=0.5, pairs="1 2")
    run = lammps.run(script + "run 0\n", ranks, check=False)
    assert len(run.errors) == 1, run.output
    assert "scale is 1 for some pairs of atom types and 0.5 for 1 and 2" in run.errors[0]
    assert "`scale * *`" in run.errors[0]


@on_backends("host", "kk")
def test_another_pair_style_begins_unscaled(lammps: Lammps, water: System, small: Path) -> None:
    """The names of the elements stay, the factor that fix adapt left does not."""
    style = lammps.style(small)
    script = setup("water.data", style, "* * O H") + static("plain.dump")
    script += ADAPT.format(value=FACTOR, pairs="* *").replace("yes", "no")
    script += f"run 0\nprint \"scaled: $(pe:%.17g)\"\nunfix a\npair_style {style}\nrun 0\n{PRINT_TOTALS}"
    run = lammps.run(script)
    before, after = run.values("energy")
    assert run.value("scaled")[0] == pytest.approx(FACTOR * before[0], rel=RELATIVE)
    assert after[0] == pytest.approx(before[0], rel=RELATIVE)
