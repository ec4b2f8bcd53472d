# SPDX-License-Identifier: MIT
"""pair_style dpcompressed FILE precision mixed: single precision inside, close to double outside."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from lammps_runs import SINGLE, Lammps, System, on_backends, setup, static

MIXED_FORCE = 1e-4  # eV/A: 1e-5 from the shorter lists of products, the rest from rounding of sums of some hundred terms
MIXED_ENERGY = 1e-4  # eV/atom: energies of -150 eV/atom are the sum of a bias in double and a net's output of order 1 in single


@pytest.mark.parametrize("ranks", [1, 2])
@on_backends(*SINGLE)
def test_mixed_is_close_to_double(ranks: int, lammps: Lammps, water: System, small: Path) -> None:
    script = ""
    for precision in ("double", "mixed"):
        style = setup("water.data", lammps.style(small, f"overflow warn precision {precision}"), "* * O H")
        script += style + static(f"{precision}.dump") + "clear\n"
    run = lammps.run(script, ranks)
    difference = run.dump("mixed.dump") - run.dump("double.dump")
    assert 0 < np.abs(difference).max() < MIXED_FORCE
    double, mixed = (row[0] for row in run.values("energy"))
    assert abs(mixed - double) < MIXED_ENERGY * len(water)
    assert "double precision" in run.output
    assert "mixed precision" in run.output


def test_mixed_survives_a_restart(lammps: Lammps, water: System, small: Path) -> None:
    style = lammps.style(small, "overflow warn precision mixed")
    lammps.run(setup("water.data", style, "* * O H") + "run 0\nwrite_restart restart.bin\n")
    run = lammps.run("read_restart restart.bin\nrun 0\n")
    assert "mixed precision" in run.output
