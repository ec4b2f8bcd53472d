# SPDX-License-Identifier: MIT
"""Steps of a table's grid from tolerances on the forces (docs/compression.md).

What interpolation costs in the force of a pair at x is known exactly: with T the descriptor's rows, R(x) the pair's row and dG
the error of the table, dE/dT : d/dr (dG (x) R). dE/dT is taken from the neighbourhoods that the model is measured on, the
direction of the pair as the worst one. The largest step is looked for whose errors stay within the tolerance, between the
knots of the whole range, whether or not a structure has a pair there. Where a function changes within so short a region that
the intervals looked at may have missed it, regions get steps of their own.

Of products, half of which are next to 0 and few of which are large, intervals are as wide as polynomials of order 11 may be: one
around 0, on both sides others that grow, some twenty in all.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from ..arrays import Array
from ..model.description import ModelDescription
from ..tablefile.tableset import MOST_OF_HIGH_ORDER
from . import hermite
from .grid import SAME_STEP, Grid, TablePlan, grid_on_knots, make_grid
from .tabulate import interpolant

Gradients = Mapping[int, Array]  # centre type -> dE/dT (n, M, components) of some neighbourhoods

SHARE = 0.1  # of the tolerance, for one pair: the errors of an atom's pairs add up
COARSEST = 1.0  # in x, which has standard deviation 1
FINEST = 1e-3  # where rounding, or the order, leaves nothing to gain
MARGIN = 1.3  # the error of the next trial is aimed below the tolerance by this
TRIALS = 12
ROUNDING, MOST_ROUNDING = 4.0, 64.0  # roundings of a value in an error of a table, usually and at most (1 to 4, 38 in a wide net)
ORDER_OF_PIECES = 5  # of a function at knots
MOST_GRADIENTS = 32  # per centre type
MOST_INTERVALS = 200  # whose error is looked at, of each range
MOST_SCREENED = 3000  # intervals whose error is compared with that of those, of the function alone
MISSED = 10.0  # times the share of the tolerance: an error that may have been missed and would be as large as all of it
REGIONS, DEPTH = 16, 3  # pieces that a range is cut into, and each of these where that pays, so many times
WORTH = 0.3  # of the largest step of the pieces: a piece with a smaller one is cut again
FINEST_OF_REGION = 1e-6
NEXT_TO = 1e-3  # of a piece: ends so near each other are one
INSIDE = np.array([0.1, 0.211324865405187, 0.5, 0.788675134594813, 0.9])  # where errors are looked for between knots
SHARE_OF_HIGH_ORDER = 0.01  # of the tolerance, for one product: an interval holds hundreds of a centre's, whose errors are alike
WIDEST_AROUND_ZERO, GROWTH = 4.0, 2.5  # of intervals of high order: the first trials
NARROWEST, WIDEST = 4e-3, 512.0  # powers of half of it are numbers of single precision
ROUNDING_OF_HIGH_ORDER = 64.0  # times one of a value over the width: what a slope has of roundings at the nodes
LEAST_SCREENED = 200  # points of an interval where a function is compared with those that its error is looked for at


@dataclass(frozen=True)
class StepGoal:
    """Tolerances on the forces, eV/A, in the range of the training data and beyond it."""

    trained: float
    beyond: float


def choose_grid(
    model: ModelDescription, plan: TablePlan, trained: Gradients, beyond: Gradients, order: int, goal: StepGoal
) -> Grid:
    """The coarsest grid whose pair forces are within the share of the tolerances. trained, beyond: neighbourhoods without and
    with pairs closer than in the training data. Of a function at knots these, where they are fewer: they reproduce it."""
    if order == ORDER_OF_PIECES and plan.is_symmetric:
        wide = _grid_of_high_order(model, plan, trained, beyond, goal)
        if wide is not None:
            return wide
    grid = replace(_coarsest_grid(model, plan, trained, beyond, order, goal), order=order)
    knots = plan.function.knots if order == ORDER_OF_PIECES else None
    if knots is None:
        return grid
    own = grid_on_knots(plan, knots)
    return own if own.n_rows < grid.n_rows else grid


def _coarsest_grid(
    model: ModelDescription, plan: TablePlan, trained: Gradients, beyond: Gradients, order: int, goal: StepGoal
) -> Grid:
    if plan.only_constants:
        return make_grid(plan, {plan.lower: COARSEST})
    everywhere = _of_both(plan, trained, beyond)
    steps: dict[float, float] = {}
    for start, end in zip(plan.starts, (*plan.starts[1:], plan.max), strict=True):
        asked = goal.trained if start < plan.near and end <= plan.near else goal.beyond
        steps |= _steps(_Errors(model, plan, everywhere, order), (start, end), SHARE * asked)
    if plan.is_symmetric and len(steps) > len(plan.starts):
        steps = _around_zero(steps, plan.max)
    return make_grid(replace(plan, lower=min(steps)), steps)


Bounds = tuple[float, float]


def _of_both(plan: TablePlan, trained: Gradients, beyond: Gradients) -> Gradients:
    """Of the centre types that use a table."""
    users = {a for a, _ in plan.pairs}
    return {a: np.concatenate([g[a] for g in (trained, beyond) if a in g]) for a in users if a in trained or a in beyond}


def _grid_of_high_order(
    model: ModelDescription, plan: TablePlan, trained: Gradients, beyond: Gradients, goal: StepGoal
) -> Grid | None:
    """Of a table over products: an interval around 0 and wider ones outwards. None for a function with corners or joints, where
    nothing is known of errors, and where too many or too narrow ones would be needed."""
    errors = _Errors(model, plan, _of_both(plan, trained, beyond), hermite.HIGH_ORDER)
    if not errors.are_known or plan.kinks.size or plan.function.knots is not None or plan.function.joints().size:
        return None
    around = _widest(errors, goal, 2 * min(WIDEST_AROUND_ZERO, plan.max), lambda width: (-width / 2, width / 2))
    sides = []
    for sign in (-1.0, 1.0):
        ends, width = [around / 2], around
        while ends[-1] < plan.max and width > 0 and len(ends) <= MOST_OF_HIGH_ORDER:
            begin, left = sign * ends[-1], plan.max - ends[-1]
            width = _widest(errors, goal, min(GROWTH * width, WIDEST, left), partial(_from, begin, sign))
            if width < left < width + NARROWEST:
                width = left - NARROWEST
            ends.append(plan.max if width == left else ends[-1] + width)
        sides.append(sign * np.array(ends))
    knots = np.concatenate([sides[0][::-1], sides[1]])
    steps = np.diff(knots)
    reach = min(-knots[0], knots[-1])
    if reach < plan.max or len(steps) > MOST_OF_HIGH_ORDER or steps.min() < (1 - SAME_STEP) * NARROWEST:
        return None
    return Grid(np.column_stack([knots[:-1], steps, np.ones(len(steps))]), plan.upper, hermite.HIGH_ORDER)


def _from(begin: float, sign: float, width: float) -> Bounds:
    """An interval from one end on, upwards (sign 1) or downwards."""
    end = begin + sign * width
    return min(begin, end), max(begin, end)


def _widest(errors: _Errors, goal: StepGoal, most: float, bounds_of: Callable[[float], Bounds]) -> float:
    """The width up to ``most`` of an interval whose error is within what is allowed, or rounding; 0: it would be too narrow."""
    width = most
    while width >= NARROWEST:
        bounds = bounds_of(width)
        error, allowed = errors.at(bounds, width), SHARE_OF_HIGH_ORDER * errors.asked(bounds, goal)
        if not error <= allowed:
            allowed = max(allowed, ROUNDING_OF_HIGH_ORDER * errors.rounding(np.array(bounds), width))
        if error <= allowed and error * errors.missed_inside(bounds, width) <= MISSED * allowed:
            return width
        smaller = (allowed / (MARGIN * error)) ** (1 / errors.order) if allowed < error < math.inf else 0.5
        width *= max(smaller, 0.5)
    return 0.0


class _Errors:
    """Largest errors of the force of a pair by interpolation of one table."""

    def __init__(self, model: ModelDescription, plan: TablePlan, gradients: Gradients, order: int):
        self._model, self._plan, self.order = model, plan, order
        self._gradients = {a: _representative(g) for a, g in gradients.items() if len(g)}
        self._last: tuple[tuple[Bounds, float], tuple[Array, Array, Array]] | None = None

    @property
    def are_known(self) -> bool:
        """There is a neighbourhood to measure them on."""
        return bool(self._gradients)

    def first(self, bounds: Bounds) -> float:
        """From where on a range is looked up."""
        return min(max(self._plan.first, bounds[0]), bounds[1])

    def pieces(self, bounds: Bounds) -> list[Bounds]:
        """Of a range, cut where neighbours of another centre type come into reach: errors beyond it are not seen."""
        edges = np.linspace(*bounds, REGIONS + 1).tolist()
        least = NEXT_TO * (edges[1] - edges[0])
        for x in self._plan.outermost.tolist():
            if bounds[0] < x < bounds[1] and min(abs(x - edge) for edge in edges) > least:
                edges.append(x)
        return list(itertools.pairwise(sorted(edges)))

    def are_like_others(self, first: float, end: float, step: float, allowed: float) -> bool:
        """Whether those of the intervals at the first argument that is looked up are within what is allowed, and the function's
        no larger in the interval around it, which has a knot that nothing is looked up at."""
        bounds = first, min(end, first + MOST_INTERVALS * step)
        if self.at(bounds, step) > allowed:
            return False
        _, _, others = self.between(bounds, step)
        _, _, around = self.between((first - step / 2, first + step / 2), step)
        return float(np.abs(around).max()) <= MISSED * float(np.abs(others).max())

    def at(self, bounds: Bounds, step: float) -> float:
        """Between two arguments, eV/A."""
        return self.force(*self.between(bounds, step))

    def between(self, bounds: Bounds, step: float) -> tuple[Array, Array, Array]:
        """x (p,) between two arguments, and the errors of value and slope (p, M) there; the last ones asked for are kept."""
        if self._last is None or self._last[0] != (bounds, step):
            self._last = (bounds, step), _interpolation_error(self._plan, bounds, step, self.order)
        return self._last[1]

    def force(self, x: Array, value: Array, slope: Array) -> float:
        """What errors of value and slope at x make of the force of a pair at most, eV/A."""
        return _force_of_errors(self._model, self._plan, x, value, slope, self._gradients)

    def asked(self, bounds: Bounds, goal: StepGoal) -> float:
        """The tolerance between two products."""
        return goal.trained if -self._plan.near < bounds[1] and bounds[0] < self._plan.near else goal.beyond

    def knots(self, bounds: Bounds, step: float) -> Array:
        """Some left knots."""
        return _intervals(_part_of(self._plan, bounds), step, MOST_INTERVALS)[0]

    def rounding(self, x: Array, step: float) -> float:
        """What one rounding of the function's values at x makes of it: the slope of an interpolant has that over the step, so
        that smaller steps make it larger. Far from 0 a force is thousands of times a slope."""
        value = np.finfo(np.float64).eps * np.abs(self._plan.function.derivatives(x, order=1)[0])
        return self.force(x, value, value / step)

    def missed_inside(self, bounds: Bounds, width: float) -> float:
        """By how much the error of the function's slope is larger somewhere in an interval of high order than where it is looked
        at: as many points of the whole table as are looked at of one with knots."""
        n = max(LEAST_SCREENED, math.ceil(MOST_SCREENED * len(INSIDE) * width / (self._plan.max - self._plan.lower)))
        part = _part_of(self._plan, bounds)
        _, _, slope = _error_inside(part, *_intervals(part, width, 1), self.order, (np.arange(n) + 0.5) / n)
        return self._over_seen(slope, bounds, width)

    def missed(self, bounds: Bounds, step: float) -> float:
        """By how much the error of the function's slope is larger somewhere than at the intervals that are looked at."""
        if bounds[1] - bounds[0] <= MOST_INTERVALS * step and not self._plan.kinks.size:
            return 1.0  # these are all
        _, _, slope = _interpolation_error(self._plan, bounds, step, self.order, MOST_SCREENED)
        return self._over_seen(slope, bounds, step)

    def _over_seen(self, slope: Array, bounds: Bounds, step: float) -> float:
        """The largest error of a slope over that where it is looked at."""
        _, _, seen = self.between(bounds, step)
        largest = float(np.abs(seen).max())
        return float(np.abs(slope).max()) / largest if largest > 0 else 1.0


def _steps(errors: _Errors, bounds: Bounds, target: float) -> dict[float, float]:
    """By the start of a region: one step for all but a function with a region much sharper than the rest. Where it is as sharp
    below what is looked up, that is left out."""
    first, end = errors.first(bounds), bounds[1]
    step, error = _step(errors, bounds, target, FINEST)
    allowed = MISSED * max(target, error)
    if not errors.are_known or error * errors.missed(bounds, step) <= allowed:
        if first == bounds[0] or not errors.are_known or errors.are_like_others(first, end, step, allowed):
            return {bounds[0]: step}
    found = _regions(errors, (first, end), target, DEPTH)
    coarsest = max(found.values())
    halvings = {start: coarsest / 2 ** max(0, math.ceil(math.log2(coarsest / step))) for start, step in sorted(found.items())}
    starts = list(halvings)
    return {start: halvings[start] for k, start in enumerate(starts) if k == 0 or halvings[start] != halvings[starts[k - 1]]}


def _around_zero(steps: Mapping[float, float], end: float) -> dict[float, float]:
    """Of a table over products, which is looked up fastest with three ranges: the same with one around 0 and two outside, the one
    with the fewest rows. steps: by the start of regions up to ``end``."""
    starts = sorted(steps)
    pieces = list(zip(starts, [*starts[1:], end], strict=True))
    found = []
    for width in sorted({abs(edge) for edge in starts[1:]} - {0.0}):
        inside = [steps[low] for low, high in pieces if low < width and high > -width]
        outside = [steps[low] for low, high in pieces if low < -width or high > width]
        rows = 2 * width / min(inside) + 2 * (end - width) / min(outside)
        found.append((rows, width, min(inside), min(outside)))
    if not found:  # a change at 0 alone
        return {starts[0]: min(steps.values())}
    _, width, fine, coarse = min(found)
    return {starts[0]: coarse, -width: fine, width: coarse}


def _regions(errors: _Errors, bounds: Bounds, target: float, depth: int) -> dict[float, float]:
    """Steps of the pieces of a range."""
    pieces = errors.pieces(bounds)
    own = [_step(errors, piece, target, FINEST_OF_REGION)[0] for piece in pieces]
    found: dict[float, float] = {}
    for piece, step in zip(pieces, own, strict=True):
        again = depth > 1 and step < WORTH * max(own) and (piece[1] - piece[0]) > REGIONS * step
        found |= _regions(errors, piece, target, depth - 1) if again else {piece[0]: step}
    return found


def _step(errors: _Errors, bounds: Bounds, target: float, finest: float) -> tuple[float, float]:
    """The largest step whose error is within the target, or rounding, and its error."""
    step, error = min(COARSEST, bounds[1] - bounds[0]), 0.0
    before, rounding = (step, math.inf), 0.0  # rounding: times the step
    for trial in range(TRIALS if errors.are_known else 0):
        error = errors.at(bounds, step)
        if error <= target or step <= finest:
            break
        rounding = rounding if trial else step * errors.rounding(errors.knots(bounds, step), step)
        if error <= ROUNDING * rounding / step:
            break
        if before[1] <= error <= MOST_ROUNDING * rounding / step:
            return before
        before = step, error
        # The slope of an interpolant of order p errs by step^p.
        step = max(step * max((target / (MARGIN * error)) ** (1 / errors.order), 0.1), finest)
    return step, error


def _representative(gradients: Array) -> Array:
    """The largest ones, and some from everywhere."""
    if len(gradients) <= MOST_GRADIENTS:
        return gradients
    order = np.argsort(-np.linalg.norm(gradients, axis=(1, 2)), kind="stable")
    half = MOST_GRADIENTS // 2
    spread = np.linspace(half, len(order) - 1, half).round().astype(int)
    return gradients[np.concatenate([order[:half], order[spread]])]


def _force_of_errors(
    model: ModelDescription, plan: TablePlan, x: Array, value: Array, slope: Array, gradients: Gradients
) -> float:
    """What errors of value and slope (p, M) at x (p,) make of the force of a pair at most."""
    descriptor, worst = model.descriptors[plan.descriptor], 0.0
    for a, group in plan.pairs:
        if a not in gradients:
            continue
        gradient, divisor = descriptor.weighted(group, gradients[a]), descriptor.divisor(group)
        radial, radial_slope, angular, d_angular, dx, value_weight = descriptor.rows_along_r(a, group, x, plan.closest)
        by_value = np.einsum("pm,nmc->npc", value, gradient, optimize=True) / divisor
        by_slope = np.einsum("pm,nmc->npc", slope, gradient, optimize=True) / divisor
        along = np.abs((by_slope[..., 0] * radial + by_value[..., 0] * radial_slope) * dx)
        across = np.linalg.norm(by_slope[..., 1:], axis=2) * np.abs(angular * dx)
        across += np.linalg.norm(by_value[..., 1:], axis=2) * np.abs(d_angular)
        energy = np.abs(by_value[..., 0] * radial)
        worst = max(worst, float((along + across + value_weight * energy).max()))
    return worst


def _interpolation_error(
    plan: TablePlan, bounds: tuple[float, float], step: float, order: int, most: int = MOST_INTERVALS
) -> tuple[Array, Array, Array]:
    """x (p,) between knots of at most so many intervals, and the errors of value and slope (p, M) there."""
    part = _part_of(plan, bounds)
    inside = hermite.BETWEEN if order == hermite.HIGH_ORDER else INSIDE
    return _error_inside(part, *_intervals(part, step, most), order, inside)


def _error_inside(part: TablePlan, left: Array, steps: Array, order: int, inside: Array) -> tuple[Array, Array, Array]:
    """The same at these places of intervals, in their lengths."""
    x = (left[:, None] + steps[:, None] * inside).ravel()
    coefficients = np.repeat(interpolant(part, left, steps, order), len(inside), axis=0)
    value, slope = hermite.horner(coefficients, (steps[:, None] * (inside - hermite.origin(order))).reshape(-1, 1))
    exact, exact_slope = part.function.derivatives(x, order=1)
    return x, value - exact, slope - exact_slope


def _part_of(plan: TablePlan, bounds: Bounds) -> TablePlan:
    lower, upper = bounds
    return replace(plan, lower=lower, max=upper, kinks=plan.kinks[(plan.kinks > lower) & (plan.kinks < upper)])


def _intervals(plan: TablePlan, step: float, most: int) -> tuple[Array, Array]:
    """Left knots (n,) and lengths (n,) of at most so many intervals of a plan with one step, from all over it."""
    whole = make_grid(plan, {plan.lower: step})
    knots, steps = whole.knots(), whole.steps()
    chosen = np.unique(np.linspace(0, len(steps) - 1, min(len(steps), most)).round().astype(int))
    return knots[chosen], steps[chosen]
