# SPDX-License-Identifier: MIT
"""Place water molecules on a cubic lattice and write them as a LAMMPS data file (atom_style atomic, types O H).

    python make_start.py start.data                      # 64 molecules at 0.993 g/cm3

Each molecule gets the one of many random orientations that keeps its atoms farthest from those already placed; nothing
else is relaxed, so minimise or thermostat gently before use. The same seed gives the same file.
"""

import argparse

import numpy as np

OH_BOND = 0.98  # A
HOH_ANGLE = np.radians(105.0)
TRIALS = 50  # orientations tried for each molecule
MASSES = {"O": 15.999, "H": 1.008}  # g/mol


def closest(atoms: np.ndarray, placed: np.ndarray, edge: float) -> float:
    """Smallest distance (A) between two sets of atoms in a cubic periodic box."""
    delta = atoms[:, None] - placed[None]
    delta -= edge * np.rint(delta / edge)
    return float(np.sqrt((delta**2).sum(axis=2)).min())


def oriented_molecule(oxygen: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Positions (3, 3) of O, H, H with a random orientation around an oxygen atom."""
    axes, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    bonds = [axes[0], np.cos(HOH_ANGLE) * axes[0] + np.sin(HOH_ANGLE) * axes[1]]
    return np.array([oxygen, *(oxygen + OH_BOND * bond for bond in bonds)])


def place(per_edge: int, edge: float, rng: np.random.Generator) -> np.ndarray:
    """Positions (3 per_edge^3, 3) of molecules on a simple cubic lattice, atoms in the order O H H."""
    sites = (np.indices((per_edge,) * 3).reshape(3, -1).T + 0.5) * (edge / per_edge)
    atoms = oriented_molecule(sites[0], rng)
    for site in sites[1:]:
        trials = [oriented_molecule(site, rng) for _ in range(TRIALS)]
        atoms = np.vstack([atoms, max(trials, key=lambda trial: closest(trial, atoms, edge))])
    return atoms


def data_file(atoms: np.ndarray, edge: float) -> str:
    """Text of a LAMMPS data file with atoms in the order O H H."""
    bounds = "\n".join(f"0 {edge:.4f} {axis}lo {axis}hi" for axis in "xyz")
    masses = "\n".join(f"{i} {mass}  # {name}" for i, (name, mass) in enumerate(MASSES.items(), 1))
    rows = "\n".join(
        f"{i + 1} {1 if i % 3 == 0 else 2} {x:.5f} {y:.5f} {z:.5f}" for i, (x, y, z) in enumerate(atoms)
    )
    return (
        f"{len(atoms) // 3} water molecules on a lattice, made by make_start.py\n\n{len(atoms)} atoms\n2 atom types\n\n"
        f"{bounds}\n\nMasses\n\n{masses}\n\nAtoms  # atomic\n\n{rows}\n"
    )


def main() -> None:
    """Read the options and write the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", help="LAMMPS data file to write")
    parser.add_argument("--per-edge", type=int, default=4, help="molecules along each edge (default 4: 192 atoms)")
    parser.add_argument("--spacing", type=float, default=3.111, help="lattice spacing in A (3.111: 0.993 g/cm3)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    edge = options.per_edge * options.spacing
    atoms = place(options.per_edge, edge, np.random.default_rng(options.seed))
    with open(options.output, "w", encoding="utf-8") as file:
        file.write(data_file(atoms, edge))


if __name__ == "__main__":
    main()
