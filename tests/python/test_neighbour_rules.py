# SPDX-License-Identifier: MIT
"""More neighbours than sel: what the trained model keeps, against DeePMD-kit's PyTorch and TensorFlow back ends and against
finite differences; `neighbors="all"` keeps all, smoothly."""

import dataclasses
import warnings

import numpy as np
import pytest

from pybuild import calculator
from pybuild.compress.build import build
from pybuild.errors import InputError, ModelError
from pybuild.oracles import reference, reference_tables, reference_torch
from pybuild.readers import read_model
from pybuild.structures.nearest import Slots, nearest_pairs
from pybuild.structures.neighbours import neighbour_pairs
from pybuild.tablefile.file import write_tables

# eV/atom, eV/A: roundings of DeePMD-kit and of the reference differ by 1e-14, tables are built to 1e-8 eV/A.
ENERGY, FORCE, VIRIAL, TABLES = 1e-11, 1e-11, 1e-10, 1e-8
SINGLE = 1e-4  # mixed precision of these models, whose forces are some eV/A
RULES = {"pytorch": ("total", "slots"), "tensorflow": ("per_type", "section")}
NAMES = ("plain", "tight", "exclude", "pair_exclude")
CASES = [(name, peer) for name in NAMES for peer in RULES if (name, peer) != ("pair_exclude", "tensorflow")]
BACKENDS = ["host", "kokkos_serial"]


@pytest.fixture(scope="module")
def folder(option_models):
    return option_models.parent / "neighbour_rules"


def trained_by(folder, name, peer):
    """(the model as one of the peers evaluates it, the peer's results)."""
    model = read_model(folder / f"{name}.pth")
    assert model.neighbour_rule == "total"
    return followed(model, *RULES[peer]), np.load(folder / f"{name}.{peer}.npz")


def followed(model, rule, exclusion="slots"):
    return dataclasses.replace(
        model, neighbour_rule=rule, descriptors=(dataclasses.replace(model.descriptors[0], exclusion=exclusion),)
    )


def frames(data):
    for k, cell in enumerate((data["cell"], None)):
        yield k, data["positions"], data["types"].astype(np.int64), cell


@pytest.fixture(scope="module")
def tables_of(folder, tmp_path_factory):
    """Makes the table file of a case, once."""
    made = {}

    def make(name, peer):
        if (name, peer) not in made:
            path = tmp_path_factory.mktemp("rules") / "tables.bin"
            write_tables(path, build(trained_by(folder, name, peer)[0], 1.0).tables)
            made[name, peer] = path
        return made[name, peer]

    return make


@pytest.mark.parametrize(("name", "peer"), CASES)
@pytest.mark.parametrize("oracle", [reference, reference_torch], ids=["reference", "autograd"])
def test_the_model_as_its_back_end_evaluates_it(folder, name, peer, oracle):
    if oracle is reference_torch:
        pytest.importorskip("torch")
    model, data = trained_by(folder, name, peer)
    for k, *atoms in frames(data):
        found = oracle.evaluate(model, *atoms)
        np.testing.assert_allclose(found.atom_energy, data[f"atom_energy{k}"], rtol=0, atol=ENERGY)
        np.testing.assert_allclose(found.forces, data[f"forces{k}"], rtol=0, atol=FORCE)
        np.testing.assert_allclose(found.virial, data[f"virial{k}"], rtol=0, atol=VIRIAL)
        by_force = data[f"atom_virial{k}"].reshape(-1, 3, 3).transpose(0, 2, 1).reshape(-1, 9)  # DeePMD-kit's rows are the force
        np.testing.assert_allclose(found.atom_virial, by_force, rtol=0, atol=VIRIAL)


@pytest.mark.parametrize(("name", "peer"), CASES)
def test_another_rule_is_another_model(folder, name, peer):
    model, data = trained_by(folder, name, peer)
    k, *atoms = next(frames(data))
    others = {"all", "per_type", "total"} - {model.neighbour_rule}
    for rule in others:
        found = reference.evaluate(dataclasses.replace(model, neighbour_rule=rule), *atoms)
        assert np.abs(found.atom_energy - data[f"atom_energy{k}"]).max() > 1e-6


@pytest.mark.parametrize("backend", BACKENDS, indirect=True)
@pytest.mark.parametrize(("name", "peer"), CASES)
def test_the_compiled_tables(folder, tables_of, name, peer, backend):
    model, data = trained_by(folder, name, peer)
    for k, *atoms in frames(data):
        found = calculator.evaluate(tables_of(name, peer), *atoms, backend=backend)
        np.testing.assert_allclose(found.atom_energy, data[f"atom_energy{k}"], rtol=0, atol=TABLES)
        np.testing.assert_allclose(found.forces, data[f"forces{k}"], rtol=0, atol=TABLES)
        assert found.overflow["n_over_sel"] > 0
        mixed = calculator.evaluate(tables_of(name, peer), *atoms, precision="mixed", backend=backend)
        np.testing.assert_allclose(mixed.forces, data[f"forces{k}"], rtol=0, atol=SINGLE)
        everything = calculator.evaluate(tables_of(name, peer), *atoms, neighbors="all", backend=backend)
        expected = reference.evaluate(dataclasses.replace(model, neighbour_rule="all"), *atoms)
        np.testing.assert_allclose(everything.forces, expected.forces, rtol=0, atol=TABLES)
        assert np.abs(everything.forces - found.forces).max() > 100 * TABLES


@pytest.mark.parametrize(("name", "peer"), CASES)
def test_the_oracle_of_the_tables(folder, name, peer):
    model, data = trained_by(folder, name, peer)
    tables = build(model, 1.0).tables
    k, *atoms = next(frames(data))
    found = reference_tables.evaluate(tables, *atoms)
    np.testing.assert_allclose(found.atom_energy, data[f"atom_energy{k}"], rtol=0, atol=TABLES)
    np.testing.assert_allclose(found.forces, data[f"forces{k}"], rtol=0, atol=TABLES)


@pytest.mark.parametrize("rule", ["per_type", "total"])
def test_forces_are_derivatives_between_the_jumps(folder, rule):
    """Central differences small enough that the same neighbours are kept on both sides."""
    model, data = trained_by(folder, "tight", "pytorch")
    model = dataclasses.replace(model, neighbour_rule=rule)
    _, x, types, cell = next(frames(data))
    forces, step = reference.evaluate(model, x, types, cell).forces, 1e-5
    for atom, c in ((0, 0), (7, 1), (20, 2)):
        moved = np.zeros_like(x)
        moved[atom, c] = step
        up, down = (reference.evaluate(model, x + sign * moved, types, cell).energy for sign in (1, -1))
        np.testing.assert_allclose((down - up) / (2 * step), forces[atom, c], atol=1e-7)


def crystal(n=3, spacing=2.1):
    """A cubic crystal of two types, moved off the origin."""
    grid = np.stack(np.meshgrid(*[np.arange(n)] * 3, indexing="ij"), -1).reshape(-1, 3)
    return spacing * grid + np.array([0.123, 0.456, 0.789]), grid.sum(axis=1) % 2, n * spacing * np.eye(3)


@pytest.mark.parametrize("rule", ["per_type", "total"])
@pytest.mark.parametrize("backend", BACKENDS, indirect=True)
def test_equally_near_neighbours(make_model, tmp_path, rule, backend):
    """In a perfect crystal those of smaller index, then of the smaller direction, stay, wherever it lies in its cell."""
    model = make_model(3, sel=(7, 4), n_sel=11, neighbour_rule=rule, min_nbor_dist=1.5)
    write_tables(tmp_path / "t.bin", build(model, 1.5).tables)
    x, types, cell = crystal()
    expected = reference.evaluate(model, x, types, cell)
    for shift in (0.0, 0.3, 2.0, 17.7):
        found = calculator.evaluate(tmp_path / "t.bin", x + shift, types, cell, backend=backend)
        np.testing.assert_allclose(found.atom_energy, expected.atom_energy, rtol=0, atol=TABLES)
        np.testing.assert_allclose(found.forces, expected.forces, rtol=0, atol=10 * TABLES)


@pytest.mark.parametrize(
    ("rule", "exclusion"), [("per_type", "section"), ("total", "slots"), ("per_type", "absent"), ("total", "absent")]
)
@pytest.mark.parametrize("backend", BACKENDS, indirect=True)
def test_the_radial_descriptor(make_model, make_structure, tmp_path, rule, exclusion, backend):
    words = {"sel": (7, 9), "n_sel": 16, "excluded": frozenset({(0, 1), (1, 0)}), "exclusion": exclusion}
    model = make_model(4, kind="se_e2_r", neighbour_rule=rule, min_nbor_dist=1.2, **words)
    write_tables(tmp_path / "t.bin", build(model, 1.2).tables)
    x, types, cell = make_structure(2)
    found = calculator.evaluate(tmp_path / "t.bin", x, types, cell, backend=backend)
    expected = reference.evaluate(model, x, types, cell)
    np.testing.assert_allclose(found.atom_energy, expected.atom_energy, rtol=0, atol=TABLES)
    np.testing.assert_allclose(found.forces, expected.forces, rtol=0, atol=TABLES)
    everything = reference.evaluate(dataclasses.replace(model, neighbour_rule="all"), x, types, cell)
    assert np.abs(found.forces - everything.forces).max() > 100 * TABLES


@pytest.mark.parametrize("rule", ["all", "per_type", "total"])
def test_the_pairs_of_a_build(make_model, make_structure, rule):
    """The compressor's own choice against the oracle's."""
    model = make_model(5, sel=(6, 9), n_sel=15, neighbour_rule=rule)
    x, types, cell = make_structure(1)
    pairs = reference.find_neighbours(x, cell, model.rcut)
    (kept,) = reference.taken_pairs(rule, reference.slots_of(model.descriptors), types, pairs)
    slots = [Slots(d.rcut, d.sel) for d in model.descriptors]
    (found,) = nearest_pairs(rule, slots, types, (pairs.centre, pairs.neighbour, pairs.vector))
    np.testing.assert_array_equal(found, kept)
    assert kept.all() == (rule == "all")


def test_the_calculator(folder, tables_of):
    """In every step of a list, as the model does or with all; one warning that says which."""
    ase = pytest.importorskip("ase")
    pytest.importorskip("vesin")
    model, data = trained_by(folder, "plain", "pytorch")
    symbols = np.array(["H", "He", "Li"])[data["types"]]
    path = tables_of("plain", "pytorch").with_name("named.bin")
    write_tables(path, build(dataclasses.replace(model, type_map=("H", "He", "Li")), 1.0).tables)
    for words, text in (({}, "forces jump .* `neighbors all`"), ({"neighbors": "all"}, "All of them are used")):
        atoms = ase.Atoms(symbols, data["positions"], cell=data["cell"], pbc=True)
        atoms.calc = calculator.DPCompressed(path, overflow="warn", **words)
        with pytest.warns(UserWarning, match=f"more neighbours than sel.*{text}"):
            atoms.get_forces()
        followed_by = model if not words else dataclasses.replace(model, neighbour_rule="all")
        rng = np.random.default_rng(5)
        for _ in range(3):
            atoms.positions += rng.uniform(-0.02, 0.02, (len(atoms), 3))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = atoms.get_forces()
            expected = reference.evaluate(followed_by, atoms.positions, data["types"].astype(np.int64), data["cell"])
            np.testing.assert_allclose(found, expected.forces, rtol=0, atol=10 * TABLES)
    with pytest.raises(InputError, match='neighbors is "some": expected "trained" or "all"'):
        atoms.calc.set(neighbors="some")
    with pytest.raises(InputError, match='neighbors is "some"'):
        calculator.evaluate(path, data["positions"], data["types"], neighbors="some")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"neighbour_rule": "union"}, "neighbour_rule is 'union', must be one of all, per_type, total"),
        ({"neighbour_rule": "nearest"}, "neighbour_rule is 'nearest'"),
        ({"exclusion": "none"}, "descriptor.exclusion is 'none', must be one of slots, section, absent"),
    ],
)
def test_words_that_are_none(make_model, changes, problem):
    with pytest.raises(ModelError, match=problem):
        make_model(0, **changes).validate()


# Models that others published.

PUBLISHED = {
    "csi-si": ("frozen_model_1.pb", None),  # 46 neighbours, sel 30
    "dpgen-ch4": ("frozen_model.pb", ("H", "C")),  # sel 16 4, liquid density
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_models(shared, name, tmp_path):
    """The frames where the peer keeps the nearest of each type."""
    file, types = PUBLISHED[name]
    home = shared / "models-public" / name
    if not home.is_dir():
        pytest.skip(f"no shared models in {home}")
    model = read_model(home / file, types=types)
    data = np.load(home / "reference.npz")
    atoms = data["overflow_positions"], data["overflow_types"].astype(np.int64), data["overflow_cell"]
    found = reference.evaluate(model, *atoms)
    np.testing.assert_allclose(found.atom_energy, data["overflow_atom_energy"], rtol=0, atol=1e-9)
    np.testing.assert_allclose(found.forces, data["overflow_forces"], rtol=0, atol=1e-8)
    everything = reference.evaluate(dataclasses.replace(model, neighbour_rule="all"), *atoms)
    assert np.abs(everything.atom_energy - found.atom_energy).max() > 0.01
    near = neighbour_pairs(atoms[0], atoms[2], 4.0)[2]
    write_tables(tmp_path / "t.bin", build(model, float(np.linalg.norm(near, axis=1).min())).tables)
    for words, expected in (({}, found), ({"neighbors": "all"}, everything)):
        tables = calculator.evaluate(tmp_path / "t.bin", *atoms, **words)
        np.testing.assert_allclose(tables.atom_energy, expected.atom_energy, rtol=0, atol=TABLES)
        np.testing.assert_allclose(tables.forces, expected.forces, rtol=0, atol=10 * TABLES)
