# SPDX-License-Identifier: MIT
"""What will be on disk: the arrays of a tables.bin, and nothing else.

From here on nobody knows which program trained the model. Codes and shapes as in docs/tables-format.md section 3: N types; M, K
and P as there.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any

import numpy as np

from ..arrays import Array, IntArray
from ..model.descriptor import Argument, Form, table_of
from ..model.net import Layer

THREE_BODY = frozenset({"se_e3", "se_e3_tebd"})
ORDERS = (3, 5)  # of the polynomials of a table
HIGH_ORDER, MOST_OF_HIGH_ORDER = 11, 64  # over products, too, and how many intervals of it a table may have
SHARED = frozenset({"se_e3_tebd"})  # kinds whose slots are for neighbours of any type


class NeighbourRule(IntEnum):
    """Which neighbours a centre keeps where there are more than sel."""

    ALL = 0
    PER_TYPE = 1
    TOTAL = 2
    UNION = 3
    MIXED = 4


def end_of(segments: Array) -> float:
    """The last knot of segments (S, 3)."""
    start, step, count = segments[-1]
    return float(start + step * count)


class OnSegments:
    """Ends of what lies on knots in segments (S, 3)."""

    segments: Array

    @property
    def lower(self) -> float:
        return float(self.segments[0, 0])

    @property
    def max(self) -> float:
        return end_of(self.segments)


@dataclass(frozen=True)
class TableArrays(OnSegments):
    """K functions phi(x) on a grid of uniform segments."""

    argument: Argument
    segments: Array  # (S, 3) start, step, number of intervals; each starts where the one before ends
    upper: float  # end of the range of the training data; beyond it the table extrapolates
    coef: Array  # (rows, order + 1, K), lowest power first, of x - left knot; of order 11 of x - middle
    basis: Array  # (M, K)

    @property
    def order(self) -> int:
        return int(self.coef.shape[1]) - 1

    @property
    def rank(self) -> int:
        """K."""
        return int(self.coef.shape[2])

    def first(self, n: int) -> TableArrays:
        """Of the first n functions."""
        coef, basis = np.ascontiguousarray(self.coef[:, :, :n]), np.ascontiguousarray(self.basis[:, :n])
        return replace(self, coef=coef, basis=basis)


@dataclass(frozen=True)
class DescriptorArrays:
    """What makes features of a centre's neighbours."""

    kind: str  # "se_e2_a", "se_e2_r", "se_e3", "se_e3_tebd"
    rcut: float
    rcut_smth: float
    env_protection: float
    sel: IntArray  # (N,)
    n_sel: int  # se_e3: 1
    mean: Array  # (N,); of three bodies 0
    std: Array  # (N, 2); se_e2_r and of three bodies: (N, 1)
    width: int  # M
    axis_neuron: int  # 0 where the kind has none
    pair_kind: IntArray  # (N, N)
    pair_table: IntArray  # (N, N)
    padding: Array | None = None  # (N, M) what an empty slot of n_sel adds; None: each type has its own

    gates: Array | None = None  # (N, N, M) of se_e3_tebd: g of two neighbour types; None: there is none
    degree_gains: Array = field(default_factory=lambda: np.empty(0))  # se_e2_a: (lmax - 1,) of components of degree 2 and more

    @property
    def shares_slots(self) -> bool:
        """Every slot is for neighbours of any type."""
        return (self.padding is not None or self.kind in SHARED) and bool((self.sel == self.n_sel).all())

    @property
    def n_per_column(self) -> int:
        """Inputs that a first layer of linear form takes of each column."""
        return 1 if self.gates is None else 2

    @property
    def n_bodies(self) -> int:
        return 3 if self.kind in THREE_BODY else 2

    @property
    def n_groups(self) -> int:
        """Groups of neighbours, with a table or without (model/descriptor.py)."""
        return int(len(self.sel) ** (self.n_bodies - 1))

    def table_of(self, a: int, group: int) -> int:
        """The table of a group around centres of type a, -1: none."""
        return table_of(self.n_bodies, self.pair_table, a, group)

    def tables_around(self, a: int) -> dict[int, int]:
        """By group those that centres of type a have."""
        found = {group: self.table_of(a, group) for group in range(self.n_groups)}
        return {group: t for group, t in found.items() if t >= 0}


@dataclass(frozen=True)
class InputArrays:
    """What the first layer of a fitting net takes of one descriptor.

    What is None is not of that form, or, of those whose names end in _double or _mixed, all: they name the part that a precision
    evaluates for a centre without a neighbour closer than in the training data.
    """

    descriptor: int
    form: Form
    columns: IntArray | None = None  # square, linear: (L, 2) neighbour type, channel
    row_end: IntArray | None = None  # square: (P,)
    row_end_double: IntArray | None = None  # square: (P,)
    row_end_mixed: IntArray | None = None
    row_end_exact: IntArray | None = None  # of row_end_double: products beyond may be multiplied in single precision; None: none
    rank_double: IntArray | None = None  # direct: (N,) by neighbour type, 0 where the pair has no table
    rank_mixed: IntArray | None = None
    n_double: int | None = None  # linear, and with a combination: leading columns
    n_mixed: int | None = None
    combination: Array | None = None  # square: (P, L); None: P = L, the columns themselves


@dataclass(frozen=True)
class FittingArrays:
    """The fitting net of one centre type, and what its first layer takes, in the order of concatenation."""

    inputs: tuple[InputArrays, ...]
    layers: tuple[Layer, ...]


@dataclass(frozen=True)
class TableSet:
    """All of docs/tables-format.md section 3."""

    type_map: tuple[str, ...]
    energy_bias: Array  # (N,)
    energy_mask: IntArray  # (N,)
    min_distance: Array  # (N, N)
    check_frequency: int
    neighbour_rule: NeighbourRule
    n_fparam: int
    n_aparam: int
    descriptors: tuple[DescriptorArrays, ...]
    tables: tuple[TableArrays, ...]
    fittings: tuple[FittingArrays | None, ...]  # (N,); None where energy_mask is 0
    default_fparam: Array | None = None  # (n_fparam,) where a caller gives none; None: it must
    close_distance: Array | None = None  # (N, N) with a closer neighbour a centre takes all; None: min_distance
    provenance: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SwitchArrays:
    """Of two parts: E_i = w E_near + (1 - w) E_far (model/combined.py: Switch)."""

    near: int
    far: int
    rmin: float
    rmax: float
    alpha: float
    least_sum: float


@dataclass(frozen=True)
class CombinedTables:
    """Of a model of several parts, whose energies are added but for a switch between two."""

    parts: tuple[TableSet, ...]
    switch: SwitchArrays | None = None
    provenance: dict[str, Any] = field(default_factory=dict)

    @property
    def type_map(self) -> tuple[str, ...]:
        return self.parts[0].type_map


AnyTables = TableSet | CombinedTables
