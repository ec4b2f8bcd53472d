# SPDX-License-Identifier: MIT
"""Whole builds of random models: the tables against the uncompressed model, options, forms, and the same bytes every time."""

import dataclasses

import numpy as np
import pytest

from pybuild import reference, reference_tables
from pybuild.build import Options, build
from pybuild.environment import Structure
from pybuild.errors import InputError
from pybuild.probe import number_density, probe_structures
from pybuild.selection import within
from pybuild.tables_file import from_bytes, to_bytes
from pybuild.truncation import difference

TOLERANCE = 1e-8  # eV/A, the default
FULL_RANK = 1e-10  # order 5, step 0.01, forces up to 10 eV/A; measured 2e-12
M = 1.2  # smallest distance, below those of the test structures

VARIANTS = {
    "one_sided": {},
    "two_sided": {"type_one_side": False},
    "one_type": {"n_types": 1, "sel": (30,), "n_sel": 30},
    "three_types": {"n_types": 3},
    "zero_mean": {"mean": np.zeros(2)},
    "exclude": {"excluded": frozenset({(0, 1), (1, 0)})},
    "exclude_two_sided": {"type_one_side": False, "excluded": frozenset({(0, 0)})},
    "exclude_zero_mean": {"type_one_side": False, "excluded": frozenset({(0, 0)}), "mean": np.zeros(2)},
    "pair_exclude": {"pair_excluded": frozenset({(1, 1)})},
    "no_slots": {"sel": (12, 0), "n_sel": 12},
    "protection": {"env_protection": 0.05},
    "crowded": {"sel": (2, 3), "n_sel": 5},  # more neighbours than slots
    "vacuum": {"fitting_vacuum_subtracted": frozenset({1})},
    "no_energy": {"fitting_excluded": frozenset({1})},
    "no_energy_two_sided": {"type_one_side": False, "fitting_excluded": frozenset({1})},
    "gelu": {"activation": "gelu", "fitting_activation": "silu"},
}


def compare(model, tables, structure):
    positions, types, cell = structure
    exact = reference.evaluate(model, positions, types, cell)
    got = reference_tables.evaluate(tables, positions, types, cell)
    return exact, got, difference(got, exact, len(types))


def structures(make_structure, n_types):
    positions, types, cell = make_structure(seed=3, n_types=n_types)
    return [(positions, types, cell), (positions, types, None)]


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("form", ["folded", "direct"])
def test_tolerance_is_honoured(make_model, make_structure, name, form):
    model = make_model(seed=2, widths=(1, 6, 12), **VARIANTS[name])
    result = build(model, M, Options(form=form))
    assert result.folded == (form == "folded")
    assert within(result.errors, TOLERANCE)
    for structure in structures(make_structure, model.n_types):
        exact, got, errors = compare(model, result.tables, structure)
        assert np.abs(exact.forces).max() > 1e-3  # there is something to get wrong
        assert within(errors, TOLERANCE)
        np.testing.assert_allclose(got.atom_energy, exact.atom_energy, atol=TOLERANCE)
        np.testing.assert_allclose(got.atom_virial, exact.atom_virial, atol=10 * TOLERANCE)


@pytest.mark.parametrize("name", VARIANTS)
def test_full_rank_is_exact_up_to_interpolation(make_model, make_structure, name):
    model = make_model(seed=2, widths=(1, 6, 12), **VARIANTS[name])
    tables = build(model, M, Options(rank="full")).tables
    assert all(f is None or f.columns is None for f in tables.fittings)
    for (a, _), t in np.ndenumerate(tables.pair_table):
        if t >= 0 and tables.energy_mask[a]:
            np.testing.assert_array_equal(tables.tables[t].basis, np.eye(12))
    for structure in structures(make_structure, model.n_types):
        exact, got, _ = compare(model, tables, structure)
        np.testing.assert_allclose(got.forces, exact.forces, atol=FULL_RANK)
        np.testing.assert_allclose(got.atom_energy, exact.atom_energy, atol=FULL_RANK)


def test_looser_tolerance_is_cheaper_and_still_honoured(make_model, make_structure):
    model = make_model(seed=2, widths=(1, 6, 12))
    sizes = []
    for tolerance in (1e-2, 1e-4, 1e-7):
        result = build(model, M, Options(tolerance=tolerance, form="folded"))
        sizes.append((max(t.rank for t in result.tables.tables), max(len(f.row_end) for f in result.tables.fittings)))
        sizes[-1] += (max(len(f.layers[0].weight) for f in result.tables.fittings),)
        for structure in structures(make_structure, 2):
            assert within(compare(model, result.tables, structure)[2], tolerance)
    ranks, columns, products = np.array(sizes).T
    assert np.all(np.diff(products) > 0)
    assert ranks[0] < ranks[-1]
    assert columns[0] < columns[-1]


def test_rank_given(make_model, make_structure):
    """At most K columns; the error is that of the rank, the pruned products add next to nothing."""
    model = make_model(seed=2, widths=(1, 6, 12))
    errors = []
    for form in ("folded", "direct"):
        result = build(model, M, Options(rank=4, form=form))
        assert max(table.rank for table in result.tables.tables) == 4
        errors.append(compare(model, result.tables, structures(make_structure, 2)[0])[2].force)
    assert errors[0] > 1e-5
    assert abs(errors[0] - errors[1]) < TOLERANCE
    assert build(model, M, Options(rank=99)).tables.tables[0].rank <= 12


def test_cheaper_form_is_chosen(make_model):
    """M A = 24 inputs against the products of up to 24 columns, and against those of a net that is linear (two
    columns a table)."""
    assert not build(make_model(seed=2, widths=(1, 6, 12)), M).folded
    linear = build(make_model(seed=2, widths=(1, 6, 12), activation="linear"), M)
    assert linear.folded
    assert all(table.rank <= 2 for table in linear.tables.tables)


def test_first_layer_with_a_skip_connection_is_not_folded(make_model):
    model = make_model(seed=2, widths=(1, 3, 6), activation="linear")
    net = model.fitting.nets[0]
    layer = net.layers[0]
    square = dataclasses.replace(layer, weight=np.eye(12)[:, :12] * 0.1, bias=np.zeros(12), idt=None, skip="identity")
    narrow = dataclasses.replace(layer, weight=np.full((12, 5), 0.1))
    deep = dataclasses.replace(net, layers=(square, narrow, *net.layers[1:]))
    skipping = dataclasses.replace(model, fitting=dataclasses.replace(model.fitting, nets=(deep, deep)))
    skipping.validate()
    assert build(model, M, Options(form="folded")).folded
    assert not build(skipping, M, Options(form="folded")).folded


def test_staircases_follow_the_format(make_model):
    tables = build(make_model(seed=2, widths=(1, 6, 12)), M, Options(form="folded")).tables
    for a, fitting in enumerate(tables.fittings):
        p = np.arange(len(fitting.row_end))
        assert fitting.row_end[0] == len(p) == len(fitting.columns)
        assert np.all((fitting.row_end[1:] <= fitting.row_end[:-1]) | (fitting.row_end[1:] == p[1:]))
        assert np.sum(fitting.row_end - p) == len(fitting.layers[0].weight)
        for b, k in fitting.columns.tolist():
            assert k < tables.tables[tables.pair_table[a, b]].rank


def test_table_of_empty_slots_has_one_column(make_model):
    model = make_model(seed=2, type_one_side=False, excluded=frozenset({(0, 0)}))
    tables = build(model, M).tables
    assert tables.tables[tables.pair_table[0, 0]].rank == 1


def test_order_three_says_that_it_is_less_accurate(make_model):
    model = make_model(seed=2, widths=(1, 6, 12))
    errors = {order: build(model, M, Options(order=order, rank="full")).errors for order in (3, 5)}
    assert errors[3].force > 1e3 * errors[5].force
    finer = build(model, M, Options(order=3, rank="full", step=0.0025)).errors
    assert finer.force < errors[3].force / 20  # slope of a cubic: h^3


def test_same_bytes_every_time_and_through_the_file(make_model, make_structure):
    model = make_model(seed=2, widths=(1, 6, 12))
    first, second = (to_bytes(build(model, M).tables) for _ in range(2))
    assert first == second
    structure = structures(make_structure, 2)[0]
    before = reference_tables.evaluate(build(model, M).tables, *structure)
    after = reference_tables.evaluate(from_bytes(first), *structure)
    np.testing.assert_array_equal(before.forces, after.forces)


def test_structures_given_are_what_is_measured(make_model, make_structure):
    model = make_model(seed=2, widths=(1, 6, 12))
    positions, types, cell = make_structure(seed=3)
    result = build(model, M, Options(), None, [Structure(positions, types, cell, "given")])
    _, _, errors = compare(model, result.tables, (positions, types, cell))
    np.testing.assert_allclose(dataclasses.astuple(errors), dataclasses.astuple(result.errors), rtol=0.3, atol=1e-12)


def test_type_that_the_structures_lack(make_model, make_structure):
    """Synthetic ones are added."""
    model = make_model(seed=2, widths=(1, 6, 12))
    positions, types, cell = make_structure(seed=3)
    given = [Structure(positions, np.zeros_like(types), cell, "pure")]
    result = build(model, M, Options(form="folded"), None, given)
    assert result.measured_on == "1 frames of training data and 4 synthetic structures"
    assert within(compare(model, result.tables, (positions, types, cell))[2], TOLERANCE)


def test_probe_structures(make_model):
    model = make_model(n_types=3, sel=(12, 24, 0), n_sel=36)
    probes = probe_structures(model, M)
    assert [len(p.types) for p in probes] == [len(probes[0].types)] * 4
    for probe in probes:
        counts = np.bincount(probe.types, minlength=3)
        assert np.all(counts > 0)
        assert counts[1] > 1.5 * counts[0] > counts[2]
        np.testing.assert_array_equal(probe.positions, probe_structures(model, M)[int(probe.name[-1]) - 1].positions)
        env = reference.find_neighbours(probe.positions, probe.cell, M)
        assert len(env.centre) <= 0.02 * len(probe.types)  # pushed apart, but for what the packing does not allow


@pytest.mark.parametrize("zero_mean", [False, True])
def test_density_from_the_statistics(make_model, zero_mean):
    """Statistics of a random gas of known density give the density back, also where the mean was set to zero."""
    density, m, rcut, smooth = 0.05, 1.0, 6.0, 1.0
    n_sel = 100
    rng = np.random.default_rng(0)
    n = 4000
    edge = (n / density) ** (1 / 3)
    r = np.linalg.norm(rng.uniform(-edge / 2, edge / 2, (40 * n, 3)), axis=1)
    r = r[(r < rcut) & (r > m)]  # neighbours of 40 atoms
    sw, _ = reference.switch(r, smooth, rcut)
    s = sw / r
    mean, square = s.sum() / 40 / n_sel, (s**2).sum() / 40 / n_sel
    std = np.array([[np.sqrt(square - mean**2), np.sqrt(square / 3)]] * 2)
    model = make_model(
        rcut=rcut, rcut_smth=smooth, sel=(50, 50), n_sel=n_sel, std=std, mean=np.zeros(2) if zero_mean else np.full(2, mean)
    )
    assert abs(number_density(model, m) / density - 1) < 0.1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"order": 4}, "--order"),
        ({"check_frequency": 0}, "--check-frequency"),
        ({"tolerance": 0.0}, "--tolerance"),
        ({"tolerance": float("nan")}, "--tolerance"),
        ({"tolerance_mixed": 0.0}, "--tolerance-mixed"),
        ({"rank": 0}, "--rank"),
        ({"rank": "some"}, "--rank"),
        ({"step": -1.0}, "--step"),
        ({"extrapolate": 0.0}, "--extrapolate"),
    ],
)
def test_bad_options(make_model, options, message):
    with pytest.raises(InputError, match=message):
        build(make_model(), M, Options(**options))


@pytest.mark.parametrize("distance", [0.0, -1.0, float("nan")])
def test_bad_distance(make_model, distance):
    with pytest.raises(InputError, match="smallest neighbour distance"):
        build(make_model(), distance)
