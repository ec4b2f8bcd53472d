# SPDX-License-Identifier: MIT
"""What the rest of the program asks of a descriptor, whatever kind it is; the kinds are in descriptors/.

A two-body kind sums functions G of one argument x over the neighbours: T = (1/n_sel) sum G_ab(x_j) (x) R_j, (M, components),
with the environment row R of each neighbour, and makes the numbers that a fitting net takes of T. Slots without a neighbour add
G at constant arguments.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, ClassVar, NamedTuple, Protocol

from ..arrays import Array, IntArray
from .net import Net


class Form(IntEnum):
    """What the first layer of a fitting net takes; numbers as in docs/tables-format.md."""

    DIRECT = 0  # the descriptor itself
    SQUARE = 1  # a staircase of products S_pq = C_p . C_q of rows of the moments C
    RECTANGULAR = 2  # of no kind yet
    LINEAR = 3  # rows of the moments C themselves


class Rows(Protocol):
    """The environment rows of some pairs."""

    @property
    def x(self) -> Array:
        """(p,) arguments of the embedding nets."""

    @property
    def row(self) -> Array:
        """R (p, components)."""


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
    n_components: ClassVar[int]
    form: ClassVar[Form]  # that the first layer of the fitting net can be folded into
    rcut: float
    rcut_smth: float
    env_protection: float
    sel: tuple[int, ...]
    n_sel: int
    mean: Array
    std: Array
    nets: tuple[Net, ...]
    net_of: IntArray
    excluded: frozenset[tuple[int, int]]
    exclusion: str

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

    def net(self, a: int, b: int) -> Net:
        """The embedding net of a neighbour of type b of a centre of type a."""

    def constants(self, a: int, kind: int) -> list[float]:
        """Arguments that slots without neighbour (first) and those of excluded neighbours (if they add anything) have."""

    def constant_row(self, x: float) -> Array:
        """R (components,) of such a slot."""

    def mean_s(self) -> Array:
        """(N,) mean of s(r) over all slots of the training data, 0 where it is not known."""

    def rows(self, a: int, vector: Array) -> Rows:
        """Of neighbours at vector (p, 3) from a centre of type a."""

    def reverse_rows(self, rows: Rows, d_row: Array, d_x: Array) -> Array:
        """dE/d vector (p, 3) from dE/dR (p, components) and dE/dx (p,)."""

    def rows_along_r(self, a: int, x: Array) -> AlongR:
        """For bounds of the error in a force."""

    def features(self, t: Array) -> Array:
        """The numbers (n, n_out) that a fitting net takes, from T (n, M, components)."""

    def reverse_features(self, t: Array, gradient: Array) -> Array:
        """dE/dT from dE/d features."""
