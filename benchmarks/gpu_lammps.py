# SPDX-License-Identifier: MIT
"""Atom-steps per second of dpcompressed/kk in LAMMPS on a GPU, and of DeePMD-kit's PyTorch model on the same card in turn.

    python benchmarks/gpu_lammps.py --lmp LMP --pack FOLDER --sizes 1536 98304 --output FILE [--peer-torch VENV]

LMP starts LAMMPS with KOKKOS switched on (gpu.sh writes such a script); FOLDER is what gpu.sh has packed. System, neighbour
list, time step and clock are those of bench_lammps.py; but a start of a GPU takes longer than a run, so that a variant is
started twice: to choose the number of steps, then for all rounds.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import lammps_run
import machine
from bench_lammps import WARM_STEPS, Case
from lammps_run import SYSTEMS, Program, System, Variant
from peers import PeerError, check_agreement, torch_models

ROUNDS = 3
MOST_IN_GRAPHS = 2000  # atoms; where a step is as fast as its kernels are launched
LONGEST = 120.0  # seconds of one run


def replication(atoms: int) -> tuple[int, str]:
    """Whole replications of the smallest system in three directions, near so many atoms."""
    times = [1, 1, 1]
    while lammps_run.BASE_ATOMS * times[0] * times[1] * times[2] < atoms:
        times[times.index(min(times))] += 1
    return lammps_run.BASE_ATOMS * times[0] * times[1] * times[2], " ".join(map(str, times))


def own_variants(system: System, lmp: Path, pack: Path) -> list[Variant]:
    """Both precisions with the packed tables, launch by launch and with what a step launches kept as a graph."""
    tables = (pack / "tables" / f"{system.model}.bin").resolve()
    return [
        Variant(
            f"dpcompressed/kk {precision}{', graphs' if graphs else ''}",
            precision,
            f"dpcompressed {tables} precision {precision}",
            Program(lmp.resolve(), Path("mpirun"), {"DPC_GRAPH": "1"} if graphs else {}),
        )
        for precision in ("double", "mixed")
        for graphs in (False, True)
    ]


def peer_variants(system: System, venv: Path, pack: Path, scratch: Path) -> list[Variant]:
    """The peer's compressed model on the GPU; PeerError where it is wrong or cannot be made."""
    models = torch_models(venv, system, pack, scratch / "peer")
    on_gpu = [
        replace(model, program=replace(model.program, environment={
            name: value for name, value in model.program.environment.items() if name != "CUDA_VISIBLE_DEVICES"
        }))
        for model in models
    ]  # fmt: skip
    check_agreement(on_gpu[0], on_gpu[1], system, scratch)
    return on_gpu[1:]


def measure(case: Case, variant: Variant) -> None:
    """One start: a run that does not count, then the timed ones."""
    steps = case.steps.get(variant.label)
    if steps is None:
        return
    try:
        output = case.output(variant, f"run {WARM_STEPS}" + f"\nrun {steps}" * ROUNDS)
    except (lammps_run.RunError, subprocess.TimeoutExpired) as error:
        case.left_out.append(f"{variant.label}: {error}")
        del case.rates[variant.label]
        return
    case.rates[variant.label] = [loop.rate for loop in lammps_run.loops(output)[1:]]


def main() -> None:
    """Time every system and size, print as it goes, write the JSON after each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lmp", type=Path, required=True)
    parser.add_argument("--pack", type=Path, required=True)
    parser.add_argument("--sizes", type=int, nargs="+", required=True)
    parser.add_argument("--seconds", type=float, default=3.0, help="aimed-at length of a timed run")
    parser.add_argument("--scratch", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--peer-torch", type=Path)
    chosen = parser.parse_args()
    report: dict[str, Any] = {"machine": machine.describe(), "results": []}
    failed = False
    for system in (SYSTEMS[name] for name in ("water", "copper")):
        variants, left_out = own_variants(system, chosen.lmp, chosen.pack), []
        if chosen.peer_torch:
            try:
                variants += peer_variants(system, chosen.peer_torch, chosen.pack, chosen.scratch)
            except PeerError as error:
                left_out.append(f"peer: {error}")
        for wanted in chosen.sizes:
            atoms, times = replication(wanted)
            lammps_run.REPLICATION[atoms] = times
            case = Case(system, atoms, 1, 1, "every10", chosen.scratch)
            case.left_out += left_out
            for variant in variants:
                if "DPC_GRAPH" in variant.program.environment and atoms > MOST_IN_GRAPHS:
                    continue
                case.calibrate(variant, chosen.seconds, LONGEST)
                measure(case, variant)
            result = case.result()
            failed = failed or not any(row["label"].startswith("dpcompressed") for row in result["variants"])
            report["results"].append(result)
            for row in result["variants"]:
                print(f"{system.name} {atoms} {row['label']}: {row['median'] / 1e6:.4f} M atom-steps/s", flush=True)
            print("\n".join(f"left out: {reason}" for reason in result["left_out"]), flush=True)
            chosen.output.write_text(json.dumps(report, indent=1) + "\n")
    if failed:
        raise SystemExit("a size ran in no precision of ours")


if __name__ == "__main__":
    main()
