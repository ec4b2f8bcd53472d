# SPDX-License-Identifier: MIT
"""Two pictures of the example in the current folder: python ../plot.py [--model model.pt --tables tables.bin --log log.lammps].

table_error.png: largest difference between the tables and the embedding nets they stand for, against the distance of the
neighbour. energy.png: energy along the constant-energy part of the run, after `lmp -in in.lammps`. Needs matplotlib.
"""

import argparse
import re

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from lammps.formats import LogFile

from pybuild.compress import hermite
from pybuild.compress.grid import grid_of
from pybuild.compress.nets import derivatives_along
from pybuild.model.description import ModelDescription
from pybuild.readers import read_model
from pybuild.tablefile.file import read_tables
from pybuild.tablefile.tableset import TableSet

SHORTEST = 0.6  # A; where the curves start
POINTS = 4000
FLOOR = 1e-17  # smallest error shown on the logarithmic axis


def table_error(model: ModelDescription, tables: TableSet, a: int, b: int, r: np.ndarray) -> np.ndarray:
    """Largest error over the M outputs for a neighbour of type b at distances r (n,) of a centre of type a."""
    table = tables.tables[tables.descriptors[0].pair_table[a, b]]
    x = model.descriptors[0].rows(a, np.outer(r, [1.0, 0.0, 0.0])).x
    columns, _ = hermite.evaluate(table.coef, grid_of(table), x)
    exact, _, _ = derivatives_along(model.descriptors[0].net(a, b), x)
    return np.abs(columns @ table.basis.T - exact).max(axis=1)


def plot_table_error(model: ModelDescription, tables: TableSet, path: str) -> None:
    """One curve per pair of types; dotted where the training data has no pairs."""
    r = np.linspace(SHORTEST, tables.descriptors[0].rcut, POINTS)
    figure, axes = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
    for a, b in zip(*np.nonzero(tables.descriptors[0].pair_table >= 0), strict=True):
        error = np.maximum(table_error(model, tables, a, b, r), FLOOR)
        seen = r >= tables.min_distance[a, b]
        (line,) = axes.semilogy(r[seen], error[seen], lw=0.8, label=f"{tables.type_map[a]}-{tables.type_map[b]}")
        axes.semilogy(r[~seen], error[~seen], lw=0.8, ls=":", color=line.get_color())
    axes.set(xlabel="distance (Å)", ylabel="largest error of G(x)")
    axes.set_title("tables against embedding nets (dotted: closer than the training data)", fontsize="medium")
    axes.legend(fontsize="small", title="centre-neighbour", title_fontsize="small")
    figure.savefig(path, dpi=150)


def plot_energy(log: str, path: str) -> None:
    """Potential and total energy per atom along the last run in a log, each on its own scale."""
    runs = LogFile(log).runs
    steps, atoms = np.array(runs[-1]["Step"]), atoms_in(log)
    figure, panels = plt.subplots(2, sharex=True, figsize=(6.4, 4.0), layout="constrained")
    for axes, name, label in zip(panels, ("PotEng", "TotEng"), ("potential", "total"), strict=True):
        energy = np.array(runs[-1][name])
        axes.plot(steps, 1e3 * (energy - energy.mean()) / atoms, lw=1.0)
        axes.set_ylabel(f"{label} energy\n(meV/atom from its mean)", fontsize="small")
    panels[0].set_title("constant-energy run", fontsize="medium")
    panels[1].set_xlabel("step")
    figure.savefig(path, dpi=150)


def atoms_in(log: str) -> int:
    """Number of atoms of the last run in a log."""
    with open(log, encoding="utf-8") as file:
        return int(re.findall(r"^Loop time of .* with (\d+) atoms", file.read(), re.MULTILINE)[-1])


def main() -> None:
    """Draw both."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="model.pt")
    parser.add_argument("--tables", default="tables.bin")
    parser.add_argument("--log", default="log.lammps")
    chosen = parser.parse_args()
    plot_table_error(read_model(chosen.model), read_tables(chosen.tables), "table_error.png")
    plot_energy(chosen.log, "energy.png")


if __name__ == "__main__":
    main()
