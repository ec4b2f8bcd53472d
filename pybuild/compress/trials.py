# SPDX-License-Identifier: MIT
"""What all choices of columns and products share: what they are measured on, what is allowed, and the search for a threshold."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
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


@dataclass(frozen=True)
class Cases:
    """What a choice is measured on: centres without a neighbour closer than in the training data; with one that is a little
    closer; and with one that is much closer (grid.NEAR)."""

    ordinary: Sequence[Case]
    near: Sequence[Case]
    far: Sequence[Case]


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
    ordinary centres take of them, where this is not all. errors: of the double part, measured on ordinary centres."""

    parts: Mapping[int, WeightedInput]
    errors: Errors
    double: Mapping[int, Part] = field(default_factory=dict)
    mixed: Mapping[int, Part] = field(default_factory=dict)


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
    return max(errors.force, errors.energy / ENERGY_PER_FORCE, errors.virial / VIRIAL_PER_FORCE) / tolerance


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
    """Errors of candidates on some structures. A candidate is given up at the first structure where it fails, and the
    structures that others failed at come first."""

    def __init__(self, cases: Sequence[Case], candidate: Callable[[int], Mapping[int, Fitting]], tolerance: float):
        self._cases, self._candidate, self._tolerance = list(cases), candidate, tolerance

    def errors(self, level: int) -> Errors | None:
        """None where the candidate is not within the tolerance."""
        fittings, worst = self._candidate(level), Errors(0.0, 0.0, 0.0)
        for k, case in enumerate(self._cases):
            worst = worst.worst(case.errors(fittings))
            if not within(worst, self._tolerance):
                self._cases.insert(0, self._cases.pop(k))
                log.debug("threshold %d: forces %.1e eV/A, energy %.1e, virial %.1e eV/atom: too much", level, *astuple(worst))
                return None
        log.debug("threshold %d: forces %.1e eV/A, energy %.1e, virial %.1e eV/atom", level, *astuple(worst))
        return worst

    def lowest(self, last: int) -> tuple[int, Errors] | None:
        """By bisection, a level within the tolerance whose predecessor is not (errors fall with the level, up to noise)."""
        found = self.errors(last) if last >= 0 else None
        if found is None:
            return None
        low, high, done = -1, last, 0
        steps = Progress("columns and products", int(np.ceil(np.log2(last + 2))))
        while high - low > 1:
            middle = (low + high) // 2
            tried = self.errors(middle)
            if tried is not None:
                high, found = middle, tried
            else:
                low = middle
            done += 1
            steps.update(done)
        steps.close()
        return high, found
