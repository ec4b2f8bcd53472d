# SPDX-License-Identifier: MIT
"""Models of several parts (zbl, linear_ener, pairtab): oracles, tables and evaluators against each other, and the edges of
switch and pair table."""

import zipfile
from dataclasses import replace

import combined_models as make
import numpy as np
import pytest
from kind_models import with_parameters
from peer_models import atom_virial

from pybuild import calculator
from pybuild.cli import main
from pybuild.compress.build import Options
from pybuild.compress.combined import compress
from pybuild.compress.pair_tables import pair_tables
from pybuild.compress.trials import within
from pybuild.compress.truncation import difference
from pybuild.errors import InputError, ModelError, ReadError, UnsupportedModel
from pybuild.model import kept_types
from pybuild.model.combined import CombinedModel, Switch
from pybuild.model.description import Parameters
from pybuild.model.kept_types import keep_types, with_types
from pybuild.oracles import combined, reference
from pybuild.readers import read_model, read_source
from pybuild.readers.deepmd.combined import model_of_tree
from pybuild.readers.deepmd.tensorflow_combined import linear_tree
from pybuild.readers.deepmd.torch_frozen import NO_BIAS
from pybuild.readers.files.graphdef import Graph
from pybuild.tablefile.file import from_bytes, to_bytes, write_tables

M = 1.2  # smallest distance
SAME = 1e-11  # eV, eV/A: the same formulas in another order
MIXED = 2e-4  # eV/A: single precision, forces up to 50 eV/A
STEP = 1e-4  # angstrom, of a central difference
DIFFERENCE = 1e-5  # eV/A: its error, third derivatives up to 1e4 eV/A^3
BACKENDS = ("host", "kokkos_serial", "kokkos_openmp")
FEW = {"sel": (5, 4), "n_sel": 9, "neighbour_rule": "per_type"}


def sum_of_nets(make_model):
    """Other cutoffs, kinds and rules of neighbours."""
    return make.combined([make_model(0), make_model(1, kind="se_e2_r", rcut=3.0, rcut_smth=1.0, widths=(1, 4), **FEW)])


def sum_with_table(make_model):
    """A type without energy in one part, a pair of types that do not see each other in the table."""
    table = make.pair_table(3, pair_excluded=frozenset({(0, 1), (1, 0)}))
    return make.combined([make_model(0, fitting_excluded=frozenset({1})), table])


def table_alone(make_model):
    """Longer than the cutoff."""
    return make.combined([make.pair_table(3, end=4.6)])


def switch_of_all(make_model):
    return make.switched(make_model(0), make.pair_table(1))


def short_table(make_model):
    """It ends before the cutoff, and begins at 0."""
    return make.switched(make_model(0), make.pair_table(1, first=0.0, end=2.5))


def switch_per_type(make_model):
    """More neighbours than sel, of which the nearest of each type stay."""
    return make.switched(make_model(0, **FEW), make.pair_table(1, sel=(5, 4), neighbour_rule="per_type"))


def switch_of_shared_slots(make_model):
    return make.switched(make_model(0), make.pair_table(1, sel=(3, 3), neighbour_rule="mixed"))


def switch_that_fades(make_model):
    """Where all neighbours are far the sum of the weights is too small, as in DeePMD-kit's PyTorch."""
    return make.switched(make_model(0), make.pair_table(1), least_sum=1e-4)


def with_a_third(make_model):
    both = switch_of_all(make_model)
    return make.combined([*both.parts, make_model(5, widths=(1, 3))], both.switch)


MODELS = {
    f.__name__: f
    for f in (
        sum_of_nets, sum_with_table, table_alone, switch_of_all, short_table, switch_per_type, switch_of_shared_slots,
        switch_that_fades, with_a_third,
    )
}  # fmt: skip


CROWDED = {"sum_of_nets", "switch_per_type", "switch_of_shared_slots"}  # energies jump where neighbours change places


@pytest.fixture(params=MODELS)
def model(request, make_model) -> CombinedModel:
    return MODELS[request.param](make_model)


@pytest.fixture
def structure(make_structure):
    return make_structure(seed=3)


@pytest.fixture(scope="module")
def tables_of(make_model, tmp_path_factory):
    """Path of the table file of a model, made once."""
    folder, made = tmp_path_factory.mktemp("combined"), {}

    def build(name):
        if name not in made:
            made[name] = MODELS[name](make_model), folder / f"{name}.bin"
            write_tables(made[name][1], compress(made[name][0], M, Options()).tables)
        return made[name]

    return build


def assert_same(found, expected, tolerance=SAME):
    for name in ("energy", "atom_energy", "forces", "virial", "atom_virial"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=0, atol=tolerance, err_msg=name)


@pytest.mark.parametrize("name", [name for name in MODELS if name not in CROWDED])
def test_forces_are_derivatives(name, make_model, structure):
    model, (x, types, cell) = MODELS[name](make_model), structure
    found = combined.evaluate(model, x, types, cell)
    u = np.random.default_rng(1).normal(size=x.shape)
    ahead, behind = (combined.evaluate(model, x + h * u, types, cell).energy for h in (STEP, -STEP))
    assert abs((ahead - behind) / (2 * STEP) + (found.forces * u).sum()) < DIFFERENCE * np.abs(u).sum()
    strain = np.random.default_rng(2).normal(size=(3, 3))
    bent = (np.eye(3) + h * strain for h in (STEP, -STEP))
    ahead, behind = (combined.evaluate(model, x @ f, types, cell @ f).energy for f in bent)
    assert abs((ahead - behind) / (2 * STEP) + (found.virial * strain).sum()) < DIFFERENCE * 1e2


def test_switch_is_used(model, structure):
    """Not all of one part, or these tests would show nothing."""
    if model.switch is None:
        return
    table = model.parts[model.switch.near]
    w, _ = combined._weights(model.switch, combined._pairs_of_table(table, structure), len(structure[1]))
    assert w.min() < 0.5 < w.max()
    assert len(set(np.round(w, 6))) > 10


@pytest.mark.parametrize("backend", BACKENDS, indirect=True)
@pytest.mark.parametrize("name", MODELS)
def test_tables_and_evaluators(name, structure, tables_of, backend):
    model, path = tables_of(name)
    tables = from_bytes(path.read_bytes())
    expected, found = combined.evaluate(model, *structure), combined.evaluate_tables(tables, *structure)
    n_nets = max(1, len(model.networks))
    assert within(difference(found, expected, len(structure[1])), Options().tolerance * n_nets)
    threads = 2 if backend != "kokkos_serial" else 1
    assert_same(calculator.evaluate(path, *structure, backend=backend, n_threads=threads), found)
    mixed = calculator.evaluate(path, *structure, backend=backend, precision="mixed")
    assert_same(mixed, combined.evaluate_tables(tables, *structure, mixed=True), MIXED)


def test_pair_tables_are_exact(structure):
    for table in (make.pair_table(2), make.pair_table(2, end=2.5), make.pair_table(2, first=0.0), make.pair_table(2, end=4.6)):
        expected = combined.evaluate_pair_table(table, *structure)
        assert_same(combined.evaluate_tables(pair_tables(table, 10), *structure), expected, 1e-12)


@pytest.mark.parametrize("name", ["switch_of_all", "short_table", "switch_that_fades"])
def test_edges(name, tables_of):
    """A pair at any distance: energy and force do not jump at the ends of switch and table, and are those of the parts beyond."""
    model, path = tables_of(name)
    s, table = model.switch, model.parts[1]
    lone = make_lone(path)
    edges = [s.rmin, s.rmax, *([table.first] if table.first else [])]
    edges += [s.reach] if s.least_sum else [table.end]  # in the former there is a jump at the cutoff, as in DeePMD-kit
    for edge in edges:
        below, above = (lone(edge + h) for h in (-1e-7, 1e-7))
        assert abs(below.energy - above.energy) < 1e-4
        if edge != s.reach:  # where the force jumps, as in DeePMD-kit
            assert abs(below.forces - above.forces).max() < 1e-4
    if not s.least_sum:
        net = reference.evaluate(model.parts[0], *pair_at(s.rmax + 0.2))
        np.testing.assert_allclose(lone(s.rmax + 0.2).forces, net.forces, rtol=0, atol=1e-8)
    close = combined.evaluate_pair_table(table, *pair_at(s.rmin - 0.2))
    np.testing.assert_allclose(lone(s.rmin - 0.2).forces, close.forces, rtol=0, atol=SAME * abs(close.forces).max())


def pair_at(r):
    return np.array([[0.0, 0.0, 0.0], [r, 0.0, 0.0]]), np.array([0, 1]), None


def make_lone(path):
    compiled = calculator.load(path)
    return lambda r: calculator.evaluate(compiled, *pair_at(r))


def test_no_report_of_what_is_switched_off(tables_of):
    """Closer than the training data, but the net has no part in it; beyond the table even that one is left."""
    _, path = tables_of("switch_of_all")
    lone = make_lone(path)
    assert lone(0.7).overflow["n_close"] == 0
    assert lone(0.45).overflow["n_beyond"] == 2
    assert lone(0.45).overflow["worst"]["table_limit"] == pytest.approx(0.5)


def test_no_neighbours(tables_of):
    model, path = tables_of("switch_that_fades")
    x, types = np.array([[0.0, 0.0, 0.0], [9.0, 0.0, 0.0]]), np.array([0, 1])
    found = calculator.evaluate(path, x, types)
    assert_same(found, combined.evaluate(model, x, types), 1e-9)
    assert not found.forces.any()


@pytest.mark.parametrize("name", ["switch_of_all", "with_a_third", "sum_of_nets"])
def test_a_list_that_is_refused(tables_of, name):
    """There is none afterwards, whatever some of the parts have taken of it."""
    evaluator = calculator._core().Evaluator(calculator.load(tables_of(name)[1]))
    x, types, centres = np.array([[0.0, 0, 0], [0, 0, 3], [2, 0, 0]]), np.zeros(3, np.int32), np.arange(3, dtype=np.int32)
    first, neighbours = np.array([0, 1, 2, 2]), np.array([1, 0], np.int32)
    evaluator.set_neighbours(types, centres, first, neighbours)
    assert np.isfinite(evaluator.compute(x)[0])
    with pytest.raises(InputError, match="atom index 7"):
        evaluator.set_neighbours(types, centres, first, np.array([1, 7], np.int32))
    with pytest.raises(InputError, match="compute was called before set_neighbours"):
        evaluator.compute(x)


def test_neighbours_of_centres_without_energy(tables_of, make_model):
    """Nobody looks at them, the switch neither."""
    tables = from_bytes(tables_of("switch_of_all")[1].read_bytes())
    mask = np.array([1, 0], dtype=np.int32)
    parts = tuple(replace(p, energy_mask=mask, fittings=(p.fittings[0], None)) for p in tables.parts)
    evaluator = calculator._core().Evaluator(calculator._core().Model.from_bytes(to_bytes(replace(tables, parts=parts))))
    types, centres = np.array([0, 1, 0], np.int32), np.arange(3, dtype=np.int32)
    first, far_away = np.array([0, 1, 2, 3]), np.array([2, 500_000_000, 0], np.int32)
    evaluator.set_neighbours(types, centres, first, far_away)
    assert np.isfinite(evaluator.compute(np.array([[0.0, 0, 0], [0, 0, 3], [1.2, 0, 0]]))[0])


def test_files(tables_of):
    """What is written is read again, and `info` and `show` say what it is."""
    from pybuild import info

    _, path = tables_of("with_a_third")
    tables = from_bytes(path.read_bytes())
    assert to_bytes(tables) == path.read_bytes()
    assert len(tables.parts) == 3
    lines = "\n".join(info.info_lines(tables))
    assert "3 parts" in lines
    assert "part 1 times w and part 0 times 1 - w" in lines
    assert info.info(tables)["switch"]["rmax"] == 2.4
    compiled = calculator.load(path)
    assert [d["kind"] for d in compiled.descriptors] == ["se_e2_a", "se_e2_r", "se_e2_a"]
    assert compiled.rcut == make.RCUT


def test_neighbours_all(tables_of, structure):
    """All of too many."""
    model, path = tables_of("switch_per_type")
    every = replace(model, parts=tuple(replace(part, neighbour_rule="all") for part in model.parts))
    found = calculator.evaluate(path, *structure, neighbors="all")
    assert_same(found, combined.evaluate(every, *structure), 1e-7)
    assert abs(found.forces - combined.evaluate(model, *structure).forces).max() > 1e-3


def test_other_order_of_types(make_model, structure):
    x, types, cell = structure
    for part in (make_model(0), make.pair_table(1, excluded=frozenset({1}))):
        other = with_types(part, ("B", "A"), "test")
        pair = [make.combined([p]) for p in (part, other)]
        assert_same(combined.evaluate(pair[1], x, 1 - types, cell), combined.evaluate(pair[0], x, types, cell))


def test_parts_without_energy_of_the_types_that_are_kept():
    tables = [make.pair_table(k, neighbour_rule="mixed", excluded=frozenset(e)) for k, e in enumerate([{1}, set()])]
    kept = keep_types(make.combined(tables), ["B"])
    assert [part.energy_bias.tolist() for part in kept.parts] == [tables[1].energy_bias[1:].tolist()]
    assert len(keep_types(make.combined(tables), ["A"]).parts) == 2


def test_other_defaults_of_parameters(make_model):
    def net(default):
        return with_parameters(make_model(0), Parameters(np.zeros(1), np.ones(1), default_fparam=default))

    make.combined([net(np.array([0.1])), net(np.array([0.1])), make_model(1)])
    for other in (np.array([0.2]), None):
        with pytest.raises(ModelError, match="are others than those of the parts before it"):
            make.combined([net(np.array([0.1])), net(other)])


def test_most_parts(make_model):
    table = make.pair_table(0)
    make.combined([table] * 64)
    with pytest.raises(ModelError, match="has 65 models, must have 1 to 64"):
        make.combined([table] * 65)


def test_far_neighbours_of_the_oracle():
    """The weights of all of them are too small to be numbers."""
    x, types = np.array([[0.0, 0, 0], [3.5, 0, 0]]), np.array([0, 1])
    table = make.pair_table(1)
    found = combined.evaluate(make.combined([table, make.pair_table(2)], Switch(0, 1, 1.2, 2.4, 0.004, 0.0)), x, types)
    assert np.isfinite(found.forces).all()
    assert np.isfinite(found.virial).all()


def test_illegal_descriptions(make_model):
    net, table = make_model(0), make.pair_table(0)
    good = make.switched(net, table)
    for change, message in (
        ({"rmax": 1.0}, "switch.rmax"), ({"alpha": 0.0}, "switch.alpha"), ({"least_sum": -1.0}, "switch.least_sum"),
        ({"near": 0}, "switch"), ({"near": 0, "far": 1}, "switch.near"), ({"rmin": float("nan")}, "switch.rmin"),
    ):  # fmt: skip
        with pytest.raises(ModelError, match=message):
            replace(good, switch=replace(good.switch, **change)).validate()
    for changes, message in (
        ({"first": 5.0}, "first"), ({"step": 0.0}, "step"), ({"step": 1e-200}, "step"), ({"step": 1e200}, "step"),
        ({"sel": (0, 0)}, "sel"), ({"sel": (3,)}, "sel"),
        ({"neighbour_rule": "union"}, "neighbour_rule"), ({"sel": (3, 4), "neighbour_rule": "mixed"}, "share the slots"),
        ({"cubic": np.zeros((2, 2, 0, 4))}, "cubic"), ({"excluded": frozenset({0, 1})}, "excluded"),
    ):  # fmt: skip
        with pytest.raises(ModelError, match=message):
            replace(table, **changes).validate()
    with pytest.raises(ModelError, match="type_map"):
        replace(good, parts=(net, make.pair_table(0, type_map=("A", "C")))).validate()


# DeePMD-kit's

TRAINED = ["linear_mean.pth", "linear_sum.pth", "linear_table.pth", "zbl.pth", "zbl_checkpoint.pt"]
TRAINED += ["linear_tables.pth", "linear_shared.pth", "linear_shared_checkpoint.pt"]
SHARED = ["models/zbl-dpa1/model.pth", "models/zbl-dpa1/model.dp"]
SHARED += ["models-tf/zbl-se_e2_a/model.pb", "models-tf/linear-a_r/model.pb"]
ENERGY, FORCE, VIRIAL = 1e-9, 1e-8, 1e-6  # eV/atom, eV/A, eV: what is promised


@pytest.mark.parametrize("name", TRAINED)
def test_deepmd_results(name, option_models, tmp_path):
    path = option_models.parent / "combined" / name
    model, data = read_model(path), np.load(path.with_suffix(".npz"))
    write_tables(tmp_path / "t.bin", compress(model, M, Options()).tables)
    for k, cell in enumerate((data["cell"], None)):
        structure = data["positions"], data["types"].astype(np.int64), cell
        exact, found = combined.evaluate(model, *structure), calculator.evaluate(tmp_path / "t.bin", *structure)
        for result, tolerance in ((exact, 1e-11), (found, FORCE)):
            for field in ("atom_energy", "forces", "virial"):
                expected = data[f"{field}{k}"]
                np.testing.assert_allclose(getattr(result, field), expected, rtol=0, atol=10 * tolerance, err_msg=field)
            np.testing.assert_allclose(result.atom_virial, atom_virial(data, k), rtol=0, atol=100 * tolerance)


@pytest.mark.parametrize("name", SHARED)
def test_trained_models(name, shared, tmp_path):
    path = shared / name
    model, data = read_model(path), np.load(path.parent / "reference.npz")
    write_tables(tmp_path / "t.bin", compress(model, model.min_nbor_dist, Options()).tables)
    for frame in range(4):
        cell = data[f"cell{frame}"] if f"cell{frame}" in data else None
        structure = data[f"positions{frame}"], data["types"].astype(np.int64), cell
        found = calculator.evaluate(tmp_path / "t.bin", *structure)
        assert abs(found.energy - data[f"energy{frame}"]) < ENERGY * len(structure[1])
        np.testing.assert_allclose(found.forces, data[f"forces{frame}"], rtol=0, atol=FORCE)
        np.testing.assert_allclose(found.virial, data[f"virial{frame}"], rtol=0, atol=VIRIAL)


CODE = """class LinearEnergyAtomicModel(Module):
  def apply_out_stat(self: __torch__.deepmd.pt.model.atomic_model.linear_atomic_model.LinearEnergyAtomicModel,
    ret: Dict[str, Tensor],
    atype: Tensor) -> Dict[str, Tensor]:
    {}
    return ret
"""


def rewritten(source, target, code=None, module="linear_atomic_model", packed=zipfile.ZIP_DEFLATED, **renamed):
    """An archive with an entry of code, compressed as TorchScript's, and with other names of attributes in its pickle."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for info in old.infolist():
            data = old.read(info)
            for name, other in renamed.items() if info.filename.endswith("data.pkl") else ():
                assert data.count(name.encode()) == 1
                data = data.replace(name.encode(), other.encode())
            new.writestr(info, data)
        if code is not None:
            new.writestr(f"whole/code/__torch__/deepmd/pt/model/atomic_model/{module}.py", code, packed)
    return target


@pytest.mark.parametrize("name", ["linear_mean", "zbl"])
def test_the_bias_of_the_whole_in_frozen_models(name, option_models, tmp_path):
    """DeePMD-kit to 3.1.0 leaves it out, and has that in the code of its files; later code adds it."""
    source = option_models.parent / "combined" / f"{name}.pth"
    known = read_source(source).tree["@variables"]["out_bias"]
    assert np.abs(known).min() > 0.1
    later = "_0 = (self)._fetch_out_stat(self.bias_keys, )"
    for line, factor in ((later, 1.0), ("return ret", 0.0)):
        found = read_source(rewritten(source, tmp_path / "m.pth", CODE.format(line))).tree
        np.testing.assert_array_equal(found["@variables"]["out_bias"], factor * known)
    # The second model that a process freezes.
    mangled = {"linear_atomic_model\n": "linear_atomic_model.___torch_mangle_5\n"}
    found = read_source(rewritten(source, tmp_path / "m.pth", CODE.format("return ret"), **mangled)).tree
    np.testing.assert_array_equal(found["@variables"]["out_bias"], known)
    module = "linear_atomic_model/___torch_mangle_5"
    found = read_source(rewritten(source, tmp_path / "m.pth", CODE.format("return ret"), module, **mangled)).tree
    np.testing.assert_array_equal(found["@variables"]["out_bias"], 0.0 * known)


def test_damaged_code(option_models, tmp_path):
    path = rewritten(option_models.parent / "combined" / "zbl.pth", tmp_path / "m.pth", CODE.format("return ret") * 50)
    data = path.read_bytes()
    begin = data.index(b"linear_atomic_model.py") + len("linear_atomic_model.py")
    path.write_bytes(data[:begin] + b"\xff" * 40 + data[begin + 40 :])
    with pytest.raises(ReadError, match=r"linear_atomic_model\.py is damaged"):
        read_source(path)
    source, path = option_models.parent / "combined" / "zbl.pth", tmp_path / "n.pth"
    rewritten(source, path, CODE.format("return ret"), packed=zipfile.ZIP_LZMA)
    with pytest.raises(ReadError, match=r"linear_atomic_model\.py is packed in a way that torch does not use"):
        read_source(path)


def test_code_that_repeats_itself():
    """Looked through in a time that grows with its length."""
    assert NO_BIAS.search("def apply_out_stat(" * 50_000) is None


@pytest.mark.parametrize("name", ["linear_mean", "zbl"])
def test_frozen_models_without_weights(name, option_models, tmp_path):
    """Those of before 3.0.0."""
    source = option_models.parent / "combined" / f"{name}.pth"
    assert read_source(rewritten(source, tmp_path / "m.pth", weights="weighty")).tree["weights"] == "mean"


def changed_tree(option_models, name, **changes):
    source = read_source(option_models.parent / "combined" / name)
    return model_of_tree({**source.tree, **changes}, None, make.SOURCE)


def test_weights(option_models, make_structure):
    """Numbers are factors; a part of weight 0 is left out; of one part alone there is nothing to add."""
    structure = make_structure(seed=3, n_types=3)
    half, one = (changed_tree(option_models, "linear_sum.pth", weights=w) for w in ([0.5, 0.5], [2.0, 0.0]))
    mean = changed_tree(option_models, "linear_sum.pth", weights="mean")
    assert_same(combined.evaluate(half, *structure), combined.evaluate(mean, *structure), 0)
    assert not isinstance(one, CombinedModel)
    both = changed_tree(option_models, "linear_sum.pth")
    first = combined.evaluate(one, *structure).forces / 2
    assert abs(combined.evaluate(both, *structure).forces - first).max() > 1e-2


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"weights": [1.0]}, ReadError, "must be 'mean', 'sum' or a number for each of 2 models"),
        ({"weights": "median"}, ReadError, "weights are 'median'"),
        ({"weights": [1.0, float("inf")]}, ReadError, "finite"),
        ({"weights": [0.0, 0.0]}, UnsupportedModel, "weight 0"),
        ({"type_map": ["A", "B", "Z"]}, ReadError, "but not Z"),
        ({"models": []}, ReadError, "without parts"),
        ({"type": "pairtab"}, UnsupportedModel, "a model of type 'pairtab' .*needs a net beside it"),
    ],
)
def test_wrong_sums(option_models, changes, error, message):
    with pytest.raises(error, match=message):
        changed_tree(option_models, "linear_sum.pth", **changes)


def test_wrong_switches(option_models):
    tree = read_source(option_models.parent / "combined" / "zbl.pth").tree
    for changes, error, message in (
        ({"models": tree["models"][::-1]}, ReadError, "must be a net and a pair table"),
        ({"sw_rmin": 3.0}, ModelError, "switch.rmax"),
        ({"smin_alpha": 0.0}, ModelError, "switch.alpha"),
        ({"models": [tree["models"][0], tree["models"][1] | {"pair_exclude_types": [(0, 1)]}]}, UnsupportedModel, "two lists"),
    ):
        with pytest.raises(error, match=message):
            changed_tree(option_models, "zbl.pth", **changes)
    inside = {"type": "linear_ener", "models": [tree], "weights": "sum"}
    with pytest.raises(UnsupportedModel, match="inside another one"):
        changed_tree(option_models, "linear_sum.pth", **inside)


@pytest.mark.parametrize(
    "info", [[0.3, 0.05, 1e9, 3], [0.3, 0.05, 66, 2], [0.3, 0.0, 66, 3], [9.0, 0.05, 66, 3], [0.3, np.nan, 66, 3]]
)
def test_damaged_pair_tables(option_models, info):
    tree = read_source(option_models.parent / "combined" / "zbl.pth").tree
    net, table = tree["models"]
    variables = table["tab"]["@variables"] | {"tab_info": np.array(info)}
    damaged = table | {"tab": table["tab"] | {"@variables": variables}}
    with pytest.raises((ReadError, ModelError), match=r"pair[ _]table"):
        changed_tree(option_models, "zbl.pth", models=[net, damaged])


@pytest.mark.parametrize(("excluded", "expected"), [([], [1.0, 2.0, 3.0]), ([1], [1.0, 0.0, 3.0])])
def test_bias_of_the_whole_model(option_models, excluded, expected):
    """Goes to the first part that gives the type an energy."""
    source = read_source(option_models.parent / "combined" / "linear_sum.pth").tree
    first, *others = source["models"]
    models, bias = [first | {"atom_exclude_types": excluded}, *others], np.array([1.0, 2.0, 3.0]).reshape(1, 3, 1)
    variables = {"@variables": source["@variables"] | {"out_bias": bias}, "models": models}
    with_bias = changed_tree(option_models, "linear_sum.pth", **variables).parts
    without = changed_tree(option_models, "linear_sum.pth", models=models, **{"@variables": {"out_bias": 0 * bias}}).parts
    shifts = [one.fitting.energy_bias - other.fitting.energy_bias for one, other in zip(with_bias, without, strict=True)]
    np.testing.assert_allclose(shifts[0], expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(sum(shifts), [1.0, 2.0, 3.0], rtol=0, atol=1e-12)


def test_bias_of_a_type_that_a_part_excludes(option_models):
    bias = {"@variables": {"out_bias": np.array([1.0, 2.0, 3.0]).reshape(1, 3, 1)}}
    source = read_source(option_models.parent / "combined" / "zbl.pth").tree
    net, table = source["models"]
    with pytest.raises(UnsupportedModel, match=r"a bias .out_bias. of type 1, which a part of the model excludes"):
        changed_tree(option_models, "zbl.pth", models=[net | {"atom_exclude_types": [1]}, table], **bias)
    source = read_source(option_models.parent / "combined" / "linear_sum.pth").tree
    models = [part | {"atom_exclude_types": [1]} for part in source["models"]]
    with pytest.raises(UnsupportedModel, match=r"a bias .out_bias. of type 1, which a part of the model excludes"):
        changed_tree(option_models, "linear_sum.pth", models=models, **bias)


@pytest.mark.parametrize("changes", [{"sel": [3]}, {"rcut": 2.0}])
def test_a_table_of_another_list_than_the_net(option_models, changes):
    net, table = read_source(option_models.parent / "combined" / "zbl.pth").tree["models"]
    with pytest.raises(UnsupportedModel, match="one list of neighbours for both, which the switch weighs"):
        changed_tree(option_models, "zbl.pth", models=[net, table | changes])


def test_types_of_a_linear_graph():
    """TensorFlow numbers them once."""
    models = [{"type_map": ["O", "H"]}, {"type_map": ["H", "O"]}]
    with pytest.raises(UnsupportedModel, match="part 1 has the types H O, part 0 O H"):
        linear_tree(Graph({}), {"weights": [0.5, 0.5]}, models)


def test_command_line(option_models, tmp_path, capsys):
    """All commands."""
    path, tables = option_models.parent / "combined" / "zbl.pth", tmp_path / "t.bin"
    assert main([str(path), str(tables), "--keep-types", "A", "C"]) == 0
    out = capsys.readouterr()
    assert "part 1, for close neighbours" in out.out
    assert "pair table" in out.out
    assert main(["verify", str(path), str(tables), "--keep-types", "A", "C"]) == 0
    assert main(["info", str(tables)]) == 0
    assert main(["show", str(path)]) == 0
    assert "compressible: yes" in capsys.readouterr().out


def test_kept_types_keep_parameters(make_model):
    p = Parameters(fparam_mean=np.array([1.0]), fparam_scale=np.array([2.0]))
    fitting = replace(make_model(0).fitting, parameters=p)
    assert kept_types._fitting(fitting, [1, 0]).parameters is p
