# SPDX-License-Identifier: MIT
"""Atom-steps per second in LAMMPS: this project and each installed DeePMD-kit, alternating in one call.

    python benchmarks/bench_lammps.py --peer-tf VENV --peer-torch VENV --output benchmarks/results/NAME.json

All programs run the same system, neighbour list and integrator. In every round each variant is started once: a first run
that is thrown away, then a timed one; the figure is LAMMPS' own loop time. Medians over the rounds, ratios within a round,
spreads from the smallest to the largest. The peer's compressed model must agree with its own plain one first.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import lammps_run
import machine
from lammps_run import NEIGHBOURS, SYSTEMS, System, Variant
from peers import PeerError, installed_peer

OWN = "dpcompressed"
WARM_STEPS = 10
MIN_STEPS = 20
MAX_STEPS = 5000


def ranks_and_threads(text: str) -> tuple[int, int]:
    """ "2x1": two ranks of one thread."""
    ranks, threads = (int(number) for number in text.split("x"))
    return ranks, threads


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer-torch", metavar="VENV", default=os.environ.get("DPC_PEER_TORCH"))
    parser.add_argument("--peer-tf", metavar="VENV", default=os.environ.get("DPC_PEER_TF"))
    parser.add_argument("--lmp", help="this project's LAMMPS (default: lmp on PATH)")
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=list(SYSTEMS))
    parser.add_argument("--atoms", nargs="+", type=int, choices=lammps_run.REPLICATION, default=[192, 1536, 12288])
    parser.add_argument(
        "--parallel", nargs="+", type=ranks_and_threads, default=[(1, 1)], metavar="RANKSxTHREADS", help="such as 1x1 2x1 1x2"
    )
    parser.add_argument(
        "--neighbours", nargs="+", choices=NEIGHBOURS, default=["every10"], help="lists every 10 steps, or as by LAMMPS' default"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="aimed-at length of a timed run")
    parser.add_argument("--longest", type=float, default=120.0, help="leave a variant out where a run takes longer (s)")
    parser.add_argument("--only", nargs="+", metavar="LABEL", help="time only these variants")
    parser.add_argument("--shared", type=Path, default=machine.shared_folder(), help="folder with models/ and data/")
    parser.add_argument("--cache", type=Path, default=Path(__file__).with_name("cache"), help="where models are kept")
    parser.add_argument("--output", type=Path, help="JSON file to write")
    return parser.parse_args()


def own_variants(system: System, chosen: argparse.Namespace, scratch: Path) -> tuple[list[Variant], dict[str, Any]]:
    """Compress the full model with this working tree's pybuild; the variants that run it, and the tables' size."""
    tables = (scratch / f"{system.name}.bin").resolve()
    if system.model:
        model = chosen.shared / "models" / system.model / "model.pth"
        subprocess.run([sys.executable, "-m", "pybuild", str(model), str(tables)], check=True, stdout=subprocess.DEVNULL)
    else:
        import many_elements  # and pybuild with it, which a machine with a GPU need not have

        many_elements.write_tables_of(len(system.elements.split()), tables)
    program = lammps_run.own_program(chosen.lmp)
    styles = {precision: f"{OWN} {tables} precision {precision}" for precision in ("double", "mixed")}
    variants = [Variant(f"{OWN} {precision}", precision, style, program) for precision, style in styles.items()]
    return variants, {"tables_bytes": tables.stat().st_size}


def variants_of(
    system: System, chosen: argparse.Namespace, scratch: Path
) -> tuple[list[Variant], dict[str, Any], list[str]]:
    """Everything that can be timed on a system, notes for the JSON, and what was left out and why."""
    variants, own_notes = own_variants(system, chosen, scratch)
    notes: dict[str, Any] = {OWN: own_notes}
    left_out = []
    for kind, venv in (("torch", chosen.peer_torch), ("tf", chosen.peer_tf)):
        if not system.model:
            left_out.append(f"peer {kind}: nets of random weights, no model file")
            continue
        if venv is None:
            left_out.append(f"peer {kind}: not given (--peer-{kind} VENV)")
            continue
        try:
            models, notes[kind] = installed_peer(kind, Path(venv), system, chosen.shared, chosen.cache, scratch)
            variants += models
        except PeerError as error:
            left_out.append(f"peer {kind}: {error}")
    if chosen.only:
        left_out += [f"{v.label}: not among --only" for v in variants if v.label not in chosen.only]
        variants = [variant for variant in variants if variant.label in chosen.only]
    return variants, notes, left_out


def own_log_lines(output: str) -> list[str]:
    """What our pair style says of precision, kernels and threads."""
    return [line.strip() for line in output.splitlines() if "kernels" in line]


class Case:
    """One system at one size on so many ranks and threads: measures all variants and holds the figures."""

    def __init__(self, system: System, atoms: int, ranks: int, threads: int, neighbours: str, scratch: Path) -> None:
        self.system, self.atoms, self.ranks, self.threads, self.scratch = system, atoms, ranks, threads, scratch
        self.neighbours = neighbours
        self.rates: dict[str, list[float]] = {}
        self.precision: dict[str, str] = {}
        self.steps: dict[str, int] = {}
        self.left_out: list[str] = []
        self.own_log: list[str] = []

    def output(self, variant: Variant, commands: str) -> str:
        """Run LAMMPS for this case."""
        return lammps_run.run(
            variant.program, self.system, variant.style, commands, self.scratch,
            atoms=self.atoms, ranks=self.ranks, threads=self.threads, neighbours=self.neighbours,
        )  # fmt: skip

    def calibrate(self, variant: Variant, seconds: float, longest: float) -> None:
        """Choose the number of steps from a short run; leave the variant out where even MIN_STEPS take too long."""
        try:
            output = self.output(variant, f"run {MIN_STEPS // 4}\nrun {MIN_STEPS // 4}")
        except (lammps_run.RunError, subprocess.TimeoutExpired) as error:
            self.left_out.append(f"{variant.label}: {error}")
            return
        per_step = lammps_run.loops(output)[-1].seconds / (MIN_STEPS // 4)
        if per_step * MIN_STEPS > longest:
            self.left_out.append(f"{variant.label}: {MIN_STEPS} steps would take {per_step * MIN_STEPS:.0f} s")
            return
        wanted = int(seconds / per_step) // 10 * 10  # whole neighbour list intervals
        self.steps[variant.label] = max(MIN_STEPS, min(wanted, MAX_STEPS))
        self.rates[variant.label] = []
        self.precision[variant.label] = variant.precision
        if variant.label.startswith(OWN):
            self.own_log = own_log_lines(output)

    def measure(self, variants: list[Variant], rounds: int) -> None:
        """Start every variant once per round."""
        for _ in range(rounds):
            for variant in variants:
                if variant.label in self.rates:
                    output = self.output(variant, f"run {WARM_STEPS}\nrun {self.steps[variant.label]}")
                    self.rates[variant.label].append(lammps_run.loops(output)[-1].rate)

    def result(self) -> dict[str, Any]:
        """For the JSON: per variant the rates (atom-steps/s) and how many times faster we are, round by round."""
        rows = []
        for label, rates in self.rates.items():
            row = {"label": label, "precision": self.precision[label], "steps": self.steps[label], **spread(rates)}
            row["rates"] = [round(rate, 1) for rate in rates]
            row["own_over_this"] = {
                own: spread([ours / rate for ours, rate in zip(own_rates, rates, strict=True)])
                for own, own_rates in self.rates.items()
                if own.startswith(OWN) and own != label
            }
            rows.append(row)
        return {
            "system": self.system.name, "atoms": self.atoms, "ranks": self.ranks, "threads": self.threads,
            "neigh_modify": NEIGHBOURS[self.neighbours], "own_log": self.own_log, "variants": rows, "left_out": self.left_out,
        }  # fmt: skip


def without_paths(words: list[str]) -> list[str]:
    """Options as given, folders by their last name: results are published."""
    return [Path(word).name if os.sep in word else word for word in words]


def spread(values: list[float]) -> dict[str, float]:
    """Median and extremes."""
    return {"median": median(values), "smallest": min(values), "largest": max(values)}


def print_result(result: dict[str, Any]) -> None:
    """One table."""
    print("\n{system}, {atoms} atoms, {ranks} rank(s), {threads} thread(s), neigh_modify {neigh_modify}".format(**result))
    print(f"  {'':34}{'thousand atom-steps/s':>26}{'us per atom':>13}   ours is so many times faster")
    for row in result["variants"]:
        rate = f"{row['median'] / 1e3:.2f} ({row['smallest'] / 1e3:.2f}..{row['largest'] / 1e3:.2f})"
        ratios = "  ".join(
            f"{own}: {r['median']:.1f} ({r['smallest']:.1f}..{r['largest']:.1f})" for own, r in row["own_over_this"].items()
        )
        print(f"  {row['label']:34}{rate:>26}{1e6 / row['median']:>13.1f}   {ratios}")
    for line in result["own_log"] + [f"left out: {reason}" for reason in result["left_out"]]:
        print(f"  {line}")
    sys.stdout.flush()


def main() -> None:
    """Measure every case asked for, print as it goes, write the JSON after each."""
    chosen = options()
    report: dict[str, Any] = {"machine": machine.describe(), "command": without_paths(sys.argv[1:]), "systems": {}, "results": []}
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        for system in (SYSTEMS[name] for name in chosen.systems):
            variants, notes, left_out = variants_of(system, chosen, scratch)
            report["systems"][system.name] = {"notes": notes, "left_out": left_out}
            print(f"{system.name}: {json.dumps(notes)}", *(f"left out: {reason}" for reason in left_out), sep="\n  ")
            for atoms in chosen.atoms:
                for (ranks, threads), neighbours in itertools.product(chosen.parallel, chosen.neighbours):
                    case = Case(system, atoms, ranks, threads, neighbours, scratch)
                    for variant in variants:
                        case.calibrate(variant, chosen.seconds, chosen.longest)
                    case.measure(variants, chosen.rounds)
                    report["results"].append(case.result())
                    print_result(report["results"][-1])
                    report["machine"]["load_average_at_end"] = round(os.getloadavg()[0], 2)
                    if chosen.output:
                        machine.write(report, chosen.output)


if __name__ == "__main__":
    main()
