# SPDX-License-Identifier: MIT
"""How much memory a run takes: largest resident set of LAMMPS with this project's pair style, beside LAMMPS without it.

    python benchmarks/memory.py --output benchmarks/results/NAME.json

Water of 1,536 atoms with the full-size model, against the same input without a pair style; and with --many N a crystal of about
N atoms of a copper model, two steps and their neighbour list, against `pair_style zero` with the same full list.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import lammps_run
import machine
from bench_core import compress

MIB = 2**20

WATER = """\
units metal
atom_style atomic
read_data {start}
replicate 2 2 2
pair_style {style}
{coefficients}
neighbor 2.0 bin
timestep 0.00025
fix integrate all nve
run 20
"""
COPPER = """\
units metal
atom_style atomic
lattice fcc 3.615
region box block 0 {cells} 0 {cells} 0 {cells}
create_box 1 box
create_atoms 1 box
mass 1 63.546
velocity all create 300 7
pair_style {style}
{coefficients}
neighbor {skin} bin
fix integrate all nve
run 2
"""


def largest_resident_set(lmp: Path, script: str, folder: Path) -> tuple[int, str]:
    """Run LAMMPS on one thread; bytes, and its output."""
    (folder / "in.memory").write_text(script)
    measured = (
        "import resource, subprocess, sys\n"
        "code = subprocess.run(sys.argv[1:]).returncode\n"
        "print('largest resident set', resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)\n"
        "sys.exit(code)\n"
    )
    command = [sys.executable, "-c", measured, str(lmp), "-in", "in.memory", "-log", "none", "-nocite"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"LAMMPS failed:\n{done.stdout[-1500:]}{done.stderr[-1500:]}")
    return int(done.stdout.rsplit(None, 1)[1]), done.stdout


def copper(lmp: Path, chosen: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Of a crystal: largest resident sets, and what is ours of them an atom."""
    cells = round((chosen.many / 4) ** (1 / 3))
    tables = compress(chosen.shared / "models" / chosen.model / "model.pth", folder)
    settings = json.loads((chosen.shared / "models" / chosen.model / "input.json").read_text())
    styles = {"zero": (f"zero {settings['model']['descriptor']['rcut']} full", "pair_coeff * *")}
    styles |= {p: (f"dpcompressed {tables} precision {p}", "pair_coeff * * Cu") for p in ("double", "mixed")}
    found: dict[str, Any] = {"model": chosen.model, "skin": chosen.skin}
    for label, (style, coefficients) in styles.items():
        script = COPPER.format(cells=cells, style=style, coefficients=coefficients, skin=chosen.skin)
        resident, output = largest_resident_set(lmp, script, folder)
        atoms = lammps_run.loops(output)[-1].atoms
        found |= {"atoms": atoms, label: resident / MIB}
        ours = (resident / MIB - found["zero"]) * MIB / atoms
        print(f"copper, {atoms} atoms, {label}: {resident / MIB:.0f} MiB, ours {ours:.0f} bytes an atom")
    return found


def main() -> None:
    """Print the figures, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lmp", help="this project's LAMMPS (default: lmp on PATH)")
    parser.add_argument("--many", type=int, default=0, metavar="N", help="also a copper crystal of about N atoms")
    parser.add_argument("--model", default="cu-full", help="of the crystal (default: %(default)s)")
    parser.add_argument("--skin", type=float, default=2.0, help="of the crystal's list, angstrom (default: %(default)s)")
    parser.add_argument("--shared", type=Path, default=machine.shared_folder(), help="folder with models/")
    parser.add_argument("--output", type=Path, help="JSON file to write")
    chosen = parser.parse_args()
    lmp = lammps_run.own_program(chosen.lmp).lmp
    report: dict[str, Any] = {"machine": machine.describe()}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tables = compress(chosen.shared / "models" / "water-full" / "model.pth", folder)
        styles = {"empty": ("zero 6.0", "pair_coeff * *")}
        for precision in ("double", "mixed"):
            styles[precision] = (f"dpcompressed {tables} precision {precision}", "pair_coeff * * O H")
        water = {}
        for label, (style, coefficients) in styles.items():
            script = WATER.format(start=lammps_run.START, style=style, coefficients=coefficients)
            water[label] = largest_resident_set(lmp, script, folder)[0] / MIB
            print(f"water, 1536 atoms, {label}: {water[label]:.1f} MiB, {water[label] - water['empty']:.1f} above empty")
        report["water_1536_MiB"] = water
        if chosen.many:
            report["copper"] = copper(lmp, chosen, folder)
    if chosen.output:
        machine.write(report, chosen.output)


if __name__ == "__main__":
    main()
