# SPDX-License-Identifier: MIT
"""Whole builds of random models: the tables against the uncompressed model, options, forms, and the same bytes every time."""

import dataclasses

import numpy as np
import pytest

from pybuild import calculator
from pybuild.compress import rounds
from pybuild.compress.build import Options, build
from pybuild.compress.rounds import Measured, tightened
from pybuild.compress.stored import same_part
from pybuild.compress.trials import Goal, within
from pybuild.compress.truncation import Errors, difference
from pybuild.errors import InputError
from pybuild.model.net import Net, Skip
from pybuild.oracles import reference, reference_tables
from pybuild.oracles.parts import switch
from pybuild.structures.probe import close_structures, judge_structures, number_density, probe_structures
from pybuild.structures.structure import Structure
from pybuild.tablefile.file import from_bytes, to_bytes
from pybuild.tablefile.tableset import Form

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


def forms(result):
    """Of all inputs of all fitting nets."""
    return {taken.form for fitting in result.tables.fittings if fitting is not None for taken in fitting.inputs}


def structures(make_structure, n_types):
    positions, types, cell = make_structure(seed=3, n_types=n_types)
    return [(positions, types, cell), (positions, types, None)]


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("form", ["folded", "combined", "direct"])
def test_tolerance_is_honoured(make_model, make_structure, name, form):
    model = make_model(seed=2, widths=(1, 6, 12), **VARIANTS[name])
    result = build(model, M, Options(form=form))
    assert forms(result) == {Form.DIRECT if form == "direct" else Form.SQUARE}
    assert {taken.combination is not None for taken in inputs_of(result.tables)} == {form == "combined"}
    assert within(result.measured.double, TOLERANCE)
    for structure in structures(make_structure, model.n_types):
        exact, got, errors = compare(model, result.tables, structure)
        assert np.abs(exact.forces).max() > 1e-3  # there is something to get wrong
        assert within(errors, TOLERANCE)
        np.testing.assert_allclose(got.atom_energy, exact.atom_energy, atol=TOLERANCE)
        np.testing.assert_allclose(got.atom_virial, exact.atom_virial, atol=10 * TOLERANCE)


@pytest.mark.parametrize("name", VARIANTS)
def test_full_rank_is_exact_up_to_interpolation(make_model, make_structure, name):
    model = make_model(seed=2, widths=(1, 6, 12), **VARIANTS[name])
    tables = build(model, M, Options(rank="full", step=0.01)).tables
    assert all(taken.form == Form.DIRECT for taken in inputs_of(tables))
    for (a, _), t in np.ndenumerate(tables.descriptors[0].pair_table):
        if t >= 0 and tables.energy_mask[a]:
            np.testing.assert_array_equal(tables.tables[t].basis, np.eye(12))
    for structure in structures(make_structure, model.n_types):
        exact, got, _ = compare(model, tables, structure)
        np.testing.assert_allclose(got.forces, exact.forces, atol=FULL_RANK)
        np.testing.assert_allclose(got.atom_energy, exact.atom_energy, atol=FULL_RANK)


def inputs_of(tables):
    """What each net takes of the only descriptor."""
    return [taken for f in tables.fittings if f is not None for taken in f.inputs]


def test_looser_tolerance_is_cheaper_and_still_honoured(make_model, make_structure):
    model = make_model(seed=2, widths=(1, 6, 12))
    sizes = []
    for tolerance in (1e-2, 1e-4, 1e-7):
        result = build(model, M, Options(tolerance=tolerance, form="folded"))
        ends = [i.row_end if i.row_end_double is None else i.row_end_double for i in inputs_of(result.tables)]
        in_use = [end > np.arange(len(end)) for end in ends]
        counts = [int((end - np.arange(len(end))).sum()) for end in ends]
        ranks = [
            int(i.columns[: end[mask].max(), 1].max()) + 1
            for i, end, mask in zip(inputs_of(result.tables), ends, in_use, strict=True)
        ]
        sizes.append((max(ranks), max(int(mask.sum()) for mask in in_use), max(counts)))
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
    for form in ("folded", "combined", "direct"):
        result = build(model, M, Options(rank=4, form=form))
        assert max(table.rank for table in result.tables.tables) == 4
        errors.append(compare(model, result.tables, structures(make_structure, 2)[0])[2].force)
    assert errors[2] > 1e-5
    np.testing.assert_allclose(errors, errors[2], rtol=0, atol=TOLERANCE)
    assert build(model, M, Options(rank=99)).tables.tables[0].rank <= 12


def test_cheaper_form_is_chosen(make_model):
    """The products of up to 24 columns, 23 of combinations (24 numbers of the descriptor), and those of a net that is linear
    (two columns a table)."""
    for changes, combines in (({}, True), ({"activation": "linear"}, False)):
        tables = build(make_model(seed=2, widths=(1, 6, 12), **changes), M).tables
        assert {taken.form for taken in inputs_of(tables)} == {Form.SQUARE}
        assert {taken.combination is not None for taken in inputs_of(tables)} == {combines}
        assert combines or all(table.rank <= 2 for table in tables.tables)


def test_first_layer_with_a_skip_connection_is_not_folded(make_model):
    model = make_model(seed=2, widths=(1, 3, 6), activation="linear")
    net = model.fitting.nets[0]
    layer = net.layers[0]
    square = dataclasses.replace(layer, weight=np.eye(12)[:, :12] * 0.1, bias=np.zeros(12), idt=None, skip=Skip.IDENTITY)
    narrow = dataclasses.replace(layer, weight=np.full((12, 5), 0.1))
    deep = dataclasses.replace(net, layers=(square, narrow, *net.layers[1:]))
    skipping = dataclasses.replace(model, fitting=dataclasses.replace(model.fitting, nets=(deep,), net_of=[0, 0]))
    skipping.validate()
    assert forms(build(model, M, Options(form="folded"))) == {Form.SQUARE}
    assert forms(build(skipping, M, Options(form="folded"))) == {Form.DIRECT}


def test_staircases_follow_the_format(make_model):
    tables = build(make_model(seed=2, widths=(1, 6, 12)), M, Options(form="folded")).tables
    for a, (fitting, taken) in enumerate(zip(tables.fittings, inputs_of(tables), strict=True)):
        p = np.arange(len(taken.row_end))
        assert taken.row_end[0] == len(p) == len(taken.columns)
        assert np.all((taken.row_end[1:] <= taken.row_end[:-1]) | (taken.row_end[1:] == p[1:]))
        assert np.sum(taken.row_end - p) == len(fitting.layers[0].weight)
        for b, k in taken.columns.tolist():
            assert k < tables.tables[tables.descriptors[0].pair_table[a, b]].rank


def test_table_of_empty_slots_has_one_column(make_model):
    model = make_model(seed=2, type_one_side=False, excluded=frozenset({(0, 0)}))
    tables = build(model, M).tables
    assert tables.tables[tables.descriptors[0].pair_table[0, 0]].rank == 1


def test_order_three_says_that_it_is_less_accurate(make_model):
    model = make_model(seed=2, widths=(1, 6, 12))
    errors = {order: build(model, M, Options(order=order, rank="full", step=0.01)).measured.double for order in (3, 5)}
    assert errors[3].force > 1e3 * errors[5].force
    finer = build(model, M, Options(order=3, rank="full", step=0.0025)).measured.double
    assert finer.force < errors[3].force / 20  # slope of a cubic: h^3


@pytest.mark.parametrize("form", ["folded", "combined", "direct"])
def test_rounds_measure_what_has_changed_alone(make_model, monkeypatch, form):
    """Asked for a tenth of the tolerance, a judge sends back some choices; the outcome is that of measuring all of it again."""
    parts, errors_of_part = [], rounds.errors_of_part

    def counted(tables, stored, part):
        parts.append(part)
        return errors_of_part(tables, stored, part)

    monkeypatch.setattr(rounds, "JUDGED", 0.1)
    monkeypatch.setattr(rounds, "errors_of_part", counted)
    model = make_model(seed=2, widths=(1, 6, 12))
    result, n = build(model, M, Options(form=form)), len(parts)
    monkeypatch.setattr(rounds, "same_part", lambda *_: False)
    again = build(model, M, Options(form=form))
    assert len(parts) - n > n
    assert again.measured == result.measured
    assert to_bytes(again.tables) == to_bytes(result.tables)


def with_first_input(tables, **changed):
    """Another choice for the first centre type."""
    fitting = tables.fittings[0]
    taken = dataclasses.replace(fitting.inputs[0], **changed)
    return dataclasses.replace(tables, fittings=(dataclasses.replace(fitting, inputs=(taken,)), *tables.fittings[1:]))


def test_parts_that_are_the_same(make_model):
    model = make_model(seed=2, widths=(1, 6, 12))
    tables = build(model, M, Options(form="combined")).tables
    fewer = np.minimum(tables.fittings[0].inputs[0].row_end, 1)
    parts = ("double", "mixed", "all")
    assert [same_part(tables, with_first_input(tables, row_end_mixed=fewer), part) for part in parts] == [True, False, True]
    assert [same_part(tables, with_first_input(tables, row_end_double=fewer), part) for part in parts] == [False, True, True]
    direct = build(model, M, Options(form="direct")).tables
    shorter = dataclasses.replace(direct, tables=tuple(table.first(table.rank - 1) for table in direct.tables))
    assert [same_part(direct, direct, part) for part in parts] == [True] * 3
    assert [same_part(direct, shorter, part) for part in parts] == [False] * 3


def test_same_bytes_every_time_and_through_the_file(make_model, make_structure):
    model = make_model(seed=2, widths=(1, 6, 12))
    first, second = (to_bytes(build(model, M).tables) for _ in range(2))
    assert first == second
    structure = structures(make_structure, 2)[0]
    before = reference_tables.evaluate(build(model, M).tables, *structure)
    after = reference_tables.evaluate(from_bytes(first), *structure)
    np.testing.assert_array_equal(before.forces, after.forces)


def test_structures_given_are_measured_beside_synthetic_ones(make_model, make_structure):
    model = make_model(seed=2, widths=(1, 6, 12))
    positions, types, cell = make_structure(seed=3)
    result = build(model, M, Options(), None, [Structure(positions, types, cell, "given")])
    _, _, errors = compare(model, result.tables, (positions, types, cell))
    assert errors.force <= 1.01 * result.measured.double.force
    assert result.measured_on.startswith("1 frames of training data and ")


def test_frames_in_which_nothing_is_to_be_seen(make_model, make_structure):
    """Isolated atoms: what is kept and what is reported comes from the synthetic structures."""
    model = make_model(seed=2, widths=(1, 6, 12))
    alone = [Structure(np.zeros((1, 3)), np.array([a]), None, "alone") for a in range(2)]
    result = build(model, M, Options(form="folded"), None, alone)
    assert result.measured.double.force > 1e-12
    for structure in structures(make_structure, 2):
        assert within(compare(model, result.tables, structure)[2], TOLERANCE)


def test_type_that_the_structures_lack(make_model, make_structure):
    """Synthetic ones are added."""
    model = make_model(seed=2, widths=(1, 6, 12))
    positions, types, cell = make_structure(seed=3)
    given = [Structure(positions, np.zeros_like(types), cell, "pure")]
    result = build(model, M, Options(form="folded"), None, given)
    assert "1 frames of training data and" in result.measured_on
    assert within(compare(model, result.tables, (positions, types, cell))[2], TOLERANCE)


@pytest.mark.parametrize("make", [probe_structures, judge_structures])
def test_synthetic_structures(make_model, make):
    """Mixtures and pure elements, always the same, no pair closer than asked for but for what the packing does not allow."""
    model, distances = make_model(n_types=3, sel=(12, 24, 0), n_sel=36), np.array([[1.0, 1.2, M], [1.2, 1.4, M], [M, M, M]])
    made, again = make(model, distances), make(model, distances)
    if make is probe_structures:  # by sel
        counts = np.bincount(made[0].types, minlength=3)
        assert np.all(counts > 0)
        assert counts[1] > 1.5 * counts[0] > counts[2]
    for probe, same in zip(made, again, strict=True):
        np.testing.assert_array_equal(probe.positions, same.positions)
        pairs = reference.find_neighbours(probe.positions, probe.cell, 1.4)
        near = np.linalg.norm(pairs.vector, axis=1) < distances[probe.types[pairs.centre], probe.types[pairs.neighbour]]
        assert near.sum() <= 0.02 * len(probe.types)
    kinds = {frozenset(probe.types.tolist()) for probe in made}
    assert kinds >= {frozenset({0}), frozenset({1}), frozenset({2}), frozenset({0, 1, 2})}


def test_the_two_sets_share_no_structure(make_model):
    sets = [make(make_model(), np.full((2, 2), M)) for make in (probe_structures, judge_structures)]
    assert not any(np.array_equal(one.positions, other.positions) for one in sets[0] for other in sets[1])


def test_close_pairs_are_where_they_are_asked_for(make_model):
    model, low, high = make_model(), np.full((2, 2), 0.3), np.full((2, 2), 0.9)
    for structure in close_structures(model, low, high, np.full((2, 2), M), (1, 2)):
        r = np.linalg.norm(reference.find_neighbours(structure.positions, structure.cell, 0.9).vector, axis=1)
        assert len(r) >= 20
        assert (r > 0.3).mean() > 0.9  # an atom moved may come close to a third one


CLOSE = {0.97: 1e-8, 0.85: 1e-8, 0.6: 1e-4, 0.3: 1e-4}  # share of the smallest distance: tolerance of the forces, eV/A


@pytest.mark.parametrize("form", ["folded", "combined", "direct"])
@pytest.mark.parametrize("share", CLOSE)
def test_pairs_closer_than_in_the_training_data(make_model, make_structure, form, share):
    """The exact net down to the end of the tables; atoms far away are evaluated as ever."""
    model = make_model(seed=2, widths=(1, 6, 12))
    tables = build(model, M, Options(form=form)).tables
    for seed in range(3):
        positions, types, cell = make_structure(seed=seed)
        i, j = np.random.default_rng(seed).permutation(len(types))[:2]
        direction = np.random.default_rng(seed).normal(size=3)
        positions[j] = positions[i] + share * M * direction / np.linalg.norm(direction)
        exact, _, errors = compare(model, tables, (positions, types, cell))
        assert np.abs(exact.forces).max() > 1e-2
        assert errors.force < CLOSE[share]


def test_from_where_on_centres_take_all(make_model, make_structure):
    """Down to that distance what an ordinary centre takes is good enough, though not as good as all; below it takes all."""
    model = make_model(seed=3, widths=(1, 16, 32))
    built = build(model, M, Options(form="folded"))
    assert built.close_factor in (0.9, 0.95)
    assert 0 < built.between.force < 1e-6  # a hundred times the tolerance
    np.testing.assert_allclose(built.tables.close_distance, built.close_factor * built.tables.min_distance)
    always = dataclasses.replace(built.tables, close_distance=None)
    positions, types, cell = make_structure(seed=1)
    for share, takes_all in ((1.001, False), (0.999, True)):
        positions[1] = positions[0] + [0.0, 0.0, share * built.close_factor * M]
        exact = reference.evaluate(model, positions, types, cell)
        got, every = (reference_tables.evaluate(tables, positions, types, cell) for tables in (built.tables, always))
        part_error, error = (np.abs(r.forces - exact.forces).max() for r in (got, every))
        assert error < TOLERANCE
        assert part_error == error if takes_all else error < part_error < 1e-6


def test_steps_follow_the_tolerance(make_model):
    """A hundred times the tolerance, 100^(1/5) times the step; given by hand, it is kept."""
    model = make_model(seed=2, widths=(1, 6, 12))
    steps = [build(model, M, Options(tolerance=t, rank="full")).tables.tables[0].segments[0, 1] for t in (1e-8, 1e-6)]
    assert 1.5 < steps[1] / steps[0] < 4
    given = build(model, M, Options(step=0.02)).tables.tables[0].segments
    np.testing.assert_allclose(given[:, 1], [0.02, 0.2], rtol=1e-6)


def with_steep_neuron(model, x, steepness):
    """The first neuron of the first embedding net changes its sign within 1/steepness of x."""
    (d,) = model.descriptors
    first, *rest = d.nets[0].layers
    weight, bias = first.weight.copy(), first.bias.copy()
    weight[0, 0], bias[0] = steepness, -steepness * x
    steep = Net((dataclasses.replace(first, weight=weight, bias=bias), *rest))
    return dataclasses.replace(model, descriptors=(dataclasses.replace(d, nets=(steep, *d.nets[1:])),))


@pytest.mark.parametrize("kind", ["se_e2_a", "se_e3"])
def test_a_region_much_steeper_than_the_rest(make_model, kind):
    """Steps of its own there, where pairs have their forces within the tolerance, and few rows beside it."""
    model, r = make_model(4, n_types=1, kind=kind, widths=(1, 4, 8)), 3.02
    model = with_steep_neuron(model, model.descriptors[0].ranges(0, r), 400.0)
    result = build(model, M, Options(rank="full"))
    (table,) = result.tables.tables
    steps = table.segments[:, 1]
    assert (len(steps) > 2) if kind == "se_e2_a" else (len(steps) == 3)
    assert steps.max() > 8 * steps.min()
    assert len(table.coef) < 0.3 * (table.max - table.lower) / steps.min()
    types = np.zeros(2, dtype=int)
    for shift in np.linspace(-0.01, 0.01, 21):
        structure = np.array([[0.0, 0.0, 0.0], [r + shift, 0.0, 0.0]]), types, None
        exact, _, error = compare(model, result.tables, structure)
        assert error.force < 3 * TOLERANCE * max(1.0, np.abs(exact.forces).max())


@pytest.mark.parametrize("before", [0.1, 0.02, 0.0])
def test_a_net_that_is_steep_where_nothing_is_looked_up(before, make_model, make_structure):
    """Below the argument of neighbours at the cut-off, or there: tables are as accurate, need as few rows and columns."""
    plain = make_model(4, n_types=1, widths=(1, 4, 8))
    first = float(plain.descriptors[0].radial.x_pad[0])
    model = with_steep_neuron(plain, first - before, 2000.0)
    (expected,), result = build(plain, M).tables.tables, build(model, M)
    (table,) = result.tables.tables
    assert table.lower == (-1.0 if before > 0.05 else first)
    assert len(table.coef) < (4 if before < 0.01 else 1) * len(expected.coef) + 64
    assert table.rank <= expected.rank
    assert result.measured.double.force < TOLERANCE
    exact, _, error = compare(model, result.tables, make_structure(1, n_types=1))
    assert error.force < TOLERANCE * max(1.0, np.abs(exact.forces).max())


@pytest.mark.parametrize("apart", [1e-12, 1e-3])
def test_a_net_that_is_steep_where_two_centre_types_begin(apart, make_model, tmp_path):
    """Arguments at the cut-off that differ by next to nothing give no interval of that length, whose coefficients single
    precision would not hold."""
    plain = make_model(4, n_types=3, widths=(1, 4, 8), type_one_side=True)
    (d,) = plain.descriptors
    mean, std = d.mean[0] * np.array([1.0, 1.0 + apart, 2.0]), np.repeat(d.std[:1], 3, axis=0)
    plain = dataclasses.replace(plain, descriptors=(dataclasses.replace(d, mean=mean, std=std),))
    model = with_steep_neuron(plain, float(plain.descriptors[0].radial.x_pad.min()), 2000.0)
    result = build(model, M)
    for table in result.tables.tables:
        assert table.segments[:, 1].min() > 1e-6
        assert np.abs(table.coef).max() < 1e30
    assert result.measured.double.force < TOLERANCE
    path = tmp_path / "tables.bin"
    path.write_bytes(to_bytes(result.tables))
    tables = calculator.load(path)
    for distance in np.geomspace(1e-7, 3e-3, 5):
        positions, types = np.array([[0, 0, 0], [d.rcut - distance, 0, 0], [0, 1.9, 0.3]]), np.array([1, 1, 2])
        exact = reference.evaluate(model, positions, types)
        for precision, allowed in (("double", TOLERANCE), ("mixed", 1e-4)):
            found = calculator.evaluate(tables, positions, types, precision=precision)
            np.testing.assert_allclose(found.forces, exact.forces, rtol=0, atol=allowed)


def test_relu_tables_are_exact(make_model, make_structure):
    """Piecewise linear functions with a knot at every kink."""
    model = make_model(seed=2, widths=(1, 6, 12), activation="relu6")
    tables = build(model, M, Options(rank="full")).tables
    for structure in structures(make_structure, 2):
        assert compare(model, tables, structure)[2].force < 1e-9


@pytest.mark.parametrize(("found", "expected"), [((1.2e-5, 0.9e-5), 1), ((0.9e-5, 0.8e-5), 0), ((1.2e-5, 1.1e-5), 0)])
def test_a_goal_that_no_tightening_helps(found, expected):
    """Goes back to the loosest one that met the tolerance, to the first where none did."""
    nothing = Errors(0.0, 0.0, 0.0)
    goals = [Goal(2.5e-9, mixed, 2.5e-9, 2.5e-5) for mixed in (2.5e-6, 1.2e-6)]
    tried = [
        (goal, Measured(nothing, Errors(force, 0.0, 0.0), nothing, nothing)) for goal, force in zip(goals, found, strict=True)
    ]
    assert tightened(tried, Options(), {"mixed"}) == goals[expected]


def test_a_round_that_met_everything_is_kept(make_model, monkeypatch):
    """0.9 of the tolerance is more than is asked for on structures that the choice was not made on: the search goes on, and must
    not end with what it finds worse."""
    nothing, forces = Errors(0.0, 0.0, 0.0), iter([0.9, *[2.0] * 4])

    def measure(*_):
        return Measured(Errors(next(forces) * TOLERANCE, 0.0, 0.0), nothing, nothing, nothing)

    monkeypatch.setattr("pybuild.compress.rounds.Judge.measure", measure)
    built = build(make_model(seed=2, widths=(1, 6, 12)), M)
    assert len(list(forces)) < 4  # it did go on
    assert built.measured.double.force == pytest.approx(0.9 * TOLERANCE)


def test_a_centre_type_without_slots(make_model, make_structure):
    """Its atoms see neighbours with statistics of their own, far from those of the others."""
    model = make_model(seed=2, widths=(1, 6, 12), sel=(0, 24), n_sel=24, std=np.array([[0.03, 0.1], [0.15, 0.1]]))
    tables = build(model, M).tables
    for structure in structures(make_structure, 2):
        exact, _, errors = compare(model, tables, structure)
        assert np.abs(exact.forces).max() > 1e-2
        assert errors.force < TOLERANCE


@pytest.mark.parametrize("options", [Options(), Options(form="folded"), Options(rank=4), Options(rank="full")], ids=str)
@pytest.mark.parametrize("which", ["last layers zero", "one last layer zero", "dead", "saturated", "all pairs excluded"])
def test_an_energy_that_does_not_depend_on_positions(make_model, make_structure, which, options):
    model = make_model(seed=2, fitting_activation={"dead": "relu", "saturated": "relu6"}.get(which, "tanh"))
    if which == "all pairs excluded":
        excluded = frozenset((a, b) for a in range(2) for b in range(2))
        model = dataclasses.replace(
            model, pair_excluded=excluded, descriptors=(dataclasses.replace(model.descriptors[0], mean=np.zeros(2)),)
        )
    else:
        nets = [
            constant_net(net, which) if a == 0 or which == "last layers zero" else net for a, net in enumerate(model.fitting.nets)
        ]
        model = dataclasses.replace(model, fitting=dataclasses.replace(model.fitting, nets=tuple(nets)))
    built = build(model, M, options)
    if which == "all pairs excluded":  # nothing that could be measured closer than in the training data
        assert built.close_factor == 1
    tables = from_bytes(to_bytes(built.tables))
    for structure in structures(make_structure, 2):
        exact, got, _ = compare(model, tables, structure)
        constant = structure[1] >= 0 if which in ("last layers zero", "all pairs excluded") else structure[1] == 0
        np.testing.assert_allclose(got.atom_energy[constant], exact.atom_energy[constant], atol=1e-10, rtol=0)


def constant_net(net, which):
    first, last = net.layers[0], net.layers[-1]
    if which in ("dead", "saturated"):
        return dataclasses.replace(
            net, layers=(dataclasses.replace(first, bias=first.bias + (-1e3 if which == "dead" else 1e3)), *net.layers[1:])
        )
    return dataclasses.replace(net, layers=(*net.layers[:-1], dataclasses.replace(last, weight=0 * last.weight)))


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
    sw, _ = switch(r, smooth, rcut)
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
        ({"check_frequency": 2.5}, "--check-frequency"),
        ({"check_frequency": True}, "--check-frequency"),
        ({"form": "bogus"}, "form must be one of auto, folded, combined, direct"),
        ({"tolerance": 0.0}, "--tolerance"),
        ({"tolerance": float("nan")}, "--tolerance"),
        ({"tolerance_mixed": 0.0}, "--tolerance-mixed"),
        ({"rank": 0}, "--rank"),
        ({"rank": "some"}, "--rank"),
        ({"rank": True}, "--rank"),
        ({"step": -1.0}, "--step"),
        ({"extrapolate": 0.0}, "--extrapolate"),
    ],
)
def test_bad_options(make_model, options, message):
    with pytest.raises(InputError, match=message):
        build(make_model(), M, Options(**options))


@pytest.mark.parametrize("distance", [0.0, -1.0, float("nan"), 4.0, 100.0])
def test_bad_distance(make_model, distance):
    with pytest.raises(InputError, match="smallest neighbour distance"):
        build(make_model(), distance)
