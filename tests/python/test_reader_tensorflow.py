# SPDX-License-Identifier: MIT
"""TensorFlow graphs of every layout: the models of tests/data/tensorflow and what is made of them, against DeePMD-kit's energies
(tests/data/tensorflow/make_graphs.py says where these are from)."""

import json
import re
from dataclasses import replace
from pathlib import Path

import graph_writer as gw
import numpy as np
import pytest

from pybuild import calculator
from pybuild.compress.accuracy import report_lines, table_reports
from pybuild.compress.build import Options, build
from pybuild.compress.nets import derivatives_along
from pybuild.descriptors.deepmd import function_of_table
from pybuild.errors import InputError, ModelError, ReadError, UnsupportedModel
from pybuild.model.description import PairKind
from pybuild.model.piecewise import Piecewise
from pybuild.oracles import reference
from pybuild.readers import read_model
from pybuild.readers.files.graphdef import read_graph
from pybuild.tablefile.file import write_tables

FOLDER = Path(__file__).resolve().parents[1] / "data" / "tensorflow"
SAME = 1e-12  # eV, of energies of -190 eV: the same sums in another order
SINGLE = 2e-7  # eV/atom, of tables in float32
NAMES = ("v1.3-se_a", "se_e2_a-two_side-exclude", "se_e2_r-one_side-exclude", "se_e2_a-float32")
OLD, TWO_SIDED, RADIAL, FLOAT32 = NAMES
MODEL_NUMBERS = re.compile(r"(matrix|bias|idt|params_0|t_avg|t_std|t_bias_atom_e|t_out_std|t_out_bias|min_nbor_dist)[^/]*$")
GELU_TF = float(np.float32(0.044715))


def nodes_of(name):
    return gw.parse((FOLDER / f"{name}.pb").read_bytes())


def write(path, nodes, text=False):
    path.write_bytes(gw.as_text(nodes) if text else gw.encode(nodes))
    return path


def renamed(nodes, change):
    """The graph with other names."""
    return [n | {"name": change(n["name"]), "inputs": [change(i) for i in n["inputs"]]} for n in nodes]


def replaced(nodes, value):
    """With another constant in the place of that of the same name."""
    assert any(n["name"] == value["name"] for n in nodes)
    return [value if n["name"] == value["name"] else n for n in nodes]


def without(nodes, *starts):
    left = [n for n in nodes if not n["name"].startswith(starts)]
    assert len(left) < len(nodes)
    return left


def structures(name):
    """(positions, types, cell, atomic energies) of the frames."""
    data = np.load(FOLDER / f"{name}.npz")
    return [tuple(data[f"{key}{k}"] for key in ("positions", "types", "cell", "atom_energy")) for k in range(2)]


def assert_energies(model, name, tolerance=SAME, change=lambda energy, types: energy):
    for positions, types, cell, energy in structures(name):
        found = reference.evaluate(model, positions, types, cell).atom_energy
        np.testing.assert_allclose(found, change(energy, types), rtol=0, atol=tolerance)


def assert_same_model(one, other):
    for field in ("rcut", "rcut_smth", "sel", "n_sel", "excluded", "exclusion", "kind"):
        assert getattr(one.descriptors[0], field) == getattr(other.descriptors[0], field)
    assert one.neighbour_rule == other.neighbour_rule
    assert one.fitting.vacuum_subtracted == other.fitting.vacuum_subtracted
    np.testing.assert_array_equal(one.descriptors[0].net_of, other.descriptors[0].net_of)
    nets = ((*model.descriptors[0].nets, *model.fitting.nets) for model in (one, other))
    for a, b in zip(*nets, strict=True):
        for left, right in zip(a.layers, b.layers, strict=True):
            assert (left.activation, left.skip) == (right.activation, right.skip)
            np.testing.assert_array_equal(left.weight, right.weight)
            np.testing.assert_array_equal(left.bias, right.bias)


@pytest.mark.parametrize("name", NAMES)
def test_energies(name):
    """float32 weights, evaluated in double here and where the energies are from."""
    assert_energies(read_model(FOLDER / f"{name}.pb"), name)


@pytest.mark.parametrize("name", NAMES)
def test_tables(name, tmp_path):
    pytest.importorskip("pybuild._core", reason="the compiled evaluator")
    model = read_model(FOLDER / f"{name}.pb")
    write_tables(tmp_path / "t.bin", build(model, 0.9).tables)
    for positions, types, cell, energy in structures(name):
        found = calculator.evaluate(tmp_path / "t.bin", positions, types, cell)
        exact = reference.evaluate(model, positions, types, cell)
        assert abs(found.energy - energy.sum()) < 1e-9 * len(types)
        np.testing.assert_allclose(found.forces, exact.forces, rtol=0, atol=1e-8)


@pytest.mark.parametrize("name", NAMES)
def test_text(name, tmp_path):
    assert_same_model(read_model(write(tmp_path / "m", nodes_of(name), text=True)), read_model(FOLDER / f"{name}.pb"))


def test_settings():
    old, two, radial = (read_model(FOLDER / f"{name}.pb") for name in (OLD, TWO_SIDED, RADIAL))
    assert old.type_map == ("O", "H")
    assert old.min_nbor_dist is None
    assert old.neighbour_rule == "per_type"
    assert old.provenance.format == "DeePMD-kit TensorFlow graph"
    assert old.provenance.precision == "float64"
    assert read_model(FOLDER / f"{FLOAT32}.pb").provenance.precision == "float32"
    assert two.min_nbor_dist == pytest.approx(0.8854, abs=1e-4)
    assert {layer.activation.name for net in two.descriptors[0].nets for layer in net.layers} == {"gelu"}
    assert {layer.activation.cubic for net in two.descriptors[0].nets for layer in net.layers} == {0.044715}
    assert {layer.activation.cubic for net in two.fitting.nets for layer in net.layers[:-1]} == {GELU_TF}
    assert two.descriptors[0].net_of.tolist() == [[-1, 1], [0, 2]]
    assert two.pair_kinds[0][0, 0] == PairKind.ABSENT
    assert radial.pair_kinds[0][0, 0] == PairKind.SECTION


def test_everything_from_the_graph(tmp_path):
    """Without training script: exclusions, activations and the rest are those with it."""
    for name in (TWO_SIDED, RADIAL, FLOAT32):
        bare = without(nodes_of(name), "train_attr/", "descrpt_attr/sel", "descrpt_attr/original_sel")
        assert_same_model(read_model(write(tmp_path / "m.pb", bare)), read_model(FOLDER / f"{name}.pb"))


def test_the_layout_before_version_1(tmp_path):
    """Statistics at the root, other scopes and operations, no type map."""

    def change(name):
        name = name.replace("descrpt_attr/t_", "t_").replace("filter_type_", "DS_layer_type_")
        return {"o_energy": "energy_test", "DescrptSeA": "DescrptNorot"}.get(name, name)

    nodes = without(renamed(nodes_of(OLD), change), "model_attr/", "descrpt_attr/", "fitting_attr/")
    for made in nodes:
        made["op"] = {"DescrptSeA": "DescrptNorot"}.get(made["op"], made["op"])
    path = write(tmp_path / "m.pb", nodes)
    with pytest.raises(InputError, match=r"does not name its 2 types: .* with --types"):
        read_model(path)
    assert_same_model(read_model(path, types=("O", "H")), read_model(FOLDER / f"{OLD}.pb"))


def test_types(tmp_path):
    named, empty = FOLDER / f"{OLD}.pb", replaced(nodes_of(OLD), gw.constant("model_attr/tmap", b""))
    path = write(tmp_path / "m.pb", empty)
    assert read_model(path, types=("H", "O")).type_map == ("H", "O")
    with pytest.raises(InputError, match=r"3 names .H O C. for 2 types"):
        read_model(path, types=("H", "O", "C"))
    with pytest.raises(InputError, match=r"--types H,O: the file names its types itself .O H."):
        read_model(named, types=("H", "O"))
    with pytest.raises(InputError, match="leave --head out"):
        read_model(named, head="one")
    with pytest.raises(InputError, match="--without-modifier"):
        read_model(named, without_modifier=True)
    with pytest.raises(ReadError, match="3 names"):
        read_model(write(path, replaced(empty, gw.constant("model_attr/tmap", b"O H C"))))


def test_where_energies_are_added(tmp_path):
    """t_bias_atom_e, t_out_bias and t_out_std; energies of atoms, whose net has its value for no neighbours taken off."""
    bias, scale, shift = np.array([-1.5, 2.0]), np.array([[[2.0], [0.5]]]), np.array([[[0.25], [-0.75]]])
    prefix = "model_attr/model_attr/t_out_"
    nodes = [*nodes_of(OLD), gw.constant("fitting_attr/t_bias_atom_e", bias)]
    assert_energies(read_model(write(tmp_path / "m.pb", nodes)), OLD, change=lambda e, t: e + bias[t])
    nodes += [gw.constant(f"{prefix}std", scale), gw.constant(f"{prefix}bias", shift)]
    model = read_model(write(tmp_path / "m.pb", nodes))
    assert_energies(model, OLD, change=lambda e, t: (e + bias[t]) * scale[0, t, 0] + shift[0, t, 0])
    plain = read_model(FOLDER / f"{OLD}.pb")
    vacuum = float(plain.fitting.nets[1].forward(np.zeros((1, 144)))[0][0, 0])
    again = gw.node("layer_0_type_1_1/MatMul", "MatMul", [])
    nodes = [*nodes_of(OLD), again, gw.constant("atom_1_ener", np.array([-3.0]))]
    (energy,) = (node for node in nodes if node["name"] == "o_energy")
    energy["inputs"] = [*energy["inputs"], again["name"]]
    model = read_model(write(tmp_path / "m.pb", nodes))
    assert_energies(model, OLD, change=lambda e, t: e - np.where(t == 1, vacuum + 3.0, 0.0))
    with pytest.raises(ReadError, match="one number for each of 2 types"):
        read_model(write(tmp_path / "m.pb", [*nodes_of(OLD), gw.constant("fitting_attr/t_bias_atom_e", np.zeros(3))]))


def test_shared_layers(tmp_path):
    """layer_name in the training script, by whose names the layers go."""
    names = ["first", "second", "third", "last"]

    def change(name):
        for k, layer in enumerate(names):
            scope = f"layer_{k}_type_" if k < 3 else "final_layer_type_"
            if name.startswith(scope):
                return f"share_{layer}_type_{name.removeprefix(scope)}"
        return name

    script = json.dumps({"model": {"descriptor": {}, "fitting_net": {"layer_name": names}}}).encode()
    nodes = [*renamed(nodes_of(OLD), change), gw.constant("train_attr/training_script", script)]
    assert_same_model(read_model(write(tmp_path / "m.pb", nodes)), read_model(FOLDER / f"{OLD}.pb"))


def test_atomic_parameters_that_are_a_mask(tmp_path):
    """They are no inputs of the nets: the graph has no statistics of them."""
    script = json.dumps({"model": {"descriptor": {}, "fitting_net": {"numb_aparam": 1, "use_aparam_as_mask": True}}}).encode()
    nodes = [n for n in nodes_of(OLD) if n["name"] != "fitting_attr/daparam"]
    nodes += [gw.constant("fitting_attr/daparam", np.int32(1)), gw.constant("train_attr/training_script", script)]
    model = read_model(write(tmp_path / "m.pb", nodes))
    assert model.fitting.parameters.n_aparam == 0
    assert "use_aparam_as_mask" in model.remarks[0]
    assert_same_model(model, read_model(FOLDER / f"{OLD}.pb"))


def test_a_cutoff_in_single_precision(tmp_path):
    """4.8 and 1.8 in float32 differ by 3 there, exactly."""
    nodes = nodes_of(OLD)
    for made in nodes:
        if made["op"] == "DescrptSeA":
            made["attr"] |= gw.node("", "", [], rcut_r=4.8, rcut_r_smth=1.8)["attr"]
    d = read_model(write(tmp_path / "m.pb", nodes)).descriptors[0]
    assert d.rcut_smth == float(np.float32(1.8))
    assert d.rcut == d.rcut_smth + float(np.float32(4.8) - np.float32(1.8))
    assert d.rcut_smth != 1.8
    assert d.rcut - d.rcut_smth == pytest.approx(3.0, abs=3e-7)


def test_a_divisor_that_is_not_the_sum_of_sel(tmp_path):
    nodes = replaced(nodes_of(TWO_SIDED), gw.constant("descrpt_attr/original_sel", np.array([40, 60], np.int32)))
    assert read_model(write(tmp_path / "m.pb", nodes)).descriptors[0].n_sel == 100


OPERATIONS = {
    "Relu": "relu", "Relu6": "relu6", "Softplus": "softplus", "Sigmoid": "sigmoid", "GeluCustom": "gelu", "Gelu": "gelu",
    "Identity": "linear",
}  # fmt: skip


@pytest.mark.parametrize("op", OPERATIONS)
def test_activations(tmp_path, op):
    nodes = nodes_of(RADIAL)
    for made in nodes:
        if made["op"] == "Tanh":
            made["op"] = op
    model = read_model(write(tmp_path / "m.pb", nodes))
    layers = [layer for net in model.descriptors[0].nets for layer in net.layers]
    layers += [layer for net in model.fitting.nets for layer in net.layers[:-1]]
    assert {(layer.activation.name, layer.activation.parameter) for layer in layers} == {(OPERATIONS[op], 0.0)}


@pytest.mark.parametrize("scaled", [False, True])
def test_silu(tmp_path, scaled):
    """x sigmoid(x), or x sigmoid(1 x)."""
    nodes = []
    for made in nodes_of(RADIAL):
        if made["op"] == "Tanh":
            (x,), name = made["inputs"], made["name"]
            one = [gw.constant(f"{name}/one", np.array(1.0), as_list=True), gw.node(f"{name}/x", "Mul", [f"{name}/one", x])]
            nodes += one if scaled else []
            nodes += [gw.node(f"{name}/sigmoid", "Sigmoid", [f"{name}/x" if scaled else x])]
            made = gw.node(name, "Mul", [x, f"{name}/sigmoid"])
        nodes.append(made)
    model = read_model(write(tmp_path / "m.pb", nodes))
    assert {layer.activation.name for layer in model.descriptors[0].nets[1].layers} == {"silu"}


def test_silut(tmp_path):
    """As in DeePMD-kit's graphs: where(x < T, x sigmoid(x), ...). Energies: test_reader_tensorflow_types.py."""
    model = read_model(FOLDER / "silut.pb")
    assert {layer.activation.parameter for net in model.descriptors[0].nets for layer in net.layers} == {3.0}
    assert {layer.activation.parameter for net in model.fitting.nets for layer in net.layers[:-1]} == {0.05}
    nodes = nodes_of("silut")
    (threshold,) = (n for n in nodes if n["name"] == "layer_0_type_0/Less/y")
    other = gw.constant(threshold["name"], np.array(0.06), as_list=True)
    with pytest.raises(UnsupportedModel, match="operation 'layer_0_type_0/Less', which is not that of silut"):
        read_model(write(tmp_path / "m.pb", replaced(nodes, other)))


def test_more_than_silu(tmp_path):
    """What else takes the sums of a layer is looked at."""
    nodes = nodes_of("silut")
    for made in nodes:
        made["op"] = {"Less": "Greater"}.get(made["op"], made["op"])
    with pytest.raises(UnsupportedModel, match="by the operations Greater, Sigmoid"):
        read_model(write(tmp_path / "m.pb", nodes))


def test_an_unknown_activation(tmp_path):
    nodes = nodes_of(RADIAL)
    for made in nodes:
        made["op"] = {"Tanh": "Erf"}.get(made["op"], made["op"])
    with pytest.raises(UnsupportedModel, match="activation after 'filter_type_all/matrix_1_0' by the operations Erf"):
        read_model(write(tmp_path / "m.pb", nodes))


def test_exclusions_centre_by_centre(tmp_path):
    """One-sided, of DeePMD-kit 2.1.5: excluded neighbours have no slots. From 2.2 on their slots have the net's value at 0."""
    path = FOLDER / "v2.1-se_e2_r-exclude.pb"
    model, data = read_model(path), np.load(path.with_suffix(".npz"))
    assert (model.descriptors[0].exclusion, read_model(FOLDER / f"{RADIAL}.pb").descriptors[0].exclusion) == ("absent", "section")
    pytest.importorskip("pybuild._core", reason="the compiled evaluator")
    write_tables(tmp_path / "t.bin", build(model, 1.4).tables)
    for k in range(2):
        atoms = data[f"positions{k}"], data[f"types{k}"].astype(np.int64), data[f"cell{k}"]
        for found, error in (
            (reference.evaluate(model, *atoms), 1e-12),
            (calculator.evaluate(tmp_path / "t.bin", *atoms), 1e-8),
        ):
            assert abs(found.energy - data[f"energy{k}"]) < error * len(atoms[1])
            np.testing.assert_allclose(found.forces, data[f"forces{k}"], rtol=0, atol=error)
            np.testing.assert_allclose(found.virial, data[f"virial{k}"], rtol=0, atol=100 * error)


@pytest.mark.parametrize("name", [RADIAL, "se_atten-concat-one_side-exclude"])
def test_exclusions_that_the_graph_does_not_have(tmp_path, name):
    """One-sided se_e2_r of DeePMD-kit 2.0, se_atten to 2.1: the script excludes, but the graph has no mask."""
    nodes = nodes_of(name)
    (d,) = read_model(write(tmp_path / "m.pb", nodes)).descriptors
    assert d.excluded == {(0, 0)}
    graph, shape = read_graph(FOLDER / f"{name}.pb"), (2, 2 if name == RADIAL else 3)
    masks = {name for name in graph.nameless_constants() if graph.constant(name).shape == shape}
    assert len(masks) == 1
    nodes = [gw.constant(n["name"], np.ones(shape)) if n["name"] in masks else n for n in nodes]
    (d,) = read_model(write(tmp_path / "m.pb", nodes)).descriptors
    assert d.excluded == set()


def test_exclusions_of_a_script_alone(tmp_path):
    """Plain se_e2_a of 2.1 has no mask, but leaves excluded pairs out; a centre that sees nothing has no scope."""
    script = json.dumps({"model": {"descriptor": {"type": "se_e2_a", "exclude_types": [[0, 1], [1, 1]]}}}).encode()
    nodes = [n for n in nodes_of("se_e2_a-float32") if n["name"] != "train_attr/training_script"]
    (d,) = read_model(write(tmp_path / "m.pb", [*nodes, gw.constant("train_attr/training_script", script)])).descriptors
    assert d.excluded == {(0, 1), (1, 0), (1, 1)}


# Compressed models


def table_of(net, dtype):
    """DeePMD-kit's table of a net: rows, and what says where they are."""
    lower, upper, end, fine, coarse = -1.0, 7.0, 35.0, 0.01, 0.1
    knots = np.concatenate([lower + fine * np.arange(801), upper + coarse * np.arange(1, 281)])
    y, dy, ddy = derivatives_along(net, knots)
    t = np.diff(knots)[:, None]
    h, y0, y1, c0, c1 = np.diff(y, axis=0), dy[:-1], dy[1:], ddy[:-1], ddy[1:]
    powers = [
        y[:-1], y0, c0 / 2,
        (20 * h - (8 * y1 + 12 * y0) * t - (3 * c0 - c1) * t**2) / (2 * t**3),
        (-30 * h + (14 * y1 + 16 * y0) * t + (3 * c0 - 2 * c1) * t**2) / (2 * t**4),
        (12 * h - 6 * (y1 + y0) * t + (c1 - c0) * t**2) / (2 * t**5),
    ]  # fmt: skip
    coef = np.stack(powers, axis=-1).reshape(len(t), -1).astype(dtype)
    return coef, np.array([lower, upper, end, fine, coarse, -1.0], dtype)


def compressed(name, dtype):
    """The graph with look-ups in tables instead of the embedding nets, as `dp compress` makes it."""
    model, nodes = read_model(FOLDER / f"{name}.pb"), nodes_of(name)
    d = model.descriptors[0]
    kept = [n for n in nodes if not n["name"].startswith("filter_type_")]
    sizes = (n for n in nodes if n["name"].startswith("filter_type_") and n["name"].endswith("size"))
    kept += [n for n in sizes if gw.value_of(n).shape == (3,)]  # that of the slice that says axis_neuron
    two_sided = any(n["name"].startswith("filter_type_0/") for n in nodes)
    scopes = {f"filter_type_{a}": a for a in range(2)} if two_sided else {"filter_type_all": 1}
    kind, n_arguments = ("TabulateFusionSeR", 1) if d.kind == "se_e2_r" else ("TabulateFusionSeA", 2)
    starts, made = np.cumsum([0, d.sel[0]]) * d.n_components, []
    for scope, a in scopes.items():
        for k, b in enumerate(b for b in range(2) if d.net_of[a, b] >= 0):
            op, table = f"{scope}/{kind}" + (f"_{k}" if k else ""), f"Const_{100 + len(made)}"
            coef, info = table_of(d.net(a, b), dtype)
            made += [
                gw.constant(table, coef),
                gw.constant(f"{op}/table_info", info),
                gw.constant(f"{op}/begin", np.array([0, starts[b]], np.int32)),
                gw.constant(f"{op}/size", np.array([-1, d.sel[b] * d.n_components], np.int32)),
                gw.node(f"{op}/Slice", "Slice", ["environment", f"{op}/begin", f"{op}/size"]),
                gw.node(f"{op}/Reshape", "Reshape", [f"{op}/Slice"]),
                gw.node(op, kind, [table, f"{op}/table_info", *[f"{op}/Reshape"] * n_arguments]),
            ]
    for n in kept:
        n["inputs"] = [i for i in n["inputs"] if not i.startswith("filter_type_")]
    return [*kept, gw.node("environment", "Identity", []), *made]


@pytest.mark.parametrize("name", NAMES)
def test_a_compressed_model(name, tmp_path):
    """Its tables are the net, and so are the tables that are made of them."""
    model = read_model(write(tmp_path / "m.pb", compressed(name, np.float64)))
    assert model.provenance.format.endswith("compressed by DeePMD-kit")
    assert all(isinstance(net, Piecewise) for net in model.descriptors[0].nets)
    assert_energies(model, name, tolerance=1e-10)


def test_a_table_for_no_slots(tmp_path):
    """A type of which sel is 0 has a look-up, too, that begins where the next one does."""
    nodes = compressed(RADIAL, np.float64)
    op = "filter_type_all/TabulateFusionSeR"
    for made in [n for n in nodes if n["name"].startswith(f"{op}_1")]:
        name = f"{op}_2" + made["name"].removeprefix(f"{op}_1")
        inputs = [i.replace(f"{op}_1", f"{op}_2") for i in made["inputs"]]
        nodes.append(made | {"name": name, "inputs": inputs})
        if name.endswith("/size"):
            nodes[-1] = gw.constant(name, np.array([-1, 0], np.int32))
    assert_energies(read_model(write(tmp_path / "m.pb", nodes)), RADIAL, tolerance=1e-10)


@pytest.mark.parametrize("other", [False, True])
def test_tables_in_scopes_of_centres(tmp_path, other):
    """Up to DeePMD-kit 2.1 a one-sided descriptor with exclusions has look-ups for each centre type, here none of type 0 for the
    first one; the tables are those of all."""
    first, second = "filter_type_all/TabulateFusionSeR", "filter_type_all/TabulateFusionSeR_1"

    def moved(nodes, here, there):
        return renamed(nodes, lambda name: there + name.removeprefix(here) if re.fullmatch(rf"{here}(/.*)?", name) else name)

    nodes = compressed(RADIAL, np.float64)
    of_second = [n for n in nodes if n["name"].startswith(second)]
    nodes = moved(moved(nodes, first, "filter_type_all_1/TabulateFusionSeR"), second, first)
    nodes += moved(of_second, second, "filter_type_all_1/TabulateFusionSeR_1")
    if not other:
        known = read_model(FOLDER / f"{RADIAL}.pb")
        (d,) = known.descriptors
        known = replace(known, descriptors=(replace(d, exclusion="absent"),))
        found = read_model(write(tmp_path / "m.pb", nodes))
        for *atoms, _ in structures(RADIAL):
            energies = (reference.evaluate(model, *atoms).atom_energy for model in (found, known))
            np.testing.assert_allclose(*energies, rtol=0, atol=1e-10)
        return
    (table,) = (n for n in nodes if n["name"] == of_second[-1]["inputs"][0])
    nodes.append(gw.constant("Const_200", gw.value_of(table) + 1.0))
    nodes[-2]["inputs"] = ["Const_200", *nodes[-2]["inputs"][1:]]
    with pytest.raises(ReadError, match="two tables for neighbours of type 1"):
        read_model(write(tmp_path / "m.pb", nodes))


@pytest.mark.parametrize("name", [OLD, RADIAL])
def test_a_table_in_single_precision(name, tmp_path):
    """Values and slopes are good to float32; the higher powers are noise and not taken."""
    pytest.importorskip("pybuild._core", reason="the compiled evaluator")
    model, exact = read_model(write(tmp_path / "m.pb", compressed(name, np.float32))), read_model(FOLDER / f"{name}.pb")
    assert_energies(model, name, tolerance=20 * SINGLE)
    made = build(model, 0.9)
    write_tables(tmp_path / "t.bin", made.tables)
    for positions, types, cell, _ in structures(name):
        own, net = (reference.evaluate(m, positions, types, cell) for m in (model, exact))
        found = calculator.evaluate(tmp_path / "t.bin", positions, types, cell)
        np.testing.assert_allclose(found.forces, own.forces, rtol=0, atol=2e-7)
        np.testing.assert_allclose(own.forces, net.forces, rtol=0, atol=4e-6)
        assert abs(found.energy - net.energy) < SINGLE * len(types)


def test_tables_that_are_none(tmp_path):
    nodes = compressed(RADIAL, np.float64)
    (info,) = (n for n in nodes if n["name"] == "filter_type_all/TabulateFusionSeR/table_info")
    for numbers, message in (
        ([-1.0, 7.0, 35.0, 0.02, 0.1, -1.0], "a table of 1080 rows"),
        ([7.0, -1.0, 35.0, 0.01, 0.1, -1.0], "a table from 7.0 to -1.0"),
        ([-1.0, 7.0, np.inf, 0.01, 0.1, -1.0], "a table from -1.0"),
        ([-1.0, 7.0, 35.0, 0.0, 0.1, -1.0], "in steps of 0.0"),
        ([-1.0, 7.0, 35.0, 0.01, 0.1], "5 numbers about its grid"),
    ):
        with pytest.raises(ReadError, match=message):
            read_model(write(tmp_path / "m.pb", replaced(nodes, gw.constant(info["name"], np.array(numbers)))))
    begins = [n["name"] for n in nodes if n["name"].endswith("/begin") and "Tabulate" in n["name"]]
    with pytest.raises(ReadError, match="no section begins"):
        read_model(write(tmp_path / "m.pb", replaced(nodes, gw.constant(begins[0], np.array([0, 7], np.int32)))))
    with pytest.raises(ReadError, match="two tables"):
        read_model(write(tmp_path / "m.pb", replaced(nodes, gw.constant(begins[1], np.array([0, 0], np.int32)))))


def test_steps_that_do_not_fit_into_a_table():
    """Of se_e3: DeePMD-kit fills a number of coarse rows that is rounded up, and reads as if it were rounded down."""
    for upper, whole in ((56.0, False), (55.0, True)):
        info = np.array([-upper, upper, 5 * upper, 0.5, 5.0, -1.0])
        coef = np.zeros((int(2 * upper / 0.5 + 2 * 4 * upper / 5), 6))
        if whole:
            assert function_of_table(coef, info, symmetric=True).knots[[0, -1]].tolist() == [-275, 275]
            continue
        with pytest.raises(UnsupportedModel, match="no whole number of steps"):
            function_of_table(coef, info, symmetric=True)


def test_a_table_that_overflowed():
    coef = np.zeros((1080, 6))
    coef[-1] = np.nan
    with pytest.raises(UnsupportedModel, match=r"not finite.*needs the uncompressed model"):
        function_of_table(coef, np.array([-1.0, 7.0, 35.0, 0.01, 0.1, -1.0]), False)


def test_the_report_of_a_compressed_model(tmp_path):
    model = read_model(write(tmp_path / "m.pb", compressed(RADIAL, np.float64)))
    made = build(model, 0.9)
    lines = report_lines(made, table_reports(made), Options())
    assert [line for line in lines if line.startswith("note: the model has tables of its own")]


# What cannot be read


def refused(tmp_path, *more, name=OLD):
    with pytest.raises(UnsupportedModel) as caught:
        read_model(write(tmp_path / "m.pb", [*nodes_of(name), *more]))
    return str(caught.value)


def test_other_models_by_name(tmp_path):
    zero = np.zeros(1)
    for constant, message in (
        ("spin_attr/ntypes_spin", "a model of type 'spin_ener'"),
        ("descrpt_attr_qmmm/t_avg", "a model of type 'pairwise_dprc'"),
        ("attention_layer_0/c_query/matrix", "attention layers"),
    ):
        assert message in refused(tmp_path, gw.constant(constant, zero))
    assert "NVNMD" in refused(tmp_path, gw.node("x", "QuantizeNvnmd", []))
    assert "'loc_frame'" in refused(tmp_path, gw.node("x", "Descrpt", []))
    assert "'se_a_mask'" in refused(tmp_path, gw.node("x", "DescrptSeAMask", []))
    modifier = gw.constant("modifier_attr/type", b"dipole_charge")
    assert "--without-modifier takes the short-range part" in refused(tmp_path, modifier)
    model = read_model(write(tmp_path / "m.pb", [*nodes_of(OLD), modifier]), without_modifier=True)
    assert_energies(model, OLD)
    for kind in ("dos", "dipole", "polar"):
        with pytest.raises(UnsupportedModel, match=f"a model of type '{kind}'"):
            read_model(write(tmp_path / "m.pb", replaced(nodes_of(OLD), gw.constant("model_attr/model_type", kind.encode()))))


def test_damaged_models_of_several_parts(tmp_path):
    for name, message in (
        ("model_attr/t_tab_info", "0 operations SoftMinSwitch, a model with a pair table must have one"),
        ("descrpt_attr_model1/t_avg", "has the parts 1 of a linear model; it is damaged"),
        ("descrpt_attr_model0/rcut", "1 parts|no node|no statistics|0 constants"),
    ):
        with pytest.raises(ReadError, match=message):
            read_model(write(tmp_path / "m.pb", [*nodes_of(OLD), gw.constant(name, np.zeros(1))]))


def test_a_pair_without_net_in_one_direction(tmp_path):
    def change(name):
        return name.replace("filter_type_0/matrix_1_1", "gone")

    with pytest.raises(ReadError, match="embedding net of types 1 0 but not the reverse"):
        read_model(write(tmp_path / "m.pb", renamed(nodes_of(OLD), change)))


def test_a_centre_that_sees_nobody(tmp_path):
    def change(name):
        return name.replace("filter_type_0/matrix_1_1", "gone").replace("filter_type_1/matrix_1_0", "lost")

    with pytest.raises(UnsupportedModel, match="excludes all neighbours of type 0"):
        read_model(write(tmp_path / "m.pb", renamed(nodes_of(TWO_SIDED), change)))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision(tmp_path, dtype):
    """Each constant of the net, the statistics and the type embedding, in 16 bits: read exactly or refused by name."""
    nodes, read = nodes_of("se_atten_v2"), []
    for made in (n for n in nodes if MODEL_NUMBERS.search(n["name"]) and n["op"] == "Const"):
        value = gw.value_of(made)
        if value.dtype.kind != "f":
            continue
        half, rounded = gw.in_half(made["name"], value, dtype)
        try:
            found = read_model(write(tmp_path / "m.pb", replaced(nodes, half)))
        except UnsupportedModel as error:
            assert f"with numbers of type {dtype} is not supported" in str(error)  # noqa: PT017
            continue
        read.append(made["name"])
        known = read_model(write(tmp_path / "m.pb", replaced(nodes, gw.constant(made["name"], rounded))))
        for k, d in enumerate(found.descriptors):
            np.testing.assert_array_equal(d.mean, known.descriptors[k].mean)
            np.testing.assert_array_equal(d.std, known.descriptors[k].std)
        np.testing.assert_array_equal(found.fitting.energy_bias, known.fitting.energy_bias)
        for net, other in zip(found.fitting.nets, known.fitting.nets, strict=True):
            np.testing.assert_array_equal(net.layers[-1].weight, other.layers[-1].weight)
    assert "fitting_attr/t_bias_atom_e" in read


def test_products_of_fewer_bits(tmp_path):
    """mixed_precision of a training: matrices and biases are converted before they are used, which the tables do not follow."""
    nodes = nodes_of(FLOAT32)
    converted = {f"{part}/read" for n in nodes for part in [n["name"]] if part.rpartition("/")[2].startswith(("matrix", "bias"))}
    converted &= {n["name"] for n in nodes}
    assert converted
    nodes = [n | {"inputs": [f"{i}/half" if i in converted else i for i in n["inputs"]]} for n in nodes]
    nodes += [gw.node(f"{name}/half", "Cast", [name]) for name in converted]
    found, known = read_model(write(tmp_path / "m.pb", nodes)), read_model(FOLDER / f"{FLOAT32}.pb")
    (remark,) = found.remarks
    assert remark.startswith("note: trained with mixed_precision")
    assert not known.remarks
    for net, other in zip(found.fitting.nets, known.fitting.nets, strict=True):
        for layer, same in zip(net.layers, other.layers, strict=True):
            np.testing.assert_array_equal(layer.weight, same.weight)
            np.testing.assert_array_equal(layer.bias, same.bias)
            assert layer.activation == same.activation


def test_numbers_that_are_not_finite(tmp_path):
    bias = np.array([np.nan])
    with pytest.raises(ModelError, match="not finite"):
        read_model(write(tmp_path / "m.pb", replaced(nodes_of(OLD), gw.constant("final_layer_type_0/bias", bias))))
