# SPDX-License-Identifier: MIT
"""How many leading columns the tables need: one threshold on the amplitudes of all of them, measured in the direct form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..arrays import Array, IntArray
from .environment import Pair
from .evaluation import Fitting, WeightedInput, direct_part
from .place import Place
from .trials import Cases, Goal, Trials, thresholds
from .truncation import Case, Errors, truncated, worst_errors


class LeadingColumns:
    """Levels of the threshold; a higher one takes more columns of every table."""

    def __init__(self, place: Place):
        self._place, self._bases = place, place.own_bases
        self._levels = thresholds(np.concatenate([basis.amplitude for basis in self._bases.values()]))
        self.last = len(self._levels) - 1

    def ranks(self, level: int) -> dict[Pair, int]:
        """Columns by pair of types, at least one."""
        return {pair: max(1, int(np.sum(b.amplitude >= self._levels[level]))) for pair, b in self._bases.items()}

    def parts(self, level: int) -> dict[int, WeightedInput]:
        """The descriptor around all centre types, of these columns."""
        ranks = self.ranks(level)
        return self._parts({pair: basis.vectors[:, : ranks[pair]] for pair, basis in self._bases.items()})

    def lowest(self, cases: Sequence[Case], most: int, tolerance: float) -> tuple[int, Errors]:
        """The lowest level up to `most` that is within the tolerance, else that one."""
        return Trials(cases, self._candidate, tolerance).lowest(most) or (most, worst_errors(cases, self._candidate(most)))

    def with_close(self, level: int, cases: Cases, goal: Goal) -> int:
        """The level that centres with close neighbours need as well."""
        parts = ((cases.near, goal.near), (cases.far, goal.far))
        return max(level, *(self.lowest(part, self.last, asked)[0] for part, asked in parts))

    def counts(self, level: int, a: int) -> IntArray:
        """Columns by group of neighbours of centres of type a, 0 where there is no table."""
        n = self._place.model.n_types ** (self._place.descriptor.n_bodies - 1)
        ranks = self.ranks(level)
        return np.array([ranks.get((self._place.d, a, b), 0) for b in range(n)], dtype=np.int32)

    def _candidate(self, level: int) -> dict[int, Fitting]:
        return self._place.fittings(self._parts(truncated(self._bases, self.ranks(level))))

    def _parts(self, vectors: Mapping[Pair, Array]) -> dict[int, WeightedInput]:
        return {a: direct_part(self._place.model, self._place.d, a, vectors) for a in self._place.types}
