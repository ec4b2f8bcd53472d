# SPDX-License-Identifier: MIT
"""What will be on disk: the arrays of a tables.bin, and nothing else.

From here on nobody knows which program trained the model.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .arrays import Array, IntArray


def end_of(segments: Array) -> float:
    """The last knot of segments (S, 3)."""
    start, step, count = segments[-1]
    return float(start + step * count)


@dataclass(frozen=True)
class TableArrays:
    """K functions phi(x) on a grid of uniform segments."""

    segments: Array  # (S, 3) start, step, number of intervals; each starts where the one before ends
    upper: float  # end of the range of the training data; beyond it the table extrapolates
    rank: int  # K
    coef: Array  # (rows, order + 1, K'), K' = K rounded up to 8, lowest power first
    basis: Array  # (M, K)

    @property
    def lower(self) -> float:
        return float(self.segments[0, 0])

    @property
    def max(self) -> float:
        return end_of(self.segments)


@dataclass(frozen=True)
class LayerArrays:
    """y = act(x W + b) * idt + skip(x); codes as in docs/tables-format.md."""

    weight: Array
    bias: Array
    idt: Array | None
    activation: int
    activation_parameter: float
    skip: int


@dataclass(frozen=True)
class FittingArrays:
    """The fitting net of one centre type, and what its first layer takes.

    columns and row_end are None for the direct form. The others name the part that a precision evaluates for a centre without
    a neighbour closer than in the training data: of the products where folded, of each table's columns where direct; None: all.
    """

    layers: tuple[LayerArrays, ...]
    columns: IntArray | None  # (P, 2) neighbour type, channel
    row_end: IntArray | None  # (P,)
    row_end_double: IntArray | None = None  # (P,)
    row_end_mixed: IntArray | None = None  # (P,)
    rank_double: IntArray | None = None  # (N,) by neighbour type, 0 where the pair has no table
    rank_mixed: IntArray | None = None  # (N,)


@dataclass(frozen=True)
class TableSet:
    """All of docs/tables-format.md section 3."""

    type_map: tuple[str, ...]
    energy_bias: Array  # (N,)
    energy_mask: IntArray  # (N,)
    min_distance: Array  # (N, N)
    check_frequency: int
    kind: str  # "se_e2_a"
    rcut: float
    rcut_smth: float
    env_protection: float
    sel: IntArray  # (N,)
    n_sel: int
    mean: Array  # (N,)
    std: Array  # (N, 2)
    width: int
    axis_neuron: int
    pair_kind: IntArray  # (N, N)
    pair_table: IntArray  # (N, N)
    tables: tuple[TableArrays, ...]
    fittings: tuple[FittingArrays | None, ...]  # (N,); None where energy_mask is 0
    provenance: dict[str, Any] = field(default_factory=dict)
