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
