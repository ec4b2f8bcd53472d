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
from functools import cached_property
from typing import Protocol

from ..arrays import IntArray
from ..model.description import ModelDescription
from ..model.descriptor import Form
from ..model.net import Skip
from .columns import LeadingColumns
from .environment import Pair
from .evaluation import Fitting, direct_part, fitting_of
from .linear import LinearChooser
from .lowrank import Basis
from .place import Place
from .square import SquareChooser
from .trials import Choice, Goal, ranks_of
from .truncation import Cases, Errors, direct_fittings, worst_errors


class _Folded(Protocol):
    """What the first layer is folded onto; None where that costs more than the descriptor itself, or misses the goal."""

    def choose(self, goal: Goal) -> Choice | None: ...


FOLDED: dict[Form, Callable[[Place], _Folded]] = {Form.SQUARE: SquareChooser, Form.LINEAR: LinearChooser}


@dataclass(frozen=True)
class Selection:
    """A choice for each descriptor; fittings as they will be stored; ranks by pair of types; errors: those of the choices
    added up, or where columns were given, measured."""

    choices: tuple[Choice, ...]
    fittings: Mapping[int, Fitting]
    ranks: Mapping[Pair, int]
    errors: Errors


class Selector:
    """Of one model, whose goal may change: what does not depend on it is found once.

    columns_given: products are pruned until that alone costs the goal.
    """

    def __init__(
        self,
        model: ModelDescription,
        bases: Mapping[Pair, Basis],
        cases: Cases,
        pair_tables: Sequence[IntArray],
        columns_given: bool = False,
    ):
        """pair_tables: of each descriptor (N, N) the table of each pair."""
        self._model, self._cases, self._columns_given = model, cases, columns_given
        if columns_given:
            direct = direct_fittings(model, {pair: basis.vectors for pair, basis in bases.items()})
            cases = cases.each(lambda case: case.relative_to(direct))
        chooser: type[_Chooser] = _ProductsChooser if columns_given else _Chooser
        self._places = [Place(model, bases, d, cases, table) for d, table in enumerate(pair_tables)]
        self._choosers = [chooser(place) for place in self._places]

    def select(self, goal: Goal) -> Selection:
        """The cheapest columns and products within the goal; all columns where it cannot be met: the errors tell."""
        share = goal.shared(len(self._places))
        choices = tuple(chooser.choose(share) for chooser in self._choosers)
        fittings = {a: fitting_of(self._model, a, [c.parts[a] for c in choices]) for a in self._model.active_types}
        ranks: dict[Pair, int] = {}
        errors = Errors(0.0, 0.0, 0.0)
        for place, choice in zip(self._places, choices, strict=True):
            ranks |= ranks_of(place, choice.parts)
            errors = errors.plus(choice.errors)
        if self._columns_given:
            errors = worst_errors(self._cases.ordinary, fittings)
        return Selection(choices, fittings, ranks, errors)


def foldable(model: ModelDescription) -> bool:
    """Whether the first layer of every fitting net is without a skip connection."""
    return all(model.fitting.net(a).layers[0].skip is Skip.NONE for a in model.active_types)


class _Chooser:
    """Of one descriptor."""

    def __init__(self, place: Place):
        self._place = place
        self._folded = FOLDED[place.descriptor.form](place) if foldable(place.model) else None

    def choose(self, goal: Goal) -> Choice:
        """Folded where that pays."""
        folded = self._folded.choose(goal) if self._folded is not None and goal.form != "direct" else None
        return folded or self._direct(goal)

    @cached_property
    def _columns(self) -> LeadingColumns:
        return LeadingColumns(self._place)

    def _direct(self, goal: Goal) -> Choice:
        columns = self._columns
        double, errors = columns.lowest(goal.double)
        mixed, _ = columns.lowest(max(goal.double, goal.mixed), double)
        most = columns.with_close(double, goal)
        types = self._place.types
        rank_parts = [{a: columns.counts(level, a) for a in types} if level != most else {} for level in (double, mixed)]
        return Choice(columns.parts(most), errors, *rank_parts)


class _ProductsChooser(_Chooser):
    """Of all columns."""

    def _direct(self, goal: Goal) -> Choice:
        place = self._place
        vectors = {pair: basis.vectors for pair, basis in place.own_bases.items()}
        whole = {a: direct_part(place.model, place.d, a, vectors) for a in place.types}
        return Choice(whole, Errors(0.0, 0.0, 0.0))
