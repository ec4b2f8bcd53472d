# SPDX-License-Identifier: MIT
"""Two commits of this repository, alternating: CPU time per atom and step in LAMMPS, and the size of the table files.

    python benchmarks/compare_commits.py OLD NEW --output benchmarks/results/NAME.json

Each commit gets a checkout and an environment of its own under --work (kept for the next call), compresses the models with
its own pybuild and runs them with its own plugin. In every round each variant is started once, in turn; the figure is the CPU
time of LAMMPS' loop, so other programs on the machine disturb less; ratios are taken within a round. The Kokkos evaluator on a
processor: CMAKE_ARGS="-DDPC_KOKKOS=own -DKokkos_ROOT=PREFIX" in the environment, a --work of its own, --words "device
kokkos_serial".
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import lammps_run
import machine
from lammps_run import SYSTEMS, WITH_MODEL, Program, System

REPOSITORY = Path(__file__).resolve().parent.parent
WARM_STEPS, CALIBRATION_STEPS, FEWEST_STEPS = 10, 10, 20
PRECISIONS = ("double", "mixed")


def checkout(commit: str, work: Path) -> Path:
    """A checkout of the commit with the package installed in its .venv."""
    sha = subprocess.run(["git", "rev-parse", "--short=12", commit], cwd=REPOSITORY, check=True, capture_output=True, text=True)
    folder = work / sha.stdout.strip()
    if not folder.exists():
        subprocess.run(["git", "worktree", "add", "--detach", folder, commit], cwd=REPOSITORY, check=True)
    if not (folder / ".venv" / "bin" / "lmp").exists():
        subprocess.run([sys.executable, "-m", "venv", ".venv"], cwd=folder, check=True)
        subprocess.run([folder / ".venv" / "bin" / "pip", "install", "--quiet", ".[lammps]"], cwd=folder, check=True)
    return folder


def compress(folder: Path, system: System, shared: Path) -> Path:
    """The table file of a system's model, made once by the checkout's pybuild."""
    tables = folder / "build" / f"{system.model}.bin"
    if not tables.exists():
        tables.parent.mkdir(exist_ok=True)
        model = shared / "models" / system.model / "model.pth"
        python = folder / ".venv" / "bin" / "python"
        subprocess.run([python, "-m", "pybuild", model, tables], cwd=tables.parent, check=True, stdout=subprocess.DEVNULL)
    return tables


def microseconds(program: Program, system: System, style: str, steps: int, atoms: int, scratch: Path) -> float:
    """CPU time of an atom and step."""
    output = lammps_run.run(program, system, style, f"run {WARM_STEPS}\nrun {steps}", scratch, atoms=atoms)
    loop = lammps_run.loops(output)[-1]
    return 1e6 * loop.cpu_seconds / (loop.steps * loop.atoms)


def compare(systems: list[System], folders: list[Path], chosen: argparse.Namespace, scratch: Path) -> list[dict[str, Any]]:
    """A row for each system and precision."""
    rows = []
    for system in systems:
        files = [compress(folder, system, chosen.shared) for folder in folders]
        files = files[:1] * 2 if chosen.same_tables else files
        for precision in PRECISIONS:
            programs = [lammps_run.own_program(str(folder / ".venv" / "bin" / "lmp")) for folder in folders]
            styles = [f"dpcompressed {tables} precision {precision} {chosen.words}" for tables in files]
            first = microseconds(programs[0], system, styles[0], CALIBRATION_STEPS, chosen.atoms, scratch)
            steps = max(FEWEST_STEPS, int(chosen.seconds / (1e-6 * first * chosen.atoms)) // 10 * 10)
            times: list[list[float]] = [[], []]
            for round_number in range(chosen.rounds):
                for which in (0, 1) if round_number % 2 == 0 else (1, 0):
                    times[which].append(microseconds(programs[which], system, styles[which], steps, chosen.atoms, scratch))
            ratios = sorted(new / old for old, new in zip(*times, strict=True))
            rows.append(
                {
                    "system": system.name, "precision": precision, "atoms": chosen.atoms, "old_us": median(times[0]),
                    "new_us": median(times[1]), "new_over_old": median(ratios), "lowest": ratios[0], "highest": ratios[-1],
                    "old_bytes": files[0].stat().st_size, "new_bytes": files[1].stat().st_size,
                }
            )  # fmt: skip
            print(line_of(rows[-1]), flush=True)
    return rows


def line_of(row: dict[str, Any]) -> str:
    """A row as text."""
    return (
        f"{row['system']:8s} {row['precision']:6s} {row['old_us']:7.2f} -> {row['new_us']:7.2f} us/atom/step, "
        f"ratio {row['new_over_old']:.3f} ({row['lowest']:.3f}..{row['highest']:.3f}), "
        f"file {row['old_bytes'] / 1e6:.2f} -> {row['new_bytes'] / 1e6:.2f} MB"
    )


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("commits", nargs=2, metavar="COMMIT")
    parser.add_argument("--systems", nargs="+", choices=WITH_MODEL, default=WITH_MODEL)
    parser.add_argument("--atoms", type=int, choices=lammps_run.REPLICATION, default=1536)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=3.0, help="aimed-at length of a timed run")
    parser.add_argument("--same-tables", action="store_true", help="both run those of the first commit")
    parser.add_argument("--words", default="", help="more words for the pair style of both")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "dpcompressed-commits")
    parser.add_argument("--shared", type=Path, default=machine.shared_folder(), help="folder with models/")
    parser.add_argument("--output", type=Path, help="JSON file to write")
    chosen = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    folders = [checkout(commit, chosen.work) for commit in chosen.commits]
    with tempfile.TemporaryDirectory() as scratch:
        rows = compare([SYSTEMS[name] for name in chosen.systems], folders, chosen, Path(scratch))
    if chosen.output:
        machine.write(
            {
                "machine": machine.describe(), "commits": [folder.name for folder in folders], "words": chosen.words,
                "rows": rows,
            },
            chosen.output,
        )


if __name__ == "__main__":
    main()
