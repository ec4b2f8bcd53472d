# SPDX-License-Identifier: MIT
"""A table: the functions phi = P^T G of an embedding net as piecewise polynomials (docs/theory.md sections 2 and 3).

The Hermite data of G at the knots are exact (analytic derivatives, float64); projection onto the basis is linear, so
the coefficients of phi are the projected ones of G.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import hermite
from .grid import TablePlan
from .lowrank import Basis
from .nets import derivatives_along
from .tableset import Array, TableArrays

LANES = 8  # columns of a stored table come in multiples of this
INSIDE = (0.5, 0.211324865405187)  # where errors are looked for between knots, in interval lengths: the middle, a Gauss point
MOST_CHECKED = 2000  # intervals per range whose error is looked at


def build_table(plan: TablePlan, basis: Basis, order: int) -> TableArrays:
    """Coefficients (rows, order + 1, K') with K' = K rounded up to a multiple of 8, K the columns of the basis."""
    grid, rank = plan.grid, len(basis.amplitude)
    value, slope, curvature = (g @ basis.projector for g in derivatives_along(plan.net, grid.knots()))
    coef = np.zeros((grid.n_rows, order + 1, -(-rank // LANES) * LANES))
    coef[:, :, :rank] = hermite.coefficients(value, slope, curvature, grid.steps(), order)
    return TableArrays(grid.segments, grid.upper, rank, coef, np.ascontiguousarray(basis.vectors))


@dataclass(frozen=True)
class TableError:
    """Largest |V phi(x) - G(x)| and |V phi'(x) - G'(x)| over the channels, at knots and between them."""

    value: float
    slope: float


def table_errors(plan: TablePlan, table: TableArrays) -> tuple[TableError, TableError]:
    """Errors of a stored table against the net, in the fine and in the coarse range; of a table that only empty slots read, where
    they read it."""
    grid = plan.grid
    if plan.only_padding:
        return _error_at(plan, table, plan.x_pad), TableError(0.0, 0.0)
    left, steps = grid.knots()[:-1], grid.steps()
    trained = left < grid.upper
    return _range_error(plan, table, left[trained], steps[trained]), _range_error(plan, table, left[~trained], steps[~trained])


def _range_error(plan: TablePlan, table: TableArrays, left: Array, steps: Array) -> TableError:
    """Over intervals given by their left knots and lengths."""
    if left.size == 0:
        return TableError(0.0, 0.0)
    chosen = np.unique(np.linspace(0, left.size - 1, min(left.size, MOST_CHECKED)).astype(int))
    errors = [_error_at(plan, table, left[chosen] + shift * steps[chosen]) for shift in (0.0, *INSIDE)]
    return TableError(max(e.value for e in errors), max(e.slope for e in errors))


def _error_at(plan: TablePlan, table: TableArrays, x: Array) -> TableError:
    value, slope, _ = derivatives_along(plan.net, x)
    phi, dphi = hermite.evaluate(table.coef[:, :, : table.rank], plan.grid, x)
    return TableError(float(np.abs(phi @ table.basis.T - value).max()), float(np.abs(dphi @ table.basis.T - slope).max()))
