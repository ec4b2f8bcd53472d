# SPDX-License-Identifier: MIT
"""What a build achieved, for people: a report per table and for the whole model, as text and as the file's provenance.

Table errors are those of V phi(x) against the embedding net, at knots and between them; model errors are those of the
stored tables against the uncompressed model on structures. The provenance holds no time and no path: the same input
gives the same bytes.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from .build import Build, Options
from .description import ModelDescription
from .progress import track
from .reference_tables import stored_fittings
from .selection import within
from .tableset import TableSet
from .tabulate import TableError, table_errors
from .truncation import Errors


@dataclass(frozen=True)
class TableReport:
    """One table: range, size and errors in the fine and in the coarse range."""

    pairs: str  # "O-H H-H": centre-neighbour
    lower: float
    upper: float
    max: float
    rows: int
    rank: int
    width: int
    bytes: int
    fine: TableError
    coarse: TableError


def table_reports(build: Build) -> list[TableReport]:
    """Errors of every table against its embedding net."""
    tables = build.tables
    reports = []
    for t, (table, plan) in track(list(enumerate(zip(tables.tables, build.plans, strict=True))), "table errors"):
        fine, coarse = table_errors(plan, table)
        grid = (table.lower, table.upper, table.max, len(table.coef), table.rank, tables.width, table.coef.nbytes)
        reports.append(TableReport(pair_names(tables, t), *grid, fine, coarse))
    return reports


def pair_names(tables: TableSet, t: int) -> str:
    """The pairs of types (centre-neighbour) that use a table."""
    users = zip(*(tables.pair_table == t).nonzero(), strict=True)
    return " ".join(f"{tables.type_map[a]}-{tables.type_map[b]}" for a, b in users)


def products(tables: TableSet, mixed: bool = False) -> dict[str, int]:
    """Inputs of the first fitting layer by type, in one precision: products S_pq where folded, else the descriptor's numbers."""
    fittings = stored_fittings(tables, mixed)
    return {tables.type_map[a]: len(fitting.net.layers[0].weight) for a, fitting in fittings.items()}


def report_lines(build: Build, reports: list[TableReport], options: Options) -> list[str]:
    """The report as text."""
    lines = [
        f"{'table':<18}{'range of x':>22}{'rows':>7}{'rank':>9}{'kB':>8}   "
        f"{'error: value':>12} {'slope':>8}   {'(coarse range)':>18}"
    ]
    for r in reports:
        lines.append(
            f"{_shorten(r.pairs, 17):<18}{f'{r.lower:g} .. {r.upper:g} .. {r.max:g}':>22}{r.rows:>7}"
            f"{f'{r.rank}/{r.width}':>9}{r.bytes / 1000:>8.0f}   "
            f"{r.fine.value:>12.1e} {r.fine.slope:>8.1e}   {r.coarse.value:>9.1e} {r.coarse.slope:>8.1e}"
        )
    form = "folded, products" if build.folded else "direct, descriptor"
    double, mixed = (", ".join(f"{k} {n}" for k, n in products(build.tables, m).items()) for m in (False, True))
    part = f"in mixed precision: {mixed}" if mixed != double else "in mixed precision, too"
    e = build.errors
    lines += [
        f"first fitting layer: {form}: {double}; {part}",
        f"measured on {build.measured_on}: {_errors_text(e)}",
        f"in mixed precision, before rounding: {_errors_text(build.errors_mixed)}",
    ]
    if options.rank == "auto" and not within(e, options.tolerance):
        lines.append(
            f"warning: the tolerance of {options.tolerance:g} eV/A is not met; a smaller --step or --order 5 makes the "
            "tables more accurate"
        )
    return lines


def _errors_text(e: Errors) -> str:
    return f"forces {e.force:.1e} eV/A, energy {e.energy:.1e} eV/atom, virial {e.virial:.1e} eV/atom"


def _shorten(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 2] + ".."


def provenance(
    model: ModelDescription, build: Build, reports: list[TableReport], options: Options, min_distance: float
) -> dict[str, Any]:
    """The file's provenance.json."""
    settings = asdict(options)
    del settings["form"]
    return {
        "source": asdict(model.provenance),
        "options": settings,
        "min_nbor_dist": _figures(min_distance, 12),
        "first_fitting_layer": {
            "form": "folded" if build.folded else "direct",
            "inputs": products(build.tables),
            "inputs_mixed": products(build.tables, mixed=True),
        },
        "accuracy": {
            "measured_on": build.measured_on,
            **_errors_entry(build.errors),
            "mixed_before_rounding": _errors_entry(build.errors_mixed),
            "tables": [_table_entry(r) for r in reports],
        },
    }


def _errors_entry(e: Errors) -> dict[str, float]:
    return {
        "force_eV_per_angstrom": _figures(e.force),
        "energy_eV_per_atom": _figures(e.energy),
        "virial_eV_per_atom": _figures(e.virial),
    }


def _table_entry(r: TableReport) -> dict[str, Any]:
    return {
        "pairs": r.pairs,
        "rows": r.rows,
        "rank": r.rank,
        "fine": {"value": _figures(r.fine.value), "slope": _figures(r.fine.slope)},
        "coarse": {"value": _figures(r.coarse.value), "slope": _figures(r.coarse.slope)},
    }


def _figures(number: float, digits: int = 2) -> float:
    """Rounded to significant digits: rounding errors of the last bits do not belong into a file."""
    return float(f"{number:.{digits}g}")
