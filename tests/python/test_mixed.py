# SPDX-License-Identifier: MIT
"""Mixed precision: fewer products and columns by a second tolerance, and single precision arithmetic (docs/compression.md)."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
import pytest
from split_products import SplitNets

from pybuild import calculator
from pybuild.compress.build import Options, build
from pybuild.compress.truncation import difference
from pybuild.info import info_lines
from pybuild.oracles import reference, reference_tables
from pybuild.readers import read_model
from pybuild.tablefile.file import from_bytes, to_bytes

try:
    from pybuild import _core as core
except ImportError:  # not built: the tests that need it say so when they skip
    core = None

needs_core = pytest.mark.skipif(core is None, reason="pybuild._core is not built")

# Mixed against double. The promise is on forces; measured on all models and frames below: 6e-6 (water-full, of
# which 5e-6 are rounding).
MIXED_FORCE = 1e-4  # eV/angstrom
MIXED_ENERGY = 2e-6  # eV/atom; measured 4e-7 (cu-full)
MIXED_VIRIAL = 5e-6  # eV/atom; measured 7e-7 (cu-full)
# What the products left out may cost before rounding; the default of --tolerance-mixed.
MIXED_TOLERANCE = 1e-5
# The compiled evaluator in single precision against the same products in float64: 24 bits, forces up to 8 eV/A made of some
# hundred terms that are larger than their sum. Measured 5e-6, 4e-7, 4e-7.
ROUNDING_FORCE, ROUNDING_ENERGY, ROUNDING_VIRIAL = 2e-5, 2e-6, 2e-6
COARSE = 1e-1  # a tolerance whose errors stand out from rounding: measured 2e-4 to 2e-2 eV/angstrom where the form is folded
RANDOM_ROUNDING = 1e-5  # of the largest force of a model of random polynomials: some dozen operations of 24 bits
M = 1.2  # smallest distance of the random models, angstrom

MODELS = ("cu-full", "se_e2_a-cu", "se_e2_a-float32", "se_e2_a-resnet_dt-set_davg_zero", "se_e2_a-silu-sigmoid", "se_e2_a-small",
          "se_e2_a-softplus-pair_exclude", "se_e2_a-two_side-exclude", "water-full")  # fmt: skip
SPLIT = ("cu-full", "se_e2_a-silu-sigmoid", "se_e2_a-two_side-exclude", "water-full")
FOLDED = ("cu-full", "se_e2_a-cu", "se_e2_a-resnet_dt-set_davg_zero", "se_e2_a-silu-sigmoid",
          "se_e2_a-two_side-exclude", "water-full")  # fmt: skip


@functools.cache
def built(folder, tolerance_mixed=MIXED_TOLERANCE):
    model = read_model(folder / "model.pth")
    return build(model, model.min_nbor_dist, Options(tolerance_mixed=tolerance_mixed)).tables


def frames(folder):
    data = np.load(folder / "reference.npz")
    return [(data[f"positions{k}"], data["types"], data[f"cell{k}"] if f"cell{k}" in data else None) for k in range(4)]


def without_section(tables):
    def plain(f):
        if f is None:
            return f
        return replace(f, inputs=tuple(replace(i, row_end_mixed=None, rank_mixed=None, n_mixed=None) for i in f.inputs))

    return replace(tables, fittings=tuple(map(plain, tables.fittings)))


def inputs_of(tables):
    """What each net takes of the only descriptor."""
    return [taken for f in tables.fittings for taken in f.inputs]


def compiled(tables):
    return core.Model.from_bytes(to_bytes(tables))


def count(row_end):
    return int(np.sum(row_end - np.arange(len(row_end))))


@needs_core
@pytest.mark.parametrize("name", FOLDED)
def test_double_does_not_look_at_it(shared_models, name):
    tables = built(shared_models / name)
    assert any(f.row_end_mixed is not None for f in inputs_of(tables))
    models = compiled(tables), compiled(without_section(tables))
    for frame in frames(shared_models / name)[1:3]:
        one, other = (calculator.evaluate(model, *frame) for model in models)
        assert one.energy == other.energy
        for field in ("atom_energy", "forces", "virial", "atom_virial"):
            np.testing.assert_array_equal(getattr(one, field), getattr(other, field))


@needs_core
@pytest.mark.parametrize("name", MODELS)
def test_mixed_against_double(shared_models, name):
    model = compiled(built(shared_models / name))
    for frame in frames(shared_models / name):
        double, mixed = (calculator.evaluate(model, *frame, precision=p) for p in ("double", "mixed"))
        errors = difference(mixed, double, len(frame[1]))
        assert 0 < errors.force < MIXED_FORCE
        assert errors.energy < MIXED_ENERGY
        assert errors.virial < MIXED_VIRIAL


@pytest.mark.parametrize("name", MODELS)
def test_products_left_out_stay_within_the_tolerance(shared_models, name):
    """On frames that the build never saw, before rounding."""
    tables = built(shared_models / name)
    for frame in frames(shared_models / name):
        double, mixed = (reference_tables.evaluate(tables, *frame, mixed=m) for m in (False, True))
        np.testing.assert_allclose(mixed.forces, double.forces, rtol=0, atol=MIXED_TOLERANCE)


@needs_core
@pytest.mark.parametrize("tolerance", [MIXED_TOLERANCE, COARSE])
@pytest.mark.parametrize("name", FOLDED)
def test_compiled_evaluates_the_same_products(shared_models, name, tolerance):
    tables = built(shared_models / name, tolerance)
    model, left_out = compiled(tables), 0.0
    for frame in frames(shared_models / name)[1:3]:
        expected = reference_tables.evaluate(tables, *frame, mixed=True)
        errors = difference(calculator.evaluate(model, *frame, precision="mixed"), expected, len(frame[1]))
        assert errors.force < ROUNDING_FORCE
        assert errors.energy < ROUNDING_ENERGY
        assert errors.virial < ROUNDING_VIRIAL
        all_products = reference_tables.evaluate(tables, *frame)
        left_out = max(left_out, difference(all_products, expected, len(frame[1])).force)
    if tolerance == COARSE:  # with another list of products the comparison above would fail
        assert left_out > 5 * ROUNDING_FORCE


# Of a fitting net fused for a GPU (docs/kokkos.md): what two halves a number cost. Measured on water-full: one 5e-4, two 4e-6.
@pytest.mark.parametrize("name", SPLIT)
def test_products_of_two_halves_stay_within_the_rounding(shared_models, monkeypatch, name):
    tables, frame = built(shared_models / name), frames(shared_models / name)[1]
    expected, errors = reference_tables.evaluate(tables, *frame, mixed=True), []
    for n in (1, 2):
        monkeypatch.setattr(reference_tables, "net_forward", SplitNets(n).forward)
        errors.append(difference(reference_tables.evaluate(tables, *frame, mixed=True), expected, len(frame[1])))
    one, two = errors
    assert two.force < ROUNDING_FORCE
    assert two.energy < ROUNDING_ENERGY
    assert two.virial < ROUNDING_VIRIAL
    assert one.force > ROUNDING_FORCE


@needs_core
def test_a_direct_and_a_folded_type_share_a_table(tables, make_structure):
    """The fixture's second type takes the descriptor, and with it all channels; its first type fewer than in double."""
    assert [f.row_end_mixed is None for f in inputs_of(tables)] == [False, True]
    moved = replace(tables.descriptors[0], mean=np.array([0.055, 0.043]))
    tables = replace(tables, descriptors=(moved,))  # empty slots between knots: these tables jump there
    positions, types, cell = make_structure(seed=4)
    expected = reference_tables.evaluate(tables, positions, types, cell, mixed=True)
    got = calculator.evaluate(compiled(tables), positions, types, cell, precision="mixed")
    scale = np.abs(expected.forces).max()
    assert np.abs(reference_tables.evaluate(tables, positions, types, cell).forces - expected.forces).max() > 1e-3 * scale
    np.testing.assert_allclose(got.forces, expected.forces, rtol=0, atol=RANDOM_ROUNDING * scale)


def test_products_are_a_part_of_those_of_double(make_model):
    sizes = []
    for tolerance_mixed in (1e-1, 1e-3, 1e-5):
        result = build(make_model(seed=2, widths=(1, 6, 12)), M, Options(tolerance_mixed=tolerance_mixed, form="folded"))
        for f in inputs_of(result.tables):
            assert f.row_end_mixed.shape == f.row_end.shape
            assert np.all(f.row_end_mixed <= f.row_end)
        sizes.append([count(f.row_end_mixed) for f in inputs_of(result.tables)])
        assert result.measured.double.force < 1e-3 * result.measured.mixed.force < 1e-3 * tolerance_mixed
    assert np.all(np.diff(sizes, axis=0) > 0)
    assert np.all(np.array(sizes[-1]) < [count(f.row_end) for f in inputs_of(result.tables)])


def test_tables_of_double_do_not_depend_on_it(make_model):
    model = make_model(seed=2, widths=(1, 6, 12))
    one, other = (build(model, M, Options(tolerance_mixed=t, form="folded")).tables for t in (1e-5, 1e-2))
    assert to_bytes(without_section(one)) == to_bytes(without_section(other))
    assert to_bytes(one) != to_bytes(other)


@pytest.mark.parametrize("tolerance_mixed", [1e-8, 1e-12])
def test_mixed_takes_all_that_double_does_where_it_must(make_model, tolerance_mixed):
    result = build(make_model(seed=2, widths=(1, 6, 12)), M, Options(form="folded", tolerance_mixed=tolerance_mixed))
    for f in inputs_of(result.tables):
        np.testing.assert_array_equal(f.row_end_mixed, f.row_end_double)
    assert result.measured.mixed == result.measured.double


def test_full_rank_has_no_parts(make_model):
    result = build(make_model(seed=2, widths=(1, 6, 12)), M, Options(rank="full"))
    for f in inputs_of(result.tables):
        assert (f.row_end_double, f.row_end_mixed, f.rank_double, f.rank_mixed) == (None, None, None, None)
    assert result.measured.mixed == result.measured.double
    assert not any("mixed" in line for line in info_lines(result.tables))


def test_the_direct_form_has_fewer_columns_in_mixed_precision(make_model, make_structure):
    tolerance = 1e-2
    result = build(make_model(seed=2, widths=(1, 6, 12)), M, Options(form="direct", tolerance_mixed=tolerance))
    for f in inputs_of(result.tables):
        ranks = np.array([table.rank for table in result.tables.tables]) if f.rank_double is None else f.rank_double
        assert np.all(f.rank_mixed <= ranks)
        assert f.rank_mixed.sum() < ranks.sum()
    double, mixed = (reference_tables.evaluate(result.tables, *make_structure(seed=3), mixed=m) for m in (False, True))
    assert 1e-9 < np.abs(double.forces - mixed.forces).max() < tolerance


def test_with_the_columns_given(make_model, make_structure):
    """--rank K: what mixed precision leaves out is measured against double, not against the exact model."""
    model = make_model(seed=2, widths=(1, 6, 12))
    positions, types, cell = make_structure(seed=3)
    tolerance = 1e-2
    tables = build(model, M, Options(rank=5, form="folded", tolerance_mixed=tolerance)).tables
    assert all(f.row_end_mixed is not None for f in inputs_of(tables))
    double, mixed = (reference_tables.evaluate(tables, positions, types, cell, mixed=m) for m in (False, True))
    np.testing.assert_allclose(mixed.forces, double.forces, rtol=0, atol=tolerance)
    exact = reference.evaluate(model, positions, types, cell)
    assert np.abs(double.forces - exact.forces).max() > tolerance


def test_info_tells_both_counts(make_model):
    tables = from_bytes(to_bytes(build(make_model(seed=2, widths=(1, 6, 12)), M, Options(form="folded")).tables))
    text = "\n".join(info_lines(tables))
    for f in inputs_of(tables):
        if f.row_end_double is not None:
            assert f"with a closer pair {count(f.row_end)} products of {len(f.columns)} columns" in text
        double = f.row_end if f.row_end_double is None else f.row_end_double
        assert f": {count(double)} products of " in text
        assert f"in mixed precision {count(f.row_end_mixed)} products of " in text
