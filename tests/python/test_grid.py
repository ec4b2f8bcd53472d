# SPDX-License-Identifier: MIT
"""Which tables a model gets and over which range, against hand formulas."""

import dataclasses
import math

import numpy as np
import pytest

from pybuild.compress import steps
from pybuild.compress.functions import NetAlongX
from pybuild.compress.grid import TablePlan, end_of_table, make_grid, plan_tables
from pybuild.errors import InputError
from pybuild.model.description import PairKind


def a_plan(lower, upper, end, kinks=()):
    knots, starts, constants = np.array(kinks, dtype=float), (lower, upper), (np.array([lower]), np.ones(1))
    return TablePlan(0, NetAlongX(None), lower, upper, upper, end, (), *constants, False, knots, 1.0, upper, starts)


SAME = 1e-12  # the same formula in another order


def hand_range(d, centre, m):
    """L = floor(-mean/std), U = ceil((sw(m)/m - mean)/std) with sw written out."""
    u = min(max((m - d.rcut_smth) / (d.rcut - d.rcut_smth), 0.0), 1.0)
    sw = u**3 * (-6 * u**2 + 15 * u - 10) + 1
    mean, std = d.mean[centre], d.std[centre, 0]
    return math.floor(-mean / std), math.ceil((sw / m - mean) / std)


def test_one_sided_table_covers_all_centres(make_model):
    model = make_model(seed=1, mean=np.array([0.02, 0.3]), std=np.array([[0.2, 0.1], [0.05, 0.1]]))
    plans, (pair_table,) = plan_tables(model, 1.1, 5)
    ranges = [hand_range(model.descriptors[0], a, 1.1) for a in range(2)]
    assert ranges[0] != ranges[1]
    assert len(plans) == 2
    np.testing.assert_array_equal(pair_table, [[0, 1], [0, 1]])
    for plan in plans:
        assert plan.lower == min(low for low, _ in ranges)
        assert plan.upper == max(up for _, up in ranges)
        assert plan.max == pytest.approx(5 * plan.upper, rel=SAME)


def test_two_sided_table_has_the_range_of_its_centre(make_model):
    model = make_model(seed=1, type_one_side=False, mean=np.array([0.02, 0.3]), std=np.array([[0.2, 0.1], [0.05, 0.1]]))
    plans, (pair_table,) = plan_tables(model, 1.1, 5)
    assert len(plans) == 4
    for (a, b), t in np.ndenumerate(pair_table):
        assert plans[t].pairs == ((a, b),)
        assert (plans[t].lower, plans[t].upper) == hand_range(model.descriptors[0], a, 1.1)


def test_the_angular_deviation_does_not_count(make_model):
    wide, narrow = (make_model(std=np.array([[0.15, c], [0.12, c]])) for c in (0.5, 0.001))
    ranges = [[(p.lower, p.upper, p.near, p.max) for p in plan_tables(m, 0.9, 5)[0]] for m in (wide, narrow)]
    assert ranges[0] == ranges[1]


def test_excluded_centre_counts_only_by_its_empty_slots(make_model):
    """Centre 1 sees no neighbours of type 0: its upper end does not count, its x_pad does."""
    mean, std = np.array([0.02, 0.9]), np.array([[0.2, 0.1], [0.05, 0.1]])
    model = make_model(seed=1, mean=mean, std=std, excluded=frozenset({(0, 1), (1, 0)}))
    plans, (pair_table,) = plan_tables(model, 1.1, 5)
    plan = plans[pair_table[0, 0]]
    assert plan.upper == hand_range(model.descriptors[0], 0, 1.1)[1] != hand_range(model.descriptors[0], 1, 1.1)[1]
    assert plan.lower == math.floor(-0.9 / 0.05) < hand_range(model.descriptors[0], 0, 1.1)[0]


def test_kinds_of_pairs(make_model):
    model = make_model(n_types=3, sel=(5, 6, 0), excluded=frozenset({(0, 1), (1, 0)}))
    model = dataclasses.replace(model, pair_excluded=frozenset({(1, 1)}))
    expected = [
        [PairKind.ORDINARY, PairKind.SLOTS, PairKind.ABSENT],
        [PairKind.SLOTS, PairKind.MODEL, PairKind.ABSENT],
        [PairKind.ORDINARY, PairKind.ORDINARY, PairKind.ABSENT],
    ]
    np.testing.assert_array_equal(model.pair_kinds[0], expected)
    plans, (pair_table,) = plan_tables(model, 1.0, 5)
    np.testing.assert_array_equal(pair_table < 0, np.array(expected) == PairKind.ABSENT)
    assert [plan.only_constants for plan in plans] == [False, False]


def test_table_read_by_empty_slots_alone(make_model):
    model = make_model(type_one_side=False, excluded=frozenset({(0, 0)}))
    plans, (pair_table,) = plan_tables(model, 1.0, 5)
    assert [plans[pair_table[pair]].only_constants for pair in ((0, 0), (0, 1), (1, 0), (1, 1))] == [True, False, False, False]


def test_a_step_that_needs_too_many_rows():
    with pytest.raises(InputError, match=r"rows.*--step"):
        make_grid(a_plan(-1.0, 9.0, 45.0), {-1.0: 1e-9, 9.0: 1e-8})


@pytest.mark.parametrize("extrapolate", [0.5, math.nan, math.inf])
def test_bad_extrapolation(extrapolate):
    with pytest.raises(InputError, match="--extrapolate"):
        end_of_table(9.0, extrapolate)


def test_kinks_are_knots():
    kinks = np.array([-0.3, 2.0 / 3.0, 9.5, 20.0])
    grid = make_grid(a_plan(-1.0, 9.0, 45.0, kinks), {-1.0: 0.5, 9.0: 5.0})
    assert np.isin([-1.0, *kinks, 9.0, 45.0], grid.knots()).all()
    assert (np.diff(grid.knots()) <= np.where(grid.knots()[:-1] < 9.0, 0.5, 5.0) + SAME).all()


def test_a_centre_type_without_slots_counts(make_model):
    """Its atoms see neighbours all the same, with their own statistics."""
    model = make_model(seed=1, sel=(0, 12), n_sel=12, std=np.array([[0.01, 0.1], [0.2, 0.1]]))
    plans, (pair_table,) = plan_tables(model, 1.1, 5)
    assert plans[pair_table[0, 1]].upper == hand_range(model.descriptors[0], 0, 1.1)[1]


@pytest.mark.parametrize("protection", [0.0, 0.05])
def test_distance_of_an_argument(make_model, protection):
    d = make_model(env_protection=protection).descriptors[0]
    r = np.array([1e-6, 0.01, 0.4, 1.0, 2.5, 3.9, d.rcut - 1e-3])
    u = np.clip((r - d.rcut_smth) / (d.rcut - d.rcut_smth), 0, 1)
    x = ((u**3 * (-6 * u**2 + 15 * u - 10) + 1) / (r + protection) - d.mean[1]) / d.std[1, 0]
    np.testing.assert_allclose(d.radial.distance(1, x), r, atol=1e-9)
    # No neighbour has the first, and one has the second only without protection.
    nowhere = (np.array([-1e-9, 1e9]) - d.mean[1]) / d.std[1, 0]
    np.testing.assert_allclose(d.radial.distance(1, nowhere), [d.rcut, 0.0], atol=2e-9)


def test_steps_of_products_that_change_at_0_alone():
    assert steps._around_zero({-2.0: 1.0, 0.0: 0.5}, 2.0) == {-2.0: 0.5}
