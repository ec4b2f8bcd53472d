# SPDX-License-Identifier: MIT
"""Descriptor se_e2_a (docs/theory.md section 1).

With q = r + env_protection, s = sw(r)/q and d the vector to a neighbour its row is R = ((s - mean)/std, sw(r) d/q^2/std'); x =
R_0. D = T T[:A]^T, flattened. DPA-1 without attention is this, too (descriptors/dpa1). It may have more components, of degrees l
= 2 to lmax: g_l (s/std) Y_l(d/q), with a gain g_l of each degree (harmonics.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from ...arrays import Array
from ...model.checks import check_array, is_integer, own, require
from ...model.descriptor import AlongR, Argument, Form
from ..two_body import TwoBody, mean_of_s
from .harmonics import MOST_LMAX, harmonics

SMALLEST_Q = 1e-6  # angstrom, where a bound of an error is wanted


@dataclass(frozen=True)
class AngularRows:
    """R (p, components) of some pairs around centres of one type, and what its reverse needs."""

    row: Array
    x: Array  # arguments of the tables
    vector: Array
    r: Array
    sw: Array
    dsw: Array
    q: Array
    std: Array  # (p, 2)
    y: Array  # Y(u), u = d/q, (p, components - 4)
    dy: Array  # dY/du (p, components - 4, 3)


@dataclass(frozen=True, kw_only=True)
class SeE2A(TwoBody):
    """std (N, 2): of s(r) and of each angular component."""

    kind: ClassVar[str] = "se_e2_a"
    form: ClassVar[Form] = Form.SQUARE

    axis_neuron: int  # A
    degree_gains: Array = field(default_factory=lambda: np.empty(0))  # (lmax - 1,) by degree from 2 on

    def __post_init__(self) -> None:
        super().__post_init__()
        own(self, np.float64, "degree_gains")

    @property
    def lmax(self) -> int:
        """The highest degree of the angular components, 1 to 4."""
        return 1 + len(self.degree_gains)

    @property
    def n_components(self) -> int:
        """Of the sums over neighbours: 4, 9, 16 or 25."""
        return (self.lmax + 1) ** 2

    def n_out(self, a: int) -> int:
        """M A, for every centre type."""
        return self.width * self.axis_neuron

    def numbers(self) -> dict[str, Any]:
        """With A and the gains."""
        return super().numbers() | {"axis_neuron": self.axis_neuron, "degree_gains": self.degree_gains}

    def _check_kind(self, n_types: int) -> None:
        """std (N, 2), 1 <= axis_neuron <= M, lmax <= 4."""
        check_array(self.std, "descriptor.std", (n_types, 2))
        legal = is_integer(self.axis_neuron) and 1 <= self.axis_neuron <= self.width
        require(legal, "descriptor.axis_neuron", f"is {self.axis_neuron!r}, must be in 1..{self.width}")
        counted = self.degree_gains.ndim == 1 and self.lmax <= MOST_LMAX
        shape = f"has shape {self.degree_gains.shape}, must be one number for each degree from 2 to at most {MOST_LMAX}"
        require(counted, "descriptor.degree_gains", shape)
        check_array(self.degree_gains, "descriptor.degree_gains", (self.lmax - 1,))

    def mean_s(self) -> Array:
        """By both deviations."""
        return mean_of_s(self.mean, self.std)

    def constant_row(self, x: float) -> Array:
        """No direction."""
        return np.append(x, np.zeros(self.n_components - 1))

    def rows(self, a: int, vector: Array) -> AngularRows:
        """R of neighbours at vector (p, 3) from a centre of type a."""
        radial, r = self.radial, np.linalg.norm(vector, axis=1)
        sw, dsw = radial.switch(r)
        q = r + self.env_protection
        y, dy = harmonics(vector / q[:, None], self.degree_gains)
        row = np.empty((len(r), self.n_components))
        row[:, 0] = radial.normalised(a, sw / q)
        row[:, 1:4] = (sw / q**2)[:, None] * vector / self.std[a, 1]
        row[:, 4:] = (sw / q / self.std[a, 0])[:, None] * y
        x = row[:, 0] if self.argument is Argument.X else self.rcut - r
        return AngularRows(row, x, vector, r, sw, dsw, q, np.repeat(self.std[a : a + 1], len(r), axis=0), y, dy)

    def reverse_rows(self, rows: AngularRows, d_row: Array, d_x: Array) -> Array:
        """dE/d vector: ds/dr = sw'/q - sw/q^2, and the other components are h d with h = sw/q^2. d_x: of the tables' argument."""
        q, sw, dsw = rows.q, rows.sw, rows.dsw
        zero = np.zeros_like(d_x)
        d_x, d_r = (d_x, zero) if self.argument is Argument.X else (zero, -d_x)
        d_s, d_angular = (d_row[:, 0] + d_x) / rows.std[:, 0], d_row[:, 1:4] / rows.std[:, 1:]
        along = d_r + d_s * (dsw / q - sw / q**2) + np.sum(d_angular * rows.vector, axis=1) * (dsw / q**2 - 2.0 * sw / q**3)
        gradient: Array = along[:, None] * (rows.vector / rows.r[:, None]) + (sw / q**2)[:, None] * d_angular
        return gradient if self.lmax == 1 else gradient + self._reverse_harmonics(rows, d_row[:, 4:])

    def _reverse_harmonics(self, rows: AngularRows, d_row: Array) -> Array:
        """What the components of degree 2 and more add to dE/d vector."""
        q, unit = rows.q, rows.vector / rows.r[:, None]
        size, d_size = rows.sw / q / rows.std[:, 0], (rows.dsw / q - rows.sw / q**2) / rows.std[:, 0]
        d_u = size[:, None] * np.einsum("pm,pmc->pc", d_row, rows.dy)
        along = d_size * np.einsum("pm,pm->p", d_row, rows.y) - np.einsum("pc,pc->p", d_u, rows.vector) / q**2
        return d_u / q[:, None] + along[:, None] * unit

    def rows_along_r(self, a: int, group: int, x: Array, closest: float) -> AlongR:
        """The row is (x, h d, ..), components of degree l as long as g_l (s/std) u^l, u = r/q, and across their derivatives as
        that times sqrt(l (l + 1)/2)/r. Errors of the values are in the forces already."""
        radial = self.radial
        r = radial.distance(a, x) if self.argument is Argument.X else self.rcut - x
        sw, dsw = radial.switch(r)
        q = np.maximum(r + self.env_protection, SMALLEST_Q)
        h, dh = sw / q**2 / self.std[a, 1], (dsw / q**2 - 2 * sw / q**3) / self.std[a, 1]
        length, size = h * r, np.maximum(np.abs(h + dh * r), np.abs(h))  # of d(h d)/dr, along the pair and across
        dx = (dsw / q - sw / q**2) / self.std[a, 0]
        for degree, gain in enumerate(self.degree_gains.tolist(), start=2):
            u, s = r / q, sw / q / self.std[a, 0]
            across = s * u ** (degree - 1) / q * np.sqrt(degree * (degree + 1) / 2)
            along = dx * u**degree + s * degree * u ** (degree - 1) * (1 - u) / q
            length = np.hypot(length, gain * s * u**degree)
            size = np.hypot(size, gain * np.maximum(np.abs(along), across))
        if self.argument is Argument.X:
            return AlongR(x, 1.0, length, size, dx, 0.0)
        return AlongR(radial.normalised(a, sw / q), -dx, length, size, -np.ones_like(r), 0.0)

    def features(self, t: Array) -> Array:
        """D (n, M A) from T (n, M, components)."""
        return (t @ t[:, : self.axis_neuron].transpose(0, 2, 1)).reshape(len(t), t.shape[1] * self.axis_neuron)

    def reverse_features(self, t: Array, gradient: Array) -> Array:
        """dE/dT (n, M, components) from dE/dD."""
        g = gradient.reshape(len(t), t.shape[1], self.axis_neuron)
        dt = g @ t[:, : self.axis_neuron]
        dt[:, : self.axis_neuron] += g.transpose(0, 2, 1) @ t
        return dt
