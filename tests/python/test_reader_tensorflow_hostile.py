# SPDX-License-Identifier: MIT
"""Graphs made to harm: one clear error, or a legal model; bounded time and memory."""

import re
import time
import tracemalloc
import warnings

import graph_writer as gw
import numpy as np
import pytest

from pybuild.errors import PybuildError, ReadError
from pybuild.readers import read_model
from pybuild.readers.files import graphdef


def tiny():
    """A model of one type that has all that a graph can have, in about 2 kB."""
    rng = np.random.default_rng(1)

    def weights(name, *shape):
        value = gw.constant(name, rng.normal(0.0, 0.5, shape), as_list=len(name) % 2 == 0)
        return [value, gw.node(f"{name}/read", "Identity", [name])]

    def layer(scope, source, matrix, bias, shape, activation="Tanh"):
        return [
            *weights(f"{scope}/{matrix}", *shape), *weights(f"{scope}/{bias}", 1, shape[1]),
            gw.node(f"{scope}/MatMul", "MatMul", [source, f"{scope}/{matrix}/read"]),
            gw.node(f"{scope}/add", "AddV2", [f"{scope}/MatMul", f"{scope}/{bias}/read"]),
            gw.node(f"{scope}/out", activation, [f"{scope}/add:0"]),
        ]  # fmt: skip

    statistics = [gw.constant("descrpt_attr/t_avg", np.tile([0.1, 0, 0, 0], (1, 3)))]
    statistics += [gw.constant("descrpt_attr/t_std", np.full((1, 12), 0.2))]
    environment = ["descrpt_attr/t_avg", "descrpt_attr/t_std"]
    op = gw.node("env", "DescrptSeA", ["descrpt_attr/t_std"] * 5 + environment, rcut_r=4.0, rcut_r_smth=1.5, sel_a=[3], sel_r=[0])
    return [
        gw.constant("model_attr/tmap", b"X"), *statistics, op,
        *layer("filter_type_0", "env", "matrix_1_0", "bias_1_0", (1, 2)),
        gw.constant("filter_type_0/Slice_2/size", np.array([-1, -1, 1], np.int32)),
        *layer("layer_0_type_0", "filter_type_0/out", "matrix", "bias", (2, 3), "Relu"),
        *layer("final_layer_type_0", "layer_0_type_0/out", "matrix", "bias", (3, 1), "Identity"),
        gw.constant("fitting_attr/dfparam", np.array(0, np.int32), as_list=True),
        gw.node("o_energy", "Sum", ["final_layer_type_0/out", "^filter_type_0/out"]),
        gw.constant("train_attr/training_script", b'{"model": {"descriptor": {}, "fitting_net": {}}}'),
    ]  # fmt: skip


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    path = tmp_path_factory.mktemp("tiny") / "m.pb"
    path.write_bytes(gw.encode(tiny()))
    return read_model(path)


def outcome(path, data):
    """The model, or the error that a PybuildError is."""
    path.write_bytes(data)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return read_model(path)
        except PybuildError as error:
            found = error
    assert str(found).startswith(str(path))
    assert len(str(found)) < 1500
    return found


@pytest.mark.parametrize("text", [False, True], ids=["binary", "text"])
def test_cut_off_anywhere(tmp_path, good, text):
    """A part of the file is an error, or, where only what may be missing is, the same model: never another one."""
    whole = gw.as_text(tiny()) if text else gw.encode(tiny())
    for length in range(len(whole)) if not text else range(0, len(whole), 7):
        found = outcome(tmp_path / "m", whole[:length])
        if not isinstance(found, PybuildError):
            assert found.fitting.energy_bias.tolist() == good.fitting.energy_bias.tolist()
            np.testing.assert_array_equal(found.fitting.nets[0].layers[1].weight, good.fitting.nets[0].layers[1].weight)
            one, other = (model.descriptors[0].nets[0].layers[0].weight for model in (found, good))
            np.testing.assert_array_equal(one, other)


def refusal(tmp_path, data):
    found = outcome(tmp_path / "m", data)
    assert isinstance(found, ReadError), found
    return str(found)


def with_constant(name, message):
    """The graph with an encoded TensorProto for a constant."""
    nodes = [n for n in tiny() if n["name"] != name]
    return gw.encode([*nodes, {"name": name, "op": "Const", "inputs": [], "attr": {"value": gw.chunk(8, message)}}])


def shape(*sizes):
    return gw.chunk(2, b"".join(gw.chunk(2, gw.number(1, size)) for size in sizes))


def test_sizes_that_lie(tmp_path):
    name = "layer_0_type_0/matrix"
    for message, expected in (
        (gw.number(1, 2) + shape(2**40, 2**40), "no constant can have"),
        (gw.number(1, 2) + shape(2**63, 1), "no constant can have"),
        (gw.number(1, 2) + shape(30000, 30000), "0 values where its shape asks for 900000000"),
        (gw.number(1, 2) + shape(2, 3) + gw.chunk(4, bytes(40)), "40 bytes where its shape .* asks for 48"),
        (gw.number(1, 2) + shape(2, 3) + gw.chunk(6, bytes(56)), "7 values where its shape asks for 6"),
        (gw.number(1, 2) + shape(2, 3) + gw.chunk(6, bytes(55)), "another kind than known"),
        (gw.number(1, 99) + shape(2, 3), "values of type 99"),
        (gw.number(1, 7) + shape(2, 3), "0 texts"),
        (gw.number(1, 2) + shape(*[1] * 9), "no constant can have"),
        (gw.number(1, 3) + shape(2, 3) + gw.chunk(7, b"\xff" * 6), "cut off"),
        (gw.number(1, 3) + shape(2, 3) + gw.chunk(7, b"\xff" * 11 + b"\1"), "cut off"),
    ):
        assert re.search(expected, refusal(tmp_path, with_constant(name, message)))


def test_wrong_wires(tmp_path):
    whole = gw.encode(tiny())
    for extra, expected in (
        (b"\x0a\xff\xff\xff\xff\x0f", "a field of 4294967295 bytes"),
        (b"\x0b", "wire type 3"),
        (b"\x80" * 11, "cut off, or damaged"),
        (gw.chunk(1, gw.number(1, 3)), "another kind than known"),
        (gw.chunk(1, gw.chunk(1, b"\xff\xfe")), "not UTF-8"),
        (gw.chunk(1, gw.chunk(2, b"Const")), "a node without name"),
        (gw.encode(tiny()[:1]), "names a node 'model_attr/tmap' twice"),
        (gw.chunk(0, b"x"), "damaged"),
    ):
        assert expected in refusal(tmp_path, whole + extra)


def test_missing_and_cyclic_operations(tmp_path):
    without = [n for n in tiny() if n["name"] != "layer_0_type_0/bias"]
    assert "has no node 'layer_0_type_0/bias'" in refusal(tmp_path, gw.encode(without))
    cyclic = [n | {"inputs": ["o_energy"]} if n["name"] == "layer_0_type_0/MatMul" else n for n in tiny()]
    assert "nothing multiplies by the constant" in refusal(tmp_path, gw.encode(cyclic))
    reads = [n | {"inputs": [n["name"]]} if n["name"].endswith("/read") else n for n in tiny()]
    assert not isinstance(outcome(tmp_path / "m", gw.encode(reads)), AssertionError)


def test_texts_that_are_none(tmp_path):
    start = b"node {\n"
    for more, expected in (
        (b'name: "a', "is no text of a TensorFlow graph"),
        (b"name: 'a' op: }", "'}' stands where a value"),
        (b"3: 4", "'3' stands where a field"),
        (b"a { " * 100, "more than 32 deep"),
        (b"attr { value { i: 1 } } }", "has no name"),
        (b"name: 'a' x: 1e }", "is not a number"),
        (b"name: 'a' x: 99999999999999999999999 }", "is not a number"),
        (b"name: 7 }", "is not a text"),
        (b"name: 'a' x: [1, 2", "the end stands where"),
    ):
        assert expected in refusal(tmp_path, start + more)


@pytest.mark.parametrize(
    ("field", "other", "expected"),
    [
        (rb'string_val: "X"', b"string_val: 3000000000", "'model_attr/tmap' is not a text"),
        (rb'tensor_content: "[^"]*"', b"tensor_content: 3000000000", "the content of constant .* is not a text"),
        (rb"tensor_shape \{ \}", b"tensor_shape: 5", "has tensor_shape of another kind"),
        (rb'tensor \{ [^}]*\}[^}]*"X" \}', b"tensor: 7", "has tensor of another kind"),
        (rb'value \{ tensor \{ [^}]*\}[^}]*"X" \} \}', b"value: []", "'model_attr/tmap' has no value"),
        (rb'value \{ tensor \{ [^}]*\}[^}]*"X" \} \}', b"value: 'x'", "has value of another kind"),
        (rb"list \{ [^}]*\}", b"list: 1.5", "'env', attribute sel_[ar] has list of another kind"),
    ],
)
def test_texts_of_other_kinds(tmp_path, field, other, expected):
    """What a field of the binary form cannot hold. bytes(3000000000) would be 3 GB of zeros."""
    made, n = re.subn(field, lambda _: other, gw.as_text(tiny()), count=1)
    assert n == 1
    assert re.search(expected, refusal(tmp_path, made))


def test_many_nodes(tmp_path, monkeypatch):
    monkeypatch.setattr(graphdef, "MOST_NODES", 20)
    assert "more than 20 nodes" in refusal(tmp_path, gw.encode(tiny()))


def test_time_and_memory(tmp_path):
    """A long list of nothing, and constants that are many times larger than what is written of them."""
    many = [gw.constant(f"x{k}", np.zeros(1)) for k in range(5000)]
    large = gw.number(1, 2) + shape(2**22) + gw.chunk(6, bytes(8))
    nodes = [
        *tiny(),
        *many,
        *({"name": f"y{k}", "op": "Const", "inputs": [], "attr": {"value": gw.chunk(8, large)}} for k in range(50)),
    ]
    data = gw.encode(nodes)
    tracemalloc.start()
    started = time.process_time()
    assert not isinstance(outcome(tmp_path / "m", data), PybuildError)
    assert time.process_time() - started < 30
    assert tracemalloc.get_traced_memory()[1] < 200e6
    tracemalloc.stop()


def test_the_limit_of_a_file(tmp_path, monkeypatch):
    monkeypatch.setattr(graphdef, "MOST_BYTES", 1000)
    assert "larger than 2 GB" in refusal(tmp_path, gw.encode(tiny()))
