# SPDX-License-Identifier: MIT
"""Builds of models of many elements: CPU seconds, bytes of tables, products and measured errors.

    python benchmarks/many_elements.py --types 1 2 5 8 --sides two --output benchmarks/results/NAME.json

The models are of full size (embedding 25, 50, 100; 16 axis rows; fitting 240, 240, 240; cut-off 6 A), with a net for
each pair of elements (two) or for each neighbour (one), and weights as a trainer starts with. Statistics are those of a
rattled crystal, on which forces have a root mean square of 1 eV/A. Size and time are about those of trained models.
"""

from __future__ import annotations

import argparse
import itertools
import logging
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import machine
import numpy as np

from pybuild.compress.accuracy import first_inputs, table_reports
from pybuild.compress.build import build
from pybuild.descriptors.se_e2_a import SeE2A
from pybuild.model.activations import parse
from pybuild.model.description import EnergyFitting, ModelDescription, Provenance
from pybuild.model.net import Layer, Net, Skip
from pybuild.oracles import reference
from pybuild.structures.structure import Structure
from pybuild.tablefile.file import to_bytes

RCUT, RCUT_SMTH, AXIS = 6.0, 0.5, 16
EMBEDDING, FITTING = (1, 25, 50, 100), (240, 240, 240)
LATTICE, CELLS, RATTLE = 3.65, 4, 0.12  # angstrom
CLOSEST = 2.0  # angstrom
SLOTS = 256  # of all types
NAMES = ("Cu", "Ni", "Fe", "Cr", "Co", "Mn", "Al", "Ti")


def net(rng: np.random.Generator, widths: tuple[int, ...], energy: bool) -> Net:
    """As a trainer starts: weights normal with variance 1/(n_in + n_out), biases with 1; time steps of a fitting net 0.1."""
    layers = []
    for k, (n_in, n_out) in enumerate(itertools.pairwise(widths)):
        last = energy and k == len(widths) - 2
        skip = Skip.NONE if last else Skip.of_widths(n_in, n_out)
        idt = rng.normal(0.1, 0.001, n_out) if energy and skip is Skip.IDENTITY else None
        weight = rng.normal(0, (n_in + n_out) ** -0.5, (n_in, n_out))
        layers.append(Layer(weight, rng.normal(0, 1, n_out), idt, parse("linear" if last else "tanh"), skip))
    return Net(tuple(layers))


def crystal(rng: np.random.Generator, n_types: int) -> Structure:
    """Face-centred cubic, elements at random."""
    base = np.array([[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])
    cells = np.array(list(itertools.product(range(CELLS), repeat=3)))
    sites = (cells[:, None] + base).reshape(-1, 3) * LATTICE
    types = rng.permutation(np.resize(np.arange(n_types), len(sites)))
    return Structure(sites + rng.normal(0, RATTLE, sites.shape), types, CELLS * LATTICE * np.eye(3), "crystal")


def with_statistics(descriptor: SeE2A, structure: Structure) -> SeE2A:
    """Means and standard deviations over all slots."""
    pairs = reference.find_neighbours(structure.positions, structure.cell, RCUT)
    rows = descriptor.rows(0, pairs.vector)  # mean 0, standard deviation 1
    mean, std = np.zeros(len(descriptor.mean)), np.ones(descriptor.std.shape)
    for a in range(len(mean)):
        mine = structure.types[pairs.centre] == a
        n = descriptor.n_sel * int((structure.types == a).sum())
        mean[a] = rows.x[mine].sum() / n
        squares = (rows.x[mine] ** 2).sum() / n - mean[a] ** 2, (rows.row[mine, 1:] ** 2).sum() / 3 / n
        std[a] = np.sqrt(squares)
    return replace(descriptor, mean=mean, std=std)


def make_model(n_types: int, two_sided: bool, seed: int) -> ModelDescription:
    """A model as described above."""
    rng = np.random.default_rng(seed)
    pair = np.arange(n_types**2).reshape(n_types, n_types) if two_sided else np.tile(np.arange(n_types), (n_types, 1))
    nets = tuple(net(rng, EMBEDDING, energy=False) for _ in range(int(pair.max()) + 1))
    descriptor = SeE2A(
        rcut=RCUT, rcut_smth=RCUT_SMTH, env_protection=0.0, sel=(SLOTS // n_types,) * n_types,
        n_sel=SLOTS // n_types * n_types, mean=np.zeros(n_types), std=np.ones((n_types, 2)), nets=nets, net_of=pair,
        excluded=frozenset(), exclusion="slots", axis_neuron=AXIS,
    )  # fmt: skip
    sample = crystal(rng, n_types)
    descriptor = with_statistics(descriptor, sample)
    fits = tuple(net(rng, (descriptor.n_out(0), *FITTING, 1), energy=True) for _ in range(n_types))
    fitting = EnergyFitting(fits, np.arange(n_types), np.zeros(n_types), frozenset(), frozenset())
    provenance = Provenance("random", "0" * 64, "many_elements.py", "float64")
    model = ModelDescription(NAMES[:n_types], (descriptor,), fitting, frozenset(), CLOSEST, provenance)
    forces = reference.evaluate(model, sample.positions, sample.types, sample.cell).forces
    scale = 1.0 / np.sqrt(np.mean(forces**2))
    fits = tuple(Net((*f.layers[:-1], replace(f.layers[-1], weight=scale * f.layers[-1].weight))) for f in model.fitting.nets)
    model = replace(model, fitting=replace(model.fitting, nets=fits))
    model.validate()
    return model


def measure(n_types: int, two_sided: bool, seed: int) -> dict[str, Any]:
    """Build a model and look at the result."""
    model = make_model(n_types, two_sided, seed)
    cpu, wall = time.process_time(), time.monotonic()
    built = build(model, CLOSEST)
    reports = table_reports(built)
    data = to_bytes(built.tables)
    cpu, wall = time.process_time() - cpu, time.monotonic() - wall
    tables = built.tables
    return {
        "types": n_types,
        "two_sided": two_sided,
        "cpu_s": round(cpu, 2),
        "wall_s": round(wall, 2),
        "tables": len(reports),
        "rows": int(sum(r.rows for r in reports)),
        "mean_rank": round(float(np.mean([r.rank for r in reports])), 1),
        "table_bytes": int(sum(r.bytes for r in reports)),
        "file_bytes": len(data),
        "inputs": {part: list(first_inputs(tables, 0, part).values()) for part in ("double", "mixed", "all")},
        "force_error": built.measured.double.force,
        "force_error_mixed": built.measured.mixed.force,
    }


def write_tables_of(n_types: int, path: Path) -> None:
    """A file of tables of a model with a net for each pair of elements."""
    path.write_bytes(to_bytes(build(make_model(n_types, True, seed=1), CLOSEST).tables))


def main() -> None:
    """Print a line a model, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--types", type=int, nargs="+", default=[8], help=f"numbers of elements, up to {len(NAMES)}")
    parser.add_argument("--sides", choices=("one", "two"), default="two", help="nets by neighbour, or by pair of elements")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("-v", "--verbose", action="store_true", help="the log of the builds")
    parser.add_argument("--output", type=Path, help="JSON file to write")
    chosen = parser.parse_args()
    if chosen.verbose:
        logging.basicConfig(level=logging.DEBUG, format="%(relativeCreated)6d ms %(message)s")
    report: dict[str, Any] = {"machine": machine.describe(), "builds": []}
    for n_types in chosen.types:
        found = measure(n_types, chosen.sides == "two", chosen.seed)
        report["builds"].append(found)
        print(", ".join(f"{name} {value}" for name, value in found.items()), flush=True)
    if chosen.output:
        machine.write(report, chosen.output)


if __name__ == "__main__":
    main()
