# SPDX-License-Identifier: MIT
"""What the rest of the program asks of a descriptor, whatever kind it is; the kinds are in descriptors/.

A group of neighbours is what a descriptor sums over: of two bodies the neighbours of type b, and the group is b; of three
bodies the pairs of neighbours of types b <= c, and the group is b N + c. Every group has a table, and its sums are the rows of
the moments C.

A two-body kind sums functions G of one argument x over the neighbours: T = (1/n_sel) sum G_ab(x_j) (x) R_j, (M, components),
with the environment row R of each neighbour, and makes the numbers that a fitting net takes of T. Slots without a neighbour add
G at constant arguments. A three-body kind sums h(x) = x G_bc(x) over two neighbours, x the product of their vectors, with its
own divisor for each group; what such a sum has for each of its terms is a row, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Any, ClassVar, NamedTuple, Protocol

from ..arrays import Array, IntArray
from .net import Net
from .piecewise import Piecewise


class Form(IntEnum):
    """What the first layer of a fitting net takes; numbers as in docs/tables-format.md."""

    DIRECT = 0  # the descriptor itself
    SQUARE = 1  # a staircase of products S_pq = C_p . C_q of rows of the moments C
    RECTANGULAR = 2  # of no kind yet
    LINEAR = 3  # rows of the moments C themselves


class Argument(IntEnum):
    """What a table is looked up at; numbers as in docs/tables-format.md. All of them grow as neighbours get closer."""

    X = 0
    R = 1  # rcut - r
    PRODUCT = 2


class Rows(Protocol):
    """The terms of the sums over a group of neighbours: environment rows of pairs, or pairs of neighbours."""

    @property
    def x(self) -> Array:
        """(t,) arguments of the tables."""

    @property
    def row(self) -> Array:
        """R (t, components)."""


def table_of(n_bodies: int, pair_table: IntArray, a: int, group: int) -> int:
    """The table of a group of neighbours of centres of type a in pair_table (N, N), -1: none."""
    if n_bodies == 2:
        return int(pair_table[a, group])
    b, c = divmod(group, len(pair_table))
    return int(pair_table[b, c]) if b <= c else -1


class CentreNeighbours(NamedTuple):
    """Of some centres, ordered by centre: types (p,), vectors (p, 3), and (n + 1,) where those of each centre start."""

    types: IntArray
    vector: Array
    start: IntArray


class AlongR(NamedTuple):
    """How the row of a pair depends on its distance r, where its argument is x (p,)."""

    radial: Array  # R_0
    radial_slope: Array | float  # dR_0/dx
    angular: Array | float  # length of the other components
    d_angular: Array | float  # size of the derivative of these along any direction, at most
    dx: Array  # dx/dr
    value_weight: float  # 1/angstrom: by how much an error of the pair's energy counts like one of its force


class Descriptor(Protocol):
    """A descriptor, with the numbers of the description that all kinds have (shapes in descriptors/two_body.py)."""

    kind: ClassVar[str]
    n_bodies: ClassVar[int]  # 2 or 3
    form: ClassVar[Form]  # that the first layer of the fitting net can be folded into

    @property
    def rcut(self) -> float: ...
    @property
    def rcut_smth(self) -> float: ...
    @property
    def env_protection(self) -> float: ...
    @property
    def sel(self) -> tuple[int, ...]: ...
    @property
    def n_sel(self) -> int: ...
    @property
    def mean(self) -> Array: ...
    @property
    def std(self) -> Array: ...
    @property
    def nets(self) -> tuple[Net | Piecewise, ...]: ...
    @property
    def net_of(self) -> IntArray: ...
    @property
    def excluded(self) -> frozenset[tuple[int, int]]: ...
    @property
    def exclusion(self) -> str: ...
    @property
    def padding(self) -> Array | None: ...
    @property
    def gates(self) -> Array | None: ...
    @property
    def switch_radius(self) -> float | None: ...

    @property
    def n_components(self) -> int:
        """Of each sum: of its environment rows, or of the rows of its pairs of neighbours."""

    @property
    def shares_slots(self) -> bool:
        """Every slot is for neighbours of any type."""

    @property
    def argument(self) -> Argument:
        """Of its tables."""

    @property
    def width(self) -> int:
        """M."""

    @property
    def radial(self) -> Any:
        """Radial: r <-> x."""

    def validate(self, n_types: int) -> None:
        """Raise ModelError, naming the field, unless this is legal."""

    def numbers(self) -> dict[str, Any]:
        """The fields of tableset.DescriptorArrays but pair_kind and pair_table."""

    def n_out(self, a: int) -> int:
        """Numbers that the fitting net of centre type a takes."""

    def groups(self, kinds: IntArray) -> list[int]:
        """Groups of neighbours that have sums, around any centre; kinds (N, N): PairKind."""

    def members(self, group: int) -> tuple[int, ...]:
        """The neighbour types of a group."""

    def divisor(self, group: int) -> float:
        """Of the sums over a group."""

    def weighted(self, group: int, t: Array) -> Array:
        """The sums (n, M, components) over a group as they enter T, group -1: T itself. Linear in t, and its own reverse."""

    def net(self, a: int, group: int) -> Net | Piecewise:
        """The embedding net of a group of neighbours of a centre of type a."""

    def ranges(self, a: int, distance: float) -> float:
        """The largest argument of neighbours of a centre of type a that are no closer, angstrom, without the protection."""

    def distance(self, a: int, x: float) -> float:
        """The distance down to which neighbours of a centre of type a have no larger argument, angstrom."""

    def constants(self, a: int, kind: int) -> list[float]:
        """Arguments that slots without neighbour (first) and those of excluded neighbours (if they add anything) have."""

    def mean_s(self) -> Array:
        """(N,) mean of s(r) over all slots of the training data, 0 where it is not known."""

    def reverse_rows(self, rows: Any, d_row: Array, d_x: Array) -> Array:
        """dE/d vector (p, 3) of the neighbours from Rows of its own, dE/dR (t, components) and dE/dx (t,)."""

    def joined(self, rows: Sequence[Any]) -> Any:
        """Rows of its own, one after the other."""

    def rows_along_r(self, a: int, group: int, x: Array, closest: float) -> AlongR:
        """For bounds of the error in a force, with no neighbours closer than ``closest`` where x is none of theirs."""

    def features(self, t: Array) -> Array:
        """The numbers (n, n_out) that a fitting net takes, from T (n, M, components)."""

    def reverse_features(self, t: Array, gradient: Array) -> Array:
        """dE/dT from dE/d features."""


class TwoBodyDescriptor(Descriptor, Protocol):
    """n_bodies is 2."""

    def rows(self, a: int, vector: Array) -> Rows:
        """Of neighbours at vector (p, 3) from a centre of type a."""

    def constant_row(self, x: float) -> Array:
        """R (components,) of a slot whose argument is a constant."""


class ThreeBodyDescriptor(Descriptor, Protocol):
    """n_bodies is 3."""

    def triples(self, a: int, group: int, neighbours: CentreNeighbours) -> tuple[Rows, IntArray]:
        """The pairs of neighbours of a group, and (n + 1,) where those of each of the n centres start."""
