# SPDX-License-Identifier: MIT
"""Where training data are found: links, HDF5 files, glob patterns, input scripts. What is asked for is found, or said."""

import json
import logging
import os
import sys

import numpy as np
import pytest

from pybuild.errors import InputError
from pybuild.structures.data import open_system
from pybuild.structures.data_search import find_systems, systems_of_script
from pybuild.structures.min_distance import scan

TYPES = ("O", "H")
CELL = np.diag([6.0, 7.0, 8.0])


def positions(distance, frames=1):
    """Two atoms at this distance and a third one far from both."""
    one = np.array([[1.0, 1.0, 1.0], [1.0 + distance, 1.0, 1.0], [4.0, 4.0, 5.0]])
    return np.tile(one.reshape(1, -1), (frames, 1))


def files(distance, types=(0, 1, 1), frames=1, **more):
    """A system's files by name."""
    return {
        "type.raw": np.array(types),
        "type_map.raw": list(TYPES),
        "set.000": {"coord.npy": positions(distance, frames), "box.npy": np.tile(CELL.reshape(1, 9), (frames, 1)), **more},
    }


def write(folder, distance=1.0, **changes):
    for name, content in files(distance, **changes).items():
        if isinstance(content, dict):
            (folder / name).mkdir(parents=True)
            for inner, array in content.items():
                np.save(folder / name / inner, array)
        else:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text("\n".join(map(str, content)) + "\n")
    return folder


def closest(places, patterns=None):
    return scan([open_system(place, TYPES) for place in find_systems(places, patterns)], 2, 6.0)


# Links


def test_linked_folders_are_entered(tmp_path):
    write(tmp_path / "data" / "real", 1.5)
    write(tmp_path / "store" / "deep" / "close", 0.5)
    (tmp_path / "data" / "linked").symlink_to("../store")
    found = closest([tmp_path / "data"])
    assert found.n_systems == 2
    assert found.overall == pytest.approx(0.5, abs=1e-12)
    assert found.closest.name == f"{tmp_path}/data/linked/deep/close/set.000, frame 0"
    (tmp_path / "data" / "direct").symlink_to("../store/deep/close")  # the same folder by another way
    assert closest([tmp_path / "data"]).n_systems == 2
    assert closest([tmp_path / "data", tmp_path / "store", tmp_path / "data" / "direct"]).n_systems == 2


def test_linked_parts_of_a_system(tmp_path):
    whole = write(tmp_path / "whole", 0.7)
    parts = tmp_path / "parts"
    parts.mkdir()
    for name in ("type.raw", "type_map.raw", "set.000"):
        (parts / name).symlink_to(whole / name)
    assert closest([parts]).overall == pytest.approx(0.7, abs=1e-12)


def test_links_in_a_circle_end(tmp_path):
    data = write(tmp_path / "a" / "system").parent
    for k in range(4):
        (data / f"loop{k}").symlink_to(tmp_path)
    (data / "self").symlink_to("self")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "back").symlink_to(data)
    (data / "forth").symlink_to(tmp_path / "b")
    assert len(find_systems([tmp_path])) == 1


def test_a_link_that_leads_nowhere_is_said(tmp_path, caplog):
    write(tmp_path / "data" / "a")
    (tmp_path / "data" / "b").symlink_to("/nowhere/at/all")
    with caplog.at_level(logging.INFO, "pybuild"):
        assert len(find_systems([tmp_path / "data"])) == 1
    assert "data/b: the link leads nowhere (/nowhere/at/all); skipped" in caplog.text
    with pytest.raises(InputError, match="no such folder or file, the link leads to /nowhere/at/all"):
        find_systems([tmp_path / "data" / "b"])


# Patterns


def test_glob_patterns_as_places(tmp_path, caplog):
    for name in ("iter.000/data.0", "iter.000/data.1", "iter.001/data.0", "other"):
        write(tmp_path / name)
    assert len(find_systems([f"{tmp_path}/iter.*/data.0"])) == 2
    assert len(find_systems([f"{tmp_path}/iter.*"])) == 3
    assert len(find_systems([f"{tmp_path}/**/data.1"])) == 1
    (tmp_path / "iter.002").symlink_to("gone")
    with caplog.at_level(logging.INFO, "pybuild"):
        assert len(find_systems([f"{tmp_path}/iter.*"])) == 3
    assert "iter.002: the link leads nowhere" in caplog.text
    with pytest.raises(InputError, match="no such folder"):
        find_systems([f"{tmp_path}/iter.*/data.7"])


def test_names_that_look_like_patterns(tmp_path):
    write(tmp_path / "run[1]")
    assert len(find_systems([tmp_path / "run[1]"])) == 1


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (["a"], ["a"]),
        (["deep/*"], ["b", "c"]),
        (["a", "c"], ["a", "c"]),
        (["**/c"], ["c"]),
        (["x/**/b"], ["b"]),
        (["d*"], ["d"]),  # a link
    ],
)
def test_rglob_patterns(tmp_path, patterns, expected):
    data = tmp_path / "data"
    for name in ("a", "x/deep/b", "deep/c"):
        write(data / name)
    write(tmp_path / "elsewhere")
    (data / "d_linked").symlink_to("../elsewhere")
    found = sorted(place.name[0] for place in find_systems([data], patterns))
    assert found == expected
    (tmp_path / "x.lmdb").mkdir()
    (tmp_path / "x.lmdb" / "data.mdb").touch()
    with pytest.raises(InputError, match=r"x\.lmdb: LMDB databases are not read; .*--min-nbor-dist R"):
        find_systems([tmp_path / "x.lmdb"])
    with pytest.raises(InputError, match="that fits y"):
        find_systems([data], ["y"])


# HDF5


@pytest.fixture
def h5py():
    return pytest.importorskip("h5py", reason="HDF5 data need h5py")


def write_hdf5(h5py, path, systems):
    """systems: group -> files; texts as dpdata writes them."""

    def put(group, content):
        for name, value in content.items():
            if isinstance(value, dict):
                put(group.create_group(name), value)
            else:
                group[name] = np.array(value, dtype=h5py.string_dtype()) if isinstance(value, list) else value

    with h5py.File(path, "w") as file:
        for group, content in systems.items():
            put(file.require_group(group), content)
    return path


def test_hdf5_files(tmp_path, h5py):
    both = {"/a": files(1.5, frames=2), "/deep/b": files(0.8) | {"nopbc": True}}
    path = write_hdf5(h5py, tmp_path / "all.hdf5", both)
    found = closest([path])
    assert (found.n_systems, found.n_frames, found.n_atoms) == (2, 3, 9)
    assert found.closest.name == f"{path}#/deep/b/set.000, frame 0"
    assert found.overall == pytest.approx(0.8, abs=1e-12)
    assert closest([f"{path}#/a"]).overall == pytest.approx(1.5, abs=1e-12)
    assert closest([f"{path}#/deep", f"{path}#deep/b", path]).n_systems == 2
    assert closest([f"{tmp_path}/*.hdf5"]).n_systems == 2
    assert [place.name for place in find_systems([path], ["deep/*"])] == ["b"]


def test_hdf5_and_folders_give_the_same(tmp_path, h5py):
    rng = np.random.default_rng(1)
    content = files(1.0, frames=3)
    content["set.000"]["coord.npy"] = rng.uniform(0, 6, (3, 9))
    path = write_hdf5(h5py, tmp_path / "a.hdf5", {"/": content})
    np.save(write(tmp_path / "a", frames=3) / "set.000" / "coord.npy", content["set.000"]["coord.npy"])
    one, other = closest([path]), closest([tmp_path / "a"])
    assert one.overall == other.overall
    np.testing.assert_array_equal(one.by_pair, other.by_pair)
    assert one.closest.atoms == other.closest.atoms


def test_hdf5_links_in_a_circle_end(tmp_path, h5py):
    path = write_hdf5(h5py, tmp_path / "a.hdf5", {"/a": files(1.0)})
    with h5py.File(path, "a") as file:
        file["a/up"] = h5py.SoftLink("/")
        file["again"] = file["a"]
        file["gone"] = h5py.SoftLink("/nothing")
    assert len(find_systems([path])) == 1


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("a.hdf5#/b", "no such group; there are: a"),
        ("text.hdf5", "neither a folder nor an HDF5 file .*--min-nbor-dist"),
        ("text.hdf5#/a", "neither a folder nor an HDF5 file"),
        ("missing.hdf5#/a", "no such folder or file"),
    ],
)
def test_bad_hdf5(tmp_path, h5py, place, message):
    write_hdf5(h5py, tmp_path / "a.hdf5", {"/a": files(1.0)})
    (tmp_path / "text.hdf5").touch()
    with pytest.raises(InputError, match=message):
        find_systems([tmp_path / place])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"type.raw": np.array([0, 1])}, r"a.hdf5#/a/set.000/coord.npy: shape \(1, 9\)"),
        ({"type.raw": ["0", "O", "1"]}, "atom types must be whole numbers"),
        ({"type_map.raw": ["O", "X"]}, "element X is not in the model"),
        ({"set.000": {"coord.npy": positions(1.0)}}, "box.npy: no such dataset; open boundaries are marked by a file 'nopbc'"),
        ({"set.000": {"coord.npy": ["x"]}}, "numbers are needed"),
        ({"set.000": np.zeros(3)}, "no folder set"),
    ],
)
def test_bad_hdf5_systems(tmp_path, h5py, change, message):
    path = write_hdf5(h5py, tmp_path / "a.hdf5", {"/a": files(1.0) | change})
    with pytest.raises(InputError, match=message):
        closest([path])


def test_without_h5py_the_way_out_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    (tmp_path / "all.hdf5").touch()
    script = tmp_path / "in.json"
    script.write_text(json.dumps({"training": {"training_data": {"systems": ["all.hdf5#/a"]}}}))
    with pytest.raises(InputError, match=r"need h5py: pip install h5py .extra 'hdf5'.*--min-nbor-dist R"):
        systems_of_script(script)


# Input scripts


YAML = """
training:
  training_data: {systems: [data/a, "data/b*"], batch_size: auto}
"""


@pytest.mark.parametrize("name", ["input.yaml", "input.yml"])
def test_yaml_scripts(tmp_path, name):
    pytest.importorskip("yaml", reason="YAML scripts need PyYAML")
    for system in ("a", "b1", "b2", "c"):
        write(tmp_path / "data" / system)
    (tmp_path / name).write_text(YAML)
    assert [place.name for place in systems_of_script(tmp_path / name)] == ["a", "b1", "b2"]
    (tmp_path / name).write_text("training: [")
    with pytest.raises(InputError, match="not YAML"):
        systems_of_script(tmp_path / name)


def test_without_yaml_the_way_out_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "yaml", None)
    (tmp_path / "input.yaml").write_text(YAML)
    with pytest.raises(InputError, match=r"pip install pyyaml .*--training-data"):
        systems_of_script(tmp_path / "input.yaml")


def test_relative_to_the_script_else_to_the_current_folder(tmp_path, monkeypatch, caplog):
    """DeePMD-kit takes the current folder; a script is often used from elsewhere."""
    write(tmp_path / "work" / "data" / "here", 1.2)
    (tmp_path / "scripts").mkdir()
    script = tmp_path / "scripts" / "input.json"
    script.write_text(json.dumps({"training": {"training_data": {"systems": ["data"]}}}))
    monkeypatch.chdir(tmp_path / "work")
    assert [place.name for place in systems_of_script(script)] == ["here"]
    write(tmp_path / "scripts" / "data" / "beside", 1.3)
    with caplog.at_level(logging.INFO, "pybuild"):
        assert [place.name for place in systems_of_script(script)] == ["beside"]
    assert "the one beside the script is taken" in caplog.text
    monkeypatch.chdir(tmp_path)
    assert [place.name for place in systems_of_script(os.path.relpath(script))] == ["beside"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"training": {"training_data": {"systems": "a", "rglob_patterns": "b"}}}', "rglob_patterns must be a list"),
        ('{"training": {"data_dict": {"one": 3}}}', "not a section"),
        ("[" * 100000, "not JSON"),
    ],
)
def test_bad_scripts(tmp_path, text, message):
    write(tmp_path / "a")
    (tmp_path / "input.json").write_text(text)
    with pytest.raises(InputError, match=message):
        systems_of_script(tmp_path / "input.json", "one")
