# SPDX-License-Identifier: MIT
"""Neural nets: layers with weights, activations and skip connections."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from ..arrays import Array
from .activations import Activation
from .checks import check_array, own, require


class Skip(IntEnum):
    """What a layer adds of its input to its output; numbers as in docs/tables-format.md."""

    NONE = 0
    IDENTITY = 1  # n_out == n_in
    DOUBLED = 2  # n_out == 2 n_in: the input twice

    def fits(self, n_in: int, n_out: int) -> bool:
        """Whether a layer of these widths can have it."""
        return self is Skip.NONE or n_out == self.value * n_in

    @classmethod
    def of_widths(cls, n_in: int, n_out: int) -> Skip:
        """That of a residual layer in DeePMD-kit: wherever the widths allow one."""
        return next((skip for skip in (cls.IDENTITY, cls.DOUBLED) if skip.fits(n_in, n_out)), cls.NONE)


@dataclass(frozen=True)
class Layer:
    """y = act(x W + b) * idt + skip(x). weight (n_in, n_out); bias (n_out,); idt (n_out,) or None for ones."""

    weight: Array
    bias: Array
    idt: Array | None
    activation: Activation
    skip: Skip

    def __post_init__(self) -> None:
        own(self, np.float64, "weight", "bias", "idt")

    def add_skipped(self, y: Array, x: Array) -> None:
        """Add to its output (n, n_out) what it takes of its input (n, n_in) as it is."""
        if self.skip is Skip.IDENTITY:
            y += x
        elif self.skip is Skip.DOUBLED:
            n = x.shape[1]
            y[:, :n] += x
            y[:, n:] += x


Tape = list[tuple[Layer, Array]]  # of each layer act'(x W + b)


@dataclass(frozen=True)
class Net:
    """Layers in order."""

    layers: tuple[Layer, ...]

    def forward(self, x: Array) -> tuple[Array, Tape]:
        """Outputs (n, n_out) for inputs (n, n_in), and what ``reverse`` needs."""
        tape = []
        for layer in self.layers:
            z = x @ layer.weight
            z += layer.bias
            y, slope = layer.activation.slope(z)
            tape.append((layer, slope))
            if layer.idt is not None:
                y *= layer.idt
            layer.add_skipped(y, x)
            x = y
        return x, tape

    def gradient(self, x: Array) -> Array:
        """dE/dx (n, n_in) of a net with one output."""
        y, tape = self.forward(x)
        return reverse(tape, np.ones_like(y))

    @property
    def n_in(self) -> int:
        """Numbers that go in."""
        return int(self.layers[0].weight.shape[0])

    @property
    def n_out(self) -> int:
        """Numbers that come out."""
        return int(self.layers[-1].weight.shape[1])


def reverse(tape: Tape, d_out: Array) -> Array:
    """dE/dinput (n, n_in) of a net from dE/doutput (n, n_out)."""
    for layer, slope in reversed(tape):
        d_in = ((d_out if layer.idt is None else d_out * layer.idt) * slope) @ layer.weight.T
        if layer.skip is Skip.IDENTITY:
            d_in = d_in + d_out
        elif layer.skip is Skip.DOUBLED:
            d_in = d_in + d_out[:, : d_in.shape[1]] + d_out[:, d_in.shape[1] :]
        d_out = d_in
    return d_out


def check_net(net: Net, field: str, n_in: int) -> None:
    """Raise ModelError unless the shapes follow each other from n_in numbers on, and the skips fit."""
    require(len(net.layers) > 0, field, "has no layers")
    for index, layer in enumerate(net.layers):
        name = f"{field}.layers[{index}]"
        require(
            layer.weight.ndim == 2 and layer.weight.shape[1] > 0,
            f"{name}.weight",
            f"has shape {layer.weight.shape}, must be (inputs, outputs)",
        )
        n_out = int(layer.weight.shape[1])
        check_array(layer.weight, f"{name}.weight", (n_in, n_out))
        check_array(layer.bias, f"{name}.bias", (n_out,))
        if layer.idt is not None:
            check_array(layer.idt, f"{name}.idt", (n_out,))
        require(isinstance(layer.activation, Activation), f"{name}.activation", f"is {layer.activation!r}, must be an Activation")
        require(isinstance(layer.skip, Skip), f"{name}.skip", f"is {layer.skip!r}, must be a Skip")
        fits = layer.skip.fits(n_in, n_out)
        skip = layer.skip.name.lower()
        require(fits, f"{name}.skip", f"is '{skip}', which {n_in} inputs and {n_out} outputs do not allow")
        n_in = n_out
