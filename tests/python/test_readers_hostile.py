# SPDX-License-Identifier: MIT
"""Files made to harm: nothing that a pickle names is run, and every damaged archive gives a ReadError that says what is wrong."""

import os
import pickle
import random
import struct
import zipfile

import numpy as np
import pytest

from pybuild.errors import PybuildError, ReadError
from pybuild.readers import read_model
from pybuild.readers.files import restricted_pickle
from pybuild.readers.files.torch_archive import TorchArchive

STORAGE = (
    b"(X\x07\x00\x00\x00storagectorch\nDoubleStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpu"  # up to the number of elements
)
N_MUTANTS = 150  # of each kind; 12,000 were run once without another exception than a PybuildError


def _write(path, data, **entries):
    """A torch archive with this pickle; entries by name, "_" for "/"."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model/data.pkl", data)
        for name, content in entries.items():
            archive.writestr("model/" + name.replace("_", "/"), content)
    return path


class Payload:
    """Pickles to a call of os.system that makes a file."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


# Code in the pickle


@pytest.mark.parametrize(
    "wrap",
    [lambda p: p, lambda p: {"model": {"_extra_state": p}}, lambda p: [1, (2, {"a": [p]})]],
    ids=["bare", "state", "nested"],
)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_system_call(tmp_path, protocol, wrap):
    marker = tmp_path / "marker"
    data = pickle.dumps(wrap(Payload(marker)), protocol)
    pickle.loads(data)
    assert marker.exists()  # the payload works where it is let
    marker.unlink()
    with pytest.raises(ReadError, match="refused: the pickle holds") as caught:
        read_model(_write(tmp_path / "model.pth", data))
    assert "none of it was run" in str(caught.value)
    if protocol == 2:
        assert f"'{os.system.__module__}.system'" in str(caught.value)  # the protocol that torch writes: named
    assert not marker.exists()


def _global(module, name):
    return f"c{module}\n{name}\n".encode()


HOSTILE = {
    "eval": (_global("builtins", "eval") + b"X\x03\x00\x00\x001+1\x85R", "name 'builtins.eval'"),
    "stack global": (b"\x8c\x05posix\x8c\x06system\x93", "SHORT_BINUNICODE"),
    "stack global, long texts": (b"X\x05\x00\x00\x00posixX\x06\x00\x00\x00system\x93", "STACK_GLOBAL of 'posix.system'"),
    "inst": (b"(X\x02\x00\x00\x00lsiposix\nsystem\n", "INST"),
    "obj": (b"(cposix\nsystem\nX\x02\x00\x00\x00lso", "name 'posix.system'"),
    "extension": (b"\x82\x01", "EXT1"),
    "getattr": (_global("builtins", "getattr"), "name 'builtins.getattr'"),
    "dotted name": (
        _global("torch._utils", "_rebuild_tensor_v2.__globals__"),
        "name 'torch._utils._rebuild_tensor_v2.__globals__'",
    ),
    "torch function": (_global("torch", "load"), "name 'torch.load'"),
    "lookalike": (_global("__torch__", "x").replace(b"__torch__", b"__torch__os"), "name '__torch__os.x'"),
    "script class called": (_global("__torch__.deepmd", "Model") + b")R", "a call of '__torch__.deepmd.Model'"),
    "script class with arguments": (_global("__torch__.deepmd", "Model") + b"X\x01\x00\x00\x00a\x85\x81", "a new object of"),
    "new object of a constructor": (
        _global("collections", "OrderedDict") + b")\x81",
        "a new object of 'collections.OrderedDict'",
    ),
    "setstate on a name": (_global("collections", "OrderedDict") + b"}X\x0c\x00\x00\x00__setstate__NsbR", "a state for the name"),
    "state that is no dictionary": (_global("__torch__.a", "B") + b")\x81N\x85b", "a state for an object of 'a.B'"),
    "state twice": (_global("__torch__.a", "B") + b")\x81}b}b", "a state for an object of 'a.B'"),
    "ordered dict of": (_global("collections", "OrderedDict") + b"]\x85R", "OrderedDict with arguments"),
    "call of a text": (b"X\x02\x00\x00\x00ls)R", "unexpected a value of type str"),
    "persistent id: a text": (b"X\x04\x00\x00\x00evilQ", "not a torch storage"),
    "persistent id: short": (b"(X\x07\x00\x00\x00storagetQ", "not a torch storage"),
    "persistent id: no storage class": (STORAGE.replace(b"ctorch\nDoubleStorage\n", b"N") + b"K\x01tQ", "not a torch storage"),
    "persistent id: odd storage class": (
        STORAGE.replace(b"torch\nDoubleStorage", b"collections\nOrderedDict") + b"K\x01tQ",
        "storage of type 'collections.OrderedDict'",
    ),
    "persistent id: negative size": (STORAGE + b"J\xff\xff\xff\xfftQ", "not a torch storage"),
    "persistent id: text opcode": (b"Pevil\n", "PERSID"),
    "tensor of nothing": (_global("torch._utils", "_rebuild_tensor_v2") + b"(NNNNNNtR", "tensor without its storage"),
    "stack empty": (b"R", "stack empty"),
    "no mark": (b"]e", "no mark"),
    "odd dictionary": (b"}(K\x01u", "key without value"),
    "key of a list": (b"}]K\x01s", "as a dictionary's key"),
    "key twice": (b"}(K\x01NK\x01Nu", "key '1' twice"),
    "memo": (b"h\x07", "no memo 7"),
    "huge memo index": (b"Nr\xff\xff\xff\xff0", "POP"),
    "text of 4 GB": (b"X\xff\xff\xff\xffabc", "expected 4294967295 bytes"),
    "unknown opcode": (b"\xff", "unknown"),
    "two values": (b"NN", "does not end with one value"),
    "mark at the end": (b"(", "does not end with one value"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_refused_pickles(tmp_path, name):
    body, message = HOSTILE[name]
    with pytest.raises(ReadError) as caught:
        read_model(_write(tmp_path / "model.pth", b"\x80\x02" + body + b"."))
    assert message in str(caught.value)


def test_no_end(tmp_path):
    with pytest.raises(ReadError, match="pickle"):
        read_model(_write(tmp_path / "model.pth", b"\x80\x02N"))


def test_many_references_to_one_list_stay_small():
    """A list of two lists of two lists ...: 2^60 elements if it were ever copied or printed."""
    levels = b"".join(b"](h" + bytes([k]) + b"h" + bytes([k]) + b"eq" + bytes([k + 1]) for k in range(60))
    nested = b"\x80\x02(]q\x00" + levels + b"t"
    assert len(restricted_pickle.loads(nested + b".")) == 61
    with pytest.raises(ReadError, match="a state for a value of type tuple"):
        restricted_pickle.loads(nested + b"}b.")


def test_control_characters_do_not_reach_the_terminal(tmp_path):
    data = pickle.dumps(
        {
            "model": {
                "_extra_state": {"model_params": {"type_map": ["A"], "\x1b[31mevil\n": 1, "descriptor": {}, "fitting_net": {}}}
            }
        },
        2,
    )
    with pytest.raises(PybuildError) as caught:
        read_model(_write(tmp_path / "model.pt", data))
    assert "evil" in str(caught.value)
    assert str(caught.value).isprintable()


# Tensors and storages


def _tensor(count=4, offset=0, shape=(4,), strides=(1,)):
    ints = [b"(" + b"".join(b"\x8a\x08" + struct.pack("<q", n) for n in values) + b"t" for values in (shape, strides)]
    storage = STORAGE + b"\x8a\x08" + struct.pack("<q", count) + b"tQ"
    body = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"\x8a\x08" + struct.pack("<q", offset) + ints[0] + ints[1]
    return b"\x80\x02" + body + b"\x89ccollections\nOrderedDict\n)RtR."


NUMBERS = np.arange(4.0).astype("<f8").tobytes()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, [0, 1, 2, 3]),
        ({"shape": (2, 2), "strides": (1, 2)}, [[0, 2], [1, 3]]),
        ({"shape": (), "strides": (), "offset": 3}, 3),
    ],
)
def test_sound_tensors(tmp_path, changes, expected):
    with TorchArchive(_write(tmp_path / "t.pt", _tensor(**changes), data_0=NUMBERS)) as archive:
        array = archive.array(archive.load(), "t")
    np.testing.assert_array_equal(array, expected)
    assert array.flags.c_contiguous


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"offset": 1}, "reaches beyond data/0"),
        ({"offset": 2**40}, "reaches beyond data/0"),
        ({"offset": -1}, "offset or strides"),
        ({"shape": (5,)}, "reaches beyond data/0"),
        ({"shape": (2,), "strides": (4,)}, "reaches beyond data/0"),
        ({"shape": (2,), "strides": (2**62,)}, "reaches beyond data/0"),
        ({"shape": (2**40, 2**40), "strides": (0, 0)}, "reaches beyond data/0"),
        ({"shape": (-1,)}, "are not sizes"),
        ({"strides": (-1,)}, "are not sizes"),
        ({"strides": (1, 1)}, "do not fit its shape"),
        ({"shape": (1,) * 40, "strides": (1,) * 40}, "are not sizes"),
        ({"count": 5}, "32 bytes, but the pickle claims 5"),
        ({"count": 2**61}, "the pickle claims"),
    ],
)
def test_tensors_out_of_their_storage(tmp_path, changes, message):
    with (
        TorchArchive(_write(tmp_path / "t.pt", _tensor(**changes), data_0=NUMBERS)) as archive,
        pytest.raises(ReadError, match=message),
    ):
        archive.array(archive.load(), "t")


def test_missing_storage(tmp_path):
    with TorchArchive(_write(tmp_path / "t.pt", _tensor())) as archive, pytest.raises(ReadError, match="model/data/0 is missing"):
        archive.array(archive.load(), "t")


# The zip file


def test_big_endian(tmp_path):
    with pytest.raises(ReadError, match="byte order b'big'"):
        read_model(_write(tmp_path / "model.pt", b"\x80\x02N.", byteorder=b"big"))


def test_compressed_entry(tmp_path):
    with zipfile.ZipFile(tmp_path / "model.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model/data.pkl", b"\x80\x02N." + bytes(10_000_000))  # a bomb: 10 MB out of 10 kB
    with pytest.raises(ReadError, match=r"model/data\.pkl is compressed"):
        read_model(tmp_path / "model.pt")


def test_entry_twice(tmp_path):
    path = _write(tmp_path / "model.pt", b"\x80\x02N.")
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("model/data.pkl", b"\x80\x02}.")
    with pytest.raises(ReadError, match="in the archive twice"):
        read_model(path)


def test_overlapping_entries_that_claim_more_than_the_file(tmp_path):
    path = tmp_path / "model.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model/data.pkl", bytes(50_000))
        for k in range(20):
            copy = zipfile.ZipInfo(f"model/data/{k}")
            for field in ("file_size", "compress_size", "CRC", "header_offset"):
                setattr(copy, field, getattr(archive.filelist[0], field))
            archive.filelist.append(copy)
    with pytest.raises(ReadError, match="claim more bytes than the file has"):
        read_model(path)


def test_no_pickle_and_two_pickles(tmp_path):
    path = tmp_path / "model.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(ReadError, match=r"zip archive of readme.txt, not a torch model"):
        read_model(path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("a/data.pkl", b"N.")
        archive.writestr("b/data.pkl", b"N.")
    with pytest.raises(ReadError, match=r"2 entries \*/data.pkl"):
        read_model(path)


def test_other_torch_archives(tmp_path):
    for data in (b"\x80\x02N.", b"\x80\x02}.", pickle.dumps({"model": {"weight": 1.0}}, 2)):
        with pytest.raises(ReadError, match="neither a frozen model nor a checkpoint"):
            read_model(_write(tmp_path / "model.pt", data))


# Damage to real files


def _read_or_refuse(path, head=None):
    """The model, or None if it was refused; any exception but a PybuildError fails the test."""
    try:
        return read_model(path, head)
    except PybuildError:
        return None


def test_truncated(option_models, tmp_path):
    content = (option_models / "silut.pth").read_bytes()
    path = tmp_path / "model.pth"
    for length in range(0, len(content), 997):
        path.write_bytes(content[:length])
        with pytest.raises(ReadError):
            read_model(path)


@pytest.mark.parametrize(("name", "head"), [("atom_exclude.pth", None), ("two_heads.pt", "beta")])
def test_flipped_bits(option_models, tmp_path, name, head):
    """A bit of a tensor or of the pickle that is flipped is found by the archive's checksums; others may not matter."""
    content, rng, path = (option_models / name).read_bytes(), random.Random(1), tmp_path / "model"
    expected = read_model(option_models / name, head)
    for _ in range(N_MUTANTS):
        mutant = bytearray(content)
        mutant[rng.randrange(len(mutant))] ^= 1 << rng.randrange(8)
        path.write_bytes(mutant)
        model = _read_or_refuse(path, head)
        if model is not None:
            assert np.array_equal(model.fitting.energy_bias, expected.fitting.energy_bias)
            got, wanted = (m.descriptors[0].nets[2].layers[-1].weight for m in (model, expected))
            assert np.array_equal(got, wanted)


@pytest.mark.filterwarnings("ignore:invalid escape sequence:DeprecationWarning")  # pickletools, at a mutated name
@pytest.mark.parametrize(("name", "head"), [("atom_exclude.pth", None), ("two_heads.pt", "beta")])
def test_mutated_pickles(option_models, tmp_path, name, head):
    """With checksums that fit: whatever the pickle says, the answer is a model or a PybuildError."""
    with zipfile.ZipFile(option_models / name) as archive:
        entries = {entry: archive.read(entry) for entry in archive.namelist()}
    pickled = next(entry for entry in entries if entry.endswith("/data.pkl"))
    rng, path, read = random.Random(2), tmp_path / "model", 0
    for _ in range(N_MUTANTS):
        mutant = bytearray(entries[pickled])
        at, source, length = rng.randrange(len(mutant)), rng.randrange(len(mutant)), rng.randrange(1, 30)
        mutant[at : at + rng.choice((0, 1, length))] = mutant[source : source + rng.choice((1, length))]
        with zipfile.ZipFile(path, "w") as archive:
            for entry, content in entries.items():
                archive.writestr(entry, bytes(mutant) if entry == pickled else content)
        read += _read_or_refuse(path, head) is not None
    assert read < N_MUTANTS / 2
