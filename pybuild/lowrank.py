# SPDX-License-Identifier: MIT
"""The low-rank basis of an embedding net: G(x) = V phi(x) with few functions phi (docs/theory.md section 3).

Values and slopes are sampled over the table's range, each row scaled so that a singular value is the root mean square amplitude of
its function; singular values then compare across tables. Nothing here decides how many columns to keep.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .grid import TablePlan
from .nets import derivatives_along
from .tableset import Array

FINE_SAMPLES = 1200
COARSE_SAMPLES = 200
COARSE_WEIGHT = float(__import__('os').environ.get('CW','1e-6'))  # amplitude: beyond the training data a thousand times the error is accepted
PADDING_WEIGHT = 0.3  # amplitude: an empty slot counts like a tenth of the range
SLOPE_LENGTH = 1.0  # a slope times this counts like a value; x has standard deviation 1


@dataclass(frozen=True)
class Basis:
    """columns (M, K_max) orthonormal, most important first; amplitude (K_max,) root mean square of each function."""

    columns: Array
    amplitude: Array


def identity_basis(width: int) -> Basis:
    """V = 1: the embedding net's own outputs, unrotated."""
    return Basis(np.eye(width), np.ones(width))


def sampled_basis(plan: TablePlan) -> Basis:
    """Weighted singular value decomposition of values and slopes over the table's range."""
    grid = plan.grid
    pad = derivatives_along(plan.net, plan.x_pad)[0] * (PADDING_WEIGHT / np.sqrt(plan.x_pad.size))
    parts = [pad]
    if not plan.only_padding:
        parts += _weighted(plan, grid.lower, grid.upper+float(__import__('os').environ.get('HI','.3')), FINE_SAMPLES, 1.0)
        if grid.n_coarse:
            parts += _weighted(plan, grid.upper, grid.max, COARSE_SAMPLES, COARSE_WEIGHT)
    _, amplitude, rows = np.linalg.svd(np.concatenate(parts), full_matrices=False)
    return Basis(np.ascontiguousarray(_fix_signs(rows.T)), amplitude)


def _weighted(plan: TablePlan, low: float, high: float, n: int, weight: float) -> list[Array]:
    value, slope, _ = derivatives_along(plan.net, np.linspace(low, high, n))
    return [value * (weight / np.sqrt(n)), slope * (weight * SLOPE_LENGTH / np.sqrt(n))]


def _fix_signs(columns: Array) -> Array:
    """The entry of largest magnitude of every column positive: the decomposition itself leaves the sign open."""
    largest = np.argmax(np.abs(columns), axis=0)
    signs = np.sign(columns[largest, np.arange(columns.shape[1])])
    return columns * np.where(signs == 0, 1.0, signs)
