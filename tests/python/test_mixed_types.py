# SPDX-License-Identifier: MIT
"""se_e3_tebd, and hybrids of descriptors whose slots are for neighbours of any type, from the trained model to the compiled
tables, against DeePMD-kit."""

import dataclasses

import numpy as np
import pytest
from peer_models import M, MadeOnce, assert_agrees, atom_virial, frames

from pybuild import calculator
from pybuild.compress.build import Options, build
from pybuild.errors import ModelError, UnsupportedModel
from pybuild.info import info_lines
from pybuild.model.descriptor import Argument, Form
from pybuild.model.kept_types import keep_types
from pybuild.oracles import reference, reference_tables, reference_torch
from pybuild.readers import read_model
from pybuild.tablefile.file import from_bytes, to_bytes, write_tables

EXACT, TABLES, SINGLE = 1e-11, 1e-8, 2e-4  # eV, eV/A: roundings of two programs; the build's tolerance; mixed precision
NAMES = ["concat", "strip", "smooth", "smooth_exclude"]
HYBRIDS = ["hybrid_a", "hybrid_concat", "hybrid_three_bodies", "hybrid_tight", "hybrid_all_tight", "hybrid_few"]
CROWDED = {"concat", "smooth", "hybrid_tight", "hybrid_all_tight", "hybrid_few"}
STEP = 1e-4  # angstrom, of a central difference


@pytest.fixture(scope="module")
def folder(option_models):
    return option_models.parent / "mixed_types"


def trained(folder, name):
    """(model, DeePMD-kit's results)."""
    data = np.load(folder / f"{name}.npz")
    return read_model(folder / f"{name}.pth", padding_type="ABC"[data["types"][0]] if name == "hybrid_concat" else None), data


@pytest.fixture(scope="module")
def tables_of(folder, tmp_path_factory):
    return MadeOnce(lambda name: trained(folder, name)[0], tmp_path_factory)


@pytest.mark.parametrize("name", [*NAMES, *HYBRIDS])
@pytest.mark.parametrize("oracle", [reference, reference_torch], ids=["reference", "autograd"])
def test_the_model(folder, name, oracle):
    if oracle is reference_torch:
        pytest.importorskip("torch")
    model, data = trained(folder, name)
    assert model.neighbour_rule == "mixed"
    for k, *atoms in frames(data):
        found = oracle.evaluate(model, *atoms)
        assert_agrees(found, data, k, EXACT, EXACT, 10 * EXACT)
        np.testing.assert_allclose(found.atom_virial, atom_virial(data, k), rtol=0, atol=10 * EXACT)


def crowds(model, positions, types, cell):
    """Centres with more neighbours than slots: of each descriptor whose slots are for any type, and of types that some other
    descriptor has too few for. Those that the model excludes have their places among the nearest, too."""
    found = set()
    for d, descriptor in enumerate(model.descriptors):
        pairs = reference.find_neighbours(positions, cell, descriptor.rcut)
        count = np.zeros((len(types), model.n_types), dtype=int)
        np.add.at(count, (pairs.centre, types[pairs.neighbour]), 1)
        excluded = np.array([[(a, b) in model.pair_excluded for b in range(model.n_types)] for a in types])
        if not descriptor.shares_slots:
            found |= {(i, b) for i, b in np.argwhere((count > descriptor.sel) & ~excluded).tolist()}
        else:
            total = np.where(excluded & (model.neighbour_rule == "all"), 0, count).sum(axis=1)
            found |= {(i, "all", d) for i in np.flatnonzero(total > descriptor.n_sel)}
    return found


@pytest.mark.parametrize("backend", ["host", "kokkos_serial", "kokkos_openmp"], indirect=True)
@pytest.mark.parametrize("name", [*NAMES, *HYBRIDS])
def test_the_compiled_tables(folder, tables_of, name, backend):
    """Both rules; where all neighbours of a crowded centre are taken the number of empty slots is negative."""
    model, data = trained(folder, name)
    everything = dataclasses.replace(model, neighbour_rule="all")
    for k, *atoms in frames(data):
        found = calculator.evaluate(tables_of(name), *atoms, backend=backend)
        np.testing.assert_allclose(found.atom_energy, data[f"atom_energy{k}"], rtol=0, atol=TABLES)
        np.testing.assert_allclose(found.forces, data[f"forces{k}"], rtol=0, atol=TABLES)
        np.testing.assert_allclose(found.virial, data[f"virial{k}"], rtol=0, atol=100 * TABLES)
        np.testing.assert_allclose(found.atom_virial, atom_virial(data, k), rtol=0, atol=10 * TABLES)
        mixed = calculator.evaluate(tables_of(name), *atoms, precision="mixed", backend=backend)
        np.testing.assert_allclose(mixed.forces, data[f"forces{k}"], rtol=0, atol=SINGLE)
        crowded = len(crowds(model, *atoms))
        assert found.overflow["n_over_sel"] == crowded
        assert k == 1 or (crowded > 0) == (name in CROWDED)
        if crowded:
            kept_all = calculator.evaluate(tables_of(name), *atoms, neighbors="all", backend=backend)
            np.testing.assert_allclose(kept_all.forces, reference.evaluate(everything, *atoms).forces, rtol=0, atol=TABLES)
            assert np.abs(kept_all.forces - found.forces).max() > 100 * TABLES
            assert kept_all.overflow["n_over_sel"] == len(crowds(everything, *atoms))


@pytest.mark.parametrize(("name", "form"), [("smooth", "folded"), ("smooth_exclude", "direct")])
def test_the_other_form(folder, tables_of, name, form, tmp_path):
    """The oracle of the tables and the host, with gates; the fitting net of one had a skip around the types, too."""
    model, data = trained(folder, name)
    k, *atoms = next(frames(data))
    auto = from_bytes(tables_of(name).read_bytes())
    tables = from_bytes(to_bytes(build(model, M, Options(form=form)).tables))
    forms = [{f.inputs[0].form for f in t.fittings} for t in (auto, tables)]
    assert sorted(forms, key=str) == [{Form.DIRECT}, {Form.LINEAR}]
    assert len(tables.tables) == 1  # of all pairs of types
    assert tables.tables[0].argument is Argument.PRODUCT
    write_tables(tmp_path / "tables.bin", tables)
    for found in (reference_tables.evaluate(tables, *atoms), calculator.evaluate(tmp_path / "tables.bin", *atoms)):
        np.testing.assert_allclose(found.atom_energy, data[f"atom_energy{k}"], rtol=0, atol=TABLES)
        np.testing.assert_allclose(found.forces, data[f"forces{k}"], rtol=0, atol=TABLES)


@pytest.mark.parametrize("backend", ["host", "kokkos_serial"], indirect=True)
@pytest.mark.parametrize("name", ["smooth_exclude", "hybrid_three_bodies"])
def test_the_same_sums(folder, tables_of, name, backend):
    """Compiled and in NumPy, to rounding, also with pairs much closer than in the training data."""
    path = tables_of(name)
    tables = from_bytes(path.read_bytes())
    _, positions, types, cell = next(frames(trained(folder, name)[1]))
    closer = positions.copy()
    closer[1] = closer[0] + [0.45, 0.0, 0.0]
    for x in (positions, closer):
        expected = reference_tables.evaluate(tables, x, types, cell)
        found = calculator.evaluate(path, x, types, cell, backend=backend)
        scale = 1 + np.abs(expected.forces).max()
        np.testing.assert_allclose(found.atom_energy, expected.atom_energy, rtol=0, atol=3e-11 * scale)
        np.testing.assert_allclose(found.forces, expected.forces, rtol=0, atol=3e-11 * scale)
        np.testing.assert_allclose(found.virial, expected.virial, rtol=0, atol=3e-10 * scale)


@pytest.mark.parametrize("backend", ["host", "kokkos_serial"], indirect=True)
@pytest.mark.parametrize("name", ["smooth_exclude", "hybrid_a"])
def test_forces_are_derivatives(folder, tables_of, name, backend):
    """Of the compiled energy, at the cutoffs, where the switch begins, and inside."""
    model = trained(folder, name)[0]
    for r in sorted({0.6, 1.3, 1.0, *(d.rcut + s for d in model.descriptors for s in (-5e-4, 0.0, 5e-4))}):
        x = np.array([[0.0, 0.0, 0.0], [r, 0.0, 0.0], [0.3, 1.1, 0.2]])
        moved = np.array([[0.0] * 3, [STEP, 0.0, 0.0], [0.0] * 3])
        up, down = (calculator.evaluate(tables_of(name), x + s * moved, [0, 1, 1], backend=backend).energy for s in (1, -1))
        found = calculator.evaluate(tables_of(name), x, [0, 1, 1], backend=backend)
        np.testing.assert_allclose((down - up) / (2 * STEP), found.forces[1, 0], rtol=1e-5, atol=1e-6)


def test_trained_weights(shared_models, tmp_path):
    """Three of the frames have centres with more neighbours than slots."""
    folder = shared_models / "se_e3_tebd-strip"
    data = np.load(folder / "reference.npz")
    model = read_model(folder / "model.pth")
    write_tables(tmp_path / "tables.bin", build(model, model.min_nbor_dist).tables)
    for frame in range(4):
        cell = data[f"cell{frame}"] if f"cell{frame}" in data else None
        for found, energy, force in (
            (reference.evaluate(model, data[f"positions{frame}"], data["types"], cell), 1e-12, 1e-12),
            (calculator.evaluate(tmp_path / "tables.bin", data[f"positions{frame}"], data["types"], cell), 1e-9, 1e-8),
        ):
            assert abs(found.energy - data[f"energy{frame}"]) / len(data["types"]) < energy
            np.testing.assert_allclose(found.forces, data[f"forces{frame}"], rtol=0, atol=force)
            np.testing.assert_allclose(found.virial, data[f"virial{frame}"], rtol=0, atol=100 * force)


def test_round_trip_and_info(folder, tables_of):
    tables = from_bytes(tables_of("smooth_exclude").read_bytes())
    assert to_bytes(tables) == tables_of("smooth_exclude").read_bytes()
    model = trained(folder, "smooth_exclude")[0]
    np.testing.assert_array_equal(tables.descriptors[0].gates, model.descriptors[0].gates)
    text = "\n".join(info_lines(tables))
    assert "descriptor: se_e3_tebd" in text
    assert "sel 20 for all types" in text


def test_some_of_the_elements(folder):
    model, data = trained(folder, "smooth")
    fewer = keep_types(model, ["C", "A"])
    _, x, types, cell = next(frames(data))
    mine = types != 1
    whole = reference.evaluate(model, x[mine], types[mine], cell)
    found = reference.evaluate(fewer, x[mine], types[mine] // 2, cell)
    np.testing.assert_allclose(found.forces, whole.forces, rtol=0, atol=1e-14)


def test_illegal_descriptions(folder):
    model = trained(folder, "smooth")[0]
    (d,) = model.descriptors
    gates = d.gates.copy()
    gates[0, 1] += 1.0
    for changes, message in (
        ({"gates": gates}, "descriptor.gates are of two neighbour types"),
        ({"sel": (9, 9, 8)}, r"descriptor.sel is \(9, 9, 8\), must be n_sel = 9 for each type"),
        ({"exclusion": "section"}, "descriptor.exclusion is by section"),
    ):
        with pytest.raises(ModelError, match=message):
            dataclasses.replace(model, descriptors=(dataclasses.replace(d, **changes),)).validate()


def test_padding_beyond_the_cutoff(folder):
    """Neighbours between a member's cutoff and that of the list have their own type, empty slots that of the first atom."""
    from pybuild.readers.deepmd import tree

    model = trained(folder, "hybrid_concat")[0]
    other, dpa1 = model.descriptors
    assert other.rcut < dpa1.rcut
    with pytest.raises(UnsupportedModel, match="a cutoff shorter than that of another descriptor"):
        tree._refuse_padding_of_types((dataclasses.replace(other, rcut=5.0), dpa1))
