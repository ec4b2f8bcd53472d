# SPDX-License-Identifier: MIT
"""Turn frames.dump and frames.thermo of an in.frames into DeePMD-kit's npy format: data/train and data/valid.

    python to_deepmd.py O H              # elements of LAMMPS' types 1, 2, ...

Units on both sides are eV and angstrom; only the virial is converted, from LAMMPS' pressure tensor (bar, order
xx yy zz xy xz yz) to sum_i r_i f_i in eV (pressure times volume).
"""

import argparse
from pathlib import Path

import numpy as np

BAR_A3_PER_EV = 1.602176634e6
VALIDATION_STRIDE = 10  # every tenth frame is kept for validation


def read_dump(path: Path) -> list[tuple[int, np.ndarray, np.ndarray]]:
    """Frames of a LAMMPS dump of an orthogonal box: step, edge lengths (3,) and columns type x y z fx fy fz (n, 7)."""
    lines = path.read_text().splitlines()
    frames = []
    start = 0
    while start < len(lines):
        step, atoms = int(lines[start + 1]), int(lines[start + 3])
        bounds = np.array([line.split() for line in lines[start + 5 : start + 8]], dtype=float)
        rows = np.array([line.split() for line in lines[start + 9 : start + 9 + atoms]], dtype=float)
        rows[:, 2:5] -= bounds[:, 0]
        frames.append((step, bounds[:, 1] - bounds[:, 0], rows[:, 1:]))
        start += 9 + atoms
    return frames


def write_system(folder: Path, elements: list[str], frames: list, scalars: np.ndarray) -> None:
    """One DeePMD-kit system with energy, forces and virial; all frames have the same atoms."""
    (folder / "set.000").mkdir(parents=True, exist_ok=True)
    types = frames[0][2][:, 0].astype(int) - 1
    (folder / "type.raw").write_text("".join(f"{type_index}\n" for type_index in types))
    (folder / "type_map.raw").write_text("".join(f"{element}\n" for element in elements))
    edges = np.array([frame[1] for frame in frames])
    columns = np.array([frame[2] for frame in frames])
    xx, yy, zz, xy, xz, yz = (scalars[:, 2:] * (edges.prod(axis=1) / BAR_A3_PER_EV)[:, None]).T
    arrays = {
        "coord": columns[:, :, 1:4].reshape(len(frames), -1),
        "force": columns[:, :, 4:7].reshape(len(frames), -1),
        "box": np.array([np.diag(edge).ravel() for edge in edges]),
        "energy": scalars[:, 1],
        "virial": np.stack([xx, xy, xz, xy, yy, yz, xz, yz, zz], axis=1),
    }
    for name, array in arrays.items():
        np.save(folder / "set.000" / f"{name}.npy", array)


def main() -> None:
    """Check that the two files tell of the same steps, then write both systems."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("elements", nargs="+", metavar="ELEMENT", help="of LAMMPS' types 1, 2, ...")
    elements = parser.parse_args().elements
    frames = read_dump(Path("frames.dump"))
    scalars = np.loadtxt("frames.thermo")
    if [frame[0] for frame in frames] != scalars[:, 0].astype(int).tolist():
        raise SystemExit("frames.dump and frames.thermo list different steps: run in.frames again")
    n_types = int(frames[0][2][:, 0].max())
    if n_types > len(elements):
        raise SystemExit(f"frames.dump has atoms of {n_types} types, elements are {' '.join(elements)}: name one for each type")
    valid = np.arange(len(frames)) % VALIDATION_STRIDE == 0
    write_system(Path("data/train"), elements, [f for f, v in zip(frames, valid, strict=True) if not v], scalars[~valid])
    write_system(Path("data/valid"), elements, [f for f, v in zip(frames, valid, strict=True) if v], scalars[valid])
    print(f"{(~valid).sum()} frames in data/train, {valid.sum()} in data/valid")


if __name__ == "__main__":
    main()
