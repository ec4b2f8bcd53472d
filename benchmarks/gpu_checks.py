# SPDX-License-Identifier: MIT
"""Runs of LAMMPS with dpcompressed/kk against the same runs with the host style: what single steps of the tests do not show.

    python benchmarks/gpu_checks.py --kk LMP_KK --host LMP --tables FOLDER/water-full.bin --scratch FOLDER --output FILE

LMP_KK starts LAMMPS with KOKKOS switched on, LMP the same LAMMPS without (gpu.sh writes both scripts). Positions, forces, atomic
energies and stresses, thermo output and the box at the end, in both precisions, also with DPC_GRAPH=1 and DPC_FUSED_NET=1. With
--mpirun also two and four ranks on one card.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lammps_run
import machine
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

INPUT = """\
units           metal
atom_style      atomic
{before}
read_data       {start}
{box}
pair_style      {style}
pair_coeff      * * {coeff}
{pairs}
neighbor        {skin} bin
neigh_modify    every 1 delay 0 check yes
velocity        all create {temperature} 7 loop geom
timestep        0.0005
thermo          10
thermo_style    custom step pe press pxx pyy pzz pxy pxz pyz vol
thermo_modify   format float %.17g
{commands}
write_dump      all custom end.dump id x y z fx fy fz modify sort id format float %.17g
"""
# Of the largest number of a column. Both styles add in another order, and the steps amplify that.
SAME = {"double": 1e-8, "mixed": 2e-3}
TIMEOUT_SECONDS = 200
WAYS: dict[str, dict[str, str]] = {
    "double": {},
    "double, graphs": {"DPC_GRAPH": "1"},
    "mixed": {},
    "mixed, fused net, graphs": {"DPC_GRAPH": "1", "DPC_FUSED_NET": "1"},
}


@dataclass(frozen=True)
class Case:
    """One input. Lines that stand before the atoms, behind the box and the pair style; more output than the last step's."""

    commands: str
    words: str = ""  # of the pair style
    before: str = ""
    box: str = ""
    hybrid: bool = False
    skin: float = 1.0
    temperature: float = 330.0
    ranks: int = 1


PER_ATOM = """\
compute         e all pe/atom
compute         s all stress/atom NULL virial
compute         c all centroid/stress/atom NULL virial
dump            d all custom 5 atoms.dump id c_e c_s[*] c_c[*]
dump_modify     d sort id format float %.17g
fix             1 all nve
run             15"""
NVE = "fix             1 all nve\nrun             {}"
MIGRATION = {"skin": 0.3, "temperature": 1500.0, "box": "replicate 2 1 1"}
CASES = {
    "nve, lists made anew": Case(NVE.format(40), skin=0.3),
    "nve, one list": Case(NVE.format(20), skin=2.0),
    "npt": Case("fix 1 all npt temp 330 330 0.05 iso 1000 1000 0.5\nrun 30", skin=0.5),
    "npt, triclinic": Case("fix 1 all npt temp 330 330 0.05 tri 1000 1000 0.5\nrun 30", box="change_box all triclinic", skin=0.5),
    "deform": Case("fix 1 all nve\nfix 2 all deform 1 x scale 1.05 y scale 0.95\nrun 30", skin=0.5),
    "energies and virials of atoms": Case(PER_ATOM),
    "minimisation": Case("min_style cg\nminimize 0 0 15 60", skin=0.5),
    "hybrid/overlay": Case(NVE.format(20), hybrid=True),
    "atoms sorted often": Case(NVE.format(40), before="atom_modify sort 3 2.0", skin=0.3, temperature=1500.0),
    "several chunks": Case(NVE.format(5), words="memory 1", box="replicate 2 2 2"),
    "neighbors all": Case(NVE.format(10), words="neighbors all"),
    "two ranks": Case(NVE.format(40), ranks=2, **MIGRATION),  # type: ignore[arg-type]
    "four ranks": Case(NVE.format(40), ranks=4, **MIGRATION),  # type: ignore[arg-type]
    "two ranks, npt": Case("fix 1 all npt temp 330 330 0.05 iso 1000 1000 0.5\nrun 30", ranks=2, box="replicate 2 1 1", skin=0.5),
}


def script(case: Case, style: str) -> str:
    """Input of a case."""
    words = f"{style} {case.words}"
    return INPUT.format(
        before=case.before,
        start=lammps_run.START,
        box=case.box,
        style=f"hybrid/overlay {words} lj/cut 4.0" if case.hybrid else words,
        coeff="dpcompressed O H" if case.hybrid else "O H",
        pairs="pair_coeff * * lj/cut 0.002 1.0" if case.hybrid else "",
        skin=case.skin,
        temperature=case.temperature,
        commands=case.commands,
    )


def run(command: list[str], text: str, folder: Path, environment: dict[str, str]) -> dict[str, Array]:
    """Run LAMMPS; thermo output and dumps, a row a step or an atom."""
    folder.mkdir(parents=True, exist_ok=True)
    for dump in folder.glob("*.dump"):
        dump.unlink()
    (folder / "in.check").write_text(text)
    output = lammps_run.start([*command, "-in", "in.check", "-log", "none", "-nocite"], folder, environment, TIMEOUT_SECONDS)
    found = {"thermo": thermo(output)}
    for dump in folder.glob("*.dump"):
        lines = dump.read_text().splitlines()
        n = int(lines[3])
        found[dump.stem] = np.array([line.split() for k, line in enumerate(lines) if k % (n + 9) >= 9], dtype=float)
    for word, value in (("graphs", environment.get("DPC_GRAPH")), ("fused net", environment.get("DPC_FUSED_NET"))):
        if value and "Kokkos Cuda" in output and word not in output:
            raise lammps_run.RunError(f"there are no {word} in this run")
    return found


def thermo(output: str) -> Array:
    """The rows between a head and the loop time."""
    rows, inside = [], False
    for line in output.splitlines():
        if line.split()[:2] == ["Step", "PotEng"]:
            inside = True
        elif line.startswith("Loop time"):
            inside = False
        elif inside and line.split() and line.split()[0].isdigit():
            rows.append(line.split())
    return np.array(rows, dtype=float)


def difference(found: dict[str, Array], expected: dict[str, Array]) -> float:
    """The largest one, relative to the largest number of its kind; infinite where the outputs have other shapes."""
    worst = 0.0
    if found.keys() != expected.keys():
        return float("inf")
    for name, values in found.items():
        if values.shape != expected[name].shape or not np.isfinite(values).all() or values.size == 0:
            return float("inf")
        # Components of one kind have one scale: positions and forces, pressures, the stresses of atoms.
        kinds = {
            "end": (slice(1, 4), slice(4, 7)),
            "atoms": (slice(1, 2), slice(2, 17)),
            "thermo": (slice(1, 2), slice(2, 9), slice(9, 10)),
        }[name]
        for kind in kinds:
            scale = np.abs(expected[name][:, kind]).max()
            worst = max(worst, float(np.abs(values[:, kind] - expected[name][:, kind]).max() / max(scale, 1e-300)))
    return worst


def check(name: str, case: Case, chosen: argparse.Namespace) -> list[dict[str, Any]]:
    """A case in all ways; the host style on one rank is the reference."""
    rows = []
    references: dict[str, dict[str, Array]] = {}
    for way, environment in WAYS.items():
        precision = way.split(",")[0]
        style = f"dpcompressed {chosen.tables.resolve()} precision {precision} overflow warn"
        row: dict[str, Any] = {"case": name, "way": way}
        try:
            if precision not in references:
                references[precision] = run([str(chosen.host)], script(case, style), chosen.scratch / "host", {})
            command = [str(chosen.kk)]
            if case.ranks > 1:
                command = [str(chosen.mpirun), "-n", str(case.ranks), *command]
            found = run(command, script(case, f"{style} {chosen.words}"), chosen.scratch / "kk", environment)
            row["difference"] = difference(found, references[precision])
            row["passed"] = row["difference"] <= SAME[precision]
        except (lammps_run.RunError, subprocess.TimeoutExpired) as error:
            row |= {"passed": False, "error": str(error)}
        rows.append(row)
        print(line_of(row), flush=True)
    return rows


def line_of(row: dict[str, Any]) -> str:
    """For people."""
    what = row.get("error") or f"differs by {row['difference']:.1e}"
    return f"{'ok' if row['passed'] else 'FAILED':7}{row['case']}, {row['way']}: {what}"


def main() -> None:
    """Check all cases, write the JSON, exit 1 where one failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kk", type=Path, required=True)
    parser.add_argument("--host", type=Path, required=True)
    parser.add_argument("--mpirun", type=Path, help="without it cases of several ranks are left out")
    parser.add_argument("--tables", type=Path, required=True)
    parser.add_argument("--words", default="", help="more words of the /kk style")
    parser.add_argument("--scratch", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    chosen = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for name, case in CASES.items():
        if case.ranks > 1 and chosen.mpirun is None:
            print(f"left out: {name}, there is no mpirun", flush=True)
            continue
        rows += check(name, case, chosen)
        chosen.output.write_text(json.dumps({"machine": machine.describe(), "checks": rows}, indent=1) + "\n")
    failed = sum(not row["passed"] for row in rows)
    print(f"{len(rows) - failed} of {len(rows)} passed")
    if failed:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
