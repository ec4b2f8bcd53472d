# SPDX-License-Identifier: MIT
"""TensorFlow graphs with a type embedding: slots that all types share or that are each type's, embeddings beside x or as a
factor, TensorFlow's switch, means that are not 0; against DeePMD-kit's energies (tests/data/tensorflow)."""

import json
import re

import graph_writer as gw
import numpy as np
import pytest
from test_reader_tensorflow import FOLDER, SAME, assert_energies, nodes_of, replaced, structures, table_of, without, write

from pybuild import calculator
from pybuild.compress.build import Options, build
from pybuild.compress.combined import compress
from pybuild.compress.functions import GatedAlongX, function_of
from pybuild.descriptors.dpa1.type_embedding import type_embedding as embedding_of_types
from pybuild.errors import ModelError, PybuildError, ReadError, UnsupportedModel
from pybuild.model.descriptor import Argument
from pybuild.model.piecewise import Piecewise
from pybuild.oracles import combined, reference, reference_tables, reference_torch
from pybuild.readers import read_model, read_source
from pybuild.tablefile.file import write_tables

SMOOTH, EXCLUDING, SECTIONS, FACTOR = NAMES = (
    "se_atten_v2", "se_atten-concat-one_side-exclude", "se_a_tebd-concat", "se_a_tebd_v2",
)  # fmt: skip
MEAN = (0.03, 0.11)  # as in tests/data/tensorflow/make_graphs.py
BACKENDS = ["host", "kokkos_serial"]
# eV, eV/A. Roundings of two programs; the tolerance of a build; sums over other atoms that add 0; a compressed model against the
# nets that it was made of.
EXACT, TABLES, ALONE, COMPRESSED = 1e-11, 1e-8, 1e-12, 1e-10
VIRIALS = 100  # times the errors of forces: sums over a whole structure, times distances


def with_mean(name, tmp_path):
    return read_model(write(tmp_path / "mean.pb", gw.with_mean(nodes_of(name), MEAN)))


def energies_of(name, key):
    return [np.load(FOLDER / f"{name}.npz")[f"{key}{k}"] for k in range(2)]


@pytest.mark.parametrize("name", NAMES)
def test_energies(name, tmp_path):
    assert_energies(read_model(FOLDER / f"{name}.pb"), name)
    assert_energies(read_model(write(tmp_path / "m.pbtxt", nodes_of(name), text=True)), name)


@pytest.mark.parametrize("name", NAMES)
def test_empty_slots_where_the_mean_is_not_0(name, tmp_path):
    model = with_mean(name, tmp_path)
    changed = 0.0
    for (positions, types, cell, energy), expected in zip(structures(name), energies_of(name, "mean_atom_energy"), strict=True):
        found = reference.evaluate(model, positions, types, cell)
        np.testing.assert_allclose(found.atom_energy, expected, rtol=0, atol=SAME)
        changed = max(changed, np.abs(expected - energy).max())
    assert changed > 1e-4


@pytest.mark.parametrize("name", NAMES)
def test_forces_by_autograd(name, tmp_path):
    pytest.importorskip("torch")
    model = with_mean(name, tmp_path)
    positions, types, cell, _ = structures(name)[0]
    found, exact = (oracle.evaluate(model, positions, types, cell) for oracle in (reference, reference_torch))
    np.testing.assert_allclose(found.forces, exact.forces, rtol=0, atol=EXACT)
    np.testing.assert_allclose(found.virial, exact.virial, rtol=0, atol=VIRIALS * EXACT)


@pytest.mark.parametrize("backend", BACKENDS, indirect=True)
@pytest.mark.parametrize("name", NAMES)
def test_tables(name, backend, tmp_path):
    pytest.importorskip("pybuild._core", reason="the compiled evaluator")
    model = with_mean(name, tmp_path)
    write_tables(tmp_path / "t.bin", build(model, 0.9).tables)
    for (positions, types, cell, _), energy in zip(structures(name), energies_of(name, "mean_atom_energy"), strict=True):
        found = calculator.evaluate(tmp_path / "t.bin", positions, types, cell, backend=backend)
        np.testing.assert_allclose(found.atom_energy, energy, rtol=0, atol=TABLES)
        np.testing.assert_allclose(found.forces, reference.evaluate(model, positions, types, cell).forces, rtol=0, atol=TABLES)


@pytest.mark.parametrize("backend", BACKENDS, indirect=True)
def test_virtual_atoms(backend, tmp_path):
    """Of type -1: as if they were not there, wherever they are, and themselves without energy and force."""
    pytest.importorskip("pybuild._core", reason="the compiled evaluator")
    model = with_mean(SMOOTH, tmp_path)
    write_tables(tmp_path / "t.bin", build(model, 0.9).tables)
    positions, types, cell, _ = structures(SMOOTH)[0]
    more = np.vstack([np.zeros((4, 3)), positions, positions[:3], positions[:2] + 0.3])
    of_all = np.concatenate([[-1] * 4, types, [-1] * 5])
    alone = calculator.evaluate(tmp_path / "t.bin", positions, types, cell, backend=backend)
    found = calculator.evaluate(tmp_path / "t.bin", more, of_all, cell, backend=backend)
    real = of_all >= 0
    np.testing.assert_allclose(found.atom_energy[real], alone.atom_energy, rtol=0, atol=ALONE)
    np.testing.assert_allclose(found.forces[real], alone.forces, rtol=0, atol=ALONE)
    np.testing.assert_allclose(found.virial, alone.virial, rtol=0, atol=VIRIALS * ALONE)
    assert not found.forces[~real].any()
    assert not found.atom_energy[~real].any()


@pytest.mark.parametrize("options", [Options(form="direct"), Options(form="folded"), Options(rank="full", step=0.01)], ids=str)
def test_every_form_of_the_smooth_one(options, tmp_path):
    model = with_mean(SMOOTH, tmp_path)
    tables = build(model, 0.9, options).tables
    (positions, types, cell, _), energy = structures(SMOOTH)[0], energies_of(SMOOTH, "mean_atom_energy")[0]
    found = reference_tables.evaluate(tables, positions, types, cell)
    np.testing.assert_allclose(found.atom_energy, energy, rtol=0, atol=TABLES)


def test_settings():
    smooth, excluding, sections, factor = (read_model(FOLDER / f"{name}.pb") for name in NAMES)
    assert [model.neighbour_rule for model in (smooth, excluding)] == ["mixed"] * 2
    assert [model.neighbour_rule for model in (sections, factor)] == ["per_type"] * 2
    assert smooth.descriptors[0].sel == (72, 72)
    assert sections.descriptors[0].sel == (24, 48)
    assert smooth.descriptors[0].switch_radius == 0.5
    assert smooth.descriptors[0].argument is Argument.X
    assert excluding.descriptors[0].excluded == {(0, 0)}
    assert excluding.descriptors[0].exclusion == "slots"
    assert (excluding.descriptors[0].net_of[0] == excluding.descriptors[0].net_of[1]).all()  # one-sided
    assert sections.descriptors[0].padding is None
    assert factor.descriptors[0].padding is not None


def test_derivatives_of_the_switched_function(tmp_path):
    """Five points, on both sides of where the switch begins, which is a joint."""
    d, h = with_mean(SMOOTH, tmp_path).descriptors[0], 1e-3
    function = function_of(d, 1, 0)
    assert isinstance(function, GatedAlongX)
    (joint,) = function.joints()
    np.testing.assert_allclose(d.std[1, 0] * joint + d.mean[1], 1.0 / d.switch_radius, rtol=1e-14)
    t = np.concatenate([np.linspace(d.radial.x_pad[1] + 0.01, joint - 0.01, 20), joint + np.linspace(0.01, 2.0, 20)])
    values = [function.derivatives(t + k * h)[0] for k in (-2, -1, 1, 2)]
    slopes = [function.derivatives(t + k * h)[1] for k in (-2, -1, 1, 2)]
    for derivative, (a, b, c, e) in ((1, values), (2, slopes)):
        np.testing.assert_allclose(function.derivatives(t)[derivative], (a - 8 * b + 8 * c - e) / (12 * h), atol=1e-7)


# Compressed models


def embedded(nodes, suffix, x, scope="filter_type_all", activation=np.tanh):
    """The net of a graph at x (n, inputs), with skips where the width stays or doubles."""
    weights = {made["name"]: made for made in nodes}
    layer = 1
    while (name := f"{scope}/matrix_{layer}{suffix}") in weights:
        w = gw.value_of(weights[name])
        bias = f"{scope}/bias_{layer}{suffix}"
        y = activation(x @ w + (gw.value_of(weights[bias]).reshape(-1) if bias in weights else 0.0))
        x = y + (x if len(w) == w.shape[1] else np.hstack([x, x]) if 2 * len(w) == w.shape[1] else 0.0)
        layer += 1
    return x


def compressed():
    """The smooth graph as `dp compress` makes it: a table, and the factors of the types."""
    nodes, model = nodes_of(SMOOTH), read_model(FOLDER / f"{SMOOTH}.pb")
    e = np.pad(embedded(nodes, "", np.eye(2), "type_embed_net", np.asarray), ((0, 1), (0, 0)))
    factors = embedded(nodes, "_two_side_ebd", np.array([[*e[b], *e[a]] for a in range(3) for b in range(3)]))
    coef, info = table_of(model.descriptors[0].nets[0], np.float64)
    op = "filter_type_all/TabulateFusionSeAtten"
    return [
        *without(nodes, "filter_type_all/matrix_", "filter_type_all/bias_"),
        gw.constant("Const_100", coef),
        gw.constant(f"{op}/table_info", info),
        gw.constant(FACTORS, factors),
        gw.node(op, "TabulateFusionSeAtten", ["Const_100", f"{op}/table_info", *["t_natoms"] * 3]),
    ]


FACTORS = "filter_type_all/embedding_lookup/params_0"


def whole(nodes):
    """Without what takes a node that is not there any more, up to the energy, which is then of nothing."""
    names = {made["name"] for made in nodes}
    return [made | {"inputs": [i for i in made["inputs"] if i.lstrip("^").partition(":")[0] in names]} for made in nodes]


def test_a_compressed_model(tmp_path):
    model = read_model(write(tmp_path / "m.pb", whole(compressed())))
    assert model.provenance.format.endswith("compressed by DeePMD-kit")
    assert all(isinstance(net, Piecewise) for net in model.descriptors[0].nets)
    assert_energies(model, SMOOTH, tolerance=COMPRESSED)


@pytest.mark.parametrize("shape", [(8, 24), (3, 7), (0, 24)])
def test_factors_that_are_none(shape, tmp_path):
    nodes = replaced(whole(compressed()), gw.constant(FACTORS, np.zeros(shape)))
    with pytest.raises((ReadError, ModelError), match=r"factors of 2 types have shape|gates"):
        read_model(write(tmp_path / "m.pb", nodes))


def test_a_table_without_factors(tmp_path):
    with pytest.raises(ReadError, match="no embedding net in 'filter_type_all'"):
        read_model(write(tmp_path / "m.pb", whole(without(compressed(), FACTORS))))


# What is refused, and what is damaged


def test_a_row_that_points_somewhere(tmp_path):
    """Smooth, excluded pairs, a mean: in DeePMD-kit energies change where atoms are turned."""
    mask = gw.constant("Const_50", np.array([[0.0, 1.0, 1.0], [1.0, 1.0, 1.0]]))
    nodes = [*without(nodes_of(SMOOTH), "train_attr/training_script"), mask]
    with pytest.raises(UnsupportedModel, match=r"energies change where atoms are turned"):
        read_model(write(tmp_path / "m.pb", nodes))
    model = read_model(write(tmp_path / "z.pb", gw.with_mean(nodes, (0.0, 0.0))))
    assert model.descriptors[0].excluded == {(0, 0)}


def test_empty_slots_that_nobody_counts(tmp_path):
    mask = gw.constant("Const_50", np.array([[0.0, 1.0], [1.0, 1.0]]))
    nodes = [*without(nodes_of(FACTOR), "train_attr/training_script"), mask]
    with pytest.raises(UnsupportedModel, match=r"se_a_ebd_v2.*exclude_types and a mean"):
        read_model(write(tmp_path / "m.pb", nodes))
    model = read_model(write(tmp_path / "z.pb", gw.with_mean(nodes, (0.0, 0.0))))
    assert model.descriptors[0].exclusion == "section"


def test_without_the_script(tmp_path):
    """Smooth, exclusions and sides from the graph alone."""
    for name in NAMES:
        model = read_model(write(tmp_path / "m.pb", without(nodes_of(name), "train_attr/training_script")))
        assert_energies(model, name)


@pytest.mark.parametrize(
    ("name", "gone", "message"),
    [
        (SECTIONS, "type_embed_net/matrix_", "no type embedding"),
        (FACTOR, "filter_type_all/matrix_1_two_side_ebd", "takes 1 numbers, the types"),
    ],
)
def test_parts_that_are_missing(name, gone, message, tmp_path):
    with pytest.raises(ReadError, match=message):
        read_model(write(tmp_path / "m.pb", whole(without(nodes_of(name), gone))))


def test_a_smooth_model_without_switch(tmp_path):
    """The script says that there is one."""
    changed = [made | {"op": "Identity"} if made["op"] == "Neg" else made for made in nodes_of(SMOOTH)]
    with pytest.raises(ReadError, match="no switch for its type embedding"):
        read_model(write(tmp_path / "m.pb", changed))


def test_a_divisor_that_is_no_number(tmp_path):
    for value in (np.array([24.0, 48.0]), b"24 48"):
        nodes = replaced(nodes_of(SECTIONS), gw.constant("descrpt_attr/original_sel", value))
        with pytest.raises(ReadError, match=r"original_sel.*not made of integers"):
            read_model(write(tmp_path / "m.pb", nodes))


@pytest.mark.parametrize("name", [SMOOTH, SECTIONS])
def test_constants_that_do_not_fit(name, tmp_path):
    """Of other shapes and types: one error about the file, or a legal model."""
    nodes = nodes_of(name)
    weights = re.compile(r"(filter_type_all|type_embed_net)/(matrix|bias)_[12].*|descrpt_attr/(t_avg|t_std)")
    outcomes = set()
    for made in (n for n in nodes if n["op"] == "Const" and weights.fullmatch(n["name"])):
        old = gw.value_of(made)
        for value in (old.reshape(-1), old[:0], np.zeros((2, 2)), old.astype(np.int32), np.full_like(old, 7)):
            try:
                read_model(write(tmp_path / "m.pb", replaced(nodes, gw.constant(made["name"], value)))).validate()
                outcomes.add("a model")
            except PybuildError as error:
                outcomes.add(str(error).partition(": ")[0])
    assert outcomes == {"a model", str(tmp_path / "m.pb")}


# Several descriptors, and options

HYBRIDS = SLOTS, SHARED = "hybrid-se_a_tebd-se_e2_r", "hybrid-se_atten-two"
# A fitting net of named layers that all types share, one of two layers with one name; a switch of the type embedding that has
# ended where it begins.
OPTIONS = "layer_name-se_a_tebd", "layer_name-twice", "rcut_smth_0-se_atten_v2"
SILUT, RADIAL_PAIRS = "silut", "se_e2_r-two_side-exclude"


@pytest.mark.parametrize("file", [*(f"{name}.pb" for name in (*HYBRIDS, *OPTIONS, SILUT, RADIAL_PAIRS)), f"{RADIAL_PAIRS}.dp"])
def test_trained_models(file):
    """Of hybrids the type embedding stands behind the numbers of all members, once; more neighbours than the smooth one has slots
    for. Of excluded pairs with nets of their own a tree has nets of zeros, whose softplus is not 0."""
    name = file.rpartition(".")[0]
    model, data = read_model(FOLDER / file), np.load(FOLDER / f"{name}.npz")
    assert_energies(model, name)
    for k, (positions, types, cell, _) in enumerate(structures(name)):
        found = reference.evaluate(model, positions, types, cell)
        np.testing.assert_allclose(found.forces, data[f"forces{k}"], rtol=0, atol=EXACT)
        np.testing.assert_allclose(found.virial, data[f"virial{k}"], rtol=0, atol=VIRIALS * EXACT)


@pytest.mark.parametrize("backend", BACKENDS, indirect=True)
@pytest.mark.parametrize("name", [*HYBRIDS, *OPTIONS, SILUT])
def test_tables_of_trained_models(name, backend, tmp_path):
    pytest.importorskip("pybuild._core", reason="the compiled evaluator")
    write_tables(tmp_path / "t.bin", build(read_model(FOLDER / f"{name}.pb"), 0.9).tables)
    data = np.load(FOLDER / f"{name}.npz")
    for k, (positions, types, cell, energy) in enumerate(structures(name)):
        found = calculator.evaluate(tmp_path / "t.bin", positions, types, cell, backend=backend)
        np.testing.assert_allclose(found.atom_energy, energy, rtol=0, atol=TABLES)
        np.testing.assert_allclose(found.forces, data[f"forces{k}"], rtol=0, atol=TABLES)


def test_a_pair_table_beside_shared_slots(tmp_path):
    """DeePMD-kit's operation takes every neighbour for one of the first type."""
    path = FOLDER / "table-se_atten.pb"
    model, data = read_model(path), np.load(path.with_suffix(".npz"))
    (remark,) = model.remarks
    assert remark.startswith("warning: in its pair table every neighbour counts as A")
    write_tables(tmp_path / "t.bin", compress(model, 0.9, Options()).tables)
    for k in range(2):
        atoms = data[f"positions{k}"], data[f"types{k}"], data[f"cell{k}"]
        of_tables = calculator.evaluate(tmp_path / "t.bin", *atoms)
        for found, error in ((combined.evaluate(model, *atoms), EXACT), (of_tables, TABLES)):
            np.testing.assert_allclose(found.atom_energy, data[f"atom_energy{k}"], rtol=0, atol=error)
            np.testing.assert_allclose(found.forces, data[f"forces{k}"], rtol=0, atol=error)
            np.testing.assert_allclose(found.virial, data[f"virial{k}"], rtol=0, atol=VIRIALS * error)


@pytest.mark.parametrize("name", ["linear-hybrid", "linear-types", "linear-layer_name", "linear-frozen", "linear-table"])
def test_parts_of_a_linear_model(name, tmp_path):
    """A part that is a hybrid has no scope of its number alone; a part without type embedding takes an earlier one's; of a net
    that parts share the second evaluation is the second part's, not that of zeros."""
    model, data = read_model(FOLDER / f"{name}.pb"), np.load(FOLDER / f"{name}.npz")
    write_tables(tmp_path / "t.bin", compress(model, 0.9, Options()).tables)
    for k, atoms in enumerate(structure[:3] for structure in structures(name)):
        of_tables = calculator.evaluate(tmp_path / "t.bin", *atoms)
        for found, error in ((combined.evaluate(model, *atoms), EXACT), (of_tables, TABLES)):
            np.testing.assert_allclose(found.energy, data[f"energy{k}"], rtol=0, atol=len(atoms[1]) * error)
            np.testing.assert_allclose(found.forces, data[f"forces{k}"], rtol=0, atol=error)
            np.testing.assert_allclose(found.virial, data[f"virial{k}"], rtol=0, atol=VIRIALS * error)


@pytest.mark.parametrize("branch", ["one", "two"])
def test_branches_that_share_layers(branch):
    """Names of layers have no branch; the second evaluation of the first net is the other branch's or that of zeros."""
    model, data = read_model(FOLDER / "v2.2-layer_name.pb", head=branch), np.load(FOLDER / f"v2.2-layer_name-{branch}.npz")
    assert model.fitting.vacuum_subtracted == ({0} if branch == "one" else set())
    for k in range(2):
        found = reference.evaluate(model, data[f"positions{k}"], data[f"types{k}"], data[f"cell{k}"])
        np.testing.assert_allclose(found.atom_energy, data[f"atom_energy{k}"], rtol=0, atol=EXACT)
        np.testing.assert_allclose(found.forces, data[f"forces{k}"], rtol=0, atol=EXACT)
        np.testing.assert_allclose(found.virial, data[f"virial{k}"], rtol=0, atol=VIRIALS * EXACT)


def test_a_part_of_a_linear_model_that_is_unknown(tmp_path):
    """It has an energy, but nothing that is known to make one."""
    nodes = [node for node in nodes_of("linear-types") if not node["name"].startswith("descrpt_attr_model1/")]
    with pytest.raises(UnsupportedModel, match="whose part 1 has no descriptor"):
        read_model(write(tmp_path / "m.pb", nodes))


def test_a_pair_table_of_a_linear_model_that_is_damaged(tmp_path):
    """Without its slots, which would leave it no neighbours; with a descriptor, which would be left out."""
    nodes = nodes_of("linear-table")
    net = gw.constant("descrpt_attr_model1/t_avg", np.zeros((2, 4)))
    for node in nodes:
        if node["op"] == "PairTab":
            del node["attr"]["sel_a"]
    with pytest.raises(ReadError, match="lacks the slots"):
        read_model(write(tmp_path / "m.pb", nodes))
    with pytest.raises(UnsupportedModel, match="a descriptor by the operation none"):
        read_model(write(tmp_path / "m.pb", [*nodes_of("linear-table"), net]))


@pytest.mark.parametrize("masked", [False, True])
def test_exclusions_without_a_mask(tmp_path, masked):
    """The script's do nothing where the graph has no mask (DeePMD-kit to 2.1, se_e2_a with a type embedding)."""
    script = json.dumps({"model": {"descriptor": {"type": "se_e2_a", "exclude_types": [[0, 1]]}}}).encode()
    nodes = [*without(nodes_of(SECTIONS), "train_attr/training_script"), gw.constant("train_attr/training_script", script)]
    if masked:
        nodes.append(gw.constant("Const_50", np.array([[1.0, 0.0], [0.0, 1.0]])))
    (d,) = read_model(write(tmp_path / "m.pb", nodes)).descriptors
    assert d.excluded == ({(0, 1), (1, 0)} if masked else set())


def test_electron_configurations(tmp_path):
    """Rows of a constant instead of one number a type, as use_econf_tebd has them: here those of the other type."""
    nodes = nodes_of(SECTIONS)
    nodes = [n | {"inputs": ["electrons", *n["inputs"][1:]]} if n["name"] == "type_embed_net/MatMul" else n for n in nodes]
    nodes += [gw.node("electrons", "Reshape", ["rows"]), gw.constant("rows", np.array([[0.0, 1.0], [1.0, 0.0]]))]
    found, known = (read_source(path).tree for path in (write(tmp_path / "m.pb", nodes), FOLDER / f"{SECTIONS}.pb"))
    for part in ("descriptor", "fitting"):
        swapped, numbers = (embedding_of_types(tree[part]["type_embedding"], 2) for tree in (found, known))
        np.testing.assert_array_equal(swapped, numbers[::-1])
        assert np.abs(numbers[0] - numbers[1]).max() > 1e-3


def test_settings_of_hybrids():
    slots, shared = (read_model(FOLDER / f"{name}.pb") for name in HYBRIDS)
    assert [d.kind for d in slots.descriptors] == ["se_e2_a", "se_e2_r"]
    assert [d.sel for d in slots.descriptors] == [(20, 12), (40, 20)]
    assert [model.neighbour_rule for model in (slots, shared)] == ["per_type", "mixed"]
    smooth, other = shared.descriptors
    assert (smooth.n_sel, other.n_sel) == (24, 40)
    assert (smooth.axis_neuron, other.axis_neuron) == (2, 3)
    assert (smooth.switch_radius, other.switch_radius) == (0.5, None)
    assert (smooth.excluded, other.excluded) == (frozenset(), {(0, 1), (1, 0)})


def test_hybrids_without_the_script(tmp_path):
    assert_energies(read_model(write(tmp_path / "m.pb", without(nodes_of(SLOTS), "train_attr/training_script"))), SLOTS)
    with pytest.raises(UnsupportedModel, match="a hybrid without training script whose members exclude"):
        read_model(write(tmp_path / "m.pb", without(nodes_of(SHARED), "train_attr/training_script")))


# Several in one graph

SCOPE = re.compile(
    r"(descrpt_attr|filter_type_all|type_embed_net|(?:layer_\d+|final_layer)(?:_type_\d+)?|fitting_attr|o_[a-z_]+)(?=/|$)"
)


def of_part(name, k):
    """As DeePMD-kit names the nodes of part k: scopes with a suffix, operations without a scope with numbers of their own."""
    edge, name = ("^", name[1:]) if name.startswith("^") else ("", name)
    first, slash, rest = name.partition("/")
    if first in ("train_attr", "model_attr"):
        return edge + name
    renamed = SCOPE.sub(rf"\1_model{k}", first, count=1)
    if renamed == first and k:
        plain, number, port = re.fullmatch(r"([^:]*?)(?:_(\d+))?(:\d+)?", first).groups()
        renamed = f"{plain}_{5000 + int(number or 0)}{port or ''}"
    return edge + renamed + slash + rest


@pytest.mark.parametrize("other", [EXCLUDING, FACTOR])
@pytest.mark.parametrize("first", [True, False])
def test_a_switch_is_of_its_part_alone(tmp_path, other, first):
    """In a linear model, whose operations without a scope are those of one part or another."""
    names = (SMOOTH, other) if first else (other, SMOOTH)
    nodes = {}
    for k, name in enumerate(names):
        for n in nodes_of(name):
            if not n["name"].startswith("train_attr"):
                made = dict(n, name=of_part(n["name"], k), inputs=[of_part(i, k) for i in n["inputs"]])
                nodes.setdefault(made["name"], made)
    weights = gw.constant("Const_9000", np.array([0.5, 2.0]))
    energy = gw.node("o_energy", "AddV2", ["o_energy_model0", "o_energy_model1"])
    path = write(tmp_path / "linear.pb", [*nodes.values(), weights, energy])
    parts, alone = read_model(path).parts, [read_model(FOLDER / f"{name}.pb") for name in names]
    for part, single in zip(parts, alone, strict=True):
        assert [d.gates is not None for d in part.descriptors] == [d.gates is not None for d in single.descriptors]
        assert [d.switch_radius for d in part.descriptors] == [d.switch_radius for d in single.descriptors]
        assert [d.excluded for d in part.descriptors] == [d.excluded for d in single.descriptors]
