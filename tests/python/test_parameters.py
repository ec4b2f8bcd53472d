# SPDX-License-Identifier: MIT
"""Frame and atomic parameters and constants of the fitting nets, and hybrid models: against DeePMD-kit's numbers, derivatives and
each other, in every evaluator; and what is said where parameters are missing."""

import copy
import dataclasses

import numpy as np
import pytest
from kind_models import PARAMETERS, with_parameters

from pybuild import calculator
from pybuild.compress.build import build
from pybuild.compress.trials import within
from pybuild.compress.truncation import difference
from pybuild.errors import InputError, ModelError
from pybuild.model.description import Parameters
from pybuild.model.net import Layer, Skip
from pybuild.oracles import reference, reference_tables
from pybuild.readers import read_model
from pybuild.tablefile.file import from_bytes, to_bytes, write_tables
from pybuild.tablefile.tableset import FittingArrays

ENERGY, FORCE, VIRIAL = 1e-9, 1e-8, 1e-6  # eV/atom, eV/A, eV: tables against DeePMD-kit
SAME = 1e-12  # the nets themselves against DeePMD-kit
AGREE = 1e-11  # eV, eV/A: two programs that add the same numbers in another order
MIXED = 1e-4  # of forces in mixed precision, relative to the largest where that is more than 1 eV/A
TRAINED_MIXED = 4e-5  # eV/A: of a trained model less
DIFFERENCES = 1e-7  # relative, of central differences: truncation and rounding
BACKENDS = ("host", "kokkos_serial")
OPTIONS = ("hybrid_a_r", "hybrid_three", "hybrid_tight", "parameters")
PUBLISHED = ("fparam_aparam-2024-02.pth", "fparam_aparam-2024-07.pth", "fparam_aparam_default.pth")
M = 1.2


def assert_close(found, data, tolerances, which=""):
    energy, force, virial = tolerances
    n = len(data["types"])
    assert abs(found.energy - data[f"energy{which}"]) < energy * n
    np.testing.assert_allclose(found.atom_energy, data[f"atom_energy{which}"], rtol=0, atol=10 * energy)
    np.testing.assert_allclose(found.forces, data[f"forces{which}"], rtol=0, atol=force)
    np.testing.assert_allclose(found.virial, data[f"virial{which}"], rtol=0, atol=virial)


@pytest.mark.parametrize("backend", BACKENDS, indirect=True)
@pytest.mark.parametrize("name", OPTIONS)
def test_models_of_the_peer(option_models, tmp_path, name, backend):
    """Several descriptors of different cutoffs, nested, with too few slots; parameters of all kinds."""
    model, data = read_model(option_models / f"{name}.pth"), np.load(option_models / f"{name}.npz")
    given = {key: data[key] for key in ("fparam", "aparam") if key in data}
    structure = data["positions"], data["types"], data["cell"]
    assert_close(reference.evaluate(model, *structure, **given), data, (SAME, SAME, 10 * SAME))
    write_tables(tmp_path / "t.bin", build(model, model.min_nbor_dist).tables)
    found = calculator.evaluate(tmp_path / "t.bin", *structure, backend=backend, **given)
    assert_close(found, data, (ENERGY, FORCE, VIRIAL))
    assert (found.overflow["n_over_sel"] > 0) == (name == "hybrid_tight")


def frames(path):
    """(frame, types, fparam, aparam) of a reference."""
    data = np.load(path)
    n = sum(f"positions{k}" in data for k in range(9))
    return data, [
        (data[f"positions{k}"], data["types"], data.get(f"cell{k}"), data["fparam"][0], data[f"aparam{k}"][0]) for k in range(n)
    ]


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_models(shared, name):
    folder = shared / "models-public" / "dk-fparam_aparam-pt"
    data, given = frames(folder / "reference.npz")
    model = read_model(folder / name)
    tables = build(model, 1.0).tables
    core = calculator._core().Model.from_bytes(to_bytes(tables))
    for k, (x, types, cell, fparam, aparam) in enumerate(given):
        exact = reference.evaluate(model, x, types, cell, fparam, aparam)
        found = calculator.evaluate(core, x, types, cell, fparam=fparam, aparam=aparam)
        for result in (exact, found):
            assert_close(result, data, (ENERGY, FORCE, VIRIAL), str(k))
    assert (tables.default_fparam is not None) == ("default" in name)


@pytest.mark.parametrize("backend", BACKENDS, indirect=True)
def test_a_trained_model(shared_models, backend):
    data, given = frames(shared_models / "se_e2_a-fparam_aparam" / "reference.npz")
    model = read_model(shared_models / "se_e2_a-fparam_aparam" / "model.pth")
    core = calculator._core().Model.from_bytes(to_bytes(build(model, model.min_nbor_dist).tables))
    for k, (x, types, cell, fparam, aparam) in enumerate(given):
        parameters = {"fparam": fparam, "aparam": aparam, "backend": backend}
        assert_close(calculator.evaluate(core, x, types, cell, **parameters), data, (ENERGY, FORCE, VIRIAL), str(k))
        mixed = calculator.evaluate(core, x, types, cell, precision="mixed", **parameters)
        assert np.abs(mixed.forces - data[f"forces{k}"]).max() < TRAINED_MIXED


@pytest.fixture(params=[{}, {"kind": "se_e2_r"}, {"widths": (1, 6, 12), "activation": "linear"}])
def model(request, make_model):
    made = with_parameters(make_model(3, **request.param), PARAMETERS)
    made.validate()
    return made


def test_evaluators_agree(model, make_structure, tmp_path):
    x, types, cell = make_structure(seed=3)
    given = {"fparam": np.array([0.9, 305.0]), "aparam": np.random.default_rng(1).normal(size=(len(x), 1))}
    built = build(model, M)
    assert within(built.measured.double, FORCE)
    expected = reference.evaluate(model, x, types, cell, **given)
    of_tables = reference_tables.evaluate(built.tables, x, types, cell, **given)
    assert within(difference(of_tables, expected, len(x)), FORCE)
    write_tables(tmp_path / "t.bin", built.tables)
    found = calculator.evaluate(tmp_path / "t.bin", x, types, cell, n_threads=2, **given)
    np.testing.assert_allclose(found.atom_energy, of_tables.atom_energy, rtol=0, atol=AGREE)
    np.testing.assert_allclose(found.forces, of_tables.forces, rtol=0, atol=AGREE)
    default = calculator.evaluate(tmp_path / "t.bin", x, types, cell, aparam=given["aparam"])
    expected = reference.evaluate(model, x, types, cell, aparam=given["aparam"], fparam=PARAMETERS.default_fparam)
    np.testing.assert_allclose(default.forces, expected.forces, rtol=0, atol=FORCE)
    assert np.abs(default.forces - found.forces).max() > 1e-4
    again = from_bytes(to_bytes(built.tables))
    assert (again.n_fparam, again.n_aparam, again.default_fparam.tolist()) == (2, 1, [0.4, 310.0])
    # Large values, of which a small difference matters: mixed precision has them from the first atom's on.
    mixed = calculator.evaluate(tmp_path / "t.bin", x, types, cell, precision="mixed", **given)
    np.testing.assert_allclose(mixed.forces, found.forces, rtol=0, atol=MIXED * np.abs(found.forces).max())


@pytest.mark.parametrize("backend", BACKENDS, indirect=True)
def test_the_gradient_along_frame_parameters(model, make_structure, backend):
    x, types, cell = make_structure(seed=3)
    fparam, aparam = np.array([0.9, 305.0]), np.random.default_rng(1).normal(size=(len(x), 1))
    core = calculator._core().Model.from_bytes(to_bytes(build(model, M).tables))

    def energy(shift):
        return reference.evaluate(model, x, types, cell, fparam + shift, aparam).energy

    expected = [(energy(h * unit) - energy(-h * unit)) / (2 * h) for h, unit in zip((1e-4, 1e-2), np.eye(2), strict=True)]
    for precision, tolerance in (("double", DIFFERENCES), ("mixed", 1e-5)):
        given = {"fparam": fparam, "aparam": aparam, "n_threads": 2, "precision": precision, "backend": backend}
        found = calculator.evaluate(core, x, types, cell, **given)
        np.testing.assert_allclose(found.fparam_gradient, expected, rtol=tolerance, atol=tolerance * np.abs(expected).max())


@pytest.mark.parametrize("backend", BACKENDS, indirect=True)
def test_the_gradient_of_close_centres_and_of_a_net_of_one_layer(tables, make_structure, backend):
    """Tables of random numbers, of which ordinary centres of one type take a part; against differences of the energy."""
    rng = np.random.default_rng(4)
    x, types, cell = make_structure(seed=3)
    fparam, aparam = np.array([0.3, -0.2]), rng.normal(size=(len(x), 1))
    (square,), (direct,) = (fitting.inputs for fitting in tables.fittings)
    first, *others = tables.fittings[0].layers
    deep = (dataclasses.replace(first, weight=np.vstack([first.weight, rng.normal(size=(3, 3))])), *others)
    shallow = (Layer(rng.normal(size=(11, 1)), rng.normal(size=1), None, others[-1].activation, Skip.NONE),)
    square = dataclasses.replace(square, row_end_double=square.row_end_mixed)
    nets = (FittingArrays((square,), deep), FittingArrays((direct,), shallow))
    with_both = dataclasses.replace(tables, n_fparam=2, n_aparam=1, fittings=nets)
    gradients = []
    for close_distance in (with_both.close_distance, np.full((2, 2), 0.01), np.full((2, 2), 2.9)):
        made = dataclasses.replace(with_both, close_distance=close_distance, min_distance=np.full((2, 2), 2.9))
        core = calculator._core().Model.from_bytes(to_bytes(made))
        for precision, h, tolerance in (("mixed", 1e-2, 1e-3), ("double", 1e-4, DIFFERENCES)):

            def found(shift, core=core, precision=precision):
                return calculator.evaluate(
                    core, x, types, cell, n_threads=2, precision=precision, backend=backend, fparam=fparam + shift, aparam=aparam
                )

            gradient = found(0.0).fparam_gradient
            expected = [(found(h * unit).energy - found(-h * unit).energy) / (2 * h) for unit in np.eye(2)]
            np.testing.assert_allclose(gradient, expected, rtol=0, atol=tolerance * np.abs(expected).max())
        gradients.append(gradient)
    of_some, of_none, of_all = gradients
    assert min(np.abs(of_some - of_none).max(), np.abs(of_some - of_all).max(), np.abs(of_all - of_none).max()) > 1e-3


def test_two_oracles_agree_and_forces_are_derivatives(model, make_structure):
    x, types, cell = make_structure(seed=3)
    given = {"fparam": np.array([0.9, 305.0]), "aparam": np.random.default_rng(1).normal(size=(len(x), 1))}
    found = reference.evaluate(model, x, types, cell, **given)
    u = np.random.default_rng(2).normal(size=x.shape)
    ahead, behind = (reference.evaluate(model, x + h * u, types, cell, **given).energy for h in (1e-5, -1e-5))
    assert abs((ahead - behind) / 2e-5 + (found.forces * u).sum()) < 2e-7 * np.abs(u).sum()
    pytest.importorskip("torch")
    from pybuild.oracles import reference_torch

    other = reference_torch.evaluate(model, x, types, cell, **given)
    np.testing.assert_allclose(found.forces, other.forces, rtol=0, atol=AGREE)
    np.testing.assert_allclose(found.atom_energy, other.atom_energy, rtol=0, atol=AGREE)


def test_constants_and_the_vacuum(make_model, make_structure):
    """A case embedding alone: nothing to give, and part of the vacuum's energy."""
    model = with_parameters(make_model(3, fitting_vacuum_subtracted=frozenset({0})), Parameters(constants=[0.3, -0.8]))
    x, types, cell = make_structure(seed=3)
    expected = reference.evaluate(model, x, types, cell)
    found = reference_tables.evaluate(build(model, M).tables, x, types, cell)
    np.testing.assert_allclose(found.atom_energy, expected.atom_energy, rtol=0, atol=ENERGY)


def test_what_is_missing_is_said(model, make_structure, tmp_path):
    x, types, cell = make_structure(seed=3)
    write_tables(tmp_path / "t.bin", build(model, M).tables)
    for evaluate in (
        lambda **given: reference.evaluate(model, x, types, cell, **given),
        lambda **given: calculator.evaluate(tmp_path / "t.bin", x, types, cell, **given),
    ):
        with pytest.raises(InputError, match=r"takes 1 atomic parameters, one set an atom: give aparam, of shape \(27, 1\)"):
            evaluate(fparam=[1.0, 2.0])
        with pytest.raises(InputError, match=r"fparam has the shape \(1,\): expected finite numbers of shape \(2,\)"):
            evaluate(fparam=[1.0], aparam=np.zeros((27, 1)))
        with pytest.raises(InputError, match=r"fparam\[1\] is nan: expected finite numbers"):
            evaluate(fparam=[1.0, np.nan], aparam=np.zeros((27, 1)))
        for wrong in ([1.0, 2j], [1.0, "x"], [1.0, [2.0, 3.0]]):
            with pytest.raises(InputError, match=r"fparam: expected real numbers: "):
                evaluate(fparam=wrong, aparam=np.zeros((27, 1)))
    ordinary = {"fparam": [1.0, 1.0], "aparam": np.zeros((27, 1))}
    for given in (ordinary | {"fparam": [1e300, 1.0]}, ordinary | {"aparam": np.full((27, 1), 1e39)}):
        assert np.isfinite(calculator.evaluate(tmp_path / "t.bin", x, types, cell, **given).energy)
        with pytest.raises(InputError, match="parameters beyond those of single precision: evaluate it in double precision"):
            calculator.evaluate(tmp_path / "t.bin", x, types, cell, precision="mixed", **given)
    core = calculator._core().Model.from_file(tmp_path / "t.bin")
    evaluator = calculator._core().Evaluator(core)
    evaluator.set_neighbours(np.zeros(1, np.int32), np.zeros(1, np.int32), np.zeros(2, np.int64), np.zeros(0, np.int32))
    with pytest.raises(InputError, match="0 atomic parameters were given, the model takes 1"):
        evaluator.compute(np.zeros((1, 3)))


def test_what_parameters_do_not_allow(model):
    subtracted = dataclasses.replace(model.fitting, vacuum_subtracted=frozenset({0}))
    with pytest.raises(ModelError, match=r"fitting.vacuum_subtracted must be empty where there are parameters"):
        dataclasses.replace(model, fitting=subtracted).validate()
    wrong = dataclasses.replace(PARAMETERS, aparam_scale=[1.0, 2.0])
    with pytest.raises(ModelError, match=r"fitting.parameters.aparam_scale has shape \(2,\)"):
        dataclasses.replace(model, fitting=dataclasses.replace(model.fitting, parameters=wrong)).validate()


def test_the_calculator(model, make_structure, tmp_path):
    ase = pytest.importorskip("ase")
    pytest.importorskip("vesin")
    single_point = pytest.importorskip("ase.calculators.singlepoint")
    x, _, cell = make_structure(seed=3)
    renamed = dataclasses.replace(model, type_map=("H", "O"))
    write_tables(tmp_path / "t.bin", build(renamed, M).tables)
    types = np.arange(len(x)) % 2
    aparam = np.random.default_rng(1).normal(size=(len(x), 1))
    atoms = ase.Atoms(np.array(["H", "O"])[types], x, cell=cell, pbc=True)
    atoms.calc = calculator.DPCompressed(tmp_path / "t.bin", fparam=[0.9, 305.0], aparam=aparam)
    expected = reference.evaluate(renamed, x, types, cell, [0.9, 305.0], aparam)
    np.testing.assert_allclose(atoms.get_forces(), expected.forces, rtol=0, atol=FORCE)
    atoms.calc.set(fparam=[0.1, 290.0])
    assert atoms.calc.fparam_gradient is None  # of the parameters that were set nothing is known yet
    expected = reference.evaluate(renamed, x, types, cell, [0.1, 290.0], aparam)
    np.testing.assert_allclose(atoms.get_forces(), expected.forces, rtol=0, atol=FORCE)
    h = np.array([0.0, 1e-3])
    ahead, behind = (reference.evaluate(renamed, x, types, cell, [0.1, 290.0] + k * h, aparam).energy for k in (1, -1))
    assert atoms.get_properties(["energy", "forces"])["energy"] == pytest.approx(expected.energy, abs=1e-8)
    assert atoms.calc.fparam_gradient[1] == pytest.approx((ahead - behind) / 2e-3, rel=1e-6)
    assert copy.deepcopy(atoms.calc).fparam_gradient[1] == atoms.calc.fparam_gradient[1]
    kept = single_point.SinglePointCalculator(atoms, **atoms.calc.results)
    np.testing.assert_array_equal(kept.get_forces(), atoms.get_forces())
    atoms.calc.set(aparam=None)
    with pytest.raises(InputError, match="give aparam"):
        atoms.get_potential_energy()


@pytest.mark.parametrize("seed", [3, 5])
def test_default_frame_parameters_far_from_those_of_training(make_model, make_structure, seed):
    """What is left out of the first layer is chosen and judged at the default parameters, too."""
    far = Parameters([0.5, 300.0], [2.0, 0.1], default_fparam=[8.0, 300.0])  # 15 standard deviations from the mean
    model = with_parameters(make_model(seed, kind="se_e2_r", widths=(1, 12, 24), fitting_activation="softplus"), far)
    built = build(model, M)
    assert within(built.measured.double, FORCE)
    core = calculator._core().Model.from_bytes(to_bytes(built.tables))
    for k in range(3):
        structure = make_structure(seed=k)
        expected = reference.evaluate(model, *structure)
        assert within(difference(calculator.evaluate(core, *structure), expected, len(structure[0])), FORCE)
