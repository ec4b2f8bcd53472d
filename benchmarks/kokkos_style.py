# SPDX-License-Identifier: MIT
"""dpcompressed/kk on a processor with the kernels of the host style and with Kokkos', alternating: CPU and wall time in LAMMPS.

    python benchmarks/kokkos_style.py --lmp LMP --plugin FOLDER --output benchmarks/results/kokkos_style.json

LMP is a LAMMPS with the package KOKKOS on OpenMP, FOLDER has the plugin that was built for it (docs/kokkos.md).
"""

from __future__ import annotations

import argparse
import shlex
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import lammps_run
import machine
from bench_core import compress
from lammps_run import SYSTEMS, WITH_MODEL, Program, System

KERNELS = {"host": "", "kokkos": "device kokkos_openmp"}
WARM_STEPS, STEPS = 10, 60


def started_with_kokkos(lmp: Path, plugin: Path, threads: int, folder: Path) -> Program:
    """The program as a script that switches KOKKOS on."""
    script = folder / "lmp_kokkos"
    script.write_text(f'#!/bin/sh\nexec {shlex.quote(str(lmp))} -k on t {threads} -sf kk -pk kokkos neigh half newton on "$@"\n')
    script.chmod(0o755)
    return Program(script, Path("mpirun"), {"LAMMPS_PLUGIN_PATH": str(plugin), "OMP_PROC_BIND": "false"})


def compare(
    program: Program, system: System, tables: Path, precision: str, chosen: argparse.Namespace, folder: Path
) -> dict[str, Any]:
    """A row."""
    found: dict[str, list[float]] = {name: [] for name in KERNELS}
    wall: dict[str, list[float]] = {name: [] for name in KERNELS}
    for _ in range(chosen.rounds):
        for name, words in KERNELS.items():
            style = f"dpcompressed {tables} precision {precision} {words}"
            commands = f"run {WARM_STEPS}\nrun {STEPS}"
            output = lammps_run.run(program, system, style, commands, folder, atoms=chosen.atoms, threads=chosen.threads)
            if ("Kokkos OpenMP" in output) != (name == "kokkos"):
                raise SystemExit(f"the log does not say that the kernels are those of {name}:\n{output}")
            loop = lammps_run.loops(output)[-1]
            found[name].append(1e6 * loop.cpu_seconds / (loop.steps * loop.atoms))
            wall[name].append(1e6 * loop.seconds / (loop.steps * loop.atoms))
    ratios = sorted(b / a for a, b in zip(found["host"], found["kokkos"], strict=True))
    return {
        "system": system.name, "precision": precision, "atoms": chosen.atoms, "threads": chosen.threads,
        "host_us": median(found["host"]), "kokkos_us": median(found["kokkos"]),
        "host_wall_us": median(wall["host"]), "kokkos_wall_us": median(wall["kokkos"]),
        "kokkos_over_host": median(ratios), "lowest": ratios[0], "highest": ratios[-1],
    }  # fmt: skip


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lmp", type=Path, required=True)
    parser.add_argument("--plugin", type=Path, required=True, help="folder with the plugin of this LAMMPS")
    parser.add_argument("--systems", nargs="+", choices=WITH_MODEL, default=WITH_MODEL)
    parser.add_argument("--atoms", type=int, choices=lammps_run.REPLICATION, default=1536)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--shared", type=Path, default=machine.shared_folder(), help="folder with models/")
    parser.add_argument("--output", type=Path, help="JSON file to write")
    chosen = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        program = started_with_kokkos(chosen.lmp.resolve(), chosen.plugin.resolve(), chosen.threads, Path(scratch))
        for system in (SYSTEMS[name] for name in chosen.systems):
            tables = compress(chosen.shared / "models" / system.model / "model.pth", Path(scratch))
            for precision in ("double", "mixed"):
                rows.append(compare(program, system, tables, precision, chosen, Path(scratch)))
                row = rows[-1]
                print(f"{system.name} {precision}: host {row['host_us']:.2f} us, Kokkos {row['kokkos_us']:.2f}, "
                      f"{row['kokkos_over_host']:.2f} ({row['lowest']:.2f} .. {row['highest']:.2f}); "
                      f"wall {row['host_wall_us']:.2f}, {row['kokkos_wall_us']:.2f}", flush=True)  # fmt: skip
    if chosen.output:
        machine.write({"machine": machine.describe(), "rows": rows}, chosen.output)


if __name__ == "__main__":
    main()
