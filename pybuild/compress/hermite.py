# SPDX-License-Identifier: MIT
"""Piecewise polynomials through values and derivatives at knots (docs/theory.md section 2).

Order 5 takes value, first and second derivative at both ends of an interval, order 3 value and first derivative; order 11 these
and values at eight points inside. Coefficients are those of powers of x - x_left, of order 11 of x - the middle, lowest first,
not normalised by the interval's length.
"""

from __future__ import annotations

import numpy as np

from ..arrays import Array
from ..tablefile.tableset import HIGH_ORDER as HIGH_ORDER
from .grid import Grid

Derivatives = tuple[Array, Array, Array]  # value, slope, curvature
CHUNK = 4096  # points a look-up handles at once: 4096 x 6 x 32 doubles are 6 MB


def points_inside() -> Array:
    """(HIGH_ORDER - 3,) in an interval from -1 to 1: the roots of the polynomial that is orthogonal to those of lower order
    with the weight (1 - t^2)^(7/2) (Gegenbauer, lambda = 4), so that (1 - t^2)^2 times it, which the error begins with,
    swings evenly."""
    n = np.arange(1.0, HIGH_ORDER - 3)
    beside = np.sqrt(n * (n + 7) / (4 * (n + 4) * (n + 3)))
    return np.asarray(np.linalg.eigvalsh(np.diag(beside, 1) + np.diag(beside, -1)))


NODES = np.concatenate([[-1.0], points_inside(), [1.0]])
BETWEEN = 0.5 - 0.5 * np.cos(np.pi * (np.arange(25) + 0.5) / 25)  # in lengths of an interval: where errors are looked for


def coefficients_of_high_order(values: Array, slopes: Array, steps: Array) -> Array:
    """(n, HIGH_ORDER + 1, K) from values (n, len(NODES), K) at the nodes of n intervals, slopes (n, 2, K) at their ends and their
    lengths."""
    power = np.arange(HIGH_ORDER + 1)
    ends = NODES[[0, -1], None]
    of_slopes = power * ends ** np.maximum(power - 1, 0)
    half = (steps / 2)[:, None, None]
    data = np.concatenate([values, slopes * half], axis=1)
    normalised = np.linalg.solve(np.concatenate([NODES[:, None] ** power, of_slopes]), data)
    return np.asarray(normalised / half ** power[:, None])


def origin(order: int) -> float:
    """Where in an interval the powers are of 0, in its lengths."""
    return 0.5 if order == HIGH_ORDER else 0.0


def coefficients(left: Derivatives, right: Derivatives, steps: Array, order: int) -> Array:
    """(n, order + 1, K) from value, slope and curvature, each (n, K), at both ends of the n intervals and their lengths."""
    t = steps[:, None]
    (value, d0, c0), (end, d1, c1) = left, right
    rise = end - value
    if order == 3:
        return np.stack([value, d0, (3 * rise / t - 2 * d0 - d1) / t, (d0 + d1 - 2 * rise / t) / t**2], axis=1)
    return np.stack(
        [
            value,
            d0,
            c0 / 2,
            (10 * rise / t - (6 * d0 + 4 * d1) - (1.5 * c0 - 0.5 * c1) * t) / t**2,
            (-15 * rise / t + (8 * d0 + 7 * d1) + (1.5 * c0 - c1) * t) / t**3,
            (6 * rise / t - 3 * (d0 + d1) + 0.5 * (c1 - c0) * t) / t**4,
        ],
        axis=1,
    )


def evaluate(coef: Array, grid: Grid, x: Array) -> tuple[Array, Array]:
    """Values and slopes (n, K) at x (n,); beyond the ends the end's tangent is followed."""
    n_columns, steps = coef.shape[2], grid.steps()
    value, slope = np.empty((x.size, n_columns)), np.empty((x.size, n_columns))
    for start in range(0, x.size, CHUNK):
        part = slice(start, start + CHUNK)
        row, offset, excess = grid.locate(x[part])
        from_origin = offset - origin(coef.shape[1] - 1) * steps[row]
        value[part], slope[part] = horner(coef[row], from_origin[:, None])
        value[part] += slope[part] * excess[:, None]
    return value, slope


def horner(coef: Array, t: Array) -> tuple[Array, Array]:
    """Polynomial (n, order + 1, K) and its derivative at t (n, 1)."""
    value = coef[:, -1].copy()
    slope = np.zeros_like(value)
    for power in range(coef.shape[1] - 2, -1, -1):
        slope = slope * t + value
        value = value * t + coef[:, power]
    return value, slope
