# SPDX-License-Identifier: MIT
"""The command line in tests: in this process, in one of its own, on several ranks; and data to give it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import pybuild
from pybuild.cli import main

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(pybuild.__file__).parents[1])}


def run(*words, **options):
    """`python -m pybuild` in a process of its own."""
    return subprocess.run(command(*words), capture_output=True, text=True, timeout=300, **{"env": ENVIRONMENT, **options})


def command(*words):
    return [sys.executable, "-m", "pybuild", *map(str, words)]


def fails(capsys, *words):
    """The error line of a run that must end with code 2 and say nothing else."""
    assert main([str(w) for w in words]) == 2
    captured = capsys.readouterr()
    lines = captured.err.splitlines()
    assert captured.out == ""
    assert len(lines) == 1
    assert lines[0].startswith("pybuild: error: ")
    return lines[0]


def write_system(folder, data, frames=1):
    """The structure of a reference as a DeePMD-kit system."""
    part = folder / "set.000"
    part.mkdir(parents=True)
    np.savetxt(folder / "type.raw", data["types"], fmt="%d")
    np.save(part / "coord.npy", np.tile(data["positions"].reshape(1, -1), (frames, 1)))
    np.save(part / "box.npy", np.tile(data["cell"].reshape(1, -1), (frames, 1)))
    return folder


def mpirun(ranks):
    """The words that start a program on several ranks: of the launcher beside this Python, or on the path."""
    pytest.importorskip("mpi4py", reason="mpi4py spreads the scan over ranks")
    launcher = shutil.which("mpirun", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
    if launcher is None:
        pytest.skip("no mpirun on the path")
    return [launcher, "-n", str(ranks)]
