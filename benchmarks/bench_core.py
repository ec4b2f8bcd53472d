# SPDX-License-Identifier: MIT
"""Where a step goes: builds bench_stages and runs it on the full-size models, or on a model of every kind.

    python benchmarks/bench_core.py --output benchmarks/results/NAME.json
    python benchmarks/bench_core.py --kinds FOLDER --output benchmarks/results/NAME.json     models and tables of bench_kinds.py

Microseconds per atom of every stage in double and mixed precision, the operations each stage cannot do without, and the share
of the core's measured rate; and a step of 192 atoms, of which the stages leave the overhead. One core, no LAMMPS.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import machine

STRUCTURES = {"water": ("water-full", ["--structure", "water"]), "copper": ("cu-full", ["--structure", "fcc"])}


def program(folder: Path) -> Path:
    """Configure and build the C++ programs in `folder`; where bench_stages is."""
    cmake = shutil.which("cmake", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])) or "cmake"
    options = ["-DDPC_BUILD_BENCHMARKS=ON", "-DDPC_BUILD_LAMMPS=OFF", "-DCMAKE_BUILD_TYPE=Release"]
    subprocess.run([cmake, "-S", str(machine.REPOSITORY), "-B", str(folder), *options], check=True, stdout=subprocess.DEVNULL)
    subprocess.run([cmake, "--build", str(folder), "--target", "bench_stages"], check=True, stdout=subprocess.DEVNULL)
    return folder / "benchmarks" / "bench_stages"


def measure(stages: Path, tables: Path, structure: list[str], seconds: float) -> dict[str, Any]:
    """What bench_stages says of a table file."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "stages.json"
        subprocess.run([str(stages), str(tables), *structure, "--seconds", str(seconds), "--json", str(result)], check=True)
        return json.loads(result.read_text()) | {"tables": tables.name}


def compress(model: Path, folder: Path) -> Path:
    """Tables of a model of the shared folder."""
    tables = folder / f"{model.parent.name}.bin"
    subprocess.run([sys.executable, "-m", "pybuild", str(model), str(tables)], check=True, stdout=subprocess.DEVNULL)
    return tables


def main() -> None:
    """Print the tables, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--systems", nargs="+", choices=STRUCTURES, default=list(STRUCTURES))
    parser.add_argument("--kinds", type=Path, metavar="FOLDER", help="cache of bench_kinds.py: all tables there, of water")
    parser.add_argument("--seconds", type=float, default=5.0, help="of measuring each precision")
    parser.add_argument("--build", type=Path, default=machine.REPOSITORY / "build" / "bench", help="build folder")
    parser.add_argument("--shared", type=Path, default=machine.shared_folder(), help="folder with models/")
    parser.add_argument("--output", type=Path, help="JSON file to write")
    chosen = parser.parse_args()
    stages = program(chosen.build)
    report: dict[str, Any] = {"machine": machine.describe(), "systems": {}}
    if chosen.kinds:
        for tables in sorted(chosen.kinds.glob("*.bin")):
            report["systems"][tables.stem] = measure(stages, tables, ["--structure", "water"], chosen.seconds)
    else:
        with tempfile.TemporaryDirectory() as folder:
            for system in chosen.systems:
                model, structure = STRUCTURES[system]
                tables = compress(chosen.shared / "models" / model / "model.pth", Path(folder))
                report["systems"][system] = measure(stages, tables, structure, chosen.seconds)
    report["machine"]["load_average_at_end"] = round(os.getloadavg()[0], 2)
    if chosen.output:
        machine.write(report, chosen.output)


if __name__ == "__main__":
    main()
