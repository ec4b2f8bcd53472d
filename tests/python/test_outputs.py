# SPDX-License-Identifier: MIT
"""What the command line must not write over, where its report can go, and how it ends when it cannot go on."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from command_line import ENVIRONMENT, command, fails, mpirun, run, write_system

from pybuild.cli import main
from pybuild.tablefile.file import read_tables

DATA = "atom_exclude.npz"


# What must not be written over, and where a report can go


def snapshot(folder):
    return {path.name: (path.read_bytes(), path.stat().st_ino) for path in sorted(folder.iterdir()) if path.is_file()}


def names_of(path):
    """The file by its name, a symbolic link and a hard link."""
    soft, hard = path.with_name("soft"), path.with_name("hard")
    soft.symlink_to(path.name)
    os.link(path, hard)
    return [path, soft, hard]


def test_a_log_never_replaces_an_input(small_model, small_tables, option_models, tmp_path, capsys):
    own = tmp_path / "m.pth"
    own.write_bytes(small_model.read_bytes())
    stored = tmp_path / "t.bin"
    stored.write_bytes(small_tables.read_bytes())
    system = write_system(tmp_path / "data", np.load(option_models / DATA))
    script = tmp_path / "input.json"
    script.write_text(json.dumps({"training": {"training_data": {"systems": "data"}}}))
    before, data_before = snapshot(tmp_path), snapshot(system)
    for name in names_of(own):
        assert "the model itself; give another name for the log" in fails(capsys, own, tmp_path / "new.bin", "-l", name)
        assert "the model itself" in fails(capsys, own, name)
        assert "the model itself" in fails(capsys, "verify", own, stored, "-l", name)
        name.unlink() if name != own else None
    for name in names_of(stored):
        assert "the table file itself" in fails(capsys, "info", stored, "-l", name)
        assert "the table file itself" in fails(capsys, "verify", own, stored, "-l", name)
        assert "the table file itself" in fails(capsys, own, stored, "-l", name)
        name.unlink() if name != stored else None
    assert "the table file itself" in fails(capsys, own, tmp_path / "new.bin", "-l", tmp_path / "new.bin")  # not there yet
    (tmp_path / "later").symlink_to("new.bin")
    assert "the table file itself" in fails(capsys, own, tmp_path / "new.bin", "-l", tmp_path / "later")
    (tmp_path / "later").unlink()
    assert "the input script itself" in fails(capsys, own, tmp_path / "new.bin", "-t", script, "-l", script)
    assert "the input script itself" in fails(capsys, own, script, "-t", script)
    for other in (system / "type.raw", script):
        assert "not a log of pybuild; give another name" in fails(capsys, own, tmp_path / "new.bin", "-l", other)
        assert "not a table file; give another name" in fails(capsys, own, other)
    assert "is a folder" in fails(capsys, own, tmp_path / "new.bin", "-l", tmp_path)
    assert "not a regular file" in fails(capsys, own, tmp_path)
    assert "not a regular file" in fails(capsys, own, "/dev/null")
    assert snapshot(tmp_path) == before
    assert snapshot(system) == data_before


def test_old_logs_and_tables_are_replaced(small_model, small_tables, tmp_path):
    target, path = tmp_path / "t.bin", tmp_path / "log"
    for old in (b"", small_tables.read_bytes()[:100]):
        target.write_bytes(old)
        assert main([str(small_model), str(target), "-l", str(path)]) == 0
        assert target.read_bytes() == small_tables.read_bytes()
        assert path.read_text().startswith("# log of python -m pybuild: ")


def test_a_log_ends_with_the_error(small_model, tmp_path, capsys):
    """Once there is something in it; an error before that leaves an old log alone."""
    path = tmp_path / "log"
    assert main([str(small_model), str(tmp_path / "t.bin"), "-l", str(path)]) == 0
    old = path.read_bytes()
    assert main([str(tmp_path / "missing.pth"), str(tmp_path / "t.bin"), "-l", str(path)]) == 2
    assert path.read_bytes() == old
    words = ["--training-data", str(tmp_path / "nowhere"), "-l", str(path)]
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "link").symlink_to("gone")
    words[1] = str(tmp_path / "data")
    assert main([str(small_model), str(tmp_path / "t.bin"), *words]) == 2
    lines = path.read_text().splitlines()
    assert lines[0].startswith("# log of")
    assert "leads nowhere" in lines[1]
    assert lines[2].startswith("error: training data")
    assert len(lines) == 3


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_signal_while_a_file_is_written(name, small_tables, tmp_path):
    """Nothing is left of the new one, and the old one is as it was."""
    target = tmp_path / "t.bin"
    target.write_bytes(b"old")
    code = "import os, signal, sys\nfrom pybuild.tablefile import file\n"
    code += f"signal.signal(signal.{name}, signal.SIG_DFL)\n"  # nohup ignores one
    code += f"os.fsync = lambda descriptor: os.kill(os.getpid(), signal.{name})\n"
    code += "file.write_tables(sys.argv[2], file.read_tables(sys.argv[1]))\n"
    done = subprocess.run([sys.executable, "-c", code, small_tables, target], env=ENVIRONMENT, check=False)
    assert done.returncode == -getattr(signal, name)
    assert [path.name for path in tmp_path.iterdir()] == ["t.bin"]
    assert target.read_bytes() == b"old"


@pytest.mark.parametrize("device", ["/dev/null", "/dev/stdout", "/dev/stderr"])
def test_devices_are_good_logs(device, small_tables):
    done = run("info", small_tables, "-l", device)
    assert done.returncode == 0
    lines = {"/dev/null": 1, "/dev/stdout": 2, "/dev/stderr": 1}[device]
    assert done.stdout.count("fitting net A") == lines
    assert done.stderr.count("fitting net A") == (device == "/dev/stderr")


def test_a_log_that_is_stdout_itself(small_tables, tmp_path):
    """The shell has opened the file already: both write into it one after the other."""
    path = tmp_path / "out"
    for name in (path, "/dev/stdout"):
        with path.open("w") as stdout:
            stdout.write("before\n")
            stdout.flush()
            assert subprocess.run(command("info", small_tables, "-l", name), stdout=stdout, env=ENVIRONMENT).returncode == 0
        text = path.read_text()
        assert text.startswith("before\n")
        assert text.count("fitting net A") == 2


def test_nothing_to_report_to(small_tables):
    """Both streams are closed."""
    words = command("info", small_tables)
    assert subprocess.run(["sh", "-c", '"$@" >&- 2>&-', "sh", *words], env=ENVIRONMENT).returncode == 0


def test_a_folder_that_is_gone(small_model, tmp_path):
    words = ["sh", "-c", 'cd "$0" && rmdir "$0" && "$@"', str(tmp_path / "gone"), *command(small_model, "t.bin")]
    (tmp_path / "gone").mkdir()
    done = subprocess.run(words, env=ENVIRONMENT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (2, "pybuild: error: the current folder has been deleted: change into another one\n")


@pytest.mark.parametrize("name", ["fifo", "/dev/stdin"])
def test_a_model_that_is_no_file(name, small_model, tmp_path):
    """Nobody waits for the other end of a pipe, and its beginning is read once only."""
    os.mkfifo(tmp_path / "fifo")
    with small_model.open("rb") as model, subprocess.Popen(["cat"], stdin=model, stdout=subprocess.PIPE) as pipe:
        done = run(tmp_path / name, tmp_path / "t.bin", stdin=pipe.stdout)
    assert done.returncode == 2
    assert "is a pipe or a device: a model is read from a file" in done.stderr
    assert not (tmp_path / "t.bin").exists()


def test_a_full_disk_at_stdout(small_model, small_tables, tmp_path):
    for words in (["info", small_tables], [small_model, tmp_path / "t.bin"], ["verify", small_model, small_tables]):
        with open("/dev/full", "w") as full:
            done = subprocess.run(command(*words), stdout=full, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)
        assert done.returncode == 2
        assert done.stderr == "pybuild: error: the report cannot be written to standard output: No space left on device\n"
    assert (tmp_path / "t.bin").read_bytes() == small_tables.read_bytes()
    done = run("info", small_tables, "-l", "/dev/full")
    assert (done.returncode, done.stderr) == (2, "pybuild: error: --log-path /dev/full: No space left on device\n")


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("words", [["info", "no such file"], ["info"], ["a.pth", "b.bin", "--no-such-option"]])
def test_a_full_disk_at_stderr(words, unbuffered):
    """The exit code is all that is left, and stays what it is when the interpreter ends."""
    with open("/dev/full", "w") as full:
        done = subprocess.run(command(*words), stderr=full, env={**ENVIRONMENT, "PYTHONUNBUFFERED": unbuffered})
    assert done.returncode == 2


def test_verify_goes_on_without_a_reader(small_model, small_tables, option_models):
    """The exit code is that of the comparison, not that of the pipe."""
    pytest.importorskip("pybuild._core", reason="verify runs the compiled evaluator")
    for source, code in ((small_model, 0), (option_models / "sel_zero.pth", 1)):
        words = command("verify", source, small_tables)
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT)
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=300) == code


@pytest.mark.parametrize("name", ["modèle.pth".encode(), b"mod\xe8le.pth", "模型.pth".encode()])
def test_names_outside_the_encoding(name, small_model, tmp_path):
    """The report has "?" for letters that the output lacks, for bytes that are no text even in UTF-8."""
    source = os.path.join(os.fsencode(tmp_path), name)
    Path(os.fsdecode(source)).write_bytes(small_model.read_bytes())
    words = [sys.executable, "-m", "pybuild", source, os.fsencode(tmp_path / "t.bin"), "-l", os.fsencode(tmp_path / "log")]
    for encoding in ("ascii", "utf-8"):
        environment = {**ENVIRONMENT, "PYTHONIOENCODING": encoding}
        done = subprocess.run(words, capture_output=True, env=environment)
        assert (done.returncode, done.stderr) == (0, b"")
        shown = name.decode("utf-8", "surrogateescape").encode(encoding, "replace")
        assert done.stdout.startswith(shown + b": DeePMD-kit PyTorch frozen model")
        assert done.stdout.decode(encoding).splitlines()[-1].endswith(" MB")
        assert "smallest distance" in (tmp_path / "log").read_text()
    assert read_tables(tmp_path / "t.bin").provenance["source"]["file_name"] == name.decode("utf-8", "replace") or b"\xe8" in name


# Interrupts and memory


def interrupted(words, fifo, patience=0.0):
    """Ctrl-C while the program waits for its input script, which is a pipe that nobody writes to."""
    os.mkfifo(fifo)
    undo = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}  # shells ignore it for jobs in the background
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT, **undo)
    with open(fifo, "w"):  # opens as soon as the program has opened it
        time.sleep(patience)
        process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)  # the pipe is closed: also one who was about to read comes to know of the signal
    return process.returncode, out, err


def test_interrupt(small_model, tmp_path):
    code, out, err = interrupted(command(small_model, tmp_path / "t.bin", "-t", tmp_path / "fifo"), tmp_path / "fifo")
    assert (code, out, err) == (130, "", "pybuild: interrupted\n")
    assert [path.name for path in tmp_path.iterdir()] == ["fifo"]


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (KeyboardInterrupt(), 130, "pybuild: interrupted\n"),
        (MemoryError("Unable to allocate 9 TiB"), 2, "pybuild: error: not enough memory (Unable to allocate 9 TiB); "),
        (MemoryError(), 2, "pybuild: error: not enough memory (none left); "),
    ],
)
def test_interrupts_and_memory_at_the_end_of_a_build(error, code, text, small_model, tmp_path, capsys, monkeypatch):
    def fail(*_):
        raise error

    monkeypatch.setattr("os.fsync", fail)  # the tables are all but written
    assert main([str(small_model), str(tmp_path / "t.bin")]) == code
    captured = capsys.readouterr()
    assert captured.err.startswith(text)
    assert captured.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


# The smallest distance


@pytest.mark.parametrize("words", [["--min-nbor-dist", "6"], ["--min-nbor-dist", "88.5"]])
def test_a_smallest_distance_beyond_the_cutoff(words, small_model, tmp_path, capsys):
    line = fails(capsys, small_model, tmp_path / "t.bin", *words)
    assert f"of {words[1]} A (--min-nbor-dist) is not below the model's cutoff" in line
    assert f"{words[1]} pm would be" in line


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--min-nbor-dist", "1e-300"], "of 1e-300 A (--min-nbor-dist) is none of atoms"),
        (["--tolerance", "1e-300"], "--tolerance 1e-300 is below 1e-15 eV/A"),
        (["--tolerance-mixed", "1e-20"], "--tolerance-mixed 1e-20 is below 1e-15 eV/A"),
    ],
)
def test_numbers_that_are_too_small(words, message, small_model, tmp_path, capsys):
    assert message in fails(capsys, small_model, tmp_path / "t.bin", *words)


def test_a_smallest_distance_shorter_than_bonds(small_model, option_models, tmp_path, capsys):
    """Where data gave it, the warning names file, frame and atoms."""
    data = dict(np.load(option_models / DATA))
    system = write_system(tmp_path / "data", data, frames=2)
    coord = np.load(system / "set.000" / "coord.npy")
    coord[1, 9:12] = coord[1, 3:6] + [0.2, 0.0, 0.0]
    np.save(system / "set.000" / "coord.npy", coord)
    assert main([str(small_model), str(tmp_path / "t.bin"), "--training-data", str(system)]) == 0
    out = capsys.readouterr().out
    where = f"atoms 1 ({'ABC'[data['types'][1]]}) and 3 ({'ABC'[data['types'][3]]}) of {system}/set.000, frame 1"
    n = 2 * len(data["types"])
    assert f"training data: 1 systems, 2 frames, {n} atoms; closest, 0.2000 A: {where}" in out
    assert f"warning: the smallest distance of 0.2 A ({where}) is shorter than any bond" in out
    assert main([str(small_model), str(tmp_path / "t.bin"), "--min-nbor-dist", "0.25"]) == 0
    assert "warning: the smallest distance of 0.25 A (--min-nbor-dist)" in capsys.readouterr().out
    assert main([str(small_model), str(tmp_path / "t.bin"), "--min-nbor-dist", "0.35"]) == 0
    assert "shorter than any bond" not in capsys.readouterr().out


def test_a_smallest_distance_beyond_that_of_the_data(small_model, option_models, tmp_path, capsys):
    system = write_system(tmp_path / "data", dict(np.load(option_models / DATA)))
    words = [str(small_model), str(tmp_path / "t.bin"), "--training-data", str(system)]
    assert main([*words, "--min-nbor-dist", "2"]) == 0
    out = capsys.readouterr().out
    assert "warning: the training data have pairs closer (" in out
    assert "than the smallest distance of 2 A (--min-nbor-dist)" in out
    assert main([*words, "--min-nbor-dist", "0.5"]) == 0
    assert "pairs closer (" not in capsys.readouterr().out


# Several ranks


def on_two_ranks(*words, **options):
    return subprocess.run([*mpirun(2), *words], capture_output=True, text=True, timeout=120, **{"env": ENVIRONMENT, **options})


def test_one_rank_speaks(small_model, tmp_path):
    for words, text in (
        ([tmp_path / "missing.pth", tmp_path / "t.bin"], "No such file"),
        ([small_model, tmp_path / "t.bin", "-l", small_model], "the model itself"),
        ([small_model, tmp_path / "t.bin", "--training-data", tmp_path / "nowhere"], "no such folder"),
        ([small_model, tmp_path / "t.bin", "--order", "4"], "see python -m pybuild --help"),
    ):
        done = on_two_ranks(*command(*words))
        assert done.returncode == 2
        assert done.stderr.count(text) == 1
        assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


FAILS_ON_THE_SECOND = """
import sys
from mpi4py import MPI
import pybuild.{module} as module
from pybuild.cli import main
from pybuild.errors import InputError
def fail(*_, **choices):
    raise {error}
if MPI.COMM_WORLD.Get_rank() == 1:
    module.{name} = fail
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    ("error", "module", "name", "text"),
    [
        ("InputError('not here')", "readers", "read_model", "pybuild: error: not here"),  # a disk that one node does not see
        ("MemoryError('all gone')", "structures.min_distance", "_take_pairs", "pybuild: error: not enough memory (all gone)"),
        ("MemoryError('all gone')", "readers", "read_model", "pybuild: error: not enough memory (all gone)"),
    ],
)
def test_an_error_of_one_rank_ends_all(error, module, name, text, small_model, option_models, tmp_path):
    """The first rank, which waits for the second, neither hangs nor writes tables."""
    system = write_system(tmp_path / "data", np.load(option_models / DATA), frames=3)
    script = FAILS_ON_THE_SECOND.format(error=error, module=module, name=name)
    target = tmp_path / "t.bin"
    done = on_two_ranks(sys.executable, "-c", script, str(small_model), str(target), "--training-data", str(system))
    assert done.returncode != 0
    assert done.stderr.count(text) == 1
    assert "Traceback" not in done.stderr
    assert not target.exists()


def test_interrupt_of_all_ranks(small_model, tmp_path):
    """The launcher's own lines aside."""
    words = [*mpirun(2), *command(small_model, tmp_path / "t.bin", "-t", tmp_path / "fifo")]
    code, out, err = interrupted(words, tmp_path / "fifo", 2.0)  # seconds until the second rank's Python is up, too
    assert code != 0
    assert out.count("pybuild: interrupted") + err.count("pybuild: interrupted") <= 1
    assert "Traceback" not in out + err
    assert [path.name for path in tmp_path.iterdir()] == ["fifo"]
