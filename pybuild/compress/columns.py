# SPDX-License-Identifier: MIT
"""How many leading columns the tables need: one threshold on the amplitudes of all of them, measured in the direct form."""

from __future__ import annotations

import numpy as np

from ..arrays import IntArray
from .environment import Pair
from .evaluation import Fitting, WeightedInput, direct_part
from .place import Place
from .trials import NEXT_TO, Goal, Trials, thresholds
from .truncation import Errors, truncated


class LeadingColumns:
    """Levels of the threshold; a higher one takes more columns of every table."""

    def __init__(self, place: Place):
        self._place, self._bases = place, place.own_bases
        self._levels = thresholds(np.concatenate([basis.amplitude for basis in self._bases.values()]))
        self._last = len(self._levels) - 1
        kinds = ("ordinary", "near", "far")
        self._trials = {which: Trials(getattr(place.cases, which), self._candidate, place.order(which)) for which in kinds}

    def ranks(self, level: int) -> dict[Pair, int]:
        """Columns by pair of types, at least one."""
        return {pair: max(1, int(np.sum(b.amplitude >= self._levels[level]))) for pair, b in self._bases.items()}

    def parts(self, level: int) -> dict[int, WeightedInput]:
        """The descriptor around all centre types, of these columns."""
        vectors = truncated(self._bases, self.ranks(level))
        return {a: direct_part(self._place.model, self._place.d, a, vectors) for a in self._place.types}

    def lowest(self, tolerance: float, most: int | None = None, which: str = "ordinary") -> tuple[int, Errors]:
        """The lowest level up to `most` that is within the tolerance, else that one; which: field of Cases."""
        trials, last = self._trials[which], self._last if most is None else most
        next_to = NEXT_TO if which == "ordinary" else 1.0
        return trials.lowest(last, tolerance, next_to=next_to) or (last, trials.errors(last))

    def with_close(self, level: int, goal: Goal) -> int:
        """The level that centres with close neighbours need as well."""
        return max(level, self.lowest(goal.near, which="near")[0], self.lowest(goal.far, which="far")[0])

    def counts(self, level: int, a: int) -> IntArray:
        """Columns by group of neighbours of centres of type a, 0 where there is no table."""
        n = self._place.model.n_types ** (self._place.descriptor.n_bodies - 1)
        ranks = self.ranks(level)
        return np.array([ranks.get((self._place.d, a, b), 0) for b in range(n)], dtype=np.int32)

    def _candidate(self, level: int) -> dict[int, Fitting]:
        return self._place.fittings(self.parts(level))
