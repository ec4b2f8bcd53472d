# SPDX-License-Identifier: MIT
"""Fixtures for all Python tests: where the trained models with references are, and the small ones of this repository."""

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from combined_models import pair_table
from model_files import load_core

from pybuild import calculator
from pybuild.cli import main
from pybuild.compress.nets import derivatives_along
from pybuild.compress.pair_tables import pair_tables
from pybuild.descriptors.se_e2_a import SeE2A
from pybuild.descriptors.se_e2_r import SeE2R
from pybuild.descriptors.se_e3 import SeE3
from pybuild.model.activations import parse
from pybuild.model.description import EnergyFitting, ModelDescription, Provenance
from pybuild.model.net import Layer, Net, Skip
from pybuild.model.piecewise import Piecewise
from pybuild.tablefile.tableset import (
    Argument,
    CombinedTables,
    DescriptorArrays,
    FittingArrays,
    Form,
    InputArrays,
    NeighbourRule,
    SwitchArrays,
    TableArrays,
    TableSet,
)

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def shared_models(shared: Path) -> Path:
    """Trained models, a folder each: model.pth and reference.npz."""
    return shared / "models"


@pytest.fixture(scope="session")
def kokkos_core(own_kokkos_build: Path) -> ModuleType:
    """pybuild._core with Kokkos, beside the installed one."""
    return load_core(own_kokkos_build / "cython_ext")


@pytest.fixture
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of the test's backend, "host" where it asks for none. pybuild.calculator then uses a module that has it."""
    name = getattr(request, "param", "host")
    if name != "host":
        core = request.getfixturevalue("kokkos_core")
        monkeypatch.setattr(calculator, "_core", lambda: core)
    return name


@pytest.fixture(scope="session")
def option_models() -> Path:
    """Small untrained models, one option each, with DeePMD-kit's results (tests/data/options/make_options.py)."""
    return REPOSITORY / "tests" / "data" / "options"


@pytest.fixture(scope="session")
def small_model(option_models: Path) -> Path:
    """One of them, with three types, one of them without energy."""
    return option_models / "atom_exclude.pth"


@pytest.fixture(scope="session")
def small_tables(small_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its table file, as the command line makes it."""
    path = tmp_path_factory.mktemp("tables") / "tables.bin"
    assert main([str(small_model), str(path)]) == 0
    return path


def random_net(rng: np.random.Generator, widths: tuple[int, ...], activation: str, last_linear: bool, idt: bool) -> Net:
    """A net with DeePMD-kit's rule for skips (equal or doubled width)."""
    layers = []
    for index, (n_in, n_out) in enumerate(itertools.pairwise(widths)):
        linear = last_linear and index == len(widths) - 2
        skip = Skip.NONE if linear else Skip.of_widths(n_in, n_out)
        weight, bias = rng.normal(0.0, 0.7, (n_in, n_out)), rng.normal(0.0, 0.4, n_out)
        steps = rng.uniform(0.2, 0.9, n_out) if idt and skip is not Skip.NONE else None
        layers.append(Layer(weight, bias, steps, parse("linear" if linear else activation), skip))
    return Net(tuple(layers))


def random_model(seed: int = 0, n_types: int = 2, **changes: Any) -> ModelDescription:
    """A small legal model with random weights, statistics and biases.

    changes: fields of the descriptor, the fitting ("fitting_" before the name) or the model to replace; also `kind` of the
    descriptor, `type_one_side`, and `activation` of the embedding nets, `fitting_activation`, and `widths` of the embedding nets
    from 1 on.
    """
    rng = np.random.default_rng(seed)
    widths, axis = changes.pop("widths", (1, 3, 6)), 2
    activation, fitting_activation = changes.pop("activation", "tanh"), changes.pop("fitting_activation", "tanh")
    nets = tuple(random_net(rng, widths, activation, False, True) for _ in range(n_types**2))
    net_of = np.arange(n_types**2).reshape(n_types, n_types)
    if changes.pop("type_one_side", True):
        nets, net_of = nets[:n_types], np.tile(np.arange(n_types), (n_types, 1))
    kind = changes.pop("kind", "se_e2_a")
    if kind == "se_e3":
        net_of = np.array([[min(a, b) * n_types + max(a, b) for b in range(n_types)] for a in range(n_types)])
        nets = tuple(random_net(rng, widths, activation, False, True) for _ in range(n_types**2))
    radial = kind == "se_e2_r"
    make, own, n_in = {
        "se_e2_a": (SeE2A, {"axis_neuron": axis}, widths[-1] * axis),
        "se_e2_r": (SeE2R, {}, widths[-1]),
        "se_e3": (SeE3, {}, widths[-1]),
    }[kind]
    mean, std = rng.uniform(0.02, 0.1, n_types), rng.uniform(0.1, 0.2, (n_types, 2))
    descriptor = make(
        rcut=4.0, rcut_smth=1.5, env_protection=0.0, sel=(12,) * n_types, n_sel=12 * n_types,
        mean=mean, std=std[:, :1] if radial else std, **own,
        nets=nets, net_of=net_of, excluded=frozenset(),
    )  # fmt: skip
    fittings = [random_net(rng, (n_in, 5, 5, 1), fitting_activation, True, True) for _ in range(n_types)]
    fitting = EnergyFitting(tuple(fittings), np.arange(n_types), rng.normal(0.0, 2.0, n_types), frozenset(), frozenset())
    names = {f.name for f in dataclasses.fields(descriptor)}
    descriptor = dataclasses.replace(descriptor, **{k: v for k, v in changes.items() if k in names})
    fitting = dataclasses.replace(
        fitting, **{k.removeprefix("fitting_"): v for k, v in changes.items() if k.startswith("fitting_")}
    )
    rest = {k: v for k, v in changes.items() if k not in names and not k.startswith("fitting_")}
    source = Provenance("random", "0" * 64, "made by a test", "float64")
    model = ModelDescription(tuple("ABCDEFGH"[:n_types]), (descriptor,), fitting, frozenset(), 1.0, source)
    return dataclasses.replace(model, **rest)


def random_hybrid(seed: int = 0, n_types: int = 2, members: Sequence[dict[str, Any]] = (), **changes: Any) -> ModelDescription:
    """A model of several descriptors, members: the changes of each, as for random_model; changes: fields of the model."""
    models = [random_model(seed + 10 * k, n_types, **member) for k, member in enumerate(members)]
    descriptors, rng = tuple(m.descriptors[0] for m in models), np.random.default_rng(seed)
    widths = (sum(d.n_out(0) for d in descriptors), 5, 5, 1)
    nets = tuple(random_net(rng, widths, "tanh", True, True) for _ in range(n_types))
    fitting = dataclasses.replace(models[0].fitting, nets=nets)
    return dataclasses.replace(models[0], descriptors=descriptors, fitting=fitting, **changes)


@pytest.fixture(scope="session")
def make_hybrid() -> Callable[..., ModelDescription]:
    """random_hybrid as a fixture."""
    return random_hybrid


@pytest.fixture(scope="session")
def make_model() -> Callable[..., ModelDescription]:
    """random_model as a fixture: test files cannot import conftest."""
    return random_model


@pytest.fixture(scope="session")
def make_tabulated() -> Callable[[ModelDescription], ModelDescription]:
    """The same model with functions at knots instead of its embedding nets."""

    def tabulated(model: ModelDescription) -> ModelDescription:
        knots = np.concatenate([np.linspace(-1.0, 2.0, 61), np.linspace(2.1, 8.0, 60)])
        nets = tuple(Piecewise(knots, *derivatives_along(net, knots)) for net in model.descriptors[0].nets)
        return dataclasses.replace(model, descriptors=(dataclasses.replace(model.descriptors[0], nets=nets),))

    return tabulated


def random_structure(seed: int = 0, n_types: int = 2, n: int = 3) -> tuple[Any, Any, Any]:
    """(positions, types, cell): n^3 atoms about 2.2 A apart in a triclinic cell."""
    rng = np.random.default_rng(seed)
    cell = 2.2 * n * np.array([[1.0, 0.0, 0.0], [0.15, 0.95, 0.0], [-0.1, 0.08, 1.05]])
    grid = (np.stack(np.meshgrid(*[np.arange(n)] * 3, indexing="ij"), -1).reshape(-1, 3) + 0.5) / n
    return grid @ cell + rng.uniform(-0.3, 0.3, (n**3, 3)), rng.permutation(np.arange(n**3) % n_types), cell


@pytest.fixture(scope="session")
def make_structure() -> Callable[..., tuple[Any, Any, Any]]:
    """random_structure as a fixture."""
    return random_structure


def random_layer(
    rng: np.random.Generator, n_in: int, n_out: int, activation: str, skip: Skip = Skip.NONE, idt: bool = False
) -> Layer:
    steps = rng.normal(size=n_out) if idt else None
    return Layer(rng.normal(size=(n_in, n_out)), rng.normal(size=n_out), steps, parse(activation), skip)


def random_table_arrays(rng: np.random.Generator, rank: int, order: int) -> TableArrays:
    """M = 4; 10 intervals from -1 to 0, 2 from 0 to 1."""
    coef = rng.normal(size=(12, order + 1, rank))
    return TableArrays(Argument.X, np.array([[-1.0, 0.1, 10], [0.0, 0.5, 2]]), 0.0, coef, rng.normal(size=(4, rank)))


@pytest.fixture(scope="session")
def tables() -> TableSet:
    """Two types, M = 4, A = 2, a folded and a direct fitting net: every section of the format for se_e2_a."""
    rng = np.random.default_rng(5)
    i32 = np.int32
    square = InputArrays(
        0,
        Form.SQUARE,
        np.array([[0, 0], [1, 0], [0, 1], [1, 2]], i32),
        np.array([4, 3, 3, 3], i32),
        row_end_mixed=np.array([3, 2, 2, 3], i32),
        row_end_exact=np.array([2, 2, 2, 3], i32),
    )
    folded = (
        random_layer(rng, 7, 3, "tanh"),
        random_layer(rng, 3, 3, "silut:3.0", Skip.IDENTITY, idt=True),
        random_layer(rng, 3, 6, "gelu", Skip.DOUBLED),
        random_layer(rng, 6, 1, "linear"),
    )
    direct = (random_layer(rng, 8, 5, "silu"), random_layer(rng, 5, 1, "linear"))
    descriptor = DescriptorArrays(
        kind="se_e2_a",
        rcut=6.0,
        rcut_smth=0.5,
        env_protection=0.0,
        sel=np.array([4, 8], i32),
        n_sel=12,
        mean=np.array([0.05, 0.04]),
        std=np.array([[0.125, 0.0625], [0.1, 0.05]]),
        width=4,
        axis_neuron=2,
        pair_kind=np.array([[0, 0], [0, 1]], i32),
        pair_table=np.array([[0, 1], [0, 1]], i32),
    )
    return TableSet(
        type_map=("O", "Hé"),
        energy_bias=np.array([-5.0, -3.0]),
        energy_mask=np.array([1, 1], i32),
        min_distance=np.array([[2.2, 0.9], [0.9, 1.4]]),
        close_distance=np.array([[2.0, 0.8], [0.8, 1.4]]),
        check_frequency=10,
        neighbour_rule=NeighbourRule.ALL,
        n_fparam=0,
        n_aparam=0,
        descriptors=(descriptor,),
        tables=(random_table_arrays(rng, 2, 5), random_table_arrays(rng, 3, 3)),
        fittings=(FittingArrays((square,), folded), FittingArrays((InputArrays(0, Form.DIRECT),), direct)),
        provenance={"model": {"file": "wässer.pth"}, "tolerance": 1e-6},
    )


@pytest.fixture(scope="session")
def factor_tables(tables: TableSet) -> TableSet:
    """The same with products of combinations of the columns, more of these than columns."""
    rng, i32 = np.random.default_rng(10), np.int32
    (square,) = tables.fittings[0].inputs
    combined = InputArrays(
        0,
        Form.SQUARE,
        square.columns,
        np.array([5, 4, 4, 4, 4], i32),
        row_end_double=np.array([4, 3, 3, 3, 4], i32),
        row_end_mixed=np.array([2, 2, 2, 3, 4], i32),
        n_double=3,
        n_mixed=2,
        combination=rng.normal(size=(5, 4)),
    )
    net = FittingArrays((combined,), (random_layer(rng, 11, 3, "tanh"), *tables.fittings[0].layers[1:]))
    return dataclasses.replace(tables, fittings=(net, tables.fittings[1]))


@pytest.fixture(scope="session")
def radial_tables(tables: TableSet) -> TableSet:
    """The same types and tables with a descriptor se_e2_r: a linear and a direct net, pairs excluded by slots (0, 1) and by
    section (1, 1)."""
    rng = np.random.default_rng(6)
    (square,) = tables.fittings[0].inputs
    linear = InputArrays(0, Form.LINEAR, square.columns, n_mixed=2)
    layers = [f.layers for f in tables.fittings]
    descriptor = dataclasses.replace(
        tables.descriptors[0],
        kind="se_e2_r",
        std=tables.descriptors[0].std[:, :1].copy(),
        axis_neuron=0,
        pair_kind=np.array([[0, 1], [0, 4]], np.int32),
    )
    nets = (
        FittingArrays((linear,), (random_layer(rng, 4, 3, "tanh"), *layers[0][1:])),
        FittingArrays((InputArrays(0, Form.DIRECT),), (random_layer(rng, 4, 5, "silu"), *layers[1][1:])),
    )
    return dataclasses.replace(tables, descriptors=(descriptor,), fittings=nets)


@pytest.fixture(scope="session")
def shared_tables(tables: TableSet) -> TableSet:
    """The same types as DPA-1 has them: tables over rcut - r, slots that both types share, which add something where they are
    empty: a row of C of their own."""
    descriptor = dataclasses.replace(
        tables.descriptors[0],
        sel=np.array([12, 12], np.int32),
        padding=np.random.default_rng(9).normal(size=(2, 4)),
        degree_gains=np.array([0.5, -0.2]),
    )
    over_r = tuple(dataclasses.replace(table, argument=Argument.R, segments=_within(table)) for table in tables.tables)
    over_r = tuple(dataclasses.replace(table, upper=table.lower) for table in over_r)
    (square,) = tables.fittings[0].inputs
    columns = square.columns.copy()
    columns[1] = -1, 0
    nets = (dataclasses.replace(tables.fittings[0], inputs=(dataclasses.replace(square, columns=columns),)), tables.fittings[1])
    rule = NeighbourRule.MIXED
    return dataclasses.replace(tables, descriptors=(descriptor,), tables=over_r, fittings=nets, neighbour_rule=rule)


def _within(table: TableArrays) -> np.ndarray:
    """As many intervals, of a hundredth of an angstrom from 0 on."""
    counts = table.segments[:, 2]
    return np.column_stack([0.01 * (np.cumsum(counts) - counts), np.full(len(counts), 0.01), counts])


@pytest.fixture(scope="session")
def triple_tables(tables: TableSet) -> TableSet:
    """The same types with a descriptor se_e3: a linear and a direct net; centres of type 1 see no neighbours of type 1."""
    rng = np.random.default_rng(8)
    columns = np.array([[0, 0], [1, 1], [3, 0], [0, 1]], np.int32)
    linear = InputArrays(0, Form.LINEAR, columns, n_mixed=2)
    direct = InputArrays(0, Form.DIRECT, rank_mixed=np.array([1, 2, 0, 1], np.int32))
    descriptor = dataclasses.replace(
        tables.descriptors[0],
        kind="se_e3",
        n_sel=1,
        mean=np.zeros(2),
        std=tables.descriptors[0].std[:, 1:].copy(),
        axis_neuron=0,
        pair_table=np.array([[0, 1], [1, 2]], np.int32),
    )
    layers = [f.layers for f in tables.fittings]
    nets = (
        FittingArrays((linear,), (random_layer(rng, 4, 3, "tanh"), *layers[0][1:])),
        FittingArrays((direct,), (random_layer(rng, 4, 5, "silu"), *layers[1][1:])),
    )
    over_products = (random_table_arrays(rng, rank, order) for rank, order in ((2, 5), (3, 11), (1, 3)))
    made = tuple(dataclasses.replace(table, argument=Argument.PRODUCT) for table in over_products)
    return dataclasses.replace(tables, descriptors=(descriptor,), tables=made, fittings=nets)


@pytest.fixture(scope="session")
def gated_tables(triple_tables: TableSet) -> TableSet:
    """The same with a descriptor se_e3_tebd: slots that all types share, and gates."""
    rng, n_sel = np.random.default_rng(9), 12
    gates = rng.normal(size=(2, 2, triple_tables.descriptors[0].width))
    descriptor = dataclasses.replace(
        triple_tables.descriptors[0],
        kind="se_e3_tebd",
        sel=np.full(2, n_sel, np.int32),
        n_sel=n_sel,
        gates=gates + gates.transpose(1, 0, 2),
    )
    linear, direct = triple_tables.fittings
    nets = (dataclasses.replace(linear, layers=(random_layer(rng, 8, 3, "tanh"), *linear.layers[1:])), direct)
    return dataclasses.replace(triple_tables, descriptors=(descriptor,), fittings=nets)


@pytest.fixture(scope="session")
def double_tables(tables: TableSet, radial_tables: TableSet) -> TableSet:
    """Both descriptors, the second with a table of its own beside a shared one; one net takes it after the first, the other
    before."""
    rng = np.random.default_rng(7)
    radial = dataclasses.replace(
        radial_tables.descriptors[0],
        rcut=4.0,
        pair_kind=np.zeros((2, 2), np.int32),
        pair_table=np.array([[0, 2], [0, 2]], np.int32),
    )
    linear = InputArrays(1, Form.LINEAR, np.array([[1, 0], [0, 0]], np.int32))
    folded, direct = tables.fittings
    nets = (
        FittingArrays((*folded.inputs, linear), (random_layer(rng, 9, 3, "tanh"), *folded.layers[1:])),
        FittingArrays((InputArrays(1, Form.DIRECT), *direct.inputs), (random_layer(rng, 12, 5, "silu"), *direct.layers[1:])),
    )
    more = (*tables.tables, random_table_arrays(rng, 1, 5))
    return dataclasses.replace(tables, descriptors=(*tables.descriptors, radial), tables=more, fittings=nets)


@pytest.fixture(scope="session")
def combined_tables(tables: TableSet) -> CombinedTables:
    """These tables, switched to a pair table where neighbours are close."""
    table = pair_tables(pair_table(4, type_map=tables.type_map), tables.check_frequency)
    first = dataclasses.replace(tables, provenance={})
    return CombinedTables((first, table), SwitchArrays(1, 0, 0.5, 1.5, 0.1, 1e-20), {"two": "parts"})
