# SPDX-License-Identifier: MIT
"""Model files that others trained, of every kind, against the results of their programs: by the oracle, and from their tables
through Python, ASE, LAMMPS on 1, 2 and 4 ranks, and Kokkos.

A few of each run; DPC_EVERY_MODEL=1: all of them, some of an hour. docs/make_model_table.py writes their figures.
"""

from __future__ import annotations

import os
from pathlib import Path

import model_files
import pytest
from lammps_runs import Lammps
from model_runs import beyond, compare

from pybuild.errors import UnsupportedModel

# Those that no other test has in LAMMPS.
SOME = [
    "models-tf/se_e2_a-fparam_aparam/model.pb",
    "models-tf/se_a_tebd-concat/model.pb",
    "models-public/dk-virtual_type/virtual_type.pb",
]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    found = (path for path in model_files.files(model_files.SHARED) if model_files.reference_of(path))
    every = [str(path.relative_to(model_files.SHARED)) for path in found]
    metafunc.parametrize("name", every if os.environ.get("DPC_EVERY_MODEL") == "1" else SOME)


def test_the_reference(name: str, shared: Path, lammps: Lammps, request: pytest.FixtureRequest) -> None:
    path = shared / name
    if not path.exists():
        pytest.skip(f"no shared models in {path}")
    try:
        _, model = model_files.read(path)
    except UnsupportedModel:
        assert name not in SOME
        pytest.skip("refused by name")
    core = None
    if "DPC_KOKKOS_ROOT" in os.environ:
        core = model_files.load_core(request.getfixturevalue("own_kokkos_build") / "cython_ext")
    found = compare(model, model_files.reference_of(path), lammps, core)
    assert beyond(found, path.name, model.provenance.precision) == []
