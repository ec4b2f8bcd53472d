# SPDX-License-Identifier: MIT
"""Loaders that claim to be built for other LAMMPSs, and the bare executable of LAMMPS to open them with."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from datetime import date
from importlib import metadata
from pathlib import Path

import pytest
from lammps_runs import Lammps, mpi_folder

PLUGIN_SOURCE = Path(__file__).resolve().parents[2] / "lammps_plugin"
LOADER, PAIR = "dpcompressedplugin.so", "dpcompressed_pair.so"


@dataclass(frozen=True)
class Release:
    """A release of LAMMPS, from the version of its Python package: "2025.7.22.4.0", date, update, package."""

    package: str

    @property
    def update(self) -> int:
        return int(self.package.split(".")[3])

    @property
    def number(self) -> int:
        """20250722"""
        return int(self._day.strftime("%Y%m%d"))

    @property
    def name(self) -> str:
        """22 Jul 2025"""
        return f"{self._day.day} {self._day:%b %Y}"

    def descriptor(self, update: int) -> str:
        return f"stable_{self.name.replace(' ', '')}_update{update}"

    @property
    def _day(self) -> date:
        return date(*(int(part) for part in self.package.split(".")[:3]))


def running() -> Release:
    """The LAMMPS that the tests run."""
    return Release(metadata.version("lammps"))


def without_entry_points() -> list[str]:
    """The lmp executable itself, without the Python program that looks for plugins."""
    import lammps

    return [str(Path(lammps.__file__).parent / "lmp")]


def run_bare(lammps: Lammps, script: str, plugin_path: Path | None = None) -> str:
    """Output of the bare executable; MPI's library is found beside the Python environment."""
    (lammps.folder / "in.bare").write_text(script)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "LD_LIBRARY_PATH": mpi_folder()}
    environment.pop("LAMMPS_PLUGIN_PATH", None)
    if plugin_path is not None:
        environment["LAMMPS_PLUGIN_PATH"] = str(plugin_path)
    command = [*without_entry_points(), "-in", "in.bare", "-log", "none"]
    return subprocess.run(
        command, cwd=lammps.folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ).stdout


def folder_in_package(distribution: str, name: str) -> Path:
    return next(Path(file.locate()).parent for file in metadata.files(distribution) if file.name.startswith(name))


def installed_folder() -> Path | None:
    """Of the package, whatever LAMMPS_PLUGIN_PATH says."""
    entries = [entry for entry in metadata.entry_points(group="lammps.plugins") if entry.name == "dpcompressed"]
    return Path(entries[0].load()()) if entries else None


def lammps_headers() -> Path:
    return folder_in_package("lammps", "pair.h")


def build_loader(
    folder: Path,
    version: int | None = None,  # the running one
    update: int = -1,
    descriptor: str = "",
    needs_kokkos: bool = False,
    source_id: str = "of these tests",
    definitions: tuple[str, ...] = (),
    headers: Path | None = None,
    mpi_headers: Path | None = None,
) -> None:
    """A loader with an implementation beside it that must not be touched."""
    if shutil.which("g++") is None:
        pytest.skip("no g++ to build another loader with")
    info = (PLUGIN_SOURCE / "build_info.hpp.in").read_text()
    values = {
        "DPC_LAMMPS_VERSION": str(version or running().number),
        "DPC_LAMMPS_UPDATE": str(update),
        "DPC_LAMMPS_DESCRIPTOR": descriptor,
        "DPC_STYLE_NEEDS_KOKKOS": str(needs_kokkos).lower(),
        "DPC_SOURCE_ID": source_id,
    }
    for word, value in values.items():
        info = info.replace(f"@{word}@", value)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "build_info.hpp").write_text(info)
    sources = [PLUGIN_SOURCE / name for name in ("lammps_identity.cpp", "layout_probe.cpp", "loader.cpp", "running_lammps.cpp")]
    includes = [folder, mpi_headers or folder_in_package("mpich", "mpi.h"), headers or lammps_headers()]
    command = ["g++", "-std=c++17", "-fPIC", "-shared", *(f"-D{name}" for name in definitions)]
    command += [*(f"-I{include}" for include in includes), *map(str, sources), "-o", str(folder / LOADER)]
    subprocess.run(command, check=True)
    (folder / PAIR).write_bytes(b"not a library")
