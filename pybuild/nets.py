# SPDX-License-Identifier: MIT
"""Value, first and second derivative of an embedding net along its one input, vectorised over points, in float64.

The chain rule is carried forward through every activation, timestep (idt) and skip connection.
"""

from __future__ import annotations

import numpy as np

from .activations import parse
from .description import Layer, Net
from .tableset import Array

CHUNK = 2048  # points handled at once: 2048 x 240 channels x 6 arrays are 24 MB


def derivatives_along(net: Net, x: Array) -> tuple[Array, Array, Array]:
    """G(x), G'(x), G''(x), each (n, M), of a net with one input at x (n,)."""
    width = net.layers[-1].weight.shape[1]
    out = tuple(np.empty((x.size, width)) for _ in range(3))
    for start in range(0, x.size, CHUNK):
        part = slice(start, start + CHUNK)
        point = np.asarray(x[part], dtype=np.float64)[:, None]
        y = (point, np.ones_like(point), np.zeros_like(point))
        for layer in net.layers:
            y = _layer_derivatives(layer, *y)
        for target, values in zip(out, y, strict=True):
            target[part] = values
    return out


def _layer_derivatives(layer: Layer, x: Array, dx: Array, ddx: Array) -> tuple[Array, Array, Array]:
    f, df, ddf = parse(layer.activation).evaluate(x @ layer.weight + layer.bias)
    dz = dx @ layer.weight
    y = [f, df * dz, df * (ddx @ layer.weight) + ddf * dz**2]
    if layer.idt is not None:
        y = [values * layer.idt for values in y]
    return tuple(values + _skip(layer, before) for values, before in zip(y, (x, dx, ddx), strict=True))


def _skip(layer: Layer, x: Array) -> Array | float:
    """What the layer adds of its input (n, n_in) to its output (n, n_out)."""
    if layer.skip == "identity":
        return x
    return np.concatenate([x, x], axis=1) if layer.skip == "doubled" else 0.0
