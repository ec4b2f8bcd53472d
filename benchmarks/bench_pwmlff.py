# SPDX-License-Identifier: MIT
"""A PWMLFF model of five elements and full size with random weights: CPU time of its build and of a step in LAMMPS, and how far
its tables are from the nets.

    python benchmarks/bench_pwmlff.py [--lmp PATH] [--output benchmarks/results/NAME.json]

25 embedding nets of 25, 50 and 100 neurons, 16 axis columns, five fitting nets of three times 240. The weights are drawn as
MatPL does before a training, but the last ones are larger. The tables' accuracy is asked of a small structure: energies by the
model evaluated slot by slot (tests/python/pwmlff_files.py), forces by the NumPy oracle; an error beyond the tolerance ends the
program.
"""

from __future__ import annotations

import argparse
import dataclasses
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import lammps_run
import machine
import numpy as np

sys.path.insert(0, str(machine.REPOSITORY / "tests" / "python"))
from pwmlff_files import Archive, Model, checkpoint_root, energies, random_pwmlff

from pybuild import calculator
from pybuild.oracles import reference
from pybuild.readers import read_model

ALLOY = lammps_run.SYSTEMS["alloy"]
NUMBERS = {"Cu": 29, "Ni": 28, "Fe": 26, "Cr": 24, "Co": 27}
RMAX, RMIN, NEIGHBOURS, M2 = 6.0, 0.5, 100, 16
WIDTHS, HIDDEN = (25, 50, 100), (240, 240, 240)
STRONGER = 100.0  # the last layers: forces of some tenths of eV/A instead of thousandths
CLOSEST = 2.1  # angstrom; the structures' pairs are farther apart
WARM_STEPS, STEPS = 10, 20
ENERGY, FORCE = 1e-9, 1e-8  # eV/atom, eV/A


def made_model(seed: int) -> Model:
    """Full size, weights and biases as before a training but for the size of the energies."""
    numbers = tuple(NUMBERS[name] for name in ALLOY.elements.split())
    model = random_pwmlff(seed, numbers, WIDTHS, HIDDEN, M2)
    rng = np.random.default_rng(seed)
    for net in (*model.embedding, *model.fitting):
        for layer in net:
            n_in, n_out = layer["weight"].shape
            layer["weight"] = rng.normal(0, 1 / np.sqrt(n_in + n_out), (n_in, n_out))
            layer["bias"] = rng.normal(0, 1, (1, n_out))
            if "resnet_dt" in layer:
                layer["resnet_dt"] = rng.normal(0.1, 0.001, (1, n_out))
    for net in model.fitting:
        net[-1]["weight"] *= STRONGER
    return dataclasses.replace(model, rmax=RMAX, rmin=RMIN, max_neigh_num=NEIGHBOURS)


def build(model: Path, tables: Path) -> tuple[float, str]:
    """CPU seconds of the command, and its report."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "pybuild", str(model), str(tables), "--min-nbor-dist", str(CLOSEST)]
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, said


def structure(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(positions, types, cell): 32 atoms of a cubic lattice with displacements, elements at random."""
    rng = np.random.default_rng(seed)
    basis = np.array([[0.0, 0.0, 0.0], [0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]])
    corners = np.stack(np.meshgrid(*[np.arange(2)] * 3, indexing="ij"), -1).reshape(-1, 1, 3)
    places = 3.6 * (corners + basis).reshape(-1, 3)
    return places + rng.uniform(-0.08, 0.08, places.shape), rng.integers(0, len(NUMBERS), len(places)), 7.2 * np.eye(3)


def errors(model: Model, path: Path, tables: Path) -> dict[str, float]:
    """Of the tables on the small structure, eV/atom and eV/A. Raises SystemExit beyond the tolerance."""
    x, types, cell = structure(3)
    found = calculator.evaluate(tables, x, types, cell)
    slots = energies(model, x, np.array(model.numbers)[types], cell)
    exact = reference.evaluate(read_model(path), x, types, cell)
    made = {
        "energy": float(abs(found.energy - slots.sum()) / len(x)),
        "energy_of_an_atom": float(np.abs(found.atom_energy - slots).max()),
        "oracle_energy_of_an_atom": float(np.abs(exact.atom_energy - slots).max()),
        "force": float(np.abs(found.forces - exact.forces).max()),
        "largest_force": float(np.abs(exact.forces).max()),
    }
    if made["energy"] > ENERGY or made["force"] > FORCE:
        raise SystemExit(f"the tables are off by {made['energy']:.1e} eV/atom and {made['force']:.1e} eV/A")
    return made


def main() -> None:
    """Print the figures, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lmp", help="the lmp to run (default: that on PATH)")
    parser.add_argument("--atoms", type=int, choices=lammps_run.REPLICATION, default=1536)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path, help="JSON file to write")
    chosen = parser.parse_args()
    program = lammps_run.own_program(chosen.lmp)
    report: dict[str, Any] = {"machine": machine.describe(), "atoms": chosen.atoms, "us_per_atom_and_step": {}}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model, archive = made_model(1), Archive()
        path = archive.write(folder / "dp_model.ckpt", checkpoint_root(model, archive))
        report["build_cpu_seconds"], said = build(path, folder / "tables.bin")
        report["bytes"] = (folder / "tables.bin").stat().st_size
        report["errors"] = errors(model, path, folder / "tables.bin")
        print(said)
        print(f"build: {report['build_cpu_seconds']:.1f} s of CPU, {report['bytes'] / 1e6:.1f} MB; {report['errors']}")
        for precision in ("double", "mixed"):
            style = f"dpcompressed {folder / 'tables.bin'} precision {precision}"
            times = []
            for _ in range(chosen.rounds):
                commands = f"run {WARM_STEPS}\nrun {STEPS}"
                loop = lammps_run.loops(lammps_run.run(program, ALLOY, style, commands, folder, atoms=chosen.atoms))[-1]
                times.append(1e6 * loop.cpu_seconds / (loop.steps * loop.atoms))
            report["us_per_atom_and_step"][precision] = {"median": median(times), "least": min(times), "most": max(times)}
            print(f"{precision:6s} {median(times):.2f} us of CPU an atom and step ({min(times):.2f} to {max(times):.2f})")
    if chosen.output:
        machine.write(report, chosen.output)


if __name__ == "__main__":
    main()
