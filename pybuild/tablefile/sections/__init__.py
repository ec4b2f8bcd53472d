# SPDX-License-Identifier: MIT
"""TableSet, or CombinedTables, to named arrays and back: every shape, range and code rule of docs/tables-format.md section 3.

`tables_of` checks as much as the compiled loader does, so that a file which Python accepts runs, and the other way round.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from ...errors import ModelError
from ..container import MAJOR, MINOR, Container
from ..tableset import AnyTables, CombinedTables, TableSet
from .access import NamedArray, Sections, as_json, require
from .combined import combined_sections, read_parts
from .descriptors import descriptor_sections, read_descriptors
from .fittings import fitting_sections, read_fittings
from .model import model_sections, read_model
from .tables import read_tables, table_sections

__all__ = ["sections_of", "tables_of"]

PROVENANCE = "provenance.json"


def sections_of(t: AnyTables) -> list[NamedArray]:
    """(name, array, required) of all sections, in the order of the file."""
    out = combined_sections(t, _sections_of_one) if isinstance(t, CombinedTables) else _sections_of_one(t)
    if t.provenance:
        out.append((PROVENANCE, as_json(t.provenance, PROVENANCE), False))
    return out


def _sections_of_one(t: TableSet) -> list[NamedArray]:
    return [*model_sections(t), *descriptor_sections(t.descriptors), *table_sections(t.tables), *fitting_sections(t.fittings)]


def tables_of(container: Container) -> AnyTables:
    """What a container holds. Raises ModelError naming the section."""
    try:
        return _read(Sections(container))
    except ModelError as error:
        if container.minor <= MINOR:
            raise
        # Whatever is wrong, the likely cause.
        raise ModelError(
            f"{error}; the file has format {MAJOR}.{container.minor}, this program reads format {MAJOR}.{MINOR}: install a newer "
            "version, or make the file again with this one"
        ) from error


def _read(s: Sections) -> AnyTables:
    tables: AnyTables = read_parts(s, _read_one) if s.has("part.count") else _read_one(s)
    provenance = _read_provenance(s) if s.has(PROVENANCE) else {}
    s.refuse_unknown()
    return replace(tables, provenance=provenance)


def _read_one(s: Sections) -> TableSet:
    model = read_model(s)
    descriptors = read_descriptors(s, len(model["type_map"]), model["neighbour_rule"])
    tables = read_tables(s, descriptors)
    fittings = read_fittings(s, model, descriptors, tables)
    return TableSet(**model, descriptors=descriptors, tables=tables, fittings=fittings)


def _read_provenance(s: Sections) -> dict[str, Any]:
    text = s.text(PROVENANCE)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"unusable table file: section '{PROVENANCE}': is not JSON: {error}") from error
    require(isinstance(value, dict), PROVENANCE, "is not a JSON object")
    return value
