# SPDX-License-Identifier: MIT
"""Descriptor se_e2_r (docs/theory.md section 1): D = (1/(5 n_sel)) sum over all slots of G(x), x = (s - mean)/std.

Every slot counts with the weight 1, which is the one component of its row. Neighbours of an excluded pair add G(0).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...arrays import Array
from ...model.checks import check_array, require
from ...model.description import PairKind
from ...model.descriptor import AlongR, Form
from ..two_body import TwoBody

SCALE = 5.0  # DeePMD-kit divides the mean over the slots by it
EXCLUDED_ARGUMENT = 0.0


@dataclass(frozen=True)
class RadialRows:
    """x and dx/dr (p,) of some pairs, and their directions (p, 3)."""

    x: Array
    dx: Array
    direction: Array

    @property
    def row(self) -> Array:
        """(p, 1) ones."""
        return np.ones((len(self.x), 1))


@dataclass(frozen=True, kw_only=True)
class SeE2R(TwoBody):
    """std (N, 1): of s(r)."""

    kind: ClassVar[str] = "se_e2_r"
    n_components: ClassVar[int] = 1
    form: ClassVar[Form] = Form.LINEAR

    def n_out(self, a: int) -> int:
        """M, for every centre type."""
        return self.width

    def _check_kind(self, n_types: int) -> None:
        """std (N, 1); slots by type."""
        check_array(self.std, "descriptor.std", (n_types, 1))
        require(self.padding is None, "descriptor.padding", "is given, which se_e2_r does not have")

    def constants(self, a: int, kind: int) -> list[float]:
        """Excluded neighbours, too, add something."""
        excluded = kind in (PairKind.SLOTS, PairKind.SECTION)
        return [*super().constants(a, kind), *([EXCLUDED_ARGUMENT] if excluded else [])]

    def constant_row(self, x: float) -> Array:
        """The weight 1."""
        return np.ones(1)

    def mean_s(self) -> Array:
        """The stored mean; nothing else tells it where that was set to zero."""
        return self.mean

    def rows(self, a: int, vector: Array) -> RadialRows:
        """Of neighbours at vector (p, 3) from a centre of type a."""
        r = np.linalg.norm(vector, axis=1)
        x, dx = self._argument(a, r)
        return RadialRows(x, dx, vector / r[:, None])

    def _argument(self, a: int, r: Array) -> tuple[Array, Array]:
        """x and dx/dr."""
        sw, dsw = self.radial.switch(r)
        q = r + self.env_protection
        return self.radial.normalised(a, sw / q), (dsw - sw / q) / q / self.radial.std[a]

    def reverse_rows(self, rows: RadialRows, d_row: Array, d_x: Array) -> Array:
        """dE/d vector (p, 3); the row does not depend on it."""
        return (d_x * rows.dx)[:, None] * rows.direction

    def rows_along_r(self, a: int, group: int, x: Array, closest: float) -> AlongR:
        """The row stays what it is, and forces come of slopes alone. Errors of the values add up in the energy, over all
        slots."""
        r = np.maximum(self.radial.distance(a, x), np.finfo(float).tiny)
        return AlongR(np.ones_like(x), 0.0, 0.0 * x, 0.0 * x, self._argument(a, r)[1], float(self.n_sel))

    def features(self, t: Array) -> Array:
        """D (n, M) from T (n, M, 1)."""
        return t[:, :, 0] / SCALE

    def reverse_features(self, t: Array, gradient: Array) -> Array:
        """dE/dT (n, M, 1) from dE/dD."""
        return gradient[:, :, None] / SCALE
