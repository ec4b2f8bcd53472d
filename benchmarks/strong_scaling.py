# SPDX-License-Identifier: MIT
"""The cost of a step against atoms per rank: copper with the full-size model, on one rank and on two.

    python benchmarks/strong_scaling.py --output benchmarks/results/NAME.json

What limits a simulation on thousands of ranks is a step of few atoms with many ghosts. Each rank gets a block of a crystal;
LAMMPS' own timers tell force, neighbour list and communication apart (microseconds a step, the mean over the ranks, medians of
the rounds). ns/day is that of one femtosecond a step with `--messages` messages of `--latency` microseconds each on top, which is
what a network adds at least.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import lammps_run
import machine
from lammps_run import SYSTEMS, System

# Cells of fcc, 4 atoms each, of a rank.
BLOCKS = ((1, 1, 1), (2, 1, 1), (2, 2, 1), (2, 2, 2), (3, 3, 2), (4, 4, 3), (6, 6, 5), (10, 9, 8))
SECTIONS = {"Pair": "pair", "Neigh": "neighbour list", "Comm": "communication"}
LINE = re.compile(r"^(Pair|Neigh|Comm) +\| [^|]+\| *(\S+) +\|", re.MULTILINE)
NS_US_PER_DAY = 86400.0  # ns/day of steps of 1 fs that take 1 us
WARM_STEPS = 20


def copper(cells: tuple[int, int, int], ranks: int) -> System:
    """A block of the crystal for each rank, side by side."""
    x, y, z = cells
    return System(
        "copper", "cu-full", "Cu",
        f"processors {ranks} 1 1\nlattice fcc 3.615\nregion box block 0 {x * ranks} 0 {y} 0 {z}\ncreate_box 1 box\n"
        "create_atoms 1 box\nmass 1 63.546\ndisplace_atoms all random 0.05 0.05 0.05 7\nvelocity all create 300 7",
    )  # fmt: skip


def times_of(output: str) -> dict[str, float]:
    """Microseconds a step of the last run: all of it, and LAMMPS' sections."""
    loop = lammps_run.loops(output)[-1]
    sections = dict(LINE.findall(output[output.rindex("MPI task timing breakdown") :]))
    found = {SECTIONS[name]: 1e6 * float(seconds) / loop.steps for name, seconds in sections.items()}
    return {"step": 1e6 * loop.seconds / loop.steps, **found}


def row_of(cells: tuple[int, int, int], ranks: int, style: str, chosen: argparse.Namespace, folder: Path) -> dict[str, Any]:
    program, system = lammps_run.own_program(chosen.lmp), copper(cells, ranks)
    n = 4 * cells[0] * cells[1] * cells[2]
    steps = min(2000, max(100, 40000 // n)) // 10 * 10
    rounds = [
        times_of(lammps_run.run(program, system, style, f"run {WARM_STEPS}\nrun {steps}", folder, ranks=ranks))
        for _ in range(chosen.rounds)
    ]
    middle = {name: median(times[name] for times in rounds) for name in rounds[0]}
    with_network = middle["step"] + chosen.messages * chosen.latency
    spread = [min(times["step"] for times in rounds), max(times["step"] for times in rounds)]
    return {"atoms_per_rank": n, "ranks": ranks, **middle, "step_spread": spread, "ns_per_day": NS_US_PER_DAY / with_network}


def line_of(row: dict[str, Any]) -> str:
    return (
        "{precision:6s} {ranks} rank(s), {atoms_per_rank:5d} atoms each: {step:8.0f} us a step; force {pair:8.0f}, "
        "neighbour list {neighbour list:6.0f}, communication {communication:6.0f}; {ns_per_day:6.1f} ns/day".format(**row)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lmp", help="this project's LAMMPS (default: lmp on PATH)")
    parser.add_argument("--precisions", nargs="+", choices=("double", "mixed"), default=["double", "mixed"])
    parser.add_argument("--ranks", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--messages", type=int, default=12, help="that a step waits for: six there and six back")
    parser.add_argument("--latency", type=float, default=2.0, help="of a message, microseconds")
    parser.add_argument("--shared", type=Path, default=machine.shared_folder(), help="folder with models/")
    parser.add_argument("--output", type=Path, help="JSON file to write")
    chosen = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    about, rows = machine.describe(), []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        model = chosen.shared / "models" / SYSTEMS["copper"].model / "model.pth"
        subprocess.run([sys.executable, "-m", "pybuild", model, folder / "tables.bin"], check=True, stdout=subprocess.DEVNULL)
        for precision in chosen.precisions:
            style = f"dpcompressed {folder / 'tables.bin'} precision {precision}"
            for ranks in chosen.ranks:
                for cells in BLOCKS:
                    rows.append({"precision": precision, **row_of(cells, ranks, style, chosen, folder)})
                    print(line_of(rows[-1]), flush=True)
    if chosen.output:
        about["load_average_at_end"] = machine.describe()["load_average"]
        assumptions = {"messages": chosen.messages, "latency_us": chosen.latency, "timestep_fs": 1.0}
        machine.write({"machine": about, "assumptions": assumptions, "rows": rows}, chosen.output)


if __name__ == "__main__":
    main()
