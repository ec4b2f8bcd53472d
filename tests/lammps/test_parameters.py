# SPDX-License-Identifier: MIT
"""Hybrid models, and models that take parameters, constant ones or those of computes and fixes: LAMMPS gives what the trained
model gives, on any number of ranks and after a restart, also the energy's derivatives; a clear error for what is missing."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Callable
from pathlib import Path

import combined_models
import numpy as np
import pytest
from lammps_runs import BAR_PER_EV_A3, Array, Lammps, Run, System, on_backends, setup, static

from pybuild.compress.build import Options, build
from pybuild.compress.combined import compress
from pybuild.model.combined import AnyModel
from pybuild.model.description import ModelDescription, Parameters
from pybuild.model.net import Net
from pybuild.oracles import combined
from pybuild.readers import read_model
from pybuild.tablefile.file import write_tables

FOLDER = Path(__file__).resolve().parents[1] / "data" / "options"
TABLES = 1e-8  # eV/A
MIXED = 1e-4  # eV/A, relative to the largest force where that is more than 1
DIFFERENCES = 1e-7  # eV: central differences of the nets' energy, and the tables' tolerance
PRINTED = 1e-11  # relative: numbers written with 12 digits
MVV, BOLTZMANN = 1.0364269e-4, 8.617343e-5  # eV of g/mol (A/ps)^2; eV/K: as LAMMPS' metal units have them
NAMES = "* * A B C"
GIVEN = {"fparam": [0.7, -0.4], "aparam": [1.3]}


@pytest.fixture(scope="module")
def tables_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The table file of a model of the folder, made once."""
    folder = tmp_path_factory.mktemp("parameters")

    def make(name: str) -> Path:
        path = folder / f"{name}.bin"
        if not path.exists():
            write_tables(path, build(read_model(FOLDER / f"{name}.pth"), 1.1).tables)
        return path

    return make


def write_atoms(lammps: Lammps, name: str) -> dict[str, np.ndarray]:
    data = dict(np.load(FOLDER / f"{name}.npz"))
    system = System(("X", "X", "X"), data["types"].astype(np.int64) + 1, data["positions"], data["cell"])
    system.write(lammps.folder / "atoms.data")
    return data


def words(**given: list[float]) -> str:
    return " ".join(f"{name} {' '.join(map(str, values))}" for name, values in given.items())


@pytest.mark.parametrize("ranks", [1, 2])
@on_backends("host", "kokkos_serial", "kk", "kk_host")
def test_several_descriptors(lammps: Lammps, tables_of: Callable, ranks: int) -> None:
    """Three of two kinds and cutoffs, all with too few slots: the peer's numbers."""
    data = write_atoms(lammps, "hybrid_tight")
    run = lammps.run(setup("atoms.data", lammps.style(tables_of("hybrid_tight"), "overflow warn"), NAMES) + static(), ranks)
    np.testing.assert_allclose(run.dump("forces.dump"), data["forces"], rtol=0, atol=TABLES)
    assert run.value("energy")[0] == pytest.approx(float(data["energy"]), abs=TABLES * 27)
    assert "se_e2_a + se_e2_r + se_e2_a, cutoff 4 angstrom" in run.output


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("given", [GIVEN, {"aparam": [1.3]}])
@on_backends("host", "kokkos_serial", "kk", "kk_host")
def test_parameters(lammps: Lammps, tables_of: Callable, given: dict[str, list[float]], ranks: int) -> None:
    """Frame parameters of the input, or those of the model."""
    data = write_atoms(lammps, "parameters")
    style = lammps.style(tables_of("parameters"), f"overflow warn {words(**given)} check 5")
    run = lammps.run(setup("atoms.data", style, NAMES) + static(), ranks)
    x, types = data["positions"], data["types"].astype(np.int64)
    model = read_model(FOLDER / "parameters.pth")
    expected = combined.evaluate(model, x, types, data["cell"], given.get("fparam"), np.full((27, 1), 1.3))
    np.testing.assert_allclose(run.dump("forces.dump"), expected.forces, rtol=0, atol=TABLES)
    assert run.value("energy")[0] == pytest.approx(expected.energy, abs=TABLES * 27)


@pytest.mark.parametrize("ranks", [1, 2])
@on_backends("host", "kokkos_serial", "kk", "kk_host")
def test_parameters_in_mixed_precision(lammps: Lammps, made: Callable, ranks: int) -> None:
    data = write_atoms(lammps, "parameters")
    model, tables = made("two_one")
    words = "precision mixed fparam_from_compute frame aparam_from_compute place"
    columns = lammps.run(script(lammps, tables, words, SOURCES), ranks).dump("all.dump")
    x, types = columns[:, 1:4], columns[:, 0].astype(int) - 1
    expected = combined.evaluate(model, x, types, data["cell"], [0.7, -0.4], x[:, :1]).forces
    difference = np.abs(columns[:, 7:] - expected).max()
    assert TABLES < difference < MIXED * max(1.0, np.abs(expected).max())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("", "the model takes 1 atomic parameters, keyword aparam has 0: give aparam and 1 number"),
        ("aparam 1.0 fparam 2.0", "the model takes 2 frame parameters, keyword fparam has 1: give fparam and 2 numbers"),
        ("aparam 1.0 2.0", "the model takes 1 atomic parameters, keyword aparam has 2"),
        ("aparam", "keyword 'aparam' has no value"),
        ("aparam warm", "aparam must be one or more numbers, not 'warm'"),
        ("aparam 1.0 fparam 2.0 nan", "fparam must be one or more numbers, not 'nan'"),
        ("aparam 1.0 fparam 2.0 1e400", "fparam must be one or more numbers, not '1e400'"),
    ],
)
def test_what_is_missing_is_said(lammps: Lammps, tables_of: Callable, given: str, message: str) -> None:
    write_atoms(lammps, "parameters")
    text = setup("atoms.data", lammps.style(tables_of("parameters"), given), NAMES) + static()
    run = lammps.run(text, check=False)
    assert any(message in line for line in run.errors)


def test_a_model_without_parameters(lammps: Lammps, tables_of: Callable) -> None:
    write_atoms(lammps, "hybrid_a_r")
    text = setup("atoms.data", lammps.style(tables_of("hybrid_a_r"), "fparam 1.0"), NAMES) + static()
    run = lammps.run(text, check=False)
    assert any("the model takes no frame parameters, keyword fparam has 1: leave it out" in line for line in run.errors)


def of_the_other_kind(model: ModelDescription) -> ModelDescription:
    """The same nets with one frame and two atomic parameters: the inputs lie in the same order."""
    p = model.fitting.parameters
    parameters = Parameters(p.mean[:1], p.scale[:1], p.mean[1:], p.scale[1:], p.constants)
    return dataclasses.replace(model, fitting=dataclasses.replace(model.fitting, parameters=parameters))


def weaker(model: ModelDescription) -> ModelDescription:
    """Another model of the same shape."""
    nets = []
    for net in model.fitting.nets:
        *layers, last = net.layers
        nets.append(Net((*layers, dataclasses.replace(last, weight=0.9 * last.weight))))
    return dataclasses.replace(model, fitting=dataclasses.replace(model.fitting, nets=tuple(nets)))


MODELS = {
    "two_one": lambda: read_model(FOLDER / "parameters.pth"),
    "one_two": lambda: of_the_other_kind(MODELS["two_one"]()),
    "weaker": lambda: weaker(MODELS["two_one"]()),
    "switched": lambda: combined_models.switched(MODELS["two_one"](), combined_models.pair_table(1, n_types=3)),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[AnyModel, Path]]:
    """A model of MODELS and its table file, made once."""
    folder = tmp_path_factory.mktemp("sources")

    @functools.cache
    def make(name: str) -> tuple[AnyModel, Path]:
        model = MODELS[name]()
        write_tables(folder / f"{name}.bin", compress(model, 1.1, Options()).tables)
        return model, folder / f"{name}.bin"

    return make


DUMP = """
dump all all custom 1 all.dump id type x y z vx vy vz fx fy fz
dump_modify all format float %.17g
"""
SMALL_STEPS = "velocity all create 30 12345 loop all\ntimestep 0.0002\nfix move all nve\n"


def script(lammps: Lammps, tables: Path | str, words: str, before: str = "", after: str = "run 0\n") -> str:
    """before: computes and fixes, after atoms and pair style."""
    style = lammps.style(tables, f"overflow warn {words}")
    return setup("atoms.data", style, NAMES) + before + DUMP + after


def assert_forces(run: Run, model: AnyModel, cell: Array, parameters: Callable[[int, Array], tuple]) -> None:
    """Of every frame; parameters(step, columns of the dump) gives (fparam, aparam)."""
    for step, columns in enumerate(run.dumps("all.dump")):
        fparam, aparam = parameters(step, columns)
        x, types = columns[:, 1:4], columns[:, 0].astype(int) - 1
        expected = combined.evaluate(model, x, types, cell, fparam, aparam)
        np.testing.assert_allclose(columns[:, 7:], expected.forces, rtol=0, atol=TABLES, err_msg=f"step {step}")


@pytest.mark.parametrize("ranks", [1, 4])
@on_backends("host", "kokkos_serial", "kk", "kk_host")
def test_parameters_of_computes_act_in_the_same_step(lammps: Lammps, made: Callable, ranks: int) -> None:
    """Vector and per-atom vector; both change from step to step, the atomic ones with the atoms."""
    data = write_atoms(lammps, "parameters")
    model, tables = made("two_one")
    before = SMALL_STEPS + (
        "variable a atom 0.7+0.1*step\nvariable b atom -0.4-0.2*step\ncompute frame all reduce ave v_a v_b\n"
        "compute place all property/atom x\n"
    )
    words = "fparam_from_compute frame aparam_from_compute place"
    run = lammps.run(script(lammps, tables, words, before, "run 3\n"), ranks)
    assert len(run.dumps("all.dump")) == 4
    assert_forces(run, model, data["cell"], lambda step, c: ([0.7 + 0.1 * step, -0.4 - 0.2 * step], c[:, 1:2]))
    assert "frame parameters from compute frame" in run.output
    assert "atomic parameters from compute place" in run.output


@pytest.mark.parametrize("ranks", [1, 2])
@on_backends("host", "kokkos_serial", "kk", "kk_host")
def test_a_temperature_and_several_atomic_parameters(lammps: Lammps, made: Callable, ranks: int) -> None:
    """Scalar and per-atom array. The first forces of a run know the temperature; at a step's end others see that of the end."""
    data = write_atoms(lammps, "parameters")
    model, tables = made("one_two")
    before = (
        SMALL_STEPS
        + "compute place all property/atom x y\ncompute hot all temp\n"
        + ("compute virial all pressure NULL virial\nthermo 1\nthermo_style custom step press c_virial temp\n")
    )
    words = "fparam_from_compute thermo_temp aparam_from_compute place"
    end = 'run 2\nprint "pressure: $(press:%.17g) $(c_virial:%.17g) $(temp:%.17g) $(vol:%.17g)"\n'
    run = lammps.run(script(lammps, tables, words, before, end), ranks)
    first = run.dumps("all.dump")[:1]
    kinetic = lambda columns: (columns[:, 4:7] ** 2).sum() * MVV / (3 * 26 * BOLTZMANN)  # noqa: E731
    x, types = first[0][:, 1:4], first[0][:, 0].astype(int) - 1
    expected = combined.evaluate(model, x, types, data["cell"], [kinetic(first[0])], x[:, :2])
    np.testing.assert_allclose(first[0][:, 7:], expected.forces, rtol=0, atol=1e-5)  # K, of rounded constants
    pressure, virial, temperature, volume = run.value("pressure")
    assert temperature == pytest.approx(kinetic(run.dumps("all.dump")[-1]), rel=1e-6)
    assert pressure - virial == pytest.approx(26 * BOLTZMANN * temperature / volume * BAR_PER_EV_A3, rel=1e-6)


@pytest.mark.parametrize(
    ("words", "fparam_at"),
    [
        ("fparam_from_fix given 2", lambda step: [0.7 + 0.1 * step, -0.4]),  # elements 2 and 3 of three
        ("fparam_from_fix single", lambda step: [0.3 - 0.2 * step] * 2),  # a scalar is all of them
    ],
)
@on_backends("host", "kk")
def test_parameters_of_a_fix(lammps: Lammps, made: Callable, words: str, fparam_at: Callable[[int], list[float]]) -> None:
    """fix ave/time works at the end of a step: its value acts in the next one, that of the first step in that step."""
    data = write_atoms(lammps, "parameters")
    model, tables = made("two_one")
    before = SMALL_STEPS + (
        "variable zero equal 0\nvariable a equal 0.7+0.1*step\nvariable b equal -0.4\nvariable c equal 0.3-0.2*step\n"
        "fix given all ave/time 1 1 1 v_zero v_a v_b\nfix single all ave/time 1 1 1 v_c\n"
    )
    run = lammps.run(script(lammps, tables, f"{words} aparam 1.3", before, "run 3\n"), ranks=2)
    assert_forces(run, model, data["cell"], lambda step, c: (fparam_at(max(0, step - 1)), np.full((len(c), 1), 1.3)))


@pytest.mark.parametrize(
    ("begin", "times", "first_with_value"),
    [
        ("", "1 3 3 v_v", 4),
        ("reset_timestep 1\n", "3 1 3 v_v", 3),
        ("", "1 1 1 v_v start 2", 3),
        ("", "3 1 3 v_v", 0),
        ("", "1 1 1 v_v", 0),
    ],
)
@on_backends("host", "kk")
def test_a_fix_that_has_no_average_yet(lammps: Lammps, made: Callable, begin: str, times: str, first_with_value: int) -> None:
    """LAMMPS gives 0 then, which is said; the average of a step acts in the next one."""
    data = write_atoms(lammps, "parameters")
    model, tables = made("two_one")
    before = f"{SMALL_STEPS}{begin}variable v equal 0.3\nfix F all ave/time {times}\n"
    run = lammps.run(script(lammps, tables, "fparam_from_fix F aparam 1.3", before, "run 4\n"))
    assert_forces(
        run, model, data["cell"], lambda step, c: ([0.3 if step >= first_with_value else 0.0] * 2, np.full((len(c), 1), 1.3))
    )
    warnings = [line for line in run.warnings if "fix F of fparam_from_fix gives 0 at the first forces of the run" in line]
    assert len(warnings) == (1 if first_with_value > 0 else 0), run.output


def test_the_mean_electron_temperature_of_fix_ttm(lammps: Lammps, made: Callable) -> None:
    """The recipe of docs/lammps.md, which stands for keyword ttm."""
    data = write_atoms(lammps, "parameters")
    model, tables = made("two_one")
    before = (
        "change_box all xy final 0 xz final 0 yz final 0 ortho\n"
        "fix electrons all ttm 1234 0.7 1.9 0.1 0.01 0.0 1.0 2 2 2 set 0.6\n"
        "variable Te equal f_electrons[1]/(0.7*1.9*vol)\nfix Te all ave/time 1 1 1 v_Te\n"
    )
    end = 'run 0\nprint "energy: $(pe:%.17g)"\nprint "temperature: $(f_Te:%.17g)"\n'
    run = lammps.run(script(lammps, tables, "fparam_from_fix Te aparam 1.3", before, end))
    assert run.value("temperature")[0] == pytest.approx(0.6, rel=1e-12)
    columns = run.dump("all.dump")
    x, types = columns[:, 1:4], columns[:, 0].astype(int) - 1
    expected = combined.evaluate(model, x, types, np.diag(np.diag(data["cell"])), [0.6, 0.6], np.full((27, 1), 1.3))
    assert run.value("energy")[0] == pytest.approx(expected.energy, abs=TABLES * 27)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("fparam_from_compute none", "compute none of fparam_from_compute does not exist: define it before the run"),
        ("fparam_from_fix none", "fix none of fparam_from_fix does not exist: define it before the run"),
        ("fparam_from_compute place", "compute place of fparam_from_compute has no global vector, the model takes 2 frame"),
        ("fparam_from_compute one", "compute one of fparam_from_compute has no global vector, the model takes 2"),
        ("fparam_from_compute infinite", "compute infinite of fparam_from_compute gives a number that is not finite"),
        ("fparam_from_compute energies", "depend on compute pe (pe/atom), which needs the energy or the pressure"),
        ("fparam_from_fix pair", "fix pair of fparam_from_fix has no global scalar; of its global vector the elements from N on"),
        ("fparam_from_fix single 1", "fix single of fparam_from_fix has no global vector, of which element 1 is asked for"),
        ("fparam_from_fix pair 2", "fix pair of fparam_from_fix has a global vector of 2 numbers, but 2 from the 2. on"),
        ("fparam_from_fix pair 0", "fparam_from_fix must be a number of an element of the fix's vector of at least 1, not '0'"),
        ("fparam_from_fix pair 1 fparam 1 2", "keywords fparam and fparam_from_fix exclude each other"),
        ("fparam_from_fix pair 1 fparam_from_compute one", "keywords fparam_from_compute and fparam_from_fix exclude each other"),
        ("fparam 1 2 fparam_from_compute one", "keywords fparam and fparam_from_compute exclude each other"),
        ("aparam_from_compute place", "keywords aparam and aparam_from_compute exclude each other"),
        ("foo", "unknown keyword 'foo'"),  # and not that the model takes parameters
        ("ttm electrons", "keyword 'ttm' of pair_style deepmd: LAMMPS shows other styles no electron temperature"),
    ],
)
def test_what_a_source_lacks_is_said(lammps: Lammps, made: Callable, words: str, message: str) -> None:
    write_atoms(lammps, "parameters")
    before = (
        "variable one atom 1\nvariable inf atom 1e308*1e10\ncompute pe all pe/atom\n"
        "compute one all reduce ave v_one\ncompute infinite all reduce ave v_inf v_inf\n"
        "compute energies all reduce ave c_pe c_pe\ncompute place all property/atom x\n"
        "variable x equal 1\nfix single all ave/time 1 1 1 v_x\nfix pair all ave/time 1 1 1 v_x v_x\n"
    )
    run = lammps.run(script(lammps, made("two_one")[1], f"{words} aparam 1.3", before), check=False)
    assert any(message in line for line in run.errors), run.output


@pytest.mark.parametrize(
    ("name", "words", "message"),
    [
        ("one_two", "aparam_from_compute hot", "compute hot of aparam_from_compute has no per-atom values"),
        ("one_two", "aparam_from_compute ke", "compute ke of aparam_from_compute has 1 value an atom, the model takes 2 atomic"),
        ("two_one", "aparam_from_compute ke", "compute ke of aparam_from_compute gives a number that is not finite (atom"),
        ("two_one", "aparam_from_compute pe", "depend on compute pe (pe/atom), which needs the energy or the pressure"),
    ],
)
def test_what_an_atomic_source_lacks_is_said(lammps: Lammps, made: Callable, name: str, words: str, message: str) -> None:
    write_atoms(lammps, "parameters")
    before = "compute hot all temp\ncompute ke all ke/atom\ncompute pe all pe/atom\nset atom 3*5 vx 1e200\n"
    words += " fparam 0.7 -0.4" if name == "two_one" else " fparam 0.7"
    run = lammps.run(script(lammps, made(name)[1], words, before), check=False)
    assert any(message in line for line in run.errors), run.output


@pytest.mark.parametrize("ranks", [1, 2])
@on_backends("host", "kk")
def test_atoms_that_are_not_there_need_no_parameter(lammps: Lammps, made: Callable, ranks: int) -> None:
    """The kinetic energy of those given as NULL, and of one excluded against all, is infinite."""
    data = write_atoms(lammps, "parameters")
    model, tables = made("two_one")
    before = "group gone id 1\nneigh_modify exclude group gone all\ncompute ke all ke/atom\n" + (
        "set type 1*3 vx 30.0\nset type 2 vx 1e200\nset atom 1 vx 1e200\n"
    )
    text = script(lammps, tables, "aparam_from_compute ke fparam 0.7 -0.4", before).replace(NAMES, "* * A NULL C")
    columns = lammps.run(text, ranks).dump("all.dump")
    types = columns[:, 0].astype(int) - 1
    keep = (types != 1) & (np.arange(len(types)) != 0)
    aparam = np.full((keep.sum(), 1), 0.5 * 30.0**2 * MVV)
    expected = combined.evaluate(model, columns[keep, 1:4], types[keep], data["cell"], [0.7, -0.4], aparam)
    np.testing.assert_allclose(columns[keep, 7:], expected.forces, rtol=0, atol=TABLES)
    np.testing.assert_array_equal(columns[~keep, 7:], 0)


def test_a_source_of_what_the_model_does_not_take(lammps: Lammps, tables_of: Callable) -> None:
    write_atoms(lammps, "hybrid_a_r")
    for words, kind in (("fparam_from_compute c", "frame"), ("fparam_from_fix f", "frame"), ("aparam_from_compute c", "atomic")):
        run = lammps.run(script(lammps, tables_of("hybrid_a_r"), words), check=False)
        assert any(f"the model takes no {kind} parameters, keyword {words.split()[0]} gives some" in line for line in run.errors)


SOURCES = (
    "variable a atom 0.7\nvariable b atom -0.4\ncompute frame all reduce ave v_a v_b\ncompute place all property/atom x\n"
    "variable v equal 0.25\nfix frame all ave/time 1 1 1 v_v v_v v_v\n"
)


@pytest.mark.parametrize(
    "words",
    [
        "fparam 0.7 -0.4 aparam 1.3",
        "aparam 1.3",
        "fparam_from_compute frame aparam_from_compute place",
        "fparam_from_fix frame 2 aparam 1.3",
    ],
)
@on_backends("host", "kk")
def test_restart_files_store_parameters(lammps: Lammps, made: Callable, words: str) -> None:
    """Computes and fixes are to be defined again, with the same IDs."""
    write_atoms(lammps, "parameters")
    tail = 'run 0\nprint "energy: $(pe:%.17g)"\n'
    again = f"write_restart r.restart\nclear\nread_restart r.restart\n{SOURCES}{tail}"
    run = lammps.run(script(lammps, made("two_one")[1], words, SOURCES, tail + again), ranks=2)
    before, after = run.values("energy")
    assert after[0] == pytest.approx(before[0], abs=1e-10)


@on_backends("host", "kokkos_serial", "kk", "kk_host")
def test_several_models_take_the_same(lammps: Lammps, made: Callable) -> None:
    data = write_atoms(lammps, "parameters")
    (first, file), (second, other) = made("two_one"), made("weaker")
    words = "out_freq 1 fparam_from_compute frame aparam_from_compute place"
    run = lammps.run(script(lammps, f"{file} {other}", words, SOURCES), ranks=2)
    columns = run.dump("all.dump")
    x, types = columns[:, 1:4], columns[:, 0].astype(int) - 1
    forces = np.array([combined.evaluate(m, x, types, data["cell"], [0.7, -0.4], x[:, :1]).forces for m in (first, second)])
    atoms = np.sqrt(((forces - forces.mean(0)) ** 2).sum(2).mean(0))
    row = np.loadtxt(lammps.folder / "model_devi.out", ndmin=2)[-1]
    np.testing.assert_allclose(row[4:7], [atoms.max(), atoms.min(), atoms.mean()], rtol=1e-5, atol=TABLES)


def test_models_that_disagree(lammps: Lammps, made: Callable) -> None:
    write_atoms(lammps, "parameters")
    files, words = f"{made('two_one')[1]} {made('one_two')[1]}", "fparam_from_compute frame aparam_from_compute place"
    run = lammps.run(script(lammps, files, words, SOURCES), check=False)
    message = "the model takes 1 frame and 2 atomic parameters, the first one 2 and 1: models that take them from"
    assert any(message in line for line in run.errors), run.output


def gradient_of(model: AnyModel, columns: Array, cell: Array, fparam: list[float], aparam: Array) -> Array:
    x, types, h = columns[:, 1:4], columns[:, 0].astype(int) - 1, 1e-4
    found = []
    for unit in np.eye(len(fparam)):
        ahead, behind = (combined.evaluate(model, x, types, cell, fparam + step * unit, aparam).energy for step in (h, -h))
        found.append((ahead - behind) / (2 * h))
    return np.array(found)


@pytest.mark.parametrize(("name", "ranks"), [("two_one", 1), ("two_one", 2), ("switched", 2)])
@on_backends("host", "kokkos_serial", "kk", "kk_host")
def test_derivatives_of_the_energy(lammps: Lammps, made: Callable, name: str, ranks: int) -> None:
    """compute dpcompressed/fparam/dedn at the parameters and atoms of each step; forces are what they are without it.
    Switched to a pair table, the atoms' derivatives have weights."""
    data = write_atoms(lammps, "parameters")
    model, tables = made(name)
    before = SMALL_STEPS + SOURCES.replace("0.7", "0.7+0.1*step") + "compute dedn all dpcompressed/fparam/dedn\nthermo 1\n"
    before += "thermo_style custom step pe c_dedn[1] c_dedn[2]\nthermo_modify format float %.17g\n"
    words = "fparam_from_compute frame aparam_from_compute place"
    run = lammps.run(script(lammps, tables, words, before, "run 2\n"), ranks)
    rows = [line.split() for line in run.output.splitlines() if re.match(r"^ +[012] +-?\d+\.\d+ ", line)]
    for step, columns in enumerate(run.dumps("all.dump")):
        expected = gradient_of(model, columns, data["cell"], [0.7 + 0.1 * step, -0.4], columns[:, 1:2])
        np.testing.assert_allclose([float(word) for word in rows[step][2:]], expected, rtol=0, atol=DIFFERENCES)
    assert_forces(run, model, data["cell"], lambda step, c: ([0.7 + 0.1 * step, -0.4], c[:, 1:2]))


@pytest.mark.parametrize("ranks", [1, 2])
@on_backends("host", "kk")
def test_derivatives_for_all_who_ask_at_the_first_step(lammps: Lammps, made: Callable, ranks: int) -> None:
    """thermo, variables, fix print and fix ave/time at the set-up of a run, and of a second `run 0`."""
    data = write_atoms(lammps, "parameters")
    model, tables = made("two_one")
    before = SOURCES + "compute dedn all dpcompressed/fparam/dedn\nvariable first equal c_dedn[1]\n"
    before += "thermo_style custom step c_dedn[1] v_first\nthermo_modify format float %.12e\n"
    before += 'fix p all print 1 "printed: $(v_first:%.12e)"\n'
    before += "fix a all ave/time 1 1 1 c_dedn[1] file mean.txt format ' %.12e'\n"
    words = "fparam_from_compute frame aparam_from_compute place"
    end = 'run 0\nrun 0\nprint "after: $(c_dedn[1]:%.12e)"\n'
    run = lammps.run(script(lammps, tables, words, before, end), ranks)
    columns, after = run.dump("all.dump"), run.value("after")[0]
    expected = gradient_of(model, columns, data["cell"], [0.7, -0.4], columns[:, 1:2])[0]
    assert after == pytest.approx(expected, abs=DIFFERENCES)
    assert [value[0] for value in run.values("printed")] == pytest.approx([after, after], rel=PRINTED)
    rows = re.findall(r"^ +0 +(-?\d\S*e\S+) +(\S+) *$", run.output, re.MULTILINE)
    assert [float(word) for row in rows for word in row] == pytest.approx([after] * 4, rel=PRINTED)
    assert np.loadtxt(lammps.folder / "mean.txt", ndmin=2)[0, 1] == pytest.approx(after, rel=PRINTED)


@on_backends("host", "kokkos_openmp-2", "kk-2")
def test_a_scalar_derivative_in_other_units(lammps: Lammps, made: Callable) -> None:
    """Of one frame parameter, scaled, in mixed precision, and with the words of the peer's command."""
    data = write_atoms(lammps, "parameters")
    model, tables = made("one_two")
    after = (
        "fix half all adapt 1 pair dpcompressed scale * * v_half\nthermo_style custom step c_dedn\nrun 0\n"
        'print "dedn: $(c_dedn:%.17g)"\n'
    )
    before = "variable half equal 0.5\ncompute dedn all dpcompressed/fparam/dedn v_half 1e-6\n"
    run = lammps.run(script(lammps, tables, "precision mixed fparam 0.7 aparam 1.3 -0.2", before, after))
    aparam = np.tile([1.3, -0.2], (27, 1))
    expected = gradient_of(model, run.dump("all.dump"), data["cell"], [0.7], aparam)
    assert run.value("dedn")[0] == pytest.approx(0.5 * expected[0], rel=1e-5)
    assert any("the words after the style have no effect" in line for line in run.warnings)


@pytest.mark.parametrize(
    ("commands", "message"),
    [
        ("compute d some dpcompressed/fparam/dedn", "the group must be all: the energy is that of all atoms of the model"),
        ("compute d all dpcompressed/fparam/dedn a b c", "too many words: compute ID all dpcompressed/fparam/dedn"),
        ("pair_style none\ncompute d all dpcompressed/fparam/dedn", "needs a pair_style dpcompressed before it"),
        ("compute d all dpcompressed/fparam/dedn\nthermo_style custom step c_d", "takes several frame parameters: use"),
    ],
)
def test_a_wrong_command_for_derivatives(lammps: Lammps, made: Callable, commands: str, message: str) -> None:
    write_atoms(lammps, "parameters")
    before = f"group some id 1 2\n{commands}\n"
    run = lammps.run(script(lammps, made("two_one")[1], "aparam 1.3", before), check=False)
    assert any(message in line for line in run.errors), run.output


@pytest.mark.parametrize(
    ("commands", "message"),
    [
        ("pair_style none\npair_style zero 3.0\npair_coeff * *\n", "needs a pair_style dpcompressed before it"),
        ("pair_style dpcompressed {one} fparam 0.7 aparam 1.3 -0.2\npair_coeff * * A B C\n", "another one than in the last run"),
        ("pair_style dpcompressed {same} fparam 0.7 0.1 aparam 1.3\npair_coeff * * A B C\n", "before there are forces"),
    ],
)
def test_derivatives_after_another_pair_style(lammps: Lammps, made: Callable, commands: str, message: str) -> None:
    """LAMMPS lets a compute be asked between two runs, when the pair style of the last run is gone."""
    write_atoms(lammps, "parameters")
    tables = made("two_one")[1]
    after = "run 0\n" + commands.format(one=made("one_two")[1], same=tables) + 'print "dedn: $(c_d[1])"\n'
    before = "compute d all dpcompressed/fparam/dedn\n"
    run = lammps.run(script(lammps, tables, "fparam 0.7 -0.4 aparam 1.3", before, after), check=False)
    assert any(message in line for line in run.errors), run.output


def test_derivatives_of_a_model_without_parameters(lammps: Lammps, tables_of: Callable) -> None:
    write_atoms(lammps, "hybrid_a_r")
    run = lammps.run(script(lammps, tables_of("hybrid_a_r"), "", "compute d all dpcompressed/fparam/dedn\n"), check=False)
    assert any("the model takes no frame parameters" in line for line in run.errors), run.output


def test_the_numbers_of_the_peer(shared: Path, lammps: Lammps) -> None:
    """DeePMD-kit 3.2.0 in the second run (in the first its fix had no value yet) of this script, with its own two names in it."""
    model = shared / "models-public" / "dk-fparam_aparam-pt" / "fparam_aparam-2024-07.pth"
    if not model.is_file():
        pytest.skip(f"no shared model {model}")
    write_tables(lammps.folder / "f.bin", build(read_model(model), 0.5).tables)
    places = "12.83 2.56 2.18, 12.09 2.87 2.74, 0.25 3.32 1.68, 3.36 3.00 1.81, 3.51 2.51 2.60, 4.27 3.22 1.56"
    atoms = "".join(f"create_atoms 1 single {place}\n" for place in places.split(", "))
    run = lammps.run(
        "units metal\nregion box block 0 13 0 13 0 13\ncreate_box 1 box\nmass 1 16\n"
        f"{atoms}variable frame equal 0.25852028\nvariable dummy equal 0.0\nfix frame all ave/time 1 1 1 v_dummy v_frame\n"
        f"pair_style {lammps.style('f.bin', 'overflow warn fparam_from_fix frame 2 aparam 0.25852028')}\npair_coeff * *\n"
        "compute dedn all dpcompressed/fparam/dedn f_frame[2]\nrun 0\n"
        'print "found: $(pe:%.17g) $(c_dedn:%.17g)"\n'
    )
    np.testing.assert_allclose(run.value("found"), [-0.567441060601, 0.0219310394289], rtol=0, atol=6e-9)


def test_what_may_not_be_meant(lammps: Lammps, made: Callable) -> None:
    """Atoms that a compute leaves out, and values of the parameters' fix that the first step evaluates too early."""
    write_atoms(lammps, "parameters")
    before = "group some id <= 20\ncompute place some property/atom x y\n"
    run = lammps.run(script(lammps, made("one_two")[1], "fparam 0.4 aparam_from_compute place", before, "run 0\n"), ranks=2)
    assert any("compute place of aparam_from_compute gives the atoms outside its group 0: 7 atoms" in w for w in run.warnings)
    before = "variable a equal 0.4\ncompute f all reduce sumsq fx\nfix three all ave/time 1 1 1 v_a v_a c_f\n"
    run = lammps.run(script(lammps, made("two_one")[1], "fparam_from_fix three 1 aparam 1.3", before, "run 0\n"), ranks=2)
    assert any("fix three of fparam_from_fix has 3 values, of which 2 are frame parameters" in w for w in run.warnings)
