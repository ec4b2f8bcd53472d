# SPDX-License-Identifier: MIT
"""What all choices of columns and products share: what they are measured on, what is allowed, and the search for a threshold."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace
from typing import Any

import numpy as np

from ..arrays import Array, IntArray
from ..progress import Progress
from .environment import Pair
from .evaluation import Fitting, WeightedInput
from .place import Place
from .truncation import Case, Errors

log = logging.getLogger("pybuild")

SAFETY = 0.25  # of the tolerance: structures that were not looked at may be worse
ENERGY_PER_FORCE = 0.1  # angstrom: energies within 1e-9 eV/atom for forces within 1e-8 eV/A
VIRIAL_PER_FORCE = 0.5  # angstrom: virials within 1e-6 eV in 200 atoms for forces within 1e-8 eV/A
LEVELS_PER_DECADE = 16  # fineness of the threshold
MOST_STEPS = 10  # of a search, as a rule
FIRST = 1  # cases that a search looks at
NEXT_TO = 10 ** (-1 / LEVELS_PER_DECADE)  # of the tolerance: the error that the level after one that fails has


@dataclass(frozen=True)
class ProductPart:
    """Some of the products: ends of the rows; combinations are of so many leading columns. None: all."""

    row_end: IntArray | None = None
    n_columns: int | None = None


# What ordinary centres take: ProductPart; in the direct form IntArray, columns by neighbour type; in the linear one int, so many.
Part = Any


@dataclass(frozen=True)
class Choice:
    """Of one descriptor, by centre type: parts as they will be stored, with all that any centre needs; double, mixed: what
    ordinary centres take of them, where this is not all; exact: ends of the rows of those products of the double part that are
    multiplied in double precision. errors: of the double part, measured on ordinary centres."""

    parts: Mapping[int, WeightedInput]
    errors: Errors
    double: Mapping[int, Part] = field(default_factory=dict)
    mixed: Mapping[int, Part] = field(default_factory=dict)
    exact: Mapping[int, IntArray] = field(default_factory=dict)


@dataclass(frozen=True)
class Goal:
    """Errors of the forces to stay below on the structures that the choice is made on, eV/A: of ordinary centres in double and
    in mixed precision, and of near and far ones (Cases); form as in Options."""

    double: float
    mixed: float
    near: float
    far: float
    form: str = "auto"

    def shared(self, n: int) -> Goal:
        """For each of n descriptors, whose errors add up."""
        return replace(self, **{name: getattr(self, name) / n for name in ("double", "mixed", "near", "far")})


def within(errors: Errors, tolerance: float) -> bool:
    """Whether forces, energies and virials are within what a tolerance on the forces allows."""
    return excess(errors, tolerance) <= 1.0


def excess(errors: Errors, tolerance: float) -> float:
    """The largest error relative to what a tolerance on the forces allows for it."""
    return float(np.max([errors.force, errors.energy / ENERGY_PER_FORCE, errors.virial / VIRIAL_PER_FORCE])) / tolerance


def ranks_of(place: Place, parts: Mapping[int, WeightedInput]) -> dict[Pair, int]:
    """Columns in use by pair of types."""
    used = {(place.d, a, b): rank for a, part in parts.items() for b, rank in part.first_input.ranks().items()}
    return dict.fromkeys(place.own_bases, 0) | used


def thresholds(importance: Array) -> Array:
    """Thresholds from the largest importance to the smallest, the smallest included."""
    positive = importance[importance > 0]
    if not positive.size:
        return np.ones(1)
    decades = np.log10(positive.max() / positive.min())
    n = int(np.ceil(decades * LEVELS_PER_DECADE)) + 1
    return positive.max() * 10.0 ** (-np.arange(n + 1) / LEVELS_PER_DECADE)


class Trials:
    """Errors of candidates, by the level of a threshold, on some structures. A candidate is given up at the first structure where
    it fails, and the structures that others failed at come first; a search looks at the first few alone, and at all others for
    what it finds. What was measured is kept: another tolerance asks for the rest."""

    def __init__(
        self, cases: Sequence[Case], candidate: Callable[[int], Mapping[int, Fitting]], order: list[int] | None = None
    ):
        """order: in which the structures are looked at, changed where one fails; of several searches on the same ones."""
        self._cases, self._candidate = cases, candidate
        self._order = list(range(len(cases))) if order is None else order
        self._known: dict[int, dict[int, Errors]] = {}  # level -> structure

    def errors(self, level: int, tolerance: float = np.inf, most: int | None = None) -> Errors:
        """The largest of a candidate, on the first structures at most; of one that fails as far as is known then."""
        known = self._known.setdefault(level, {})
        worst = _worst(known.values())
        lacking = [k for k in self._order[:most] if k not in known]
        if lacking and within(worst, tolerance):
            fittings = self._candidate(level)
            for k in lacking:
                known[k] = self._cases[k].errors(fittings)
                worst = worst.worst(known[k])
                if not within(worst, tolerance):
                    self._order.remove(k)
                    self._order.insert(0, k)
                    break
        text = "" if within(worst, tolerance) else ": too much"
        log.debug("threshold %d: forces %.1e eV/A, energy %.1e, virial %.1e eV/atom%s", level, *astuple(worst), text)
        return worst

    def lowest(
        self, last: int, tolerance: float, guess: int | None = None, next_to: float = NEXT_TO
    ) -> tuple[int, Errors] | None:
        """A level up to the last one within the tolerance whose predecessor is not, or whose error is next to the tolerance
        (errors fall with the level, up to noise); None where there is none. guess: where to look first if nothing is
        known; next_to: of the tolerance, 1: the predecessor alone counts."""
        bracket = _Bracket(last, guess, next_to)
        for known in sorted(self._known):
            if known <= last:
                bracket.note(known, excess(_worst(self._known[known].values()), tolerance))
        steps, done = Progress("columns and products", MOST_STEPS), 0
        while not bracket.is_narrow or (bracket.high <= last and len(self._known[bracket.high]) < len(self._cases)):
            level = bracket.next()
            few = None if level == bracket.high else FIRST
            bracket.note(level, excess(self.errors(level, tolerance, few), tolerance))
            if level <= bracket.low:  # at the case that comes first now: others are looked at there, too
                bracket.keep({k for k, known in self._known.items() if self._order[0] in known})
            done += 1
            steps.update(done)
        steps.close()
        return (bracket.high, _worst(self._known[bracket.high].values())) if bracket.high <= last else None


class _Bracket:
    """A level that fails, or -1, and the next one that does not as far as is known, or one more than the last; and where to look:
    errors go with the threshold."""

    def __init__(self, last: int, guess: int | None, next_to: float):
        self.low, self.high = -1, last + 1
        self._next_to = np.log10(next_to)
        self._passing, self._guess = {self.high}, guess
        self._decades = {self.low: np.inf, self.high: -np.inf}  # errors over the tolerance
        self._stride, self._at_low = 1, True  # how far to go at least from the end that the last look was next to

    def note(self, level: int, ratio: float) -> None:
        """The largest error of a level that is known, over the tolerance."""
        self._guess = None
        if ratio <= 1.0:
            self._decades[level] = np.log10(max(ratio, 1e-300))
            self._passing.add(level)
            self.high = level if self.low < level < self.high else self.high
            return
        self._decades[level] = np.log10(ratio)
        self._passing.discard(level)
        if self.low < level <= self.high:
            self.low, self.high = level, min(k for k in self._passing if k > level)

    def keep(self, levels: set[int]) -> None:
        """Of those that do not fail as far as is known these alone, and the end."""
        end = max(self._passing)
        for level in self._passing - levels - {end}:
            del self._decades[level]
        self._passing = (self._passing & levels) | {end}
        self._stride = 1
        self.high = min(level for level in self._passing if level > self.low)

    @property
    def is_narrow(self) -> bool:
        """There is no level between, or its threshold would be next to that of the one that does not fail."""
        return self.high <= self.low + 1 or self._decades[self.high] >= self._next_to

    def next(self) -> int:
        """The one that does not fail where the two are next to each other. Else where the errors point to: from an end that this
        is next to farther each time."""
        if self.is_narrow:
            return self.high
        wanted = int(np.clip(self._expected(), self.low + 1, self.high - 1))
        from_low, from_high = wanted - self.low, self.high - wanted
        at_low = from_low <= from_high
        self._stride = 2 * self._stride if at_low == self._at_low and min(from_low, from_high) <= self._stride else 1
        self._at_low = at_low
        nearest = max(self._stride, min(from_low, from_high))
        return int(np.clip(self.low + nearest if at_low else self.high - nearest, self.low + 1, self.high - 1))

    def _expected(self) -> float:
        if self._guess is not None:
            return self._guess
        above, below = self._decades[self.low], self._decades[self.high]
        if np.isfinite(above) and np.isfinite(below):
            return self.low + round((self.high - self.low) * above / (above - below))
        if np.isfinite(above):
            return self.low + np.ceil(above * LEVELS_PER_DECADE)
        if np.isfinite(below):
            return self.high + np.ceil(below * LEVELS_PER_DECADE)
        return self.low + (self.high - self.low) // 2


def _worst(errors: Iterable[Errors]) -> Errors:
    worst = Errors(0.0, 0.0, 0.0)
    for mine in errors:
        worst = worst.worst(mine)
    return worst
