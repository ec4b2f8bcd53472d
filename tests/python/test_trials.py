# SPDX-License-Identifier: MIT
"""The search for a threshold: a level within the tolerance whose predecessor is not, or nearly, by few evaluations."""

from dataclasses import dataclass

import numpy as np
import pytest

from pybuild.compress.trials import LEVELS_PER_DECADE, NEXT_TO, Trials
from pybuild.compress.truncation import Errors

LAST = 223


@dataclass
class Structure:
    """Errors of the forces by level, in the place of an evaluated structure; how often it was asked."""

    by_level: np.ndarray
    n: int = 0

    def errors(self, level):
        self.n += 1
        return Errors(float(self.by_level[level]), 0.0, 0.0)


def structures(seed, n=8, slope=1.0, noise=0.1, floor=0.0):
    """Whose errors fall with the level, with noise (in decades), to a floor."""
    rng = np.random.default_rng(seed)
    decades = -slope * np.arange(LAST + 1) / LEVELS_PER_DECADE
    return [Structure(10.0 ** (decades - rng.uniform(0, 1) + rng.normal(0, noise, LAST + 1)) + floor) for _ in range(n)]


def worst(cases, level):
    return max(float(case.by_level[level]) for case in cases)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("slope", "noise"), [(1.0, 0.0), (1.0, 0.1), (0.3, 0.05), (2.5, 0.2)])
@pytest.mark.parametrize("tolerance", [1e-2, 1e-3])
def test_a_level_within_whose_predecessor_is_not_or_next_to_the_tolerance(seed, slope, noise, tolerance):
    cases = structures(seed, slope=slope, noise=noise)
    found, errors = Trials(cases, lambda level: level).lowest(LAST, tolerance)
    assert worst(cases, found) == errors.force <= tolerance
    assert found == 0 or worst(cases, found - 1) > tolerance or errors.force >= NEXT_TO * tolerance
    # All structures at a few levels; a level that fails costs less. Bisection would take half of 8 levels.
    assert sum(case.n for case in cases) <= 8 * len(cases)


@pytest.mark.parametrize("last", [-1, 0, 40])
def test_nothing_is_within(last):
    assert Trials(structures(1, floor=1e-3), lambda level: level).lowest(last, 5e-4) is None


def test_everything_is_within():
    found, errors = Trials(structures(1), lambda level: level).lowest(LAST, 1e3)
    assert (found, errors.force) == (0, worst(structures(1), 0))


def test_errors_that_are_not_numbers_are_not_within():
    case = Structure(np.where(np.arange(LAST + 1) < 100, np.nan, 1e-9))
    found, _ = Trials([case], lambda level: level).lowest(LAST, 1e-8)
    assert found == 100


def test_a_guess_and_what_is_known_save_evaluations():
    cases = structures(3)
    trials = Trials(cases, lambda level: level)
    found, _ = trials.lowest(LAST, 1e-3)
    before = sum(case.n for case in cases)
    assert trials.lowest(LAST, 1e-3)[0] == found
    assert sum(case.n for case in cases) == before
    fresh = structures(3)
    assert Trials(fresh, lambda level: level).lowest(LAST, 1e-3, guess=found)[0] == found
    assert sum(case.n for case in fresh) <= 3 * len(fresh)


def test_a_tighter_tolerance_goes_on_from_what_is_known():
    cases = structures(4)
    trials = Trials(cases, lambda level: level)
    trials.lowest(LAST, 1e-2)
    found, errors = trials.lowest(LAST, 2e-3)
    assert worst(cases, found) == errors.force <= 2e-3
    assert worst(cases, found - 1) > 2e-3 or errors.force >= NEXT_TO * 2e-3
    assert trials.errors(found - 1).force == worst(cases, found - 1)  # without a tolerance, of all structures
