# SPDX-License-Identifier: MIT
"""The products S_pq of one centre type in order of importance, and the fitting net on any staircase of them.

For ordinary centres the importance of a product is the size of C_p and C_q times the root mean square of dE/dS_pq; for centres
with a neighbour closer than in the training data, where those sizes mean little, it is what the product contributes to the
energies seen. Every threshold gives a staircase, and a higher threshold a part of it.
"""

from __future__ import annotations

import bisect
from dataclasses import replace
from functools import cached_property

import numpy as np

from ..arrays import Array, IntArray
from .evaluation import FoldedInput, WeightedInput
from .folding import Factors, FirstLayer, staircase, staircase_order
from .place import Place
from .truncation import around

PRESELECTED = 3  # times the number of products at which folding stops to pay: those that are weighed for ordinary centres
MOST = 12_000  # products that are weighed at all
FEW = 3  # centres: a product is as important as its mean contribution to the energies of the few where that is largest


class Ranking:
    """Products by importance (P, P), of which the upper triangle counts."""

    def __init__(self, importance: Array):
        self._importance = importance
        p, q, needed = staircase_order(importance)
        weighed = needed > 0
        weighed[0] = True  # a net that feels nothing still has an input
        self._p, self._q, self.needed = p[weighed], q[weighed], needed[weighed]

    def limited(self, n_columns: int) -> Ranking:
        """The same without the products of the columns from a certain one on. At the same threshold a part of these products."""
        return Ranking(self._importance[:n_columns, :n_columns])

    def count(self, threshold: float) -> int:
        """Products at or above a threshold."""
        return int(np.searchsorted(-self.needed, -threshold, side="right"))

    def leading(self, threshold: float) -> tuple[IntArray, IntArray]:
        """p and q of the products at or above a threshold, at least of the most important one; a staircase."""
        n = max(1, self.count(threshold))
        return self._p[:n], self._q[:n]

    def row_end(self, threshold: float) -> IntArray:
        """The staircase of these products."""
        return staircase(*self.leading(threshold))


class Products:
    """All products of one centre type's factors that are weighed at all, and their rows of the first layer's weight."""

    def __init__(self, place: Place, a: int, factors: Factors, most: int | None = None):
        """most: products at which folding stops to pay."""
        factors = factors if factors.combination is not None else _leading(factors)
        self._place, self._centre, self._factors = place, a, factors
        self._size = np.outer(factors.amplitude, factors.amplitude)
        n_first = len(self._size) if factors.n_first is None else factors.n_first
        p, q, _ = staircase_order(np.where(np.arange(len(self._size))[:, None] < n_first, self._size, 0.0))
        weighed = np.flatnonzero(p < n_first)[:MOST]  # a staircase, as is what is ever chosen of them
        p, q = p[weighed], q[weighed]
        in_rows = np.lexsort((q, p))
        self._p, self._q = p, q = p[in_rows], q[in_rows]
        self._ordinary = in_rows < (len(in_rows) if most is None else PRESELECTED * most)
        self._row_of = _rows(self._size.shape, p, q)

    @property
    def columns(self) -> IntArray:
        """(L, 2) neighbour type and channel, most important first."""
        return self._factors.columns

    @cached_property
    def by_size(self) -> Ranking:
        """For ordinary centres."""
        gradients = self._place.first_layer_gradients("ordinary", self._centre)
        importance = np.zeros_like(self._size)
        p, q = self._p[self._ordinary], self._q[self._ordinary]
        importance[p, q] = self._size[p, q] * sensitivity(self._weights_of_ordinary, gradients)
        return Ranking(importance)

    def by_contribution(self, which: str) -> Ranking:
        """For the centres of some structures; which: field of Cases."""
        gradients = self._place.first_layer_gradients(which, self._centre) @ self._weights.T
        every = self._input(np.full(len(self._size), len(self._size)), None)
        parts = [np.empty((0, len(self._p)))]
        for case in around(getattr(self._place.cases, which), self._centre):
            f = every.factors(case.moments[self._centre][self._place.d])
            parts.append((f @ f.transpose(0, 2, 1))[:, self._p, self._q])
        importance = np.zeros_like(self._size)
        importance[self._p, self._q] = largest_mean(np.concatenate(parts) * gradients)
        return Ranking(importance)

    def part(self, row_end: IntArray, taken: IntArray | None = None) -> WeightedInput:
        """The products of a staircase; of combinations of some columns, by their place, None: of all."""
        first = self._input(row_end, taken)
        return WeightedInput(first, self._weights[self._row_of[first.products()]])

    def trial(self, threshold: float, taken: IntArray | None = None) -> WeightedInput:
        """The same of the products of by_size at or above a threshold, most important first: their weights lie together."""
        p, q = self.by_size.leading(threshold)
        first = replace(self._input(staircase(p, q), taken), order=(p, q))
        return WeightedInput(first, self._weights_by_size[: len(p)])

    @cached_property
    def _first_layer(self) -> FirstLayer:
        return FirstLayer(self._place.weight(self._centre), self._factors, self._place.descriptor.axis_neuron)

    @cached_property
    def _weights(self) -> Array:
        return self._first_layer.weights(self._p, self._q)

    @cached_property
    def _weights_of_ordinary(self) -> Array:
        """Of those that are weighed for ordinary centres: a search may end at these."""
        every = self._ordinary.all()
        return self._weights if every else self._first_layer.weights(self._p[self._ordinary], self._q[self._ordinary])

    @cached_property
    def _weights_by_size(self) -> Array:
        row_of = _rows(self._size.shape, self._p[self._ordinary], self._q[self._ordinary])
        weights = self._weights_of_ordinary[row_of[self.by_size.leading(0.0)]]
        weights.setflags(write=False)  # so that layers do not copy them
        return weights

    def _input(self, row_end: IntArray, taken: IntArray | None) -> FoldedInput:
        b = self._factors.combination
        if b is None:
            return FoldedInput(self.columns[: len(row_end)], row_end)
        if taken is None:
            return FoldedInput(self.columns, row_end, b[: len(row_end)])
        return FoldedInput(self.columns[taken], row_end, np.ascontiguousarray(b[: len(row_end), taken]))


def _rows(shape: tuple[int, ...], p: IntArray, q: IntArray) -> IntArray:
    """(P, P) the place of each product in an order, -1: it has none."""
    row_of = np.full(shape, -1)
    row_of[p, q] = np.arange(len(p))
    return row_of


def _leading(factors: Factors) -> Factors:
    """Columns, by amplitude, without those that come in none of the MOST largest products."""
    amplitude = factors.amplitude

    def n_larger(n: int) -> int:
        """Products larger than that of the first column and the one behind n of them, or as large."""
        least = amplitude[0] * amplitude[n] / amplitude[:n]
        ends = np.searchsorted(-amplitude, -least, side="right")
        return int(np.maximum(ends - np.arange(n), 0).sum())

    n = bisect.bisect_right(range(len(amplitude)), MOST, lo=1, key=n_larger) if len(amplitude) > 1 else 1
    return replace(factors, columns=factors.columns[:n], amplitude=amplitude[:n], vectors=factors.vectors[:, :n])


def union(one: IntArray, other: IntArray) -> IntArray:
    """The staircase of the products that are in any of two."""
    n = max(len(one), len(other))
    return np.maximum(extended(one, n), extended(other, n))


def extended(row_end: IntArray, n: int) -> IntArray:
    """The same staircase with rows without products up to n."""
    return np.concatenate([row_end, np.arange(len(row_end), n, dtype=row_end.dtype)])


def largest_mean(contributions: Array) -> Array:
    """The mean size of the few largest of each column of (n, P)."""
    few = np.concatenate([np.zeros((FEW, contributions.shape[1])), np.abs(contributions)])
    return np.partition(few, -FEW, axis=0)[-FEW:].mean(axis=0)


def sensitivity(weights: Array, gradients: Array) -> Array:
    """Root mean square of dE/d input over the centres seen, from the inputs' rows of the first layer's weight and dE/d its sum;
    the row's norm where there was none."""
    if not len(gradients):
        return np.linalg.norm(weights, axis=1)
    gram = gradients.T @ gradients / len(gradients)
    return np.sqrt(np.maximum(np.einsum("pn,pn->p", weights @ gram, weights), 0.0))
