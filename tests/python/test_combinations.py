# SPDX-License-Identifier: MIT
"""Products of combinations of the columns of all neighbour types (docs/compression.md, Products)."""

import dataclasses

import numpy as np
import pytest

from pybuild import calculator
from pybuild.compress import products
from pybuild.compress.build import Options, build
from pybuild.compress.combinations import combine
from pybuild.compress.environment import Neighbourhoods
from pybuild.compress.evaluation import FoldedInput
from pybuild.compress.folding import FirstLayer
from pybuild.compress.lowrank import identity_basis
from pybuild.compress.place import Place
from pybuild.compress.square import MOST_SINGLE
from pybuild.compress.truncation import Cases, evaluate_exactly
from pybuild.info import info_lines
from pybuild.oracles import reference_tables
from pybuild.structures.structure import Structure
from pybuild.tablefile.file import from_bytes, to_bytes

try:
    from pybuild import _core as core
except ImportError:  # not built: the tests that need it say so when they skip
    core = None

SAME = 1e-11  # relative: the same sum by way of two inverse matrices
WIDTH, AXIS, N_TYPES, M = 12, 2, 3, 1.2
# The compiled evaluator against the same products in plain loops, of the largest force: sums in another order, and in single
# precision.
DOUBLE, SINGLE = 1e-11, 2e-5


@pytest.fixture
def problem(make_model, make_structure):
    """A place in a model of three types with all columns, one structure evaluated exactly, and the factors of type 1."""
    model = make_model(seed=4, n_types=N_TYPES, widths=(1, 6, WIDTH))
    positions, types, cell = make_structure(seed=5, n_types=N_TYPES)
    case = evaluate_exactly(model, Neighbourhoods.of(model, Structure(positions, types, cell), np.arange(len(types))))
    bases = {pair: identity_basis(WIDTH) for pair in case.env.blocks}
    place = Place(model, bases, 0, Cases([case], [], []), np.zeros((N_TYPES, N_TYPES)))
    return place, case, combine(place, 1)


def all_products(place, factors):
    """A staircase with all that are not 0, and its rows of the first layer's weight."""
    n = len(factors.amplitude)
    row_end = np.where(np.arange(n) < AXIS, n, np.arange(n)).astype(np.int32)
    first = FoldedInput(factors.columns, row_end, factors.combination)
    return first, FirstLayer(place.weight(1), factors, AXIS).weights(*first.products())


def test_more_products_than_are_weighed(problem, monkeypatch):
    """What is weighed is a staircase: all that a choice of them needs has its row of the weight."""
    monkeypatch.setattr(products, "MOST", 20)
    place, _, factors = problem
    amplitude = np.where(np.arange(WIDTH) < AXIS, 1.0, 5.0) * 0.9 ** np.arange(WIDTH)  # two groups
    found = products.Products(place, 1, dataclasses.replace(factors, amplitude=amplitude))
    first, rows = found._p, FirstLayer(place.weight(1), factors, AXIS)
    assert len(first) == 20
    ranking = found.by_contribution("ordinary")
    part = found.part(ranking.row_end(0.0 if (ranking.needed > 0).all() else ranking.needed[ranking.needed > 0].min()))
    np.testing.assert_array_equal(part.weight, rows.weights(*part.first_input.products()))


def test_all_rows_are_axis_rows(make_model):
    """Nothing is left for a second group of factors."""
    model = make_model(seed=6, n_types=2, widths=(1, AXIS))
    built = build(model, M, Options(form="combined"))
    assert built.tables.fittings[0].inputs[0].combination is not None
    assert built.measured.double.force < 1e-8


def test_products_with_axis_rows_give_the_descriptor_layer(problem):
    place, case, factors = problem
    assert factors.combination.shape == (WIDTH, N_TYPES * WIDTH)
    assert factors.n_first == AXIS
    first, weight = all_products(place, factors)
    assert first.size == AXIS * (AXIS + 1) // 2 + (WIDTH - AXIS) * AXIS
    moments, whole = case.moments[1][0], place.whole(1).inputs[0]
    expected = whole.forward(moments) @ place.weight(1)
    np.testing.assert_allclose(first.forward(moments) @ weight, expected, rtol=0, atol=SAME * np.abs(expected).max())
    g = np.random.default_rng(1).normal(size=expected.shape)
    expected = whole.reverse(moments, g @ place.weight(1).T)
    got = first.reverse(moments, g @ weight.T)
    for b in moments:
        np.testing.assert_allclose(got[b], expected[b], rtol=0, atol=SAME * np.abs(expected[b]).max())


def test_of_some_columns_as_if_there_were_no_others(problem):
    place, case, _ = problem
    moments, whole = case.moments[1][0], place.whole(1).inputs[0]
    b, width = 2, WIDTH // 2  # half of the columns of one neighbour type, and all of the others
    chosen = np.concatenate([np.arange(b * WIDTH), b * WIDTH + np.arange(width)])
    factors = combine(place, 1, chosen)
    assert factors.combination.shape == (WIDTH, len(chosen))
    first, weight = all_products(place, factors)
    some = moments | {b: moments[b] * (np.arange(WIDTH) < width)[:, None]}
    expected = whole.forward(some) @ place.weight(1)
    np.testing.assert_allclose(first.forward(moments) @ weight, expected, rtol=0, atol=SAME * np.abs(expected).max())


def test_the_weight_of_two_other_factors_is_zero(problem):
    place, _, factors = problem
    assert np.abs(factors.vectors[:AXIS, AXIS:]).max() == 0
    p, q = np.triu_indices(WIDTH)
    weight = FirstLayer(place.weight(1), factors, AXIS).weights(p, q)
    assert np.abs(weight[p >= AXIS]).max() == 0
    assert np.abs(weight[p < AXIS]).min(axis=1).max() > 0


def test_most_important_first(problem):
    _, _, factors = problem
    for part in (factors.amplitude[:AXIS], factors.amplitude[AXIS:]):
        assert np.all(np.diff(part) <= 0)
        assert part[-1] < 0.5 * part[0]


def test_a_type_that_no_structure_has(problem):
    """Then only the functions count."""
    place, case, _ = problem
    factors = combine(dataclasses.replace(place, cases=Cases([], [], [])), 1)
    first, weight = all_products(place, factors)
    moments = case.moments[1][0]
    expected = place.whole(1).inputs[0].forward(moments) @ place.weight(1)
    np.testing.assert_allclose(first.forward(moments) @ weight, expected, rtol=0, atol=SAME * np.abs(expected).max())


@pytest.fixture(scope="module")
def tables(make_model):
    """With parts for both precisions."""
    model = make_model(seed=2, n_types=N_TYPES, widths=(1, 20, 40))
    return from_bytes(to_bytes(build(model, M, Options(tolerance=1e-4, tolerance_mixed=1e-2, form="combined")).tables))


def count(row_end):
    return int(np.sum(row_end - np.arange(len(row_end))))


def test_a_file_has_parts_of_products_and_columns(tables):
    for fitting in tables.fittings:
        (taken,) = fitting.inputs
        assert taken.combination.shape == (len(taken.row_end), len(taken.columns))
        assert count(taken.row_end_mixed) < count(taken.row_end_double) < count(taken.row_end)
        assert np.all(taken.row_end[AXIS:] == np.arange(AXIS, len(taken.row_end)))  # no row begins a product but the axis rows
        text = f"{count(taken.row_end_mixed)} products of {len(taken.row_end)} combinations of "
        assert any(text in line for line in info_lines(tables))


def test_products_that_need_no_double_precision(make_model, make_structure):
    """Together they move forces by little; evaluated in single precision, where the evaluator does that, by nothing."""
    model = make_model(seed=2, n_types=N_TYPES, widths=(1, 8, 16))
    tables = build(model, M, Options(tolerance=1e-6, form="folded")).tables
    taken = [fitting.inputs[0] for fitting in tables.fittings]
    assert all(np.all(i.row_end_exact <= i.row_end_double) for i in taken)
    assert all(1 < count(i.row_end_exact) < count(i.row_end_double) for i in taken)
    single = count(taken[0].row_end_double) - count(taken[0].row_end_exact)
    assert any(f" products ({single} in single precision) of " in line for line in info_lines(tables))
    fewer = [
        dataclasses.replace(f, inputs=tuple(dataclasses.replace(i, row_end_double=i.row_end_exact) for i in f.inputs))
        for f in tables.fittings
    ]
    structure = make_structure(seed=3, n_types=N_TYPES)
    expected = reference_tables.evaluate(tables, *structure).forces
    without = reference_tables.evaluate(dataclasses.replace(tables, fittings=tuple(fewer)), *structure).forces
    assert 1e-9 < np.abs(without - expected).max() < 10 * MOST_SINGLE
    if core is not None:
        got = calculator.evaluate(core.Model.from_bytes(to_bytes(tables)), *structure).forces
        assert 1e-15 < np.abs(got - expected).max() < 1e-11


@pytest.mark.skipif(core is None, reason="pybuild._core is not built")
@pytest.mark.parametrize(("precision", "tolerance"), [("double", DOUBLE), ("mixed", SINGLE)])
def test_compiled_evaluates_the_same(tables, make_structure, precision, tolerance):
    positions, types, cell = make_structure(seed=3, n_types=N_TYPES)
    positions[1] = positions[0] + [0.0, 0.0, 0.8 * M]  # two centres that take all, and ordinary ones
    expected = reference_tables.evaluate(tables, positions, types, cell, mixed=precision == "mixed")
    got = calculator.evaluate(core.Model.from_bytes(to_bytes(tables)), positions, types, cell, precision=precision)
    scale = np.abs(expected.forces).max()
    np.testing.assert_allclose(got.forces, expected.forces, rtol=0, atol=tolerance * scale)
    np.testing.assert_allclose(got.atom_energy, expected.atom_energy, rtol=0, atol=tolerance * scale)
