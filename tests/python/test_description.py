# SPDX-License-Identifier: MIT
"""The rules of a legal model, one test for each, and the arrays that a description owns."""

import dataclasses

import numpy as np
import pytest

from pybuild.errors import ModelError
from pybuild.model.activations import parse
from pybuild.model.net import Layer, Net, Skip


def _with(model, **changes):
    """The model with fields replaced; descriptor_x and fitting_x go into the parts."""
    descriptor = {k.removeprefix("descriptor_"): v for k, v in changes.items() if k.startswith("descriptor_")}
    fitting = {k.removeprefix("fitting_"): v for k, v in changes.items() if k.startswith("fitting_")}
    rest = {k: v for k, v in changes.items() if not k.startswith(("descriptor_", "fitting_"))}
    return dataclasses.replace(
        model,
        descriptors=(dataclasses.replace(model.descriptors[0], **descriptor),),
        fitting=dataclasses.replace(model.fitting, **fitting),
        **rest,
    )


BAD = [
    ({"type_map": ("A",)}, r"descriptor\.sel has 2 entries for 1 types"),
    ({"type_map": ()}, "type_map is empty"),
    ({"type_map": ("A", "A")}, "type_map names a type twice"),
    ({"type_map": ("A", "B C")}, "type_map has the name 'B C': must be a word without blanks"),
    ({"type_map": ("A", "B\n")}, "type_map has the name"),
    ({"type_map": ("A", "")}, "type_map has the name ''"),
    ({"type_map": ("A", 2)}, "type_map has the name 2"),
    ({"min_nbor_dist": 0.0}, "min_nbor_dist is 0.0"),
    ({"min_nbor_dist": np.nan}, "min_nbor_dist is nan"),
    ({"pair_excluded": frozenset({(0, 1)})}, r"pair_excluded has \(0, 1\) but not its reverse"),
    ({"pair_excluded": frozenset({(0, 2), (2, 0)})}, "pair_excluded has .*there are 2 types"),
    ({"descriptor_excluded": frozenset({(1, 0)})}, r"descriptor\.excluded has \(1, 0\) but not its reverse"),
    ({"descriptor_rcut": np.inf}, r"descriptor\.rcut is inf"),
    ({"descriptor_rcut": "6"}, r"descriptor\.rcut is '6'"),
    ({"descriptor_rcut_smth": 4.0}, r"descriptor\.rcut_smth is 4.0"),
    ({"descriptor_rcut_smth": -0.1}, r"descriptor\.rcut_smth is -0.1"),
    ({"descriptor_env_protection": -1e-3}, r"descriptor\.env_protection is -0.001"),
    ({"descriptor_sel": (12, -1)}, r"descriptor\.sel is \(12, -1\)"),
    ({"descriptor_sel": (0, 0)}, r"descriptor\.sel is \(0, 0\)"),
    ({"descriptor_sel": (12, 2.0)}, r"descriptor\.sel is \(12, 2.0\)"),
    ({"descriptor_n_sel": 0}, r"descriptor\.n_sel is 0"),
    ({"descriptor_mean": [0.1]}, r"descriptor\.mean has shape \(1,\), must be \(2,\)"),
    ({"descriptor_mean": [0.1, np.nan]}, r"descriptor\.mean holds numbers that are not finite"),
    ({"descriptor_std": [[0.1, 0.1]] * 3}, r"descriptor\.std has shape \(3, 2\)"),
    ({"descriptor_std": [[0.1, 0.0]] * 2}, r"descriptor\.std must be positive"),
    ({"descriptor_axis_neuron": 0}, r"descriptor\.axis_neuron is 0, must be in 1\.\.6"),
    ({"descriptor_axis_neuron": 7}, r"descriptor\.axis_neuron is 7"),
    ({"descriptor_axis_neuron": 3}, r"fitting\.nets\[0\]\.layers\[0\]\.weight has shape \(12, 5\), must be \(18, 5\)"),
    ({"fitting_energy_bias": [1.0]}, r"fitting\.energy_bias has shape"),
    ({"fitting_vacuum_subtracted": frozenset({2})}, r"fitting\.vacuum_subtracted has 2"),
    ({"fitting_excluded": frozenset({-1})}, r"fitting\.excluded has -1"),
    ({"fitting_excluded": frozenset({0, 1})}, r"fitting\.excluded has all types \(atom_exclude_types\)"),
    ({"fitting_nets": ()}, r"fitting\.nets is empty"),
    ({"descriptor_exclusion": "both"}, r"descriptor\.exclusion is 'both', must be one of slots, section, absent"),
    ({"neighbour_rule": "nearest"}, "neighbour_rule is 'nearest', must be one of all, per_type, total"),
    ({"neighbour_rule": "union"}, "neighbour_rule is 'union', must be one of all, per_type, total"),
]


def test_legal_models(make_model):
    for model in (make_model(), make_model(1, 3, type_one_side=False), make_model(2, 3, sel=(4, 0, 4)), make_model(3, 1)):
        model.validate()
    sparse = make_model(2, 3, sel=(4, 0, 4))
    _with(sparse, descriptor_net_of=[[0, -1, 2]] * 3).validate()  # no net is needed where sel is 0


@pytest.mark.parametrize(("changes", "message"), BAD)
def test_broken_rules_name_the_field(make_model, changes, message):
    with pytest.raises(ModelError, match=message):
        _with(make_model(), **changes).validate()


def _replace_layer(model, part, index, **changes):
    """The model with one layer of fitting net 0, or of embedding net 1, changed."""
    if part == "fitting":
        net = model.fitting.nets[0]
    else:
        net = model.descriptors[0].nets[1]
    layers = list(net.layers)
    layers[index] = dataclasses.replace(layers[index], **changes)
    changed = Net(tuple(layers))
    if part == "fitting":
        return _with(model, fitting_nets=(changed, *model.fitting.nets[1:]))
    return _with(model, descriptor_nets=(model.descriptors[0].nets[0], changed))


@pytest.mark.parametrize(
    ("part", "index", "changes", "message"),
    [
        ("embedding", 0, {"bias": np.zeros(2)}, r"descriptor\.nets\[1\]\.layers\[0\]\.bias has shape \(2,\), must be \(3,\)"),
        (
            "embedding",
            0,
            {"activation": "tanh"},
            r"descriptor\.nets\[1\]\.layers\[0\]\.activation is 'tanh', must be an Activation",
        ),
        ("embedding", 0, {"skip": "twice"}, r"layers\[0\]\.skip is 'twice', must be a Skip"),
        ("embedding", 0, {"skip": Skip.IDENTITY}, r"layers\[0\]\.skip is 'identity', which 1 inputs and 3 outputs do not allow"),
        ("embedding", 1, {"weight": np.zeros((2, 6))}, r"layers\[1\]\.weight has shape \(2, 6\), must be \(3, 6\)"),
        ("embedding", 1, {"weight": np.zeros(6)}, r"layers\[1\]\.weight has shape \(6,\), must be \(inputs, outputs\)"),
        ("embedding", 1, {"idt": np.zeros(5)}, r"layers\[1\]\.idt has shape"),
        ("embedding", 1, {"weight": np.full((3, 6), np.inf)}, r"layers\[1\]\.weight holds numbers that are not finite"),
        (
            "embedding",
            1,
            {"weight": np.zeros((3, 4)), "bias": np.zeros(4), "idt": None, "skip": Skip.NONE},
            "has . outputs, another net",
        ),
        ("fitting", 2, {"activation": parse("tanh")}, r"fitting\.nets\[0\]\.layers\[2\] is the last one and must be linear"),
        ("fitting", 2, {"idt": np.ones(1)}, "is the last one and must be linear"),
        ("fitting", 2, {"weight": np.zeros((5, 2)), "bias": np.zeros(2)}, r"fitting\.nets\[0\] has 2 outputs"),
    ],
)
def test_broken_layers(make_model, part, index, changes, message):
    with pytest.raises(ModelError, match=message):
        _replace_layer(make_model(), part, index, **changes).validate()


def test_nets_for_every_pair(make_model):
    model = make_model()
    with pytest.raises(ModelError, match=r"descriptor\.net_of\[1, 0\] is -1, but there are slots"):
        _with(model, descriptor_net_of=[[0, 1], [-1, 1]]).validate()
    with pytest.raises(ModelError, match=r"descriptor\.net_of must hold indices of -1 to 1"):
        _with(model, descriptor_net_of=[[0, 1], [0, 2]]).validate()
    with pytest.raises(ModelError, match=r"descriptor\.net_of has shape \(1, 2\), must be \(2, 2\)"):
        _with(model, descriptor_net_of=[[0, 1]]).validate()
    _with(model, descriptor_net_of=[[1, 0], [0, 0]]).validate()
    with pytest.raises(ModelError, match=r"descriptor\.nets is empty"):
        _with(model, descriptor_nets=()).validate()
    with pytest.raises(ModelError, match="has no layers"):
        _with(model, fitting_nets=(Net(()),) * 2).validate()
    with pytest.raises(ModelError, match=r"fitting\.net_of must hold indices of 0 to 1"):
        _with(model, fitting_net_of=[0, 2]).validate()
    with pytest.raises(ModelError, match=r"fitting\.net_of has shape"):
        _with(model, fitting_net_of=[0]).validate()


def test_arrays_are_owned_float64_c_order_and_read_only():
    source = np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3))
    layer = Layer(source, [1, 2, 3], None, parse("tanh"), Skip.NONE)
    source[0, 0] = 99.0
    for array in (layer.weight, layer.bias):
        assert array.dtype == np.float64
        assert array.flags.c_contiguous
        assert not array.flags.writeable
    assert layer.weight[0, 0] == 0.0
    with pytest.raises(ValueError, match="read-only"):
        layer.weight[0, 0] = 1.0
    with pytest.raises(ModelError, match=r"Layer\.bias: not an array of numbers"):
        Layer(source, ["a"], None, parse("tanh"), Skip.NONE)


def test_float32_becomes_float64_exactly():
    weights = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    assert np.array_equal(Layer(weights, np.zeros(4), None, parse("tanh"), Skip.NONE).weight.astype(np.float32), weights)
    assert Layer(weights, np.zeros(4), None, parse("tanh"), Skip.NONE).weight[1, 2] == float(weights[1, 2])


def test_sizes(make_model):
    model = make_model(0, 3)
    assert (model.n_types, model.descriptors[0].width) == (3, 6)
    assert (model.fitting.nets[0].n_in, model.fitting.nets[0].n_out) == (12, 1)
