# SPDX-License-Identifier: MIT
"""How many columns and which products a model keeps, for a tolerance on the forces.

The smallest set is searched whose measured errors (truncation.py) stay within the tolerance times a safety factor, and in it the
part that is enough for mixed precision (square.py, linear.py). Centres with a neighbour closer than in the training data need
more: what they need is kept as well, but evaluated for them alone. Where the folded first layer would cost more operations than
the descriptor itself, or cannot exist (a skip connection around it), the descriptor is kept and only the ranks are chosen. Of
several descriptors each gets an equal share of the tolerance.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ..arrays import Array, IntArray
from ..model.description import ModelDescription
from ..model.descriptor import Form
from ..model.net import Skip
from . import linear, square
from .columns import LeadingColumns
from .environment import Pair
from .evaluation import Fitting, direct_part, fitting_of
from .lowrank import Basis
from .place import Place
from .trials import Cases, Choice, Goal, ranks_of
from .truncation import Errors, direct_fittings, worst_errors

# What the first layer is folded onto, by form: None where that costs more than the descriptor itself, or misses the goal.
SELECT_FOLDED = {Form.SQUARE: square.select, Form.LINEAR: linear.select}


@dataclass(frozen=True)
class Selection:
    """A choice for each descriptor; fittings as they will be stored; ranks by pair of types; errors: those of the choices
    added up, or where columns were given, measured."""

    choices: tuple[Choice, ...]
    fittings: Mapping[int, Fitting]
    ranks: Mapping[Pair, int]
    errors: Errors


ChooseOne = Callable[[Place, Cases, IntArray, Goal], Choice]


def select(
    model: ModelDescription, bases: Mapping[Pair, Basis], cases: Cases, pair_tables: Sequence[IntArray], goal: Goal
) -> Selection:
    """The cheapest columns and products within the goal. pair_tables: of each descriptor (N, N) the table of each pair.

    Falls back to all columns where the goal cannot be met; the errors tell.
    """
    return _each(model, bases, cases, pair_tables, goal, _select_one)


def select_columns(
    model: ModelDescription, bases: Mapping[Pair, Basis], cases: Cases, pair_tables: Sequence[IntArray], goal: Goal
) -> Selection:
    """With the columns given: products are pruned until that alone costs the goal; the errors are those of both."""
    direct = direct_fittings(model, _vectors(bases))
    untruncated = Cases(*([case.relative_to(direct) for case in part] for part in (cases.ordinary, cases.near, cases.far)))
    found = _each(model, bases, untruncated, pair_tables, goal, _select_products)
    return Selection(found.choices, found.fittings, found.ranks, worst_errors(cases.ordinary, found.fittings))


def _each(
    model: ModelDescription,
    bases: Mapping[Pair, Basis],
    cases: Cases,
    pair_tables: Sequence[IntArray],
    goal: Goal,
    choose: ChooseOne,
) -> Selection:
    places = [Place(model, bases, d) for d in range(len(model.descriptors))]
    share = goal.shared(len(places))
    choices = tuple(choose(place, cases, table, share) for place, table in zip(places, pair_tables, strict=True))
    fittings = {a: fitting_of(model, a, [choice.parts[a] for choice in choices]) for a in model.active_types}
    ranks: dict[Pair, int] = {}
    errors = Errors(0.0, 0.0, 0.0)
    for place, choice in zip(places, choices, strict=True):
        ranks |= ranks_of(place, choice.parts)
        errors = errors.plus(choice.errors)
    return Selection(choices, fittings, ranks, errors)


def _select_one(place: Place, cases: Cases, pair_table: IntArray, goal: Goal) -> Choice:
    return _select_folded(place, cases, pair_table, goal) or _select_direct(place, cases, goal)


def _select_products(place: Place, cases: Cases, pair_table: IntArray, goal: Goal) -> Choice:
    whole = {a: direct_part(place.model, place.d, a, _vectors(place.own_bases)) for a in place.types}
    return _select_folded(place, cases, pair_table, goal) or Choice(whole, Errors(0.0, 0.0, 0.0))


def _select_folded(place: Place, cases: Cases, pair_table: IntArray, goal: Goal) -> Choice | None:
    if goal.form == "direct" or not foldable(place.model):
        return None
    return SELECT_FOLDED[place.descriptor.form](place, cases, pair_table, goal)


def foldable(model: ModelDescription) -> bool:
    """Whether the first layer of every fitting net is without a skip connection."""
    return all(model.fitting.net(a).layers[0].skip is Skip.NONE for a in model.active_types)


def _vectors(bases: Mapping[Pair, Basis]) -> dict[Pair, Array]:
    return {pair: basis.vectors for pair, basis in bases.items()}


def _select_direct(place: Place, cases: Cases, goal: Goal) -> Choice:
    columns = LeadingColumns(place)
    double, errors = columns.lowest(cases.ordinary, columns.last, goal.double)
    mixed, _ = columns.lowest(cases.ordinary, double, max(goal.double, goal.mixed))
    most = columns.with_close(double, cases, goal)
    rank_parts = [{a: columns.counts(level, a) for a in place.types} if level != most else {} for level in (double, mixed)]
    return Choice(columns.parts(most), errors, *rank_parts)
