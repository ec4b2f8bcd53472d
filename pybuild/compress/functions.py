# SPDX-License-Identifier: MIT
"""What a table holds: functions of the one argument that it is looked up at.

Those of a pair of types are the outputs G of an embedding net along x, which may be multiplied by 1 + w(s) g_ab with
TensorFlow's switch w; or G_ab(r) = net(x(r)) (1 + sw(r) g_ab) along t = rcut - r, which is smooth where x is not: r(x) has a root
at the cutoff. Those of two neighbours, whose product x multiplies their net's outputs, are h(x) = x G(x).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np

from ..arrays import Array
from ..descriptors.radial import Radial
from ..model.descriptor import Argument, Descriptor
from ..model.net import Net
from ..model.piecewise import Piecewise
from .nets import derivatives_along, kinks

Derivatives = tuple[Array, ...]


class Function(Protocol):
    """Of one argument t."""

    argument: ClassVar[Argument]

    @property
    def net(self) -> Net | Piecewise:
        """What it is made of."""

    @property
    def width(self) -> int:
        """M."""

    @property
    def knots(self) -> Array | None:
        """Between which it is quintic polynomials, None where it is not."""

    def derivatives(self, t: Array, order: int = 2) -> Derivatives:
        """Value, first and second derivative, each (n, M), at t (n,); order 1: without the last."""

    def kinks(self, lower: float, upper: float) -> Array:
        """(n,) increasing t between lower and upper where the first or second derivative jumps."""

    def joints(self) -> Array:
        """(n,) where a higher derivative jumps."""

    def spread(self, low: float, high: float, n: int) -> tuple[Array, Array]:
        """n arguments from low to high, as dense as the function changes; and what a slope there times this counts like a
        value."""


@dataclass(frozen=True)
class NetAlongX:
    """An embedding net along its own argument, which has standard deviation 1."""

    argument: ClassVar[Argument] = Argument.X

    net: Net | Piecewise

    @property
    def width(self) -> int:
        return self.net.n_out

    @property
    def knots(self) -> Array | None:
        return self.net.knots if isinstance(self.net, Piecewise) else None

    def derivatives(self, t: Array, order: int = 2) -> Derivatives:
        return derivatives_along(self.net, t, order)

    def kinks(self, lower: float, upper: float) -> Array:
        return kinks(self.net, lower, upper)

    def joints(self) -> Array:
        return np.empty(0)

    def spread(self, low: float, high: float, n: int) -> tuple[Array, Array]:
        return np.linspace(low, high, n), np.ones(n)


@dataclass(frozen=True)
class GatedAlongX(NetAlongX):
    """net(x) (1 + w gate) around centres of one type, w = 1 - u^3, u = 1 - radius s or, where that is negative, 0; s = std x +
    mean. That s is negative does not happen."""

    gate: Array  # (M,)
    radius: float  # angstrom
    mean: float
    std: float

    @property
    def knots(self) -> Array | None:
        return None  # of degree eight where the net's are five

    def derivatives(self, t: Array, order: int = 2) -> Derivatives:
        g, dg, ddg = derivatives_along(self.net, t)
        u, du = np.maximum(1.0 - self.radius * (self.std * t + self.mean), 0.0)[:, None], -self.radius * self.std
        f, df, ddf = 1.0 + (1.0 - u**3) * self.gate, -3.0 * u**2 * du * self.gate, -6.0 * u * du**2 * self.gate
        return (g * f, dg * f + g * df, ddg * f + 2.0 * dg * df + g * ddf)[: order + 1]

    def joints(self) -> Array:
        """The switch begins there."""
        return np.array([(1.0 / self.radius - self.mean) / self.std])


@dataclass(frozen=True)
class GatedAlongR:
    """net(x(r)) (1 + sw(r) gate) around centres of one type, along t = rcut - r."""

    argument: ClassVar[Argument] = Argument.R

    net: Net | Piecewise
    gate: Array  # (M,)
    radial: Radial
    centre: int

    @property
    def width(self) -> int:
        return self.net.n_out

    @property
    def knots(self) -> Array | None:
        return None

    def derivatives(self, t: Array, order: int = 2) -> Derivatives:
        (x, dx, ddx), (sw, dsw, ddsw) = self.radial.along_r(self.centre, self.radial.rcut - t)
        g, dg, ddg = derivatives_along(self.net, x)
        dg, ddg = dg * dx[:, None], ddg * dx[:, None] ** 2 + dg * ddx[:, None]
        f, df, ddf = 1.0 + sw[:, None] * self.gate, dsw[:, None] * self.gate, ddsw[:, None] * self.gate
        return (g * f, -(dg * f + g * df), ddg * f + 2.0 * dg * df + g * ddf)[: order + 1]

    def kinks(self, lower: float, upper: float) -> Array:
        (ends, _, _), _ = self.radial.along_r(self.centre, self.radial.rcut - np.array([lower, upper]))
        return self.radial.rcut - self.radial.distance(self.centre, kinks(self.net, *ends.tolist()))

    def joints(self) -> Array:
        """The switch begins there."""
        return np.array([self.radial.rcut - self.radial.rcut_smth])

    def spread(self, low: float, high: float, n: int) -> tuple[Array, Array]:
        """Evenly in r, or in its logarithm where r is small: x runs away there like 1/r."""
        farthest, closest = self.radial.rcut - low, self.radial.rcut - high
        r = np.geomspace(farthest, closest, n) if farthest < 1.0 else np.linspace(farthest, closest, n)
        return self.radial.rcut - r, np.minimum(r, 1.0)


@dataclass(frozen=True)
class ProductTimesNet:
    """x G(x) along the product x of two vectors: most of them are small, and those of close neighbours some hundred."""

    argument: ClassVar[Argument] = Argument.PRODUCT

    net: Net | Piecewise

    @property
    def width(self) -> int:
        return self.net.n_out

    @property
    def knots(self) -> Array | None:
        return None  # of degree six where the net's are five

    def derivatives(self, t: Array, order: int = 2) -> Derivatives:
        g, dg, ddg = derivatives_along(self.net, t)
        x = t[:, None]
        return (x * g, g + x * dg, 2.0 * dg + x * ddg)[: order + 1]

    def kinks(self, lower: float, upper: float) -> Array:
        return kinks(self.net, lower, upper)

    def joints(self) -> Array:
        return np.empty(0)

    def spread(self, low: float, high: float, n: int) -> tuple[Array, Array]:
        """Evenly around 0, in the logarithm where x is large. A product changes with a distance in proportion to itself."""
        t = np.sinh(np.linspace(np.arcsinh(low), np.arcsinh(high), n))
        return t, np.sqrt(1.0 + t**2)


def function_of(descriptor: Descriptor, a: int, group: int) -> NetAlongX | GatedAlongR | ProductTimesNet:
    """That of a group of neighbours of centres of type a."""
    net = descriptor.net(a, group)
    if descriptor.n_bodies == 3:
        return ProductTimesNet(net)
    if descriptor.gates is not None:
        gate, radial = descriptor.gates[a, group], descriptor.radial
        if descriptor.switch_radius is not None:
            return GatedAlongX(net, gate, descriptor.switch_radius, float(radial.mean[a]), float(radial.std[a]))
        return GatedAlongR(net, gate, radial, a)
    return NetAlongX(net)


def identity_of(descriptor: Descriptor, net: int, a: int, group: int) -> tuple[object, ...]:
    """The same for two groups with the same net exactly where their functions are."""
    if descriptor.gates is None or descriptor.n_bodies == 3:
        return (net,)
    return net, descriptor.gates[a, group].tobytes(), float(descriptor.mean[a]), float(descriptor.std[a].flat[0])
