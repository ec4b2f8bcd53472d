# SPDX-License-Identifier: MIT
"""What ASE adds to an evaluation: CPU time of a step of dynamics, of a structure never seen, and of the evaluation alone.

    python benchmarks/bench_ase.py [--output benchmarks/results/NAME.json]

864 atoms of copper (6 x 6 x 6 cells) with the full-size model, one thread. The three are measured in turn, round by round:
medians, and of the ratios to the evaluation of the same round the median, the smallest and the largest. Atoms oscillate about
their lattice sites as those of a crystal at 300 K do: the model is made for timing, and dynamics would leave the lattice.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import machine
import numpy as np

CELLS = 6
AMPLITUDE, TERAHERTZ, PICOSECONDS = 0.12, 5.0, 0.002  # of each coordinate, angstrom; of all atoms; a step
STEPS = 10  # of dynamics in a round: a step is their mean, the lists made on the way included


def cpu_seconds(function: Callable[[], Any]) -> float:
    start = time.process_time()
    function()
    return time.process_time() - start


def measure(tables: Path, rounds: int) -> dict[str, list[float]]:
    """Milliseconds of each kind by round."""
    from ase.build import bulk

    from pybuild.calculator import DPCompressed

    rng = np.random.default_rng(1)
    atoms = bulk("Cu", cubic=True) * (CELLS, CELLS, CELLS)
    sites, phases = atoms.get_positions(), rng.uniform(0, 2 * np.pi, (2, len(atoms), 3))
    atoms.calc = DPCompressed(tables)
    step = 0

    def run() -> None:
        nonlocal step
        for _ in range(STEPS):
            step += 1
            # Two frequencies, so that the distances do not repeat.
            angles = 2 * np.pi * TERAHERTZ * PICOSECONDS * step * np.array([1.0, 1.3])[:, None, None] + phases
            atoms.positions = sites + 0.5 * AMPLITUDE * np.sin(angles).sum(axis=0)
            atoms.get_forces()

    run()
    found: dict[str, list[float]] = {"evaluation": [], "step of dynamics": [], "new structure": []}
    for _ in range(rounds):
        other = atoms.copy()
        other.calc = DPCompressed(tables)
        found["new structure"].append(1e3 * cpu_seconds(other.get_forces))
        points = other.calc._images.points(other.get_positions())  # the atoms and images of this structure
        found["evaluation"].append(1e3 * cpu_seconds(lambda c=other.calc, x=points: c.evaluator.compute(x, False)))
        found["step of dynamics"].append(1e3 * cpu_seconds(run) / STEPS)
    return found


def main() -> None:
    """Print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--shared", type=Path, default=machine.shared_folder(), help="folder with models/")
    parser.add_argument("--output", type=Path, help="JSON file to write")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tables = Path(folder) / "tables.bin"
        trained = chosen.shared / "models" / "cu-full" / "model.pth"
        subprocess.run([sys.executable, "-m", "pybuild", str(trained), str(tables)], check=True, stdout=subprocess.DEVNULL)
        found = measure(tables, chosen.rounds)
    report: dict[str, Any] = {"machine": machine.describe(), "atoms": 4 * CELLS**3, "rounds": chosen.rounds, "ms": {}}
    for name, times in found.items():
        ratios = [t / e for t, e in zip(times, found["evaluation"], strict=True)]
        report["ms"][name] = {"median": median(times), "ratio": median(ratios), "ratio_range": [min(ratios), max(ratios)]}
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        print(f"{name:<18}{median(times):8.1f} ms of CPU, {median(ratios):.2f} evaluations ({spread})")
    if chosen.output:
        machine.write(report, chosen.output)


if __name__ == "__main__":
    main()
