# SPDX-License-Identifier: MIT
"""Derivatives of embedding nets along their input, against finite differences and a hand formula."""

import numpy as np
import pytest

from pybuild.compress import nets
from pybuild.errors import ModelError
from pybuild.model.activations import parse
from pybuild.model.net import Layer, Net, Skip
from pybuild.model.piecewise import Piecewise, check_piecewise

STEP = 1e-3  # of five-point differences: error h^4 f^(5) / 30 and rounding 1e-16 / h
DIFFERENCE = 1e-8  # measured 3e-10
SMOOTH = ("tanh", "gelu", "softplus", "sigmoid", "silu", "linear", "silut:2.0", "gelu_erf")


def five_point(f, x):
    """df/dx from values at four points around x."""
    return (f(x - 2 * STEP) - 8 * f(x - STEP) + 8 * f(x + STEP) - f(x + 2 * STEP)) / (12 * STEP)


@pytest.mark.parametrize("activation", SMOOTH)
@pytest.mark.parametrize("widths", [(1, 3, 6, 12), (1, 1, 2, 4), (1, 4, 4, 5)])  # doubled, identity from the first layer on, none
def test_derivatives_against_finite_differences(make_model, activation, widths):
    net = make_model(seed=3, activation=activation, widths=widths).descriptors[0].nets[0]
    assert {layer.skip for layer in net.layers} & {Skip.DOUBLED, Skip.IDENTITY}
    assert any(layer.idt is not None for layer in net.layers)
    x = np.linspace(-2, 7, 41)
    _, slope, curvature = nets.derivatives_along(net, x)
    np.testing.assert_allclose(slope, five_point(lambda y: nets.derivatives_along(net, y)[0], x), atol=DIFFERENCE)
    np.testing.assert_allclose(curvature, five_point(lambda y: nets.derivatives_along(net, y)[1], x), atol=DIFFERENCE)


@pytest.mark.parametrize("activation", ["relu", "relu6"])
def test_piecewise_linear_nets_have_no_curvature(make_model, activation):
    net = make_model(seed=3, activation=activation).descriptors[0].nets[0]
    value, slope, curvature = nets.derivatives_along(net, np.linspace(-2, 7, 41))
    assert np.abs(value).max() > 0
    assert np.abs(slope).max() > 0
    np.testing.assert_array_equal(curvature, 0.0)


def test_two_layers_by_hand():
    """y = tanh(a x + b); z = (y, y) + t tanh(y w + c) with a doubled skip."""
    first = Layer(np.array([[0.7]]), np.array([0.2]), None, parse("tanh"), Skip.NONE)
    second = Layer(np.array([[0.5, -1.1]]), np.array([0.1, 0.3]), np.array([0.4, 0.9]), parse("tanh"), Skip.DOUBLED)
    x = np.linspace(-1, 2, 7)
    y = np.tanh(0.7 * x + 0.2)
    dy = 0.7 * (1 - y**2)
    ddy = -2 * 0.7 * y * dy
    value, slope, curvature = nets.derivatives_along(Net((first, second)), x)
    for k in range(2):
        w, c, t = second.weight[0, k], second.bias[k], second.idt[k]
        u = np.tanh(w * y + c)
        np.testing.assert_allclose(value[:, k], y + t * u, atol=1e-15)
        np.testing.assert_allclose(slope[:, k], dy * (1 + t * w * (1 - u**2)), atol=1e-15)
        bent = -2 * u * (1 - u**2) * (w * dy) ** 2 + (1 - u**2) * w * ddy
        np.testing.assert_allclose(curvature[:, k], ddy + t * bent, atol=1e-15)


def test_more_points_than_are_handled_at_once(make_model):
    net = make_model(seed=3).descriptors[0].nets[0]
    x = np.linspace(-2, 7, 2 * nets.CHUNK + 5)
    whole = nets.derivatives_along(net, x)
    part = nets.derivatives_along(net, x[nets.CHUNK - 1 : nets.CHUNK + 2])
    for a, b in zip(whole, part, strict=True):
        np.testing.assert_allclose(a[nets.CHUNK - 1 : nets.CHUNK + 2], b, atol=1e-14)  # products of other sizes round otherwise


def test_a_function_at_knots(make_model):
    """Quintic pieces through a smooth net: its own error between the knots, what is given at them, straight lines beyond."""
    net = make_model(seed=3, widths=(1, 3, 6)).descriptors[0].nets[0]
    knots = np.concatenate([np.linspace(-1, 2, 61), np.linspace(2.1, 3, 10)])
    function = Piecewise(knots, *nets.derivatives_along(net, knots))
    check_piecewise(function, "net")
    for got, expected in zip(function.derivatives(knots), nets.derivatives_along(net, knots), strict=True):
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-12)
    x = np.linspace(-1, 3, 997)
    for got, expected, error in zip(function.derivatives(x), nets.derivatives_along(net, x), (1e-6, 1e-4, 1e-2), strict=True):
        np.testing.assert_allclose(got, expected, rtol=0, atol=error)
    value, slope, curvature = function.derivatives(np.array([-3.0, 5.0]))
    ends = nets.derivatives_along(net, np.array([-1.0, 3.0]))
    np.testing.assert_allclose(slope, ends[1], rtol=0, atol=1e-12)
    np.testing.assert_allclose(value, ends[0] + np.array([[-2.0], [2.0]]) * ends[1], rtol=0, atol=1e-12)
    assert not curvature.any()
    assert nets.kinks(function, -2.0, 4.0).tolist() == [-1.0, 3.0]
    with pytest.raises(ModelError, match=r"net\.knots must be two or more finite numbers that increase"):
        check_piecewise(Piecewise(knots[::-1], *nets.derivatives_along(net, knots)), "net")
