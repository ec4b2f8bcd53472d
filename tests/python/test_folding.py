# SPDX-License-Identifier: MIT
"""The folded first layer: exact algebra, and staircases."""

import dataclasses

import numpy as np
import pytest

from pybuild.compress.evaluation import DirectInput, FoldedInput
from pybuild.compress.folding import FirstLayer, direct_cost, folded_cost, merge_columns, staircase, staircase_order
from pybuild.compress.lowrank import Basis

FOLDED = 1e-12  # relative: the same sum in another order
N_CENTRES, WIDTH, AXIS, N_OUT = 5, 9, 4, 7


@pytest.fixture
def problem():
    """Bases of two neighbour types with 3 and 4 columns, moments C_b and a first layer; all random."""
    rng = np.random.default_rng(8)
    bases = {}
    for b, k in ((0, 3), (1, 4)):
        vectors = rng.normal(size=(WIDTH, k))
        bases[b] = Basis(vectors, vectors, np.sort(rng.uniform(0.1, 1, k))[::-1])
    moments = {b: rng.normal(size=(N_CENTRES, len(basis.amplitude), 4)) for b, basis in bases.items()}
    weight = rng.normal(size=(WIDTH * AXIS, N_OUT))
    return bases, moments, weight


def folded(bases, weight):
    merged = merge_columns(bases)
    row_end = np.full(len(merged.amplitude), len(merged.amplitude), dtype=np.int32)
    first = FoldedInput(merged.columns, row_end)
    return first, FirstLayer(weight, merged, AXIS).weights(*first.products())


def direct_input(make_model, bases):
    descriptor = dataclasses.replace(make_model().descriptors[0], axis_neuron=AXIS)
    return DirectInput({b: basis.vectors for b, basis in bases.items()}, descriptor, 0)


def test_all_products_give_the_descriptor_layer(problem, make_model):
    bases, moments, weight = problem
    first, folded_weight = folded(bases, weight)
    direct = direct_input(make_model, bases)
    expected = direct.forward(moments) @ weight
    assert folded_weight.shape == (7 * 8 // 2, N_OUT)
    np.testing.assert_allclose(first.forward(moments) @ folded_weight, expected, rtol=0, atol=FOLDED * np.abs(expected).max())


def test_gradients_agree_too(problem, make_model):
    bases, moments, weight = problem
    first, folded_weight = folded(bases, weight)
    direct = direct_input(make_model, bases)
    g = np.random.default_rng(1).normal(size=(N_CENTRES, N_OUT))
    expected = direct.reverse(moments, g @ weight.T)
    got = first.reverse(moments, g @ folded_weight.T)
    for b in bases:
        np.testing.assert_allclose(got[b], expected[b], rtol=0, atol=FOLDED * np.abs(expected[b]).max())


def test_direct_gradient_against_finite_differences(problem, make_model):
    bases, moments, _weight = problem
    direct = direct_input(make_model, bases)
    g = np.random.default_rng(1).normal(size=WIDTH * AXIS)
    step = 1e-6
    gradient = direct.reverse(moments, np.tile(g, (N_CENTRES, 1)))[1]
    for k, c in ((0, 0), (3, 2)):
        energies = []
        for sign in (1, -1):
            moved = {0: moments[0], 1: moments[1].copy()}
            moved[1][2, k, c] += sign * step
            energies.append((direct.forward(moved)[2] * g).sum())
        assert abs((energies[0] - energies[1]) / (2 * step) - gradient[2, k, c]) < 1e-7 * np.abs(gradient).max()


def test_columns_are_merged_by_amplitude_and_noise_is_left_out():
    bases = {
        0: Basis(np.eye(4)[:, :2], np.eye(4)[:, :2], np.array([1.0, 0.1])),
        2: Basis(np.eye(4)[:, 2:], np.eye(4)[:, 2:], np.array([0.5, 1e-16])),
    }
    merged = merge_columns(bases)
    np.testing.assert_array_equal(merged.columns, [[0, 0], [2, 0], [0, 1]])
    np.testing.assert_array_equal(merged.vectors, np.eye(4)[:, [0, 2, 1]])


def test_every_prefix_is_a_staircase():
    importance = np.random.default_rng(2).lognormal(sigma=3, size=(9, 9))
    p, q, needed = staircase_order(importance)
    assert len(p) == 45
    assert np.all(np.diff(needed) <= 0)
    for n in range(1, 46):
        row_end = staircase(p[:n], q[:n])
        first = FoldedInput(np.zeros((len(row_end), 2), dtype=np.int32), row_end)
        assert set(zip(*first.products(), strict=True)) == set(zip(p[:n], q[:n], strict=True))
        follows = row_end[1:] <= row_end[:-1]
        empty = row_end == np.arange(len(row_end))
        assert np.all(follows | empty[1:])


def test_a_pair_counts_as_much_as_the_best_one_behind_it():
    importance = np.array([[5.0, 1.0, 1.0], [0.0, 1.0, 4.0], [0.0, 0.0, 2.0]])
    p, q, needed = staircase_order(importance)
    order = list(zip(p.tolist(), q.tolist(), needed.tolist(), strict=True))
    assert order == [(0, 0, 5.0), (0, 1, 4.0), (1, 1, 4.0), (0, 2, 4.0), (1, 2, 4.0), (2, 2, 2.0)]


def test_costs():
    """One element, 20 columns: 210 products instead of 1600 inputs; ten elements: the descriptor is cheaper."""
    assert folded_cost(210, 240) < direct_cost(100, 16, 20, 240)
    assert folded_cost(200 * 201 // 2, 240) > direct_cost(100, 16, 200, 240)
