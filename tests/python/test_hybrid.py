# SPDX-License-Identifier: MIT
"""Models of several descriptors (hybrid): oracles, builds, tables and evaluators against each other, whatever the members."""

import dataclasses

import numpy as np
import pytest

from pybuild import calculator, info
from pybuild.compress.accuracy import provenance, report_lines, table_reports
from pybuild.compress.build import Options, build
from pybuild.compress.trials import within
from pybuild.compress.truncation import difference
from pybuild.errors import ModelError
from pybuild.model.descriptor import Form
from pybuild.oracles import reference, reference_tables
from pybuild.structures.nearest import Slots, nearest_pairs
from pybuild.tablefile.file import from_bytes, to_bytes, write_tables

M = 1.2  # smallest distance, below those of the test structures
SAME = 1e-11  # eV, eV/A: the same formulas in another order, forces up to 10 eV/A
STEP = 1e-4  # angstrom, of a central difference
DIFFERENCE = 2e-7  # eV/A: its error, third derivatives up to 100 eV/A^3

ANGULAR, RADIAL = {"widths": (1, 6, 12)}, {"kind": "se_e2_r", "widths": (1, 4, 8)}
SHORT = {"rcut": 3.0, "rcut_smth": 1.0, "sel": (8, 6), "n_sel": 14}
MEMBERS = {
    "a_r": [ANGULAR, RADIAL],
    "r_a": [RADIAL, ANGULAR],
    "a_a": [ANGULAR, {"widths": (1, 3, 6), "type_one_side": False, **SHORT}],
    "a_r_a": [{"widths": (1, 6), **SHORT}, RADIAL, {"widths": (1, 3, 6), "env_protection": 0.05}],
    "exclude": [{**ANGULAR, "excluded": frozenset({(0, 1), (1, 0)})}, {**RADIAL, "excluded": frozenset({(0, 0)})}],
    "no_slots": [{**ANGULAR, "sel": (12, 0), "n_sel": 12}, {**RADIAL, "sel": (0, 12), "n_sel": 12}],
}


BACKENDS = ("host", "kokkos_serial")
# More neighbours than sel, of all types and of one, with members of different cutoffs; a pair of types that no member counts.
CROWDED = {
    "a_r": [{**ANGULAR, "sel": (5, 4), "n_sel": 9}, {**RADIAL, "sel": (4, 6), "n_sel": 10}],
    "a_a": [{**ANGULAR, "sel": (6, 9), "n_sel": 15}, {"widths": (1, 3, 6), **SHORT, "sel": (3, 2), "n_sel": 5}],
    "exclude": [
        {**ANGULAR, "sel": (5, 4), "n_sel": 9, "excluded": frozenset({(0, 1), (1, 0)})},
        {**RADIAL, "sel": (4, 5), "n_sel": 9, "excluded": frozenset({(0, 0)}), "rcut": 3.5},
    ],
    "pair_exclude": [{**ANGULAR, "sel": (5, 4), "n_sel": 9}, {**RADIAL, "sel": (4, 5), "n_sel": 9}],
}


@pytest.fixture(params=MEMBERS)
def model(request, make_hybrid):
    return make_hybrid(2, members=[dict(member) for member in MEMBERS[request.param]])


@pytest.fixture
def structure(make_structure):
    return make_structure(seed=3)


def assert_same(found, expected, tolerance=SAME):
    for name in ("atom_energy", "forces", "virial", "atom_virial"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=0, atol=tolerance, err_msg=name)


def test_forces_are_derivatives(model, structure):
    x, types, cell = structure
    forces = reference.evaluate(model, x, types, cell).forces
    rng = np.random.default_rng(1)
    u = rng.normal(size=x.shape)
    ahead, behind = (reference.evaluate(model, x + h * u, types, cell).energy for h in (STEP, -STEP))
    assert abs((ahead - behind) / (2 * STEP) + (forces * u).sum()) < DIFFERENCE * np.abs(u).sum()
    assert np.abs(forces).max() > 0.1


def test_two_oracles_agree(model, structure):
    pytest.importorskip("torch")
    from pybuild.oracles import reference_torch

    assert_same(reference.evaluate(model, *structure), reference_torch.evaluate(model, *structure))


@pytest.mark.parametrize("form", ["auto", "folded", "direct"])
def test_tolerance_is_honoured_and_evaluators_agree(model, structure, form, tmp_path):
    options = Options(form=form)
    built = build(model, M, options)
    assert within(built.measured.double, options.tolerance)
    expected, found = reference.evaluate(model, *structure), reference_tables.evaluate(built.tables, *structure)
    assert within(difference(found, expected, len(structure[1])), options.tolerance)
    write_tables(tmp_path / "t.bin", built.tables)
    assert_same(calculator.evaluate(tmp_path / "t.bin", *structure), found)
    again = from_bytes(to_bytes(built.tables))
    assert [d.kind for d in again.descriptors] == [d.kind for d in model.descriptors]
    forms = [{f.inputs[k].form for f in again.fittings} for k in range(len(model.descriptors))]
    of_kind = {"se_e2_a": Form.SQUARE, "se_e2_r": Form.LINEAR}
    if form != "auto":
        assert forms == [{of_kind[d.kind] if form == "folded" else Form.DIRECT} for d in model.descriptors]


def test_given_ranks(make_hybrid, structure):
    """Few columns miss the tolerance by the same in both forms; all of them are the nets themselves."""
    model = make_hybrid(2, members=[dict(ANGULAR), dict(RADIAL)])
    exact = reference.evaluate(model, *structure)
    errors = []
    for form in ("folded", "direct"):
        tables = build(model, M, Options(rank=4, form=form)).tables
        errors.append(difference(reference_tables.evaluate(tables, *structure), exact, 27).force)
    assert errors[0] > 1e-6
    assert abs(errors[0] - errors[1]) < 2e-8
    full = build(model, M, Options(rank="full", step=0.01)).tables
    assert difference(reference_tables.evaluate(full, *structure), exact, 27).force < 1e-10


def test_reports_name_the_descriptor(make_hybrid):
    model = make_hybrid(2, members=[dict(ANGULAR), dict(RADIAL)])
    options = Options()
    built = build(model, M, options)
    reports = table_reports(built)
    lines = report_lines(built, reports, options)
    assert [line.split(":")[0] for line in lines if line.startswith("first fitting layer")] == [
        "first fitting layer, descriptor 0 (se_e2_a)",
        "first fitting layer, descriptor 1 (se_e2_r)",
    ]
    assert [report.pairs for report in reports] == [f"{d}: A-{b} B-{b}" for d in (0, 1) for b in "AB"]
    layers = provenance(model, built, reports, options, M)["first_fitting_layer"]
    assert [sorted(layer["inputs"]) for layer in layers] == [["A", "B"]] * 2
    text = "\n".join(info.info_lines(built.tables))
    assert "descriptor 1: se_e2_r" in text
    assert ", of descriptor 0 and " in text


def test_a_fitting_net_takes_all_descriptors(make_hybrid):
    model = make_hybrid(2, members=[dict(ANGULAR), dict(RADIAL)])
    with pytest.raises(ModelError, match=r"fitting.nets\[0\].layers\[0\].weight has shape \(32, 5\), must be \(24, 5\)"):
        dataclasses.replace(model, descriptors=model.descriptors[:1]).validate()
    with pytest.raises(ModelError, match="descriptors is empty"):
        dataclasses.replace(model, descriptors=()).validate()


def crowded_model(make_hybrid, name, rule):
    excluded = frozenset({(0, 1), (1, 0)} if name == "pair_exclude" else ())
    members = [dict(member) for member in CROWDED[name]]
    return make_hybrid(2, members=members, neighbour_rule=rule, pair_excluded=excluded, min_nbor_dist=M)


def crowds(model, structure):
    """(centre, type) pairs with more neighbours than the slots of some descriptor, among the pairs that its slots are for."""
    x, types, cell = structure
    found = set()
    for d in model.descriptors:
        pairs = reference.find_neighbours(x, cell, d.rcut)
        count = np.zeros((len(x), 2), dtype=int)
        np.add.at(count, (pairs.centre, types[pairs.neighbour]), 1)
        for i, b in np.argwhere(count > d.sel).tolist():
            if (types[i], b) not in model.pair_excluded:
                found.add((i, b))
    if model.neighbour_rule == "union":  # what no descriptor counts fills places in the list of all, where that is cut
        most = np.max([d.sel for d in model.descriptors], axis=0)
        pairs = reference.find_neighbours(x, cell, model.rcut)
        count = np.zeros((len(x), 2), dtype=int)
        np.add.at(count, (pairs.centre, types[pairs.neighbour]), 1)
        for i, b in np.argwhere((count > most) & (count.sum(axis=1) > most.sum())[:, None]).tolist():
            found.add((i, b))
    return found


@pytest.mark.parametrize("backend", BACKENDS, indirect=True)
@pytest.mark.parametrize("rule", ["all", "per_type", "union"])
@pytest.mark.parametrize("name", CROWDED)
def test_more_neighbours_than_sel(make_hybrid, structure, tmp_path, name, rule, backend):
    model = crowded_model(make_hybrid, name, rule)
    write_tables(tmp_path / "t.bin", build(model, M).tables)
    expected = reference.evaluate(model, *structure)
    found = calculator.evaluate(tmp_path / "t.bin", *structure, backend=backend)
    np.testing.assert_allclose(found.atom_energy, expected.atom_energy, rtol=0, atol=1e-9)
    np.testing.assert_allclose(found.forces, expected.forces, rtol=0, atol=1e-8)
    np.testing.assert_allclose(found.virial, expected.virial, rtol=0, atol=1e-6)
    assert found.overflow["n_over_sel"] == len(crowds(model, structure)) > 0
    for other in {"all", "per_type", "union"} - {rule}:
        different = reference.evaluate(dataclasses.replace(model, neighbour_rule=other), *structure)
        assert np.abs(found.forces - different.forces).max() > 1e-5
    everything = calculator.evaluate(tmp_path / "t.bin", *structure, backend=backend, neighbors="all")
    without_rule = reference.evaluate(dataclasses.replace(model, neighbour_rule="all"), *structure)
    np.testing.assert_allclose(everything.forces, without_rule.forces, rtol=0, atol=1e-8)


def test_the_pairs_of_a_build(make_hybrid, structure):
    """The compressor's own choice against the oracle's, by a count of its own: each member's share of one list."""
    x, types, cell = structure
    for name in CROWDED:
        model = crowded_model(make_hybrid, name, "union")
        pairs = reference.find_neighbours(x, cell, model.rcut)
        kept = reference.taken_pairs("union", reference.slots_of(model.descriptors), types, pairs)
        slots = [Slots(d.rcut, d.sel) for d in model.descriptors]
        found = nearest_pairs("union", slots, types, (pairs.centre, pairs.neighbour, pairs.vector))
        np.testing.assert_array_equal(found, kept)
        r = np.linalg.norm(pairs.vector, axis=1)
        most = np.max([d.sel for d in model.descriptors], axis=0)
        for i in range(len(x)):
            listed = sorted(np.flatnonzero(pairs.centre == i), key=lambda p: r[p])[: most.sum()]
            for d, mask in zip(model.descriptors, kept, strict=True):
                inside = [[p for p in listed if types[pairs.neighbour[p]] == b and r[p] < d.rcut] for b in range(2)]
                mine = [p for b in range(2) for p in inside[b][: d.sel[b]]]
                assert sorted(mine) == np.flatnonzero(mask & (pairs.centre == i)).tolist()


def test_rules_of_one_and_of_several(make_model, make_hybrid):
    with pytest.raises(ModelError, match="neighbour_rule is 'total', must be one of all, per_type, union"):
        make_hybrid(2, members=[dict(ANGULAR), dict(RADIAL)], neighbour_rule="total").validate()
    with pytest.raises(ModelError, match="neighbour_rule is 'union', must be one of all, per_type, total"):
        make_model(neighbour_rule="union").validate()
