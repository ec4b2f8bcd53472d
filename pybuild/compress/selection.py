# SPDX-License-Identifier: MIT
"""How many columns and which products a model keeps, for a tolerance on the forces.

The smallest set is searched whose measured errors (truncation.py) stay within the tolerance times a safety factor, and in it the
part that is enough for mixed precision (square.py, linear.py). Centres with a neighbour closer than in the training data need
more: what they need is kept as well, but evaluated for them alone. Where the folded first layer would cost more operations than
the descriptor itself, or cannot exist (a skip connection around it), the descriptor is kept and only the ranks are chosen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ..arrays import IntArray
from ..model.description import ModelDescription
from ..model.descriptor import Form
from ..model.net import Skip
from . import linear, square
from .evaluation import Fitting
from .lowrank import Basis
from .trials import Cases, Goal, Selection, Trials, thresholds
from .truncation import Case, Errors, Pair, direct_fittings, truncated, worst_errors

# What the first layer is folded onto, by form: None where that costs more than the descriptor itself, or misses the goal.
SELECT_FOLDED = {Form.SQUARE: square.select, Form.LINEAR: linear.select}


def select(model: ModelDescription, bases: Mapping[Pair, Basis], cases: Cases, pair_table: IntArray, goal: Goal) -> Selection:
    """The cheapest columns and products within the goal. pair_table (N, N): the table of each pair.

    Falls back to all columns where the goal cannot be met; the errors tell.
    """
    if goal.form != "direct" and foldable(model):
        found = SELECT_FOLDED[model.descriptor.form](model, bases, cases, pair_table, goal)
        if found is not None:
            return found
    return _select_direct(model, bases, cases, goal)


def select_columns(
    model: ModelDescription, bases: Mapping[Pair, Basis], cases: Cases, pair_table: IntArray, goal: Goal
) -> Selection:
    """With the columns given: products are pruned until that alone costs the goal; the errors are those of both."""
    ranks = {pair: len(basis.amplitude) for pair, basis in bases.items()}
    direct = direct_fittings(model, {pair: basis.vectors for pair, basis in bases.items()})
    if goal.form != "direct" and foldable(model):
        untruncated = Cases(*([case.relative_to(direct) for case in part] for part in (cases.ordinary, cases.near, cases.far)))
        found = SELECT_FOLDED[model.descriptor.form](model, bases, untruncated, pair_table, goal)
        if found is not None:
            return replace(found, errors=worst_errors(cases.ordinary, found.fittings))
    return Selection(False, direct, ranks, worst_errors(cases.ordinary, direct))


def foldable(model: ModelDescription) -> bool:
    """Whether the first layer of every fitting net is without a skip connection."""
    return all(model.fitting.net(a).layers[0].skip is Skip.NONE for a in model.active_types)


def _select_direct(model: ModelDescription, bases: Mapping[Pair, Basis], cases: Cases, goal: Goal) -> Selection:
    levels = thresholds(np.concatenate([basis.amplitude for basis in bases.values()]))
    last = len(levels) - 1

    def ranks(level: int) -> dict[Pair, int]:
        return {pair: max(1, int(np.sum(b.amplitude >= levels[level]))) for pair, b in bases.items()}

    def candidate(level: int) -> dict[int, Fitting]:
        return direct_fittings(model, truncated(bases, ranks(level)))

    def lowest(part: Sequence[Case], most: int, tolerance: float) -> tuple[int, Errors]:
        return Trials(part, candidate, tolerance).lowest(most) or (most, worst_errors(part, candidate(most)))

    double, errors = lowest(cases.ordinary, last, goal.double)
    mixed, _ = lowest(cases.ordinary, double, max(goal.double, goal.mixed))
    most = max(double, *(lowest(part, last, asked)[0] for part, asked in ((cases.near, goal.near), (cases.far, goal.far))))
    vectors = {pair: basis.vectors[:, : ranks(most)[pair]] for pair, basis in bases.items()}
    parts = [_rank_parts(model, ranks(level)) if level != most else {} for level in (double, mixed)]
    return Selection(False, direct_fittings(model, vectors), ranks(most), errors, *parts)


def _rank_parts(model: ModelDescription, ranks: Mapping[Pair, int]) -> dict[int, IntArray]:
    """(N,) columns by neighbour type for every centre type, 0 where there is no table."""
    n = model.n_types
    return {a: np.array([ranks.get((a, b), 0) for b in range(n)], dtype=np.int32) for a in model.active_types}
