# SPDX-License-Identifier: MIT
"""What the deviation of several models costs: CPU time of a step with four models against one, here and in DeePMD-kit.

    python benchmarks/bench_deviation.py --peer-torch VENV --output benchmarks/results/NAME.json

The water of the other benchmarks; the four models are copies of one, which cost what four different ones of its size do. In every
round each variant is started once: ten steps that do not count, then the timed ones. Ratios are taken within a round.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import lammps_run
import machine
from lammps_run import SYSTEMS, Program

SYSTEM = SYSTEMS["water"]
MODELS = 4
WARM_STEPS = 10


@dataclass(frozen=True)
class Contender:
    """A program with its pair style."""

    label: str
    program: Program
    style: str
    files: list[Path]
    words: str = ""

    def pair_style(self, n_models: int, every: int) -> str:
        deviation = f" out_freq {every}" if n_models > 1 else ""
        return f"{self.style} {' '.join(map(str, self.files[:n_models]))} {self.words}{deviation}"


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer-torch", metavar="VENV", default=os.environ.get("DPC_PEER_TORCH"))
    parser.add_argument("--lmp", help="this project's LAMMPS (default: lmp on PATH)")
    parser.add_argument("--atoms", type=int, choices=lammps_run.REPLICATION, default=1536)
    parser.add_argument("--steps", type=int, default=200, help="timed steps: a multiple of the frequencies")
    parser.add_argument("--frequencies", type=int, nargs="+", default=[10, 100])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", metavar="LABEL")
    parser.add_argument("--shared", type=Path, default=machine.shared_folder(), help="folder with models/")
    parser.add_argument("--output", type=Path, help="JSON file to write")
    return parser.parse_args()


def copies(file: Path, folder: Path) -> list[Path]:
    return [Path(shutil.copy(file, folder / f"{k}{file.suffix}")) for k in range(MODELS)]


def contenders(chosen: argparse.Namespace, scratch: Path) -> list[Contender]:
    model = chosen.shared / "models" / SYSTEM.model / "model.pth"
    tables = scratch / "tables.bin"
    subprocess.run([sys.executable, "-m", "pybuild", str(model), str(tables)], check=True, stdout=subprocess.DEVNULL)
    own, files = lammps_run.own_program(chosen.lmp), copies(tables, scratch)
    found = [
        Contender(f"dpcompressed {precision}", own, "dpcompressed", files, f"overflow warn precision {precision}")
        for precision in ("double", "mixed")
    ]
    if chosen.peer_torch:
        found.append(Contender("PyTorch", lammps_run.venv_program(Path(chosen.peer_torch)), "deepmd", copies(model, scratch)))
    return [contender for contender in found if not chosen.only or contender.label in chosen.only]


def seconds(contender: Contender, n_models: int, every: int, chosen: argparse.Namespace, scratch: Path) -> float:
    """CPU time of the timed steps."""
    commands = f"run {WARM_STEPS}\nrun {chosen.steps}"
    style = contender.pair_style(n_models, every)
    output = lammps_run.run(contender.program, SYSTEM, style, commands, scratch, atoms=chosen.atoms)
    return lammps_run.loops(output)[-1].cpu_seconds


def measure(contender: Contender, chosen: argparse.Namespace, scratch: Path) -> dict[str, Any]:
    one: list[float] = []
    ratios: dict[int, list[float]] = {every: [] for every in chosen.frequencies}
    for _ in range(chosen.rounds):
        one.append(seconds(contender, 1, 0, chosen, scratch))
        for every, found in ratios.items():
            found.append(seconds(contender, MODELS, every, chosen, scratch) / one[-1])
    result: dict[str, Any] = {"label": contender.label, "one_model_ms_per_step": 1000 * median(one) / chosen.steps}
    for every, found in ratios.items():
        result[f"four_models_every_{every}"] = {"median": median(found), "smallest": min(found), "largest": max(found)}
    return result


def main() -> None:
    chosen = options()
    with tempfile.TemporaryDirectory() as folder:
        results = [measure(contender, chosen, Path(folder)) for contender in contenders(chosen, Path(folder))]
    for result in results:
        ratios = ", ".join(
            f"{name.replace('_', ' ')}: {value['median']:.3f} ({value['smallest']:.3f} .. {value['largest']:.3f})"
            for name, value in result.items()
            if name.startswith("four")
        )
        print(f"{result['label']}: one model {result['one_model_ms_per_step']:.1f} ms a step; times of that, {ratios}")
    if chosen.output:
        about = {"machine": machine.describe(), "atoms": chosen.atoms, "steps": chosen.steps, "rounds": chosen.rounds}
        machine.write({**about, "results": results}, chosen.output)


if __name__ == "__main__":
    main()
