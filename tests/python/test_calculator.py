# SPDX-License-Identifier: MIT
"""The ASE calculator as its users meet it: words, copies, neighbour lists that serve several steps, stress; and what `evaluate`
refuses."""

from __future__ import annotations

import copy
import operator
import os
import pickle
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pybuild import calculator
from pybuild.calculator import DPCompressed
from pybuild.compress.build import Options, build
from pybuild.errors import FormatError, InputError
from pybuild.readers import read_model
from pybuild.structures.images import list_with_images, shifts_of
from pybuild.structures.neighbours import neighbour_pairs
from pybuild.tablefile.file import from_bytes, to_bytes

pytest.importorskip("pybuild._core", reason="pybuild._core is not built")
ase = pytest.importorskip("ase", reason="ase is not installed")
pytest.importorskip("vesin", reason="vesin is not installed")

# The same pairs in another order, and other images of the same atoms: roundings of some hundred numbers of order 1 to 10.
SAME = 1e-10
MIXED = 1e-4  # eV/A: what docs/lammps.md promises of mixed precision
# Central differences over strains of 1e-5: truncation 1e-10 times a third derivative of some 1e3 eV, rounding 1e-12/1e-5.
STRAIN, SAME_STRESS = 1e-5, 1e-6
MEMBERS = {"bulk": (True, True, True), "slab": (True, True, False), "side": (False, True, True), "wire": (False, False, True)}


@pytest.fixture(scope="module")
def tables(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the small water model."""
    model = read_model(shared / "models/se_e2_a-small/model.pth")
    path = tmp_path_factory.mktemp("calculator") / "tables.bin"
    path.write_bytes(to_bytes(build(model, model.min_nbor_dist, Options()).tables))
    return path


@pytest.fixture
def water(shared: Path) -> Any:
    """The triclinic frame of the reference, periodic."""
    data = np.load(shared / "models/se_e2_a-small/reference.npz")
    return ase.Atoms([("O", "H")[t] for t in data["types"]], positions=data["positions2"], cell=data["cell2"], pbc=True)


def quiet(function: Callable[[], Any]) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function()


def numbers_of(atoms: Any) -> dict[str, Any]:
    ask = {"energy": atoms.get_potential_energy, "forces": atoms.get_forces, "energies": atoms.get_potential_energies}
    return quiet(lambda: {name: function() for name, function in ask.items()})


def assert_same(found: dict[str, Any], expected: dict[str, Any], tolerance: float = SAME) -> None:
    for name in expected:
        allowed = tolerance * np.size(expected["energies"])
        np.testing.assert_allclose(found[name], expected[name], rtol=0, atol=allowed, err_msg=name)


class TestWords:
    @pytest.mark.parametrize(
        ("words", "message"),
        [
            ({"overfow": "warn"}, 'unknown word "overfow": known are n_threads, overflow, precision, backend'),
            ({"n_thread": 8}, 'unknown word "n_thread"'),
            ({"n_threads": -3}, "n_threads is -3: expected a whole number of at least 1"),
            ({"n_threads": 0}, "n_threads is 0"),
            ({"n_threads": 10**6}, "n_threads is 1000000: expected a whole number of at least 1 and at most 4096"),
            ({"n_threads": 2.0}, "n_threads is 2.0"),
            ({"n_threads": True}, "n_threads is True"),
            ({"n_threads": "two"}, "n_threads is 'two'"),
            ({"overflow": "ignore"}, 'overflow is "ignore": expected "stop" or "warn"'),
            ({"precision": "single"}, 'precision is "single": expected "double" or "mixed"'),
            ({"precision": np.array(["double", "mixed"])}, r"precision is .*: expected "),
            ({"neighbors": None}, 'neighbors is "None": expected "trained" or "all"'),
            ({"backend": "cuda"}, 'backend is "cuda": expected "host"'),
            ({"device": -1}, "device is -1: expected the number of a GPU, 0, 1, ..., or None for the one in use"),
            ({"device": 0.0}, "device is 0.0: expected the number of a GPU"),
            ({"device": True}, "device is True: expected the number of a GPU"),
            ({"device": "gpu"}, "device is 'gpu': expected the number of a GPU"),
            ({"device": 2**31}, "device is 2147483648: expected the number of a GPU"),
            ({"device": 0}, 'device is 0, the number of a GPU, but backend is "host": set backend="gpu", or device=None'),
        ],
    )
    def test_wrong_ones(self, tables: Path, words: dict[str, Any], message: str) -> None:
        with pytest.raises(InputError, match=message):
            DPCompressed(tables, **words)
        calc = DPCompressed(tables)
        with pytest.raises(InputError, match=message):
            calc.set(**words)
        assert calc.parameters == DPCompressed.default_parameters
        if "precision" in words or "device" in words or words.get("n_threads") in (-3, 0):
            with pytest.raises(InputError, match=next(iter(words))):
                calculator.evaluate(tables, [[0, 0, 0]], [0], **words)

    def test_the_number_of_the_gpu_reaches_the_evaluator(self, tables: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        core, asked = calculator._core(), []

        def start(model: Any, n_threads: int, precision: str, backend: str, device: int, **words: Any) -> Any:
            asked.append((backend, device))
            return core.Evaluator(model, n_threads, precision, **words)

        with_gpus = SimpleNamespace(Model=core.Model, Evaluator=start, available_backends=lambda: ("host", "gpu"))
        monkeypatch.setattr(calculator, "_core", lambda: with_gpus)
        calc = DPCompressed(tables, backend="gpu", device=np.int64(1))
        assert copy.deepcopy(calc).parameters["device"] == 1
        assert calc.set(device=None) == {"device": None}
        with pytest.raises(InputError, match='device is 2, the number of a GPU, but backend is "host"'):
            calc.set(backend="host", device=2)
        assert (calc.parameters["backend"], calc.parameters["device"]) == ("gpu", None)
        calc.set(backend="host")
        calculator.evaluate(tables, [[0, 0, 0]], [0], backend="gpu", device=3)
        assert asked == [("gpu", 1), ("gpu", 1), ("gpu", -1), ("host", -1), ("gpu", 3)]

    def test_no_tables(self, tmp_path: Path) -> None:
        with pytest.raises(FormatError, match="no such file"):
            DPCompressed(tmp_path / "nothing.bin")

    def test_set_works(self, tables: Path, water: Any) -> None:
        water.calc = DPCompressed(tables, overflow="warn")
        double = numbers_of(water)
        assert water.calc.set(precision="mixed", n_threads=2) == {"precision": "mixed", "n_threads": 2}
        mixed = numbers_of(water)
        assert 0 < np.abs(mixed["forces"] - double["forces"]).max() < MIXED
        assert "mixed precision" in water.calc.evaluator.describe()
        assert "2 threads" in water.calc.evaluator.describe()
        water.calc.set(precision="double")
        assert_same(numbers_of(water), double)
        assert water.calc.set(precision="double") == {}
        assert water.calc.set(overflow="stop") == {"overflow": "stop"}
        assert water.calc.overflow == "stop"

    def test_overflow_is_heeded_after_set(self, tables: Path) -> None:
        atoms = ase.Atoms("OH", positions=[[0, 0, 0], [0, 0, 0.05]])
        atoms.calc = DPCompressed(tables)
        with pytest.raises(InputError, match="beyond the table"):
            atoms.get_potential_energy()
        atoms.calc.set(overflow="warn")
        with pytest.warns(UserWarning, match="beyond the table"):
            atoms.get_potential_energy()
        atoms.calc.set(overflow="stop")
        with pytest.raises(InputError, match="beyond the table"):
            atoms.get_potential_energy()


def energy_and_warnings(atoms: Any) -> tuple[float, list[str]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        return atoms.get_potential_energy(), [str(warning.message) for warning in caught]


class TestCopies:
    def test_deepcopy(self, tables: Path, water: Any) -> None:
        water.calc = DPCompressed(tables, overflow="warn", n_threads=2)
        expected = numbers_of(water)
        other = copy.deepcopy(water)
        assert other.calc is not water.calc
        assert other.calc.model is water.calc.model
        assert other.calc.parameters == water.calc.parameters
        assert other.calc.results["energy"] == expected["energy"]
        other.calc.reset()
        assert_same(numbers_of(other), expected)
        other.positions[0] += 0.05
        other.calc.set(overflow="stop", n_threads=1)
        assert_same(numbers_of(water), expected)
        assert water.calc.overflow == "warn"

    def test_pickle(self, tables: Path, water: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """By the absolute path, whatever the folder of the one who loads it."""
        monkeypatch.chdir(tables.parent)
        water.calc = DPCompressed(tables.name, overflow="warn", precision="mixed")
        expected = numbers_of(water)
        stored = pickle.dumps(water)
        monkeypatch.chdir(tmp_path)
        other = pickle.loads(stored)
        other.calc.reset()
        assert_same(numbers_of(other), expected)
        assert other.calc.parameters == water.calc.parameters
        assert copy.copy(other.calc).path == str(tables)

    def test_in_a_worker(self, tables: Path, water: Any) -> None:
        water.calc = DPCompressed(tables, overflow="warn")
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            in_worker = pool.submit(operator.methodcaller("get_potential_energy"), water).result()
        assert in_worker == pytest.approx(numbers_of(water)["energy"], abs=SAME * len(water))

    def test_in_a_worker_that_was_forked(self, tables: Path, water: Any) -> None:
        """From a process whose threads it does not have: one thread does the work of all, in the same order."""
        water.calc = DPCompressed(tables, overflow="warn", n_threads=2)
        expected = numbers_of(water)["energy"]
        water.calc.reset()
        with get_context("fork").Pool(1) as pool:
            found, messages = pool.apply_async(energy_and_warnings, (water,)).get(timeout=60)
        assert found == expected
        assert any("forked from one that has computed with several" in message for message in messages)

    def test_another_file_is_an_error(self, tables: Path, tmp_path: Path) -> None:
        path = tmp_path / "tables.bin"
        path.write_bytes(tables.read_bytes())
        stored = pickle.dumps(DPCompressed(path))
        pickle.loads(stored)
        content = from_bytes(tables.read_bytes())
        path.write_bytes(to_bytes(replace(content, energy_bias=content.energy_bias + 1e-9)))  # as many bytes
        assert path.stat().st_size == tables.stat().st_size
        with pytest.raises(InputError, match=r"tables\.bin is another file than when this calculator was stored"):
            pickle.loads(stored)
        path.unlink()
        with pytest.raises(FormatError, match="no such file"):
            pickle.loads(stored)


class TestLists:
    """A list serves while no atom has gone far: the numbers must be those of a list made anew."""

    def fresh(self, tables: Path, atoms: Any) -> dict[str, Any]:
        other = atoms.copy()
        other.calc = DPCompressed(tables, overflow="warn")
        return numbers_of(other)

    def test_while_atoms_move(self, tables: Path, water: Any) -> None:
        water.calc = DPCompressed(tables, overflow="warn")
        rng, n_lists, last = np.random.default_rng(4), 0, None
        velocity = rng.normal(scale=0.02, size=(len(water), 3))
        for _ in range(12):
            water.positions += velocity
            assert_same(numbers_of(water), self.fresh(tables, water))
            n_lists += water.calc._images is not last
            last = water.calc._images
        assert 1 < n_lists < 12, "some lists served, none for ever"

    @pytest.mark.parametrize("change", ["wrap", "cell", "pbc", "types", "one atom less", "far away", "one atom jumps"])
    def test_when_something_else_changes(self, tables: Path, water: Any, change: str) -> None:
        water.calc = DPCompressed(tables, overflow="warn")
        water.positions += 0.3 * water.cell.sum(axis=0)  # partly outside of the cell
        before = numbers_of(water)
        if change == "wrap":
            water.wrap()
        elif change == "cell":
            water.set_cell(water.cell * 1.001)
        elif change == "pbc":
            water.pbc = (True, False, True)
        elif change == "types":
            water.symbols[:2] = "H"
        elif change == "one atom less":
            del water[5]
        elif change == "far away":
            water.positions[::3] += np.array([7, -5, 11]) @ water.cell.array
        else:
            water.positions[7] += [0.2, 0.1, -0.3]
        found = numbers_of(water)
        assert_same(found, self.fresh(tables, water))
        if change in ("wrap", "far away"):
            assert_same(found, before)

    def test_small_cells_and_molecules(self, tables: Path) -> None:
        """Atoms that see their own images, against the pairs of another implementation."""
        rng = np.random.default_rng(8)
        for n, size, pbc in ((1, 3.0, True), (2, 2.4, True), (5, 4.0, True), (6, 9.0, False), (0, 5.0, True)):
            cell = size * (np.eye(3) + 0.2 * rng.random((3, 3)))
            atoms = ase.Atoms("OHHOHH"[:n], positions=30 * rng.random((n, 3)), cell=cell, pbc=pbc)
            atoms.calc = DPCompressed(tables, overflow="warn")
            expected = calculator.evaluate(tables, atoms.positions, ["OH".index(s) for s in atoms.symbols], cell if pbc else None)
            found = numbers_of(atoms)
            assert found["energy"] == pytest.approx(expected.energy, abs=SAME * 10)
            np.testing.assert_allclose(found["forces"], expected.forces, rtol=0, atol=SAME * 100)

    def test_points_are_where_the_vectors_say(self) -> None:
        rng = np.random.default_rng(9)
        cell = np.array([[3.0, 0.4, 0], [-0.5, 4.0, 0.3], [0.2, 0, 5.0]])
        x = rng.uniform(-40, 40, (9, 3))
        i, j, d = neighbour_pairs(x, cell, 6.0)
        mixed = rng.permutation(len(i))
        images = list_with_images(x, cell, i[mixed], j[mixed], shifts_of(x, cell, i, j, d)[mixed])
        points, centre = images.points(x), np.repeat(np.arange(9), np.diff(images.first))
        found = points[images.neighbours] - points[centre]
        for k in range(9):
            a, b = found[centre == k], d[i == k]
            np.testing.assert_allclose(a[np.lexsort(a.round(6).T)], b[np.lexsort(b.round(6).T)], atol=1e-9)
        assert len(np.unique(points.round(6), axis=0)) == len(points), "no image twice"
        values = rng.normal(size=(len(points), 2))
        expected = np.zeros((9, 2))
        np.add.at(expected, images.owner, values)
        np.testing.assert_allclose(images.fold(values), expected, atol=1e-12)


class TestStress:
    def member(self, water: Any, kind: str) -> Any:
        pbc = np.array(MEMBERS[kind])
        water.pbc = pbc
        return water

    @pytest.mark.parametrize("kind", MEMBERS)
    @pytest.mark.parametrize("vacuum", [True, False])
    def test_is_the_derivative_with_respect_to_strain(self, tables: Path, water: Any, kind: str, vacuum: bool) -> None:
        """Of the energy by strains of the periodic directions, per volume; vacuum: all cell vectors given, else periodic ones."""
        atoms = self.member(water, kind)
        if not vacuum:
            atoms.cell = atoms.cell.array * atoms.pbc[:, None]
        atoms.calc = DPCompressed(tables, overflow="warn")
        stress = quiet(lambda: atoms.get_stress(voigt=False))
        volume = atoms.cell.complete().volume
        along = np.linalg.qr(atoms.cell.array[atoms.pbc].T)[0].T  # an orthonormal basis of the periodic directions
        for a in range(len(along)):
            for b in range(a + 1):
                strain = 0.5 * (np.outer(along[a], along[b]) + np.outer(along[b], along[a]))
                energy = [self.strained_energy(tables, atoms, sign * STRAIN * strain) for sign in (1, -1)]
                assert (stress * strain).sum() == pytest.approx((energy[0] - energy[1]) / (2 * STRAIN) / volume, abs=SAME_STRESS)
        outside = np.eye(3) - along.T @ along
        np.testing.assert_allclose(stress @ outside, 0, atol=1e-12)
        assert np.abs(stress).max() > 100 * SAME_STRESS

    def strained_energy(self, tables: Path, atoms: Any, strain: Any) -> float:
        other = atoms.copy()
        other.set_cell(atoms.cell.array @ (np.eye(3) + strain))
        other.positions = atoms.positions @ (np.eye(3) + strain)
        other.calc = DPCompressed(tables, overflow="warn")
        return quiet(other.get_potential_energy)

    @pytest.mark.parametrize("kind", MEMBERS)
    def test_of_atoms_adds_up(self, tables: Path, water: Any, kind: str) -> None:
        atoms = self.member(water, kind)
        atoms.calc = DPCompressed(tables, overflow="warn")
        total = quiet(atoms.get_stress)
        np.testing.assert_allclose(quiet(atoms.get_stresses).sum(axis=0), total, rtol=0, atol=SAME)

    def test_not_of_molecules(self, tables: Path, water: Any) -> None:
        from ase.calculators.calculator import PropertyNotImplementedError

        water.pbc = False
        water.calc = DPCompressed(tables, overflow="warn")
        for ask in (water.get_stress, water.get_stresses):
            with pytest.raises(PropertyNotImplementedError):
                quiet(ask)
        assert np.isfinite(numbers_of(water)["energy"])


def test_threads_share_a_calculator(tables: Path, water: Any) -> None:
    """Each gets the numbers of its own atoms."""
    calc = DPCompressed(tables, overflow="warn")
    structures = [water.copy()[: 192 - 3 * k] for k in range(4)]
    expected = [quiet(lambda s=s: DPCompressed(tables, overflow="warn").get_forces(s)) for s in structures]

    def differences(k: int) -> float:
        ways = (calc.get_forces, lambda atoms: calc.calculate_properties(atoms, ["forces"])["forces"])
        return max(np.abs(ways[n % 2](structures[k]) - expected[k]).max() for n in range(10))

    def in_threads() -> list[float]:
        with ThreadPoolExecutor(4) as threads:
            return list(threads.map(differences, range(4)))

    assert max(quiet(in_threads)) < SAME


def test_dummies_are_not_there(tables: Path, water: Any) -> None:
    """Wherever they are; of no energy and no force."""
    water.calc = DPCompressed(tables)
    expected, stress = numbers_of(water), quiet(water.get_stress)
    more = ase.Atoms("X", positions=water.positions[:1] + 0.1) + water + ase.Atoms("X2", positions=water.positions[4:6])
    more.set_cell(water.cell)
    more.set_pbc(True)
    more.calc = DPCompressed(tables)
    found, real = numbers_of(more), np.array(more.get_chemical_symbols()) != "X"
    np.testing.assert_array_equal(found["forces"][~real], 0)
    np.testing.assert_array_equal(found["energies"][~real], 0)
    assert_same({name: value[real] if np.ndim(value) else value for name, value in found.items()}, expected)
    np.testing.assert_allclose(quiet(more.get_stress), stress, rtol=0, atol=SAME)


def test_more_neighbours_than_sel_is_said_once(tables: Path) -> None:
    content = from_bytes(tables.read_bytes())
    (descriptor,) = content.descriptors
    sel = descriptor.sel
    lattice = 2.4 * np.stack(np.meshgrid(*[np.arange(6)] * 3), -1).reshape(-1, 3)
    atoms = ase.Atoms("O" * 216, positions=lattice, cell=3 * [14.4], pbc=True)
    d = np.linalg.norm(atoms.get_all_distances(mic=True, vector=True), axis=2)
    count = int(((d < descriptor.rcut).sum(axis=1) - 1).max())
    assert count > sel[0]
    for calc in (DPCompressed(tables), DPCompressed(tables)):  # each says it
        atoms.calc = calc
        text = rf"more neighbours than sel: atom \d+ \(O\) has {count} O neighbours within the cutoff, sel is {sel[0]}; 216 such"
        with pytest.warns(UserWarning, match=text):
            atoms.get_potential_energy()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            atoms.positions[0] += 0.01
            atoms.get_potential_energy()


class TestEvaluate:
    @pytest.mark.parametrize(
        ("types", "message"),
        [
            ([0.0, 1.0], "types are of the type float64: expected integers, 0 to 1"),
            ([False, True], "types are of the type bool"),
            (["O", "H"], "types are of the type <U1"),
            ([0, 2], "atom type 2, but the model has 2 types"),
            ([0, 2**32], "atom type 4294967296, but the model has 2 types"),
            ([0], r"types has shape \(1,\), positions has shape \(2, 3\)"),
            ([[0, 1]], r"types has shape \(1, 2\)"),
        ],
    )
    def test_wrong_types(self, tables: Path, types: Any, message: str) -> None:
        with pytest.raises(InputError, match=message):
            calculator.evaluate(tables, [[0, 0, 0], [0, 0, 1.1]], types)

    @pytest.mark.parametrize("model", [None, 3, b"tables.bin"])
    def test_what_is_no_model(self, model: Any) -> None:
        with pytest.raises(InputError, match=f"model is of the type {type(model).__name__}: give the path of a table file"):
            calculator.evaluate(model, [[0, 0, 0]], [0])

    @pytest.mark.parametrize(
        ("positions", "cell", "message"),
        [
            ([[0, 0], [1, 1]], None, r"positions has shape \(2, 2\), expected \(n, 3\)"),
            ([0, 0, 0], None, r"positions has shape \(3,\)"),
            ([[0, 0, 0], [0, 0, np.nan]], None, "positions: not all numbers are finite"),
            ([["a", "b", "c"]], None, "positions: expected real numbers"),
            ([[0.0, 1.0, 2j]], None, "positions: expected real numbers: they are complex128"),
            ([[0, 0, 0], [0, 0, 1.1]], np.eye(2), r"cell has shape \(2, 2\), expected \(3, 3\)"),
            ([[0, 0, 0], [0, 0, 1.1]], np.full((3, 3), np.inf), "cell: not all numbers are finite"),
            ([[0, 0, 0], [0, 0, 1.1]], np.zeros((3, 3)), "no volume"),
            ([[0, 0, 0], [0, 0, 3e10]], 9 * np.eye(3), r"atoms lie up to 3e\+10 A from the origin"),
        ],
    )
    def test_wrong_structures(self, tables: Path, positions: Any, cell: Any, message: str) -> None:
        with pytest.raises(InputError, match=message):
            calculator.evaluate(tables, positions, [0, 1], cell)

    @pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int64, np.uint64, np.int32])
    def test_integers_of_any_size(self, tables: Path, kind: Any) -> None:
        expected = calculator.evaluate(tables, [[0, 0, 0], [0, 0, 1.1]], [0, 1])
        found = calculator.evaluate(tables, [[0, 0, 0], [0, 0, 1.1]], np.array([0, 1], dtype=kind))
        assert found.energy == expected.energy

    def test_no_atoms(self, tables: Path) -> None:
        for cell in (None, 5 * np.eye(3)):
            found = calculator.evaluate(tables, [], [], cell)
            assert (found.energy, found.forces.shape) == (0.0, (0, 3))

    def test_atomic_virials_may_be_left_out(self, tables: Path) -> None:
        evaluator = calculator._core().Evaluator(calculator.load(os.fspath(tables)))
        zero_one = np.arange(2, dtype=np.int32)
        evaluator.set_neighbours(zero_one, zero_one, np.array([0, 1, 2]), zero_one[::-1].copy())
        x = np.array([[0, 0, 0], [0, 0, 1.1]])
        *with_them, virials = evaluator.compute(x)
        *without, none = evaluator.compute(x, False)
        assert none is None
        assert virials.shape == (2, 9)
        for one, other in zip(with_them, without, strict=True):
            np.testing.assert_array_equal(one, other)


def test_an_error_leaves_no_results(tables: Path, water: Any) -> None:
    """Those of the atoms before would be taken for its own."""
    water.calc = DPCompressed(tables, overflow="warn")
    quiet(water.get_potential_energy)
    close = water.copy()
    close.positions[1] = close.positions[0]
    for _ in range(2):
        with pytest.raises(InputError, match="same place"):
            water.calc.calculate(close)
        assert water.calc.results == {}


NO_CELL = "pbc is [True, True, True], but the cell has no vector 0"


@pytest.mark.parametrize(
    ("positions", "cell", "pbc", "message"),
    [
        ([[0, 0, 0], [1, 0, 0]], None, True, NO_CELL),
        ([[0, 0, 0], [1, 0, 0]], [np.nan, 9, 9], True, "the cell is not finite"),
        ([[0, 0, 0], [1, 0, 0]], [np.inf, 9, 9], True, "the cell is not finite"),
        ([[0, 0, 0], [1e8, 0, 0]], None, False, "atoms lie up to 1e+08 A from the origin"),
        ([[0, 0, 0], [0, 2e4, 0]], [9, 9, 9], (True, False, True), "and over 2e+04 A"),
        ([[0, 0, 0], [2e5, 0, 0]], None, False, "and over 2e+05 A"),
        ([[0, 0, 0], [1, 0, 0]], [1e6, 9, 9], True, "and over 1e+06 A"),
        ([[6e10, 0, 0], [1, 0, 0]], [9, 9, 9], True, "atoms lie up to 6e+10 A from the origin"),
        ([[0, 0, 0], [1, 0, 0]], [[3, 0, 0], [3, 1e-7, 0], [0, 0, 3]], True, "the cell is only"),
    ],
)
def test_cells_and_positions_that_nothing_can_be_made_of(tables: Path, positions: Any, cell: Any, pbc: Any, message: str) -> None:
    """The list of neighbours would crash, hang, or be of a cell that nobody gave."""
    atoms = ase.Atoms("OH", positions=positions, cell=cell, pbc=pbc, calculator=DPCompressed(tables, overflow="warn"))
    with pytest.raises(InputError) as caught:
        quiet(atoms.get_potential_energy)
    assert message in str(caught.value)


def test_parameters_that_change_where_they_are(shared: Path, tmp_path: Path) -> None:
    """Arrays are copied: changed in place and set again they are new, changed alone they are not used. Copies have their own."""
    folder = shared / "models" / "se_e2_a-fparam_aparam"
    model, data = read_model(folder / "model.pth"), np.load(folder / "reference.npz")
    (tmp_path / "t.bin").write_bytes(to_bytes(build(model, model.min_nbor_dist, Options(rank=8)).tables))
    atoms = ase.Atoms([model.type_map[t] for t in data["types"]], positions=data["positions0"], cell=data["cell0"], pbc=True)
    fparam, aparam = np.zeros(2), np.full((len(atoms), 1), 0.3)
    atoms.calc = DPCompressed(tmp_path / "t.bin", overflow="warn", fparam=fparam, aparam=aparam)

    def energy(value: float) -> float:
        given = np.array([value, 0.0]), np.full((len(atoms), 1), 0.3)
        kinds = [model.type_map.index(s) for s in atoms.symbols]
        return calculator.evaluate(
            tmp_path / "t.bin", atoms.positions, kinds, atoms.cell.array, fparam=given[0], aparam=given[1]
        ).energy

    def found(calc: Any) -> float:
        return quiet(lambda: calc.get_potential_energy(atoms))

    assert abs(energy(2.0) - energy(0.0)) > 1e-3
    fparam[0] = 2.0
    assert found(atoms.calc) == pytest.approx(energy(0.0), abs=1e-8)
    assert "fparam" in atoms.calc.set(fparam=fparam)
    assert found(atoms.calc) == pytest.approx(energy(2.0), abs=1e-8)
    other = copy.copy(atoms.calc)
    other.set(fparam=[0.0, 0.0], precision="mixed")
    assert atoms.calc.parameters["precision"] == "double"
    atoms.calc.reset()
    assert found(atoms.calc) == pytest.approx(energy(2.0), abs=1e-8)
    assert found(other) == pytest.approx(energy(0.0), abs=1e-3)


def test_open_cell_vectors_are_of_no_account(tables: Path) -> None:
    """Those of a slab and a wire may lie in the plane or along the wire, or be there at all."""
    positions = [[0, 0, 0], [1, 0.2, 0], [-0.3, 0.9, 0.1]]
    for cell, pbc in (
        ([[5, 0, 0], [0, 5, 0], [5, 5, 0]], (True, True, False)),
        ([[5, 0, 0], [5, 0, 0], [0, 0, 0]], (True, False, False)),
    ):
        open_one = np.array(cell, dtype=float) * np.array(pbc)[:, None]
        found = [ase.Atoms("OHH", positions=positions, cell=c, pbc=pbc) for c in (cell, open_one)]
        for atoms in found:
            atoms.calc = DPCompressed(tables, overflow="warn")
        assert_same(numbers_of(found[0]), numbers_of(found[1]))
