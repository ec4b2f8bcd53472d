# SPDX-License-Identifier: MIT
"""A function of one number that is known at knots: the embedding net of a model that its own program has compressed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..arrays import Array
from .checks import check_array, own, require

POWERS = np.arange(6)


@dataclass(frozen=True)
class Piecewise:
    """Between two knots the quintic polynomial with the value, slope and curvature that both have; linear beyond the ends."""

    knots: Array  # (n,) increasing
    value: Array  # (n, M)
    slope: Array  # (n, M)
    curvature: Array  # (n, M)

    def __post_init__(self) -> None:
        own(self, np.float64, "knots", "value", "slope", "curvature")

    @property
    def n_in(self) -> int:
        """Numbers that go in."""
        return 1

    @property
    def n_out(self) -> int:
        """M."""
        return int(self.value.shape[1])

    @cached_property
    def coefficients(self) -> Array:
        """(n - 1, 6, M) by powers of the distance from the left knot."""
        h = np.diff(self.knots)[:, None]
        y, dy, ddy = (a[:-1] for a in (self.value, self.slope, self.curvature))
        # What the left knot's parabola leaves at the right one, of value, h slope and h^2 curvature.
        rest = self.value[1:] - y - h * dy - h**2 / 2 * ddy
        slope = h * (self.slope[1:] - dy - h * ddy)
        curvature = h**2 * (self.curvature[1:] - ddy)
        return np.stack(
            [
                y,
                dy,
                ddy / 2,
                (10 * rest - 4 * slope + curvature / 2) / h**3,
                (-15 * rest + 7 * slope - curvature) / h**4,
                (6 * rest - 3 * slope + curvature / 2) / h**5,
            ],
            axis=1,
        )

    def derivatives(self, x: Array) -> tuple[Array, Array, Array]:
        """Value, slope and curvature (n, M) at x (n,)."""
        inside = np.clip(x, self.knots[0], self.knots[-1])
        interval = np.clip(np.searchsorted(self.knots, inside, side="right") - 1, 0, len(self.knots) - 2)
        t, c = (inside - self.knots[interval])[:, None], self.coefficients[interval]
        value, slope, curvature = (np.zeros((len(inside), self.n_out)) for _ in range(3))
        for k in POWERS[::-1]:  # Horner's rule and its derivatives
            curvature = curvature * t + 2 * slope
            slope = slope * t + value
            value = value * t + c[:, k]
        beyond = (x - inside)[:, None]
        return value + slope * beyond, slope, np.where(beyond == 0, curvature, 0.0)


def check_piecewise(function: Piecewise, field: str) -> None:
    """Raise ModelError unless the knots increase, there are two of them, and the arrays fit."""
    knots = function.knots
    legal = knots.ndim == 1 and len(knots) >= 2 and bool(np.isfinite(knots).all() and (np.diff(knots) > 0).all())
    require(legal, f"{field}.knots", "must be two or more finite numbers that increase")
    require(function.value.ndim == 2 and function.value.shape[1] > 0, f"{field}.value", f"has shape {function.value.shape}")
    for name in ("value", "slope", "curvature"):
        check_array(getattr(function, name), f"{field}.{name}", (len(knots), function.n_out))
