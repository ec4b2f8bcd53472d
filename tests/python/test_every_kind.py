# SPDX-License-Identifier: MIT
"""What every kind of model must be as a function, from its table file: that of the trained model, with its derivatives as forces
and virial, the same however atoms are turned, moved and ordered, without jumps; and the same through ASE."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import kind_models
import numpy as np
import pytest
from kind_models import FPARAM, KINDS

from pybuild import calculator
from pybuild.compress.build import Options
from pybuild.compress.combined import compress
from pybuild.errors import InputError
from pybuild.model.combined import AnyModel
from pybuild.oracles import combined
from pybuild.tablefile.file import from_bytes, write_tables
from pybuild.tablefile.tableset import AnyTables, TableSet

pytest.importorskip("pybuild._core", reason="pybuild._core is not built")

M = 1.2  # angstrom, smallest distance of the structures
TABLES = 2e-8  # eV/A, of forces of size 1: the tolerance of a build, for up to two nets
SAME = 5e-10  # of the largest force: other orders of some thousand numbers
STEP = 2e-4  # angstrom, of the five-point formula
FIVE_POINTS = {-2: 1 / 12, -1: -8 / 12, 1: 8 / 12, 2: -1 / 12}
DIFFERENCE = 2e-6  # its error, of the largest force
BESIDE = 1e-8  # angstrom, from an edge
JUMP = 5e-6  # of the largest force: what tables for ordinary and for close centres may differ by
SYMBOLS = ("H", "O", "C")

every_kind = pytest.mark.parametrize("name", KINDS)
every_backend = pytest.mark.parametrize("backend", ["host", "kokkos_serial"], indirect=True)


def parts_of(tables: AnyTables) -> tuple[TableSet, ...]:
    return (tables,) if isinstance(tables, TableSet) else tables.parts


@dataclass(frozen=True)
class Made:
    """A model and its tables."""

    model: AnyModel
    path: Path

    @cached_property
    def tables(self) -> AnyTables:
        return from_bytes(self.path.read_bytes())

    @cached_property
    def n_parameters(self) -> tuple[int, int]:
        return max(t.n_fparam for t in parts_of(self.tables)), max(t.n_aparam for t in parts_of(self.tables))

    def parameters(self, n: int) -> dict[str, Any]:
        """Of n atoms."""
        frame, atomic = self.n_parameters
        given = {"fparam": FPARAM} if frame else {}
        return given | ({"aparam": np.random.default_rng(1).normal(size=(n, atomic))} if atomic else {})


@pytest.fixture(scope="module")
def made(
    make_model: Callable[..., Any], make_hybrid: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Made]:
    """A kind's model and its tables, made once."""
    folder, known = tmp_path_factory.mktemp("kinds"), {}

    def make(name: str) -> Made:
        if name not in known:
            model = KINDS[name](kind_models.Makers(make_model, make_hybrid, folder))
            write_tables(folder / f"{name}.bin", compress(model, M, Options()).tables)
            known[name] = Made(model, folder / f"{name}.bin")
        return known[name]

    return make


class Evaluator:
    """Of a model on the backend of a test; atoms come with parameters, where the model takes some."""

    def __init__(self, of: Made, backend: str) -> None:
        self.of, self.backend, self._model = of, backend, calculator._core().Model.from_file(of.path)

    def __call__(self, x: Any, types: Any, cell: Any = None, **changes: Any) -> calculator.Result:
        given = self.of.parameters(len(types)) | changes
        return calculator.evaluate(self._model, x, types, cell, backend=self.backend, **given)


@pytest.fixture
def evaluate(made: Callable[[str], Made], name: str, backend: str) -> Evaluator:
    return Evaluator(made(name), backend)


@pytest.fixture
def atoms(made: Callable[[str], Made], name: str, make_structure: Callable[..., Any]) -> tuple[Any, Any, Any]:
    """(positions, types, cell), no two atoms closer than M."""
    return make_structure(seed=3, n_types=len(made(name).model.type_map))


def largest(found: calculator.Result) -> float:
    return max(1.0, float(np.abs(found.forces).max()))


@every_kind
@every_backend
def test_the_trained_model(evaluate: Evaluator, atoms: tuple[Any, Any, Any]) -> None:
    found = evaluate(*atoms)
    expected = combined.evaluate(evaluate.of.model, *atoms, **evaluate.of.parameters(len(atoms[1])))
    size = largest(found)
    assert np.abs(expected.forces).max() > 1e-4  # something to compare
    np.testing.assert_allclose(found.atom_energy, expected.atom_energy, rtol=0, atol=TABLES * size)
    np.testing.assert_allclose(found.forces, expected.forces, rtol=0, atol=TABLES * size)
    np.testing.assert_allclose(found.virial, expected.virial, rtol=0, atol=100 * TABLES * size)
    np.testing.assert_allclose(found.atom_virial, expected.atom_virial, rtol=0, atol=10 * TABLES * size)


@every_kind
@every_backend
@pytest.mark.parametrize("precision", ["double", "mixed"])
def test_atoms_in_one_place(evaluate: Evaluator, precision: str) -> None:
    """One error, not a number that is none or a wild place in a table; of types that see nothing of each other nothing."""
    core, n_types = calculator._core(), len(evaluate.of.model.type_map)
    engine = core.Evaluator(core.Model.from_file(evaluate.of.path), backend=evaluate.backend, precision=precision)
    given, said = evaluate.of.parameters(3), []
    starts, others = np.array([0, 2, 4, 6]), np.array([1, 2, 0, 2, 0, 1], np.int32)
    for a, b in itertools.product(range(n_types), repeat=2):
        engine.set_neighbours(np.array([a, b, 0], np.int32), np.arange(3, dtype=np.int32), starts, others)
        for r in (0.0, 1e-160, 1e-25):
            try:
                engine.compute(np.array([[0, 0, 0], [0, 0, r], [0, 2.0, 0]]), **given)
            except InputError as error:
                said.append(str(error))
    assert len(said) >= 3
    assert all("are in the same place" in message for message in said)
    assert np.isfinite(engine.compute(np.array([[0, 0, 0], [0, 0, 1.5], [0, 2.0, 0]]), **given)[0])


@every_kind
@every_backend
def test_derivatives(evaluate: Evaluator, atoms: tuple[Any, Any, Any]) -> None:
    """Forces by a displacement of all atoms, the virial by a strain, derivatives along frame parameters."""
    x, types, cell = atoms
    found, rng = evaluate(x, types, cell), np.random.default_rng(5)
    u, g = rng.uniform(-1, 1, x.shape), rng.uniform(-1, 1, (3, 3))

    def slope(energy: Callable[[float], float], step: float) -> float:
        return sum(weight * energy(k * step) for k, weight in FIVE_POINTS.items()) / step

    def strained(h: float) -> float:
        return evaluate(x @ (np.eye(3) + h * g), types, cell @ (np.eye(3) + h * g)).energy

    allowed = DIFFERENCE * largest(found) * len(types)
    assert abs(slope(lambda h: evaluate(x + h * u, types, cell).energy, STEP) + (found.forces * u).sum()) < allowed
    assert abs(slope(strained, STEP / 5) + (found.virial * g).sum()) < 10 * allowed
    assert found.fparam_gradient.shape == (evaluate.of.n_parameters[0],)
    for along, size, gradient in zip(np.eye(2), (1e-3, 1e-2), found.fparam_gradient, strict=False):
        expected = slope(lambda h, u=along: evaluate(x, types, cell, fparam=FPARAM + h * u).energy, size)
        assert abs(gradient - expected) < allowed
        assert abs(gradient) > 1e-3


@every_kind
@every_backend
def test_symmetries(evaluate: Evaluator, atoms: tuple[Any, Any, Any]) -> None:
    """Turned and mirrored; moved, some atoms to another cell; in another order."""
    x, types, cell = atoms
    found, rng = evaluate(x, types, cell), np.random.default_rng(6)
    size, turn, order = SAME * largest(found), np.linalg.qr(rng.normal(size=(3, 3)))[0], rng.permutation(len(types))
    for sign in (1, -1):
        turned = evaluate(sign * x @ turn, types, sign * cell @ turn)
        np.testing.assert_allclose(turned.forces, sign * found.forces @ turn, rtol=0, atol=size)
        np.testing.assert_allclose(turned.virial, turn.T @ found.virial @ turn, rtol=0, atol=100 * size)
    moved = evaluate(x + [1.3, -7.0, 2.5] + rng.integers(-2, 3, x.shape) @ cell, types, cell)
    np.testing.assert_allclose(moved.forces, found.forces, rtol=0, atol=size)
    changes = {name: value[order] for name, value in evaluate.of.parameters(len(types)).items() if name == "aparam"}
    ordered = evaluate(x[order], types[order], cell, **changes)
    np.testing.assert_allclose(ordered.forces, found.forces[order], rtol=0, atol=size)


def edges(made: Made, a: int, b: int) -> set[float]:
    """Distances at which a formula changes to another, but the end of the tables, and the cut-off where there is a switch to a
    pair table: the weights of its neighbours are not 0 there, in the trained model neither."""
    switch = getattr(made.tables, "switch", None)
    found = {switch.rmin, switch.rmax} if switch else set()
    for part in parts_of(made.tables):
        found |= {r for d in part.descriptors for r in ((d.rcut_smth,) if switch else (d.rcut, d.rcut_smth))}
        found |= set() if part.close_distance is None else {part.close_distance[a, b], part.close_distance[b, a]}
    return {float(r) for r in found if r > 0}


@every_kind
@every_backend
def test_continuity(evaluate: Evaluator) -> None:
    """A pair beside a third atom, at the cut-off, where its switch begins, where a centre becomes a close one, at the end of
    the tables: energy and forces go on."""
    n_types = len(evaluate.of.model.type_map)
    for a, b in itertools.combinations_with_replacement(range(n_types), 2):
        types = np.array([a, b, 0])

        def at(r: float, types: Any = types) -> calculator.Result:
            return evaluate([[0.0, 0.0, 0.0], [r, 0.0, 0.0], [-0.4, 1.7, 0.3]], types)

        end = at(0.01).overflow["worst"]["table_limit"]
        assert 0.01 < end < M
        for edge in edges(evaluate.of, a, b) | {end}:
            below, above = at(edge - BESIDE), at(edge + BESIDE)
            where, size = f"{a} {b} at {edge}", largest(below)
            assert abs(below.energy - above.energy) < JUMP * size, where
            np.testing.assert_allclose(below.forces, above.forces, rtol=0, atol=JUMP * size, err_msg=where)


@every_kind
def test_through_ase(made: Callable[[str], Made], name: str, atoms: tuple[Any, Any, Any], tmp_path: Path) -> None:
    """Two steps, of which the second has the list of the first, with a dummy atom that is none of the model's."""
    ase = pytest.importorskip("ase", reason="ase is not installed")
    pytest.importorskip("vesin", reason="vesin is not installed")
    of, (x, types, cell) = made(name), atoms
    named = [replace(part, type_map=SYMBOLS[: len(part.type_map)]) for part in parts_of(of.tables)]
    write_tables(tmp_path / "t.bin", named[0] if isinstance(of.tables, TableSet) else replace(of.tables, parts=tuple(named)))
    given = of.parameters(len(types))
    with_dummy = {k: np.vstack([v, v[:1]]) if k == "aparam" else v for k, v in given.items()}
    system = ase.Atoms([*(SYMBOLS[t] for t in types), "X"], np.vstack([x, [0.1, 0.2, 0.3]]), cell=cell, pbc=True)
    system.calc = calculator.DPCompressed(tmp_path / "t.bin", overflow="warn", **with_dummy)
    for _ in range(2):
        expected = calculator.evaluate(of.path, system.positions[:-1], types, cell, **given)
        size = SAME * largest(expected)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            np.testing.assert_allclose(system.get_forces()[:-1], expected.forces, rtol=0, atol=size)
            assert system.get_potential_energy() == pytest.approx(expected.energy, abs=size * len(types))
            stress = -expected.virial / system.get_volume()
            np.testing.assert_allclose(system.get_stress(voigt=False), (stress + stress.T) / 2, rtol=0, atol=size)
        system.positions[:-1] += 0.02 * np.random.default_rng(7).normal(size=x.shape)
