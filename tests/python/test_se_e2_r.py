# SPDX-License-Identifier: MIT
"""The radial descriptor from the trained model to the tables: DeePMD-kit's numbers, the oracle, and what the linear form
keeps."""

import dataclasses

import numpy as np
import pytest

from pybuild import calculator
from pybuild.compress.accuracy import report_lines, table_reports
from pybuild.compress.build import Options, build
from pybuild.model.descriptor import Form
from pybuild.oracles import reference, reference_tables
from pybuild.readers import read_model
from pybuild.tablefile.file import from_bytes, to_bytes, write_tables

ENERGY, FORCE = 1e-9, 1e-8  # eV/atom, eV/A: what the default tolerances promise
EXACT = 1e-12  # the same sums in another order
M = 1.1  # angstrom, the smallest distance in the made structures
COMPILED = 2e-11  # the same sums in another order, some hundred of them
SINGLE = 1e-4  # single precision has 6e-8, and some hundred such numbers cancel
BOTH = frozenset({(0, 1), (1, 0)})


def stored(model, options=None, m=M):
    """The tables as a file holds them."""
    return from_bytes(to_bytes(build(model, m, options or Options()).tables))


def assert_within(got, expected, n_atoms, force=FORCE, energy=ENERGY):
    assert abs(got.energy - expected.energy) / n_atoms < energy
    np.testing.assert_allclose(got.forces, expected.forces, rtol=0, atol=force)


@pytest.mark.parametrize("frame", range(4))
def test_tables_of_the_trained_model(shared_models, frame):
    """Its fitting net has a skip connection around the first layer, hence the direct form."""
    folder = shared_models / "se_e2_r-small"
    model, data = read_model(folder / "model.pth"), np.load(folder / "reference.npz")
    tables = stored(model, m=model.min_nbor_dist)
    assert {f.inputs[0].form for f in tables.fittings} == {Form.DIRECT}
    cell = data[f"cell{frame}"] if f"cell{frame}" in data else None
    got = reference_tables.evaluate(tables, data[f"positions{frame}"], data["types"], cell)
    assert abs(got.energy - data[f"energy{frame}"]) / len(data["types"]) < ENERGY
    np.testing.assert_allclose(got.forces, data[f"forces{frame}"], rtol=0, atol=FORCE)
    np.testing.assert_allclose(got.atom_energy, data[f"atom_energy{frame}"], rtol=0, atol=20 * ENERGY)


@pytest.mark.parametrize("name", ["radial_exclude.pth", "radial_two_sided.pth", "radial.pt"])
@pytest.mark.parametrize("options", [Options(), Options(form="direct"), Options(rank="full")], ids=["linear", "direct", "full"])
def test_tables_against_deepmd_kit(option_models, name, options):
    """Excluded pairs in one, a net per neighbour type where a net per pair was asked for in another."""
    model, data = read_model(option_models / name), np.load(option_models / f"{name.partition('.')[0]}.npz")
    tables = stored(model, options)
    folded = options == Options()
    assert {f.inputs[0].form for f in tables.fittings} == {Form.LINEAR if folded else Form.DIRECT}
    got = reference_tables.evaluate(tables, data["positions"], data["types"], data["cell"])
    assert abs(got.energy - data["energy"]) / len(data["types"]) < ENERGY
    np.testing.assert_allclose(got.forces, data["forces"], rtol=0, atol=FORCE)
    np.testing.assert_allclose(got.virial, data["virial"], rtol=0, atol=50 * FORCE)


@pytest.mark.parametrize(
    "changes",
    [
        {"type_one_side": False},
        {"excluded": BOTH},
        {"excluded": BOTH, "exclusion": "section", "type_one_side": False},
        {"pair_excluded": BOTH},
        {"sel": (3, 4), "mean": np.zeros(2)},
        {"fitting_excluded": frozenset({0}), "env_protection": 0.2},
        {"excluded": frozenset((a, b) for a in range(2) for b in range(2))},
    ],
    ids=str,
)
def test_random_models(make_model, make_structure, changes):
    model = make_model(5, kind="se_e2_r", widths=(1, 6, 12), **changes)
    model.validate()
    tables = stored(model)
    for structure in (make_structure(2), (*make_structure(3)[:2], None)):
        exact = reference.evaluate(model, *structure)
        scale = max(1.0, np.abs(exact.forces).max())
        assert_within(reference_tables.evaluate(tables, *structure), exact, 27, scale * FORCE, scale * ENERGY)


def test_forms_are_the_same_function(make_model, make_structure):
    """With the same tables: folding is exact algebra."""
    model, structure = make_model(6, kind="se_e2_r", widths=(1, 6, 12)), make_structure(4)
    options = Options(step=0.05, tolerance=1e-14, tolerance_mixed=1e-14)
    linear, direct = (stored(model, dataclasses.replace(options, form=form)) for form in ("folded", "direct"))
    assert linear.fittings[0].inputs[0].form == Form.LINEAR
    one, other = (reference_tables.evaluate(tables, *structure) for tables in (linear, direct))
    scale = 1 + np.abs(other.forces).max()
    assert one.energy == pytest.approx(other.energy, abs=1e3 * EXACT)
    np.testing.assert_allclose(one.forces, other.forces, rtol=0, atol=1e3 * EXACT * scale)  # V of small columns is large


def test_mixed_precision_takes_leading_columns(make_model, make_structure):
    model, structure = make_model(7, kind="se_e2_r", widths=(1, 6, 12, 24)), make_structure(5)
    tables = stored(model)
    taken = [f.inputs[0] for f in tables.fittings]
    assert all(0 < t.n_mixed < (t.n_double or len(t.columns)) <= len(t.columns) for t in taken)
    exact = reference.evaluate(model, *structure)
    double, mixed = (reference_tables.evaluate(tables, *structure, mixed=m) for m in (False, True))
    assert_within(double, exact, 27)
    assert_within(mixed, exact, 27, 1e-5, 1e-6)  # the default tolerance of mixed precision
    assert np.abs(mixed.forces - exact.forces).max() > np.abs(double.forces - exact.forces).max()


def test_centres_with_a_close_pair(make_model):
    """A pair much closer than in the training data, where errors of 1e-4 eV/A are allowed, and one a little closer."""
    model = make_model(8, kind="se_e2_r", widths=(1, 6, 12))
    tables = stored(model)
    for distance, force in ((0.85 * M, FORCE), (0.5 * M, 1e-4)):
        positions = np.array([[0.0, 0.0, 0.0], [distance, 0.0, 0.0], [1.0, 2.0, 0.5], [-2.0, 0.3, 0.1]])
        exact = reference.evaluate(model, positions, [0, 1, 1, 0])
        assert_within(reference_tables.evaluate(tables, positions, [0, 1, 1, 0]), exact, 4, force, 0.1 * force)


def test_the_report_counts_columns(make_model):
    result = build(make_model(7, kind="se_e2_r", widths=(1, 6, 12)), M, Options())
    (line,) = (line for line in report_lines(result, table_reports(result), Options()) if line.startswith("first fitting layer"))
    n = [len(f.inputs[0].columns) for f in result.tables.fittings]
    assert line.startswith("first fitting layer: folded, columns: A ")
    assert line.endswith(f"with a closer pair: A {n[0]}, B {n[1]}")


# The compiled evaluators


@pytest.fixture
def evaluate(backend):
    """calculator.evaluate on the backend of the test, of tables."""
    pytest.importorskip("pybuild._core", reason="pybuild._core is not built")

    def run(tables, structure, precision="double"):
        model = calculator._core().Model.from_bytes(to_bytes(tables))
        return calculator.evaluate(model, *structure, precision=precision, backend=backend)

    return run


every_backend = pytest.mark.parametrize("backend", ["host", "kokkos_serial", "kokkos_openmp"], indirect=True)


@every_backend
@pytest.mark.parametrize("form", ["folded", "direct"])
@pytest.mark.parametrize(
    "changes",
    [
        {"type_one_side": False, "env_protection": 0.2},
        {"excluded": BOTH},
        {"excluded": BOTH, "exclusion": "section", "type_one_side": False},
        {"pair_excluded": BOTH, "sel": (3, 4)},  # more neighbours than sel: a negative number of empty slots
        {"sel": (0, 9), "fitting_excluded": frozenset({0}), "mean": np.zeros(2)},
    ],
    ids=str,
)
def test_compiled_evaluators(make_model, make_structure, evaluate, changes, form):
    """Against the oracle of the same tables, a structure with close pairs and one without boundaries among them."""
    model = make_model(9, kind="se_e2_r", widths=(1, 6, 12), **changes)
    tables = stored(model, Options(form=form))
    positions, types, cell = make_structure(6)
    closer = positions.copy()
    closer[1] = closer[0] + [0.6 * M, 0.0, 0.0]
    for structure in ((positions, types, cell), (closer, types, cell), (positions, types, None)):
        expected, found = reference_tables.evaluate(tables, *structure), evaluate(tables, structure)
        scale = 1 + np.abs(expected.forces).max()
        np.testing.assert_allclose(found.atom_energy, expected.atom_energy, rtol=0, atol=COMPILED * scale)
        np.testing.assert_allclose(found.forces, expected.forces, rtol=0, atol=COMPILED * scale)
        np.testing.assert_allclose(found.atom_virial, expected.atom_virial, rtol=0, atol=10 * COMPILED * scale)
        mixed = reference_tables.evaluate(tables, *structure, mixed=True)
        single = evaluate(tables, structure, "mixed")
        np.testing.assert_allclose(single.forces, mixed.forces, rtol=0, atol=SINGLE * scale)


def test_the_ase_calculator(option_models, tmp_path):
    """A cell thinner than the cutoff twice over: neighbours are images."""
    pytest.importorskip("pybuild._core", reason="pybuild._core is not built")
    ase = pytest.importorskip("ase", reason="ase is not installed")
    pytest.importorskip("vesin", reason="vesin is not installed")
    model, data = read_model(option_models / "radial_two_sided.pth"), np.load(option_models / "radial_two_sided.npz")
    write_tables(tmp_path / "tables.bin", dataclasses.replace(stored(model), type_map=("O", "H", "Si")))
    symbols = np.array(["O", "H", "Si"])[data["types"]]
    atoms = ase.Atoms(symbols, positions=data["positions"], cell=data["cell"], pbc=True)
    atoms.calc = calculator.DPCompressed(tmp_path / "tables.bin")
    assert atoms.get_potential_energy() == pytest.approx(float(data["energy"]), abs=27 * ENERGY)
    np.testing.assert_allclose(atoms.get_forces(), data["forces"], rtol=0, atol=FORCE)
