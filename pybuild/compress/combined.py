# SPDX-License-Identifier: MIT
"""A build of a model, of one part or several: tables with their provenance, and the report. Parts with nets are compressed one by
one, as models of their own; pair tables stay what they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from ..arrays import Array
from ..model.combined import AnyModel, CombinedModel, PairTable, Part
from ..structures.structure import Structure
from ..tablefile.tableset import AnyTables, CombinedTables, SwitchArrays, TableSet
from .accuracy import provenance, report_lines, table_reports
from .build import Options, build
from .pair_tables import pair_tables

OF_ALL = ("source", "pybuild", "options", "min_nbor_dist")  # of a part's provenance what holds for the whole model


@dataclass(frozen=True)
class Compressed:
    """A build, and what is said of it."""

    tables: AnyTables
    lines: tuple[str, ...]


def compress(
    model: AnyModel,
    min_distance: float,
    options: Options,
    pair_distances: Array | None = None,
    structures: Sequence[Structure] = (),
) -> Compressed:
    """As build.build, of models of one part or several."""
    measured = min_distance, options, pair_distances, structures
    if not isinstance(model, CombinedModel):
        tables, lines = _compress_part(model, *measured)
        return Compressed(tables, tuple(lines))
    parts, lines = [], []
    for k, part in enumerate(model.parts):
        tables, of_part = _compress_part(part, *measured)
        parts.append(tables)
        lines += [f"part {k}{_role(model, k)}:", *of_part]
    switch = None if model.switch is None else SwitchArrays(**asdict(model.switch))
    bare = tuple(replace(tables, provenance={}) for tables in parts)
    return Compressed(CombinedTables(bare, switch, _provenance(model, [tables.provenance for tables in parts])), tuple(lines))


def _compress_part(
    part: Part, min_distance: float, options: Options, pair_distances: Array | None, structures: Sequence[Structure]
) -> tuple[TableSet, list[str]]:
    """With its provenance, and its report."""
    if isinstance(part, PairTable):
        tables = pair_tables(part, options.check_frequency)
        rows = max(len(table.coef) for table in tables.tables)
        size = sum(table.coef.nbytes for table in tables.tables) / 1e3
        about = f"pair table: {len(tables.tables)} tables of {rows} cubics as they are, {size:.0f} kB, from {part.first:g} A"
        return replace(tables, provenance={"pair_table": {"tables": len(tables.tables), "rows": rows}}), [about]
    result = build(part, min_distance, options, pair_distances, structures)
    reports = table_reports(result)
    record = provenance(part, result, reports, options, min_distance)
    return replace(result.tables, provenance=record), report_lines(result, reports, options)


def _role(model: CombinedModel, k: int) -> str:
    s = model.switch
    if s is None or k not in (s.near, s.far):
        return ""
    if k == s.far:
        return ", for all others (1 - w)"
    return f", for close neighbours (w = 1 below {s.rmin:g} A, 0 from {s.rmax:g} A)"


def _provenance(model: CombinedModel, of_parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    whole = next((part for part in of_parts if "options" in part), {})
    common: dict[str, Any] = {"source": asdict(model.provenance)} | {key: whole[key] for key in OF_ALL if key in whole}
    mine = [{key: value for key, value in part.items() if key not in OF_ALL} for part in of_parts]
    return common | ({} if model.switch is None else {"switch": asdict(model.switch)}) | {"parts": mine}
