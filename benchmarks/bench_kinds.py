# SPDX-License-Identifier: MIT
"""Speed of every kind of model against DeePMD-kit's compressed model of the same size, on one core.

    python benchmarks/bench_kinds.py --peer-torch VENV --output benchmarks/results/NAME.json

Models by make_kinds.py, compressed by DeePMD-kit's PyTorch back end and by the installed pybuild; 192 atoms of water in LAMMPS.
In every round each program is started once, in turn; the figure is the CPU time of LAMMPS' loop, which other programs on the
machine disturb less; ratios are taken within a round. Forces of both are compared with those of the uncompressed model first.
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
import numpy as np
from compare_commits import FEWEST_STEPS, microseconds
from lammps_run import BASE_ATOMS, START, Program, System
from peers import dp

KINDS = ("se_e2_a", "se_e2_r", "se_e3", "dpa1", "se_atten_v2", "hybrid")
OURS = ("double", "mixed")
PEER, YARDSTICK = "peer", "se_e2_a"
PEER_STEPS = 20
# Nets of random weights pull atoms into each other within a thousand steps; heavy ones stay where they are.
STRUCTURE = f"read_data {START}\nmass * 1000000"
MAKER = Path(__file__).resolve().parent / "make_kinds.py"


def models(venv: Path, kinds: list[str], cache: Path) -> dict[str, dict[str, Path]]:
    """Paths of the plain model, the peer's compressed one and our tables of each kind, made where they are missing."""
    cache.mkdir(parents=True, exist_ok=True)
    subprocess.run([venv / "bin" / "python", MAKER, cache], check=True)
    made = {}
    for kind in kinds:
        paths = {name: cache / f"{kind}{end}" for name, end in (("plain", ".pth"), (PEER, "-peer.pth"), ("tables", ".bin"))}
        if not paths[PEER].exists():
            dp(venv, "--pt", "compress", "-i", paths["plain"].name, "-o", paths[PEER].name, folder=cache)
        if not paths["tables"].exists():
            subprocess.run(
                [sys.executable, "-m", "pybuild", paths["plain"], paths["tables"]], check=True, stdout=subprocess.DEVNULL
            )
        made[kind] = paths
    return made


def steps_for(seconds: float, microseconds_: float) -> int:
    """Of a run of that length."""
    return max(FEWEST_STEPS, int(seconds / (1e-6 * microseconds_ * BASE_ATOMS)) // 10 * 10)


def measure(
    kind: str, paths: dict[str, Path], peer: Program, own: Program, chosen: argparse.Namespace, scratch: Path
) -> dict[str, Any]:
    """A row: microseconds an atom and step of each variant, by round, and how far forces are from the plain model's."""
    system = System("water", kind, "O H", STRUCTURE)
    variants = {precision: (own, f"dpcompressed {paths['tables']} precision {precision}") for precision in OURS}
    variants[PEER] = (peer, f"deepmd {paths[PEER]}")
    plain = lammps_run.forces(peer, system, f"deepmd {paths['plain']}", scratch)
    apart = {
        name: float(np.abs(lammps_run.forces(program, system, style, scratch) - plain).max())
        for name, (program, style) in variants.items()
    }
    steps = {name: PEER_STEPS for name in variants}
    for name in OURS:
        program, style = variants[name]
        steps[name] = steps_for(chosen.seconds, microseconds(program, system, style, PEER_STEPS, BASE_ATOMS, scratch))
    times: dict[str, list[float]] = {name: [] for name in variants}
    for number in range(chosen.rounds):
        for name in list(variants) if number % 2 == 0 else reversed(variants):
            program, style = variants[name]
            times[name].append(microseconds(program, system, style, steps[name], BASE_ATOMS, scratch))
    return {
        "kind": kind,
        "microseconds": times,
        "force_difference_eV_per_A": apart,
        "largest_force_eV_per_A": float(np.abs(plain).max()),
    }


def summary(row: dict[str, Any], yardstick: dict[str, Any]) -> dict[str, Any]:
    """Medians; how many times faster than the peer; time over that of the yardstick of the same round."""
    times, other = row["microseconds"], yardstick["microseconds"]
    ratios = {name: sorted(p / t for t, p in zip(times[name], times[PEER], strict=True)) for name in OURS}
    return {
        "microseconds_median": {name: median(found) for name, found in times.items()},
        "faster_than_peer": {name: [median(r), r[0], r[-1]] for name, r in ratios.items()},
        "time_over_se_e2_a": {name: median(a / b for a, b in zip(times[name], other[name], strict=True)) for name in times},
    }


def line_of(row: dict[str, Any]) -> str:
    """A row as text."""
    middle, ratio, over = row["microseconds_median"], row["faster_than_peer"], row["time_over_se_e2_a"]
    ours = ", ".join(
        f"{name} {middle[name]:.2f} us ({over[name]:.2f} of se_e2_a), {ratio[name][0]:.0f} x "
        f"({ratio[name][1]:.0f}..{ratio[name][2]:.0f})"
        for name in OURS
    )
    peer = f"peer {middle[PEER]:.0f} us ({over[PEER]:.2f}), off by {row['force_difference_eV_per_A'][PEER]:.0e} eV/A"
    return f"{row['kind']:12s} {ours}; {peer}"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--peer-torch", type=Path, default=os.environ.get("DPC_PEER_TORCH"), help="virtual environment of the peer"
    )
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0, help="aimed-at length of a timed run of ours")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "dpcompressed-kinds")
    parser.add_argument("--output", type=Path, help="JSON file to write")
    chosen = parser.parse_args()
    if chosen.peer_torch is None:
        raise SystemExit("no peer: give --peer-torch VENV (benchmarks/README.md)")
    kinds = [YARDSTICK, *(kind for kind in chosen.kinds if kind != YARDSTICK)]
    made = models(Path(chosen.peer_torch), kinds, chosen.cache)
    peer, own = lammps_run.venv_program(Path(chosen.peer_torch)), lammps_run.own_program(None)
    report: dict[str, Any] = {"machine": machine.describe(), "atoms": BASE_ATOMS, "rows": []}
    report["peer"] = machine.package_versions(Path(chosen.peer_torch), ("deepmd-kit", "torch", "lammps"))
    with tempfile.TemporaryDirectory() as scratch:
        for kind in kinds:
            row = measure(kind, made[kind], peer, own, chosen, Path(scratch))
            row |= summary(row, report["rows"][0] if report["rows"] else row)
            report["rows"].append(row)
            print(line_of(row), flush=True)
            if chosen.output:
                machine.write(report, chosen.output)


if __name__ == "__main__":
    main()
