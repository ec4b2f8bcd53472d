# SPDX-License-Identifier: MIT
"""Energy drift at constant energy, mixed precision next to double, on the two examples, or of a model of every other kind.

    python benchmarks/nve_drift.py --steps 20000 --output benchmarks/results/NAME.json
    python benchmarks/nve_drift.py --kinds --steps 10000 --output benchmarks/results/NAME.json
    python benchmarks/nve_drift.py --published --steps 8000 --output benchmarks/results/NAME.json

Each example is brought to equilibrium by its own in.lammps in double precision; from that state both precisions run at constant
energy. --kinds: small models of the shared folder, which are no good models of water: 192 atoms, each held near its place by a
spring, whose energy is part of the total; all neighbours count, since energies jump where a model keeps the nearest only.
--published: potentials that others trained, from the first structure of their references, at 300 K. With both, a run in
double precision with half the step and the same time shows what is the integrator's: its drift falls to a quarter.
Drift: slope of the line fitted to the total energy; fluctuation: root mean square about that line. Per atom.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import ase
import lammps_run
import machine
import numpy as np
from ase.io.lammpsdata import write_lammps_data
from ase.neighborlist import neighbor_list

EXAMPLES = machine.REPOSITORY / "examples"
EXAMPLE_NAMES = ("water", "copper")
EVERY = 20  # steps between two energies
KEPT = ("units", "atom_style", "pair_style", "pair_coeff", "pair_modify", "neighbor", "neigh_modify", "timestep")


# Of the shared folder; words of pair_style.
KINDS = {
    "se_e2_a, parameters": ("models/se_e2_a-fparam_aparam/model.pth", "fparam 0.2 0.3 aparam 0.5"),
    "se_e2_r": ("models-tf/se_e2_r-two_side/model.pb", ""),
    "se_e3": ("models/se_e3-small/model.pth", ""),
    "se_e3_tebd": ("models/se_e3_tebd-strip/model.pth", ""),
    "dpa1 strip, smooth": ("models/dpa1-strip-attn0/model.pth", ""),
    "dpa1 concat": ("models/dpa1-concat-attn0/model.pth", ""),
    "se_atten, strip, TensorFlow": ("models-tf/se_atten-strip/model.pb", ""),
    "se_atten_v2, TensorFlow": ("models-tf/se_atten_v2/model.pb", ""),
    "se_e2_a with type embedding, TensorFlow": ("models-tf/se_a_tebd-concat/model.pb", ""),
    "se_a_ebd_v2, TensorFlow": ("models-tf/se_a_tebd_v2/model.pb", ""),
    "hybrid se_e2_a, se_e3": ("models/hybrid-a_e3/model.pth", ""),
    "hybrid se_e2_a, se_e2_r": ("models-tf/hybrid-a_r/model.pb", ""),
    "linear_ener": ("models-tf/linear-a_r/model.pb", ""),
    "zbl, dpa1": ("models/zbl-dpa1/model.pth", ""),
    "zbl, se_e2_a": ("models-tf/zbl-se_e2_a/model.pb", ""),
    "PWMLFF, type embedding": ("models/pwmlff/c_oh_typeemb/dp_model.ckpt", ""),
}
# Of the shared folder, kinds that others have published potentials of; elements of their structures where those are fewer.
PUBLISHED = {
    "se_e2_a, two-sided (Si)": ("models-public/csi-si/frozen_model_1.pb", ()),
    "se_e2_a (Sn)": ("models-public/dpdispatcher-sn/graph.pb", ()),
    "hybrid se_e2_a, se_e3 (Li)": ("models-public/lithium-hybrid/lithium_pth.pth", ()),
    "se_atten_v2, TensorFlow (Li6PS5Cl)": ("models-public/pfd-kit-atten_v2/frozen_model.pb", ("Li", "P", "S", "Cl")),
    "MatPL (HfO2)": ("models-public/matpl-hfo2-jit/jit_dp.pt", ()),
    "MatPL (Si)": ("models-public/matpl-si-jit/0_torch_script_module.pt", ()),
}
PUBLISHED_SCRIPT = """\
units metal
atom_style atomic
read_data start.data
pair_style dpcompressed tables.bin overflow warn neighbors all
pair_coeff * * {elements}
neighbor 1.0 bin
timestep 0.0005
velocity all create 300 7
fix integrate all nve
fix bath all langevin 300 300 0.05 11
run 2000
"""
CLOSEST_OF_START = 0.8  # times the smallest distance of the first structure: these at 300 K stay farther apart
NEIGHBOURS = 4.0  # angstrom, where the smallest distance is looked for
CLOSEST = 0.885  # angstrom, of the training data of KINDS
KIND_SCRIPT = """\
units metal
atom_style atomic
read_data start.data
pair_style dpcompressed tables.bin overflow warn neighbors all {words}
pair_coeff * * O H
neighbor 1.0 bin
timestep 0.0002
velocity all create 300 7
{springs}fix integrate all nve
run 100
"""
SPRINGS = "fix springs all spring/self 50.0\nfix_modify springs energy yes\n"  # eV/A^2


def lammps(lmp: Path, script: str, folder: Path) -> str:
    """Run a script in `folder`; what LAMMPS printed."""
    (folder / "in.drift").write_text(script)
    command = [str(lmp), "-in", "in.drift", "-log", "none", "-nocite"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"LAMMPS failed:\n{done.stdout[-2000:]}")
    return done.stdout


def constant_energy(script: str, precision: str, steps: int, forces: str) -> str:
    """The example's model and settings from the equilibrated state, without a thermostat."""
    lines = [line for line in script.splitlines() if line.split() and line.split()[0] in KEPT]
    before_style = next(k for k, line in enumerate(lines) if line.startswith("pair_style"))
    lines.insert(before_style, "read_data equilibrated.data")
    text = "\n".join(lines).replace("tables.bin", f"tables.bin precision {precision}")
    return (
        f"{text}\nthermo {EVERY}\nthermo_style custom step etotal temp\nthermo_modify format float %.14g\n"
        f"{forces}fix integrate all nve\nrun {steps}\n"
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


def compress(model: Path, folder: Path, *words: str) -> None:
    """tables.bin in the folder."""
    command = [sys.executable, "-m", "pybuild", str(model), str(folder / "tables.bin"), *words]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def measure_example(name: str, lmp: Path, steps: int, folder: Path) -> dict[str, Any]:
    """One example."""
    source = EXAMPLES / name
    for file in source.glob("*.data"):
        (folder / file.name).write_bytes(file.read_bytes())
    compress(source / "model.pt", folder)
    script = (source / "in.lammps").read_text()
    return measure(name, script, script.split("unfix")[0], lmp, steps, folder)


def measure_kind(name: str, shared: Path, lmp: Path, steps: int, folder: Path) -> dict[str, Any]:
    """One of KINDS."""
    path, words = KINDS[name]
    (folder / "start.data").write_bytes(lammps_run.START.read_bytes())
    compress(shared / path, folder, "--min-nbor-dist", str(CLOSEST))
    script = KIND_SCRIPT.format(words=words, springs=SPRINGS)
    return measure(name, script, script, lmp, steps, folder, SPRINGS, with_half=True) | {"model": path}


def measure_published(name: str, shared: Path, lmp: Path, steps: int, folder: Path) -> dict[str, Any]:
    """One of PUBLISHED."""
    path, elements = PUBLISHED[name]
    reference = np.load((shared / path).parent / "reference.npz")
    symbols = [str(reference["type_map"][t]) for t in reference["types"]]
    kept = elements or tuple(dict.fromkeys(symbols))
    atoms = ase.Atoms(symbols, reference["positions0"], cell=reference["cell0"], pbc=True)
    write_lammps_data(folder / "start.data", atoms, specorder=list(kept), masses=True)
    closest = CLOSEST_OF_START * np.min(neighbor_list("d", atoms, NEIGHBOURS))
    compress(shared / path, folder, "--min-nbor-dist", f"{closest:.4f}", *(("--keep-types", *elements) if elements else ()))
    script = PUBLISHED_SCRIPT.format(elements=" ".join(kept))
    return measure(name, script, script, lmp, steps, folder, with_half=True) | {"model": path}


def measure(
    name: str, script: str, to_equilibrium: str, lmp: Path, steps: int, folder: Path, forces: str = "", with_half: bool = False
) -> dict[str, Any]:
    """Both precisions; with_half: and double with half the step; forces: commands for more than those of the model."""
    lammps(lmp, to_equilibrium + "\nwrite_data equilibrated.data\n", folder)
    timestep = float(re.search(r"^timestep\s+(\S+)", script, flags=re.MULTILINE).group(1))
    result: dict[str, Any] = {"timestep_ps": timestep, "steps": steps}
    runs = [("double", "double", 1), ("mixed", "mixed", 1), *([("double, half the step", "double", 2)] if with_half else [])]
    for label, precision, pieces in runs:
        text = constant_energy(script, precision, pieces * steps, forces)
        output = lammps(lmp, re.sub(r"^timestep.*", f"timestep {timestep / pieces:.10g}", text, flags=re.MULTILINE), folder)
        atoms = lammps_run.loops(output)[-1].atoms
        result["atoms"] = atoms
        result[label] = drift(energies(output), timestep / pieces, atoms)
        print(f"{name}, {atoms} atoms, {label}: "
              + ", ".join(f"{key} {value:.3g}" for key, value in result[label].items()))  # fmt: skip
        sys.stdout.flush()
    return result


def main() -> None:
    """Print a line a run, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=20000)
    parser.add_argument("--lmp", help="this project's LAMMPS (default: lmp on PATH)")
    parser.add_argument("--kinds", action="store_true", help="a small model of every other kind instead of the examples")
    parser.add_argument("--published", action="store_true", help="potentials that others trained instead of the examples")
    parser.add_argument("--shared", type=Path, default=machine.shared_folder(), help="folder with models/ and models-tf/")
    parser.add_argument("--output", type=Path, help="JSON file to write")
    chosen = parser.parse_args()
    lmp = lammps_run.own_program(chosen.lmp).lmp
    report: dict[str, Any] = {"machine": machine.describe(), "systems": {}}
    for name in KINDS if chosen.kinds else PUBLISHED if chosen.published else EXAMPLE_NAMES:
        with tempfile.TemporaryDirectory() as folder:
            where = lmp, chosen.steps, Path(folder)
            if name in EXAMPLE_NAMES:
                report["systems"][name] = measure_example(name, *where)
            else:
                of_kind = measure_kind if chosen.kinds else measure_published
                report["systems"][name] = of_kind(name, chosen.shared, *where)
            if chosen.output:
                machine.write(report, chosen.output)


if __name__ == "__main__":
    main()
