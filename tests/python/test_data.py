# SPDX-License-Identifier: MIT
"""Training data: systems, scripts, and the smallest distance, also on several ranks."""

import itertools
import json
import logging
import shutil
import subprocess
import sys

import numpy as np
import pytest
from command_line import ENVIRONMENT, mpirun

from pybuild.errors import InputError
from pybuild.readers import read_model
from pybuild.structures.data import open_system, telling_frames
from pybuild.structures.data_search import find_systems, systems_of_script
from pybuild.structures.min_distance import scan
from pybuild.structures.probe import with_parameters

CELL = np.array([[6.0, 0.0, 0.0], [1.0, 5.5, 0.0], [-0.5, 0.3, 6.5]])
TYPES = np.array([0, 1, 1, 0, 1])
RCUT = 6.0
CLOSE = 1e-12  # the same distances in another order of subtraction


def write_system(folder, seed=0, sets=(2, 1), cell=CELL, dtype=np.float64, names=("O", "H"), types=TYPES):
    """Random frames; returns all positions (frames, atoms, 3) as stored."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    (folder / "type.raw").write_text("\n".join(map(str, types)))
    if names:
        (folder / "type_map.raw").write_text("\n".join(names) + "\n")
    if cell is None:
        (folder / "nopbc").touch()
    positions = []
    for k, n in enumerate(sets):
        part = folder / f"set.{k:03d}"
        part.mkdir()
        coord = (rng.uniform(0, 1, (n, len(types), 3)) @ CELL).astype(dtype)
        np.save(part / "coord.npy", coord.reshape(n, -1))
        if cell is not None:
            np.save(part / "box.npy", np.tile(cell.reshape(1, 9), (n, 1)).astype(dtype))
        positions.append(coord.astype(np.float64))
    return np.concatenate(positions)


def brute_force(positions, cell, types, n_types):
    """Smallest distances by type over frames, from all images -2 .. 2."""
    out = np.full((n_types, n_types), np.inf)
    shifts = list(itertools.product(range(-2, 3), repeat=3)) if cell is not None else [(0, 0, 0)]
    for frame in positions:
        for shift in shifts:
            d = np.linalg.norm(frame[None] + (np.array(shift) @ cell if cell is not None else 0.0) - frame[:, None], axis=2)
            if shift == (0, 0, 0):
                np.fill_diagonal(d, np.inf)
            np.minimum.at(out, (types[:, None], types[None, :]), d)
    return out


@pytest.mark.parametrize("cell", [CELL, None])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_smallest_distances(tmp_path, cell, dtype):
    positions = write_system(tmp_path / "a", cell=cell, dtype=dtype)
    system = open_system(tmp_path / "a", ("O", "H"))
    assert system.n_frames == 3
    stored = None if cell is None else cell.astype(dtype).astype(np.float64)
    found = scan([system], 2, RCUT)
    expected = brute_force(positions, stored, TYPES, 2)
    np.testing.assert_allclose(found.by_pair, expected, atol=CLOSE, rtol=0)
    np.testing.assert_array_equal(found.by_pair, found.by_pair.T)
    assert found.overall == found.by_pair.min()
    assert found.n_frames == 3


def test_an_atom_and_its_own_image_count(tmp_path):
    write_system(tmp_path / "a", types=np.array([0]), cell=np.diag([2.5, 6.0, 6.0]))
    found = scan([open_system(tmp_path / "a", ("O", "H"))], 2, RCUT)
    assert np.isinf(found.by_pair).tolist() == [[False, True], [True, True]]  # H was never met
    np.testing.assert_allclose(found.by_pair_or(3.0), 2.5, atol=CLOSE)  # the smallest distance known
    np.testing.assert_allclose(found.by_pair_or(0.9), [[2.5, 0.9], [0.9, 0.9]], atol=CLOSE)


def test_types_are_mapped_by_name_and_several_systems_are_joined(tmp_path):
    one = write_system(tmp_path / "x" / "a", seed=1, names=("H", "O"))
    two = write_system(tmp_path / "x" / "deep" / "b", seed=2, names=None)
    systems = [open_system(path, ("O", "H")) for path in find_systems([tmp_path / "x"])]
    assert [s.path.name for s in systems] == ["a", "b"]
    expected = np.minimum(brute_force(one, CELL, 1 - TYPES, 2), brute_force(two, CELL, TYPES, 2))
    np.testing.assert_allclose(scan(systems, 2, RCUT).by_pair, expected, atol=CLOSE)


def test_mixed_compositions(tmp_path):
    """real_atom_types.npy: types per frame, -1 for no atom."""
    positions = write_system(tmp_path / "a", types=np.zeros(5, dtype=int), sets=(2,), cell=None)
    real = np.array([[0, 1, 1, -1, -1], [1, 1, 0, 0, -1]])
    np.save(tmp_path / "a" / "set.000" / "real_atom_types.npy", real)
    system = open_system(tmp_path / "a", ("O", "H"))
    frame = system.frame(0)
    np.testing.assert_array_equal(frame.types, [0, 1, 1])
    parts = [brute_force(positions[k : k + 1, real[k] >= 0], None, real[k][real[k] >= 0], 2) for k in range(2)]
    expected = np.minimum(*parts)
    expected[~np.isfinite(expected)] = expected.min()
    np.testing.assert_allclose(scan([system], 2, RCUT).by_pair, expected, atol=CLOSE)


def test_mixed_compositions_use_the_elements_in_use(tmp_path):
    """type.raw counts the atoms only; names of the type map that no atom has may be foreign."""
    folder = tmp_path / "a"
    positions = write_system(folder, types=np.zeros(5, dtype=int), sets=(2,), names=("Ac", "O", "H", "Na"))
    real = np.array([[1, 2, 2, 1, 1], [2, 2, 1, 1, -1]])
    np.save(folder / "set.000" / "real_atom_types.npy", real)
    found = scan([open_system(folder, ("O", "H"))], 2, RCUT)
    parts = [brute_force(positions[k : k + 1, real[k] >= 0], CELL, real[k][real[k] >= 0] - 1, 2) for k in range(2)]
    np.testing.assert_allclose(found.by_pair, np.minimum(*parts), atol=CLOSE)
    assert found.n_atoms == 9
    real[1, 2] = 3
    np.save(folder / "set.000" / "real_atom_types.npy", real)
    with pytest.raises(InputError, match=r"set\.000, frame 1: has atoms of element Na, which is not in the model"):
        scan([open_system(folder, ("O", "H"))], 2, RCUT)


def test_sets_without_frames_are_skipped_and_said(tmp_path, caplog):
    positions = write_system(tmp_path / "a", sets=(2,))
    empty = tmp_path / "a" / "set.001"
    empty.mkdir()
    np.save(empty / "coord.npy", np.zeros((0, 15)))
    np.save(empty / "box.npy", np.zeros((0, 9)))
    with caplog.at_level(logging.INFO, "pybuild"):
        system = open_system(tmp_path / "a", ("O", "H"))
    assert "a/set.001: no frames in it; skipped" in caplog.text
    found = scan([system], 2, RCUT)
    assert found.n_frames == 2
    np.testing.assert_allclose(found.by_pair, brute_force(positions, CELL, TYPES, 2), atol=CLOSE)
    shutil.rmtree(tmp_path / "a" / "set.000")
    with pytest.raises(InputError, match="no frames in 1 systems"):
        scan([open_system(tmp_path / "a", ("O", "H"))], 2, RCUT)


def test_the_closest_atoms_are_named(tmp_path):
    """File, frame and atoms of the smallest distance over all systems, by brute force."""
    data = [write_system(tmp_path / name, seed=k, sets=(2, 2)) for k, name in enumerate("abc")]
    systems = [open_system(path, ("O", "H")) for path in find_systems([tmp_path])]
    found = scan(systems, 2, RCUT)
    smallest = [[brute_force(frame[None], CELL, TYPES, 2).min() for frame in frames] for frames in data]
    k, frame = np.unravel_index(np.argmin(smallest), (3, 4))
    assert found.closest.name == f"{tmp_path}/{'abc'[k]}/set.{frame // 2:03d}, frame {frame % 2}"
    assert found.closest.distance == found.overall
    pair = data[k][frame][list(found.closest.atoms)]
    shifts = np.array(list(itertools.product((-1, 0, 1), repeat=3))) @ CELL
    assert np.linalg.norm(pair[1] - pair[0] + shifts, axis=1).min() == pytest.approx(found.overall, abs=CLOSE)
    assert found.closest.types == tuple(TYPES[list(found.closest.atoms)])
    assert (found.n_systems, found.n_frames, found.n_atoms) == (3, 12, 60)


def test_a_cell_in_other_units_does_not_run_for_ever(tmp_path):
    write_system(tmp_path / "a", cell=CELL * 1e-4)
    with pytest.raises(InputError, match=r"set\.000, frame 0: 5 atoms in .* cubic angstrom are denser than any matter"):
        scan([open_system(tmp_path / "a", ("O", "H"))], 2, RCUT)
    write_system(tmp_path / "b", cell=CELL * np.array([[1e-6], [1e6], [1.0]]))  # as thin, but wide enough for its atoms
    with pytest.raises(InputError, match=r"set\.000, frame 0: the cell is only .* A thick: .* are lengths in angstrom"):
        scan([open_system(tmp_path / "b", ("O", "H"))], 2, RCUT)


def test_the_same_place_is_an_error_that_says_where(tmp_path):
    positions = np.round(write_system(tmp_path / "a", sets=(3,)) * 4) / 4 + np.arange(5)[:, None] / 64
    positions[1, 3] = positions[1, 0] + [8.0, 0.0, -8.0]  # exactly the place of an image of atom 0
    np.save(tmp_path / "a" / "set.000" / "coord.npy", positions.reshape(3, -1))
    np.save(tmp_path / "a" / "set.000" / "box.npy", np.tile(np.diag([8.0, 8.0, 8.0]).reshape(1, 9), (3, 1)))
    with pytest.raises(InputError, match=r"set\.000, frame 1: atoms 0 and 3 .* same place"):
        scan([open_system(tmp_path / "a", ("O", "H"))], 2, RCUT)


def test_nothing_within_the_cutoff(tmp_path):
    write_system(tmp_path / "a", cell=None)
    np.save(tmp_path / "a" / "set.000" / "coord.npy", 100.0 * np.arange(30.0).reshape(2, 15))
    np.save(tmp_path / "a" / "set.001" / "coord.npy", 100.0 * np.arange(15.0).reshape(1, 15))
    with pytest.raises(InputError, match="no two atoms closer"):
        scan([open_system(tmp_path / "a", ("O", "H"))], 2, RCUT)


def test_frames_are_chosen_by_what_they_hold(tmp_path):
    """Two frames of a crystal between hundreds of isolated atoms, and one with the closest pair."""
    crystal = 2.5 * np.stack(np.meshgrid(*[np.arange(3.0)] * 3), -1).reshape(-1, 3)
    pair = np.array([[0.0, 0.0, 0.0], [0.9, 0.0, 0.0]])
    for name, positions, frames in (
        ("a", np.zeros((1, 3)), 300),
        ("m", crystal, 2),
        ("p", pair, 1),
        ("z", np.zeros((1, 3)), 300),
    ):
        folder = tmp_path / name / "set.000"
        folder.mkdir(parents=True)
        (folder.parent / "type.raw").write_text("\n".join(["0"] * len(positions)))
        (folder.parent / "nopbc").touch()
        np.save(folder / "coord.npy", np.tile(positions.reshape(1, -1), (frames, 1)))
    systems = [open_system(path, ("O", "H")) for path in find_systems([tmp_path])]
    frames = telling_frames(systems, 2, 4.0, 3, 1000)
    assert len(frames) == 3
    assert {str(tmp_path / "m"), str(tmp_path / "p")} <= {f.name.split("/set")[0] for f in frames}
    assert [len(f.types) for f in telling_frames(systems, 2, 4.0, 3, 1)] == [27]
    assert telling_frames([], 2, 4.0, 3, 1000) == []


def script(folder, systems, **training):
    path = folder / "input.json"
    path.write_text(json.dumps({"training": {"training_data": {"systems": systems, **training}}}))
    return path


def test_training_script(tmp_path):
    for name in ("data/a", "data/deep/b", "more/c"):
        write_system(tmp_path / name)
    (tmp_path / "run").mkdir()
    names = {
        "../data": ["a", "b"],
        str(tmp_path / "data"): ["a", "b"],
    }
    for given, expected in names.items():
        assert [p.name for p in systems_of_script(script(tmp_path / "run", given))] == expected
    assert [p.name for p in systems_of_script(script(tmp_path / "run", ["../more/c", "../data/deep"]))] == ["c", "b"]
    assert [p.name for p in systems_of_script(script(tmp_path, "data", rglob_patterns=["b", "x*"]))] == ["b"]


def test_multi_task_script(tmp_path):
    write_system(tmp_path / "a")
    path = tmp_path / "input.json"
    branches = {"one": {"training_data": {"systems": ["a"]}}}
    path.write_text(json.dumps({"training": {"data_dict": branches}}))
    assert [p.name for p in systems_of_script(path, "one")] == ["a"]
    with pytest.raises(InputError, match="--head: one"):
        systems_of_script(path)


BAD_SYSTEMS = {
    "no type.raw": lambda a: (a / "type.raw").unlink(),
    "type.raw: atom types must be whole numbers": lambda a: (a / "type.raw").write_text("0 O"),
    "from 0 on for every atom": lambda a: (a / "type.raw").write_text("0 -1 1 0 1"),
    "no folder set.*raw_to_set": lambda a: [
        *(shutil.rmtree(p) for p in a.glob("set.*")),
        (a / "coord.raw").write_text("0 0 0\n"),
    ],
    "no folder set": lambda a: [shutil.rmtree(p) for p in a.glob("set.*")],
    "element X is not in the model": lambda a: (a / "type_map.raw").write_text("O X"),
    "1 names, but type.raw has type 1": lambda a: (a / "type_map.raw").write_text("O"),
    "coord.npy: shape": lambda a: (a / "type.raw").write_text("0 1 1"),
    "coord.npy: cannot be read": lambda a: (a / "set.000" / "coord.npy").write_bytes(b"\x93NUMPY"),
    "nopbc": lambda a: (a / "set.000" / "box.npy").unlink(),
    "frames of 9 numbers": lambda a: np.save(a / "set.000" / "box.npy", np.zeros((1, 9))),
    "denser than any matter": lambda a: np.save(a / "set.000" / "box.npy", np.tile(0.6 * np.eye(3).ravel(), (2, 1))),
    "the cell has no volume": lambda a: np.save(a / "set.000" / "box.npy", np.zeros((2, 9))),
    "not finite": lambda a: np.save(a / "set.000" / "coord.npy", np.full((2, 15), np.nan)),
    "numbers are needed": lambda a: np.save(a / "set.000" / "coord.npy", np.full((2, 15), "x")),
}


@pytest.mark.parametrize("message", BAD_SYSTEMS)
def test_bad_systems(tmp_path, message):
    write_system(tmp_path / "a")
    BAD_SYSTEMS[message](tmp_path / "a")
    with pytest.raises(InputError, match=message.replace("no type.raw", "type.raw")):
        scan([open_system(path, ("O", "H")) for path in find_systems([tmp_path / "a"])], 2, RCUT)


def test_pickled_arrays_are_not_loaded(tmp_path):
    write_system(tmp_path / "a")
    np.save(tmp_path / "a" / "set.000" / "coord.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="cannot be read"):
        open_system(tmp_path / "a", ("O", "H"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("[]", "no section 'training'"),
        ('{"training": {}}', "training_data.systems must be"),
        ('{"training": {"training_data": {"systems": [1]}}}', "training_data.systems must be"),
        ('{"training": {"training_data": {"systems": "nowhere"}}}', "no such folder"),
    ],
)
def test_bad_scripts(tmp_path, text, message):
    path = tmp_path / "input.json"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        systems_of_script(path)
    with pytest.raises(InputError, match="No such file"):
        systems_of_script(tmp_path / "missing.json")


SCAN = """
import sys
import pybuild
from pybuild.structures.data import open_system
from pybuild.structures.data_search import find_systems
from pybuild.structures.min_distance import scan
from pybuild.ranks import communicator
comm = communicator()
assert (comm is None) == (sys.argv[2] == "1"), "the launcher was not recognised"
systems = [open_system(p, ("O", "H")) for p in find_systems([sys.argv[1]])]
found = scan(systems, 2, 6.0, comm)
if comm is None or comm.Get_rank() == 0:
    print(found.overall.hex(), [x.hex() for x in found.by_pair.ravel().tolist()], found.n_frames)
"""


def run_scan(folder, ranks):
    launch = [] if ranks == 1 else mpirun(ranks)
    command = [*launch, sys.executable, "-c", SCAN, str(folder), str(ranks)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=ENVIRONMENT)


def test_same_result_on_any_number_of_ranks(tmp_path):
    for k in range(3):
        write_system(tmp_path / f"{k}", seed=k, sets=(4, 3))
    outputs = [run_scan(tmp_path, ranks) for ranks in (1, 2, 3)]
    assert all(done.returncode == 0 for done in outputs), outputs
    assert outputs[0].stdout
    assert len({done.stdout for done in outputs}) == 1


def test_an_error_on_one_rank_ends_all(tmp_path):
    write_system(tmp_path / "a", sets=(3,))
    coord = np.load(tmp_path / "a" / "set.000" / "coord.npy")
    coord[1, 3:6] = coord[1, 0:3]
    np.save(tmp_path / "a" / "set.000" / "coord.npy", coord)
    done = run_scan(tmp_path, 2)
    assert done.returncode != 0
    assert done.stderr.count("frame 1: atoms 0 and 1 (counted from 0)") == 2


def write_parameters(folder, fparam, aparam, sets=(2, 1)):
    """The same rows for every set, cut to its frames."""
    for k, n in enumerate(sets):
        np.save(folder / f"set.{k:03d}" / "fparam.npy", fparam[:n])
        np.save(folder / f"set.{k:03d}" / "aparam.npy", aparam[:n])


def test_parameters_of_frames(tmp_path, option_models):
    """They are those that a build takes; a model without any looks at none."""
    write_system(tmp_path / "a", names=("A", "B"))
    fparam, aparam = np.array([[0.5, -3.0], [0.25, 7.0]]), np.arange(10.0).reshape(2, 5)
    write_parameters(tmp_path / "a", fparam, aparam.astype(np.float32))
    model = read_model(option_models / "parameters.pth")
    system = open_system(tmp_path / "a", model.type_map)
    frames = [system.frame(k) for k in range(3)]
    for of_build in (frames, with_parameters(model, frames)):
        for frame, row in zip(of_build, (0, 1, 0), strict=True):
            np.testing.assert_array_equal(frame.fparam, fparam[row])
            np.testing.assert_array_equal(frame.aparam, aparam[row][:, None])
    without = with_parameters(read_model(option_models / "silut.pth"), frames)
    assert all(frame.fparam is None and frame.aparam is None for frame in without)


def test_frames_without_parameters_get_made_ones(tmp_path, option_models):
    write_system(tmp_path / "a", names=("A", "B"))
    write_parameters(tmp_path / "a", np.array([0.5, 1.5]), np.zeros((2, 5)), sets=(2,))  # the second set has none
    one = open_system(tmp_path / "a", ("A", "B")).frame(0)
    assert one.fparam.tolist() == [0.5]
    (made,) = with_parameters(read_model(option_models / "parameters.pth"), [open_system(tmp_path / "a", ("A", "B")).frame(2)])
    assert (made.fparam.shape, made.aparam.shape) == ((2,), (5, 1))


@pytest.mark.parametrize(
    ("fparam", "aparam", "message"),
    [
        (np.zeros((2, 0)), np.zeros((2, 5)), r"fparam.npy: shape \(2, 0\); numbers for each frame"),
        (np.zeros((1, 2)), np.zeros((2, 5)), "fparam.npy: shape .*; 2 frames of 2 numbers"),
        (np.zeros((2, 2)), np.zeros((2, 6)), r"aparam.npy: shape \(2, 6\); numbers for each of 5 atoms"),
        (np.zeros((2, 2), dtype="U3"), np.zeros((2, 5)), "fparam.npy: numbers are needed"),
        (np.zeros((2, 2)), np.full((2, 5), np.nan), "frame 0: aparam.npy has numbers that are not finite"),
        (np.zeros((2, 3)), np.zeros((2, 5)), "frame 0: fparam.npy has 3 numbers each, the model takes 2"),
        (np.zeros((2, 2)), np.zeros((2, 10)), "frame 0: aparam.npy has 2 numbers each, the model takes 1"),
    ],
)
def test_wrong_parameters(tmp_path, option_models, fparam, aparam, message):
    write_system(tmp_path / "a", sets=(2,), names=("A", "B"))
    write_parameters(tmp_path / "a", fparam, aparam, sets=(2,))
    with pytest.raises(InputError, match=message):
        with_parameters(read_model(option_models / "parameters.pth"), [open_system(tmp_path / "a", ("A", "B")).frame(0)])
