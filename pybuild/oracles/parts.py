# SPDX-License-Identifier: MIT
"""What the oracles of all kinds of descriptors share: the switch function, nets and fitting nets with their reverse."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import Array, Index
from ..model.description import EnergyFitting, Parameters
from ..model.net import Layer, Net, Skip
from ..model.piecewise import Piecewise


@dataclass(frozen=True)
class Pairs:
    """Neighbours sorted by centre: centre (p,), neighbour (p,), vector d = r_j - r_i (p, 3) angstrom."""

    centre: Index
    neighbour: Index
    vector: Array


@dataclass(frozen=True)
class Around:
    """Neighbours of n centres of one type: centre (p,) 0 .. n - 1, types (p,); seen: the types that are not excluded."""

    n: int
    centre: Index
    types: Index
    seen: list[int]


def energy_and_reverse(fitting: EnergyFitting, a: int, descriptor: Array, parameters: Array) -> tuple[Array, Array]:
    """(E_i, dE/dD) of centres of type a with the descriptors D (n, n_in) and parameters as net_parameters has them: E = net(D,
    parameters) + bias (- net(0, parameters))."""
    out, tape = net_forward(fitting.net(a), np.hstack([descriptor, parameters]))
    energy = out[:, 0] + fitting.energy_bias[a]
    if a in fitting.vacuum_subtracted:
        energy = energy - net_forward(fitting.net(a), np.hstack([0 * descriptor, parameters]))[0][:, 0]
    return energy, net_reverse(tape, np.ones((len(descriptor), 1)))[:, : descriptor.shape[1]]


def net_parameters(p: Parameters, n: int, fparam: ArrayLike | None, aparam: ArrayLike | None) -> Array:
    """(n, p.n_inputs) what the fitting nets take after the descriptors, by atom: (value - mean) scale, then the constants."""
    given = p.rows(n, fparam, aparam)
    scaled = [(given[:, k] - p.mean[k]) * p.scale[k] for k in range(given.shape[1])]
    return np.array([*scaled, *(np.full(n, value) for value in p.constants)]).reshape(p.n_inputs, n).T


Tape = list[tuple[Layer | None, Array]]  # per layer: the layer, and act'(x W + b); of a function at knots: None, its slope

# Quintic polynomials of t in [0, 1] by powers: what value, slope and curvature at 0, then at 1, are multiplied by.
HERMITE = np.array(
    [
        [1, 0, 0, -10, 15, -6],
        [0, 1, 0, -6, 8, -3],
        [0, 0, 0.5, -1.5, 1.5, -0.5],
        [0, 0, 0, 10, -15, 6],
        [0, 0, 0, -4, 7, -3],
        [0, 0, 0, 0.5, -1, 0.5],
    ]
)


def between_knots(function: Piecewise, x: Array) -> tuple[Array, Array]:
    """Value and slope (n, M) at x (n,)."""
    inside = np.minimum(np.maximum(x, function.knots[0]), function.knots[-1])
    left = np.minimum(np.sum(inside[:, None] >= function.knots[None, 1:], axis=1), len(function.knots) - 2)
    h = function.knots[left + 1] - function.knots[left]
    t = (inside - function.knots[left]) / h
    data = (function.value, function.slope, function.curvature)
    given = [(a[left + k], h**power) for k in (0, 1) for power, a in enumerate(data)]
    powers, slopes = t[:, None] ** np.arange(6), np.arange(6) * t[:, None] ** np.maximum(np.arange(6) - 1, 0)
    value = sum(known * (scale * (powers @ row))[:, None] for (known, scale), row in zip(given, HERMITE, strict=True))
    slope = sum(known * (scale / h * (slopes @ row))[:, None] for (known, scale), row in zip(given, HERMITE, strict=True))
    return value + slope * (x - inside)[:, None], slope


def net_forward(net: Net | Piecewise, x: Array) -> tuple[Array, Tape]:
    """Outputs (n, n_out) for inputs (n, n_in), and what net_reverse needs."""
    if isinstance(net, Piecewise):
        value, slope = between_knots(net, x[:, 0])
        return value, [(None, slope)]
    tape: Tape = []
    for layer in net.layers:
        y, slope, _ = layer.activation.evaluate(x @ layer.weight + layer.bias)
        tape.append((layer, slope))
        if layer.idt is not None:
            y = y * layer.idt
        if layer.skip is Skip.IDENTITY:
            y = y + x
        elif layer.skip is Skip.DOUBLED:
            y = y + np.concatenate([x, x], axis=1)
        x = y
    return x, tape


def net_reverse(tape: Tape, d_out: Array) -> Array:
    """dE/dinput (n, n_in) from dE/doutput (n, n_out)."""
    for layer, slope in reversed(tape):
        if layer is None:
            d_out = np.sum(d_out * slope, axis=1, keepdims=True)
            continue
        d_act = d_out if layer.idt is None else d_out * layer.idt
        d_in = (d_act * slope) @ layer.weight.T
        if layer.skip is Skip.IDENTITY:
            d_in = d_in + d_out
        elif layer.skip is Skip.DOUBLED:
            half = d_in.shape[1]
            d_in = d_in + d_out[:, :half] + d_out[:, half:]
        d_out = d_in
    return d_out


def switch(r: Array, rcut_smth: float, rcut: float) -> tuple[Array, Array]:
    """sw(r) and its derivative."""
    u = np.clip((r - rcut_smth) / (rcut - rcut_smth), 0.0, 1.0)
    return u**3 * (-6.0 * u**2 + 15.0 * u - 10.0) + 1.0, -30.0 * u**2 * (u - 1.0) ** 2 / (rcut - rcut_smth)
