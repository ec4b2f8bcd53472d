# SPDX-License-Identifier: MIT
"""Small models that DeePMD-kit made, with its results: tests/data/dpa1, tests/data/mixed_types."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pybuild.compress.build import build
from pybuild.model.description import ModelDescription
from pybuild.tablefile.file import write_tables

M = 1.0  # angstrom: no two atoms are closer


def frames(data: Any) -> Iterator[tuple[int, Any, Any, Any]]:
    """(number, positions, types, cell) of the two frames."""
    for k, cell in enumerate((data["cell"], None)):
        yield k, data["positions"], data["types"].astype(np.int64), cell


def assert_agrees(found: Any, data: Any, k: int, energy: float, force: float, virial: float) -> None:
    """A result for frame k with that of DeePMD-kit."""
    np.testing.assert_allclose(found.atom_energy, data[f"atom_energy{k}"], rtol=0, atol=energy)
    np.testing.assert_allclose(found.forces, data[f"forces{k}"], rtol=0, atol=force)
    np.testing.assert_allclose(found.virial, data[f"virial{k}"], rtol=0, atol=virial)


def atom_virial(data: Any, k: int) -> np.ndarray:
    """(n, 9) of frame k, in our order: DeePMD-kit's has the component of the force first."""
    return data[f"atom_virial{k}"].reshape(-1, 3, 3).transpose(0, 2, 1).reshape(-1, 9)


class MadeOnce:
    """Called with the name of a model: its table file, made at the first call."""

    def __init__(self, read: Callable[[str], ModelDescription], folders: Any) -> None:
        self._read, self._folders, self._made = read, folders, {}

    def __call__(self, name: str) -> Path:
        if name not in self._made:
            path = self._folders.mktemp(name) / "tables.bin"
            write_tables(path, build(self._read(name), M).tables)
            self._made[name] = path
        return self._made[name]
