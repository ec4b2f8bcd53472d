# SPDX-License-Identifier: MIT
"""Descriptor se_e2_a (docs/theory.md section 1).

With q = r + env_protection, s = sw(r)/q and d the vector to a neighbour its row is R = ((s - mean)/std, sw(r) d/q^2/std'); x =
R_0. D = T T[:A]^T, flattened. DPA-1 without attention is this, too (descriptors/dpa1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ...arrays import Array
from ...model.checks import check_array, is_integer, require
from ...model.descriptor import AlongR, Argument, Form
from ..two_body import TwoBody, mean_of_s

SMALLEST_Q = 1e-6  # angstrom, where a bound of an error is wanted


@dataclass(frozen=True)
class AngularRows:
    """R (p, 4) of some pairs around centres of one type, and what its reverse needs."""

    row: Array
    x: Array  # arguments of the tables
    vector: Array
    r: Array
    sw: Array
    dsw: Array
    q: Array
    std: Array


@dataclass(frozen=True, kw_only=True)
class SeE2A(TwoBody):
    """std (N, 2): of s(r) and of each angular component."""

    kind: ClassVar[str] = "se_e2_a"
    n_components: ClassVar[int] = 4
    form: ClassVar[Form] = Form.SQUARE

    axis_neuron: int  # A

    def n_out(self, a: int) -> int:
        """M A, for every centre type."""
        return self.width * self.axis_neuron

    def numbers(self) -> dict[str, Any]:
        """With A."""
        return super().numbers() | {"axis_neuron": self.axis_neuron}

    def _check_kind(self, n_types: int) -> None:
        """std (N, 2), 1 <= axis_neuron <= M."""
        check_array(self.std, "descriptor.std", (n_types, 2))
        legal = is_integer(self.axis_neuron) and 1 <= self.axis_neuron <= self.width
        require(legal, "descriptor.axis_neuron", f"is {self.axis_neuron!r}, must be in 1..{self.width}")

    def mean_s(self) -> Array:
        """By both deviations."""
        return mean_of_s(self.mean, self.std)

    def constant_row(self, x: float) -> Array:
        """No direction."""
        return np.array([x, 0.0, 0.0, 0.0])

    def rows(self, a: int, vector: Array) -> AngularRows:
        """R of neighbours at vector (p, 3) from a centre of type a."""
        radial, r = self.radial, np.linalg.norm(vector, axis=1)
        sw, dsw = radial.switch(r)
        q = r + self.env_protection
        row = np.empty((len(r), 4))
        row[:, 0] = radial.normalised(a, sw / q)
        row[:, 1:] = (sw / q**2)[:, None] * vector / self.std[a, 1]
        x = row[:, 0] if self.argument is Argument.X else self.rcut - r
        return AngularRows(row, x, vector, r, sw, dsw, q, self.std[a])

    def reverse_rows(self, rows: AngularRows, d_row: Array, d_x: Array) -> Array:
        """dE/d vector: ds/dr = sw'/q - sw/q^2, and the other components are h d with h = sw/q^2. d_x: of the tables' argument."""
        q, sw, dsw = rows.q, rows.sw, rows.dsw
        zero = np.zeros_like(d_x)
        d_x, d_r = (d_x, zero) if self.argument is Argument.X else (zero, -d_x)
        d_s, d_angular = (d_row[:, 0] + d_x) / rows.std[0], d_row[:, 1:] / rows.std[1]
        along = d_r + d_s * (dsw / q - sw / q**2) + np.sum(d_angular * rows.vector, axis=1) * (dsw / q**2 - 2.0 * sw / q**3)
        return along[:, None] * (rows.vector / rows.r[:, None]) + (sw / q**2)[:, None] * d_angular

    def rows_along_r(self, a: int, group: int, x: Array, closest: float) -> AlongR:
        """The row is (x, h d). Errors of the values are in the forces already."""
        radial = self.radial
        r = radial.distance(a, x) if self.argument is Argument.X else self.rcut - x
        sw, dsw = radial.switch(r)
        q = np.maximum(r + self.env_protection, SMALLEST_Q)
        h, dh = sw / q**2 / self.std[a, 1], (dsw / q**2 - 2 * sw / q**3) / self.std[a, 1]
        size = np.maximum(np.abs(h + dh * r), np.abs(h))  # of d(h d)/dr, along the pair and across
        dx = (dsw / q - sw / q**2) / self.std[a, 0]
        if self.argument is Argument.X:
            return AlongR(x, 1.0, h * r, size, dx, 0.0)
        return AlongR(radial.normalised(a, sw / q), -dx, h * r, size, -np.ones_like(r), 0.0)

    def features(self, t: Array) -> Array:
        """D (n, M A) from T (n, M, 4)."""
        return (t @ t[:, : self.axis_neuron].transpose(0, 2, 1)).reshape(len(t), t.shape[1] * self.axis_neuron)

    def reverse_features(self, t: Array, gradient: Array) -> Array:
        """dE/dT (n, M, 4) from dE/dD."""
        g = gradient.reshape(len(t), t.shape[1], self.axis_neuron)
        dt = g @ t[:, : self.axis_neuron]
        dt[:, : self.axis_neuron] += g.transpose(0, 2, 1) @ t
        return dt
