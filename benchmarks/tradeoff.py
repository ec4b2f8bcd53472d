# SPDX-License-Identifier: MIT
"""What accuracy costs: tolerances and precisions side by side, force error against the networks and CPU time of a step.

    python benchmarks/tradeoff.py --output benchmarks/results/NAME.json

Every choice is built by this working tree's pybuild and run in LAMMPS by its plugin. Forces of the 192-atom start are compared
with the NumPy evaluation of the networks; the times are CPU times of LAMMPS' loop on more atoms, all choices alternating, ratios
taken within a round.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import lammps_run
import machine
import numpy as np
from compare_commits import microseconds
from lammps_run import SYSTEMS, WITH_MODEL, Program, System

from pybuild.oracles import reference
from pybuild.readers import read_model

DUMP = "dump d all custom 1 start.dump id type x y z fx fy fz\ndump_modify d sort id format float %.17g\nrun 0"


@dataclass(frozen=True)
class Choice:
    """Words for pybuild and the precision of the pair style."""

    label: str
    words: tuple[str, ...]
    precision: str


CHOICES = (
    Choice("double, tolerance 1e-8 (default)", (), "double"),
    Choice("double, tolerance 1e-6", ("--tolerance", "1e-6"), "double"),
    Choice("double, tolerance 1e-4", ("--tolerance", "1e-4"), "double"),
    Choice("mixed, tolerance 1e-5 (default)", (), "mixed"),
    Choice("mixed, tolerance 1e-4", ("--tolerance-mixed", "1e-4"), "mixed"),
)


def tables_of(choice: Choice, model: Path, folder: Path) -> Path:
    """Built once for equal words."""
    tables = folder / f"{model.parent.name}{''.join(choice.words)}.bin"
    if not tables.exists():
        command = [sys.executable, "-m", "pybuild", model, tables, *choice.words]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder)
    return tables


def start_of(program: Program, system: System, style: str, folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """LAMMPS types (n), positions (n, 3), cell (3, 3) and forces (n, 3) of the unreplicated start."""
    lammps_run.run(program, system, style, DUMP, folder)
    lines = (folder / "start.dump").read_text().splitlines()
    cell = np.diag([float(high) - float(low) for low, high in (line.split()[:2] for line in lines[5:8])])
    rows = np.array([[float(word) for word in line.split()] for line in lines[9:]])
    return rows[:, 1].astype(int), rows[:, 2:5], cell, rows[:, 5:8]


def errors_of(program: Program, system: System, styles: list[str], model_file: Path, folder: Path) -> list[float]:
    """Largest force error of each style, eV/A."""
    model = read_model(model_file)
    index = np.array([model.type_map.index(name) for name in system.elements.split()])
    exact, found = None, []
    for style in styles:
        types, x, cell, forces = start_of(program, system, style, folder)
        if exact is None:
            exact = reference.evaluate(model, x, index[types - 1], cell).forces
        found.append(float(np.abs(forces - exact).max()))
    return found


def rows_of(system: System, chosen: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    program = lammps_run.own_program(chosen.lmp)
    model = chosen.shared / "models" / system.model / "model.pth"
    files = [tables_of(choice, model, folder) for choice in CHOICES]
    styles = [f"dpcompressed {file} precision {choice.precision}" for choice, file in zip(CHOICES, files, strict=True)]
    errors = errors_of(program, system, styles, model, folder)
    times: list[list[float]] = [[] for _ in CHOICES]
    for _ in range(chosen.rounds):
        for which, style in enumerate(styles):
            times[which].append(microseconds(program, system, style, chosen.steps, chosen.atoms, folder))
    rows = []
    for choice, file, error, own in zip(CHOICES, files, errors, times, strict=True):
        ratios = sorted(first / this for first, this in zip(times[0], own, strict=True))
        rows.append(
            {
                "system": system.name, "choice": choice.label, "force_error": error, "us": median(own), "faster": median(ratios),
                "lowest": ratios[0], "highest": ratios[-1], "bytes": file.stat().st_size,
            }
        )  # fmt: skip
        print("{system:8s} {choice:34s} {force_error:.1e} eV/A {us:7.2f} us/atom/step, {faster:.2f} times as fast "
              "({lowest:.2f} .. {highest:.2f})".format(**rows[-1]), flush=True)  # fmt: skip
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lmp", help="this project's LAMMPS (default: lmp on PATH)")
    parser.add_argument("--systems", nargs="+", choices=WITH_MODEL, default=WITH_MODEL)
    parser.add_argument("--atoms", type=int, choices=lammps_run.REPLICATION, default=1536)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--shared", type=Path, default=machine.shared_folder(), help="folder with models/")
    parser.add_argument("--output", type=Path, help="JSON file to write")
    chosen = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    about = machine.describe()
    with tempfile.TemporaryDirectory() as folder:
        rows = [row for name in chosen.systems for row in rows_of(SYSTEMS[name], chosen, Path(folder))]
    if chosen.output:
        about["load_average_at_end"] = machine.describe()["load_average"]
        machine.write({"machine": about, "atoms": chosen.atoms, "rows": rows}, chosen.output)


if __name__ == "__main__":
    main()
