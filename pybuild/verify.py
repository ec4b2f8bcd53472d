# SPDX-License-Identifier: MIT
"""A table file against the model it was made from: energies, forces and virials of structures.

The tables run through the compiled evaluator, the one that LAMMPS runs; the model through reference.py and, where
torch is installed, through reference_torch.py as a second oracle.
"""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import calculator
from .compress.trials import ENERGY_PER_FORCE, VIRIAL_PER_FORCE, within
from .compress.truncation import difference
from .errors import InputError
from .model.combined import AnyModel, CombinedModel
from .model.description import ModelDescription
from .oracles import combined, reference
from .readers import read_model
from .structures.data import open_system, telling_frames
from .structures.data_search import find_systems
from .structures.probe import judge_structures, with_parameters
from .structures.structure import Structure
from .tablefile.file import read_tables
from .tablefile.tableset import AnyTables, CombinedTables, TableSet

log = logging.getLogger("pybuild")

DEFAULT_TOLERANCE = 1e-8  # eV/A, for tables that do not say what they were built for
FRAMES, ATOMS = 5, 2000  # of the systems given, at most


def verify(
    model_path: str,
    tables_path: str,
    systems: Sequence[str] | None = None,
    tolerance: float | None = None,
    **choices: Any,
) -> bool:
    """Report the errors on every structure; True where all are within the tolerance. choices: what read_model takes beside the
    file. Raises PybuildError for bad input."""
    model, tables = read_model(model_path, **choices), read_tables(tables_path)
    _same_kind(model, tables, tables_path)
    allowed = _tolerance(tables, tolerance, len(_networks(model)))
    structures = _structures(model, tables, systems)
    oracles = _oracles(model)
    compiled = calculator.load(tables_path)
    log.info(
        "%-40s %6s  %-9s %12s %15s %15s", "structure", "atoms", "against", "force, eV/A", "energy, eV/atom", "virial, eV/atom"
    )
    good = True
    for s in structures:
        got = calculator.evaluate(compiled, s.positions, s.types, s.cell, fparam=s.fparam, aparam=s.aparam)
        for name, oracle in oracles.items():
            exact = oracle(model, s.positions, s.types, s.cell, fparam=s.fparam, aparam=s.aparam)
            errors = difference(got, exact, len(s.types))
            fine = within(errors, allowed)
            good = good and fine
            log.info(
                "%-40s %6d  %-9s %12.1e %15.1e %15.1e%s",
                s.name[-40:], len(s.types), name, errors.force, errors.energy, errors.virial, "" if fine else "  outside",
            )  # fmt: skip
    limits = allowed, ENERGY_PER_FORCE * allowed, VIRIAL_PER_FORCE * allowed
    log.info("%s: forces %g eV/A, energy %g eV/atom, virial %g eV/atom", "within" if good else "OUTSIDE the tolerance", *limits)
    return good


def _networks(model: AnyModel) -> tuple[ModelDescription, ...]:
    """The parts that were compressed."""
    return model.networks if isinstance(model, CombinedModel) else (model,)


def _parts(tables: AnyTables) -> tuple[TableSet, ...]:
    return tables.parts if isinstance(tables, CombinedTables) else (tables,)


def _same_kind(model: AnyModel, tables: AnyTables, path: str) -> None:
    if model.type_map != tables.type_map:
        raise InputError(f"{path}: has the types {' '.join(tables.type_map)}, the model {' '.join(model.type_map)}")
    wanted = model.parameters if isinstance(model, CombinedModel) else model.fitting.parameters
    n_fparam, n_aparam = (max(getattr(part, name) for part in _parts(tables)) for name in ("n_fparam", "n_aparam"))
    if (n_fparam, n_aparam) != (wanted.n_fparam, wanted.n_aparam):
        raise InputError(
            f"{path}: takes {n_fparam} frame and {n_aparam} atomic parameters, the model {wanted.n_fparam} and {wanted.n_aparam}"
        )
    source = tables.provenance.get("source")
    if isinstance(source, dict) and source.get("sha256") not in (None, model.provenance.sha256):
        log.info("note: the tables were made from another file: %s, SHA-256 %s", source.get("file_name"), source["sha256"])


def _tolerance(tables: AnyTables, asked: float | None, n_networks: int) -> float:
    """What is asked for; else what the tables were built for, of each network."""
    if asked is not None:
        if not (np.isfinite(asked) and asked > 0):
            raise InputError(f"--tolerance must be a positive force in eV/A, not {asked}")
        return asked
    stored: Any = tables.provenance.get("options", {})
    value = stored.get("tolerance") if isinstance(stored, dict) else None
    built_for = float(value) if isinstance(value, (int, float)) and value > 0 else DEFAULT_TOLERANCE
    return n_networks * built_for


def _structures(model: AnyModel, tables: AnyTables, systems: Sequence[str] | None) -> list[Structure]:
    """Given ones, or such as the first part with nets was trained on."""
    first = _networks(model)[0]
    if not systems:
        return judge_structures(first, np.max([part.min_distance for part in _parts(tables)], axis=0))
    opened = [open_system(path, model.type_map) for path in find_systems(systems)]
    found = telling_frames(opened, model.n_types, model.rcut, FRAMES, ATOMS)
    if not any(len(structure.types) for structure in found):
        raise InputError(f"{' '.join(systems)}: no frame with an atom of the model, nothing to compare")
    return with_parameters(first, found)


def _oracles(model: AnyModel) -> dict[str, Callable[..., reference.Result]]:
    oracles: dict[str, Callable[..., reference.Result]] = {"reference": combined.evaluate}
    if not isinstance(model, CombinedModel) and importlib.util.find_spec("torch") is not None:
        from .oracles import reference_torch

        oracles["autograd"] = reference_torch.evaluate
    return oracles
