# SPDX-License-Identifier: MIT
"""Files that hold DeePMD-kit's tree: one model has one tree and one description, whatever the file; every version; refusals."""

import copy
import dataclasses
import importlib.util
import itertools
import json
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from deepmd_files import WRITERS, tree_of_dp, write_dp, write_json, write_package, write_yaml, written_out

from pybuild.compress.build import build
from pybuild.errors import InputError, PybuildError, ReadError, UnsupportedModel
from pybuild.model.net import Net, Skip
from pybuild.oracles import reference
from pybuild.readers import describe, read_model, read_source
from pybuild.readers.files.text_tree import loads_json, loads_yaml
from pybuild.tablefile.file import write_tables

# Per atom, force component and virial component; DeePMD-kit's own back ends differ by 1e-14 of the energy.
ENERGY, FORCE, VIRIAL = 1e-9, 1e-8, 1e-6
GRAPHS = Path(__file__).resolve().parents[1] / "data" / "tensorflow"


def differences(a, b, where="model"):
    """Where two trees differ in a value, a type, a shape or a bit."""
    if type(a) is not type(b):
        yield f"{where}: {type(a).__name__} and {type(b).__name__}"
    elif isinstance(a, dict):
        yield from (f"{where}.{key} is in one only" for key in a.keys() ^ b.keys())
        for key in a.keys() & b.keys():
            yield from differences(a[key], b[key], f"{where}.{key}")
    elif isinstance(a, (list, tuple)):
        if len(a) != len(b):
            yield f"{where}: {len(a)} and {len(b)} entries"
        for i, (x, y) in enumerate(zip(a, b, strict=False)):
            yield from differences(x, y, f"{where}[{i}]")
    elif isinstance(a, np.ndarray):
        if a.dtype != b.dtype or a.shape != b.shape or a.tobytes() != b.tobytes():
            yield f"{where}: {a.dtype} {a.shape} and {b.dtype} {b.shape}"
    elif dataclasses.is_dataclass(a):
        for field in dataclasses.fields(a):
            if field.name != "provenance":
                yield from differences(getattr(a, field.name), getattr(b, field.name), f"{where}.{field.name}")
    elif a != b:
        yield f"{where}: {a!r} and {b!r}"


def assert_equal(a, b):
    assert list(differences(a, b)) == []


# Trained models as .pth, .dp and .pt


def folders_with(shared_models, *names):
    found = [folder for folder in sorted(shared_models.iterdir()) if all((folder / name).exists() for name in names)]
    assert found, names
    return found


def refusal(path, source):
    """What is said of a kind without evaluator, "" of others."""
    try:
        describe(path, source)
    except UnsupportedModel as error:
        return str(error).removeprefix(str(path))
    return ""


def test_one_tree_from_all_files(shared_models):
    """Of kinds without evaluator, too, which are refused alike."""
    kinds = set()
    for folder in folders_with(shared_models, "model.pth", "model.dp"):
        known = read_source(folder / "model.dp")
        said = refusal(folder / "model.dp", known)
        others = [folder / name for name in ("model.pth", "model.ckpt.pt") if (folder / name).exists()]
        for path in others:
            source = read_source(path)
            assert_equal((source.tree, source.min_nbor_dist), (known.tree, known.min_nbor_dist))
            assert source.precision() == known.precision()
            assert refusal(path, source) == said
        kinds.add(known.tree["descriptor"]["type"] if "descriptor" in known.tree else known.tree["type"])
    assert kinds == {"se_e2_a", "se_e2_r", "se_e3", "se_e3_tebd", "dpa1", "hybrid", "zbl"}


@pytest.mark.parametrize("name", ["se_e2_a-small", "se_e2_a-two_side-exclude", "se_e2_a-float32", "se_e2_r-small"])
def test_one_description_and_one_table_file(shared_models, tmp_path, name):
    """As .pth, .pt, .dp, and its tree as .yaml, .json and .pt2."""
    folder = shared_models / name
    tree = tree_of_dp(folder / "model.dp")
    paths = [p for p in (folder / "model.dp", folder / "model.ckpt.pt") if p.exists()]
    paths += [write(tree, tmp_path / f"model{ending}") for ending, write in WRITERS.items()]
    known = read_model(folder / "model.pth")
    for path in paths:
        model = read_model(path)
        assert_equal(model, known)
        assert model.provenance.precision == known.provenance.precision
    if name in ("se_e2_a-small", "se_e2_r-small"):
        made = [build(model, 0.9).tables for model in (known, read_model(tmp_path / "model.yaml"))]
        for index, tables in enumerate(made):
            write_tables(tmp_path / f"{index}.bin", dataclasses.replace(tables, provenance={}))
        assert (tmp_path / "0.bin").read_bytes() == (tmp_path / "1.bin").read_bytes()


def test_provenance(shared_models):
    made = read_model(shared_models / "se_e2_a-small" / "model.dp").provenance
    assert (made.file_name, made.format, made.precision) == ("model.dp", "DeePMD-kit file (HDF5) of PyTorch", "float64")


# Published files


@pytest.fixture(scope="module")
def published(shared):
    folder = shared / "models-public"
    if not folder.is_dir():
        pytest.skip(f"no shared models in {folder}")
    return folder


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("dk-deeppot_sea/deeppot_sea.yaml", "dk-deeppot_sea"),
        ("dk-deeppot-dp/deeppot.dp", "dk-deeppot-dp"),  # @version 1 of everything, written by TensorFlow
        ("dk-deeppot-r-yaml/deeppot-r.yaml", "dk-deeppot-r"),  # se_e2_r, a net per pair of types: TensorFlow's numbers
    ],
)
def test_published_files(published, tmp_path, name, data):
    """Against DeePMD-kit's results by the NumPy oracle and by the compiled tables."""
    model, known = read_model(published / name), np.load(published / data / "reference.npz")
    compiled = importlib.util.find_spec("pybuild._core") is not None
    if compiled:
        write_tables(tmp_path / "tables.bin", build(model, 0.6).tables)
    for k in range(3):
        structure = known[f"positions{k}"], known["types"].astype(np.int64), known.get(f"cell{k}")
        results = [reference.evaluate(model, *structure)]
        if compiled:
            from pybuild import calculator

            results.append(calculator.evaluate(tmp_path / "tables.bin", *structure))
        for result in results:
            assert abs(result.energy - float(known[f"energy{k}"])) < ENERGY * len(known["types"])
            np.testing.assert_allclose(result.forces, known[f"forces{k}"], rtol=0, atol=FORCE)
            np.testing.assert_allclose(result.virial, known[f"virial{k}"], rtol=0, atol=VIRIAL)


def test_the_back_end_that_trained_decides_the_rules(published):
    """TensorFlow: nearest of each type, whole sections excluded, radii as float32 numbers."""
    source = read_source(published / "dk-fparam_aparam-pt" / "fparam_aparam.yaml")
    of_pytorch = read_source(published / "dk-fparam_aparam-pt" / "fparam_aparam-2024-07.pth")
    descriptor = source.tree["descriptor"]
    assert (source.tree["neighbour_rule"], descriptor["exclusion"]) == ("per_type", "section")
    assert descriptor["rcut_smth"] == np.float32(1.8)
    assert descriptor["rcut"] - descriptor["rcut_smth"] == np.float32(6) - np.float32(1.8)
    own = ("rcut", "rcut_smth", "exclusion", "neighbour_rule", "out_std", "resnet")
    found = list(differences(source.tree, of_pytorch.tree))
    assert found
    assert [d for d in found if d.split(":")[0].rpartition(".")[2] not in own] == []
    assert "anchor" not in (published / "dk-fparam_aparam-pt" / "fparam_aparam.yaml").read_text()  # aliases of short lists are


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("dk-dpa2-yaml/deeppot_dpa.yaml", "descriptor 'dpa2' is not supported; it needs message passing"),
        ("dk-dpa-spin-yaml/deeppot_dpa_spin.yaml", "type 'spin_ener'"),
    ],
)
def test_published_files_that_are_refused(published, name, message):
    with pytest.raises(UnsupportedModel, match=message):
        read_model(published / name)


# Made trees


@pytest.fixture(scope="module")
def tree(shared_models):
    """A small model's, as a file holds it."""
    return tree_of_dp(shared_models / "se_e2_a-small" / "model.dp")


def changed(tree, *path, value):
    """A copy with another value at a place."""
    made = copy.deepcopy(tree)
    at = made
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return made


def read(tree, tmp_path, write=write_json, **choices):
    return read_model(write(tree, tmp_path / "model"), **choices)


@pytest.mark.parametrize(
    ("name", "alias"),
    [
        ("se_e2_a-small", "se_a"),
        ("se_e2_r-small", "se_e2_r"),
        ("se_e3-small", "se_t"),
        ("se_e3-small", "se_at"),
        ("se_e3-small", "se_a_3be"),
        ("se_e3_tebd-strip", "se_t_tebd"),
        ("dpa1-concat-attn0", "se_atten"),
        ("dpa1-strip-attn0", "se_atten_v2"),
    ],
)
def test_other_names_of_descriptors(shared_models, tmp_path, name, alias):
    whole = tree_of_dp(shared_models / name / "model.dp")
    assert whole["model"]["descriptor"]["type"] != alias
    assert_equal(read(changed(whole, "model", "descriptor", "type", value=alias), tmp_path), read(whole, tmp_path))


def test_early_versions(tree, tmp_path):
    """@version 1: no "@variables" of the model, statistics without type maps; biases of TensorFlow have a row."""
    made = copy.deepcopy(tree)
    out_bias = made["model"].pop("@variables")["out_bias"]
    for net in made["model"]["fitting"]["nets"]["networks"]:
        for layer in net["layers"]:
            layer["@variables"]["b"] = layer["@variables"]["b"].reshape(1, -1)
    known, early = read(tree, tmp_path), read(made, tmp_path)
    np.testing.assert_allclose(known.fitting.energy_bias - early.fitting.energy_bias, out_bias.reshape(-1), rtol=0, atol=1e-12)
    assert out_bias.any()
    assert_equal(early.fitting.nets, known.fitting.nets)


def test_compressed_trees_keep_their_nets(tree, tmp_path):
    table = {"compress_data": [np.zeros((4, 6))], "compress_info": [np.zeros(6)]}
    made = changed(tree, "model", "descriptor", "compress", value={"@variables": table})
    text = json.dumps(written_out(changed(made, "model", "descriptor", "compress", value=None)))
    whole = json.loads(text)
    whole["model"]["descriptor"]["compress"] = {"@variables": {k: [a.tolist() for a in v] for k, v in table.items()}}
    (tmp_path / "compressed").write_text(json.dumps(whole))
    assert_equal(read_model(tmp_path / "compressed"), read(tree, tmp_path))


@pytest.mark.parametrize("place", [("min_nbor_dist",), ("constants", "min_nbor_dist"), ("@variables", "min_nbor_dist")])
def test_places_of_the_smallest_distance(tree, tmp_path, place):
    made = {key: value for key, value in tree.items() if key != "@variables"}
    value = np.array(0.75) if place[0] == "@variables" else 0.75
    made |= {place[0]: value if len(place) == 1 else {place[1]: value}}
    assert read(made, tmp_path).min_nbor_dist == 0.75
    assert read({key: value for key, value in made.items() if key != place[0]}, tmp_path).min_nbor_dist is None


def test_a_pair_table_that_a_conversion_left_out(tree, tmp_path):
    made = tree | {"model_def_script": {"use_srtab": "zbl.txt"}}
    (remark,) = read(made, tmp_path).remarks
    assert remark.startswith("warning: trained with a pair table (use_srtab), which is not in this file")
    assert not read(tree, tmp_path).remarks


def test_modifiers(tree, tmp_path):
    made = tree | {"model_def_script": {"modifier": {"type": "dipole_charge"}}}
    with pytest.raises(UnsupportedModel, match=r"data modifier \(DPLR.*--without-modifier"):
        read(made, tmp_path)
    assert_equal(read(made, tmp_path, without_modifier=True), read(tree, tmp_path))


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("descriptor", "env_mat", "use_exp_switch"), True, "'model.descriptor.env_mat.use_exp_switch'"),
        (("descriptor", "unheard_of"), 1, "'model.descriptor.unheard_of'"),
        (("descriptor", "type"), "dpa3", "descriptor 'dpa3' is not supported; it needs message passing"),
        (("descriptor", "type"), "loc_frame", "descriptor 'loc_frame'"),
        (("fitting", "type"), "dos", "fitting net 'dos'"),
        (("fitting", "tot_ener_zero"), True, "'model.fitting.tot_ener_zero'"),
        (("fitting", "layer_name"), ["a", None], "'model.fitting.layer_name'"),
        (("type",), "population", "type 'population'"),
        (("type",), "pairwise_dprc", "DPRC"),
        (("add_chg_spin_ebd",), True, "'model.add_chg_spin_ebd'"),
    ],
)
def test_refused_by_name(tree, tmp_path, path, value, message):
    with pytest.raises(UnsupportedModel, match=message):
        read(changed(tree, "model", *path, value=value), tmp_path)


def test_rules_of_tensorflow(tree, tmp_path):
    """Its factors of the energy count; PyTorch stores numbers that it does not use."""
    assert (tree["model"]["@variables"]["out_std"] != 1).all()
    made = changed(tree, "model", "@variables", "out_std", value=np.full((1, 2, 1), 0.5)) | {"backend": "TensorFlow"}
    scaled, known = read(made, tmp_path), read(tree, tmp_path)
    assert (scaled.neighbour_rule, known.neighbour_rule) == ("per_type", "total")
    last, of_known = (model.fitting.nets[1].layers[-1].weight for model in (scaled, known))
    np.testing.assert_array_equal(last, 0.5 * of_known)
    smooth = changed(made, "model", "descriptor", "smooth_type_embedding", value=True)
    with pytest.raises(UnsupportedModel, match="smooth type embedding that TensorFlow trained"):
        read(smooth, tmp_path)


OWN_KEYS = ("exclusion", "padding_type", "sections", "switch_radius", "type_factors")  # of the readers, in no file


def test_slots_that_all_types_share_by_tensorflow(tmp_path):
    """As `dp convert-backend` writes a graph: the zero embedding in empty slots, rows of excluded pairs 0, its own energy of the
    vacuum."""
    source = read_source(GRAPHS / "se_atten-concat-one_side-exclude.pb")
    model = source.tree | {"descriptor": {k: v for k, v in source.tree["descriptor"].items() if k not in OWN_KEYS}}
    means = np.zeros((2, 72, 4))
    means[:, :, 0] = 0.1
    source.tree["descriptor"]["@variables"]["davg"] = model["descriptor"]["@variables"]["davg"] = means
    made = {"backend": "TensorFlow", "model": model, "min_nbor_dist": source.min_nbor_dist}
    known = describe(GRAPHS / "se_atten-concat-one_side-exclude.pb", source)
    assert known.descriptors[0].padding.any()
    assert_equal(read(made, tmp_path), known)
    means[:] = 0.0
    made = changed(made, "model", "fitting", "atom_ener", value=[-1.5, None])
    found = read(made, tmp_path)
    assert found.fitting.vacuum_subtracted == {0, 1}
    alone = reference.evaluate(found, np.zeros((1, 3)), np.array([1]), None)
    assert alone.energy == pytest.approx(found.fitting.energy_bias[1], abs=1e-13)


@pytest.mark.parametrize(("backend", "second"), [("TensorFlow", Skip.NONE), ("PyTorch", Skip.DOUBLED)])
def test_skips_of_fitting_nets(tree, tmp_path, backend, second):
    """Converted, a fitting net of TensorFlow has PyTorch's skips and time steps of its own, which TensorFlow's has not."""
    rng = np.random.default_rng(0)
    made = copy.deepcopy(tree) | {"backend": backend}
    for net in made["model"]["fitting"]["nets"]["networks"]:
        n_in, widths = len(net["layers"][0]["@variables"]["w"]), [6, 12, 12]
        for layer, n, m in zip(net["layers"], [n_in, *widths], widths, strict=False):
            idt = rng.normal(size=m) if n in (m, m / 2) else None
            layer |= {"resnet": True, "@variables": {"w": rng.normal(size=(n, m)), "b": rng.normal(size=m), "idt": idt}}
        net["layers"][-1]["@variables"]["w"] = rng.normal(size=(12, 1))
    for net in read(made, tmp_path).fitting.nets:
        skips = [layer.skip for layer in net.layers]
        assert skips == [Skip.NONE, second, Skip.IDENTITY, Skip.NONE]
        assert [layer.idt is not None for layer in net.layers] == [skip is not Skip.NONE for skip in skips]


def test_parameters_and_a_skip_around_the_first_layer(shared_models, tmp_path):
    """The first layer of PyTorch's fitting nets keeps its input as well where the widths allow it, parameters among it."""
    rng = np.random.default_rng(0)
    made = tree_of_dp(shared_models / "se_e2_a-fparam_aparam" / "model.dp")
    for net in made["model"]["fitting"]["nets"]["networks"]:
        first, second, *others = net["layers"]
        n_in, n_out = first["@variables"]["w"].shape
        first["@variables"] = {"w": rng.normal(size=(n_in, n_in)), "b": rng.normal(size=n_in), "idt": rng.normal(size=n_in)}
        first["resnet"] = True
        second["@variables"] = {"w": rng.normal(size=(n_in, n_out)), "b": rng.normal(size=n_out), "idt": None}
        net["layers"] = [first, second, *others]
    model = read(made, tmp_path)
    model.validate()
    for net, written in zip(model.fitting.nets, made["model"]["fitting"]["nets"]["networks"], strict=True):
        x = rng.normal(size=(5, net.n_in))
        of_first, *_ = [layer["@variables"] for layer in written["layers"]]
        y = np.tanh(x @ of_first["w"] + of_first["b"]) * of_first["idt"] + x
        for layer in net.layers[2:]:
            y = Net((layer,)).forward(y)[0]
        assert written["layers"][0]["activation_function"] == "tanh"
        np.testing.assert_allclose(net.forward(x)[0], y, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("backend", "cubic"), [("TensorFlow", float(np.float32(0.044715))), ("PyTorch", 0.044715)])
def test_the_constant_of_gelu(tree, tmp_path, backend, cubic):
    """TensorFlow's gelu_tf has it rounded, its gelu has not."""
    made = copy.deepcopy(tree) | {"backend": backend}
    for net, name in ((made["model"]["descriptor"]["embeddings"], "gelu_tf"), (made["model"]["fitting"]["nets"], "gelu")):
        for layers in (network["layers"] for network in net["networks"]):
            for layer in layers[: -1 if name == "gelu" else None]:
                layer["activation_function"] = name
    model = read(made, tmp_path)
    assert {layer.activation.cubic for net in model.descriptors[0].nets for layer in net.layers} == {cubic}
    assert {layer.activation.cubic for net in model.fitting.nets for layer in net.layers[:-1]} == {0.044715}


def test_a_head_is_refused(tree, tmp_path):
    with pytest.raises(InputError, match="has no heads"):
        read(tree, tmp_path, head="water")


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("descriptor", "rcut"), "6", "model.descriptor.rcut is '6', must be a number"),
        (("descriptor", "rcut"), None, "model.descriptor.rcut"),
        (("descriptor", "embeddings"), [], "must be a dictionary"),
        (("type_map",), [], "type_map is empty"),
        (("type_map",), 1.5, "type_map is 1.5, must be a list"),
        (("@variables", "out_bias"), None, "out_bias is not an array"),
    ],
)
def test_damaged_trees(tree, tmp_path, path, value, message):
    with pytest.raises(ReadError, match=message):
        read(changed(tree, "model", *path, value=value), tmp_path)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        ({"dtype": "float64", "value": [[1.0], [1.0, 2.0]]}, "not a rectangular array"),
        ({"dtype": "float64", "value": [[1.0, 2.0, 3.0], [4.0]]}, "not a rectangular array"),
        ({"dtype": "float64", "value": [["1.0"]]}, "something else than numbers"),
        ({"dtype": "float64", "value": 10**400}, "not a rectangular array|digits"),
        ({"dtype": "bfloat16", "value": [1.0]}, "bfloat16"),
        ({"dtype": "float16", "value": [1.0]}, "float16"),
        ({"dtype": "object", "value": [1.0]}, "numbers of type object"),
        ({"value": {}}, "something else than numbers"),
    ],
)
def test_damaged_arrays(tree, tmp_path, array, message):
    whole = json.loads(json.dumps(written_out(tree)))
    whole["model"]["@variables"]["out_bias"] = array
    (tmp_path / "model").write_text(json.dumps(whole))
    with pytest.raises(PybuildError, match=message):
        read_model(tmp_path / "model")


@pytest.mark.parametrize(
    ("path", "key", "value", "message"),
    [
        (("descriptor", "list", 0, "embeddings", "networks"), 0, None, "no embedding net in the file: those of a compressed"),
        (("descriptor",), "list", [], "a hybrid descriptor without members"),
        (("fitting", "nets", "networks", 0, "layers", 0, "@variables"), "b", np.zeros(5), "a bias of the fitting net has shape"),
    ],
)
def test_damaged_trees_of_hybrids(tmp_path, path, key, value, message):
    """DPA-1 with constants behind its numbers."""
    model = read_source(Path(__file__).parents[1] / "data" / "exportable" / "hybrid.pt").tree
    made = changed({"@class": "Model", "@version": 2} | model, *path, key, value=value)
    with pytest.raises(ReadError, match=message):
        read({"model": made}, tmp_path)


def test_bfloat16_in_a_dp_file(tree, tmp_path):
    """HDF5 has no such numbers: pairs of bytes, which ml_dtypes' are stored as."""
    import h5py

    path = write_dp(tree, tmp_path / "model.dp")
    with h5py.File(path, "r+") as file:
        name = json.loads(file.attrs["json"])["model"]["fitting"]["@variables"]["bias_atom_e"].removeprefix("/")
        shape = file[name].shape
        del file[name]
        file[name] = np.zeros(shape, "V2")
    with pytest.raises(UnsupportedModel, match=r"model.fitting.@variables.bias_atom_e with numbers of type bfloat16 is not"):
        read_model(path)


def test_a_plain_list_is_an_array(tree, tmp_path):
    """As exported programs have them."""
    whole = json.loads(json.dumps(written_out(tree)))
    bias = whole["model"]["@variables"]["out_bias"]["value"]
    whole["model"]["@variables"]["out_bias"] = bias
    (tmp_path / "model").write_text(json.dumps(whole))
    assert_equal(read_model(tmp_path / "model"), read(tree, tmp_path))


def test_an_exported_program_without_tree(tmp_path):
    with zipfile.ZipFile(tmp_path / "model.pt2", "w") as archive:
        archive.writestr("archive/serialized_exported_program.json", "{}")
    with pytest.raises(UnsupportedModel, match=r"without the tree of its model .*dp --pt-expt freeze"):
        read_model(tmp_path / "model.pt2")


# Without the packages


def test_packages_that_are_missing_are_named(tree, tmp_path, monkeypatch):
    dp, yaml = write_dp(tree, tmp_path / "model.dp"), write_yaml(tree, tmp_path / "model.yaml")
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "h5py" else found(name, *rest))
    with pytest.raises(InputError, match=r"needs h5py: pip install 'dpcompressed\[deepmd\]'"):
        read_model(dp)
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(InputError, match=r"needs PyYAML: pip install 'dpcompressed\[deepmd\]'"):
        read_model(yaml)
    assert read(tree, tmp_path, write_package).n_types == 2  # needs neither


def test_yaml_without_its_c_library(tree, tmp_path, monkeypatch):
    import yaml

    known = read(tree, tmp_path, write_yaml)
    monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    assert_equal(read_model(tmp_path / "model"), known)


# Texts


def test_words_of_yaml():
    text = "{a: No, b: yes, c: null, d: ~, e: True, f: 1e-05, g: '1', h: -3, i: .inf, j: 1.5, k: , l: 'null', m: 0x1F}"
    assert loads_yaml(text) == {
        "a": "No", "b": "yes", "c": None, "d": None, "e": True, "f": 1e-5, "g": "1", "h": -3, "i": np.inf, "j": 1.5, "k": None,
        "l": "null", "m": "0x1F",
    }  # fmt: skip


def test_aliases_of_short_lists():
    assert loads_yaml("a: &x [1, [2, 3]]\nb: *x\nc: &y 5\nd: *y") == {"a": [1, [2, 3]], "b": [1, [2, 3]], "c": 5, "d": 5}


# Each line ten times the one before
LAUGHS = "a: &a [1]\n" + "".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 10)}]\n" for a, b in itertools.pairwise("abcdefgh"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: !!python/object/apply:os.system ['true']", "line 1 .* the tag"),
        ("a: !!float 1", "the tag"),
        ("&x [*x]", "an alias of something that is not there yet"),
        ("a: &x [" + "1," * 2000 + "1]\nb: *x", "or long"),
        (LAUGHS, "or long"),
        ("[" * 200 + "]" * 200, "nested more than"),
        ("a: 1\na: 2", "stands twice"),
        ("[1, 2]: 3", "no text"),
        ("--- 1\n--- 2", "2 YAML documents"),
        ("", "0 YAML documents"),
        ("a: [1, 2", "is not YAML"),
        ("a: " + "9" * 5000, "digits"),
    ],
)
def test_yaml_that_harms(text, message):
    with pytest.raises(ReadError, match=message):
        loads_yaml(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 100_000, "is not JSON"),
        ('{"a":' * 100_000, "is not JSON"),
        ("1" + "0" * 100_000, "digits"),
        ("0." + "0" * 100_000, "digits"),
        ('{"a": 1, "a": 2}', "twice"),
        ('{"a": }', "is not JSON"),
    ],
)
def test_json_that_harms(text, message):
    with pytest.raises(ReadError, match=message):
        loads_json(text)
