# SPDX-License-Identifier: MIT
"""What the oracles of all kinds of descriptors share: the switch function, nets and fitting nets with their reverse."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..arrays import Array, Index
from ..model.description import EnergyFitting
from ..model.net import Layer, Net, Skip


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


def energy_and_reverse(fitting: EnergyFitting, a: int, descriptor: Array) -> tuple[Array, Array]:
    """(E_i, dE/dD) of centres of type a with the descriptors D (n, n_in): E = net(D) + bias (- net(0))."""
    out, tape = net_forward(fitting.net(a), descriptor)
    energy = out[:, 0] + fitting.energy_bias[a]
    if a in fitting.vacuum_subtracted:
        energy = energy - net_forward(fitting.net(a), np.zeros((1, descriptor.shape[1])))[0][0, 0]
    return energy, net_reverse(tape, np.ones((len(descriptor), 1)))


Tape = list[tuple[Layer, Array]]  # per layer: the layer, and act'(x W + b)


def net_forward(net: Net, x: Array) -> tuple[Array, Tape]:
    """Outputs (n, n_out) for inputs (n, n_in), and what net_reverse needs."""
    tape = []
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
