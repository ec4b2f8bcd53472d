# SPDX-License-Identifier: MIT
"""PWMLFF's and MatPL's files: made ones against their model evaluated slot by slot, trained ones against what those say.
Tables of these through LAMMPS and ASE: tests/lammps/test_pwmlff.py."""

import dataclasses
import json
import zipfile

import numpy as np
import pytest
from pwmlff_files import Archive, checkpoint_root, energies, random_pwmlff, script_root

from pybuild import calculator
from pybuild.cli import main
from pybuild.compress.build import Options, build
from pybuild.errors import InputError, PybuildError, ReadError, UnsupportedModel
from pybuild.oracles import reference
from pybuild.readers import read_model
from pybuild.readers.files.restricted_pickle import loads
from pybuild.readers.pwmlff.elements import DEFAULT_PROPERTIES, SYMBOLS, property_vectors
from pybuild.show import show
from pybuild.tablefile.file import write_tables

ENERGY = 1e-9  # eV/atom
EXACT = (1e-12, 1e-11, 1e-10)  # of atomic energies, forces, virial: eV, eV/A, eV

# Element properties as MatPL 907cced scales them, in the order of DEFAULT_PROPERTIES.
VECTORS = {
    8: [0.06481481481481481, 0.14893617021276595, 0.054515974024850034, 0.4040114613180516, 0.8353658536585366],
    1: [0.0, 0.0, 0.0, 0.20859598853868194, 0.4573170731707317],
}


def structure(numbers, seed=3, n=14):
    """(positions, types, cell): a few atoms in a small triclinic cell, all nearer than twice the cut-off."""
    rng = np.random.default_rng(seed)
    cell = np.array([[6.0, 0.0, 0.0], [0.9, 6.3, 0.0], [-0.6, 0.5, 5.7]])
    grid = np.stack(np.meshgrid(*[np.arange(3)] * 3, indexing="ij"), -1).reshape(-1, 3)[:n]
    return ((grid + 0.5) / 3 + rng.uniform(-0.05, 0.05, (n, 3))) @ cell, rng.permutation(np.arange(n) % len(numbers)), cell


def symbols(numbers):
    return tuple(SYMBOLS[number - 1] for number in numbers)


@pytest.fixture
def written(tmp_path):
    """The path of a model's file."""

    def write(model, kind="ckpt", dtype="<f8", shared=True, numpy_1=False, compressed=False):
        archive = Archive(dtype, shared)
        root = (checkpoint_root if kind == "ckpt" else script_root)(model, archive, compressed)
        return archive.write(tmp_path / f"model.{kind}", root, numpy_1)

    return write


TYPED = {"vectors": np.array([VECTORS[8], VECTORS[1]]), "properties": DEFAULT_PROPERTIES}
MODELS = {
    "one element": {"numbers": (29,)},
    "three elements": {"numbers": (72, 8, 1)},
    "embedding resnet_dt": {"embedding_dt": True},
    "no fitting resnet_dt": {"fitting_dt": False},
    "no bias": {"bias": False},
    "no skips": {"widths": (3, 7, 5), "embedding_dt": True},
    "skip in the first layer": {"widths": (1, 2, 6), "embedding_dt": True},
    "one hidden layer": {"hidden": (4,)},
    "no hidden layer": {"hidden": ()},
    "type embedding": TYPED,
    "type embedding, skip in its first layer": TYPED | {"widths": (6, 12), "embedding_dt": True},
    "type embedding, double skip in its first layer": TYPED | {"widths": (12, 5)},
    "type embedding with a net of its own": TYPED | {"type_net": True},
}


@pytest.mark.parametrize("kind", ["ckpt", "pt"])
@pytest.mark.parametrize("name", MODELS)
def test_made_models(written, name, kind):
    made = random_pwmlff(**MODELS[name])
    if kind == "pt" and made.vectors is not None:  # of which TorchScript models round the vectors
        made = dataclasses.replace(made, vectors=made.vectors.astype(np.float32).astype(np.float64))
    model = read_model(written(made, kind))
    assert model.type_map == symbols(made.numbers)
    x, types, cell = structure(made.numbers)
    found = reference.evaluate(model, x, types, cell)
    np.testing.assert_allclose(found.atom_energy, energies(made, x, np.array(made.numbers)[types], cell), rtol=0, atol=1e-13)


@pytest.mark.parametrize("kind", ["ckpt", "pt"])
@pytest.mark.parametrize("dtype", ["<f8", "<f4"])
@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("numpy_1", [True, False])
@pytest.mark.parametrize("compressed", [True, False])
def test_one_model_in_every_kind_of_file(written, kind, dtype, shared, numpy_1, compressed):
    """Tensors of their own or views of one storage, of both precisions; with the names of NumPy 1 and 2; with tables, which are
    not looked at."""
    made = random_pwmlff(1, dtype="<f4")
    model = read_model(written(made, kind, dtype, shared, numpy_1, compressed))
    assert model.provenance.precision == {"<f8": "float64", "<f4": "float32"}[dtype]
    program = {"ckpt": ("PWMLFF/MatPL", "checkpoint"), "pt": ("MatPL", "TorchScript model")}[kind]
    assert model.provenance.format == (" compressed " if compressed else " ").join(program)
    assert any("tables of PWMLFF's compress" in remark for remark in model.remarks) == compressed
    x, types, cell = structure(made.numbers)
    expected = energies(made, x, np.array(made.numbers)[types], cell)
    tolerance = (
        1e-13 if dtype == "<f8" or kind == "ckpt" else 1e-5
    )  # a TorchScript model's statistics are in single precision, too
    np.testing.assert_allclose(reference.evaluate(model, x, types, cell).atom_energy, expected, rtol=0, atol=tolerance)


SCRIPTED = {
    "two elements": {"numbers": (72, 8)},
    "embedding resnet_dt, no bias": {"embedding_dt": True, "bias": False},
    "types": TYPED,
}


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
@pytest.mark.parametrize("name", SCRIPTED)
@pytest.mark.parametrize("order", [None, 3, 5])
def test_a_script_that_torch_wrote(tmp_path, name, order):
    """Its nets are those that torch evaluates in it; tables beside them are left alone."""
    pytest.importorskip("torch")
    import pwmlff_torch

    made = random_pwmlff(6, **SCRIPTED[name])
    model = read_model(pwmlff_torch.write(tmp_path / "jit.pt", made, order))
    assert model.type_map == symbols(made.numbers)
    assert model.provenance.format == ("MatPL TorchScript model" if order is None else "MatPL compressed TorchScript model")
    assert any("tables of PWMLFF's compress" in remark for remark in model.remarks) == (order is not None)
    if made.vectors is not None:
        made = dataclasses.replace(made, vectors=made.vectors.astype(np.float32).astype(np.float64))
    x, types, cell = structure(made.numbers)
    found = reference.evaluate(model, x, types, cell).atom_energy
    np.testing.assert_allclose(found, energies(made, x, np.array(made.numbers)[types], cell), rtol=0, atol=1e-13)
    rng = np.random.default_rng(0)
    s, features = rng.normal(size=9), rng.normal(size=(3, made.m2 * model.descriptors[0].nets[0].n_out))
    said = pwmlff_torch.evaluate(tmp_path / "jit.pt", s, features)
    fitted = [net.forward(features)[0] for net in model.fitting.nets]
    embedded = [net.forward(s[:, None])[0] for net in model.descriptors[0].nets]
    with_nets = order is None or made.vectors is not None
    for got, expected in zip([*embedded, *fitted] if with_nets else fitted, said if with_nets else said[1:], strict=True):
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("words", [("H", "Hf"), ("Hf", "H"), ("1", "72")])
def test_fewer_elements(written, words):
    """The divisor, and empty slots of these elements alone, in the file's order."""
    made = random_pwmlff(2, (72, 8, 1))
    model = read_model(written(made), types=words)
    assert model.type_map == ("Hf", "H")
    assert model.descriptors[0].n_sel == 60
    x, types, cell = structure((72, 1))
    z = np.array((72, 1))[types]
    found = reference.evaluate(model, x, types, cell).atom_energy
    np.testing.assert_allclose(found, energies(made, x, z, cell, (72, 1)), rtol=0, atol=1e-13)
    assert np.abs(found - energies(made, x, z, cell)).max() > 1e-3  # given all three it is another model
    assert "given the elements Hf H of Hf O H" in model.remarks[0]


def test_tables_of_a_made_model(written, tmp_path):
    pytest.importorskip("pybuild._core", reason="the compiled evaluator")
    made = random_pwmlff(3, **TYPED | {"widths": (6, 12), "embedding_dt": True})
    model = read_model(written(made))
    write_tables(tmp_path / "t.bin", build(model, 1.0).tables)
    x, types, cell = structure(made.numbers)
    found = calculator.evaluate(tmp_path / "t.bin", x, types, cell)
    np.testing.assert_allclose(found.atom_energy, energies(made, x, np.array(made.numbers)[types], cell), rtol=0, atol=ENERGY)


def test_what_is_said(written, capsys):
    made = random_pwmlff(4, **TYPED)
    path = written(made, compressed=True)
    found = show(str(path))
    assert found["format"] == "PWMLFF/MatPL compressed checkpoint"
    assert found["descriptors"][0]["divisor"] == 60
    assert found["descriptors"][0]["type_embedding"] == list(DEFAULT_PROPERTIES)
    assert found["compressible"]
    assert found["needs"] == []
    assert [remark.split()[0] for remark in found["remarks"]] == ["note:"] * 4
    assert "max_neigh_num is 30 in the file" in found["remarks"][2]
    assert json.dumps(found)
    assert main(["show", str(path), "--types", "O"]) == 0
    assert "elements_of_the_file: O H" in capsys.readouterr().out
    script = show(str(written(made, "pt")))
    assert script["needs"] == ["--min-nbor-dist R, --training-data DIR or -t input.json"]


def test_the_smallest_distance(written):
    """Of the largest s(r) among the training data: 0.9 here."""
    model = read_model(written(random_pwmlff()))
    assert 1 / model.min_nbor_dist == pytest.approx(0.9)


# What is refused


def root_and_archive(**words):
    archive = Archive()
    return checkpoint_root(random_pwmlff(**words), archive), archive


def without(root, *keys):
    """The root without some tensors of the state dict."""
    state = type(root["state_dict"])({k: v for k, v in root["state_dict"].items() if k not in keys})
    assert len(state) == len(root["state_dict"]) - len(keys)
    return root | {"state_dict": state}


def without_net(root, name):
    return without(root, *(key for key in root["state_dict"] if key.startswith(name)))


def renamed(root, old, new):
    return root | {"state_dict": type(root["state_dict"])({k.replace(old, new): v for k, v in root["state_dict"].items()})}


def script_of(root, **changes):
    return root | {"json_file": root["json_file"] | changes}


def descriptor_of(root, **changes):
    descriptor = root["json_file"]["model"]["descriptor"] | changes
    return script_of(root, model={"descriptor": descriptor, "fitting_net": {}})


def uneven(root, name):
    array = root[name].copy()
    array[0, 7 * 4] *= 1.5
    return root | {name: array}


WRONG = {
    "another kind of model": (lambda r: script_of(r, model_type="NEP"), UnsupportedModel, "model of type 'NEP'"),
    "another order of elements": (lambda r: script_of(r, atom_type=[1, 8]), UnsupportedModel, "which net is whose"),
    "an element twice": (lambda r: r | {"atom_type_order": np.array([8, 8])}, UnsupportedModel, "an element twice: O O"),
    "no element": (lambda r: r | {"atom_type_order": np.array([8, 119])}, UnsupportedModel, "119 is that of no element"),
    "names of before torch 2": (lambda r: renamed(r, "layers.0.weight", "weights.weight0"), UnsupportedModel, "before its"),
    "an unknown tensor": (lambda r: renamed(r, "fitting_net.1", "module.fitting_net.1"), UnsupportedModel, "is not known"),
    "a net missing": (lambda r: renamed(r, "embedding_net.3", "embedding_net.4"), ReadError, r"embedding_net\.4\.layers\.0 is"),
    "too few nets": (lambda r: without_net(r, "embedding_net.3"), ReadError, "3 embedding nets for 2 elements"),
    "too few fitting nets": (lambda r: without_net(r, "fitting_net.1"), ReadError, "1 fitting nets for 2 elements"),
    "a layer missing": (lambda r: renamed(r, "net.0.layers.1", "net.0.layers.7"), ReadError, "is missing"),
    "a weight missing": (lambda r: without(r, "fitting_net.0.layers.1.weight"), ReadError, "weight is missing"),
    "a bias missing": (lambda r: without(r, "embedding_net.2.layers.1.bias"), ReadError, "some layers have a bias"),
    "a bias of the fitting net missing": (lambda r: without(r, "fitting_net.0.layers.1.bias"), ReadError, "has no bias"),
    "a time step missing": (lambda r: without(r, "fitting_net.0.layers.1.resnet_dt"), ReadError, "some layers have a resnet_dt"),
    "statistics by slot": (lambda r: uneven(r, "davg"), UnsupportedModel, "davg differ between the slots"),
    "statistics for other slots": (lambda r: script_of(r, max_neigh_num=29), ReadError, r"\(2, 240\), must be \(2, 232\)"),
    "slots beyond all bounds": (lambda r: script_of(r, max_neigh_num=2**62), ReadError, "davg has shape"),
    "no slots": (lambda r: script_of(r, max_neigh_num=0), ReadError, "davg has shape"),
    "M2 too large": (lambda r: descriptor_of(r, M2=9), PybuildError, "axis_neuron is 9"),
    "Rmin beyond Rmax": (lambda r: descriptor_of(r, Rmin=5.0), PybuildError, "rcut_smth is 5.0"),
    "a property unknown": (
        lambda r: descriptor_of(r, type_embedding={"physical_property": ["colour"]}), ReadError, "4 embedding nets for 2 elements"
    ),
    "an array for a text": (lambda r: script_of(r, model_type=np.zeros(2)), ReadError, "must be a text"),
    "a text for an array": (lambda r: r | {"davg": "evil"}, ReadError, "davg is not an array"),
    "a text for a tensor": (lambda r: r | {"state_dict": {"fitting_net.0.layers.0.bias": "evil"}}, ReadError, "is not a tensor"),
    "no statistics": (lambda r: {k: v for k, v in r.items() if k != "dstd"}, ReadError, "dstd is missing"),
    "sij_max not a number": (lambda r: r | {"sij_max": "evil"}, ReadError, "sij_max is 'evil'"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_refused(tmp_path, name):
    change, error, message = WRONG[name]
    root, archive = root_and_archive()
    with pytest.raises(error, match=message):
        read_model(archive.write(tmp_path / "model.ckpt", change(root)))


def test_other_refusals(tmp_path, written):
    for words, message in (
        ({"types": ("O", "Cu")}, "no such element; it has O H"),
        ({"types": ("O", "8")}, "each element once"),
        ({"types": ("Xx",)}, "neither the name of an element"),
        ({"head": "a"}, "--head a: files of PWMLFF and MatPL have no heads; leave --head out"),
        ({"padding_type": "O"}, "--padding-type O: files of PWMLFF and MatPL have no empty slots"),
        ({"without_modifier": True}, "--without-modifier: files of PWMLFF and MatPL have no data modifier"),
    ):
        with pytest.raises(InputError, match=message):
            read_model(written(random_pwmlff()), **words)
    with pytest.raises(UnsupportedModel, match="5 and 4 outputs"):
        read_model(written(random_pwmlff(hidden=(5, 4))))
    with pytest.raises(UnsupportedModel, match="property 'colour' is not supported; known are atomic_number, atom_mass"):
        read_model(written(random_pwmlff(vectors=np.ones((2, 1)), properties=("colour",))))
    with pytest.raises(UnsupportedModel, match="atom_radius', of which Rn has no value"):
        read_model(written(random_pwmlff(numbers=(86, 1), **TYPED)))
    archive = Archive()
    root = script_root(random_pwmlff(), archive)
    with pytest.raises(UnsupportedModel, match="class 'NEP'"):
        read_model(archive.write(tmp_path / "nep.pt", dataclasses.replace(root, name="NEP")))
    mixed = script_root(random_pwmlff(**TYPED), archive)
    mixed.attributes["type_vector"][1] = [0.5]
    with pytest.raises(ReadError, match="several lengths"):
        read_model(archive.write(tmp_path / "mixed.pt", mixed))


def test_weights_of_another_type(tmp_path):
    root, archive = root_and_archive()
    path = archive.write(tmp_path / "model.ckpt", root)
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(tmp_path / "half.ckpt", "w") as new:
        for name in old.namelist():
            content = old.read(name).replace(b"DoubleStorage", b"HalfStorage")
            new.writestr(name, content[: len(content) // 4] if "/data/" in name else content)
    with pytest.raises(UnsupportedModel, match="weights of type float16"):
        read_model(tmp_path / "half.ckpt")


# Crafted arrays, and tensors without end


def array_pickle(shape=b"K\x02\x85", dtype=b"f8", order=b"<", text=b"\x00" * 16, column_major=b"\x89"):
    """numpy's array of two numbers; shape: a pickled tuple."""
    kind = b"cnumpy\ndtype\nX\x02\x00\x00\x00" + dtype + b"\x89\x88\x87R(K\x03X\x01\x00\x00\x00" + order + b"NNNJ\xff\xff\xff\xff"
    kind += b"J\xff\xff\xff\xffK\x00tb"
    data = b"c_codecs\nencode\nX" + len(text).to_bytes(4, "little") + text + b"X\x06\x00\x00\x00latin1\x86R"
    new = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85c_codecs\nencode\n"
    return new + b"X\x01\x00\x00\x00bX\x06\x00\x00\x00latin1\x86R\x87R(K\x01" + shape + kind + column_major + data + b"tb"


def run(body):
    return loads(b"\x80\x02" + body + b".")


def test_sound_arrays():
    np.testing.assert_array_equal(run(array_pickle()).values, [0.0, 0.0])
    whole = bytes(range(0, 96, 2)) + bytes(range(1, 96, 2))
    row_major = run(array_pickle(b"K\x02K\x06\x86", text=whole)).values
    column_major = run(array_pickle(b"K\x06K\x02\x86", text=whole, column_major=b"\x88")).values
    np.testing.assert_array_equal(row_major, column_major.T)
    assert not row_major.flags.writeable
    assert run(array_pickle(b"K\x00\x85", text=b"")).values.size == 0


LONG = b"\x8a\x08" + (2**62).to_bytes(8, "little")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (array_pickle(b"K\x03\x85"), "does not fit its shape"),
        (array_pickle(LONG + b"\x85"), "does not fit its shape"),
        (array_pickle(b"J\xff\xff\xff\xffJ\xfe\xff\xff\xff\x86"), "does not fit its shape"),
        (array_pickle(LONG + LONG + b"K\x00\x87"), "does not fit its shape"),
        (array_pickle(b"(" + b"K\x01" * 40 + b"t"), "does not fit its shape"),
        (array_pickle(b"]"), "not one of plain numbers"),
        (array_pickle(dtype=b"O8"), "neither a plain integer nor a plain float"),
        (array_pickle(dtype=b"V8"), "neither a plain integer nor a plain float"),
        (array_pickle(order=b">"), "not little-endian"),
        (array_pickle(column_major=b"N"), "not one of plain numbers"),
        (array_pickle() + b"N" + b"b", "a second state for an array"),
        (array_pickle().replace(b"(K\x01", b"(", 1), "not one of plain numbers"),
        (array_pickle().replace(b"cnumpy\nndarray\n", b"cnumpy\ndtype\n", 1), "without its class"),
        (b"cnumpy\nndarray\nK\x02\x85R", "a call of 'numpy.ndarray'"),
        (b"cnumpy\nndarray\n)\x81", "a new object of 'numpy.ndarray'"),
        (b"cnumpy\nmatrix\n", "the name 'numpy.matrix'"),
        (b"cnumpy.core.multiarray\n_reconstruct\n)R", "without its class"),
    ],
)
def test_crafted_arrays(body, message):
    with pytest.raises(ReadError, match=message):
        run(body)


def test_one_text_made_bytes_many_times():
    """A megabyte of text and ten thousand calls that would make 10 GB of it."""
    text = b"X" + (10**6).to_bytes(4, "little") + b"a" * 10**6 + b"q\x00"
    call = b"c_codecs\nencode\nq\x01X\x06\x00\x00\x00latin1q\x02" + b"h\x01h\x00h\x02\x86R" * 10_000
    with pytest.raises(ReadError, match="one text turned into bytes again and again"):
        run(b"(" + text + call + b"t")


def test_one_storage_in_tensors_without_end(tmp_path):
    """A hundred thousand names of one tensor that fills the file."""
    archive = Archive()
    whole = archive.tensor(np.zeros((1000, 1000)))
    state = {f"embedding_net.{k}.layers.0.weight": whole for k in range(100_000)}
    root = checkpoint_root(random_pwmlff(), archive) | {"state_dict": state}
    with pytest.raises(ReadError, match="claim more than 64 times the bytes of the file"):
        read_model(archive.write(tmp_path / "model.ckpt", root))


@pytest.mark.parametrize("shape", [(2**62, 2**62, 0), (0, 2**31 + 1)])
def test_a_huge_shape_of_nothing(tmp_path, shape):
    root, archive = root_and_archive()
    root["sij_max"] = dataclasses.replace(root["sij_max"], shape=shape)
    with pytest.raises(ReadError, match="not the shape of anything"):
        read_model(archive.write(tmp_path / "model.ckpt", root))


# Trained models


TRAINED = ["a_cu", "b_oh", "c_oh_typeemb", "v_cu_fit_no_dt", "v_cu_numpy2", "v_cu_small_neigh", "v_cu_float32"]


@pytest.fixture(scope="module")
def trained(shared):
    """(path of the file, references) of a name."""

    def find(name, file="dp_model.ckpt"):
        folder = shared / "models" / "pwmlff" / name
        return folder / file, np.load(folder / "reference.npz")

    return find


def frames(path, data, types=None):
    """(model for the elements passed, positions, types, cell, expected) of each frame."""
    for k in range(int(data["nframes"])):
        model = read_model(path, types=symbols(data[f"f{k}_image_atom_type"]))
        index = {number: model.type_map.index(SYMBOLS[number - 1]) for number in set(data[f"f{k}_numbers"].tolist())}
        kinds = np.array([index[number] for number in data[f"f{k}_numbers"].tolist()])
        expected = {key: data[f"f{k}_{key}"] for key in ("energy", "atomic_energies", "forces", "virial9")}
        yield model, data[f"f{k}_positions"], kinds, data[f"f{k}_cell"], expected


def assert_agrees(got, expected):
    energy, force, virial = EXACT
    np.testing.assert_allclose(got.atom_energy, expected["atomic_energies"], rtol=0, atol=energy)
    np.testing.assert_allclose(got.forces, expected["forces"], rtol=0, atol=force)
    upper = np.triu_indices(3)  # the lower triangle is a copy
    np.testing.assert_allclose(got.virial[upper], expected["virial9"].reshape(3, 3)[upper], rtol=0, atol=virial)


@pytest.mark.parametrize("name", TRAINED)
def test_the_reference(trained, name):
    for model, *atoms, expected in frames(*trained(name)):
        assert_agrees(reference.evaluate(model, *atoms), expected)


def test_a_compressed_file_is_the_model_before(trained):
    (plain, _), (compressed, _) = trained("a_cu"), trained("a_cu", "cmp_o3.ckpt")
    for before, after in zip(read_model(plain).descriptors[0].nets, read_model(compressed).descriptors[0].nets, strict=True):
        for a, b in zip(before.layers, after.layers, strict=True):
            np.testing.assert_array_equal(a.weight, b.weight)
    for model, *atoms, expected in frames(compressed, trained("a_cu")[1]):
        assert_agrees(reference.evaluate(model, *atoms), expected)


@pytest.mark.parametrize(
    ("name", "order", "step", "force"),
    [
        ("b_oh", 5, 0.01, 1e-10), ("b_oh", 5, 0.05, 1e-8), ("b_oh", 5, 0.1, 1e-6), ("b_oh", 3, 0.01, 3e-7),
        ("b_oh", 3, 0.002, 1e-9), ("a_cu", 5, 0.02, 1e-9), ("a_cu", 3, 0.01, 3e-7),
    ],
)  # fmt: skip
def test_orders_and_steps(trained, name, order, step, force, tmp_path):
    """What -o and -d of their compress say, with all columns, against the nets."""
    pytest.importorskip("pybuild._core", reason="the compiled evaluator")
    path, data = trained(name)
    model, *atoms, expected = next(iter(frames(path, data)))
    options = Options(order=order, step=step, rank="full")
    write_tables(tmp_path / "t.bin", build(model, model.min_nbor_dist, options).tables)
    found = calculator.evaluate(tmp_path / "t.bin", *atoms)
    np.testing.assert_allclose(found.forces, expected["forces"], rtol=0, atol=force)
    np.testing.assert_allclose(found.atom_energy, expected["atomic_energies"], rtol=0, atol=force)


def test_element_properties(shared):
    """All of MatPL's, to the last bit."""
    known = json.loads((shared / "models" / "pwmlff" / "type_vectors.json").read_text())["values"]
    assert len(known) == 8
    for name, values in known.items():
        numbers = sorted(map(int, values))
        expected = [values[str(number)] for number in numbers]
        assert property_vectors(numbers, [name])[:, 0].tolist() == expected
    assert property_vectors([8, 1], DEFAULT_PROPERTIES).tolist() == [VECTORS[8], VECTORS[1]]
