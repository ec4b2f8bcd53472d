# SPDX-License-Identifier: MIT
"""The three-body descriptor from the trained model to the tables and the compiled evaluators: DeePMD-kit's numbers, the oracles,
symmetries, derivatives, and where products leave the tables."""

import dataclasses

import numpy as np
import pytest

from pybuild import calculator
from pybuild.compress import hermite, steps
from pybuild.compress.accuracy import report_lines, table_reports
from pybuild.compress.build import Options, build
from pybuild.compress.functions import ProductTimesNet
from pybuild.compress.grid import grid_of
from pybuild.compress.nets import derivatives_along
from pybuild.errors import ModelError
from pybuild.info import info, info_lines
from pybuild.model.descriptor import Argument, Form
from pybuild.oracles import reference, reference_tables
from pybuild.readers import read_model
from pybuild.tablefile.file import from_bytes, to_bytes, write_tables

ENERGY, FORCE, VIRIAL = 1e-9, 1e-8, 1e-6  # eV/atom, eV/A, eV: what the default tolerances promise
EXACT = 1e-12  # the same sums in another order, against DeePMD-kit
COMPILED = 2e-11  # the same sums in another order, some thousand of them
SINGLE = 2e-4  # of the largest force: single precision has 6e-8, and some thousand such numbers cancel
DIFFERENCE = 1e-7  # five points, 2e-4 A apart
M = 1.1  # angstrom, the smallest distance in the made structures
BOTH = frozenset({(0, 1), (1, 0)})


def stored(model, options=None, m=M):
    """The tables as a file holds them."""
    return from_bytes(to_bytes(build(model, m, options or Options()).tables))


@pytest.fixture(scope="module")
def tables_of():
    """Tables of models that several tests have, by what they were made of."""
    made = {}

    def of(model, key, options=None):
        if key not in made:
            made[key] = stored(model, options)
        return made[key]

    return of


@pytest.fixture(scope="module")
def trained(shared_models):
    """The trained model, its tables and DeePMD-kit's results."""
    folder = shared_models / "se_e3-small"
    model = read_model(folder / "model.pth")
    return model, stored(model, m=model.min_nbor_dist), np.load(folder / "reference.npz")


def frame_of(data, frame):
    return data[f"positions{frame}"], data["types"], data[f"cell{frame}"] if f"cell{frame}" in data else None


def assert_reference(got, data, frame, energy, force, virial):
    n = len(data["types"])
    assert abs(got.energy - data[f"energy{frame}"]) / n < energy
    np.testing.assert_allclose(got.atom_energy, data[f"atom_energy{frame}"], rtol=0, atol=20 * energy)
    np.testing.assert_allclose(got.forces, data[f"forces{frame}"], rtol=0, atol=force)
    np.testing.assert_allclose(got.virial, data[f"virial{frame}"], rtol=0, atol=virial)


@pytest.mark.parametrize("frame", range(4))
def test_the_oracle_against_deepmd_kit(trained, frame):
    """Three of the frames have centres with more neighbours than sel."""
    model, _, data = trained
    assert_reference(reference.evaluate(model, *frame_of(data, frame)), data, frame, EXACT, EXACT, 20 * EXACT)


@pytest.mark.parametrize("frame", range(4))
def test_tables_of_the_trained_model(trained, frame):
    _, tables, data = trained
    assert {f.inputs[0].form for f in tables.fittings} == {Form.LINEAR}
    assert {t.argument for t in tables.tables} == {Argument.PRODUCT}
    assert_reference(reference_tables.evaluate(tables, *frame_of(data, frame)), data, frame, ENERGY, FORCE, VIRIAL)


@pytest.mark.parametrize("name", ["model.pb", "model-compressed.pb"])
def test_a_tensorflow_model(shared, name):
    """Another rule of neighbours; nets for pairs of types in order alone; and a net that is known by its tables only, which
    DeePMD-kit made wrong where two ranges meet: no structure of these reaches there."""
    folder = shared / "models-tf" / "se_e3-small"
    if not folder.is_dir():
        pytest.skip(f"no shared models in {folder}")
    model, data = read_model(folder / name), np.load(folder / "reference.npz")
    assert model.neighbour_rule == "per_type"
    tables = stored(model, m=model.min_nbor_dist)
    for frame in range(4):
        structure = frame_of(data, frame)
        exact, got = reference.evaluate(model, *structure), reference_tables.evaluate(tables, *structure)
        assert_reference(exact, data, frame, *((EXACT, EXACT, 20 * EXACT) if name == "model.pb" else (ENERGY, FORCE, VIRIAL)))
        assert_reference(got, data, frame, ENERGY, FORCE, VIRIAL)


def test_few_wide_intervals(make_model):
    """Of order 11: one interval around 0, and wider ones outwards, as far on both sides."""
    model = make_model(6, kind="se_e3", widths=(1, 6, 12))
    result = build(model, M)
    for table in result.tables.tables:
        knots = grid_of(table).knots()
        assert table.order == 11
        assert len(table.coef) <= 40
        middle = np.searchsorted(knots, 0) - 1
        assert knots[middle] == -knots[middle + 1]
        assert (-knots[0], knots[-1]) == (table.max, pytest.approx(table.max, rel=1e-12))
        right = np.diff(knots[middle + 1 :])
        assert right[-2] > 2 * right[0]
    assert result.measured.double.force < FORCE
    assert result.measured.double.energy < ENERGY


def with_first_layers(model, change):
    """The embedding nets' first two layers changed: change(weight, bias, weight of the second)."""
    (d,) = model.descriptors
    nets = []
    for net in d.nets:
        first, second, *others = net.layers
        arrays = first.weight.copy(), first.bias.copy(), second.weight.copy()
        change(*arrays)
        layers = (dataclasses.replace(first, weight=arrays[0], bias=arrays[1]), dataclasses.replace(second, weight=arrays[2]))
        nets.append(dataclasses.replace(net, layers=(*layers, *others)))
    return dataclasses.replace(model, descriptors=(dataclasses.replace(d, nets=tuple(nets)),))


def steep(weight, bias, _):
    """Everything happens in a hundredth of its range around 0."""
    weight *= 100


def narrow(weight, bias, second):
    """A bump of 0.08 at 70, and little else."""
    weight[0, 2:] *= 0.02
    weight[0, :2], bias[:2] = 100.0, (-100 * 70.0, -100 * 70.08)
    second[0], second[1] = 0.5, -0.5


@pytest.mark.parametrize("change", [steep, narrow])
def test_nets_that_change_in_a_small_region(make_model, change):
    """Narrower intervals there, or steps as for other tables: no error of a slope that is large beside the function's."""
    model = with_first_layers(make_model(6, kind="se_e3", widths=(1, 6, 8)), change)
    result = build(model, M, Options(rank="full"))
    for plan, table in zip(result.plans, result.tables.tables, strict=True):
        x = np.concatenate([np.linspace(table.lower, table.max, 20_001), np.linspace(-1, 1, 20_001), np.linspace(69, 72, 3001)])
        _, slope = hermite.evaluate(table.coef, grid_of(table), x)
        _, exact = plan.function.derivatives(x, order=1)
        np.testing.assert_allclose(slope @ table.basis.T, exact, rtol=0, atol=1e-5 * np.abs(exact).max())


def test_steps_end_where_rounding_begins(make_model, make_structure, monkeypatch):
    """Products of a hundred and more, as close neighbours and small deviations give: smaller steps leave larger errors there."""
    monkeypatch.setattr(steps, "_grid_of_high_order", lambda *_: None)  # as for functions with corners
    model = make_model(0, kind="se_e3", sel=(2, 2))
    (d,) = model.descriptors
    model = dataclasses.replace(model, descriptors=(dataclasses.replace(d, std=np.full_like(d.std, 0.06)),))
    result = build(model, M)
    for table in result.tables.tables:
        assert table.upper > 100
        assert table.order == 5
        assert len(table.coef) < 40_000
    assert result.measured.double.force < FORCE
    structure = make_structure(1)
    exact, got = reference.evaluate(model, *structure), reference_tables.evaluate(result.tables, *structure)
    np.testing.assert_allclose(got.forces, exact.forces, rtol=0, atol=FORCE)


CHANGES = [
    {},
    {"env_protection": 0.2},
    {"excluded": BOTH},
    {"pair_excluded": BOTH},
    {"excluded": frozenset({(0, 0)})},
    {"sel": (3, 4), "neighbour_rule": "per_type"},
    {"sel": (3, 4), "neighbour_rule": "total"},
    {"sel": (0, 9), "fitting_excluded": frozenset({0})},
]


@pytest.mark.parametrize("changes", CHANGES, ids=str)
def test_random_models(make_model, make_structure, tables_of, changes):
    model = make_model(9, kind="se_e3", widths=(1, 6, 12), **changes)
    model.validate()
    tables = tables_of(model, f"{changes} folded")
    for structure in (make_structure(2), (*make_structure(3)[:2], None)):
        exact = reference.evaluate(model, *structure)
        got, scale = reference_tables.evaluate(tables, *structure), max(1.0, np.abs(exact.forces).max())
        assert abs(got.energy - exact.energy) / 27 < scale * ENERGY
        np.testing.assert_allclose(got.forces, exact.forces, rtol=0, atol=scale * FORCE)


def test_derivatives_of_the_oracle(make_model, make_structure):
    """Forces and virial by five-point differences of the energy."""
    model = make_model(3, kind="se_e3", widths=(1, 4, 8), env_protection=0.1)
    positions, types, cell = make_structure(4)
    got, h, rng = reference.evaluate(model, positions, types, cell), 2e-4, np.random.default_rng(0)
    shift, strain = rng.normal(size=positions.shape), rng.normal(size=(3, 3))

    def difference(energy):
        return sum(w * energy(k * h) for k, w in ((-2, 1 / 12), (-1, -8 / 12), (1, 8 / 12), (2, -1 / 12))) / h

    along = difference(lambda t: reference.evaluate(model, positions + t * shift, types, cell).energy)
    assert along == pytest.approx(-np.sum(got.forces * shift), abs=DIFFERENCE * 27)

    def strained(t):
        matrix = np.eye(3) + t * strain
        return reference.evaluate(model, positions @ matrix, types, cell @ matrix).energy

    assert difference(strained) == pytest.approx(-np.sum(got.virial * strain), abs=DIFFERENCE * 27)
    np.testing.assert_allclose(got.atom_virial.sum(axis=0), got.virial.ravel(), rtol=0, atol=1e-11)


def test_by_autograd(make_model, make_structure):
    """Another implementation, its derivatives by PyTorch."""
    torch = pytest.importorskip("pybuild.oracles.reference_torch", reason="not installed")
    pytest.importorskip("torch", reason="torch is not installed")
    for changes in ({}, {"excluded": BOTH, "env_protection": 0.1}):
        model, structure = make_model(3, kind="se_e3", widths=(1, 4, 8), **changes), make_structure(4)
        one, other = reference.evaluate(model, *structure), torch.evaluate(model, *structure)
        for name in ("atom_energy", "forces", "virial", "atom_virial"):
            np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=0, atol=1e-11)


def test_a_formula_by_hand(make_model):
    """Two neighbours of one type: h(v_1 . v_2) twice and h(v^2) of each, divided by sel^2."""
    model = make_model(3, n_types=1, kind="se_e3", widths=(1, 4), rcut_smth=1.5)
    d = model.descriptors[0]
    positions = np.array([[0.0, 0.0, 0.0], [1.2, 0.0, 0.0], [0.4, 1.3, 0.0]])
    v = [p / (p @ p) / d.std[0, 1] for p in positions[1:]]
    h = ProductTimesNet(d.nets[0])
    (value, _, _) = h.derivatives(np.array([v[0] @ v[1], v[0] @ v[0], v[1] @ v[1]]))
    expected = (2 * value[0] + value[1] + value[2]) / d.sel[0] ** 2
    net = model.fitting.nets[0]
    energy = net.forward(expected[None])[0][0, 0] + model.fitting.energy_bias[0]
    assert reference.evaluate(model, positions, [0, 0, 0]).atom_energy[0] == pytest.approx(energy, abs=1e-12)


def test_the_function_of_a_product(make_model):
    net = make_model(3, kind="se_e3").descriptors[0].nets[0]
    x, h = np.linspace(-30.0, 30.0, 41), 1e-4
    value, slope, curvature = ProductTimesNet(net).derivatives(x)
    np.testing.assert_allclose(value, x[:, None] * derivatives_along(net, x)[0], rtol=0, atol=1e-13)
    below, above = (ProductTimesNet(net).derivatives(x + shift) for shift in (-h, h))
    np.testing.assert_allclose(slope, (above[0] - below[0]) / (2 * h), rtol=0, atol=1e-6)
    np.testing.assert_allclose(curvature, (above[1] - below[1]) / (2 * h), rtol=0, atol=1e-6)


@pytest.mark.parametrize("form", ["folded", "direct"])
def test_forms_are_the_same_function(make_model, make_structure, form):
    model, structure = make_model(6, kind="se_e3", widths=(1, 6, 12)), make_structure(4)
    tables = stored(model, Options(form=form))
    assert {f.inputs[0].form for f in tables.fittings} == {Form.LINEAR if form == "folded" else Form.DIRECT}
    exact, got = reference.evaluate(model, *structure), reference_tables.evaluate(tables, *structure)
    scale = max(1.0, np.abs(exact.forces).max())
    np.testing.assert_allclose(got.forces, exact.forces, rtol=0, atol=scale * FORCE)


def test_ranges(make_model):
    """As far on both sides of 0; the end is where neighbours of some distance in one direction are."""
    model = make_model(6, kind="se_e3", widths=(1, 6, 12))
    result = build(model, M, Options())
    d = model.descriptors[0]
    for plan, table in zip(result.plans, result.tables.tables, strict=True):
        largest = max((1 / M / d.std[a, 1]) ** 2 for a in range(2))
        assert plan.upper == table.upper == np.ceil(largest)
        assert table.lower == pytest.approx(-table.max)
        assert table.max == pytest.approx(5 * plan.upper)
    assert any(" (A B) " in f" {line} " for line in report_lines(result, table_reports(result), Options()))


def test_no_pair_of_neighbours(make_model):
    every = frozenset((a, b) for a in range(2) for b in range(2))
    with pytest.raises(ModelError, match="leave no pair of neighbours"):
        make_model(6, kind="se_e3", excluded=every).validate()


# The compiled evaluators


@pytest.fixture
def evaluate(backend):
    """calculator.evaluate on the backend of the test, of tables."""
    pytest.importorskip("pybuild._core", reason="pybuild._core is not built")

    def run(tables, structure, precision="double", **options):
        model = calculator._core().Model.from_bytes(to_bytes(tables))
        return calculator.evaluate(model, *structure, precision=precision, backend=backend, **options)

    return run


every_backend = pytest.mark.parametrize("backend", ["host", "kokkos_serial", "kokkos_openmp"], indirect=True)


@every_backend
@pytest.mark.parametrize("frame", range(4))
def test_compiled_against_deepmd_kit(trained, evaluate, frame):
    _, tables, data = trained
    assert_reference(evaluate(tables, frame_of(data, frame)), data, frame, ENERGY, FORCE, VIRIAL)


@every_backend
@pytest.mark.parametrize("form", ["folded", "direct"])
@pytest.mark.parametrize("changes", CHANGES, ids=str)
def test_compiled_evaluators(make_model, make_structure, tables_of, evaluate, changes, form):
    """Against the oracle of the same tables; a structure with pairs beyond their ends on both sides of 0, and one without
    boundaries among them."""
    model = make_model(9, kind="se_e3", widths=(1, 6, 12), **changes)
    tables = tables_of(model, f"{changes} {form}", Options(form="direct" if form == "direct" else "auto"))
    positions, types, cell = make_structure(6)
    closer = positions.copy()
    closer[1], closer[2] = closer[0] + [0.35 * M, 0.0, 0.0], closer[0] - [0.3 * M, 0.05, 0.0]
    for structure in ((positions, types, cell), (closer, types, cell), (positions, types, None)):
        expected, found = reference_tables.evaluate(tables, *structure), evaluate(tables, structure)
        scale = 1 + np.abs(expected.forces).max()
        np.testing.assert_allclose(found.atom_energy, expected.atom_energy, rtol=0, atol=COMPILED * scale)
        np.testing.assert_allclose(found.forces, expected.forces, rtol=0, atol=COMPILED * scale)
        np.testing.assert_allclose(found.virial, expected.virial, rtol=0, atol=10 * COMPILED * scale)
        np.testing.assert_allclose(found.atom_virial, expected.atom_virial, rtol=0, atol=10 * COMPILED * scale)
        mixed = reference_tables.evaluate(tables, *structure, mixed=True)
        single = evaluate(tables, structure, "mixed")
        np.testing.assert_allclose(single.forces, mixed.forces, rtol=0, atol=SINGLE * scale)


@every_backend
@pytest.mark.parametrize(
    ("options", "activation", "order"),
    [(Options(order=3, step=0.02), "tanh", 3), (Options(step=0.02), "tanh", 5), (Options(), "relu6", 5)],
    ids=["cubic", "given steps", "corners"],
)
def test_tables_of_low_order(make_model, make_structure, evaluate, options, activation, order):
    """Where steps or order are given, and of functions with corners, which no polynomial may cross: intervals of equal steps."""
    model = make_model(6, kind="se_e3", widths=(1, 6, 12), activation=activation)
    tables = stored(model, options)
    assert {table.order for table in tables.tables} == {order}
    structure = make_structure(6)
    expected, found = reference_tables.evaluate(tables, *structure), evaluate(tables, structure)
    scale = 1 + np.abs(expected.forces).max()
    np.testing.assert_allclose(found.forces, expected.forces, rtol=0, atol=COMPILED * scale)
    np.testing.assert_allclose(found.atom_energy, expected.atom_energy, rtol=0, atol=COMPILED * scale)


@every_backend
def test_many_neighbours(make_model, tables_of, evaluate):
    """More products of one neighbour than are listed at a time, and a fraction of a pack of them."""
    model = make_model(9, n_types=1, kind="se_e3", widths=(1, 6, 12), rcut=6.0, sel=(70,))
    rng, grid = np.random.default_rng(1), np.stack(np.meshgrid(*[np.arange(4)] * 3, indexing="ij"), -1).reshape(-1, 3)
    structure = 1.05 * grid + rng.uniform(-0.05, 0.05, grid.shape), np.zeros(len(grid), dtype=int), None
    tables = tables_of(model, "many")
    expected, found = reference_tables.evaluate(tables, *structure), evaluate(tables, structure)
    scale = 1 + np.abs(expected.forces).max()
    np.testing.assert_allclose(found.atom_energy, expected.atom_energy, rtol=0, atol=10 * COMPILED * scale)
    np.testing.assert_allclose(found.forces, expected.forces, rtol=0, atol=10 * COMPILED * scale)


@every_backend
def test_symmetries_and_continuity(make_model, make_structure, tables_of, evaluate):
    """Rotation, order of the atoms, and no jump where a neighbour reaches the cut-off or a product the end of its table."""
    model = make_model(9, kind="se_e3", widths=(1, 6, 12))
    tables = tables_of(model, "{} folded")
    positions, types, cell = make_structure(6)
    found = evaluate(tables, (positions, types, cell))
    turn, _ = np.linalg.qr(np.random.default_rng(2).normal(size=(3, 3)))
    turned = evaluate(tables, (positions @ turn, types, cell @ turn))
    np.testing.assert_allclose(turned.forces, found.forces @ turn, rtol=0, atol=COMPILED)
    order = np.random.default_rng(3).permutation(len(types))
    moved = evaluate(tables, (positions[order], types[order], cell))
    np.testing.assert_allclose(moved.forces, found.forces[order], rtol=0, atol=COMPILED)
    d = model.descriptors[0]
    end = d.distance(0, tables.tables[0].max)
    for distance in (d.rcut, end):
        for direction in ([1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]):
            atoms = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.9 * min(distance, 2.0), 0.3, 0.0]])
            at = []
            for side in (-1e-7, 1e-7):
                atoms[1] = (distance + side) * np.array(direction)
                at.append(evaluate(tables, (atoms, [0, 0, 1], None)))
            scale = 1 + np.abs(at[0].forces).max()
            assert abs(at[0].energy - at[1].energy) < 1e-6 * scale
            np.testing.assert_allclose(at[0].forces, at[1].forces, rtol=0, atol=1e-5 * scale)


@every_backend
def test_what_leaves_the_tables(make_model, tables_of, evaluate):
    """The distance at which the square of a neighbour's vector reaches the end."""
    model = make_model(9, kind="se_e3", widths=(1, 6, 12))
    tables = tables_of(model, "{} folded")
    (end,) = {table.max for table in tables.tables}
    d = model.descriptors[0]
    first, second = sorted(d.distance(a, end) for a in range(2))  # of the pair, seen from either atom
    for distance, beyond in ((1.01 * second, 0), (0.99 * second, 1), (0.99 * first, 2)):
        found = evaluate(tables, (np.array([[0.0, 0.0, 0.0], [distance, 0.0, 0.0]]), np.array([0, 1]), None))
        assert (found.overflow["n_close"], found.overflow["n_beyond"]) == (2, beyond)


def test_the_ase_calculator(trained, tmp_path):
    pytest.importorskip("pybuild._core", reason="pybuild._core is not built")
    ase = pytest.importorskip("ase", reason="ase is not installed")
    pytest.importorskip("vesin", reason="vesin is not installed")
    model, tables, data = trained
    write_tables(tmp_path / "tables.bin", tables)
    symbols = np.array(model.type_map)[data["types"]]
    for frame in (0, 2):
        atoms = ase.Atoms(symbols, positions=data[f"positions{frame}"], cell=data[f"cell{frame}"], pbc=True)
        atoms.calc = calculator.DPCompressed(tmp_path / "tables.bin")
        n = len(symbols)
        assert atoms.get_potential_energy() == pytest.approx(float(data[f"energy{frame}"]), abs=n * ENERGY)
        np.testing.assert_allclose(atoms.get_forces(), data[f"forces{frame}"], rtol=0, atol=FORCE)


def test_info(make_model, tables_of):
    tables = tables_of(make_model(9, kind="se_e3", widths=(1, 6, 12)), "{} folded")
    text = "\n".join(info_lines(tables))
    assert "descriptor: se_e3" in text
    assert "columns (A-A " in text
    assert info(tables)["tables"][1]["pairs"] == "(A B)"
    assert info(tables)["tables"][1]["argument"] == "product"


def test_round_trip(make_model):
    tables = build(make_model(6, kind="se_e3"), M, Options()).tables
    again = from_bytes(to_bytes(tables))
    d, e = tables.descriptors[0], again.descriptors[0]
    for field in dataclasses.fields(d):
        np.testing.assert_array_equal(getattr(d, field.name), getattr(e, field.name))
    assert to_bytes(again) == to_bytes(tables)
