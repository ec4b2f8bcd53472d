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
    if order == hermite.HIGH_ORDER:
        x = grid.knots()[:-1, None] + grid.steps()[:, None] * (0.5 + 0.5 * hermite.NODES)
        value, slope, _ = function(x)
        return hermite.coefficients_of_high_order(value[..., None], slope[:, [0, -1], None], grid.steps())
    at = [f[:, None] for f in function(grid.knots())]
    return hermite.coefficients(tuple(f[:-1] for f in at), tuple(f[1:] for f in at), grid.steps(), order)


def polynomial(degree):
    p = np.polynomial.Polynomial(np.random.default_rng(degree).normal(size=degree + 1))
    return lambda x: (p(x), p.deriv()(x), p.deriv(2)(x))


def sine(x):
    return np.sin(x), np.cos(x), -np.sin(x)


@pytest.mark.parametrize("order", [3, 5, 11])
def test_exact_on_polynomials_of_the_order(order):
    x = np.linspace(-1, 4, 137)
    value, slope = hermite.evaluate(sample(polynomial(order), GRID, order), GRID, x)
    exact = polynomial(order)(x)
    scale = np.abs(exact[0]).max()
    np.testing.assert_allclose(value[:, 0], exact[0], atol=ROUNDING * scale, rtol=0)
    np.testing.assert_allclose(slope[:, 0], exact[1], atol=ROUNDING * scale, rtol=0)


@pytest.mark.parametrize("order", [3, 5, 11])
def test_not_exact_one_degree_higher(order):
    x = np.linspace(-1, 4, 137)
    value, _ = hermite.evaluate(sample(polynomial(order + 1), GRID, order), GRID, x)
    step = GRID.steps().max()
    assert np.abs(value[:, 0] - polynomial(order + 1)(x)[0]).max() > 1e-4 * (step / 2) ** (order + 1)


def test_errors_of_high_order_swing_evenly():
    """x^12 on one interval: nearly the least that any polynomial of order 11 leaves, 2^-11, no extremum much above others."""
    grid = Grid(np.array([[-1.0, 2.0, 1]]), 1.0)
    x = np.linspace(-1, 1, 4001)
    value, _ = hermite.evaluate(sample(lambda x: (x**12, 12 * x**11, 132 * x**10), grid, 11), grid, x)
    error = np.abs(value[:, 0] - x**12)
    extrema = error[1:-1][(error[1:-1] > error[:-2]) & (error[1:-1] > error[2:])]
    assert len(extrema) == 9
    assert 2**-11 < extrema.max() < 2 * 2**-11
    assert extrema.max() < 1.2 * extrema.min()


@pytest.mark.parametrize(("order", "rate"), [(3, 4), (5, 6), (11, 12)])
def test_error_falls_with_the_step_to_the_power_of_order_plus_one(order, rate):
    errors = []
    end, counts = (8.0, (1, 2, 4)) if order == 11 else (3.0, (4, 8, 16))
    for n in counts:
        grid = Grid(np.array([[0.0, end / n, n]]), end)
        x = np.linspace(0, end, 997)
        value, _ = hermite.evaluate(sample(sine, grid, order), grid, x)
        errors.append(np.abs(value[:, 0] - np.sin(x)).max())
    ratios = np.log2(np.array(errors[:-1]) / errors[1:])
    np.testing.assert_allclose(ratios, rate, atol=0.5)


@pytest.mark.parametrize("order", [3, 5, 11])
def test_values_and_derivatives_at_both_ends_of_every_interval(order):
    coef = sample(sine, GRID, order)
    steps = GRID.steps()[:, None]
    powers = np.arange(order + 1)
    knots = GRID.knots()
    for side in (0, 1):
        at = (side - hermite.origin(order)) * steps
        x = knots[side : side + GRID.n_rows]
        value = (coef[:, :, 0] * at**powers).sum(axis=1)
        slope = (coef[:, 1:, 0] * powers[1:] * at ** powers[:-1]).sum(axis=1)
        np.testing.assert_allclose(value, np.sin(x), atol=ROUNDING)
        np.testing.assert_allclose(slope, np.cos(x), atol=ROUNDING)
        if order == 5:
            curvature = (coef[:, 2:, 0] * powers[2:] * powers[1:-1] * at ** powers[:-2]).sum(axis=1)
            np.testing.assert_allclose(curvature, -np.sin(x), atol=10 * ROUNDING)


@pytest.mark.parametrize("order", [5, 11])
def test_beyond_the_ends_the_tangent_is_followed(order):
    coef = sample(sine, GRID, order)
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
