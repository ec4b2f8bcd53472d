# SPDX-License-Identifier: MIT
"""Energy drift at constant energy, mixed precision next to double, on the two examples.

    python benchmarks/nve_drift.py --steps 20000 --output benchmarks/results/NAME.json

Each example is brought to equilibrium by its own in.lammps in double precision; from that state both precisions run at constant
energy. Drift: slope of the line fitted to the total energy; fluctuation: root mean square about that line. Per atom.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import lammps_run
import machine
import numpy as np

EXAMPLES = machine.REPOSITORY / "examples"
EVERY = 20  # steps between two energies
KEPT = ("units", "atom_style", "pair_style", "pair_coeff", "pair_modify", "neighbor", "neigh_modify", "timestep")


def lammps(lmp: Path, script: str, folder: Path) -> str:
    """Run a script in `folder`; what LAMMPS printed."""
    (folder / "in.drift").write_text(script)
    command = [str(lmp), "-in", "in.drift", "-log", "none", "-nocite"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"LAMMPS failed:\n{done.stdout[-2000:]}")
    return done.stdout


def constant_energy(script: str, precision: str, steps: int) -> str:
    """The example's model and settings from the equilibrated state, without a thermostat."""
    lines = [line for line in script.splitlines() if line.split() and line.split()[0] in KEPT]
    before_style = next(k for k, line in enumerate(lines) if line.startswith("pair_style"))
    lines.insert(before_style, "read_data equilibrated.data")
    text = "\n".join(lines).replace("tables.bin", f"tables.bin precision {precision}")
    return (
        f"{text}\nthermo {EVERY}\nthermo_style custom step etotal temp\nthermo_modify format float %.14g\n"
        f"fix integrate all nve\nrun {steps}\n"
    )


def energies(output: str) -> np.ndarray:
    """(n, 3): step, total energy in eV, temperature in K."""
    rows = re.findall(r"^\s*(\d+)\s+(-?\d+\.\d+(?:e-?\d+)?)\s+(\d+\.?\d*)\s*$", output, flags=re.MULTILINE)
    return np.array(rows, dtype=float)


def drift(rows: np.ndarray, timestep: float, atoms: int) -> dict[str, float]:
    """Slope, its standard error for uncorrelated residuals, and fluctuation, per atom."""
    time, energy = rows[:, 0] * timestep, rows[:, 1] / atoms
    centred = time - time.mean()
    slope = float(centred @ energy / (centred @ centred))
    residual = energy - energy.mean() - slope * centred
    return {
        "drift_eV_per_atom_ps": slope,
        "fluctuation_eV_per_atom": float(residual.std()),
        "mean_temperature_K": float(rows[:, 2].mean()),
        "time_ps": float(time[-1] - time[0]),
    }


def measure(name: str, lmp: Path, steps: int, folder: Path) -> dict[str, Any]:
    """One example in both precisions."""
    source = EXAMPLES / name
    for file in source.glob("*.data"):
        (folder / file.name).write_bytes(file.read_bytes())
    subprocess.run(
        [sys.executable, "-m", "pybuild", str(source / "model.pt"), str(folder / "tables.bin")],
        check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    script = (source / "in.lammps").read_text()
    lammps(lmp, script.split("unfix")[0] + "\nwrite_data equilibrated.data\n", folder)
    timestep = float(re.search(r"^timestep\s+(\S+)", script, flags=re.MULTILINE).group(1))
    result: dict[str, Any] = {"timestep_ps": timestep, "steps": steps}
    for precision in ("double", "mixed"):
        output = lammps(lmp, constant_energy(script, precision, steps), folder)
        atoms = lammps_run.loops(output)[-1].atoms
        result["atoms"] = atoms
        result[precision] = drift(energies(output), timestep, atoms)
        print(f"{name}, {atoms} atoms, {precision}: "
              + ", ".join(f"{key} {value:.3g}" for key, value in result[precision].items()))  # fmt: skip
        sys.stdout.flush()
    return result


def main() -> None:
    """Print a line a run, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=20000)
    parser.add_argument("--lmp", help="this project's LAMMPS (default: lmp on PATH)")
    parser.add_argument("--output", type=Path, help="JSON file to write")
    chosen = parser.parse_args()
    lmp = lammps_run.own_program(chosen.lmp).lmp
    report: dict[str, Any] = {"machine": machine.describe(), "systems": {}}
    for name in ("water", "copper"):
        with tempfile.TemporaryDirectory() as folder:
            report["systems"][name] = measure(name, lmp, chosen.steps, Path(folder))
    if chosen.output:
        machine.write(report, chosen.output)


if __name__ == "__main__":
    main()
