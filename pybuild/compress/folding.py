# SPDX-License-Identifier: MIT
"""The first layer of a fitting net folded onto the products S_pq = F_p . F_q (docs/theory.md section 3).

With T = V F, D = V (F F^T) V[:A]^T enters the first layer linearly, so W1^T vec(D) = sum_{p <= q} W^_pq S_pq with W^_pq =
sum_{m, c} W1[m A + c] (V_mp V_cq + [p != q] V_mq V_cp): exact algebra. The factors F are the rows of C of all neighbour types,
merged in order of importance, or combinations of these (combinations.py); those kept form a staircase, for each p the ones with
q = p .. row_end[p] - 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..arrays import Array, IntArray
from .lowrank import Basis

NEGLIGIBLE = 1e-14  # amplitude relative to the largest, below which a column cannot matter in float64


@dataclass(frozen=True)
class Factors:
    """columns (L, 2) of neighbour type and channel, which the factors are, or with combination B (P, L) F = B C; amplitude (P,)
    and vectors V (M, P) of the factors; n_first: only so many, from the first, begin products, the others have none with one
    another."""

    columns: IntArray
    amplitude: Array
    vectors: Array
    combination: Array | None = None
    n_first: int | None = None


def merge_columns(bases: Mapping[int, Basis]) -> Factors:
    """All columns of the bases of one centre type's neighbours, by amplitude; ties by neighbour type, then channel."""
    b = np.concatenate([np.full(len(basis.amplitude), key) for key, basis in bases.items()])
    k = np.concatenate([np.arange(len(basis.amplitude)) for basis in bases.values()])
    amplitude = np.concatenate([basis.amplitude for basis in bases.values()])
    order = np.lexsort((k, b, -amplitude))
    order = order[: max(1, int(np.sum(amplitude > NEGLIGIBLE * amplitude.max())))]
    vectors = np.concatenate([basis.vectors for basis in bases.values()], axis=1)
    return Factors(np.column_stack([b, k])[order].astype(np.int32), amplitude[order], vectors[:, order])


class FirstLayer:
    """W^ of one fitting net for any pairs of factors; weight (M A, n_out) of its first layer."""

    def __init__(self, weight: Array, factors: Factors, axis_neuron: int):
        width, n_out = factors.vectors.shape[0], weight.shape[1]
        half = factors.vectors.T @ weight.reshape(width, axis_neuron * n_out)
        self._half = half.reshape(-1, axis_neuron, n_out)  # sum over m
        self._axis = factors.vectors[:axis_neuron]  # V[:A]

    def weights(self, p: IntArray, q: IntArray) -> Array:
        """(len(p), n_out) rows W^_pq, p <= q."""
        out = np.zeros((len(p), self._half.shape[2]))
        for ones, others, each in ((p, q, np.arange(len(p))), (q, p, np.flatnonzero(p != q))):
            order = each[np.argsort(ones[each], kind="stable")]
            rows, starts = np.unique(ones[order], return_index=True)
            for row, begin, end in zip(rows, starts, [*starts[1:], len(order)], strict=False):
                mine = order[begin:end]
                out[mine] += self._axis[:, others[mine]].T @ self._half[row]
        return out


def staircase_order(importance: Array) -> tuple[IntArray, IntArray, Array]:
    """Pairs p <= q in an order whose every prefix is a staircase, and how important each is.

    importance (P, P), upper triangle used. A pair counts as much as the most important pair further down or to the right of it,
    since that one cannot be kept without it.
    """
    needed = np.triu(importance)
    needed = np.maximum.accumulate(needed[:, ::-1], axis=1)[:, ::-1]
    needed = np.maximum.accumulate(needed[::-1], axis=0)[::-1]
    p, q = np.triu_indices(len(importance))
    order = np.lexsort((q, p + q, -needed[p, q]))
    return p[order], q[order], needed[p, q][order]


def staircase(p: IntArray, q: IntArray) -> IntArray:
    """row_end (P,) of a prefix of ``staircase_order``; P is the number of columns that occur."""
    n_columns = int(q.max()) + 1 if len(q) else 0
    row_end = np.arange(n_columns, dtype=np.int32)
    np.maximum.at(row_end, p, (q + 1).astype(np.int32))
    return row_end


def folded_cost(n_products: int, n_out: int) -> int:
    """Multiply-adds per atom, forward and backward, of the products and the first layer."""
    return n_products * (2 * n_out + 12)


def expansion_cost(n_rows: int, n_columns: int) -> int:
    """The same of a matrix (n_rows, n_columns) times the moments, of four components."""
    return 8 * n_rows * n_columns


def table_cost(n_channels: int, pack: int) -> int:
    """Multiply-adds per neighbour, forward and backward, of a table of order 5 whose channels are padded to packs."""
    return -(-n_channels // pack) * pack * 27


def direct_cost(width: int, axis_neuron: int, n_columns: int, n_out: int) -> int:
    """The same with T, D and the unfolded first layer."""
    return folded_cost(width * axis_neuron, n_out) + expansion_cost(width, n_columns)
