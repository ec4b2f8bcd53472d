# SPDX-License-Identifier: MIT
"""A model file of others with its reference: by the NumPy oracle, and its tables in every program that evaluates them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import model_files
import numpy as np
from lammps_runs import Array, Lammps, System, evaluate_frames
from model_files import Frame, differences

from pybuild import calculator
from pybuild.compress.build import Options
from pybuild.compress.combined import compress
from pybuild.model.combined import AnyModel
from pybuild.oracles import combined
from pybuild.tablefile.file import write_tables

RANKS = (1, 2, 4)
TABLES = np.array([1e-9, 1e-8, 1e-6])  # eV/atom, eV/A, eV: what the default tolerances promise
SINGLE = np.array([2e-5, 1e-4, 1e-2])  # where the program that trained the model computes in single precision
LARGEST_MIXED = 4e-4  # of the largest force: single precision has 6e-8, and some thousand such numbers cancel
KOKKOS = np.array([1e-11, 1e-11, 1e-9])
# PyTorch's own numbers of them are of other formulas than the file's (docs/model-files.md).
OTHER_REFERENCE = ("deeppot-r.yaml", "fparam_aparam.yaml")


@dataclass(frozen=True)
class Numbers:
    """A result."""

    energy: float
    forces: Array
    virial: Array


@dataclass(frozen=True)
class Compared:
    """Largest differences over all frames: energy, eV/atom; forces, eV/A; virial, eV."""

    oracle: Array  # of the model itself from the program that trained it
    tables: Array  # of the compiled evaluator from the model itself, as all others
    ase: Array
    lammps: dict[int, Array]  # by ranks
    mixed: float  # forces in mixed precision, of the largest force of the frame
    kokkos: Array | None  # of a Kokkos evaluator from the host's, of 1 and the largest force


def compare(model: AnyModel, known: Path, lammps: Lammps, kokkos: ModuleType | None = None) -> Compared:
    """Everything; known: the reference; lammps: the program, in whose folder files are written."""
    frames = model_files.frames(known, model.type_map)
    exact = [combined.evaluate(model, *frame.structure, **frame.parameters) for frame in frames]
    tables = lammps.folder / "tables.bin"
    distance = min(model_files.nearest(frames), model.min_nbor_dist or np.inf)
    write_tables(tables, compress(model, distance, Options()).tables)

    def worst(results: Iterator[Any], expected: Sequence[Any] = exact) -> Array:
        return np.max([differences(got, known) for got, known in zip(results, expected, strict=True)], axis=0)

    host = [calculator.evaluate(tables, *f.structure, **f.parameters) for f in frames]
    return Compared(
        oracle=worst(iter(exact), frames),
        tables=worst(iter(host)),
        ase=worst(through_ase(tables, model, f, one.virial) for f, one in zip(frames, exact, strict=True)),
        lammps={n: worst(through_lammps(lammps, tables, model, frames, n)) for n in RANKS},
        mixed=max(
            np.abs(calculator.evaluate(tables, *f.structure, precision="mixed", **f.parameters).forces - one.forces).max()
            / max(1.0, np.abs(one.forces).max())
            for f, one in zip(frames, host, strict=True)
        ),
        kokkos=None if kokkos is None else from_host(kokkos, tables, frames, host),
    )


def beyond(found: Compared, name: str, precision: str) -> list[str]:
    """Which of the differences are larger than they may be; name: of the file; precision: of the model."""
    limits = TABLES if precision == "float64" else SINGLE
    pairs = {"tables": (found.tables, TABLES), "ase": (found.ase, TABLES)}
    pairs |= {f"lammps, {n} ranks": (results, TABLES) for n, results in found.lammps.items()}
    if name not in OTHER_REFERENCE:
        pairs["oracle"] = found.oracle, limits
    if found.kokkos is not None:
        pairs["kokkos"] = found.kokkos, KOKKOS
    wrong = [f"{word} {values}" for word, (values, most) in pairs.items() if not (values < most).all()]
    return wrong if found.mixed < LARGEST_MIXED else [*wrong, f"mixed {found.mixed}"]


def from_host(core: ModuleType, tables: Path, frames: Sequence[Frame], host: Sequence[Any]) -> Array:
    """A Kokkos evaluator's differences, of 1 and the largest force."""
    found = []
    with mock.patch.object(calculator, "_core", return_value=core):
        for frame, one in zip(frames, host, strict=True):
            got = calculator.evaluate(tables, *frame.structure, backend="kokkos_serial", **frame.parameters)
            found.append(differences(got, one) / max(1.0, np.abs(one.forces).max()))
    return np.max(found, axis=0)


def through_ase(tables: Path, model: AnyModel, frame: Frame, without_cell: Array) -> Numbers:
    """Atoms that are none of the model's are X; without_cell: the virial where there is no stress to compare it with."""
    import ase

    symbols = ["X" if t < 0 else model.type_map[t] for t in frame.types]
    atoms = ase.Atoms(symbols, frame.positions, cell=frame.cell, pbc=frame.cell is not None)
    atoms.calc = calculator.DPCompressed(tables, overflow="warn", **frame.parameters)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        forces = atoms.get_forces()
        virial = without_cell if frame.cell is None else -atoms.get_stress(voigt=False) * atoms.get_volume()
    return Numbers(atoms.calc.results["energy"], forces, virial)


def through_lammps(lammps: Lammps, tables: Path, model: AnyModel, frames: Sequence[Frame], ranks: int) -> Iterator[Numbers]:
    """Cells are turned as LAMMPS wants them, results back."""
    names = (*model.type_map, "NULL")
    turned = [lower_triangular(frame.cell) for frame in frames]
    systems = [
        System(names, np.where(f.types < 0, len(names), f.types + 1), f.positions @ turn, cell)
        for f, (cell, turn) in zip(frames, turned, strict=True)
    ]
    found = evaluate_frames(lammps, systems, tables, ranks, [frame.parameters for frame in frames])
    for (energy, forces, virial), (_, turn) in zip(found, turned, strict=True):
        yield Numbers(energy, forces @ turn.T, turn @ virial @ turn.T)


def lower_triangular(cell: Array | None) -> tuple[Array | None, Array]:
    """(cell, turn): the same cell turned, cell @ turn, with positive lengths; rows a, b, c."""
    if cell is None or not np.any(np.triu(cell, 1)):
        return cell, np.eye(3)
    q, r = np.linalg.qr(cell.T)
    signs = np.sign(np.diag(r))
    return np.tril((r * signs[:, None]).T), q * signs


def shown(compared: Compared) -> dict[str, str]:
    """For people."""
    text: Callable[[Array], str] = lambda part: " ".join(f"{x:.0e}" for x in part)  # noqa: E731
    return {
        "oracle": text(compared.oracle),
        "tables": text(compared.tables),
        "ase": text(compared.ase),
        "lammps": text(np.max(list(compared.lammps.values()), axis=0)),
        "mixed": f"{compared.mixed:.0e}",
        "kokkos": "" if compared.kokkos is None else text(compared.kokkos),
    }
