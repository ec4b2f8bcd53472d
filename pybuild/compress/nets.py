# SPDX-License-Identifier: MIT
"""Value, first and second derivative of an embedding net along its one input, vectorised over points, in float64.

The chain rule is carried forward through every activation, timestep (idt) and skip connection. A net with activations that have
corners has kinks along its input: points where a derivative jumps.
"""

from __future__ import annotations

import numpy as np

from ..arrays import Array
from ..model.net import Layer, Net
from ..model.piecewise import Piecewise

CHUNK = 128  # points handled at once: 128 x 100 channels x value and derivatives are 0.2 to 0.3 MB, in a second-level cache
SAMPLES = 4000  # of a range, between which a neuron meets its corner at most once
BISECTIONS = 60  # halvings of a bracket: down to rounding
APART = 1e-7  # kinks closer than this, relative to their size, count as one


def derivatives_along(net: Net | Piecewise, x: Array, order: int = 2) -> tuple[Array, ...]:
    """G(x), G'(x), G''(x), each (n, M), of a net with one input, or a function at knots, at x (n,); order 1: without the last."""
    if isinstance(net, Piecewise):
        return net.derivatives(x)[: order + 1]
    out = np.empty((order + 1, x.size, net.n_out))
    for start in range(0, x.size, CHUNK):
        part = np.asarray(x[start : start + CHUNK], dtype=np.float64)
        y = np.zeros((order + 1, len(part), 1))
        y[0, :, 0], y[1] = part, 1.0
        for layer in net.layers:
            y = _layer_derivatives(layer, y)
        out[:, start : start + CHUNK] = y
    return tuple(out)


def _layer_derivatives(layer: Layer, of_input: Array) -> Array:
    """Value and derivatives, (order + 1, n, n_out) from (order + 1, n, n_in): one product of matrices for all of them."""
    n_in, n_out = layer.weight.shape
    y = (of_input.reshape(-1, n_in) @ layer.weight).reshape(*of_input.shape[:2], n_out)
    z, dz, *ddz = y
    z += layer.bias
    f, df, *second = layer.activation.evaluate(z) if ddz else layer.activation.slope(z)
    z[:] = f
    for curvature, ddf in zip(ddz, second, strict=True):
        curvature *= df
        curvature += ddf * dz * dz
    dz *= df
    if layer.idt is not None:
        y *= layer.idt
    layer.add_skipped(y.reshape(-1, n_out), of_input.reshape(-1, n_in))
    return y


def kinks(net: Net | Piecewise, lower: float, upper: float) -> Array:
    """(n,) increasing x between lower and upper where the first or second derivative of the net jumps: some neuron's sum is at
    a corner of its activation. Neurons are followed layer by layer between the kinks of the layers before. A function at knots
    has its ends."""
    found, layers = (net.knots[[0, -1]], ()) if isinstance(net, Piecewise) else (np.empty(0), net.layers)
    for depth, layer in enumerate(layers):
        corners = layer.activation.corners
        if corners:
            grid = np.unique(np.concatenate([np.linspace(lower, upper, SAMPLES + 1), found]))
            roots = [_roots(Net(layers[: depth + 1]), grid, corner) for corner in corners]
            found = np.unique(np.concatenate([found, *roots]))
    inside = found[(found > lower + APART * (1 + abs(lower))) & (found < upper - APART * (1 + abs(upper)))]
    return inside[np.diff(inside, prepend=-np.inf) > APART * (1 + np.abs(inside))]


def _roots(net: Net, grid: Array, corner: float) -> Array:
    """All x where a sum of the last layer crosses the corner, by bisection of the intervals of the grid in which it does."""
    sums = _last_sums(net, grid) - corner
    interval, neuron = np.nonzero((sums[:-1] < 0) != (sums[1:] < 0))
    low, high, below = grid[interval], grid[interval + 1], sums[interval, neuron] < 0
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        same = np.concatenate(
            [
                (_last_sums(net, middle[part])[np.arange(len(middle[part])), neuron[part]] < corner) == below[part]
                for part in (slice(k, k + CHUNK) for k in range(0, len(middle), CHUNK))
            ]
            or [np.empty(0, dtype=bool)]
        )
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    return 0.5 * (low + high)


def _last_sums(net: Net, x: Array) -> Array:
    """(n, width) what the last layer's activation is applied to."""
    y = x[:, None]
    for layer in net.layers[:-1]:
        value = layer.activation.evaluate(y @ layer.weight + layer.bias)[0]
        following = value if layer.idt is None else value * layer.idt
        layer.add_skipped(following, y)
        y = following
    return y @ net.layers[-1].weight + net.layers[-1].bias
