# SPDX-License-Identifier: MIT
"""Columns of models whose first fitting layer is folded onto the rows of the moments C (docs/theory.md section 3).

The descriptor is linear in C, so W1^T D = sum_p W^_p C_p with the rows W^_p of W1^T times what column p makes of the descriptor.
For ordinary centres the importance of a column is its amplitude times the root mean square of dE/dC_p; the columns of one order
are dropped from its end. Columns that only centres with a neighbour closer than in the training data need come after these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ..arrays import Array, IntArray
from ..model.description import ModelDescription
from ..model.net import Net
from .evaluation import Fitting, LinearInput
from .folding import merge_columns
from .lowrank import Basis
from .products import largest_mean, sensitivity
from .trials import Cases, Goal, Selection, Trials, ranks_of, thresholds
from .truncation import Case, Pair, direct_fittings, first_layer_gradients, worst_errors

Chosen = Mapping[int, IntArray]  # centre type -> columns by their place in the order of importance


class Columns:
    """The columns of one centre type, most important first."""

    def __init__(self, model: ModelDescription, a: int, bases: Mapping[Pair, Basis], cases: Sequence[Case]):
        mine = {b: basis for (centre, b), basis in bases.items() if centre == a}
        self._net, self._constant, self._centre = model.fitting.net(a), model.energy_constant(a), a
        self._direct = direct_fittings(model, {(a, b): basis.vectors for b, basis in mine.items()}, (a,))[a]
        merged = merge_columns(mine)
        alone = model.descriptor.features(merged.vectors.T[:, :, None])  # (P, M): what each column makes of the descriptor
        weights = alone @ self._net.layers[0].weight
        importance = merged.amplitude * sensitivity(weights, first_layer_gradients(cases, self._direct, a))
        order = np.argsort(-importance, kind="stable")
        self.columns, self.importance, self._weights = merged.columns[order], importance[order], weights[order]

    def leading(self, threshold: float) -> IntArray:
        """Those at or above a threshold, at least one."""
        return np.arange(max(1, int(np.sum(self.importance >= threshold))))

    def contributions(self, cases: Sequence[Case]) -> Array:
        """What each adds to the energies of the few centres where that is most."""
        gradients = first_layer_gradients(cases, self._direct, self._centre) @ self._weights.T
        every = LinearInput(self.columns)
        values = [np.empty((0, len(self.columns))), *(every.forward(case.moments[self._centre]) for case in cases)]
        return largest_mean(np.concatenate(values) * gradients)

    def fitting(self, chosen: IntArray) -> Fitting:
        """The fitting net on some columns."""
        layer = replace(self._net.layers[0], weight=self._weights[chosen])
        return Fitting(LinearInput(self.columns[chosen]), Net((layer, *self._net.layers[1:])), self._constant)


def select(
    model: ModelDescription, bases: Mapping[Pair, Basis], cases: Cases, pair_table: IntArray, goal: Goal
) -> Selection | None:
    """The fewest columns within the goal; None where the descriptor itself costs less, or the goal is missed."""
    columns = {a: Columns(model, a, bases, cases.ordinary) for a in model.active_types}
    levels = thresholds(np.concatenate([c.importance for c in columns.values()]))

    def at(level: int) -> dict[int, IntArray]:
        return {a: c.leading(levels[level]) for a, c in columns.items()}

    def candidate(level: int) -> dict[int, Fitting]:
        return _fittings(columns, at(level))

    always = goal.form == "folded"
    last = len(levels) - 1 if always else max((k for k in range(len(levels)) if _pays(model, at(k))), default=-1)
    found = Trials(cases.ordinary, candidate, goal.double).lowest(last)
    if found is None and not always:
        return None
    double, errors = found or (last, worst_errors(cases.ordinary, candidate(last)))
    mixed, _ = Trials(cases.ordinary, candidate, max(goal.double, goal.mixed)).lowest(double) or (double, errors)
    chosen: Chosen = at(double)
    for part, tolerance in ((cases.near, goal.near), (cases.far, goal.far)):
        chosen = _with_columns_of(columns, chosen, part, tolerance)
    fittings = _fittings(columns, chosen)
    parts = [{a: len(c) for a, c in at(level).items() if len(c) < len(chosen[a])} for level in (double, mixed)]
    return Selection(True, fittings, ranks_of(fittings, bases), errors, *parts)


def _fittings(columns: Mapping[int, Columns], chosen: Chosen) -> dict[int, Fitting]:
    return {a: columns[a].fitting(mine) for a, mine in chosen.items()}


def _pays(model: ModelDescription, chosen: Chosen) -> bool:
    """Whether the columns cost no more multiply-adds, forward and backward, than the descriptor made of them."""
    folded = direct = 0
    for a, mine in chosen.items():
        n_out, width = model.fitting.net(a).layers[0].weight.shape[1], model.descriptor.n_out(a)
        folded += 2 * len(mine) * n_out
        direct += 2 * width * (n_out + len(mine))
    return folded <= direct


def _with_columns_of(columns: Mapping[int, Columns], chosen: Chosen, cases: Sequence[Case], tolerance: float) -> Chosen:
    """The columns with those that these centres need on top, for all centre types one threshold."""
    if not cases:
        return chosen
    added = {a: c.contributions(cases) for a, c in columns.items()}
    rest = {a: np.setdiff1d(np.arange(len(added[a])), mine) for a, mine in chosen.items()}
    rest = {a: mine[np.argsort(-added[a][mine], kind="stable")] for a, mine in rest.items()}
    levels = np.append(np.inf, thresholds(np.concatenate([added[a][mine] for a, mine in rest.items()])))

    def at(level: int) -> dict[int, IntArray]:
        return {a: np.concatenate([chosen[a], mine[added[a][mine] >= levels[level]]]) for a, mine in rest.items()}

    found = Trials(cases, lambda level: _fittings(columns, at(level)), tolerance).lowest(len(levels) - 1)
    return at(len(levels) - 1 if found is None else found[0])
