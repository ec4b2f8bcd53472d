# SPDX-License-Identifier: MIT
"""Several models: the file of their deviation against the peer's, and against NumPy on the forces of each model's own run."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from lammps_runs import SINGLE, Array, Lammps, Run, System, has_style, on_backends, setup, static, virial_matrix

from pybuild.tablefile.file import read_tables, write_tables

PEER = Path(__file__).parent.parent / "data" / "model_deviation"
LAST_DIGIT = 1.1e-6  # relative; a number printed with seven digits, rounded the other way
SAME = 1e-8  # eV/angstrom
SAME_MIXED = 1e-4
COLUMNS = ("max_devi_v", "min_devi_v", "avg_devi_v", "max_devi_f", "min_devi_f", "avg_devi_f")
WORDS = "overflow warn"


@pytest.fixture(scope="module")
def peer() -> ModuleType:
    """make_outputs.py, which has the scripts that the peer ran."""
    spec = importlib.util.spec_from_file_location("make_outputs", PEER / "make_outputs.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def four(tables: Callable[[str], Path], peer: ModuleType) -> list[str]:
    """Tables of the peer's four models."""
    return [str(tables(name)) for name in peer.MODELS]


def parse(path: Path) -> tuple[list[str], Array]:
    """Names of the columns and the rows. Every column is 19 characters wide, the step 12."""
    lines = path.read_text().splitlines()
    assert lines[0].startswith("#"), lines[0]
    names = lines[0][1:].split()
    assert lines[0] == "#" + f"{names[0]:>11}" + "".join(f"{name:>19}" for name in names[1:])
    for line in lines[1:]:
        assert len(line) % 19 == 12, line
    return names, np.loadtxt(path, ndmin=2)


def assert_same_file(found: Path, expected: Path, tolerance: float = SAME) -> None:
    names, rows = parse(found)
    expected_names, expected_rows = parse(expected)
    assert names == expected_names
    np.testing.assert_array_equal(rows[:, 0], expected_rows[:, 0])
    np.testing.assert_allclose(rows, expected_rows, rtol=LAST_DIGIT, atol=tolerance)


def run_case(case: str, lammps: Lammps, peer: ModuleType, files: list[str], ranks: int = 1, words: str = WORDS) -> Run:
    return lammps.run(peer.script(case, "dpcompressed", files, f"{words} {lammps.backend.words}"), ranks)


class TestAgainstThePeer:
    @pytest.mark.parametrize("ranks", [1, 2, 4])
    @on_backends("host", "kk")
    def test_two_runs(self, ranks: int, lammps: Lammps, peer: ModuleType, four: list[str]) -> None:
        run = run_case("two_runs", lammps, peer, four, ranks)
        assert_same_file(lammps.folder / "two_runs.out", PEER / "two_runs.out")
        assert "deviation of the 4 models in two_runs.out every 5 steps" in run.output

    @on_backends("kokkos_serial", "kokkos_openmp-2", "kk-2")
    def test_two_runs_elsewhere(self, lammps: Lammps, peer: ModuleType, four: list[str]) -> None:
        run_case("two_runs", lammps, peer, four)
        assert_same_file(lammps.folder / "two_runs.out", PEER / "two_runs.out")

    @on_backends(*SINGLE)
    def test_mixed_precision(self, lammps: Lammps, peer: ModuleType, four: list[str]) -> None:
        run_case("two_runs", lammps, peer, four, ranks=2, words=f"{WORDS} precision mixed")
        assert_same_file(lammps.folder / "two_runs.out", PEER / "two_runs.out", SAME_MIXED)

    @pytest.mark.parametrize("case", ["relative", "real", "null", "scale", "restart"])
    def test_case(self, case: str, lammps: Lammps, peer: ModuleType, four: list[str]) -> None:
        run_case(case, lammps, peer, four, ranks=2)
        assert_same_file(lammps.folder / f"{case}.out", PEER / f"{case}.out")

    @on_backends("kokkos_serial", "kk")
    def test_absent_atoms_and_each_atom_elsewhere(self, lammps: Lammps, peer: ModuleType, four: list[str]) -> None:
        run_case("null", lammps, peer, four, ranks=2)
        assert_same_file(lammps.folder / "null.out", PEER / "null.out")


def test_restart_file_alone(lammps: Lammps, peer: ModuleType, four: list[str]) -> None:
    """It says which models and keywords there are."""
    head, tail = peer.script("restart", "dpcompressed", four, WORDS).split("read_restart 4.restart\n")
    lammps.run(head + "read_restart 4.restart\n" + tail[tail.index("fix 1") :])
    assert_same_file(lammps.folder / "restart.out", PEER / "restart.out")


def of_numpy(
    forces: Array, virials: Array, relative: float | None = None, relative_v: float | None = None
) -> tuple[Array, Array]:
    """The six numbers and those of the atoms. forces (models, n, 3), virials (models, 3, 3)."""
    mean = forces.mean(0)
    atoms = np.sqrt(((forces - mean) ** 2).sum(2).mean(0))
    per_atom = virials.reshape(len(virials), 9) / forces.shape[1]
    v = per_atom.std(0)
    if relative is not None:
        atoms = atoms / (np.linalg.norm(mean, axis=1) + relative)
    if relative_v is not None:
        v = v / (np.abs(per_atom.mean(0)) + relative_v)
    return np.array([v.max(), v.min(), np.sqrt((v**2).mean()), atoms.max(), atoms.min(), atoms.mean()]), atoms


def each_alone(lammps: Lammps, files: list[str], data: str, edit: str = "", names: str = "O H") -> tuple[Array, Array]:
    """Forces (models, n, 3) and virials (models, 3, 3) of each model's own run."""
    forces, virials = [], []
    for file in files:
        run = lammps.run(setup(data, f"dpcompressed {file} {WORDS}", f"* * {names}") + edit + static("alone.dump"))
        forces.append(run.dump("alone.dump"))
        virials.append(virial_matrix(run))
    return np.array(forces), np.array(virials)


@pytest.mark.parametrize("ranks", [1, 3])
@on_backends("host", "kokkos_serial", "kk", "kk_host")
def test_ids_with_gaps(ranks: int, lammps: Lammps, water: System, four: list[str]) -> None:
    """`atomic` is in the order of the IDs, whichever there are."""
    edit = "group some id 3 17 100 192\ndelete_atoms group some compress no\n"
    host = Lammps(lammps.folder)
    expected, atoms = of_numpy(*each_alone(host, four, "water.data", edit=edit), relative=0.2)
    style = lammps.style(" ".join(four), f"{WORDS} out_freq 1 atomic relative 0.2")
    lammps.run(setup("water.data", style, "* * O H") + edit + "run 0\n", ranks)
    _, rows = parse(lammps.folder / "model_devi.out")
    assert rows.shape == (1, 7 + len(water) - 4)
    np.testing.assert_allclose(rows[0, 1:7], expected, rtol=LAST_DIGIT, atol=SAME)
    np.testing.assert_allclose(rows[0, 7:], atoms, rtol=LAST_DIGIT, atol=SAME)


@pytest.mark.parametrize("layout", ["processors 4 1 1", "comm_style tiled\nbalance 1.1 rcb"])
@on_backends("host", "kk")
def test_ranks_without_atoms_and_tiles(layout: str, lammps: Lammps, water: System, four: list[str]) -> None:
    """Water in a quarter of a long box."""
    replace(water, cell=water.cell * [[4], [1], [1]]).write(lammps.folder / "long.data")
    rows = []
    for words, ranks in (("", 1), (layout, 4)):
        before, after = (words, "") if words.startswith("processors") else ("", words)
        style = lammps.style(" ".join(four), f"{WORDS} out_freq 1 atomic")
        script = setup("long.data", style, "* * O H").replace("read_data long.data", f"{before}\nread_data long.data\n{after}")
        lammps.run(script + "timestep 0.0001\nfix 1 all nve\nrun 2\n", ranks)
        rows.append(parse(lammps.folder / "model_devi.out")[1])
    np.testing.assert_allclose(rows[1], rows[0], rtol=LAST_DIGIT, atol=SAME)


def test_relative_numbers_have_no_unit(lammps: Lammps, water: System, four: list[str]) -> None:
    """The peer multiplies them by the unit of energy, a factor of 23 in real units: here they are the same in all."""
    kilocalories = 23.060549  # in an electronvolt, as LAMMPS has it: force->boltz of real and metal units
    for units, unit in (("metal", 1.0), ("real", kilocalories)):
        words = f"{WORDS} out_freq 1 out_file {units}.out relative {0.1 * unit:.12g} relative_v {0.05 * unit:.12g}"
        lammps.run(setup("water.data", lammps.style(" ".join(four), words), "* * O H", units) + "run 0\n")
    _, metal = parse(lammps.folder / "metal.out")
    _, real = parse(lammps.folder / "real.out")
    np.testing.assert_allclose(real, metal, rtol=2e-6)
    expected, _ = of_numpy(*each_alone(lammps, four, "water.data"), relative=0.1, relative_v=0.05)
    np.testing.assert_allclose(metal[0, 1:], expected, rtol=LAST_DIGIT)


def test_minimise_and_move_without_the_others(lammps: Lammps, water: System, four: list[str]) -> None:
    """The first model drives: the trajectory is its own, bit for bit."""
    moves = "velocity all create 300 1\nfix 1 all nve\ntimestep 0.0002\nrun 20\nminimize 0 0 4 10\n"
    dumped = "write_dump all custom {name} id x y z vx vy vz modify format float %.17g\n"
    for name, style in (("one.dump", f"{four[0]} {WORDS}"), ("all.dump", f"{' '.join(four)} {WORDS} out_freq 3")):
        run = lammps.run(setup("water.data", f"dpcompressed {style}", "* * O H") + moves + dumped.format(name=name))
    np.testing.assert_array_equal(run.dump("all.dump"), run.dump("one.dump"))


@on_backends("host", "kokkos_serial", "kk", "kk_host")
def test_the_others_run_in_the_steps_that_write(lammps: Lammps, water: System, small: Path) -> None:
    """Atoms that stand still: every evaluation of a model counts the same pairs."""
    copy = lammps.folder / "copy.bin"
    copy.write_bytes(small.read_bytes())
    near = water.positions.copy()
    near[1] = near[0] + 0.8 * (near[1] - near[0]) / np.linalg.norm(near[1] - near[0])
    water.moved(near).write(lammps.folder / "near.data")
    style = lammps.style(f"{small} {copy}", f"{WORDS} out_freq 5 check 100")
    run = lammps.run(setup("near.data", style, "* * O H") + "run 10\n", ranks=2)
    counts = {}
    for line in run.warnings:
        if "since the last report" in line:
            file = line.split(": ")[2]
            counts.setdefault(file, []).append(int(line.split(" since the last report")[0].split()[-1]))
    # Reported at the set-up, after 1 evaluation each, and at the end: 10 steps, of which 2 write.
    first, other = counts[str(small)], counts[str(copy)]
    assert first == [first[0], 10 * first[0]], counts
    assert other == [first[0], 2 * first[0]], counts
    _, rows = parse(lammps.folder / "model_devi.out")
    np.testing.assert_array_equal(rows, [[0] + [0] * 6, [5] + [0] * 6, [10] + [0] * 6])


@pytest.fixture(scope="module")
def swapped(small: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The small model with the names of its elements exchanged: H O."""
    path = tmp_path_factory.mktemp("swapped") / "swapped.bin"
    stored = read_tables(small)
    write_tables(path, replace(stored, type_map=tuple(reversed(stored.type_map))))
    return str(path)


@pytest.mark.parametrize("coeff", ["* * O H", "* *"])
@on_backends(*SINGLE)
def test_models_of_other_orders_and_cutoffs(
    coeff: str, lammps: Lammps, water: System, swapped: str, small: Path, tables: Callable[[str], Path]
) -> None:
    """Elements have the same name in all models, whatever their numbers; the list reaches to the largest cutoff."""
    files = [str(small), swapped, str(tables("water-full"))]
    host = Lammps(lammps.folder)
    alone = each_alone(host, files, "water.data")
    expected, _ = of_numpy(*alone)
    for ranks in (1, 2):
        lammps.run(setup("water.data", lammps.style(" ".join(files), f"{WORDS} out_freq 1"), coeff) + "run 0\n", ranks)
        _, rows = parse(lammps.folder / "model_devi.out")
        np.testing.assert_allclose(rows[0, 1:], expected, rtol=LAST_DIGIT, atol=SAME)


@on_backends("host", "kokkos_serial", "kk", "kk_host")
def test_types_that_change_between_two_lists(lammps: Lammps, water: System, swapped: str, small: Path) -> None:
    """The other models follow, with and without a list of their own."""
    exchanged = replace(water, types=3 - water.types)
    exchanged.write(lammps.folder / "exchanged.data")
    files = [str(small), str(small), swapped]
    keep = "neigh_modify every 1000 delay 0 check no\n"
    change = "group o type 1\ngroup h type 2\nset group o type 2\nset group h type 1\nrun 1 pre no\n"
    style = lammps.style(" ".join(files), f"{WORDS} out_freq 1")
    lammps.run(setup("water.data", style, "* * O H") + keep + "run 0\n" + change, ranks=2)
    _, rows = parse(lammps.folder / "model_devi.out")
    for row, data in zip(rows, ("water.data", "exchanged.data"), strict=True):
        expected, _ = of_numpy(*each_alone(Lammps(lammps.folder), files, data))
        np.testing.assert_allclose(row[1:], expected, rtol=LAST_DIGIT, atol=SAME)


class TestValues:
    """`compute pair` gives the deviation to thermo, variables and fix halt."""

    @pytest.mark.parametrize("ranks", [1, 2])
    @on_backends("host", "kk")
    def test_all_who_ask_at_the_first_step(self, ranks: int, lammps: Lammps, water: System, four: list[str]) -> None:
        """thermo, variables, fix print and fix ave/time, also at the set-up of a run; a second `run 0` writes again."""
        script = setup("water.data", lammps.style(" ".join(four), f"{WORDS} out_freq 1"), "* * O H")
        script += "compute d all pair dpcompressed\nvariable worst equal c_d[4]\nthermo_style custom step c_d[4] v_worst\n"
        script += 'thermo_modify format float %.12e\nfix p all print 1 "printed: $(v_worst:%.12e)"\n'
        script += "fix a all ave/time 1 1 1 c_d[4] file mean.txt format ' %.12e'\nrun 0\nrun 0\n"
        run = lammps.run(script + 'print "after: $(c_d[4]:%.12e)"\n', ranks)
        (first, second), worst = parse(lammps.folder / "model_devi.out")[1], float(run.value("after")[0])
        np.testing.assert_array_equal(first, second)
        assert worst == pytest.approx(first[4], rel=LAST_DIGIT)
        assert [value[0] for value in run.values("printed")] == [worst, worst]
        thermo = [line.split() for line in run.output.splitlines() if line.split()[:1] == ["0"]]
        assert [[float(word) for word in words] for words in thermo if len(words) == 3] == [[0, worst, worst]] * 2
        assert np.loadtxt(lammps.folder / "mean.txt", ndmin=2)[0].tolist() == [0, worst]

    @pytest.mark.parametrize("ranks", [1, 2])
    @on_backends("host", "kk")
    def test_are_those_of_the_file(self, ranks: int, lammps: Lammps, water: System, four: list[str]) -> None:
        script = setup("water.data", lammps.style(" ".join(four), f"{WORDS} out_freq 2"), "* * O H")
        script += "compute d all pair dpcompressed\nfix 1 all nve\ntimestep 0.0002\nthermo 2\n"
        script += "thermo_style custom step " + " ".join(f"c_d[{k}]" for k in range(1, 7)) + "\n"
        run = lammps.run(script + "thermo_modify format float %.10e\nrun 4\n", ranks)
        _, rows = parse(lammps.folder / "model_devi.out")
        printed = [line.split() for line in run.output.splitlines() if line.split()[:1] in (["0"], ["2"], ["4"])]
        found = np.array([[float(word) for word in words] for words in printed if len(words) == 7])
        np.testing.assert_allclose(found, rows, rtol=LAST_DIGIT)

    @pytest.mark.parametrize("ranks", [1, 2])
    @on_backends("host", "kokkos_serial", "kk", "kk_host")
    def test_stop_a_run(self, ranks: int, lammps: Lammps, water: System, four: list[str]) -> None:
        """Though no line of thermo falls on that step."""
        script = setup("water.data", lammps.style(" ".join(four), f"{WORDS} out_freq 2 precision mixed"), "* * O H")
        script += "compute d all pair dpcompressed\nvariable worst equal c_d[4]\nthermo 1000\n"
        script += "fix stop all halt 2 v_worst > 1e-3 error continue\nfix 1 all nve\ntimestep 0.0002\n"
        run = lammps.run(script + "run 100\nprint 'ended at $(step)'\n", ranks)
        assert "ended at 2" in run.output

    def test_none_yet(self, lammps: Lammps, water: System, four: list[str]) -> None:
        script = setup("water.data", lammps.style(" ".join(four), f"{WORDS} out_freq 4"), "* * O H")
        script += "compute d all pair dpcompressed\nthermo_style custom step c_d[4]\nreset_timestep 1\nrun 0\n"
        assert "value nan" in lammps.run(script + "print 'value $(c_d[4])'\n").output

    @pytest.mark.parametrize("words", ["{0} out_freq 1", "{0} {1} out_freq 0"])
    def test_none_ever(self, words: str, lammps: Lammps, water: System, four: list[str]) -> None:
        """LAMMPS refuses the vector; nothing is written."""
        script = setup("water.data", lammps.style(words.format(*four), WORDS), "* * O H")
        script += "compute d all pair dpcompressed\nthermo_style custom step c_d[4]\nrun 0\n"
        run = lammps.run(script, check=False)
        assert "compute d does not compute a vector" in run.errors[0]
        assert not (lammps.folder / "model_devi.out").exists()


def test_in_a_hybrid_style(lammps: Lammps, water: System, four: list[str]) -> None:
    """Forces of other styles are no part of the deviation."""
    expected, _ = of_numpy(*each_alone(lammps, four, "water.data"))
    style = f"hybrid/overlay lj/cut 4.0 dpcompressed {' '.join(four)} {WORDS} out_freq 1"
    coeff = "* * dpcompressed O H\npair_coeff * * lj/cut 0.01 2.5"
    lammps.run(setup("water.data", style, coeff) + "run 0\n", ranks=2)
    _, rows = parse(lammps.folder / "model_devi.out")
    np.testing.assert_allclose(rows[0, 1:], expected, rtol=LAST_DIGIT, atol=SAME)


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize(
    ("words", "coeff", "message"),
    [
        ("{o_h} {cu}", "* * O H", "se_e2_a-cu.bin: element O is not in this model, which has: Cu"),
        ("{o_h} {o_h} out_file no_such_folder/devi.out", "* * O H", "no_such_folder/devi.out cannot be opened: No such file"),
        ("{o_h} {o_h} out_file water.data", "* * O H", "water.data is there already and is no such file: remove it"),
        ("{o_h} missing.bin", "* * O H", "missing.bin"),
    ],
)
def test_what_cannot_work(
    ranks: int, words: str, coeff: str, message: str, lammps: Lammps, water: System, tables: Callable[[str], Path], small: Path
) -> None:
    style = "dpcompressed " + words.format(o_h=small, cu=tables("se_e2_a-cu"))
    run = lammps.run(setup("water.data", style, coeff) + "run 0\n", ranks, check=False)
    assert len(run.errors) == 1, run.output
    assert message in run.errors[0]


def test_two_styles_cannot_write_one_file(lammps: Lammps, water: System, small: Path) -> None:
    style = f"hybrid/overlay dpcompressed {small} {small} dpcompressed {small} {small}"
    script = setup("water.data", style, "* * dpcompressed 1 O H\npair_coeff * * dpcompressed 2 O H") + "run 0\n"
    run = lammps.run(script, check=False)
    assert "model_devi.out is being written by another run or pair style" in run.errors[0]


@pytest.mark.parametrize("ranks", [1, 2])
@on_backends("host", "kk")
def test_partitions_with_files_of_their_own(ranks: int, lammps: Lammps, water: System, four: list[str]) -> None:
    """As replicas of temper, neb, prd have them; with one file for all of them it is an error."""
    stretched = replace(water, cell=1.01 * water.cell).moved(1.01 * water.positions)
    stretched.write(lammps.folder / "second.data")
    water.write(lammps.folder / "first.data")
    words = f"{WORDS} out_freq 1 out_file ${{w}}.out"
    script = "variable w world first second\n" + setup("${w}.data", lammps.style(" ".join(four), words), "* * O H")
    arguments = ("-partition", f"2x{ranks}", "-plog", "none", "-pscreen", "none")
    lammps.run(script + "run 0\n", 2 * ranks, arguments)
    for world in ("first", "second"):
        expected, _ = of_numpy(*each_alone(Lammps(lammps.folder), four, f"{world}.data"))
        np.testing.assert_allclose(parse(lammps.folder / f"{world}.out")[1][0, 1:], expected, rtol=LAST_DIGIT, atol=SAME)
    both = script.replace("${w}.out", "one.out") + "run 0\nshell sleep 30\n"  # until the other partition has come, and ends both
    message = "one.out is being written by another run or pair style: give each its own"
    for _ in range(3):  # LAMMPS' second rank of a partition may end the run before the first has written the message
        run = lammps.run(both, 2 * ranks, arguments[:2], check=False)
        said = run.output + "".join(file.read_text() for file in lammps.folder.glob("screen.*"))
        if message in said:
            break
    assert message in said


def test_ranks_of_the_long_range_part_write_nothing(lammps: Lammps, water: System, four: list[str]) -> None:
    """run_style verlet/split: a second partition reads the same script, and has the part in k-space alone."""
    if not has_style(lammps, "verlet/split"):
        pytest.skip("this LAMMPS has no package REPLICA")
    style = f"hybrid/overlay dpcompressed {' '.join(four)} {WORDS} out_freq 1 lj/cut/coul/long 4.0"
    coeff = "* * dpcompressed O H\npair_coeff * * lj/cut/coul/long 0.0 1.0"
    head, tail = setup("water.data", style, coeff).split("pair_style", 1)
    charges = "fix q all property/atom q\nset type 1 charge -0.2\nset type 2 charge 0.1\n"
    script = f"{head}{charges}pair_style{tail}kspace_style pppm 1e-4\nrun_style verlet/split\nrun 0\n"
    lammps.run(script, 2, ("-partition", "1", "1", "-plog", "none", "-pscreen", "none"))
    expected, _ = of_numpy(*each_alone(lammps, four, "water.data"))
    np.testing.assert_allclose(parse(lammps.folder / "model_devi.out")[1][:, 1:], [expected], rtol=LAST_DIGIT, atol=SAME)


@on_backends("host", "kokkos_serial", "kk", "kk_host")
def test_relative_to_nothing_added(lammps: Lammps, water: System, four: list[str]) -> None:
    """`relative 0`: absent atoms, whose mean force is 0, have no deviation."""
    words = f"{WORDS} out_freq 1 atomic relative 0 relative_v 0"
    lammps.run(setup("water.data", lammps.style(" ".join(four), words), "* * O NULL") + "run 0\n", ranks=2)
    forces, virials = each_alone(Lammps(lammps.folder), four, "water.data", names="O NULL")
    there = water.types == 1
    _, atoms = of_numpy(forces[:, there], virials, relative=0)
    row = parse(lammps.folder / "model_devi.out")[1][0]
    np.testing.assert_allclose(row[7:][there], atoms, rtol=LAST_DIGIT, atol=SAME)
    np.testing.assert_array_equal(row[7:][~there], 0)
    v = virials.reshape(len(four), 9)
    np.testing.assert_allclose(row[1:3], [max(v.std(0) / np.abs(v.mean(0))), min(v.std(0) / np.abs(v.mean(0)))], rtol=2e-6)


@on_backends("host", "kk")
def test_minimise(lammps: Lammps, water: System, four: list[str]) -> None:
    """A line of every evaluation, the first and that of `run 0` included; the last one of the atoms as they are then."""
    style = lammps.style(" ".join(four), f"{WORDS} out_freq 1")
    script = setup("water.data", style, "* * O H") + "min_modify line quadratic\nminimize 0 0 3 100\n"
    run = lammps.run(script + "run 0\nwrite_data end.data\n", ranks=2)
    _, rows = parse(lammps.folder / "model_devi.out")
    assert rows[0, 0] == 0
    assert rows[-1, 0] == 3
    assert len(rows) == 2 + int(run.output.split("force evaluations = ")[1].split()[1])
    expected, _ = of_numpy(*each_alone(Lammps(lammps.folder), four, "end.data"))
    np.testing.assert_allclose(rows[-1, 1:], expected, rtol=1e-5, atol=SAME)


@on_backends("host", "kk")
def test_rerun(lammps: Lammps, water: System, four: list[str]) -> None:
    """Of the frames whose step is a multiple of out_freq."""
    script = setup("water.data", lammps.style(" ".join(four), f"{WORDS} out_freq 2 out_file {{}}.out"), "* * O H")
    moves = "velocity all create 300 1\nfix 1 all nve\ntimestep 0.0002\ndump d all custom 1 all.dump id type x y z\n"
    moves += "dump_modify d format float %.17g\nrun 4\n"
    lammps.run(script.format("run") + moves)
    lammps.run(script.format("rerun") + "rerun all.dump dump x y z\n", ranks=2)
    assert_same_file(lammps.folder / "rerun.out", lammps.folder / "run.out")


def test_a_device_as_file(lammps: Lammps, water: System, small: Path) -> None:
    """For who wants the values of compute pair alone: any number of runs may write there."""
    one = f"dpcompressed {small} {small} {WORDS} out_file /dev/null"
    script = setup("water.data", f"hybrid/overlay {one} {one}", "* * dpcompressed 1 O H\npair_coeff * * dpcompressed 2 O H")
    lammps.run(script + "compute d all pair dpcompressed 2\nthermo_style custom step c_d[4]\nrun 0\n")


def test_a_pipe_as_file(lammps: Lammps, water: System, small: Path) -> None:
    """Nobody waits for a reader; one that is there gets all."""
    pipe = lammps.folder / "pipe"
    os.mkfifo(pipe)
    script = setup("water.data", f"dpcompressed {small} {small} {WORDS} out_file pipe", "* * O H") + "run 0\n"
    run = lammps.run(script, check=False)
    assert "pipe is a pipe that nobody reads" in run.errors[0]
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    lammps.run(script)
    assert os.read(reader, 4096).startswith(b"#       step")
    os.close(reader)


def test_the_output_of_lammps_as_file(lammps: Lammps, water: System, small: Path) -> None:
    """What LAMMPS has written there stays."""
    script = setup("water.data", f"dpcompressed {small} {small} {WORDS} out_file /dev/stdout", "* * O H")
    output = lammps.run('print "before"\n' + script + "run 0\n").output
    assert output.index("before") < output.index("#       step") < output.index("Loop time")


def test_a_column_an_atom_needs_ids(lammps: Lammps, small: Path) -> None:
    box = "lattice sc 2.6\nregion b block 0 5 0 5 0 5\ncreate_box 2 b\ncreate_atoms 1 box\nmass * 1\n"
    style = f"pair_style dpcompressed {small} {small} {WORDS} out_freq 1 {{}}\npair_coeff * * O H\nrun 0\n"
    begin = "units metal\natom_modify id no\n" + box
    lammps.run(begin + style.format(""), ranks=2)
    run = lammps.run(begin + style.format("atomic"), ranks=2, check=False)
    assert "atomic needs atom IDs, which `atom_modify id no` has taken away" in run.errors[0]


@on_backends("host", "kk")
def test_a_restart_of_a_hybrid_style(lammps: Lammps, water: System, four: list[str]) -> None:
    """Where pair_coeff is given again; the file is gone on with."""
    style = f"hybrid/overlay {lammps.style(' '.join(four[:2]), f'{WORDS} out_freq 1')} zero 4.0"
    coeff = "* * dpcompressed O H\npair_coeff * * zero"
    lammps.run(setup("water.data", style, coeff) + "run 0\nwrite_restart r.restart\n", ranks=2)
    lammps.run(f"read_restart r.restart\npair_coeff {coeff}\nrun 0\n", ranks=2)
    rows = parse(lammps.folder / "model_devi.out")[1]
    assert rows.shape == (2, 7)
    np.testing.assert_allclose(rows[1], rows[0], rtol=LAST_DIGIT, atol=SAME)


def test_words_without_effect_are_said(lammps: Lammps, water: System, small: Path) -> None:
    run = lammps.run(setup("water.data", f"dpcompressed {small} out_freq 10", "* * O H") + "run 0\n")
    assert any("have no effect: there is one model" in line for line in run.warnings)
    assert not (lammps.folder / "model_devi.out").exists()
