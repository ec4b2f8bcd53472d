# SPDX-License-Identifier: MIT
"""The compiled evaluator against the NumPy oracle of the same tables, against finite differences, and at the edges."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pybuild import calculator
from pybuild.compress.build import Options, build
from pybuild.errors import FormatError, InputError
from pybuild.oracles import reference_tables
from pybuild.readers import read_model
from pybuild.structures.neighbours import neighbour_pairs
from pybuild.tablefile.file import from_bytes, to_bytes
from pybuild.tablefile.tableset import NeighbourRule

core = pytest.importorskip("pybuild._core", reason="pybuild._core is not built")

# Same tables, same algebra, another order of summation: some hundred roundings of numbers of order 1 to 10.
SAME_ENERGY = 1e-11  # eV an atom
SAME_FORCE = 1e-11  # eV/angstrom
SAME_VIRIAL = 1e-9  # eV, a sum over all pairs
# Central differences at 1e-4 angstrom: truncation 1e-8 times the third derivative, rounding 1e-12/1e-4.
DIFFERENCE_STEP = 1e-4
DIFFERENCE_FORCE = 2e-6

MODELS = (
    "se_e2_a-small",
    "se_e2_a-two_side-exclude",
    "se_e2_a-resnet_dt-set_davg_zero",
    "se_e2_a-silu-sigmoid",
    "se_e2_a-softplus-pair_exclude",
    "se_e2_a-cu",
    "se_e2_r-small",
    "dpa1-concat-attn0",
    "dpa1-strip-attn0",
)
# The default tolerance of a build, against the uncompressed network.
TABLE_ENERGY, TABLE_FORCE, TABLE_VIRIAL = 1e-9, 1e-8, 1e-6  # eV an atom, eV/angstrom, eV
every_backend = pytest.mark.parametrize("backend", ["host", "kokkos_serial", "kokkos_openmp"], indirect=True)
VARIANTS = {"auto": {}, "full": {"rank": "full"}, "cubic": {"order": 3}}


def tables_of(path: Path, **options):
    description = read_model(path)
    return build(description, description.min_nbor_dist, Options(**options)).tables


def frame(shared: Path, name: str, index: int):
    data = np.load(shared / "models" / name / "reference.npz")
    cell = data[f"cell{index}"] if f"cell{index}" in data else None
    return data[f"positions{index}"], data["types"], cell


def assert_same(found, expected, n: int) -> None:
    assert found.energy == pytest.approx(expected.energy, abs=SAME_ENERGY * n)
    np.testing.assert_allclose(found.atom_energy, expected.atom_energy, rtol=0, atol=SAME_ENERGY)
    np.testing.assert_allclose(found.forces, expected.forces, rtol=0, atol=SAME_FORCE)
    np.testing.assert_allclose(found.virial, expected.virial, rtol=0, atol=SAME_VIRIAL)
    np.testing.assert_allclose(found.atom_virial, expected.atom_virial, rtol=0, atol=SAME_FORCE * 10)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", MODELS)
def test_equal_to_the_numpy_oracle(shared, name, variant):
    tables = tables_of(shared / "models" / name / "model.pth", **VARIANTS[variant])
    model = core.Model.from_bytes(to_bytes(tables))
    for index in (0, 2, 3):
        positions, types, cell = frame(shared, name, index)
        found = calculator.evaluate(model, positions, types, cell)
        assert_same(found, reference_tables.evaluate(tables, positions, types, cell), len(types))


@pytest.fixture(scope="module")
def water_tables(shared):
    """tables.bin of the small water model."""
    return to_bytes(tables_of(shared / "models/se_e2_a-small/model.pth"))


@pytest.fixture
def water(shared, backend, water_tables):
    """Compressed small water model, positions, types and cell of its triclinic frame."""
    return (calculator._core().Model.from_bytes(water_tables), *frame(shared, "se_e2_a-small", 2))


@pytest.fixture
def evaluate(backend):
    """calculator.evaluate on the backend of the test."""
    return functools.partial(calculator.evaluate, backend=backend)


@pytest.mark.parametrize("isa", ["portable", "x86_64_v2", "x86_64_v3", "x86_64_v4"])
def test_every_instruction_set_agrees(shared, tmp_path, isa):
    """Each in a process of its own, since the choice is made once."""
    script = (
        "import sys, numpy as np\n"
        "from pybuild import calculator\n"
        "d = np.load(sys.argv[2]); r = calculator.evaluate(sys.argv[1], d['positions2'], d['types'], d['cell2'])\n"
        "np.savez(sys.argv[3], forces=r.forces, energy=r.energy, virial=r.virial)\n"
    )
    tables = tmp_path / "tables.bin"
    tables.write_bytes(to_bytes(tables_of(shared / "models/se_e2_a-softplus-pair_exclude/model.pth")))
    structure = shared / "models/se_e2_a-softplus-pair_exclude/reference.npz"
    results = {}
    for name in ("portable", isa):
        out = tmp_path / f"{name}.npz"
        command = [sys.executable, "-c", script, tables, structure, out]
        environment = {**os.environ, "DPC_ISA": name}
        run = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
        if "this processor lacks" in run.stderr or "is no instruction set of this build" in run.stderr:
            pytest.skip(f"no {name} here")
        assert run.returncode == 0, run.stderr
        results[name] = np.load(out)
    np.testing.assert_allclose(results[isa]["forces"], results["portable"]["forces"], rtol=0, atol=SAME_FORCE)
    np.testing.assert_allclose(results[isa]["energy"], results["portable"]["energy"], rtol=0, atol=SAME_ENERGY * 192)


def test_unknown_instruction_set_is_named(shared, tmp_path):
    tables = tmp_path / "tables.bin"
    tables.write_bytes(to_bytes(tables_of(shared / "models/se_e2_a-cu/model.pth")))
    script = "import sys\nfrom pybuild import calculator\ncalculator.evaluate(sys.argv[1], [[0, 0, 0]], [0])"
    run = subprocess.run(
        [sys.executable, "-c", script, tables],
        env={**os.environ, "DPC_ISA": "z80"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "z80" in run.stderr
    assert "portable" in run.stderr


@every_backend
def test_threads_agree_and_repeat(water, evaluate):
    model, positions, types, cell = water
    one = evaluate(model, positions, types, cell, n_threads=1)
    three = evaluate(model, positions, types, cell, n_threads=3)
    again = evaluate(model, positions, types, cell, n_threads=3)
    assert_same(three, one, len(types))
    np.testing.assert_array_equal(three.forces, again.forces)
    assert three.energy == again.energy


@every_backend
def test_forces_are_the_negative_gradient(water, evaluate):
    model, positions, types, cell = water
    forces = evaluate(model, positions, types, cell).forces
    for atom, axis in ((0, 0), (70, 1), (191, 2)):
        energy = []
        for sign in (1, -1):
            moved = positions.copy()
            moved[atom, axis] += sign * DIFFERENCE_STEP
            energy.append(evaluate(model, moved, types, cell).energy)
        assert forces[atom, axis] == pytest.approx(-(energy[0] - energy[1]) / (2 * DIFFERENCE_STEP), abs=DIFFERENCE_FORCE)


@every_backend
def test_virial_is_the_strain_derivative(water, evaluate):
    model, positions, types, cell = water
    virial = evaluate(model, positions, types, cell).virial
    step = 1e-5
    for a, b in ((0, 0), (1, 2), (2, 0)):
        energy = []
        for sign in (1, -1):
            strain = np.eye(3)
            strain[a, b] += sign * step
            energy.append(evaluate(model, positions @ strain, types, cell @ strain).energy)
        assert virial[a, b] == pytest.approx(-(energy[0] - energy[1]) / (2 * step), abs=1e-5 * np.abs(virial).max() + 1e-4)


@every_backend
def test_rotation_translation_permutation(water, evaluate):
    model, positions, types, cell = water
    base = evaluate(model, positions, types, cell)
    rotation = np.linalg.qr(np.random.default_rng(5).normal(size=(3, 3)))[0]
    turned = evaluate(model, positions @ rotation, types, cell @ rotation)
    np.testing.assert_allclose(turned.forces, base.forces @ rotation, rtol=0, atol=SAME_FORCE * 10)
    moved = evaluate(model, positions + np.array([1.3, -7.0, 2.5]), types, cell)
    np.testing.assert_allclose(moved.forces, base.forces, rtol=0, atol=SAME_FORCE * 10)
    order = np.random.default_rng(6).permutation(len(types))
    mixed = evaluate(model, positions[order], types[order], cell)
    np.testing.assert_allclose(mixed.forces, base.forces[order], rtol=0, atol=SAME_FORCE * 10)


@every_backend
def test_sums_of_atomic_results(water, evaluate):
    model, positions, types, cell = water
    result = evaluate(model, positions, types, cell)
    assert result.atom_energy.sum() == pytest.approx(result.energy, abs=1e-9)
    np.testing.assert_allclose(result.atom_virial.sum(axis=0).reshape(3, 3), result.virial, rtol=0, atol=SAME_VIRIAL)
    np.testing.assert_allclose(result.forces.sum(axis=0), 0, atol=1e-10)


@every_backend
def test_no_atoms_lone_atom_and_atoms_outside_the_model(water, evaluate):
    model, positions, types, _ = water
    nothing = evaluate(model, np.zeros((0, 3)), np.zeros(0, dtype=int))
    assert nothing.energy == 0
    lone = evaluate(model, positions[:1], types[:1])
    far = evaluate(model, [positions[0], positions[0] + 100], [types[0], types[0]])
    assert far.energy == pytest.approx(2 * lone.energy, abs=1e-12)
    cluster, kinds = positions[:20], types[:20]
    with_ghosts = evaluate(model, np.vstack([cluster, cluster + 0.5]), np.concatenate([kinds, np.full(20, -1)]))
    assert_same(evaluate(model, cluster, kinds), _first(with_ghosts, 20), 20)


def _first(result, n: int):
    of_atoms = result.forces[:n], result.virial, result.atom_virial[:n]
    return calculator.Result(result.energy, result.atom_energy[:n], *of_atoms, {}, np.zeros(0))


@every_backend
def test_overflow_names_the_worst_pair(water, evaluate):
    model, _, _, _ = water
    near = evaluate(model, [[0, 0, 0], [0, 0, 0.3], [5, 0, 0], [5, 0, 0.02]], [0, 1, 0, 1]).overflow
    assert near["n_close"] == 4  # each pair is seen from both of its atoms
    assert near["worst"]["distance"] == pytest.approx(0.02)
    assert {near["worst"]["i"], near["worst"]["j"]} == {2, 3}
    assert 0 < near["worst"]["table_limit"] < near["worst"]["limit"]


def arguments(tables, centre: int, r):
    """x of neighbours at distances r, written out (docs/theory.md section 1)."""
    (d,) = tables.descriptors
    u = np.clip((r - d.rcut_smth) / (d.rcut - d.rcut_smth), 0, 1)
    s = (u**3 * (-6 * u**2 + 15 * u - 10) + 1) / (r + d.env_protection)
    return (s - d.mean[centre]) / d.std[centre, 0]


def count_beyond(tables, types, pairs) -> int:
    i, j, d = pairs
    r, n = np.linalg.norm(d, axis=1), 0
    for a, b in np.argwhere(tables.descriptors[0].pair_kind == 0).tolist():
        which = (types[i] == a) & (types[j] == b)
        n += int((arguments(tables, a, r[which]) > tables.tables[tables.descriptors[0].pair_table[a, b]].max).sum())
    return n


@every_backend
@pytest.mark.parametrize("min_distance", [0.01, 0.5, 3.0])
def test_pairs_beyond_the_table_are_counted_at_any_distance(water, water_tables, evaluate, min_distance):
    """Above the smallest distance of the training data, too: there they are not close, but beyond."""
    _, positions, types, cell = water
    distances, every = np.full((2, 2), min_distance), NeighbourRule.ALL
    tables = replace(from_bytes(water_tables), min_distance=distances, close_distance=None, neighbour_rule=every)
    squeezed = 0.15 * positions, types, 0.15 * cell + 20 * np.eye(3)
    pairs = neighbour_pairs(squeezed[0], squeezed[2], tables.descriptors[0].rcut)
    found = evaluate(calculator._core().Model.from_bytes(to_bytes(tables)), *squeezed).overflow
    beyond = count_beyond(tables, types, pairs)
    assert 0 < beyond < len(pairs[0])
    assert found["n_beyond"] == beyond
    assert found["n_close"] == int((np.linalg.norm(pairs[2], axis=1) < min_distance).sum())
    assert found["worst"]["distance"] < found["worst"]["table_limit"]


def test_centres_of_a_type_without_slots_are_looked_at(option_models):
    """Nobody sees that type, but its atoms see others: here with arguments far beyond the tables."""
    description = read_model(option_models / "sel_zero.pth")
    tables = build(description, description.min_nbor_dist, Options()).tables
    (d,) = tables.descriptors
    (absent,) = np.flatnonzero(d.sel == 0)
    (other,) = np.flatnonzero(d.sel)[:1]
    std = d.std.copy()
    std[absent, 0] /= 20
    mean = np.where(np.arange(len(std)) == absent, 0.0, d.mean)
    changed = replace(tables, descriptors=(replace(d, std=std, mean=mean),))
    distance = 1.2 * description.min_nbor_dist
    assert arguments(changed, absent, distance) > changed.tables[d.pair_table[absent, other]].max
    found = calculator.evaluate(core.Model.from_bytes(to_bytes(changed)), [[0, 0, 0], [0, 0, distance]], [absent, other]).overflow
    assert (found["n_close"], found["n_beyond"]) == (0, 1)
    assert (found["worst"]["i"], found["worst"]["j"]) == (0, 1)


def test_the_calculator_reports_pairs_that_are_beyond_but_not_close(water_tables, tmp_path):
    ase = pytest.importorskip("ase", reason="ase is not installed")
    pytest.importorskip("vesin", reason="vesin is not installed")
    path = tmp_path / "tables.bin"
    path.write_bytes(to_bytes(replace(from_bytes(water_tables), min_distance=np.full((2, 2), 0.01), close_distance=None)))
    atoms = ase.Atoms("OH", positions=[[0, 0, 0], [0, 0, 0.05]])
    atoms.calc = calculator.DPCompressed(path)
    with pytest.raises(InputError, match=r"^0 pairs closer than the training data, 2 beyond the table"):
        atoms.get_potential_energy()
    atoms.calc = calculator.DPCompressed(path, overflow="warn")
    with pytest.warns(UserWarning, match="2 beyond the table"):
        atoms.get_potential_energy()


@every_backend
def test_energy_is_continuous_where_the_table_ends(water, evaluate):
    """Beyond the table value and slope continue linearly in x: the force has no jump."""
    model, _, _, _ = water
    limit = evaluate(model, [[0, 0, 0], [0, 0, 0.05]], [0, 0]).overflow["worst"]["table_limit"]
    inside, outside = (evaluate(model, [[0, 0, 0], [0, 0, limit + e]], [0, 0]) for e in (1e-9, -1e-9))
    np.testing.assert_allclose(inside.forces, outside.forces, rtol=1e-5)
    assert outside.overflow["n_beyond"] == 2
    assert inside.overflow["n_beyond"] == 0


@every_backend
def test_input_that_cannot_be_evaluated(water, evaluate, backend):
    model, positions, _, _ = water
    evaluator = calculator._core().Evaluator(model, backend=backend)
    one = np.zeros(1, dtype=np.int32)
    evaluator.set_neighbours(np.zeros(2, dtype=np.int32), one, np.array([0, 1]), np.ones(1, dtype=np.int32))
    with pytest.raises(InputError, match="same place"):
        evaluator.compute(np.zeros((2, 3)))
    with pytest.raises(InputError, match="index 1 is not a finite number"):
        evaluator.compute(np.array([[0.0, 0, 0], [0, np.nan, 0]]))
    with pytest.raises(InputError, match="has 2 atoms"):
        evaluator.compute(np.zeros((3, 3)))
    apart = np.array([[0.0, 0, 0], [0, 0, 3]])
    with pytest.raises(InputError, match="2 frame parameters were given, the model takes 0"):
        evaluator.compute(apart, fparam=np.ones(2))
    with pytest.raises(InputError, match="4 atomic parameters were given, the model takes 0"):
        evaluator.compute(apart, aparam=np.ones((2, 2)))
    with pytest.raises(InputError, match="atom index 7"):
        evaluator.set_neighbours(np.zeros(2, dtype=np.int32), one, np.array([0, 1]), np.full(1, 7, dtype=np.int32))
    with pytest.raises(InputError, match="compute was called before set_neighbours"):
        evaluator.compute(apart)
    with pytest.raises(InputError, match="2 types"):
        evaluate(model, positions[:2], [0, 9])
    with pytest.raises(FormatError, match="empty"):
        calculator._core().Model.from_bytes(b"")
    with pytest.raises(TypeError, match="from_file"):
        calculator._core().Model("tables.bin")


@pytest.mark.parametrize("name", [*MODELS, "water-full", "cu-full"])
def test_ase_calculator_gives_the_reference(shared, tmp_path, name):
    ase = pytest.importorskip("ase", reason="ase is not installed")
    pytest.importorskip("vesin", reason="vesin is not installed")
    path = tmp_path / "tables.bin"
    path.write_bytes(to_bytes(tables_of(shared / "models" / name / "model.pth")))
    calc = calculator.DPCompressed(path, overflow="warn")
    data = np.load(shared / "models" / name / "reference.npz")
    for index in range(4):
        positions, types, cell = frame(shared, name, index)
        atoms = ase.Atoms([calc.model.type_map[t] for t in types], positions=positions, cell=cell, pbc=cell is not None)
        atoms.calc = calc
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # some frames hold pairs closer than the training data
            energy, forces = atoms.get_potential_energy(), atoms.get_forces()
        assert energy == pytest.approx(float(data[f"energy{index}"]), abs=TABLE_ENERGY * len(types))
        np.testing.assert_allclose(forces, data[f"forces{index}"], rtol=0, atol=TABLE_FORCE)
        if cell is not None:
            virial = -atoms.get_stress(voigt=False) * atoms.get_volume()
            symmetric = (data[f"virial{index}"] + data[f"virial{index}"].T) / 2
            np.testing.assert_allclose(virial, symmetric, rtol=0, atol=TABLE_VIRIAL)


@every_backend
def test_ase_calculator(shared, water, evaluate, backend, tmp_path):
    ase = pytest.importorskip("ase", reason="ase is not installed")
    pytest.importorskip("vesin", reason="vesin is not installed")
    path = tmp_path / "tables.bin"
    path.write_bytes(to_bytes(tables_of(shared / "models/se_e2_a-small/model.pth")))
    model, positions, types, cell = water
    atoms = ase.Atoms([model.type_map[t] for t in types], positions=positions, cell=cell, pbc=True)
    atoms.calc = calculator.DPCompressed(path, backend=backend)
    expected = evaluate(model, positions, types, cell)
    assert atoms.get_potential_energy() == pytest.approx(expected.energy, abs=1e-9)
    np.testing.assert_allclose(atoms.get_forces(), expected.forces, rtol=0, atol=SAME_FORCE * 10)
    np.testing.assert_allclose(atoms.get_stress(voigt=False), -expected.virial / atoms.get_volume(), rtol=0, atol=1e-6)
    atoms.symbols[0] = "Cu"
    with pytest.raises(InputError, match="the model has no Cu"):
        atoms.get_potential_energy()
