# SPDX-License-Identifier: MIT
"""Steps of a table's grid from tolerances on the forces (docs/compression.md).

What interpolation costs in the force of a pair at x is known exactly: with T the descriptor's rows, R(x) the pair's row and dG
the error of the table, dE/dT : d/dr (dG (x) R). dE/dT is taken from the neighbourhoods that the model is measured on, the
direction of the pair as the worst one. The largest step is looked for whose errors stay within the tolerance, between the
knots of the whole range, whether or not a structure has a pair there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from ..arrays import Array
from ..model.description import ModelDescription
from . import hermite
from .grid import Grid, TablePlan, grid_on_knots, make_grid
from .tabulate import interpolant

Gradients = Mapping[int, Array]  # centre type -> dE/dT (n, M, components) of some neighbourhoods

SHARE = 0.1  # of the tolerance, for one pair: the errors of an atom's pairs add up
COARSEST = 1.0  # in x, which has standard deviation 1
FINEST = 1e-3  # where rounding, or the order, leaves nothing to gain
MARGIN = 1.3  # the error of the next trial is aimed below the tolerance by this
TRIALS = 12
ORDER_OF_PIECES = 5  # of a function at knots
MOST_GRADIENTS = 32  # per centre type
MOST_INTERVALS = 200  # whose error is looked at, of each range
INSIDE = (0.1, 0.211324865405187, 0.5, 0.788675134594813, 0.9)  # where errors are looked for between knots


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
    grid = _coarsest_grid(model, plan, trained, beyond, order, goal)
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
    users = {a for a, _ in plan.pairs}
    everywhere = {a: np.concatenate([g[a] for g in (trained, beyond) if a in g]) for a in users if a in trained or a in beyond}
    steps = {}
    for start, end in zip(plan.starts, (*plan.starts[1:], plan.max), strict=True):
        asked = goal.trained if start < plan.near and end <= plan.near else goal.beyond
        steps[start] = _step(model, plan, (start, end), everywhere, order, asked)
    return make_grid(plan, steps)


def _step(
    model: ModelDescription, plan: TablePlan, bounds: tuple[float, float], gradients: Gradients, order: int, tolerance: float
) -> float:
    some = {a: _representative(g) for a, g in gradients.items() if len(g)}
    step, target = min(COARSEST, bounds[1] - bounds[0]), SHARE * tolerance
    if not some:
        return step
    for _ in range(TRIALS):
        error = pair_force_error(model, plan, bounds, step, some, order)
        if error <= target or step <= FINEST:
            break
        # The slope of an interpolant of order p errs by step^p.
        step = max(step * max((target / (MARGIN * error)) ** (1 / order), 0.1), FINEST)
    return step


def _representative(gradients: Array) -> Array:
    """The largest ones, and some from everywhere."""
    if len(gradients) <= MOST_GRADIENTS:
        return gradients
    order = np.argsort(-np.linalg.norm(gradients, axis=(1, 2)), kind="stable")
    half = MOST_GRADIENTS // 2
    spread = np.linspace(half, len(order) - 1, half).round().astype(int)
    return gradients[np.concatenate([order[:half], order[spread]])]


def pair_force_error(
    model: ModelDescription, plan: TablePlan, bounds: tuple[float, float], step: float, gradients: Gradients, order: int
) -> float:
    """Largest error of the force of a pair, eV/A, by interpolation with a step between two arguments."""
    x, value, slope = _interpolation_error(plan, bounds, step, order)
    descriptor, worst = model.descriptors[plan.descriptor], 0.0
    for a, group in plan.pairs:
        if a not in gradients:
            continue
        gradient, divisor = gradients[a], descriptor.divisor(group)
        radial, radial_slope, angular, d_angular, dx, value_weight = descriptor.rows_along_r(a, group, x, plan.closest)
        by_value = np.einsum("pm,nmc->npc", value, gradient, optimize=True) / divisor
        by_slope = np.einsum("pm,nmc->npc", slope, gradient, optimize=True) / divisor
        along = np.abs((by_slope[..., 0] * radial + by_value[..., 0] * radial_slope) * dx)
        across = np.linalg.norm(by_slope[..., 1:], axis=2) * np.abs(angular * dx)
        across += np.linalg.norm(by_value[..., 1:], axis=2) * np.abs(d_angular)
        energy = np.abs(by_value[..., 0] * radial)
        worst = max(worst, float((along + across + value_weight * energy).max()))
    return worst


def _interpolation_error(plan: TablePlan, bounds: tuple[float, float], step: float, order: int) -> tuple[Array, Array, Array]:
    """x (p,) between knots, and the errors of value and slope (p, M) there."""
    lower, upper = bounds
    inside = plan.kinks[(plan.kinks > lower) & (plan.kinks < upper)]
    part = replace(plan, lower=lower, max=upper, kinks=inside)
    whole = make_grid(part, {lower: step})
    knots, steps = whole.knots(), whole.steps()
    chosen = np.unique(np.linspace(0, len(steps) - 1, min(len(steps), MOST_INTERVALS)).round().astype(int))
    left, steps = knots[chosen], steps[chosen]
    offset = steps[:, None] * np.array(INSIDE)
    x = (left[:, None] + offset).ravel()
    coefficients = np.repeat(interpolant(part, left, steps, order), len(INSIDE), axis=0)
    value, slope = hermite.horner(coefficients, offset.reshape(-1, 1))
    exact, exact_slope, _ = plan.function.derivatives(x)
    return x, value - exact, slope - exact_slope
