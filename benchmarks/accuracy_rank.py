# SPDX-License-Identifier: MIT
"""Force error of the tables against rank, order and tolerance, on an equilibrated structure.

    python benchmarks/accuracy_rank.py --output benchmarks/results/accuracy.json

Every build of the full-size water model is compared with the model's own networks: largest force component (eV/A), energy per
atom (eV), and what the build costs: columns, products, bytes of tables. Both sides are the NumPy evaluations of pybuild, so
that nothing but the compression is seen; the compiled code is compared elsewhere.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import machine
import numpy as np
from ase.io.lammpsdata import read_lammps_data
from lammps_run import START

from pybuild.compress.build import Options, build
from pybuild.model.description import ModelDescription
from pybuild.oracles import reference, reference_tables
from pybuild.readers import read_model

RANKS = (4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 28, 32)
TOLERANCES = (1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9)


def structure(model: ModelDescription) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positions, model types and cell of the equilibrated water."""
    numbers = {1: 8, 2: 1}  # LAMMPS type -> atomic number
    atoms = read_lammps_data(START, Z_of_type=numbers, atom_style="atomic")
    types = np.array([model.type_map.index(symbol) for symbol in atoms.get_chemical_symbols()])
    return atoms.get_positions(), types, atoms.cell.array


def variants() -> Iterator[tuple[str, Options]]:
    """Ranks without pruning, both orders; tolerances as a user gives them."""
    for order in (5, 3):
        for rank in RANKS:
            yield "rank", Options(rank=rank, order=order)
    for tolerance in TOLERANCES:
        yield "tolerance", Options(tolerance=tolerance)


def measure(model: ModelDescription, kind: str, options: Options, exact: reference.Result, where: tuple) -> dict[str, Any]:
    """Build, evaluate, compare."""
    tables = build(model, model.min_nbor_dist, options).tables
    found = reference_tables.evaluate(tables, *where)
    return {
        "kind": kind,
        "rank": options.rank,
        "order": options.order,
        "tolerance": options.tolerance,
        "force_error": float(np.abs(found.forces - exact.forces).max()),
        "energy_error_per_atom": abs(found.energy - exact.energy) / len(where[1]),
        "columns": [table.rank for table in tables.tables],
        "products": [None if f is None or f.inputs[0].columns is None else len(f.layers[0].weight) for f in tables.fittings],
        "table_bytes": sum(table.coef.nbytes for table in tables.tables),
    }


def main() -> None:
    """Print a line a build and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, default=machine.shared_folder() / "models" / "water-full" / "model.pth")
    parser.add_argument("--output", type=Path)
    chosen = parser.parse_args()
    model = read_model(chosen.model)
    where = structure(model)
    exact = reference.evaluate(model, *where)
    rows = []
    for kind, options in variants():
        rows.append(measure(model, kind, options, exact, where))
        print("{kind} {rank} order {order} tolerance {tolerance:.0e}: {force_error:.1e} eV/A, columns {columns}, "
              "products {products}".format(**rows[-1]))  # fmt: skip
        sys.stdout.flush()
    if chosen.output:
        report = {"machine": machine.describe(), "model": chosen.model.parent.name, "rows": rows}
        machine.write(report, chosen.output)


if __name__ == "__main__":
    main()
