# SPDX-License-Identifier: MIT
"""What a table holds: functions of the one argument that it is looked up at.

Those of a pair of types are the outputs G of an embedding net along x; those of two neighbours, whose product x multiplies their
net's outputs, h(x) = x G(x).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np

from ..arrays import Array
from ..model.descriptor import Argument, Descriptor
from ..model.net import Net
from ..model.piecewise import Piecewise
from .nets import derivatives_along, kinks

Derivatives = tuple[Array, Array, Array]


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

    def derivatives(self, t: Array) -> Derivatives:
        """Value, first and second derivative, each (n, M), at t (n,)."""

    def kinks(self, lower: float, upper: float) -> Array:
        """(n,) increasing t between lower and upper where the first or second derivative jumps."""

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

    def derivatives(self, t: Array) -> Derivatives:
        return derivatives_along(self.net, t)

    def kinks(self, lower: float, upper: float) -> Array:
        return kinks(self.net, lower, upper)

    def spread(self, low: float, high: float, n: int) -> tuple[Array, Array]:
        return np.linspace(low, high, n), np.ones(n)


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

    def derivatives(self, t: Array) -> Derivatives:
        g, dg, ddg = derivatives_along(self.net, t)
        x = t[:, None]
        return x * g, g + x * dg, 2.0 * dg + x * ddg

    def kinks(self, lower: float, upper: float) -> Array:
        return kinks(self.net, lower, upper)

    def spread(self, low: float, high: float, n: int) -> tuple[Array, Array]:
        """Evenly around 0, in the logarithm where x is large. A product changes with a distance in proportion to itself."""
        t = np.sinh(np.linspace(np.arcsinh(low), np.arcsinh(high), n))
        return t, np.sqrt(1.0 + t**2)


def function_of(descriptor: Descriptor, a: int, group: int) -> NetAlongX | ProductTimesNet:
    """That of a group of neighbours of centres of type a."""
    net = descriptor.net(a, group)
    return ProductTimesNet(net) if descriptor.n_bodies == 3 else NetAlongX(net)
