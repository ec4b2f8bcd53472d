# SPDX-License-Identifier: MIT
"""Columns of models whose first fitting layer is folded onto the rows of the moments C (docs/theory.md section 3).

The descriptor is linear in C, so W1^T D = sum_p W^_p C_p with the rows W^_p of W1^T times what column p makes of the descriptor.
For ordinary centres the importance of a column is its amplitude times the root mean square of dE/dC_p; the columns of one order
are dropped from its end. Columns that only centres with a neighbour closer than in the training data need come after these.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np

from ..arrays import Array, IntArray
from ..model.descriptor import Descriptor
from .evaluation import Fitting, LinearInput, WeightedInput
from .folding import Factors, merge_columns
from .place import Place
from .products import largest_mean, sensitivity
from .trials import Choice, Goal, Trials, thresholds
from .truncation import around

Chosen = Mapping[int, IntArray]  # centre type -> columns by their place in the order of importance


class Columns:
    """The columns of one centre type, most important first."""

    def __init__(self, place: Place, a: int):
        self._place, self._centre = place, a
        merged = merge_columns(place.bases_around(a))
        self._n = place.descriptor.n_components
        weights = _alone(place.descriptor, merged) @ place.weight(a)  # (P, components, n_out)
        size = sensitivity(weights.reshape(-1, weights.shape[2]), place.first_layer_gradients("ordinary", a))
        importance = merged.amplitude * np.linalg.norm(size.reshape(-1, self._n), axis=1)
        order = np.argsort(-importance, kind="stable")
        self.columns, self.importance, self._weights = merged.columns[order], importance[order], weights[order]

    def leading(self, threshold: float) -> IntArray:
        """Those at or above a threshold, at least one."""
        return np.arange(max(1, int(np.sum(self.importance >= threshold))))

    def contributions(self, which: str) -> Array:
        """What each adds to the energies of the few centres where that is most; which: field of Cases."""
        rows = self._weights.reshape(-1, self._weights.shape[2])
        gradients = self._place.first_layer_gradients(which, self._centre) @ rows.T
        every = LinearInput(self.columns, self._n)
        cases, d = around(getattr(self._place.cases, which), self._centre), self._place.d
        values = [np.empty((0, every.size)), *(every.forward(case.moments[self._centre][d]) for case in cases)]
        added = (np.concatenate(values) * gradients).reshape(-1, len(self.columns), self._n)
        return largest_mean(added.sum(axis=2))

    def part(self, chosen: IntArray) -> WeightedInput:
        """Some columns."""
        rows = self._weights[chosen].reshape(-1, self._weights.shape[2])
        return WeightedInput(LinearInput(self.columns[chosen], self._n), rows)


def _alone(descriptor: Descriptor, merged: Factors) -> Array:
    """(P, components, M) what each component of each column makes of the descriptor."""
    found = []
    for (group, _), vector in zip(merged.columns.tolist(), merged.vectors.T, strict=True):
        single = np.eye(descriptor.n_components)[:, None, :] * vector[None, :, None]  # (components, M, components)
        found.append(descriptor.features(descriptor.weighted(group, single)))
    return np.stack(found)


class LinearChooser:
    """The columns of all centre types of one descriptor."""

    def __init__(self, place: Place):
        self._place = place

    @cached_property
    def _columns(self) -> dict[int, Columns]:
        return {a: Columns(self._place, a) for a in self._place.types}

    @cached_property
    def _levels(self) -> Array:
        return thresholds(np.concatenate([c.importance for c in self._columns.values()]))

    @cached_property
    def _trials(self) -> Trials:
        return Trials(self._place.cases.ordinary, self._candidate, self._place.order("ordinary"))

    def _candidate(self, level: int) -> dict[int, Fitting]:
        return self._place.fittings(_parts(self._columns, self._at(level)))

    @cached_property
    def _last_that_pays(self) -> int:
        return max((k for k in range(len(self._levels)) if _pays(self._place, self._at(k))), default=-1)

    def _at(self, level: int) -> dict[int, IntArray]:
        return {a: c.leading(self._levels[level]) for a, c in self._columns.items()}

    def choose(self, goal: Goal) -> Choice | None:
        """The fewest columns within the goal; None where the descriptor itself costs less, or the goal is missed."""
        place, always = self._place, goal.form == "folded"
        last = len(self._levels) - 1 if always else self._last_that_pays
        found = self._trials.lowest(last, goal.double)
        if found is None and not always:
            return None
        double, errors = found or (last, self._trials.errors(last))
        mixed, _ = self._trials.lowest(double, max(goal.double, goal.mixed)) or (double, errors)
        chosen: Chosen = self._at(double)
        for which, tolerance in (("near", goal.near), ("far", goal.far)):
            chosen = _with_columns_of(place, self._columns, chosen, which, tolerance)
        in_double, in_mixed = (
            {a: len(c) for a, c in self._at(level).items() if len(c) < len(chosen[a])} for level in (double, mixed)
        )
        return Choice(_parts(self._columns, chosen), errors, in_double, in_mixed)


def _parts(columns: Mapping[int, Columns], chosen: Chosen) -> dict[int, WeightedInput]:
    return {a: columns[a].part(mine) for a, mine in chosen.items()}


def _pays(place: Place, chosen: Chosen) -> bool:
    """Whether the columns cost no more multiply-adds, forward and backward, than the descriptor made of them."""
    folded = direct = 0
    for a, mine in chosen.items():
        n_out, width = place.n_out(a), place.descriptor.n_out(a)
        n_in = len(mine) * place.descriptor.n_components
        folded += 2 * n_in * n_out
        direct += 2 * width * (n_out + n_in)
    return folded <= direct


def _with_columns_of(place: Place, columns: Mapping[int, Columns], chosen: Chosen, which: str, tolerance: float) -> Chosen:
    """The columns with those that these centres need on top, for all centre types one threshold."""
    cases = getattr(place.cases, which)
    if not cases:
        return chosen
    added = {a: c.contributions(which) for a, c in columns.items()}
    rest = {a: np.setdiff1d(np.arange(len(added[a])), mine) for a, mine in chosen.items()}
    rest = {a: mine[np.argsort(-added[a][mine], kind="stable")] for a, mine in rest.items()}
    levels = np.append(np.inf, thresholds(np.concatenate([added[a][mine] for a, mine in rest.items()])))

    def at(level: int) -> dict[int, IntArray]:
        return {a: np.concatenate([chosen[a], mine[added[a][mine] >= levels[level]]]) for a, mine in rest.items()}

    trials = Trials(cases, lambda level: place.fittings(_parts(columns, at(level))), place.order(which))
    found = trials.lowest(len(levels) - 1, tolerance)
    return at(len(levels) - 1 if found is None else found[0])
