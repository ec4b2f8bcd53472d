# SPDX-License-Identifier: MIT
"""The products S_pq of one centre type in order of importance, and the fitting net on any leading part of them.

The importance of a product is the size of C_p and C_q times the root mean square of dE/dS_pq; every threshold gives a
staircase, and a higher threshold a part of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import replace

import numpy as np

from .description import ModelDescription, Net
from .evaluation import Fitting, FoldedInput
from .folding import FirstLayer, merge_columns, staircase, staircase_order
from .lowrank import Basis
from .tableset import Array, IntArray
from .truncation import Case, Pair, direct_fittings, energy_constant, first_layer_gradients

PRESELECTED = 3  # times the number of products at which folding stops to pay: those that are weighed at all


class FoldedCandidates:
    """The products of one centre type in order of importance."""

    def __init__(self, model: ModelDescription, a: int, bases: Mapping[Pair, Basis], cases: Sequence[Case], most: int | None):
        net = model.fitting.nets[a]
        mine = {b: basis for (centre, b), basis in bases.items() if centre == a}
        self._merged = merge_columns(mine)
        size = np.outer(self._merged.amplitude, self._merged.amplitude)
        p, q = np.triu_indices(len(size))
        if most is not None and len(p) > PRESELECTED * most:
            largest = np.sort(np.argsort(-size[p, q], kind="stable")[: PRESELECTED * most])
            p, q = p[largest], q[largest]
        weights = FirstLayer(net, self._merged, model.descriptor.axis_neuron).weights(p, q)
        direct = direct_fittings(model, {(a, b): basis.vectors for b, basis in mine.items()}, (a,))[a]
        self._importance = np.zeros_like(size)
        self._importance[p, q] = size[p, q] * _sensitivity(weights, first_layer_gradients(cases, direct, a))
        self._order()
        self._weights = weights
        self._row_of = np.full(size.shape, -1)
        self._row_of[p, q] = np.arange(len(p))
        self._net, self._constant = net, energy_constant(model, a)

    def _order(self) -> None:
        p, q, needed = staircase_order(self._importance)
        weighed = needed > 0
        self._p, self._q, self.needed = p[weighed], q[weighed], needed[weighed]

    @property
    def columns(self) -> IntArray:
        """(P, 2) neighbour type and channel, most important first."""
        return self._merged.columns[: len(self._importance)]

    def limited(self, n_columns: int) -> FoldedCandidates:
        """The same without the products of the columns from a certain one on. At the same threshold a part of these products."""
        other = copy(self)
        other._importance = self._importance[:n_columns, :n_columns]
        other._order()
        return other

    def count(self, threshold: float) -> int:
        """Products at or above a threshold."""
        return int(np.searchsorted(-self.needed, -threshold, side="right"))

    def fitting(self, threshold: float) -> Fitting:
        """The fitting net on the products at or above a threshold; at least the most important one."""
        n = max(1, self.count(threshold))
        row_end = staircase(self._p[:n], self._q[:n])
        first = FoldedInput(self._merged.columns[: len(row_end)], row_end)
        layer = replace(self._net.layers[0], weight=self._weights[self._row_of[first.products()]])
        return Fitting(first, Net((layer, *self._net.layers[1:])), self._constant)


def _sensitivity(weights: Array, gradients: Array) -> Array:
    """Root mean square of dE/dS_pq over the centres seen; the row's norm where there was none."""
    if not len(gradients):
        return np.linalg.norm(weights, axis=1)
    gram = gradients.T @ gradients / len(gradients)
    return np.sqrt(np.maximum(np.einsum("pn,pn->p", weights @ gram, weights), 0.0))
