# SPDX-License-Identifier: MIT
"""The command line as a user runs it: reports, exit codes, one-line errors, and the same bytes every time."""

import dataclasses
import importlib.metadata
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from command_line import ENVIRONMENT, command, fails, mpirun, run, write_system

import pybuild.cli
import pybuild.readers
from pybuild.arguments import parse
from pybuild.cli import main
from pybuild.tablefile.file import read_tables, write_tables

DATA = "atom_exclude.npz"
REPOSITORY = Path(__file__).resolve().parents[2]


def test_report_and_provenance(small_model, tmp_path, capsys):
    target = tmp_path / "t.bin"
    assert main([str(small_model), str(target), "-f", "25", "-l", str(tmp_path / "log")]) == 0
    out = capsys.readouterr()
    assert out.err == ""
    first, report = (tmp_path / "log").read_text().split("\n", 1)
    assert first == f"# log of python -m pybuild: {small_model} {target} -f 25 -l {tmp_path / 'log'}"
    assert out.out == report
    for words in ("range of x", "rank", "error: value", "first fitting layer", "synthetic structures: forces", "t.bin"):
        assert words in out.out
    stored = read_tables(target)
    assert stored.check_frequency == 25
    record = stored.provenance
    assert record["pybuild"] == pybuild.__version__ == importlib.metadata.version("dpcompressed")
    assert record["source"]["file_name"] == "atom_exclude.pth"
    assert len(record["source"]["sha256"]) == 64
    assert record["options"]["check_frequency"] == 25
    assert record["options"]["tolerance"] == 1e-8
    assert 0 < record["accuracy"]["force_eV_per_angstrom"] < 1e-8
    assert len(record["accuracy"]["tables"]) == len(stored.tables)
    assert str(tmp_path) not in json.dumps(record)
    assert str(small_model.parent) not in json.dumps(record)


def test_options_reach_the_tables(small_model, tmp_path):
    target = tmp_path / "t.bin"
    words = [str(small_model), str(target), "-s", "0.02", "-e", "3", "--order", "3", "--rank", "full", "--min-nbor-dist", "1.4"]
    assert main(words) == 0
    stored = read_tables(target)
    table = stored.tables[0]
    assert table.coef.shape[1] == 4
    assert abs(table.segments[0, 1] - 0.02) < 1e-12
    assert abs(table.max - 3 * table.upper) < 1e-12 * table.max
    assert table.rank == stored.descriptors[0].width
    np.testing.assert_array_equal(stored.min_distance, 1.4)


def test_same_bytes_in_any_folder_and_process(small_model, small_tables, tmp_path):
    copy = tmp_path / "elsewhere" / small_model.name
    copy.parent.mkdir()
    copy.write_bytes(small_model.read_bytes())
    targets = [tmp_path / name for name in ("a.bin", "b.bin")]
    assert run(small_model, targets[0]).returncode == 0
    assert run(copy.name, targets[1], cwd=copy.parent, env={**ENVIRONMENT, "OMP_NUM_THREADS": "2"}).returncode == 0
    assert targets[0].read_bytes() == targets[1].read_bytes()


LIBRARY = """
import sys
from dataclasses import replace
from pathlib import Path
from pybuild.compress.accuracy import provenance, table_reports
from pybuild.compress.build import Options, build
from pybuild.readers import read_model
from pybuild.tablefile.file import write_tables
from threadpoolctl import threadpool_info
threads = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
model = read_model(sys.argv[1])
result = build(model, model.min_nbor_dist)
record = provenance(model, result, table_reports(result), Options(), model.min_nbor_dist)
write_tables(sys.argv[2], replace(result.tables, provenance=record))
assert threads == [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"], "threads of the caller"
print(*threads)
"""


def test_the_library_gives_the_bytes_of_the_command_line(shared, tmp_path):
    """Whatever number of threads NumPy's BLAS has. This model's matrices are large enough for OpenBLAS to share the work."""
    path = shared / "models" / "cu-full" / "model.pth"
    assert run(path, tmp_path / "command.bin").returncode == 0
    for threads in ("1", "2"):
        environment = {**ENVIRONMENT, "OPENBLAS_NUM_THREADS": threads, "MKL_NUM_THREADS": threads, "OMP_NUM_THREADS": threads}
        words = [sys.executable, "-c", LIBRARY, str(path), str(tmp_path / f"{threads}.bin")]
        done = subprocess.run(words, capture_output=True, text=True, timeout=300, env=environment)
        assert done.returncode == 0, done.stderr
        assert done.stdout.split() == [str(min(int(threads), len(os.sched_getaffinity(0))))]
        assert (tmp_path / f"{threads}.bin").read_bytes() == (tmp_path / "command.bin").read_bytes()


def test_training_data_give_distances_by_pair(small_model, option_models, tmp_path, capsys):
    data = np.load(option_models / DATA)
    system = write_system(tmp_path / "data" / "a", data)
    script = tmp_path / "input.json"
    script.write_text(json.dumps({"training": {"training_data": {"systems": "data"}}}))
    results = []
    for words in (["--training-data", str(system)], ["-t", str(script)]):
        assert main([str(small_model), str(tmp_path / "t.bin"), *words]) == 0
        assert "measured on 1 frames of training data" in capsys.readouterr().out
        results.append(read_tables(tmp_path / "t.bin").min_distance)
    np.testing.assert_array_equal(results[0], results[1])
    assert len(np.unique(results[0])) > 3
    assert results[0].min() > 0.5


def test_training_data_that_are_not_all_of_them(small_model, tmp_path, capsys):
    """Pairs of types that they lack have the model's own distance; the others get a warning."""
    data = {"types": [0, 1], "positions": np.array([[0.0, 0.0, 0.0], [3.2, 0.0, 0.0]]), "cell": 30 * np.eye(3)}
    system = write_system(tmp_path / "one_pair", data)
    assert main([str(small_model), str(tmp_path / "t.bin"), "--training-data", str(system)]) == 0
    assert "have none closer than 3.2 A: they are not all of its training data" in capsys.readouterr().out
    smallest = pybuild.readers.read_model(small_model).min_nbor_dist
    expected = np.full((3, 3), smallest)
    expected[0, 1] = expected[1, 0] = 3.2
    np.testing.assert_allclose(read_tables(tmp_path / "t.bin").min_distance, expected, rtol=1e-12)


def test_on_two_ranks(small_model, option_models, tmp_path):
    """The same file as on one; an error is said once."""
    system = write_system(tmp_path / "a", np.load(option_models / DATA), frames=3)
    assert run(small_model, tmp_path / "one.bin", "--training-data", system).returncode == 0
    words = [*mpirun(2), *command(small_model, tmp_path / "two.bin", "--training-data")]
    done = subprocess.run([*words, str(system)], capture_output=True, text=True, timeout=300, env=ENVIRONMENT)
    assert done.returncode == 0
    assert done.stdout.count("measured on") == 1
    assert (tmp_path / "one.bin").read_bytes() == (tmp_path / "two.bin").read_bytes()
    failed = subprocess.run([*words, str(tmp_path / "nowhere")], capture_output=True, text=True, timeout=300, env=ENVIRONMENT)
    assert failed.returncode == 2
    assert failed.stderr.count("no such folder") == 1


def test_info(small_tables, capsys):
    assert main(["info", str(small_tables)]) == 0
    out = capsys.readouterr().out
    stored = read_tables(small_tables)
    for name in stored.type_map:
        assert f"fitting net {name}" in out
    assert "these atoms have no energy" in out
    assert "rcut" in out
    assert '"sha256"' in out
    assert f"{stored.tables[0].lower:g} .. {stored.tables[0].upper:g} .. {stored.tables[0].max:g}" in out
    assert "table.0.coef" not in out
    assert main(["info", "-v", str(small_tables)]) == 0
    assert "table.0.coef" in capsys.readouterr().out


def test_a_reader_that_goes_away_is_no_error(small_tables):
    process = subprocess.Popen(
        command("info", "-v", small_tables), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT
    )
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(timeout=60) == 0


def test_verify(small_model, small_tables, option_models, tmp_path, capsys):
    pytest.importorskip("pybuild._core", reason="verify runs the compiled evaluator")
    assert main(["verify", str(small_model), str(small_tables)]) == 0
    out = capsys.readouterr().out
    assert out.count("judged structure") >= 4
    assert "within" in out
    assert "OUTSIDE" not in out
    system = write_system(tmp_path / "a", np.load(option_models / DATA))
    assert main(["verify", str(small_model), str(small_tables), "--system", str(system)]) == 0
    assert "set.000, frame 0" in capsys.readouterr().out
    assert main(["verify", str(small_model), str(small_tables), "--system", str(system), "--tolerance", "1e-20"]) == 1
    assert "OUTSIDE" in capsys.readouterr().out
    np.save(system / "set.000" / "coord.npy", np.load(system / "set.000" / "coord.npy")[:0])
    np.save(system / "set.000" / "box.npy", np.zeros((0, 9)))
    assert main(["verify", str(small_model), str(small_tables), "--system", str(system)]) == 2
    assert "no frame with an atom of the model" in capsys.readouterr().err


def test_the_tolerance_of_verify(tmp_path, capsys):
    """Of two networks the tables may be off by twice what they were built for; what is asked for is taken as it is."""
    pytest.importorskip("pybuild._core", reason="verify runs the compiled evaluator")
    model = REPOSITORY / "tests" / "data" / "combined" / "linear_sum.pth"
    assert main([str(model), str(tmp_path / "t.bin"), "--min-nbor-dist", "1.1"]) == 0
    for words, force in (([], "2e-08"), (["--tolerance", "0.003"], "0.003")):
        assert main(["verify", str(model), str(tmp_path / "t.bin"), *words]) == 0
        assert f"within: forces {force} eV/A" in capsys.readouterr().out


def test_verify_finds_a_wrong_table(small_model, small_tables, tmp_path, capsys):
    pytest.importorskip("pybuild._core", reason="verify runs the compiled evaluator")
    stored = read_tables(small_tables)
    table = dataclasses.replace(stored.tables[0], coef=stored.tables[0].coef * (1 + 1e-5))
    write_tables(tmp_path / "bad.bin", dataclasses.replace(stored, tables=(table, *stored.tables[1:])))
    assert main(["verify", str(small_model), str(tmp_path / "bad.bin")]) == 1
    assert "outside" in capsys.readouterr().out


def test_bad_input(small_model, small_tables, tmp_path, capsys):
    target = tmp_path / "t.bin"
    assert "No such file" in fails(capsys, tmp_path / "missing.pth", target)
    assert "--step" in fails(capsys, small_model, target, "--step", "0")
    assert "--rank" in fails(capsys, small_model, target, "--rank", "-3")
    assert "--tolerance" in fails(capsys, small_model, target, "--tolerance", "-1")
    assert "--min-nbor-dist" in fails(capsys, small_model, target, "--min-nbor-dist", "0")
    assert "no such folder" in fails(capsys, small_model, target, "--training-data", tmp_path / "nowhere")
    assert "does not exist" in fails(capsys, small_model, tmp_path / "nowhere" / "t.bin")
    assert "the model itself" in fails(capsys, small_model, small_model)
    assert "--log-path" in fails(capsys, small_model, target, "-l", tmp_path / "nowhere" / "log")
    assert "training script" in fails(capsys, small_model, target, "-t", tmp_path / "missing.json")
    assert not target.exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == []
    damaged = tmp_path / "damaged.bin"
    damaged.write_bytes(small_tables.read_bytes()[:-1])
    assert "damaged.bin" in fails(capsys, "info", damaged)
    assert "damaged.bin" in fails(capsys, "verify", small_model, damaged)
    assert "model" in fails(capsys, "info", small_model)


def test_tables_of_another_model(small_model, small_tables, option_models, tmp_path, capsys):
    renamed = tmp_path / "renamed.bin"
    write_tables(renamed, dataclasses.replace(read_tables(small_tables), type_map=("O", "H", "Cu")))
    assert "has the types O H Cu, the model A B C" in fails(capsys, "verify", small_model, renamed)
    pytest.importorskip("pybuild._core", reason="verify runs the compiled evaluator")
    assert main(["verify", str(option_models / "sel_zero.pth"), str(small_tables)]) == 1
    assert "made from another file: atom_exclude.pth" in capsys.readouterr().out


def test_head(option_models, tmp_path, capsys):
    """Of a checkpoint with two branches; its random models have no smallest distance of their own."""
    checkpoint = option_models / "two_heads.pt"
    assert "--head" in fails(capsys, checkpoint, tmp_path / "t.bin", "--min-nbor-dist", "1.1")
    for head in ("alpha", "beta"):
        assert main([str(checkpoint), str(tmp_path / head), "--head", head, "--min-nbor-dist", "1.1"]) == 0
    assert (tmp_path / "alpha").read_bytes() != (tmp_path / "beta").read_bytes()


@pytest.mark.parametrize("words", [["O", "H"], ["O,H"], ["O,", "H"]])
def test_names_apart_by_spaces_or_commas(words):
    assert parse("compress", ["model", "tables", "--types", *words, "--keep-types", *words]).types == ["O", "H"]
    assert parse("show", ["model", "--types", *words]).types == ["O", "H"]
    assert parse("verify", ["model", "tables", "--keep-types", *words]).keep_types == ["O", "H"]


@pytest.mark.parametrize(
    ("file", "words", "is_said"),
    [("dpa1/smooth.pth", [], True), ("dpa1/smooth.pth", ["--keep-types", "A"], False), ("options/atom_exclude.pth", [], False)],
)
def test_models_for_many_elements(tmp_path, capsys, monkeypatch, file, words, is_said):
    """Where some of them can be left out, it is said."""
    monkeypatch.setattr(pybuild.cli, "MANY_TYPES", 3)
    assert main([str(REPOSITORY / "tests" / "data" / file), str(tmp_path / "t.bin"), "--min-nbor-dist", "1", *words]) == 0
    out = capsys.readouterr().out
    assert out.startswith("note: tables of all 3 types take long; --keep-types NAME ... ") == is_said


@pytest.mark.parametrize("option", ["--types", "--keep-types"])
def test_commas_alone_name_nothing(option, capsys):
    with pytest.raises(SystemExit):
        parse("verify", ["model", "tables", option, ","])
    assert f"argument {option}: names no element" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ([], "the following arguments are required: MODEL (or --input); see python -m pybuild --help"),
        (["a"], "the following arguments are required: TABLES (or --output); see python -m pybuild --help"),
        (["compress", "a"], "the following arguments are required: TABLES (or --output); see python -m pybuild --help"),
        (["verify", "a"], "the following arguments are required: TABLES; see python -m pybuild verify --help"),
        (["a", "b", "--no\nsuch"], "unrecognized arguments: --no such; see python -m pybuild --help"),
        (["--order", "4", "a", "b"], "argument --order: invalid choice: 4"),
        (["--rank", "many", "a", "b"], "argument --rank: 'many' is neither a number nor full nor auto"),
    ],
)
def test_wrong_options_end_with_code_2_and_one_line(words, line):
    done = run(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"pybuild: error: {line}")
    assert done.stderr.endswith(" --help\n")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("words", [["--version"], ["compress", "--version"], ["info", "--version"]])
def test_version(words):
    done = run(*words)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"pybuild {importlib.metadata.version('dpcompressed')}\n", "")


def test_the_word_compress(small_model, small_tables, tmp_path, capsys):
    """As in a command line of `dp compress`. Taken for a model, it would make the trained one the file to write."""
    own = tmp_path / "m.pth"
    own.write_bytes(small_model.read_bytes())
    assert main(["compress", str(own), str(tmp_path / "t.bin")]) == 0
    assert np.array_equal(read_tables(tmp_path / "t.bin").tables[0].coef, read_tables(small_tables).tables[0].coef)
    capsys.readouterr()
    assert "m.pth: is a trained model; give another name for the tables" in fails(capsys, small_model, own)
    other = tmp_path / "notes.txt"
    other.write_text("notes")
    assert "notes.txt: is there already and is not a table file; give another name" in fails(capsys, small_model, other)
    assert own.read_bytes() == small_model.read_bytes()
    assert other.read_text() == "notes"
    assert "t.bin/: ends with /, as a folder does" in fails(capsys, small_model, f"{tmp_path}/t.bin/")


def test_without_a_smallest_distance_the_options_are_named(small_model, tmp_path, capsys, monkeypatch):
    description = dataclasses.replace(pybuild.readers.read_model(small_model), min_nbor_dist=None)
    monkeypatch.setattr(pybuild.readers, "read_model", lambda path, **_: description)
    line = fails(capsys, small_model, tmp_path / "t.bin")
    assert all(option in line for option in ("--min-nbor-dist", "--training-data", "-t input.json"))
    assert main([str(small_model), str(tmp_path / "t.bin"), "--min-nbor-dist", "1.1"]) == 0


def test_files_by_option_and_letters_of_deepmd_kit(small_model, small_tables, tmp_path, capsys):
    """A command line of `dp compress` works, and options without effect here say so."""
    target = tmp_path / "t.bin"
    words = ["compress", "-i", str(small_model), "-o", str(target), "-c", "model-compression", "-m", "collect", "-f", "-1"]
    assert main(words) == 0
    assert target.read_bytes() == small_tables.read_bytes()
    out = capsys.readouterr().out
    assert [line.split(":")[1] for line in out.splitlines() if line.startswith("note:")] == [
        " -c model-compression", " -m collect", " -f -1",
    ]  # fmt: skip
    assert not (tmp_path / "model-compression").exists()
    for words in (["--input", "a"], ["-o", "b"], ["-i", "a", "-o", "b", "c"], ["-v", "a"], ["--log-level", "loud", "a", "b"]):
        done = run(*words)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.endswith("; see python -m pybuild --help\n")


@pytest.mark.parametrize(
    ("level", "shows"),
    [
        (["-v"], (True, True)),
        (["-v", "2"], (False, True)),
        (["-v", "debug"], (True, True)),
        (["--log-level", "WARNING"], (False, False)),
    ],
)
def test_levels_of_the_log(small_model, tmp_path, capsys, level, shows):
    assert main([*level, str(small_model), str(tmp_path / "t.bin")]) == 0
    out = capsys.readouterr().out
    assert ("threshold" in out, "first fitting layer" in out) == shows


def test_warnings_are_shown_at_their_level(small_model, tmp_path, capsys):
    assert main([str(small_model), str(tmp_path / "t.bin"), "-v", "1", "--min-nbor-dist", "0.25"]) == 0
    assert {line.split(":")[0] for line in capsys.readouterr().out.splitlines()} == {"warning"}


def test_info_as_json(small_tables, capsys):
    assert main(["info", "--json", str(small_tables), "-v", "ERROR"]) == 0
    found = json.loads(capsys.readouterr().out)
    stored = read_tables(small_tables)
    assert found["types"] == list(stored.type_map)
    assert [t["rows"] for t in found["tables"]] == [len(t.coef) for t in stored.tables]
    assert [d["rcut"] for d in found["descriptors"]] == [d.rcut for d in stored.descriptors]
    assert found["provenance"] == stored.provenance
    assert main(["info", str(small_tables), "-v", "ERROR"]) == 0
    assert "descriptor:" in capsys.readouterr().out


def test_types_of_a_file_that_names_them(small_model, option_models, tmp_path, capsys):
    """Taken in silence, a user who means to change the order would have the elements swapped."""
    for model in (small_model, option_models / "two_heads.pt"):
        line = fails(capsys, model, tmp_path / "t.bin", "--types", "H", "O")
        assert "--types H,O: the file names its types itself; leave --types out" in line


@pytest.mark.parametrize("words", [["{}.bin"], ["t.bin", "-l", "{}.log"]])
def test_names_that_are_too_long(small_model, tmp_path, capsys, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    assert "File name too long" in fails(capsys, small_model, *(word.format("a" * 300) for word in words))
    assert list(tmp_path.iterdir()) == []


def test_without_standard_error(small_model, small_tables, tmp_path):
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" 2>&-', "sh", *command(small_model, tmp_path / "t.bin")], env=ENVIRONMENT, capture_output=True
    )
    assert done.returncode == 0
    assert (tmp_path / "t.bin").read_bytes() == small_tables.read_bytes()


def test_in_the_source_tree_the_installed_compiled_part_is_found(small_model, small_tables):
    """Python takes the folder pybuild of where it is started; the tree has no compiled part."""
    done = subprocess.run(
        [sys.executable, "-m", "pybuild", "verify", small_model, small_tables],
        capture_output=True, text=True, timeout=300, env=ENVIRONMENT, cwd=REPOSITORY,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "within: forces" in done.stdout


def test_a_given_rank_that_misses_the_tolerance_is_said(small_model, tmp_path, capsys):
    assert main([str(small_model), str(tmp_path / "t.bin"), "--rank", "1"]) == 0
    said = capsys.readouterr().out
    assert "warning: the tolerance of 1e-08 eV/A is not met in the range of the training data; leave out --rank" in said
