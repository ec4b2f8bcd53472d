# SPDX-License-Identifier: MIT
"""Which tables a model gets and over which range, against hand formulas."""

import dataclasses
import math

import numpy as np
import pytest

from pybuild.errors import InputError
from pybuild.grid import ABSENT, DESCRIPTOR_EXCLUDED, MODEL_EXCLUDED, ORDINARY, Grid, make_grid, pair_kinds, plan_tables

SAME = 1e-12  # the same formula in another order


def hand_range(d, centre, m):
    """L = floor(-mean/std), U = ceil((sw(m)/m - mean)/std) with sw written out."""
    u = min(max((m - d.rcut_smth) / (d.rcut - d.rcut_smth), 0.0), 1.0)
    sw = u**3 * (-6 * u**2 + 15 * u - 10) + 1
    mean, std = d.mean[centre], d.std[centre, 0]
    return math.floor(-mean / std), math.ceil((sw / m - mean) / std)


def test_one_sided_table_covers_all_centres(make_model):
    model = make_model(seed=1, mean=np.array([0.02, 0.3]), std=np.array([[0.2, 0.1], [0.05, 0.1]]))
    plans, pair_table = plan_tables(model, 1.1, 0.01, 5)
    ranges = [hand_range(model.descriptor, a, 1.1) for a in range(2)]
    assert ranges[0] != ranges[1]
    assert len(plans) == 2
    np.testing.assert_array_equal(pair_table, [[0, 1], [0, 1]])
    for plan in plans:
        assert plan.grid.lower == min(low for low, _ in ranges)
        assert plan.grid.upper == max(up for _, up in ranges)
        assert plan.grid.max == pytest.approx(5 * plan.grid.upper, rel=SAME)


def test_two_sided_table_has_the_range_of_its_centre(make_model):
    model = make_model(seed=1, type_one_side=False, mean=np.array([0.02, 0.3]), std=np.array([[0.2, 0.1], [0.05, 0.1]]))
    plans, pair_table = plan_tables(model, 1.1, 0.01, 5)
    assert len(plans) == 4
    for (a, b), t in np.ndenumerate(pair_table):
        assert plans[t].pairs == ((a, b),)
        assert (plans[t].grid.lower, plans[t].grid.upper) == hand_range(model.descriptor, a, 1.1)


def test_the_angular_deviation_does_not_count(make_model):
    wide, narrow = (make_model(std=np.array([[0.15, c], [0.12, c]])) for c in (0.5, 0.001))
    grids = [[plan.grid for plan in plan_tables(m, 0.9, 0.01, 5)[0]] for m in (wide, narrow)]
    for one, other in zip(*grids, strict=True):
        np.testing.assert_array_equal(one.segments, other.segments)
        assert one.upper == other.upper


def test_excluded_centre_counts_only_by_its_empty_slots(make_model):
    """Centre 1 sees no neighbours of type 0: its upper end does not count, its x_pad does."""
    mean, std = np.array([0.02, 0.9]), np.array([[0.2, 0.1], [0.05, 0.1]])
    model = make_model(seed=1, mean=mean, std=std, excluded=frozenset({(0, 1), (1, 0)}))
    plans, pair_table = plan_tables(model, 1.1, 0.01, 5)
    grid = plans[pair_table[0, 0]].grid
    assert grid.upper == hand_range(model.descriptor, 0, 1.1)[1] != hand_range(model.descriptor, 1, 1.1)[1]
    assert grid.lower == math.floor(-0.9 / 0.05) < hand_range(model.descriptor, 0, 1.1)[0]


def test_pair_kinds(make_model):
    model = make_model(n_types=3, sel=(5, 6, 0), excluded=frozenset({(0, 1), (1, 0)}))
    model = dataclasses.replace(model, pair_excluded=frozenset({(1, 1)}))
    expected = [
        [ORDINARY, DESCRIPTOR_EXCLUDED, ABSENT],
        [DESCRIPTOR_EXCLUDED, MODEL_EXCLUDED, ABSENT],
        [ORDINARY, ORDINARY, ABSENT],
    ]
    np.testing.assert_array_equal(pair_kinds(model), expected)
    plans, pair_table = plan_tables(model, 1.0, 0.01, 5)
    np.testing.assert_array_equal(pair_table < 0, np.array(expected) == ABSENT)
    assert [plan.only_padding for plan in plans] == [False, False]


def test_table_read_by_empty_slots_alone(make_model):
    model = make_model(type_one_side=False, excluded=frozenset({(0, 0)}))
    plans, pair_table = plan_tables(model, 1.0, 0.01, 5)
    assert [plans[pair_table[pair]].only_padding for pair in ((0, 0), (0, 1), (1, 0), (1, 1))] == [True, False, False, False]


@pytest.mark.parametrize("step", [0.01, 0.03, 0.7, 100.0])
def test_steps_divide_the_range_and_are_at_most_the_one_asked_for(step):
    grid = make_grid(-1.0, 9.0, step, 5.0)
    knots = grid.knots()
    assert knots[0] == -1.0
    assert 9.0 in knots
    assert knots[-1] == pytest.approx(45.0, rel=SAME)
    np.testing.assert_allclose(np.diff(knots), grid.steps(), atol=SAME * 45, rtol=0)
    assert (grid.steps()[knots[:-1] < 9.0] <= step * (1 + SAME)).all()
    assert (grid.steps() <= 10 * step * (1 + SAME)).all()
    assert (len(knots) - 1, len(grid.steps())) == (grid.n_rows, grid.n_rows)


def test_usual_steps_are_kept():
    grid = make_grid(-1.0, 9.0, 0.01, 5.0)
    np.testing.assert_allclose(grid.segments, [[-1.0, 0.01, 1000], [9.0, 0.1, 360]], atol=SAME, rtol=0)


def test_locate_inside_at_knots_and_beyond():
    grid = Grid(np.array([[-1.0, 0.5, 4], [1.0, 1.0, 2]]), 1.0)
    row, offset, excess = grid.locate(np.array([-1.0, -0.6, 0.5, 1.0, 1.25, 2.5, 3.0, 4.5, -3.0]))
    np.testing.assert_array_equal(row, [0, 0, 3, 4, 4, 5, 5, 5, 0])
    np.testing.assert_allclose(offset, [0, 0.4, 0, 0, 0.25, 0.5, 1.0, 1.0, 0], atol=SAME)
    np.testing.assert_allclose(excess, [0, 0, 0, 0, 0, 0, 0, 1.5, -2.0], atol=SAME)


def test_many_segments_against_a_search_over_the_knots():
    """Segments of other steps and lengths, one of them a single interval, as they are between kinks."""
    lengths, counts = [0.7, 0.01, 2.0, 0.3, 5.0], [7, 1, 20, 2, 3]
    starts = -1.0 + np.cumsum([0.0, *lengths[:-1]])
    grid = Grid(np.column_stack([starts, np.divide(lengths, counts), counts]), 2.0)
    knots = grid.knots()
    x = np.random.default_rng(3).uniform(grid.lower, grid.max, 500)
    row, offset, excess = grid.locate(np.concatenate([x, starts]))
    expected = np.searchsorted(knots, np.concatenate([x, starts + SAME]), side="right") - 1
    np.testing.assert_array_equal(row, expected)
    np.testing.assert_allclose(offset, np.concatenate([x, starts]) - knots[expected], atol=SAME)
    np.testing.assert_array_equal(excess, 0.0)


def test_no_coarse_range():
    grid = make_grid(-1.0, 2.0, 0.5, 1.0)
    np.testing.assert_array_equal(grid.segments, [[-1.0, 0.5, 6]])
    assert (grid.upper, grid.max) == (2.0, 2.0)
    row, offset, excess = grid.locate(np.array([2.0, 2.5]))
    np.testing.assert_array_equal(row, [5, 5])
    np.testing.assert_allclose(offset, [0.5, 0.5])
    np.testing.assert_allclose(excess, [0.0, 0.5])


def test_a_distance_beyond_the_cutoff_still_gives_a_range(make_model):
    """s = 0 there: U would not exceed L."""
    model = make_model(mean=np.zeros(2), std=np.full((2, 2), 0.1))
    for plan in plan_tables(model, 10.0, 0.01, 5)[0]:
        assert plan.grid.lower == 0.0
        assert plan.grid.upper == 1.0
        assert plan.grid.max == pytest.approx(5.0, rel=SAME)


@pytest.mark.parametrize("step", [0.0, -0.01, math.nan, math.inf, 1e-9])
def test_bad_step(step):
    with pytest.raises(InputError, match="--step"):
        make_grid(-1.0, 9.0, step, 5.0)


@pytest.mark.parametrize("extrapolate", [0.5, math.nan, math.inf])
def test_bad_extrapolation(extrapolate):
    with pytest.raises(InputError, match="--extrapolate"):
        make_grid(-1.0, 9.0, 0.01, extrapolate)
