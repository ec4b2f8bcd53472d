# SPDX-License-Identifier: MIT
"""The basis of a table: biorthonormal, ordered, signs fixed, and it reproduces the net."""

from dataclasses import replace

import numpy as np
import pytest

from pybuild.compress.grid import make_grid, plan_tables
from pybuild.compress.lowrank import identity_basis, roots, sampled_basis
from pybuild.compress.tabulate import build_table, table_errors

ORTHONORMAL = 1e-9  # rounding of the decomposition, amplified by the inverse root of the sensitivity (at most 1000)
INTERPOLATION = 1e-11  # order 5, step 0.01, values of order one; measured 4e-13


@pytest.fixture(scope="module")
def plan(make_model):
    model = make_model(seed=5, widths=(1, 6, 12))
    return plan_tables(model, 1.0, 5)[0][0]


def grid_of(plan):
    return make_grid(plan, {plan.lower: 0.01, plan.upper: 0.1})


def sensitivity(width):
    """A matrix whose eigenvalues run over six decades."""
    q, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(width, width)))
    return (q * np.logspace(0, -6, width)) @ q.T


def test_without_sensitivity_the_columns_are_orthonormal(plan):
    basis = sampled_basis(plan, roots(np.zeros((12, 12))))
    np.testing.assert_allclose(basis.vectors.T @ basis.vectors, np.eye(12), atol=ORTHONORMAL)
    np.testing.assert_array_equal(basis.vectors, basis.projector)


def test_projector_and_vectors_are_biorthonormal(plan):
    basis = sampled_basis(plan, roots(sensitivity(12)))
    np.testing.assert_allclose(basis.projector.T @ basis.vectors, np.eye(12), atol=ORTHONORMAL)
    assert np.all(np.diff(basis.amplitude) <= 0)


def test_amplitude_is_the_root_mean_square_of_a_function(plan):
    """Of value and slope together over the fine range, for the largest ones, where the other samples do not count."""
    basis = sampled_basis(plan, roots(np.zeros((12, 12))))
    x = np.linspace(plan.lower, plan.upper + 0.3, 4001)
    value, slope, _ = plan.function.derivatives(x)
    pad = plan.function.derivatives(plan.constants)[0] @ basis.vectors
    square = ((value @ basis.vectors) ** 2).mean(axis=0) + ((slope @ basis.vectors) ** 2).mean(axis=0)
    square += 0.3**2 * (pad**2).mean(axis=0)
    np.testing.assert_allclose(np.sqrt(square)[:4], basis.amplitude[:4], rtol=5e-3)


def test_signs_follow_the_rule(plan):
    basis = sampled_basis(plan, roots(np.zeros((12, 12))))
    largest = np.argmax(np.abs(basis.vectors), axis=0)
    assert np.all(basis.vectors[largest, np.arange(12)] > 0)


def test_error_falls_with_the_columns(plan):
    """By about the amplitude of the first column left out, down to the interpolation with all of them."""
    basis = sampled_basis(plan, roots(np.zeros((12, 12))))
    errors = np.array(
        [table_errors(plan, build_table(plan, grid_of(plan), basis.first(k)))[0].value for k in (2, 4, 6, 8, 10, 12)]
    )
    assert np.all(errors[1:] < 0.5 * errors[:-1])
    assert np.all(errors[:5] < 3 * basis.amplitude[[2, 4, 6, 8, 10]])
    assert errors[5] < INTERPOLATION


def test_a_direction_that_matters_more_is_kept_better(plan):
    direction = np.zeros(12)
    direction[4] = 1.0
    error = []
    x = np.linspace(plan.lower, plan.upper, 301)
    value, _, _ = plan.function.derivatives(x)
    for h in (np.zeros((12, 12)), np.outer(direction, direction)):
        basis = sampled_basis(plan, roots(h)).first(3)
        error.append(np.abs((value @ basis.projector @ basis.vectors.T - value)[:, 4]).max())
    assert error[1] < 0.1 * error[0]


def test_table_of_empty_slots_needs_one_function(make_model):
    model = make_model(seed=5, type_one_side=False, excluded=frozenset({(0, 0)}))
    plans, (pair_table,) = plan_tables(model, 1.0, 5)
    plan = plans[pair_table[0, 0]]
    table = build_table(plan, grid_of(plan), sampled_basis(plan, roots(np.zeros((6, 6)))).first(1))
    fine, coarse = table_errors(plan, table)
    assert fine.value < 1e-12
    assert (coarse.value, coarse.slope) == (0.0, 0.0)


@pytest.mark.parametrize(("order", "worst"), [(5, INTERPOLATION), (3, 1e-6)])
def test_full_rank_table(plan, order, worst):
    """The error is that of the interpolation (measured 4e-13, 2e-7)."""
    table = build_table(plan, replace(grid_of(plan), order=order), identity_basis(12))
    assert table.coef.shape == (grid_of(plan).n_rows, order + 1, 12)
    assert table.rank == 12
    assert table_errors(plan, table)[0].value < worst
    if order == 3:
        assert table_errors(plan, table)[0].value > 1e-11  # not by accident the quintic
