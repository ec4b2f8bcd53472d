# SPDX-License-Identifier: MIT
"""Readers: what is read, that two formats of one model agree, and that everything else is refused by its name."""

import bz2
import dataclasses
import gzip
import hashlib
import io
import itertools
import json
import lzma
import pickle
import shutil
import struct
import sys
import tarfile
import zipfile

import numpy as np
import pytest
from deepmd_files import write_json, write_package
from peer_models import assert_agrees, frames

from pybuild.errors import InputError, PybuildError, ReadError, UnsupportedModel
from pybuild.model.activations import parse
from pybuild.model.description import ModelDescription, Provenance
from pybuild.model.net import Skip
from pybuild.oracles import combined, reference
from pybuild.readers import read_model, read_source
from pybuild.readers.deepmd.options import check_options, has_modifier
from pybuild.readers.deepmd.refusals import check_modifier
from pybuild.readers.deepmd.torch_checkpoint import checkpoint_tree
from pybuild.readers.deepmd.torch_frozen import frozen_tree
from pybuild.readers.deepmd.torch_layout import dimension
from pybuild.readers.deepmd.tree import description_of_tree
from pybuild.readers.deepmd.tree_type import checked, vacuum_flags
from pybuild.readers.files.restricted_pickle import ScriptObject
from pybuild.readers.files.restricted_pickle import loads as restricted_loads
from pybuild.readers.files.torch_archive import TorchArchive

PAIRS_OF_FILES = ["se_e2_a-small", "se_e2_a-two_side-exclude"]
SOURCE = Provenance("tree", "0" * 64, "made by a test", "float64")


def assert_same(a, b, where=""):
    """Equal to the last bit, arrays, nets and all; the provenance may differ."""
    assert type(a) is type(b), where
    if isinstance(a, np.ndarray):
        np.testing.assert_array_equal(a, b, err_msg=where)
    elif dataclasses.is_dataclass(a):
        for field in dataclasses.fields(a):
            if field.name != "provenance":
                assert_same(getattr(a, field.name), getattr(b, field.name), f"{where}.{field.name}")
    elif isinstance(a, tuple) and a and dataclasses.is_dataclass(a[0]):
        assert len(a) == len(b), where
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_same(x, y, f"{where}[{i}]")
    elif isinstance(a, dict):
        assert a.keys() == b.keys(), where
        for key in a:
            assert_same(a[key], b[key], f"{where}[{key}]")
    else:
        assert a == b, where


# Shared models


def test_water_model(shared_models):
    path = shared_models / "water-full" / "model.pth"
    model = read_model(path)
    d, f = model.descriptors[0], model.fitting
    assert model.type_map == ("O", "H")
    assert (d.rcut, d.rcut_smth, d.env_protection, d.sel, d.n_sel, d.axis_neuron) == (6.0, 0.5, 0.0, (46, 92), 138, 16)
    assert d.net_of.tolist() == [[0, 1], [0, 1]]
    assert [layer.weight.shape for layer in d.nets[0].layers] == [(1, 25), (25, 50), (50, 100)]
    assert [layer.skip for layer in d.nets[0].layers] == [Skip.NONE, Skip.DOUBLED, Skip.DOUBLED]
    assert [layer.weight.shape for layer in f.nets[1].layers] == [(1600, 240), (240, 240), (240, 240), (240, 1)]
    assert [layer.skip for layer in f.nets[1].layers] == [Skip.NONE, Skip.IDENTITY, Skip.IDENTITY, Skip.NONE]
    assert f.nets[0].layers[1].idt is not None
    assert model.min_nbor_dist == pytest.approx(0.8854385688525499, abs=0)
    assert model.provenance.file_name == "model.pth"
    assert model.provenance.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (model.provenance.format, model.provenance.precision) == ("DeePMD-kit PyTorch frozen model", "float64")


def test_options_of_the_shared_models(shared_models):
    def read(name):
        return read_model(shared_models / name / "model.pth")

    two = read("se_e2_a-two_side-exclude").descriptors[0]
    assert two.net_of.tolist() == [[0, 2], [1, 3]]
    assert two.excluded == {(0, 0)}
    assert {layer.activation.name for net in two.nets for layer in net.layers} == {"gelu"}
    pairs = read("se_e2_a-softplus-pair_exclude")
    assert pairs.pair_excluded == {(0, 1), (1, 0)}
    assert pairs.descriptors[0].excluded == frozenset()
    dt = read("se_e2_a-resnet_dt-set_davg_zero").descriptors[0]
    assert not dt.mean.any()
    assert any(layer.idt is not None for layer in dt.nets[0].layers)
    assert read("se_e2_a-float32").provenance.precision == "float32"


@pytest.mark.parametrize("name", PAIRS_OF_FILES)
def test_checkpoint_and_frozen_model_agree(shared_models, name):
    frozen, checkpoint = (read_model(shared_models / name / f) for f in ("model.pth", "model.ckpt.pt"))
    assert_same(frozen, checkpoint)
    assert checkpoint.provenance.format == "DeePMD-kit PyTorch checkpoint"


def test_the_name_of_the_file_does_not_matter(shared_models, tmp_path):
    shutil.copy(shared_models / "se_e2_a-small" / "model.pth", tmp_path / "weights.pb")
    assert_same(read_model(tmp_path / "weights.pb"), read_model(shared_models / "se_e2_a-small" / "model.pth"))


def test_code_entries_are_not_needed(shared_models, tmp_path):
    source = shared_models / "se_e2_a-two_side-exclude" / "model.pth"
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(tmp_path / "bare.pth", "w") as new:
        kept = [n for n in old.namelist() if n.startswith(("model/data/", "model/data.pkl"))]
        assert any(n.startswith("model/code/") for n in old.namelist())
        for name in kept:
            new.writestr(name, old.read(name))
    assert_same(read_model(tmp_path / "bare.pth"), read_model(source))


def test_compressed_code_entries_are_not_looked_at(shared_models, tmp_path):
    """torch compresses code entries, and only those."""
    source = shared_models / "se_e2_a-small" / "model.pth"
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(tmp_path / "model.pth", "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name), zipfile.ZIP_DEFLATED if "/code/" in name else zipfile.ZIP_STORED)
    assert (tmp_path / "model.pth").stat().st_size < 0.8 * source.stat().st_size
    assert_same(read_model(tmp_path / "model.pth"), read_model(source))


@pytest.mark.parametrize(
    ("name", "kind"), [("SpinModel", "spin_ener"), ("SpinEnergyModel", "spin_ener"), ("DipoleModel", "dipole")]
)
def test_frozen_models_of_other_kinds_are_refused_by_name(option_models, tmp_path, name, kind):
    with zipfile.ZipFile(option_models / "silut.pth") as old, zipfile.ZipFile(tmp_path / "model.pth", "w") as new:
        for entry in old.namelist():
            new.writestr(entry, old.read(entry).replace(b"\nEnergyModel\n", b"\n" + name.encode() + b"\n"))
    with pytest.raises(UnsupportedModel, match=f"a model of type '{kind}'"):
        read_model(tmp_path / "model.pth")


def test_a_data_modifier_is_refused(option_models, tmp_path):
    shutil.copy(option_models / "silut.pth", tmp_path / "model.pth")
    with zipfile.ZipFile(tmp_path / "model.pth", "a") as archive:
        archive.writestr("whole/extra/data_modifier.pth", b"long-range part")
    with pytest.raises(UnsupportedModel, match="data modifier"):
        read_model(tmp_path / "model.pth")
    assert_same(read_model(tmp_path / "model.pth", without_modifier=True), read_model(option_models / "silut.pth"))
    for name in ("silut.pth", "ema.pt"):
        with pytest.raises(InputError, match="--without-modifier: this file has no data modifier; leave it out"):
            read_model(option_models / name, without_modifier=True)
    with_one = _script(modifier={"type": "dipole_charge"})
    for name, read in (("silut.pth", frozen_tree), ("ema.pt", checkpoint_tree)):
        with TorchArchive(option_models / name) as archive:
            root = archive.load()
            if name == "silut.pth":
                root.attributes["model_def_script"] = json.dumps(with_one)
                words = ()
            else:
                (root.get("model", root))["_extra_state"]["model_params"]["modifier"] = with_one["modifier"]
                words = (None,)
            with pytest.raises(UnsupportedModel, match=r"data modifier .DPLR.*--without-modifier"):
                read(archive, root, *words)
            read(archive, root, *words, without_modifier=True)
    for script in (with_one, _script(type="linear_ener", models=[_script(), with_one])):
        assert has_modifier(script)
        with pytest.raises(UnsupportedModel, match=r"data modifier .DPLR.*--without-modifier"):
            check_modifier(has_modifier(script), False)


def test_torch_is_not_needed(option_models, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)  # import torch raises ImportError
    assert read_model(option_models / "silut.pth").descriptors[0].nets[0].layers[0].activation == parse("silut:0.7")


# The layout of early 2024: no atomic_model, its biases and exclusions with the fitting net


def early_checkpoint(archive):
    """A checkpoint's root with the names of early 2024: out_bias 0, since its numbers are in the fitting net."""
    root = archive.load()
    state = root["model"]
    kept = {key: value for key, value in state.items() if "atomic_model.out_" not in key}
    root["model"] = {key.replace(".atomic_model.", "."): value for key, value in kept.items()}
    assert len(root["model"]) < len(state)
    return root


def with_gelu_of_early_2024(tree):
    """The same tree, gelu replaced wherever it is."""
    if isinstance(tree, dict):
        return {key: with_gelu_of_early_2024(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [with_gelu_of_early_2024(value) for value in tree]
    return "gelu_erf" if isinstance(tree, str) and tree == "gelu" else tree


@pytest.mark.parametrize("name", PAIRS_OF_FILES)
def test_early_checkpoint(shared_models, name):
    with TorchArchive(shared_models / name / "model.ckpt.pt") as archive:
        known, _ = checkpoint_tree(archive, archive.load(), None)
        early, _ = checkpoint_tree(archive, early_checkpoint(archive), None)
    assert known["@variables"]["out_bias"].any()
    known["@variables"]["out_bias"] = np.zeros((1, 2, 1))
    if name == "se_e2_a-two_side-exclude":  # gelu: then the form with erf, now the one with tanh
        known = with_gelu_of_early_2024(known)
    assert_same(*(description_of_tree(checked(tree), None, SOURCE) for tree in (early, known)))


def early_frozen(archive):
    """The same for a frozen model."""
    root = archive.load()
    atomic = root.attributes.pop("atomic_model").attributes
    masks = {"emask": atomic["atom_excl"]} if atomic["atom_excl"] is not None else {}
    atomic["fitting_net"].attributes.update(masks)
    root.attributes.update({key: atomic[key] for key in ("descriptor", "fitting_net", "type_map")})
    return root


def test_early_frozen_model(option_models):
    """Types without energy are the fitting net's own mask, which takes the bias as well."""
    with TorchArchive(option_models / "atom_exclude.pth") as archive:
        known, _ = frozen_tree(archive, archive.load())
        early, _ = frozen_tree(archive, early_frozen(archive))
        root = early_frozen(archive)
        for net in root.attributes["fitting_net"].attributes["filter_layers"].attributes["networks"].attributes.values():
            if isinstance(net, ScriptObject):
                net.attributes["layers"].attributes["0"].attributes["activate_name"] = "gelu"
        with_gelu, _ = frozen_tree(archive, root)
        root = early_frozen(archive)
        root.attributes["descriptor"].attributes["sea"].attributes["old_impl"] = True
        with pytest.raises(UnsupportedModel, match="old_impl"):
            frozen_tree(archive, root)
    nets = with_gelu["fitting"]["nets"]["networks"]
    assert [net["layers"][0]["activation_function"] for net in nets] == ["gelu_erf"] * len(nets)
    assert early["atom_exclude_types"] == known["atom_exclude_types"] == [1]
    assert early["pair_exclude_types"] == []
    assert not early["@variables"]["out_bias"].any()


@pytest.mark.parametrize("module", ["numpy.core.multiarray", "numpy._core.multiarray"])
@pytest.mark.parametrize("number", [np.float64(0.001), np.float32(0.5), np.int64(-7), np.bool_(True)])
def test_numpy_numbers_among_the_notes_of_a_training(module, number):
    """A learning rate or a step in train_infos; read as a plain number, nothing of NumPy is called."""
    data = pickle.dumps({"lr": number}, 2).replace(b"numpy._core.multiarray", module.encode())
    found = restricted_loads(data)["lr"]
    assert type(found) in (float, int, bool)
    assert found == number


@pytest.mark.parametrize("value", [np.complex128(1), np.datetime64("2024-01-01"), np.array(["1.5"]), np.array([None])])
def test_other_numpy_objects_are_refused(value):
    with pytest.raises(ReadError, match="refused"):
        restricted_loads(pickle.dumps({"x": value}, 2))


def test_models_without_fitting_net():
    with pytest.raises(UnsupportedModel, match="without fitting net"):
        check_options({"type_map": ["A"], "descriptor": {"type": "se_e2_a"}})


# Options (tests/data/options)


def test_sel_of_zero(option_models):
    assert read_model(option_models / "sel_zero.pth").descriptors[0].sel == (16, 0, 16)


def test_skip_in_the_first_layer_and_silut(option_models):
    model = read_model(option_models / "silut.pth")
    assert [layer.skip for layer in model.descriptors[0].nets[0].layers] == [Skip.IDENTITY, Skip.DOUBLED, Skip.NONE]
    assert [layer.idt is None for layer in model.descriptors[0].nets[0].layers] == [False, False, True]
    assert model.fitting.nets[0].layers[0].activation == parse("custom_silu:0.2")


def test_exclusions_and_vacuum(option_models):
    assert read_model(option_models / "atom_ener.pth").fitting.vacuum_subtracted == {0, 2}
    excluded = read_model(option_models / "atom_exclude.pth")
    assert excluded.fitting.excluded == {1}
    assert excluded.pair_excluded == {(1, 2), (2, 1)}
    assert read_model(option_models / "relu_protection.pth").descriptors[0].env_protection == 0.05


def test_precision_is_said_where_it_differs(option_models):
    assert read_model(option_models / "float32_fitting.pth").provenance.precision == "descriptor float64, fitting float32"


def test_heads(option_models):
    path = option_models / "two_heads.pt"
    alpha, beta = read_model(path, "alpha"), read_model(path, "beta")
    assert_same(alpha.descriptors[0], beta.descriptors[0])
    assert alpha.fitting.nets[0].layers[0].activation.name == "tanh"
    assert beta.fitting.nets[0].layers[0].activation.name == "softplus"
    with pytest.raises(InputError, match="--head; there are: alpha, beta"):
        read_model(path)
    with pytest.raises(InputError, match="no such head; there are: alpha, beta"):
        read_model(path, "gamma")
    with pytest.raises(InputError, match="a frozen model has no heads"):
        read_model(option_models / "silut.pth", "alpha")


def test_another_name_of_a_head(option_models):
    with TorchArchive(option_models / "two_heads.pt") as archive:
        known, _ = checkpoint_tree(archive, archive.load(), "beta")
        root = archive.load()
        script_of(root)["model_dict"]["beta"]["model_branch_alias"] = ["second", "other"]
        found, _ = checkpoint_tree(archive, root, "other")
    assert_same(*(description_of_tree(checked(tree), None, SOURCE) for tree in (found, known)))


def test_wrong_other_names_of_heads(option_models):
    """A head's own name goes before the other names of others; a name of two is none."""
    with TorchArchive(option_models / "two_heads.pt") as archive:

        def tree(head, **names):
            root = archive.load()
            for name, aliases in names.items():
                script_of(root)["model_dict"][name]["model_branch_alias"] = aliases
            return checkpoint_tree(archive, root, head)[0]

        np.testing.assert_equal(tree("beta", alpha=["beta"]), tree("beta"))
        with pytest.raises(InputError, match="--head x: several heads have this alias; there are: alpha = x, beta = x = y"):
            tree("x", alpha=["x"], beta=["x", "y"])
        for wrong in (5, True, 1.5, "beta2", [5]):
            with pytest.raises(ReadError, match="model_branch_alias"):
                tree("b", beta=wrong)


def test_head_of_a_single_task_checkpoint(shared_models):
    path = shared_models / "se_e2_a-small" / "model.ckpt.pt"
    assert_same(read_model(path, "Default"), read_model(path))
    with pytest.raises(InputError, match="one model only"):
        read_model(path, "water")


# What is made of a checkpoint's script


def script_of(root):
    return root["model"]["_extra_state"]["model_params"]


@pytest.fixture
def zbl_checkpoint(option_models):
    """(archive, its root, its tree) of a net of DPA-1 beside a pair table."""
    with TorchArchive(option_models.parent / "combined" / "zbl_checkpoint.pt") as archive:
        yield archive, archive.load(), checked(checkpoint_tree(archive, archive.load(), None)[0])


def test_the_older_word_for_strip(zbl_checkpoint):
    archive, root, known = zbl_checkpoint
    script_of(root)["descriptor"] |= {"tebd_input_mode": "concat", "stripped_type_embedding": True}
    np.testing.assert_equal(checked(checkpoint_tree(archive, root, None)[0]), known)


def test_pair_table_beside_a_hybrid(zbl_checkpoint):
    """It has the slots and the cut-off of the member that has the most."""
    archive, root, known = zbl_checkpoint
    script = script_of(root)
    script["descriptor"] = {"type": "hybrid", "list": [script["descriptor"]]}
    root["model"] = {key.replace(".descriptor.", ".descriptor.descrpt_list.0."): v for key, v in root["model"].items()}
    found = checked(checkpoint_tree(archive, root, None)[0])
    np.testing.assert_equal(found["models"][0]["descriptor"]["list"], [known["models"][0]["descriptor"]])
    np.testing.assert_equal(found["models"][1], known["models"][1])


def test_damaged_parts_beside_a_pair_table(zbl_checkpoint):
    archive, root, _ = zbl_checkpoint
    script = script_of(root)
    net = {key: script.pop(key) for key in ("descriptor", "fitting_net")}
    script |= {"type": "linear_ener", "models": [net, {"type": "pairtab", "descriptor": {"type": "dpa2"}}]}
    script.pop("use_srtab")
    for part, error in (
        ({"type": "pairtab", "descriptor": {"type": "dpa2"}}, UnsupportedModel),
        ({"type": "pairtab", "descriptor": net["descriptor"]}, UnsupportedModel),
        ({"type": "pairtab", "descriptor": {"type": "hybrid"}, "fitting_net": net["fitting_net"]}, ReadError),
        ({"type": "pairtab"} | net | {"descriptor": net["descriptor"] | {"new_option": 7}}, UnsupportedModel),
        ({"type": "linear_ener", "models": [net]}, ReadError),
        ({"fitting_net": net["fitting_net"]}, ReadError),
        (net | {"descriptor": "d"}, ReadError),
    ):
        script["models"][1] = part
        with pytest.raises(error):
            checkpoint_tree(archive, root, None)
    script |= {"shared_dict": {"e": net["descriptor"]}}
    with pytest.raises(ReadError, match=r"shared_dict.d is missing"):
        checkpoint_tree(archive, root, None)
    with pytest.raises(UnsupportedModel, match=r"a model of type 'pairtab' .*needs a net beside it"):
        check_options({"type": "pairtab", "tab_file": "t", "rcut": 4.0, "sel": 9})
    del script["shared_dict"]
    script |= net | {"use_srtab": "table", "descriptor": {"type": "hybrid", "list": []}, "type": "standard"}
    del script["models"]
    with pytest.raises(ReadError, match="list is empty"):
        checkpoint_tree(archive, root, None)


def test_parts_of_a_linear_checkpoint(zbl_checkpoint):
    """DeePMD-kit takes a part's net or table of its section; exclusions there have no effect; training writes all defaults."""
    archive, root, known = zbl_checkpoint
    script = script_of(root)
    defaults = {"data_stat_nbatch": 10, "data_stat_protect": 0.01, "srtab_add_bias": True, "bridging_r_inner": 0.5}
    net = {key: script.pop(key) for key in ("descriptor", "fitting_net")}
    table = {"type": "pairtab", "tab_file": "t", "rcut": net["descriptor"]["rcut"], "sel": net["descriptor"]["sel"]}
    parts = [part | defaults | {"atom_exclude_types": [0], "pair_exclude_types": [[0, 2]]} for part in (net, table)]
    for key in ("use_srtab", "sw_rmin", "sw_rmax"):
        script.pop(key)
    script |= {"type": "linear_ener", "models": parts, "weights": [0.5, 2.0]}
    found = checked(checkpoint_tree(archive, root, None)[0])
    assert found["weights"] == [0.5, 2.0]
    np.testing.assert_equal(found["models"], known["models"])
    assert found["atom_exclude_types"] == known["atom_exclude_types"] == [1]


@pytest.mark.parametrize("name", ["two_sided", "radial", "dpa1", "electrons", "hybrid"])
def test_checkpoint_of_the_exportable_back_end(option_models, name):
    """make_exportable.py; DPA-1 has fewer slots than its atoms have neighbours and takes all of these."""
    path = option_models.parent / "exportable" / f"{name}.pt"
    model, data = read_model(path), np.load(path.with_suffix(".npz"))
    assert model.min_nbor_dist == 1.1
    assert model.neighbour_rule == {"dpa1": "all", "electrons": "all", "hybrid": "mixed"}.get(name, "total")
    for k, positions, types, cell in frames(data):
        assert_agrees(reference.evaluate(model, positions, types, cell), data, k, 1e-12, 1e-12, 1e-11)


def test_dpa1_of_the_exportable_back_end_without_its_graph(option_models):
    with TorchArchive(option_models.parent / "exportable" / "dpa1.pt") as archive:
        root = archive.load()
        rules = [checkpoint_tree(archive, root, None)[0]["neighbour_rule"]]
        switch = next(key for key in root["model"] if key.endswith("graph_lower_disabled"))
        archive._storages[root["model"][switch].storage.key] = b"\x01"
        rules.append(checkpoint_tree(archive, root, None)[0]["neighbour_rule"])
    assert rules == ["all", "total"]


# How the names of the exportable back end differ, for a state of the other one.
TO_EXPORTABLE = (
    ("model.alpha.", "model.alpha.original_model."), (".min_nbor_dist", "._min_nbor_dist"), (".sea.mean", ".davg"),
    (".sea.stddev", ".dstd"), ("fitting_net.filter_layers.networks", "fitting_net.nets._module_networks"),
    (".sea.filter_layers.networks", ".embeddings._module_networks"), (".matrix", ".w"), (".bias", ".b"),
)  # fmt: skip


def _as_exportable(state):
    """The same state as a compiled training of that back end names it."""
    renamed = {}
    for key, value in state.items():
        for old, new in TO_EXPORTABLE:
            key = key.replace(old, new) if not key.endswith("bias_atom_e") or old.startswith("model") else key
        renamed[key] = value
    return renamed


def test_head_of_the_exportable_back_end(option_models):
    with TorchArchive(option_models / "two_heads.pt") as archive:
        root = archive.load()
        known, found = (
            checkpoint_tree(archive, root, "alpha"),
            checkpoint_tree(archive, {"model": _as_exportable(root["model"])}, "alpha"),
        )
    np.testing.assert_equal(found, known)


@pytest.mark.parametrize("name", ["zbl", "linear_beside", "linear_mean"])
def test_parts_of_the_exportable_back_end(option_models, name):
    """make_exportable.py; by a list of neighbours a part's own energies of types (out_bias) do not count, by a graph they do."""
    path = option_models.parent / "exportable" / f"{name}.pt"
    model, data = read_model(path), np.load(path.with_suffix(".npz"))
    assert {part.neighbour_rule for part in model.parts} == {"all" if name == "linear_mean" else "mixed"}
    assert (model.switch is None) == (name != "zbl")
    assert name != "zbl" or model.switch.least_sum == 0.0
    for k, positions, types, cell in frames(data):
        assert_agrees(combined.evaluate(model, positions, types, cell), data, k, 1e-12, 1e-12, 1e-11)


def test_parts_in_files_of_the_exportable_back_end(option_models, tmp_path):
    """The numbers of a file of the other PyTorch back end, which evaluates them otherwise: a switch makes forces of energies of
    types."""
    path = option_models.parent / "combined" / "zbl.pth"
    tree = {"model": {"@class": "Model", "@version": 2} | read_source(path).tree}
    for write, back_end, folder in (
        (write_package, "", "exportable"),
        (write_json, "dpmodel", "exportable"),
        (write_json, "JAX", "exportable"),
        (write_package, "PyTorch", "combined"),
        (write_json, "PyTorch", "combined"),
    ):
        model = read_model(write(tree | {"backend": back_end}, tmp_path / "model"))
        assert model.switch.least_sum == (1e-20 if folder == "combined" else 0.0)
        data = np.load(option_models.parent / folder / "zbl.npz")
        for k, positions, types, cell in frames(data):
            assert_agrees(combined.evaluate(model, positions, types, cell), data, k, 1e-12, 1e-12, 1e-11)


def test_the_longest_list_may_be_by_type(option_models, tmp_path):
    """DPA-1 with fewer slots than three bodies, by type, beside it: wrong by 1e-4 eV an atom if it is cut off first."""
    tree = read_source(option_models.parent / "exportable" / "hybrid.pt").tree
    dpa1, _, three = tree["descriptor"]["list"]
    for sel, refused in ((9, False), (8, True)):
        members = [dpa1 | {"sel": sel}, three]
        model = tree | {"descriptor": tree["descriptor"] | {"list": members}, "pair_exclude_types": [[0, 1]]}
        path = write_package({"model": {"@class": "Model", "@version": 2} | model}, tmp_path / "model")
        if refused:
            with pytest.raises(UnsupportedModel, match="pair_exclude_types of a model whose descriptors or parts have different"):
                read_source(path)
        else:
            read_source(path)


@pytest.mark.parametrize("name", ["linear_beside", "hybrid"])
def test_lists_that_leave_out_excluded_neighbours_before_others(option_models, tmp_path, name):
    """In a list of 9 beside one of 12 there, wrong by 0.1 eV/A if it is cut off first."""
    message = r"pair_exclude_types of a model whose descriptors or parts have different numbers of slots \(sel\)"
    path = option_models.parent / "exportable" / f"{name}.pt"
    with TorchArchive(path) as archive:
        root = archive.load()
        script = root["model"]["_extra_state"]["model_params"]
        script["pair_exclude_types"] = [[0, 1]]
        with pytest.raises(UnsupportedModel, match=message):
            checkpoint_tree(archive, root, None)
        for inner in script["models"] if name == "linear_beside" else script["descriptor"]["list"][:2]:
            inner.get("descriptor", inner)["sel"] = 12
        checkpoint_tree(archive, root, None)
    tree = {"model": {"@class": "Model", "@version": 2} | read_source(path).tree | {"pair_exclude_types": [[0, 1]]}}
    for write in (write_package, write_json):
        with pytest.raises(UnsupportedModel, match=message):
            read_source(write(tree, tmp_path / "model"))
        read_source(write(tree | {"backend": "PyTorch"}, tmp_path / "model"))


# Numbers of 16 bits


def _stored_in_half(monkeypatch, target, dtype):
    """From now on the tensor of this name is; returns the names of those that are read."""
    original, seen = TorchArchive.array, []

    def array(self, tensor, name):
        seen.append(name)
        if name == target and dtype == "bfloat16":
            tensor = dataclasses.replace(tensor, storage=dataclasses.replace(tensor.storage, dtype=dtype))
        found = original(self, tensor, name)
        return found.astype(dtype) if name == target else found

    monkeypatch.setattr(TorchArchive, "array", array)
    return seen


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", ["dpa1/lmax4.pth", "mixed_types/smooth.pth", "exportable/dpa1.pt", "options/radial.pt"])
def test_any_tensor_of_half_precision(option_models, monkeypatch, name, dtype):
    """Read exactly, as the mask of types and the smallest distance are, or refused by name."""
    path = option_models.parent / name
    with monkeypatch.context() as patch:
        names = _stored_in_half(patch, None, dtype)
        known = read_model(path)
    assert len(names) > 10
    for target in names:
        with monkeypatch.context() as patch:
            _stored_in_half(patch, target, dtype)
            if dtype == "float16" and target.endswith(("type_mask", "min_nbor_dist", "graph_lower_disabled")):
                found = read_model(path)
                assert found.min_nbor_dist == pytest.approx(known.min_nbor_dist, rel=1e-3)
                assert_same(dataclasses.replace(found, min_nbor_dist=known.min_nbor_dist), known)
            else:
                with pytest.raises(UnsupportedModel, match=f"with numbers of type {dtype} is not supported"):
                    read_model(path)


# Content that is no model


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (b"", ReadError, "is empty"),
        (b"pair_style lj/cut 2.5\n", ReadError, "not a model file of a known kind"),
        (b"\x89DPT\r\n\x1a\n" + bytes(56), ReadError, "table file already.*pybuild info"),
        (b"\x89HDF\r\n\x1a\n" + bytes(100), ReadError, "damaged HDF5"),
        (b"\n\x12\n\x01x\x12\x05Const*\x0b\n\x05dtype", ReadError, "cut off"),
        (b"'@class': Model\n'@version': 2\n", ReadError, "model is missing"),
        (pickle.dumps(0x1950A86A20F9469CFC6C, 2), UnsupportedModel, "before version 1.6"),
        (b"PK\x03\x04" + bytes(200), ReadError, "damaged or truncated zip"),
    ],
)
def test_unknown_content(tmp_path, content, error, message):
    path = tmp_path / "model.pth"
    path.write_bytes(content)
    with pytest.raises(error, match=message):
        read_model(path)


# How files begin that a TensorFlow 2.21 wrote: the graph of a checkpoint, a SavedModel.
META_GRAPH = bytes.fromhex("0aa23512fb340a590a044164644e120e0a06696e707574732201542a014e1a08")
SAVED_MODEL = bytes.fromhex("080112c9500ab90c12890c0a5e0a1041737369676e5661726961626c654f70120c")
# How one ends: the index of a checkpoint.
INDEX = bytes.fromhex("59da1add9f1908ac190f") + bytes(30) + bytes.fromhex("57fb808b247547db")
SCRIPT = {"model": {"type_map": ["O"], "descriptor": {"type": "se_e2_a"}}, "training": {"numb_steps": 1}}
ARCHIVE = io.BytesIO()
with tarfile.open(fileobj=ARCHIVE, mode="w") as file:
    file.addfile(tarfile.TarInfo("model.pth"))


@pytest.mark.parametrize(
    ("name", "content", "error", "message"),
    [
        ("m.meta", META_GRAPH, UnsupportedModel, r"graph of a training checkpoint of TensorFlow.*`dp --tf freeze .* model.pb`"),
        ("m.index", INDEX, UnsupportedModel, r"index of a training checkpoint of TensorFlow.*dp --tf freeze"),
        ("m.data-00000-of-00001", bytes(64), UnsupportedModel, r"numbers of a training checkpoint of TensorFlow.*dp --tf freeze"),
        ("checkpoint", b'model_checkpoint_path: "model.ckpt-2"\n', ReadError, r"TensorFlow's note.*dp --tf freeze"),
        ("checkpoint", b"model.ckpt-2.pt", ReadError, r"note on which checkpoint.*give that .pt"),
        ("saved_model.pb", SAVED_MODEL, UnsupportedModel, r"SavedModel.*dp convert-backend"),
        ("m.onnx", b"\x08\x08\x12\x07pytorch\x1a\x052.3.0\x3a\x04test", UnsupportedModel, r"ONNX model"),
        ("m", struct.pack("<Q", 2) + b"{}", UnsupportedModel, r"safetensors file"),
        ("m.json", b'{"base_code":{"magic":"pir","trainable":true},"program":{}}', UnsupportedModel, r"program of Paddle"),
        ("m.pkl", pickle.dumps({"model": 1}), UnsupportedModel, r"a pickle of Python objects"),
        ("m.gz", gzip.compress(b"model"), ReadError, r"gzip.*unpack it first"),
        ("m.bz2", bz2.compress(b"model"), ReadError, r"bzip2.*unpack it first"),
        ("m.xz", lzma.compress(b"model"), ReadError, r"compressed with xz.*unpack it first"),
        ("m.tar", ARCHIVE.getvalue(), ReadError, r"tar archive.*unpack it first"),
        ("input.json", json.dumps(SCRIPT).encode(), ReadError, r"is an input script.*-t input.json"),
        ("input.yaml", b"model:\n  descriptor: {type: se_e2_a}\n", ReadError, r"is an input script.*-t input.json"),
        ("lcurve.out", b"#  step   rmse_trn  lr\n  0  1.0  1e-3\n", ReadError, r"is a learning curve"),
        ("a.npy", b"\x93NUMPY\x01\x00" + bytes(8), ReadError, r"array of NumPy"),
        ("m.pth", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", ReadError, r"Git LFS.*git lfs pull"),
        ("m.pth", b"\n<!DOCTYPE html><html>", ReadError, r"is a web page"),
        ("m.so", b"\x7fELF" + bytes(60), ReadError, r"a program or shared library"),
    ],
)  # fmt: skip
def test_files_that_are_taken_for_a_model(tmp_path, name, content, error, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(error, match=message):
        read_model(path)


def test_zip_archive_around_a_model(tmp_path, small_model):
    for name, content, message in (
        ("model.pth", small_model.read_bytes(), r"zip archive of model.pth, not .*; unpack it first"),
        ("coord.npy", b"", r"zip archive of coord.npy, .* arrays of NumPy"),
    ):
        with zipfile.ZipFile(tmp_path / "m.zip", "w") as archive:
            archive.writestr(name, content)
        with pytest.raises(ReadError, match=message):
            read_model(tmp_path / "m.zip")


def test_torchscript_of_others(tmp_path):
    for name, error, message in (
        ("__torch__.mace.MACE", ReadError, r"class 'MACE', which is none of DeePMD-kit's"),
        ("__torch__.deepmd.pt.model.model.dos_model\nDOSModel", UnsupportedModel, r"a model of type 'dos'"),
    ):
        module, _, last = name.replace("\n", ".").rpartition(".")
        pickled = b"\x80\x02c" + f"{module}\n{last}\n".encode() + b")\x81}b."
        with zipfile.ZipFile(tmp_path / "m.pt", "w") as archive:
            archive.writestr("m/data.pkl", pickled)
        with pytest.raises(error, match=message):
            read_model(tmp_path / "m.pt")


def test_folder_and_missing_file(tmp_path):
    with pytest.raises(ReadError, match="is a folder"):
        read_model(tmp_path)
    with pytest.raises(ReadError, match=r"cannot be read: No such file"):
        read_model(tmp_path / "none.pth")
    for name, message in (("a" * 300, "File name too long"), ("a\0.pth", "null")):
        with pytest.raises(ReadError, match=f"cannot be read: .*{message}"):
            read_model(tmp_path / name)


def test_folders_by_what_is_in_them(tmp_path):
    for names, error, message in (
        (("saved_model.pb", "variables"), UnsupportedModel, r"folder with a SavedModel.*dp convert-backend"),
        (("state", "model_def_script", "_METADATA"), UnsupportedModel, r"JAX back end.*dp convert-backend"),
        (("type.raw", "set.000"), ReadError, r"folder of training data.*--training-data"),
        (("model.ckpt.pt", "input.json"), ReadError, r"give a file in it: model.ckpt.pt"),
        (("model.ckpt-2.data-00000-of-00001", "checkpoint"), UnsupportedModel, r"checkpoint of TensorFlow.*dp --tf freeze"),
    ):
        folder = tmp_path / names[0]
        folder.mkdir()
        for name in names:
            (folder / name).touch()
        with pytest.raises(error, match=message):
            read_model(folder)


def test_files_of_a_checkpoint_by_their_common_name(tmp_path):
    (tmp_path / "model.ckpt.index").write_bytes(INDEX)
    with pytest.raises(UnsupportedModel, match=r"model.ckpt: is a training checkpoint of TensorFlow .*dp --tf freeze"):
        read_model(tmp_path / "model.ckpt")


# DeePMD-kit's tree


def _net_tree(rng, widths, linear_end=False):
    layers = []
    for i, (n_in, n_out) in enumerate(itertools.pairwise(widths)):
        end = linear_end and i == len(widths) - 2
        variables = {"w": rng.normal(size=(n_in, n_out)), "b": rng.normal(size=n_out), "idt": None}
        layers.append({"activation_function": None if end else "tanh", "resnet": not end, "@variables": variables})
    return {"layers": layers}


def _tree(mixed=False):
    """A legal tree of two types."""
    rng = np.random.default_rng(0)
    mean, std = np.zeros((2, 5, 4)), np.ones((2, 5, 4))
    mean[:, :, 0] = [[0.1], [0.2]]
    std[:, :, 0] = [[0.3], [0.4]]
    return {
        "type": "standard", "type_map": ["A", "B"], "atom_exclude_types": [], "pair_exclude_types": [],
        "@variables": {"out_bias": np.array([[[1.0], [2.0]]])},
        "descriptor": {
            "type": "se_a", "rcut": 3.0, "rcut_smth": 1.0, "sel": [2, 3], "axis_neuron": 2, "env_protection": 0.0,
            "exclude_types": [], "embeddings": {"ndim": 1, "networks": [_net_tree(rng, (1, 3, 3)) for _ in range(2)]},
            "@variables": {"davg": mean, "dstd": std},
        },
        "fitting": {
            "type": "ener", "mixed_types": mixed, "vacuum": [], "@variables": {"bias_atom_e": np.array([[0.5], [0.25]])},
            "nets": {"networks": [_net_tree(rng, (6, 4, 1), True) for _ in range(1 if mixed else 2)]},
        },
    }  # fmt: skip


def _describe(tree, nearest=1.0) -> ModelDescription:
    return description_of_tree(checked(tree), nearest, SOURCE)


def test_tree():
    model = _describe(_tree())
    np.testing.assert_array_equal(model.descriptors[0].mean, [0.1, 0.2])
    np.testing.assert_array_equal(model.descriptors[0].std, [[0.3, 1.0], [0.4, 1.0]])
    np.testing.assert_array_equal(model.fitting.energy_bias, [1.5, 2.25])
    assert [_describe(_tree(), d).min_nbor_dist for d in (None, -1.0, 0.0, 0.9)] == [None, None, None, 0.9]


def test_radial_descriptor():
    tree = _tree()
    radial = tree["descriptor"]
    del radial["axis_neuron"]
    radial |= {"type": "se_r", "@variables": {key: array[:, :, :1] for key, array in radial["@variables"].items()}}
    rng = np.random.default_rng(1)
    tree["fitting"]["nets"]["networks"] = [_net_tree(rng, (3, 4, 1), linear_end=True) for _ in range(2)]
    one_sided = _describe(tree).descriptors[0]
    assert (one_sided.kind, one_sided.net_of.tolist(), one_sided.std.tolist()) == ("se_e2_r", [[0, 1], [0, 1]], [[0.3], [0.4]])
    nets = radial["embeddings"]["networks"]
    radial["embeddings"] = {"ndim": 2, "networks": [*nets, *nets]}
    assert _describe(tree).descriptors[0].net_of.tolist() == [[0, 2], [1, 3]]


def test_two_sided_radial_nets_of_pytorch():
    """PyTorch makes none, and evaluates the first N of those that another back end trained."""
    assert (dimension("se_e2_r", 2, 2), dimension("se_e2_a", 4, 2), dimension("se_e2_r", 1, 1)) == (1, 2, 1)
    with pytest.raises(UnsupportedModel, match=r"two-sided se_e2_r .* ignores the centre's type"):
        dimension("se_e2_r", 4, 2)


def test_mixed_fitting_has_one_net_for_all_types():
    tree = _tree(mixed=True)
    model = _describe(tree)
    assert (len(model.fitting.nets), model.fitting.net_of.tolist()) == (1, [0, 0])
    tree["fitting"]["vacuum"] = vacuum_flags([None, 2.0])
    assert _describe(tree).fitting.vacuum_subtracted == {0, 1}  # mixed: all types, whatever the flags


@pytest.mark.parametrize(
    ("atom_ener", "types"),
    [(None, set()), ([], set()), ([None, None], set()), ([1.0, None], {0}), ([None, 0.0], {1}), ([0.5], {0, 1})],
)
def test_vacuum_rule(atom_ener, types):
    """As DeePMD-kit does: types beyond the end of the list are subtracted too."""
    tree = _tree()
    tree["fitting"]["vacuum"] = vacuum_flags(atom_ener)
    assert _describe(tree).fitting.vacuum_subtracted == types


@pytest.mark.parametrize(
    ("index", "array", "message"),
    [
        ((0, 3, 0), "davg", "davg differ between the slots"),
        ((1, 2, 2), "dstd", "dstd differ between the slots"),
        ((1, slice(None), 2), "davg", "angular components"),
        ((0, slice(None), 3), "dstd", "differ between x, y and z"),
    ],
)
def test_statistics_that_the_tables_cannot_hold(index, array, message):
    tree = _tree()
    tree["descriptor"]["@variables"][array][index] += 1e-9
    with pytest.raises(UnsupportedModel, match=message):
        _describe(tree)


def test_trees_whose_parts_do_not_fit():
    tree = _tree()
    tree["descriptor"]["@variables"]["davg"][0, 0, 0] = np.nan
    with pytest.raises(ReadError, match="not finite"):
        _describe(tree)
    tree = _tree()
    tree["descriptor"]["sel"] = [2, 4]
    with pytest.raises(ReadError, match="davg have shape"):
        _describe(tree)
    tree["descriptor"]["sel"] = [0, 0]
    with pytest.raises(ReadError, match="sel is 0 for all types"):
        _describe(tree)
    tree = _tree()
    tree["descriptor"]["embeddings"]["networks"].pop()
    with pytest.raises(ReadError, match="1 embedding nets for 2 types: 2 are needed"):
        _describe(tree)
    tree["descriptor"]["embeddings"]["networks"] = [None, None]
    with pytest.raises(ReadError, match="no embedding net in the file: those of a compressed model are gone"):
        _describe(tree)
    tree = _tree()
    tree["fitting"]["nets"]["networks"].pop()
    with pytest.raises(ReadError, match="1 fitting nets"):
        _describe(tree)
    tree = _tree()
    tree["@variables"]["out_bias"] = np.zeros((1, 3, 1))
    with pytest.raises(ReadError, match="out_bias"):
        _describe(tree)


@pytest.mark.parametrize(
    ("part", "changes", "message"),
    [
        ("fitting", {"numb_fparam": 1, "vacuum": [True, False]}, "atom_ener and parameters"),
        ("fitting", {"exclude_types": [1]}, "two lists of excluded types"),
        ("fitting", {"tot_ener_zero": True}, "'model.fitting.tot_ener_zero'"),
        ("descriptor", {"env_mat": {"use_exp_switch": True}}, "'model.descriptor.env_mat.use_exp_switch'"),
    ],
)
def test_what_no_evaluator_has_is_refused(part, changes, message):
    tree = _tree()
    tree[part] |= changes
    with pytest.raises(UnsupportedModel, match=message):
        _describe(tree)


def test_excluded_pairs_of_types_that_are_not_there():
    """As in a script that was written for more types, with which a model of fewer was fine-tuned: DeePMD-kit ignores them."""
    tree = _tree()
    tree["descriptor"]["exclude_types"] = [[1, 0], [1, 4], [2, 2]]
    tree["pair_exclude_types"] = [[0, 0], [0, 2]]
    model = _describe(tree)
    (descriptor,) = model.descriptors
    assert descriptor.excluded == {(0, 1), (1, 0)}
    assert model.pair_excluded == {(0, 0)}
    tree["descriptor"]["exclude_types"] = [[-1, 0]]
    with pytest.raises(PybuildError):
        _describe(tree)


def test_atomic_parameters_that_are_a_mask():
    """They are no inputs of the net, but for a descriptor that no tables are made of."""
    tree = _tree()
    plain = _describe(tree)
    tree["fitting"] |= {"numb_aparam": 1, "use_aparam_as_mask": True}
    model = _describe(tree)
    assert model.fitting.parameters.n_aparam == 0
    np.testing.assert_array_equal(model.fitting.nets[0].layers[0].weight, plain.fitting.nets[0].layers[0].weight)
    (remark,) = model.remarks
    assert "use_aparam_as_mask" in remark


@pytest.mark.parametrize(("mean", "rcut", "legal"), [(0.1, 3.5, False), (0.0, 3.5, True), (0.1, 3.0, True)])
def test_excluded_neighbours_beyond_a_shorter_cutoff(mean, rcut, legal):
    """DeePMD-kit's PyTorch has one list for all members of a hybrid: excluded neighbours fill slots up to the largest cutoff."""
    tree = _tree()
    member, statistics = tree["descriptor"], tree["descriptor"]["@variables"]
    statistics = statistics | {"davg": statistics["davg"] * mean}
    excluding = member | {"exclude_types": [[0, 1]], "@variables": statistics}
    tree["descriptor"] = {"type": "hybrid", "list": [excluding, member | {"rcut": rcut}]}
    for net in tree["fitting"]["nets"]["networks"]:
        first = net["layers"][0]["@variables"]
        first["w"] = np.concatenate([first["w"]] * 2)
    if legal:
        assert _describe(tree).neighbour_rule == "union"
    else:
        with pytest.raises(UnsupportedModel, match=r"exclude_types, with a mean .* cutoff .3 A. shorter than .*3.5 A"):
            _describe(tree)


# Options of the input script


def _script(**changes):
    return {"type_map": ["A"], "descriptor": {"type": "se_e2_a"}, "fitting_net": {}} | changes


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"type": "linear_ener", "models": [{"type": "dipole"}]}, "type 'dipole'"),
        ({"spin": {"use_spin": [True]}}, "type 'spin_ener'"),
        ({"type_embedding": {"neuron": [8]}}, "option 'model.type_embedding'"),
        ({"descriptor": {"type": "dpa3"}}, "descriptor 'dpa3' is not supported; it needs message passing"),
        ({"descriptor": {"type": "hybrid", "list": [{"type": "se_at", "what": 1}]}}, r"option 'descriptor.list\[0\].what'"),
        ({"descriptor": {"type": "se_e2_a", "unheard_of": 2}}, "option 'descriptor.unheard_of'"),
        ({"fitting_net": {"type": "dipole"}}, "fitting net 'dipole'"),
        ({"fitting_net": {"layer_name": ["a", None]}}, "option 'fitting_net.layer_name'"),
    ],
)
def test_options_that_change_the_model_are_refused(changes, message):
    with pytest.raises(UnsupportedModel, match=message):
        check_options(_script(**changes))


def test_options_that_are_off_or_comments_pass():
    check_options(_script(modifier=None, use_srtab=None, spin={}, new_switch=False, _comment="text", bridging_method="None"))
    check_options(json.loads(json.dumps(_script(fitting_net={"default_fparam": None, "seed": [1, 2], "trainable": [True]}))))


@pytest.mark.parametrize("name", ["ema", "ema_mean", "finetuned"])
def test_checkpoints_of_a_training(option_models, name):
    """As DeePMD-kit's training writes them: its own weights, whatever running mean of them lies beside; the script of a model
    that was trained further."""
    data = np.load(option_models / f"{name}.npz")
    model = read_model(option_models / f"{name}.pt")
    found = reference.evaluate(model, data["positions"], data["types"].astype(np.int64), data["cell"])
    np.testing.assert_allclose(found.atom_energy, data["atom_energy"], rtol=0, atol=1e-11)
    np.testing.assert_allclose(found.forces, data["forces"], rtol=0, atol=1e-11)
    if name == "ema":  # the mean is another model
        mean = np.load(option_models / "ema_mean.npz")["atom_energy"]
        assert np.abs(mean - data["atom_energy"]).max() > 1e-6
