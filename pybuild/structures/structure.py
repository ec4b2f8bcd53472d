# SPDX-License-Identifier: MIT
"""Atoms and a cell."""

from __future__ import annotations

from dataclasses import dataclass

from ..arrays import Array, Index


@dataclass(frozen=True)
class Structure:
    """Atoms: positions (n, 3) angstrom, types (n,) indices into the model's type_map, cell (3, 3) rows a, b, c or None (open); of
    models that take parameters fparam (n_fparam,) and aparam (n, n_aparam)."""

    positions: Array
    types: Index
    cell: Array | None
    name: str = ""
    fparam: Array | None = None
    aparam: Array | None = None
