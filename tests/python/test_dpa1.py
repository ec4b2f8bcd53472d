# SPDX-License-Identifier: MIT
"""DPA-1 without attention, from the trained model to the compiled tables, against DeePMD-kit: type embeddings beside x, as a
factor, and as a factor that is switched off at the cutoff, whose tables are over the distance; slots that all types share."""

import dataclasses
import json
import zipfile

import numpy as np
import pytest
from deepmd_files import write_json
from peer_models import M, MadeOnce, assert_agrees, frames

from pybuild import calculator
from pybuild.compress import hermite
from pybuild.compress.build import Options, build
from pybuild.compress.functions import GatedAlongR
from pybuild.compress.grid import grid_of, plan_tables
from pybuild.descriptors.dpa1.deepmd import make
from pybuild.descriptors.se_e2_a.harmonics import harmonics
from pybuild.errors import InputError, ModelError, PybuildError, ReadError, UnsupportedModel
from pybuild.info import info_lines
from pybuild.model.descriptor import Argument
from pybuild.model.kept_types import keep_types
from pybuild.oracles import reference, reference_tables, reference_torch
from pybuild.readers import describe, read_model, read_source
from pybuild.readers.deepmd.electrons import configurations
from pybuild.readers.pwmlff.elements import SYMBOLS
from pybuild.tablefile.file import from_bytes, to_bytes, write_tables

ENERGY, FORCE, VIRIAL, TABLES = 1e-11, 1e-11, 1e-10, 1e-8  # eV/atom, eV/A, eV: roundings of two programs; the build's tolerance
SINGLE = 1e-4  # mixed precision of these models, whose forces are some eV/A
PADDED = {"concat", "concat_exclude", "strip", "strip_tight", "lmax2", "lmax3"}  # empty slots have the type of the first atom
CROWDED = {"concat_exclude", "strip_tight", "smooth", "lmax2"}  # with more neighbours than slots
NAMES = ["concat", "concat_exclude", "electrons", "lmax2", "lmax3", "lmax4", "smooth", "smooth_exclude", "strip", "strip_tight"]
BACKENDS = ["host", "kokkos_serial"]


@pytest.fixture(scope="module")
def folder(option_models):
    return option_models.parent / "dpa1"


def trained(folder, name):
    """(model, DeePMD-kit's results)."""
    data = np.load(folder / f"{name}.npz")
    return read_model(folder / f"{name}.pth", padding_type="ABC"[data["types"][0]] if name in PADDED else None), data


@pytest.fixture(scope="module")
def tables_of(folder, tmp_path_factory):
    return MadeOnce(lambda name: trained(folder, name)[0], tmp_path_factory)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("oracle", [reference, reference_torch], ids=["reference", "autograd"])
def test_the_model(folder, name, oracle):
    if oracle is reference_torch:
        pytest.importorskip("torch")
    model, data = trained(folder, name)
    assert model.neighbour_rule == "mixed"
    for k, *atoms in frames(data):
        found = oracle.evaluate(model, *atoms)
        assert_agrees(found, data, k, ENERGY, FORCE, VIRIAL)


def test_electron_configurations(folder):
    """Of O, Cr and Gd as in the frozen model, in a tree without them, as checkpoints and .dp files are."""
    source = read_source(folder / "electrons.pth")
    embedding = source.tree["descriptor"]["type_embedding"]
    known = embedding["econf_tebd"]
    np.testing.assert_allclose(configurations(source.tree["type_map"]), known, rtol=0, atol=1e-16)
    model = describe(folder / "electrons.pth", source)
    embedding["econf_tebd"] = None
    bare = describe(folder / "electrons.pth", source)
    for net, expected in zip(bare.fitting.nets, model.fitting.nets, strict=True):
        np.testing.assert_allclose(net.layers[0].bias, expected.layers[0].bias, rtol=0, atol=1e-14)
    source.tree["type_map"] = ["O", "Cr", "Gd_f"]
    with pytest.raises(UnsupportedModel, match="'Gd_f', which is no element"):
        describe(folder / "electrons.pth", source)


def test_electrons_of_all_elements():
    """As many as the atomic number; palladium without 5s, platinum with one 6s, uranium with three 5f, lanthanum with one 5d."""
    positive = configurations(SYMBOLS) > 0
    np.testing.assert_array_equal(positive.sum(axis=1), np.arange(1, 119))
    for name, begin, end, n in (("Pd", 60, 62, 0), ("Pt", 92, 94, 1), ("U", 78, 92, 3), ("La", 68, 78, 1)):
        assert positive[SYMBOLS.index(name), begin:end].sum() == n


@pytest.mark.parametrize("backend", BACKENDS, indirect=True)
@pytest.mark.parametrize("name", NAMES)
def test_the_compiled_tables(folder, tables_of, name, backend):
    """With all neighbours of a crowded centre the number of empty slots is negative."""
    model, data = trained(folder, name)
    everything = dataclasses.replace(model, neighbour_rule="all")
    for k, *atoms in frames(data):
        found = calculator.evaluate(tables_of(name), *atoms, backend=backend)
        np.testing.assert_allclose(found.atom_energy, data[f"atom_energy{k}"], rtol=0, atol=TABLES)
        np.testing.assert_allclose(found.forces, data[f"forces{k}"], rtol=0, atol=TABLES)
        mixed = calculator.evaluate(tables_of(name), *atoms, precision="mixed", backend=backend)
        np.testing.assert_allclose(mixed.forces, data[f"forces{k}"], rtol=0, atol=SINGLE)
        assert (found.overflow["n_over_sel"] > 0) == (name in CROWDED)
        if name in CROWDED:
            crowd = found.overflow["crowd"]
            assert (crowd["type_j"], crowd["sel"]) == (-1, model.descriptors[0].n_sel)
            kept_all = calculator.evaluate(tables_of(name), *atoms, neighbors="all", backend=backend)
            np.testing.assert_allclose(kept_all.forces, reference.evaluate(everything, *atoms).forces, rtol=0, atol=TABLES)
            assert np.abs(kept_all.forces - found.forces).max() > 100 * TABLES


def test_an_exported_program_takes_all_neighbours(folder, tmp_path):
    """DeePMD-kit's graph of neighbours has no slots: sel is the divisor of the sums alone."""
    data = np.load(folder / "graph.npz")
    model = read_model(folder / "graph.pte")
    assert (model.neighbour_rule, model.descriptors[0].n_sel) == ("all", 9)
    write_tables(tmp_path / "tables.bin", build(model, M).tables)
    for k, *atoms in frames(data):
        assert_agrees(reference.evaluate(model, *atoms), data, k, ENERGY, FORCE, VIRIAL)
        assert_agrees(calculator.evaluate(tmp_path / "tables.bin", *atoms), data, k, TABLES, TABLES, 100 * TABLES)
        nearest = reference.evaluate(dataclasses.replace(model, neighbour_rule="mixed"), *atoms)
        assert np.abs(nearest.forces - data[f"forces{k}"]).max() > 1e-3


def changed_program(folder, tmp_path, **changes):
    """graph.pte with its JSON files extra/NAME.json as changes[NAME] makes them."""
    path = tmp_path / "model.pte"
    with zipfile.ZipFile(folder / "graph.pte") as known, zipfile.ZipFile(path, "w") as changed:
        for entry in known.namelist():
            change = changes.get(entry.split("/extra/")[-1].removesuffix(".json"))
            text = known.read(entry)
            changed.writestr(entry, text if change is None else json.dumps(change(json.loads(text))))
    return path


def test_an_exported_program_with_a_mean(folder, tmp_path):
    """Without slots a neighbour at the cut-off changes the energy."""

    def with_mean(tree):
        mean = tree["model"]["descriptor"]["@variables"]["davg"]
        for slot in (mean["value"] if isinstance(mean, dict) else mean)[0]:
            slot[0] = 0.25
        return tree

    path = changed_program(folder, tmp_path, model=with_mean)
    with pytest.raises(UnsupportedModel, match=r"lower_input_kind 'graph'.* mean .davg..* it needs a model that was trained"):
        read_model(path)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"lower_input_kind": "nlist"}, "mixed"),
        ({}, "mixed"),
        ({"lower_input_kind": "dpa1_canonical"}, "all"),
        ({"lower_input_kind": "mesh"}, (UnsupportedModel, "of the kind 'mesh'")),
        ({"lower_input_kind": ["graph"]}, (ReadError, "lower_input_kind")),
        ({"backend": "TensorFlow", "lower_input_kind": "graph"}, "mixed"),
    ],
)
def test_kinds_of_exported_programs(folder, tmp_path, change, what):
    def of_backend(tree):
        if "backend" in change:
            tree["backend"] = change["backend"]
            tree["model"]["descriptor"]["smooth_type_embedding"] = False  # TensorFlow's switch is another
        return tree

    def with_kind(notes):
        others = {key: value for key, value in notes.items() if key != "lower_input_kind"}
        return others | {key: value for key, value in change.items() if key != "backend"}

    path = changed_program(folder, tmp_path, model=of_backend, metadata=with_kind)
    if isinstance(what, str):
        assert read_model(path).neighbour_rule == what
    else:
        with pytest.raises(what[0], match=what[1]):
            read_model(path)


@pytest.mark.parametrize("options", [Options(), Options(form="direct"), Options(form="folded"), Options(rank="full")], ids=str)
@pytest.mark.parametrize("name", ["concat_exclude", "lmax4", "smooth"])
def test_every_form(folder, name, options, tmp_path):
    """The oracle of the tables and the host, with the row that empty slots have."""
    model, data = trained(folder, name)
    k, *atoms = next(frames(data))
    tables = from_bytes(to_bytes(build(model, M, options).tables))
    write_tables(tmp_path / "tables.bin", tables)
    for found in (reference_tables.evaluate(tables, *atoms), calculator.evaluate(tmp_path / "tables.bin", *atoms)):
        np.testing.assert_allclose(found.atom_energy, data[f"atom_energy{k}"], rtol=0, atol=TABLES)
        np.testing.assert_allclose(found.forces, data[f"forces{k}"], rtol=0, atol=TABLES)


@pytest.mark.parametrize("name", ["concat", "strip"])
def test_padding_must_be_told(folder, name):
    with pytest.raises(UnsupportedModel, match=r"empty slot the type of the structure's first atom.*--padding-type"):
        read_model(folder / f"{name}.pth")
    with pytest.raises(InputError, match=r"--padding-type D: the model has the types A B C$"):
        read_model(folder / f"{name}.pth", padding_type="D")


@pytest.mark.parametrize("name", ["concat", "strip"])
def test_padding_may_be_told_of_any_format(folder, tmp_path, name):
    """The same tree in a .json."""
    root = {"model": read_source(folder / f"{name}.pth").tree, "backend": "PyTorch"}
    path = write_json(root, tmp_path / "model.json")
    with pytest.raises(UnsupportedModel, match="--padding-type"):
        read_model(path)
    models = [read_model(file, padding_type="B") for file in (folder / f"{name}.pth", path)]
    np.testing.assert_array_equal(*(model.descriptors[0].padding for model in models))
    for shape in ((), (0,), (3, 5, 0)):
        root["model"]["descriptor"]["@variables"]["davg"] = np.zeros(shape)
        with pytest.raises(PybuildError):
            read_model(write_json(root, path), padding_type="B")


@pytest.mark.parametrize("path", ["dpa1/smooth.pth", "options/silut.pth", "options/ema.pt", "tensorflow/hybrid-se_atten-two.pb"])
def test_padding_that_nothing_depends_on(folder, path):
    with pytest.raises(InputError, match=r"--padding-type \w+: .* this model has nothing that it chooses: leave it out"):
        read_model(folder.parent / path, padding_type=read_model(folder.parent / path).type_map[0])


def test_another_padding_is_another_model(folder):
    model, data = trained(folder, "strip")
    k, *atoms = next(frames(data))
    other = read_model(folder / "strip.pth", padding_type="ABC"[(data["types"][0] + 1) % 3])
    assert np.abs(reference.evaluate(other, *atoms).atom_energy - data[f"atom_energy{k}"]).max() > 1e-6
    assert not np.allclose(model.descriptors[0].padding, other.descriptors[0].padding)


def test_one_sided_tables_are_shared(folder):
    """One table a neighbour type, where they are over x."""
    assert len(plan_tables(trained(folder, "strip_tight")[0], M, 5)[0]) == 3
    assert len(plan_tables(trained(folder, "strip")[0], M, 5)[0]) == 9


def test_derivatives_along_the_distance(folder):
    """Five points on both sides of where the switch begins."""
    d, h = trained(folder, "smooth")[0].descriptors[0], 1e-3
    function = GatedAlongR(d.net(0, 1), d.gates[0, 1], d.radial, 0)
    t = np.linspace(0.01, 2.9, 57)
    values = [function.derivatives(t + k * h)[0] for k in (-2, -1, 1, 2)]
    slopes = [function.derivatives(t + k * h)[1] for k in (-2, -1, 1, 2)]
    for derivative, (a, b, c, e) in ((1, values), (2, slopes)):
        np.testing.assert_allclose(function.derivatives(t)[derivative], (a - 8 * b + 8 * c - e) / (12 * h), atol=1e-6)


def test_tables_over_the_distance(folder):
    """Knots where the switch begins and ends; value and slope go on at the end of the table."""
    model = trained(folder, "smooth")[0]
    d = model.descriptors[0]
    for table in build(model, M).tables.tables:
        assert table.argument is Argument.R
        grid = grid_of(table)
        assert np.isclose(grid.knots(), d.rcut - d.rcut_smth, atol=1e-12).any()
        assert grid.knots()[0] == 0.0
        ends = grid.max + np.array([-1e-7, 1e-7])
        value, slope = hermite.evaluate(table.coef, grid, ends)
        np.testing.assert_allclose(value[1] - value[0], 2e-7 * slope[1], rtol=1e-4, atol=1e-12)
        np.testing.assert_allclose(slope[0], slope[1], rtol=1e-4)


@pytest.mark.parametrize("name", ["smooth", "lmax4"])
def test_forces_are_derivatives_of_the_tables(tables_of, folder, name):
    """At the cutoff, inside it, and beyond the end of the tables: the host's own energy."""
    model = trained(folder, name)[0]
    step = 1e-4
    for r in (0.05, 0.5, 1.3, 2.0, 3.9995, 4.0, 4.0005):
        x = np.array([[0.0, 0.0, 0.0], [r, 0.0, 0.0], [0.3, 1.1, 0.2]])
        moved = np.array([[0.0] * 3, [step, 0.0, 0.0], [0.0] * 3])
        up, down = (calculator.evaluate(tables_of(name), x + s * moved, [0, 0, 1]).energy for s in (1, -1))
        found = calculator.evaluate(tables_of(name), x, [0, 0, 1])
        np.testing.assert_allclose((down - up) / (2 * step), found.forces[1, 0], rtol=1e-5, atol=1e-6)
        if r > M:
            np.testing.assert_allclose(found.forces, reference.evaluate(model, x, [0, 0, 1]).forces, atol=TABLES)


@pytest.mark.parametrize("lmax", [2, 3, 4])
def test_harmonics(lmax):
    """Y_l(u) . Y_l(v) = P_l(u . v), whatever the axes; their derivatives; the oracle's own."""
    rng = np.random.default_rng(lmax)
    n, gains = rng.normal(size=(7, 3)), rng.uniform(0.5, 2.0, lmax - 1)
    value, slope = harmonics(n, gains)
    unit = n / np.linalg.norm(n, axis=1)[:, None]
    of_unit, start = harmonics(unit, gains)[0], 0
    for degree, gain in enumerate(gains, start=2):
        mine = of_unit[:, start : start + 2 * degree + 1]
        legendre = np.polynomial.Legendre.basis(degree)(unit @ unit.T)
        np.testing.assert_allclose(mine @ mine.T, gain**2 * legendre, atol=1e-13)
        start += 2 * degree + 1
    assert value.shape == (7, start)
    for c, step in enumerate(1e-4 * np.eye(3)):
        difference = harmonics(n + step, gains)[0] - harmonics(n - step, gains)[0]
        np.testing.assert_allclose(slope[:, :, c], difference / 2e-4, rtol=1e-6, atol=1e-6)


def test_degrees_of_a_description(folder):
    """As many gains as the file has; no more than there are formulas for."""
    d = trained(folder, "lmax4")[0].descriptors[0]
    assert (d.lmax, d.n_components, len(d.degree_gains)) == (4, 25, 3)
    for gains, message in ((np.ones(4), "must be one number for each degree from 2 to at most 4"), ([np.inf], "finite")):
        with pytest.raises(ModelError, match=f"descriptor.degree_gains.*{message}"):
            dataclasses.replace(d, degree_gains=gains).validate(3)


def test_degrees_of_a_file_that_do_not_fit(folder):
    for change, message in (({"lmax": 3}, "lmax = 3 have shape"), ({"lmax": 5}, r"l = 4 \(lmax = 5\) is not supported")):
        tree = read_source(folder / "lmax4.pth").tree
        tree["descriptor"] |= change
        with pytest.raises((ReadError, UnsupportedModel), match=message):
            make(tree["descriptor"], 3)


def test_info_tells_the_degree(folder):
    lines = info_lines(build(trained(folder, "lmax3")[0], M).tables)
    assert "embedding: 8 outputs, axis_neuron 3, lmax 3" in lines


def test_info_tells_distances(folder):
    """Where the fine range and the table end."""
    tables = build(trained(folder, "smooth")[0], M).tables
    lines = info_lines(tables)
    assert any("sel 10 for all types" in line for line in lines)
    (line,) = (line for line in lines if "rcut - r: " in line and line.endswith("A-A"))
    assert f"{M:.3f}, {4.0 - tables.tables[0].max:.3f}" in line


def test_a_given_step(folder):
    model, data = trained(folder, "smooth_exclude")
    k, *atoms = next(frames(data))
    tables = build(model, M, Options(step=0.02)).tables
    assert all(table.segments[0, 1] <= 0.02 for table in tables.tables)
    np.testing.assert_allclose(reference_tables.evaluate(tables, *atoms).forces, data[f"forces{k}"], rtol=0, atol=TABLES)


@pytest.mark.parametrize("name", ["smooth", "concat_exclude"])
def test_some_of_the_elements(folder, name):
    """Structures of these have the same energies."""
    model, data = trained(folder, name)
    fewer = keep_types(model, ["C", "A"])
    assert fewer.type_map == ("A", "C")
    _, x, types, cell = next(frames(data))
    mine = types != 1
    whole = reference.evaluate(model, x[mine], types[mine], cell)
    found = reference.evaluate(fewer, x[mine], types[mine] // 2, cell)
    np.testing.assert_array_equal(found.forces, whole.forces)
    np.testing.assert_array_equal(found.atom_energy, whole.atom_energy)
    assert len(plan_tables(fewer, M, 5)[0]) == 4


def test_elements_that_cannot_be_kept(folder, option_models):
    with pytest.raises(InputError, match="--keep-types Xe: the model has the types A B C"):
        read_model(folder / "smooth.pth", keep_types=["Xe"])
    with pytest.raises(InputError, match="slots of its own"):
        read_model(option_models / "silut.pth", keep_types=["A"])
