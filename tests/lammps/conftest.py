# SPDX-License-Identifier: MIT
"""Fixtures of the LAMMPS tests: tables of the shared models, built once by the command a user types; their references."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from lammps_runs import Array, Lammps, System, from_reference

SMALL = "se_e2_a-small"  # the model of every test that is not about models


@pytest.fixture(scope="session")
def reference(shared: Path) -> Callable[[str], dict[str, Array]]:
    def load(model: str) -> dict[str, Array]:
        with np.load(shared / "models" / model / "reference.npz") as arrays:
            return dict(arrays)

    return load


@pytest.fixture(scope="session")
def tables(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """tables(model): its tables.bin with the default options."""
    folder = tmp_path_factory.mktemp("tables")

    def build(model: str) -> Path:
        path = folder / f"{model}.bin"
        if not path.exists():
            command = [sys.executable, "-m", "pybuild", str(shared / "models" / model / "model.pth"), str(path)]
            subprocess.run(command, check=True, cwd=folder)
        return path

    return build


@pytest.fixture
def lammps(tmp_path: Path) -> Lammps:
    return Lammps(tmp_path)


@pytest.fixture(scope="session")
def small_reference(reference: Callable[[str], dict[str, Array]]) -> dict[str, Array]:
    return reference(SMALL)


@pytest.fixture(scope="session")
def small(tables: Callable[[str], Path]) -> Path:
    """Tables of the small water model."""
    return tables(SMALL)


@pytest.fixture
def water(small_reference: dict[str, Array], lammps: Lammps) -> System:
    """192 atoms of water, types 1 = O, 2 = H, written to water.data in the folder of the run."""
    system = from_reference(small_reference, 0)
    system.write(lammps.folder / "water.data")
    return system
