# SPDX-License-Identifier: MIT
"""Puts results of bench_kokkos and gpu_lammps.py into one file for each kind, with the machine, and prints a summary.

    python benchmarks/gpu_report.py --results FOLDER --output FOLDER

FOLDER/KIND-*.json go into KIND.json.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from pathlib import Path
from typing import Any

import gpu_checks
import machine


def card() -> dict[str, str]:
    """What nvidia-smi says of the first card; empty where there is none."""
    names = ("name", "driver_version", "memory.total", "power.limit", "clocks.max.sm", "clocks.max.memory")
    command = ["nvidia-smi", f"--query-gpu={','.join(names)}", "--format=csv,noheader", "--id=0"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return {}
    return dict(zip(names, done.stdout.strip().split(", "), strict=True)) if done.returncode == 0 else {}


def collect(results: Path) -> dict[str, list[Any]]:
    """All results by kind, small systems first."""
    kinds: dict[str, list[Any]] = {}
    for path in results.glob("*.json"):
        kinds.setdefault(path.stem.split("-")[0], []).append(json.loads(path.read_text()))
    for content in kinds.values():
        content.sort(key=lambda result: (result.get("structure", ""), result.get("atoms", 0), result.get("threads", 0)))
    return kinds


def bench_lines(result: dict[str, Any]) -> list[str]:
    """One line per precision, and its five longest kernels."""
    lines = []
    for precision in result["precisions"]:
        kernels = sorted(precision["kernels"], key=lambda kernel: -kernel["us_per_atom"])
        whole = sum(kernel["us_per_atom"] for kernel in kernels)
        longest = ", ".join(
            f"{kernel['kernel'].removeprefix('dpc::')} {100 * kernel['us_per_atom'] / whole:.0f}%"
            + (f" (at {100 * kernel['of_limit']:.0f}% of its limit)" if kernel.get("of_limit") else "")
            for kernel in kernels[:5]
        )
        name = precision["precision"] + "".join(
            f" {word}" for word in ("fused", "graphs") if word in precision.get("evaluator", "")
        )
        us_per_atom, rate = precision["us_per_atom"]["median"], precision["atom_steps_per_s"] / 1e6
        lines.append(
            f"{result['structure']:6}{result['atoms']:>10} {name:19}{us_per_atom:>10.4f} us/atom"
            f"{rate:>9.2f} M atom-steps/s{precision['device_bytes'] / 1e9:>8.1f} GB   {longest}"
        )
        lines += prediction_lines(kernels)
        if "host" in precision:
            host = precision["host"]
            lines.append(
                f"{'':24} {host['kokkos_over_host']:.2f} times the host evaluator's {host['us_per_atom']['median']:.4f} us/atom "
                f"({result['threads']} threads); energy differs by {host['energy_difference']:.1e}, "
                f"forces by {host['force_difference_eV_per_A']:.1e} eV/A"
            )
    return lines


def prediction_lines(kernels: list[dict[str, Any]]) -> list[str]:
    """What was predicted for an H200 beside what was measured, kernel by kernel."""
    compared = [kernel for kernel in kernels if "predicted_us_per_atom" in kernel]
    return [
        f"{'':24} {kernel['kernel'].removeprefix('dpc::'):24}{1e3 * kernel['us_per_atom']:>8.2f} ns/atom, "
        f"predicted {1e3 * kernel['predicted_us_per_atom'][0]:.2f} to {1e3 * kernel['predicted_us_per_atom'][1]:.2f}"
        for kernel in compared
    ]


def lammps_lines(result: dict[str, Any]) -> list[str]:
    """One line per variant."""
    head = f"{result['system']:6}{result['atoms']:>10}"
    lines = [f"{head} {row['label']:30}{row['median'] / 1e6:>9.3f} M atom-steps/s in LAMMPS" for row in result["variants"]]
    return lines + [f"{head} left out: {reason}" for reason in result["left_out"]]


def main() -> None:
    """Write the files, print the summary."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--packed", type=Path, help="file with the commit, where the sources are here without their history")
    chosen = parser.parse_args()
    where = {**machine.describe(), "card": card()}
    if where["commit"] == machine.NO_COMMIT and chosen.packed is not None and chosen.packed.exists():
        where["commit"] = chosen.packed.read_text().strip()[:12] + " when it was packed"
    lines = [f"{where['card'].get('name', where['processor'])}, {where['date']}, commit {where['commit']}"]
    for kind, content in collect(chosen.results).items():
        document = {"machine": where, "results": content}
        (chosen.output / f"{kind}.json").write_text(json.dumps(document, indent=1) + "\n")
        for result in content:
            if "precisions" in result:
                lines += bench_lines(result)
            elif "results" in result:
                lines += [line for case in result["results"] for line in lammps_lines(case)]
            elif "checks" in result:
                passed = sum(row["passed"] for row in result["checks"])
                lines.append(f"/kk against the host style in LAMMPS: {passed} of {len(result['checks'])} checks passed")
                lines += [f"    {gpu_checks.line_of(row)}" for row in result["checks"] if not row["passed"]]
            elif "largest" in result:
                lines += [
                    f"largest {result['structure']} {row['precision']}: {row['atoms'] / 1e6:.1f} million atoms, "
                    f"{row['device_bytes'] / 1e9:.1f} GB, {row['atom_steps_per_s'] / 1e6:.2f} M atom-steps/s"
                    for row in result["largest"]
                ]
    print("\n".join(lines))


if __name__ == "__main__":
    main()
