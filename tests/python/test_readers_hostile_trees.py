# SPDX-License-Identifier: MIT
"""Files of trees that were damaged or made to harm: one error, or a valid model; a slice of the fuzzing of all readers."""

import json
import zipfile

import numpy as np
import pytest
from deepmd_files import write_dp, write_json
from fuzz_readers import BATCH, TARGETS, Fuzz, whole_tree

from pybuild.errors import PybuildError, ReadError
from pybuild.readers import read_model
from pybuild.readers.deepmd.torch_frozen import frozen_tree
from pybuild.readers.files import hdf5
from pybuild.readers.files.torch_archive import TorchArchive

h5py = pytest.importorskip("h5py")
SLICE = 200  # inputs of each target; docs/deepmd-tree.md says how many were run once


@pytest.mark.filterwarnings("ignore:invalid escape sequence:DeprecationWarning")  # pickletools, at a mutated name
@pytest.mark.parametrize("target", TARGETS)
def test_a_slice_of_the_fuzzing(tmp_path, target):
    fuzz = Fuzz(tmp_path, seed=11)
    fuzz.run(target, 1 if target == "dp_bytes" else SLICE)
    refused = sum(n for (name, said), n in fuzz.counts.items() if name == target and said.endswith("Error"))
    assert refused >= 3
    assert sum(fuzz.counts.values()) >= (BATCH // 10 if target == "dp_bytes" else SLICE)


@pytest.mark.parametrize("ending", ["yaml", "json", "pt2"])
def test_truncated_text(tmp_path, ending):
    """Every length of the last bytes, and steps through the rest. YAML has no end: a file that lacks its last lines may say the
    same."""
    data = Fuzz(tmp_path, seed=0).texts[ending]
    path = tmp_path / "model"
    path.write_bytes(data)
    known, equal = read_model(path), 0
    for length in (*range(1, len(data) - 40, 1999), *range(len(data) - 40, len(data) - 2)):
        path.write_bytes(data[:length])
        try:
            model = read_model(path)
        except PybuildError:
            continue
        assert [net.layers[0].weight.tobytes() for net in model.fitting.nets] == [
            net.layers[0].weight.tobytes() for net in known.fitting.nets
        ]
        assert (model.type_map, model.fitting.excluded, model.pair_excluded, model.neighbour_rule) == (
            known.type_map, known.fitting.excluded, known.pair_excluded, known.neighbour_rule,
        )  # fmt: skip
        equal += 1
    assert equal <= (40 if ending == "yaml" else 0)


def test_truncated_hdf5(tmp_path):
    data = write_dp(whole_tree(), tmp_path / "whole.dp").read_bytes()
    path = tmp_path / "model.dp"
    for length in (8, 96, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:length])
        with pytest.raises(ReadError, match="damaged HDF5 file"):
            read_model(path)


# HDF5 that reaches beyond the file or grows


def place(file, name, make):
    """Another thing instead of the first dataset."""
    shape = file[name].shape
    del file[name]
    make(file, name, shape)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda f, n, s: f.__setitem__(n, h5py.ExternalLink("secret.h5", "/x")), "link to another place or file"),
        (lambda f, n, s: f.__setitem__(n, h5py.SoftLink("/variable_0001")), "link to another place or file"),
        (lambda f, n, s: f.create_dataset(n, (10**9,), "f8", chunks=(10**6,)), "compressed, in pieces"),
        (lambda f, n, s: f.create_dataset(n, (10**9,), "f8"), "claims more numbers than the file has"),
        (lambda f, n, s: f.create_dataset(n, data=np.zeros((1000, 1000)), compression="gzip"), "compressed, in pieces"),
        (lambda f, n, s: f.create_dataset(n, s, "f8", external=[("secret.bin", 0, 10**6)]), "in another file"),
        (lambda f, n, s: f.create_virtual_dataset(n, _virtual(s)), "in pieces or in another file"),
        (lambda f, n, s: f.create_group(n), "not in the file"),
        (lambda f, n, s: f.create_dataset(n, data="text"), "not in the file"),
    ],
    ids=["external-link", "soft-link", "chunked", "unwritten", "bomb", "external-storage", "virtual", "group", "text"],
)
def test_hdf5_that_harms(tmp_path, monkeypatch, make, message):
    monkeypatch.chdir(tmp_path)  # where a link would be followed to
    with h5py.File("secret.h5", "w") as file:
        file["x"] = np.zeros((1, 3, 1))
    (tmp_path / "secret.bin").write_bytes(bytes(10**6))
    path = write_dp(whole_tree(), tmp_path / "model.dp")
    with h5py.File(path, "a") as file:
        place(file, "variable_0000", make)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(ReadError, match=message):
        read_model(path)
    assert sorted(tmp_path.iterdir()) == before


def _virtual(shape):
    layout = h5py.VirtualLayout(shape, "f8")
    layout[...] = h5py.VirtualSource("secret.h5", "x", (1, 3, 1))
    return layout


def test_hdf5_without_a_model(tmp_path):
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["x"] = np.zeros(3)
    with pytest.raises(ReadError, match="no attribute 'json': not a DeePMD-kit model"):
        read_model(tmp_path / "data.h5")
    with h5py.File(tmp_path / "data.h5", "a") as file:
        file.attrs["json"] = np.zeros((4, 4))
    with pytest.raises(ReadError, match="not one text"):
        read_model(tmp_path / "data.h5")


def test_a_crash_and_a_hang_of_the_library_are_errors(tmp_path, monkeypatch):
    path = write_dp(whole_tree(), tmp_path / "model.dp")
    program = tmp_path / "extract.py"
    monkeypatch.setattr(hdf5, "EXTRACT", program)
    program.write_text("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    with pytest.raises(ReadError, match="the HDF5 library crashed on it or did not end"):
        read_model(path)
    program.write_text("import time; time.sleep(60)")
    monkeypatch.setattr(hdf5, "SECONDS", 0.5)
    with pytest.raises(ReadError, match="did not end within"):
        read_model(path)
    program.write_text("print('nonsense')")
    monkeypatch.setattr(hdf5, "SECONDS", 60)
    with pytest.raises(ReadError, match="damaged HDF5"):
        read_model(path)


# Other containers


def test_a_zip_bomb(tmp_path):
    with zipfile.ZipFile(tmp_path / "model.pt2", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model/extra/model.json", b" " * 10**8)
    assert (tmp_path / "model.pt2").stat().st_size < 10**6
    with pytest.raises(ReadError, match="is compressed or encrypted"):
        read_model(tmp_path / "model.pt2")


def test_trees_that_are_nested_too_deeply(tmp_path):
    tree = whole_tree()
    inner = tree["model"]["descriptor"]
    for _ in range(40):
        inner = {"type": "hybrid", "list": [inner]}
    tree["model"]["descriptor"] = inner
    with pytest.raises(ReadError, match="nested"):
        read_model(write_json(tree, tmp_path / "model"))


@pytest.mark.parametrize(("part", "nets"), [("descriptor", "embeddings"), ("fitting", "nets")])
def test_a_net_without_layers(tmp_path, part, nets):
    tree = whole_tree()
    for net in tree["model"][part][nets]["networks"]:
        net["layers"] = []
    with pytest.raises(ReadError, match=f"a net of the {part} has no layers"):
        read_model(write_json(tree, tmp_path / "model.json"))


def test_objects_that_hold_themselves(option_models):
    """A pickle can say so."""
    with TorchArchive(option_models / "atom_exclude.pth") as archive:
        root = archive.load()
        atomic = root.attributes["atomic_model"]
        atomic.class_name = "LinearEnergyAtomicModel"
        atomic.attributes["models"] = type(atomic)("ModuleList", {"0": atomic})
        with pytest.raises(ReadError, match="nested too deeply"):
            frozen_tree(archive, root)


def test_numbers_of_another_size(tmp_path):
    made = json.loads(write_json(whole_tree(), tmp_path / "model").read_text())
    made["model"]["descriptor"]["sel"] = [2**62] * 3
    (tmp_path / "model").write_text(json.dumps(made))
    with pytest.raises(PybuildError, match="davg have shape"):
        read_model(tmp_path / "model")
