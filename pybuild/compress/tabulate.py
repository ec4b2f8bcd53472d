# SPDX-License-Identifier: MIT
"""A table: the functions phi = P^T G of an embedding net as piecewise polynomials (docs/theory.md sections 2 and 3).

The Hermite data of G at the knots are exact (analytic derivatives, float64); projection onto the basis is linear, so
the coefficients of phi are the projected ones of G.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..arrays import Array
from ..tablefile.tableset import TableArrays
from . import hermite
from .grid import Grid, TablePlan, grid_of
from .lowrank import Basis

INSIDE = (0.5, 0.211324865405187)  # where errors are looked for between knots, in interval lengths: the middle, a Gauss point
MOST_CHECKED = 2000  # intervals per range whose error is looked at
ASIDE = 1e-8  # how far from a kink its derivatives on one side are taken


def build_table(plan: TablePlan, grid: Grid, basis: Basis) -> TableArrays:
    """The functions of a basis."""
    coef = interpolant(plan, grid.knots()[:-1], grid.steps(), grid.order, basis.projector)
    return TableArrays(plan.function.argument, grid.segments, grid.upper, coef, np.ascontiguousarray(basis.vectors))


def interpolant(plan: TablePlan, left: Array, steps: Array, order: int, projector: Array | None = None) -> Array:
    """Coefficients (n, order + 1, K) of the function, or of its projection (M, K), on intervals from left (n,) that hold
    no kink but at their ends, of HIGH_ORDER none there either."""
    if order == hermite.HIGH_ORDER:
        x = left[:, None] + steps[:, None] * (0.5 + 0.5 * hermite.NODES)
        value, slope = (_times(d, projector).reshape(*x.shape, -1) for d in plan.function.derivatives(x.ravel(), order=1))
        return hermite.coefficients_of_high_order(value, slope[:, [0, -1]], steps)
    start, end = _one_sided(plan, left, ASIDE, projector), _one_sided(plan, left + steps, -ASIDE, projector)
    return hermite.coefficients(start, end, steps, order)


def _one_sided(plan: TablePlan, x: Array, aside: float, projector: Array | None) -> hermite.Derivatives:
    """Value, slope and curvature at x; at a kink the derivatives of the side that ``aside`` points to."""
    value, slope, curvature = _projected(plan.function.derivatives(x), projector)
    if plan.kinks.size and not plan.only_constants:
        after = np.searchsorted(plan.kinks, x)
        nearest = np.minimum(*(np.abs(plan.kinks[np.clip(after + k, 0, len(plan.kinks) - 1)] - x) for k in (-1, 0)))
        rows = np.flatnonzero(nearest < 0.01 * ASIDE)
        _, beside, bend = _projected(plan.function.derivatives(x[rows] + aside), projector)
        slope[rows], curvature[rows] = beside - aside * bend, bend
    return value, slope, curvature


def _projected(derivatives: tuple[Array, ...], projector: Array | None) -> hermite.Derivatives:
    value, slope, curvature = (_times(d, projector) for d in derivatives)
    return value, slope, curvature


def _times(values: Array, projector: Array | None) -> Array:
    return values if projector is None else values @ projector


@dataclass(frozen=True)
class TableError:
    """Largest |V phi(x) - G(x)| and |V phi'(x) - G'(x)| over the channels, at knots and between them."""

    value: float
    slope: float


def table_errors(plan: TablePlan, table: TableArrays) -> tuple[TableError, TableError]:
    """Errors of a stored table against the net, in the fine and in the coarse range; of a table that only empty slots read, where
    they read it."""
    if plan.only_constants:
        return _error_at(plan, table, plan.constants), TableError(0.0, 0.0)
    grid = grid_of(table)
    left, steps = grid.knots()[:-1], grid.steps()
    trained = left < grid.upper
    return _range_error(plan, table, left[trained], steps[trained]), _range_error(plan, table, left[~trained], steps[~trained])


def _range_error(plan: TablePlan, table: TableArrays, left: Array, steps: Array) -> TableError:
    """Over intervals given by their left knots and lengths."""
    if left.size == 0:
        return TableError(0.0, 0.0)
    chosen = np.unique(np.linspace(0, left.size - 1, min(left.size, MOST_CHECKED)).astype(int))
    inside = hermite.BETWEEN.tolist() if table.order == hermite.HIGH_ORDER else INSIDE
    errors = [_error_at(plan, table, left[chosen] + shift * steps[chosen]) for shift in (0.0, *inside)]
    return TableError(max(e.value for e in errors), max(e.slope for e in errors))


def _error_at(plan: TablePlan, table: TableArrays, x: Array) -> TableError:
    value, slope = plan.function.derivatives(x, order=1)
    phi, dphi = hermite.evaluate(table.coef, grid_of(table), x)
    return TableError(float(np.abs(phi @ table.basis.T - value).max()), float(np.abs(dphi @ table.basis.T - slope).max()))
