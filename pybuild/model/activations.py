# SPDX-License-Identifier: MIT
"""Activation functions: value, first and second derivative in float64, and their code in a table file.

One definition for the oracles, the tables and the readers, which know the names that DeePMD-kit uses. Codes as in
docs/tables-format.md, `fitting.a.layers`. Not differentiable points take the derivative from the left for relu (0 at x = 0) and
0 at both corners of relu6, as PyTorch does.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import Array
from ..errors import ModelError

Derivatives = tuple[Array, Array, Array]

DEFAULT_SILUT_THRESHOLD = 3.0  # "silut" without a number
GELU_SCALE = math.sqrt(2.0 / math.pi)  # gelu(x) = x/2 (1 + tanh(GELU_SCALE (x + GELU_CUBIC x^3)))
GELU_CUBIC = 0.044715
LARGEST_CUBIC = 1.0
_ERFC = np.vectorize(math.erfc, otypes=[np.float64])


@dataclass(frozen=True)
class Activation:
    """An activation function: ``code`` and ``parameter`` are what a table file stores.

    parameter: the threshold of silut; the cubic constant of gelu, 0 standing for 0.044715; 0 for all others.
    """

    name: str
    code: int
    parameter: float

    @property
    def corners(self) -> tuple[float, ...]:
        """Where its first or second derivative jumps."""
        return {"relu": (0.0,), "relu6": (0.0, 6.0), "silut": (self.parameter,)}.get(self.name, ())

    @property
    def kinked(self) -> bool:
        """Whether its first derivative jumps somewhere."""
        return self.name in ("relu", "relu6")

    @property
    def cubic(self) -> float:
        """gelu's constant: TensorFlow's own gelu (gelu_tf) has it rounded to float32."""
        return self.parameter or GELU_CUBIC

    def slope(self, x: Array) -> tuple[Array, Array]:
        """Value and first derivative at x (any shape), float64."""
        if self.name == "tanh":
            t = np.tanh(x)
            slope = t * t
            return t, np.subtract(1.0, slope, out=slope)
        return self.evaluate(x)[:2]

    def evaluate(self, x: ArrayLike) -> Derivatives:
        """Value, first and second derivative at x (any shape); three float64 arrays of that shape."""
        x = np.asarray(x, dtype=np.float64)
        if self.name == "silut":
            return _silut(x, self.parameter)
        if self.name == "gelu":
            return _gelu(x, self.cubic)
        return _FUNCTIONS[self.name](x)


def parse(name: str | None) -> Activation:
    """The activation of a DeePMD-kit name; None means linear. Upper and lower case are the same.

    Known: tanh, gelu = gelu_tf (both the tanh form), gelu_erf (DeePMD-kit's gelu of early 2024, a name of ours), gelu:C with
    another cubic constant than 0.044715, relu, relu6, softplus, sigmoid, silu, linear = none, silut:T = custom_silu:T (T = 3
    where absent). Raises ModelError for any other name.
    """
    text = "linear" if name is None else name.lower()
    base, colon, argument = text.partition(":")
    base = _ALIASES.get(base, base)
    if base not in CODES or (colon and base not in ("silut", "gelu")):
        raise ModelError(
            f"activation function '{name}' is not known; known: {', '.join(CODES)} (silut takes a threshold: silut:3.0)"
        )
    if base == "silut":
        return Activation(base, CODES[base], _parameter(name, argument if colon else str(DEFAULT_SILUT_THRESHOLD)))
    cubic = _parameter(name, argument) if colon else GELU_CUBIC
    if not 0.0 < cubic <= LARGEST_CUBIC:
        raise ModelError(f"activation function '{name}': the constant {cubic} is not in (0, {LARGEST_CUBIC:g}]")
    return Activation(base, CODES[base], 0.0 if cubic == GELU_CUBIC else cubic)


def from_code(code: int, parameter: float) -> Activation:
    """That of a table file's code and parameter. Raises ModelError for a code that does not exist."""
    names = {known: name for name, known in CODES.items()}
    if code not in names:
        raise ModelError(f"there is no activation function with the code {code}")
    return Activation(names[code], code, parameter)


def _parameter(name: str | None, argument: str) -> float:
    try:
        parameter = float(argument)
    except ValueError:
        parameter = math.nan
    if not math.isfinite(parameter):
        raise ModelError(f"activation function '{name}': '{argument}' is not a finite number")
    return parameter


def sigmoid(x: ArrayLike) -> Array:
    """1 / (1 + exp(-x)) without overflow, and with full relative precision for x << 0."""
    x = np.asarray(x, dtype=np.float64)
    e = np.exp(-np.abs(x))
    return np.where(x >= 0.0, 1.0, e) / (1.0 + e)


def _linear(x: Array) -> Derivatives:
    return x.copy(), np.ones_like(x), np.zeros_like(x)


def _tanh(x: Array) -> Derivatives:
    t = np.tanh(x)
    slope = 1.0 - t * t
    return t, slope, -2.0 * t * slope


def _gelu(x: Array, cubic: float) -> Derivatives:
    """x sigma(2u), u = GELU_SCALE (x + cubic x^3): the same as x/2 (1 + tanh u), without cancellation for x << 0."""
    u2 = 2.0 * GELU_SCALE * (x + cubic * x**3)
    du2 = 2.0 * GELU_SCALE * (1.0 + 3.0 * cubic * x**2)
    ddu2 = 12.0 * GELU_SCALE * cubic * x
    p = sigmoid(u2)
    dp = p * sigmoid(-u2)
    ddp = dp * (sigmoid(-u2) - p)
    return x * p, p + x * dp * du2, 2.0 * dp * du2 + x * (ddp * du2**2 + dp * ddu2)


def _gelu_erf(x: Array) -> Derivatives:
    """x Phi(x), Phi the normal distribution, as erfc(-x / sqrt(2)) / 2: without cancellation for x << 0."""
    phi = 0.5 * _ERFC(-math.sqrt(0.5) * x)
    bell = np.exp(-0.5 * x * x) / math.sqrt(2.0 * math.pi)
    return x * phi, phi + x * bell, (2.0 - x * x) * bell


def _relu(x: Array) -> Derivatives:
    return np.maximum(x, 0.0), np.where(x > 0.0, 1.0, 0.0), np.zeros_like(x)


def _relu6(x: Array) -> Derivatives:
    return np.clip(x, 0.0, 6.0), np.where((x > 0.0) & (x < 6.0), 1.0, 0.0), np.zeros_like(x)


def _softplus(x: Array) -> Derivatives:
    p = sigmoid(x)
    return np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x))), p, p * sigmoid(-x)


def _sigmoid(x: Array) -> Derivatives:
    p, q = sigmoid(x), sigmoid(-x)
    return p, p * q, p * q * (q - p)


def _silu(x: Array) -> Derivatives:
    p, q = sigmoid(x), sigmoid(-x)
    return x * p, p + x * p * q, p * q * (2.0 + x * (q - p))


def _silut(x: Array, threshold: float) -> Derivatives:
    """silu below the threshold T; tanh(c (x - T)) + silu(T) from T on, c = silu'(T)."""
    value, slope, curvature = _silu(x)
    at, c, _ = (float(d[0]) for d in _silu(np.array([threshold])))
    t = np.tanh(c * (x - threshold))
    beyond = x >= threshold
    dt = c * (1.0 - t * t)
    return np.where(beyond, t + at, value), np.where(beyond, dt, slope), np.where(beyond, -2.0 * c * t * dt, curvature)


_FUNCTIONS: dict[str, Callable[[Array], Derivatives]] = {
    "linear": _linear,
    "tanh": _tanh,
    "relu": _relu,
    "relu6": _relu6,
    "softplus": _softplus,
    "sigmoid": _sigmoid,
    "silu": _silu,
    "gelu_erf": _gelu_erf,
}
NAMES = ("linear", "tanh", "gelu", "relu", "relu6", "softplus", "sigmoid", "silu", "silut", "gelu_erf")
CODES: dict[str, int] = {name: code for code, name in enumerate(NAMES)}
_ALIASES = {"none": "linear", "gelu_tf": "gelu", "custom_silu": "silut"}
