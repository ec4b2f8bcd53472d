# SPDX-License-Identifier: MIT
"""Piecewise polynomials: exact on polynomials of their order, smooth at knots, convergent, linear beyond the ends."""

import numpy as np
import pytest

from pybuild.compress import hermite
from pybuild.compress.grid import Grid

ROUNDING = 1e-11  # of coefficients that come from differences divided by powers of the step
GRID = Grid(np.array([[-1.0, 0.25, 8], [1.0, 0.5, 6]]), 1.0)


def sample(function, grid, order):
    """Coefficients for a function given as (value, slope, curvature) at an array."""
    at = [f[:, None] for f in function(grid.knots())]
    return hermite.coefficients(tuple(f[:-1] for f in at), tuple(f[1:] for f in at), grid.steps(), order)


def polynomial(degree):
    p = np.polynomial.Polynomial(np.random.default_rng(degree).normal(size=degree + 1))
    return lambda x: (p(x), p.deriv()(x), p.deriv(2)(x))


def sine(x):
    return np.sin(x), np.cos(x), -np.sin(x)


@pytest.mark.parametrize("order", [3, 5])
def test_exact_on_polynomials_of_the_order(order):
    x = np.linspace(-1, 4, 137)
    value, slope = hermite.evaluate(sample(polynomial(order), GRID, order), GRID, x)
    exact = polynomial(order)(x)
    scale = np.abs(exact[0]).max()
    np.testing.assert_allclose(value[:, 0], exact[0], atol=ROUNDING * scale, rtol=0)
    np.testing.assert_allclose(slope[:, 0], exact[1], atol=ROUNDING * scale, rtol=0)


@pytest.mark.parametrize("order", [3, 5])
def test_not_exact_one_degree_higher(order):
    x = np.linspace(-1, 4, 137)
    value, _ = hermite.evaluate(sample(polynomial(order + 1), GRID, order), GRID, x)
    assert np.abs(value[:, 0] - polynomial(order + 1)(x)[0]).max() > 1e-5


@pytest.mark.parametrize(("order", "rate"), [(3, 4), (5, 6)])
def test_error_falls_with_the_step_to_the_power_of_order_plus_one(order, rate):
    errors = []
    for n in (4, 8, 16):
        grid = Grid(np.array([[0.0, 3.0 / n, n]]), 3.0)
        x = np.linspace(0, 3, 997)
        value, _ = hermite.evaluate(sample(sine, grid, order), grid, x)
        errors.append(np.abs(value[:, 0] - np.sin(x)).max())
    ratios = np.log2(np.array(errors[:-1]) / errors[1:])
    np.testing.assert_allclose(ratios, rate, atol=0.4)


@pytest.mark.parametrize("order", [3, 5])
def test_values_and_derivatives_at_both_ends_of_every_interval(order):
    coef = sample(sine, GRID, order)
    t = GRID.steps()[:, None]
    powers = np.arange(order + 1)
    knots = GRID.knots()
    for side, at in ((0, np.zeros_like(t)), (1, t)):
        x = knots[side : side + GRID.n_rows]
        value = (coef[:, :, 0] * at**powers).sum(axis=1)
        slope = (coef[:, 1:, 0] * powers[1:] * at ** powers[:-1]).sum(axis=1)
        np.testing.assert_allclose(value, np.sin(x), atol=ROUNDING)
        np.testing.assert_allclose(slope, np.cos(x), atol=ROUNDING)
        if order == 5:
            curvature = (coef[:, 2:, 0] * powers[2:] * powers[1:-1] * at ** powers[:-2]).sum(axis=1)
            np.testing.assert_allclose(curvature, -np.sin(x), atol=10 * ROUNDING)


def test_beyond_the_ends_the_tangent_is_followed():
    coef = sample(sine, GRID, 5)
    value, slope = hermite.evaluate(coef, GRID, np.array([-3.0, 6.0]))
    np.testing.assert_allclose(slope[:, 0], np.cos([-1.0, 4.0]), atol=ROUNDING)
    np.testing.assert_allclose(value[:, 0], np.sin([-1.0, 4.0]) + np.cos([-1.0, 4.0]) * [-2.0, 2.0], atol=ROUNDING)


def test_more_points_than_are_handled_at_once():
    coef = sample(sine, GRID, 5)
    x = np.random.default_rng(0).uniform(-1, 4, 2 * hermite.CHUNK + 3)
    value, slope = hermite.evaluate(coef, GRID, x)
    single = [hermite.evaluate(coef, GRID, x[k : k + 1]) for k in (0, hermite.CHUNK, x.size - 1)]
    np.testing.assert_array_equal(value[[0, hermite.CHUNK, -1], 0], [v[0, 0] for v, _ in single])
    np.testing.assert_array_equal(slope[[0, hermite.CHUNK, -1], 0], [s[0, 0] for _, s in single])
