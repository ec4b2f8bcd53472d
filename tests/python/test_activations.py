# SPDX-License-Identifier: MIT
"""Activations against their definitions: values, slopes by complex step, curvatures by differences of complex steps."""

import cmath
import math

import numpy as np
import pytest

from pybuild.errors import ModelError
from pybuild.model import activations

POINTS = np.concatenate([np.linspace(-9.0, 9.0, 73) + 0.017, [-40.0, -25.3, 25.3, 40.0]])
VALUE_TOLERANCE = 2e-15  # relative, against the same formula in another order of operations: a few roundings
SLOPE_TOLERANCE = 5e-15  # complex step: exact to rounding
CURVATURE_TOLERANCE = 2e-9  # central difference of complex steps, 1e-5 apart: 1e-10 truncation, 1e-16/1e-5 rounding
STEP, WIDTH = 1e-30, 1e-5


def _sigmoid(z):
    return 1.0 / (1.0 + cmath.exp(-z)) if z.real >= 0 else cmath.exp(z) / (1.0 + cmath.exp(z))


def _softplus(z):
    return z + cmath.log(1.0 + cmath.exp(-z)) if z.real >= 0 else _log1p(cmath.exp(z))


def _log1p(z):
    return complex(math.log1p(z.real), z.imag / (1.0 + z.real))


def _silut(threshold):
    at = threshold * _sigmoid(complex(threshold)).real
    slope = (complex(threshold, STEP) * _sigmoid(complex(threshold, STEP))).imag / STEP
    return lambda z: z * _sigmoid(z) if z.real < threshold else cmath.tanh(slope * (z - threshold)) + at


def _gelu(z):
    return 0.5 * z * (1.0 + cmath.tanh(math.sqrt(2.0 / math.pi) * (z + 0.044715 * z**3)))


def _gelu_erf(z):
    """erfc of a number with hardly an imaginary part."""
    at = -z.real / math.sqrt(2.0)
    slope = math.sqrt(2.0 / math.pi) * math.exp(-at * at)
    return 0.5 * z * complex(math.erfc(at), slope * z.imag)


DEFINITIONS = {
    "linear": lambda z: z,
    "none": lambda z: z,
    "tanh": cmath.tanh,
    "gelu": _gelu,
    "gelu_tf": _gelu,
    "gelu_erf": _gelu_erf,
    "relu": lambda z: z if z.real > 0 else 0j,
    "relu6": lambda z: 0j if z.real < 0 else (z if z.real < 6 else 6 + 0j),
    "softplus": _softplus,
    "sigmoid": _sigmoid,
    "silu": lambda z: z * _sigmoid(z),
    "silut": _silut(3.0),
    "silut:1.5": _silut(1.5),
    "custom_silu:-0.4": _silut(-0.4),
    "SiLUT:10.0": _silut(10.0),
    "Tanh": cmath.tanh,
}


@pytest.mark.parametrize("name", DEFINITIONS)
def test_value_and_derivatives(name):
    f = DEFINITIONS[name]
    value, slope, curvature = activations.parse(name).evaluate(POINTS)
    for x, v, s, c in zip(POINTS, value, slope, curvature, strict=True):
        assert v == pytest.approx(f(complex(x)).real, rel=VALUE_TOLERANCE, abs=VALUE_TOLERANCE)
        assert s == pytest.approx(f(complex(x, STEP)).imag / STEP, rel=SLOPE_TOLERANCE, abs=SLOPE_TOLERANCE)
        difference = (f(complex(x + WIDTH, STEP)).imag - f(complex(x - WIDTH, STEP)).imag) / (2.0 * WIDTH * STEP)
        assert c == pytest.approx(difference, abs=CURVATURE_TOLERANCE)


@pytest.mark.parametrize("name", sorted(activations.CODES))
def test_far_away_nothing_overflows(name):
    with np.errstate(all="raise", under="ignore"):
        derivatives = activations.parse(name).evaluate(np.array([-1e4, -800.0, 800.0, 1e4]))
    assert all(np.isfinite(d).all() for d in derivatives)


def test_values_of_gelu_erf():
    """x Phi(x) with the normal distribution's tables."""
    value, slope, curvature = activations.parse("gelu_erf").evaluate([1.0, -1.0, 0.0])
    np.testing.assert_allclose(value, [0.8413447460685429, -0.15865525393145707, 0.0], rtol=1e-15)
    np.testing.assert_allclose(slope, [0.8413447460685429 + 0.24197072451914337, 0.15865525393145707 - 0.24197072451914337, 0.5])
    np.testing.assert_allclose(curvature, [0.24197072451914337, 0.24197072451914337, 2.0 * 0.3989422804014327])


def test_small_values_keep_their_relative_precision():
    """gelu, silu, softplus and sigmoid decay for x << 0; none of them may be computed as a difference of ones."""
    x = np.array([-20.0])
    assert activations.parse("sigmoid").evaluate(x)[0][0] == pytest.approx(math.exp(-20.0) / (1.0 + math.exp(-20.0)), rel=1e-15)
    assert activations.parse("softplus").evaluate(x)[0][0] == pytest.approx(math.log1p(math.exp(-20.0)), rel=1e-15)
    u2 = 2.0 * math.sqrt(2.0 / math.pi) * (-5.0 + 0.044715 * -125.0)
    assert activations.parse("gelu").evaluate([-5.0])[0][0] == pytest.approx(
        -5.0 * math.exp(u2) / (1.0 + math.exp(u2)), rel=1e-14
    )


def test_corners():
    assert activations.parse("relu").evaluate([0.0])[1][0] == 0.0
    assert activations.parse("relu6").evaluate([0.0, 6.0])[1].tolist() == [0.0, 0.0]
    below, at = activations.parse("silut:2.0").evaluate([2.0 - 1e-12, 2.0])[1]
    assert at == pytest.approx(below, abs=1e-11)  # continuous slope by construction


def test_codes_are_those_of_the_table_format():
    order = ["linear", "tanh", "gelu", "relu", "relu6", "softplus", "sigmoid", "silu", "silut", "gelu_erf"]
    assert [activations.CODES[name] for name in order] == list(range(10))
    assert len(activations.CODES) == len(order)
    assert activations.parse("custom_silu:4.5") == activations.Activation("silut", 8, 4.5)
    assert activations.parse(None) == activations.Activation("linear", 0, 0.0)


@pytest.mark.parametrize("name", ["", "mish", "tanh:2", "silut:", "silut:x", "silut:inf", "linear "])
def test_unknown_names_are_refused(name):
    with pytest.raises(ModelError, match="activation function"):
        activations.parse(name)


@pytest.mark.parametrize("name", sorted(activations.CODES))
def test_against_torch(name):
    torch = pytest.importorskip("torch")
    from pybuild.oracles.reference_torch import _activate

    x = torch.tensor(POINTS, requires_grad=True)
    y = _activate(torch, activations.parse(name), x)
    (slope,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    value, expected, _ = activations.parse(name).evaluate(POINTS)
    np.testing.assert_allclose(y.detach().numpy(), value, rtol=1e-14, atol=1e-14)
    np.testing.assert_allclose(slope.detach().numpy(), expected, rtol=1e-13, atol=1e-13)
