# SPDX-License-Identifier: MIT
"""What a build achieved, for people: a report per table and for the whole model, as text and as the file's provenance.

Table errors are those of V phi(x) against the embedding net, at knots and between them; model errors are those of the
stored tables against the uncompressed model on structures. The provenance holds no time and no path: the same input
gives the same bytes.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..blas import one_blas_thread
from ..model.description import ModelDescription
from ..model.descriptor import Form
from ..progress import track
from ..tablefile.tableset import TableSet
from .build import Build, Options
from .grid import NEAR
from .stored import n_inputs
from .tabulate import TableError, table_errors
from .trials import within
from .truncation import Errors

KINDS = {
    "double": "in the range of the training data",
    "mixed": "in mixed precision",
    "near": "for pairs a little closer than in the training data",
    "far": "for pairs much closer than in the training data",
}


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


@one_blas_thread()
def table_reports(build: Build) -> list[TableReport]:
    """Errors of every table against its embedding net."""
    tables = build.tables
    reports = []
    for t, (table, plan) in track(list(enumerate(zip(tables.tables, build.plans, strict=True))), "table errors"):
        fine, coarse = table_errors(plan, table)
        grid = (table.lower, table.upper, table.max, len(table.coef), table.rank, len(table.basis), table.coef.nbytes)
        reports.append(TableReport(pair_names(tables, t), *grid, fine, coarse))
    return reports


def pair_names(tables: TableSet, t: int) -> str:
    """The pairs of types (centre-neighbour) that use a table."""
    users = {(a, b): None for d in tables.descriptors for a, b in np.argwhere(d.pair_table == t).tolist()}
    return " ".join(f"{tables.type_map[a]}-{tables.type_map[b]}" for a, b in users)


def products(tables: TableSet, part: str = "double") -> dict[str, int]:
    """Inputs of the first fitting layer by type: products S_pq or columns where folded, else the descriptor's numbers. part as in
    stored.stored_fittings."""
    named = zip(tables.type_map, tables.fittings, strict=True)
    return {name: sum(n_inputs(tables, taken, part) for taken in f.inputs) for name, f in named if f is not None}


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
    measured = build.measured
    lines += [
        f"first fitting layer: {_inputs_text(build)}",
        f"measured on {build.measured_on}: {_errors_text(measured.double)}",
        f"in mixed precision, before rounding: {_errors_text(measured.mixed)}",
        *_between_lines(build),
        f"closer, to {NEAR:g}, with all columns: {_errors_text(measured.near)}",
        f"closer still, to the end of the tables: {_errors_text(measured.far)}",
    ]
    return lines + [f"warning: {text}" for text in _warnings(build, options)]


def _between_lines(build: Build) -> list[str]:
    """Of centres that take what ordinary ones do, though a neighbour is closer than in the training data; if there are any."""
    if build.close_factor == 1:
        return []
    return [f"pairs closer than in the training data, to {build.close_factor:g} of its distances: {_errors_text(build.between)}"]


def _inputs_text(build: Build) -> str:
    if not build.folded:
        return f"direct, descriptor: {_counts(build, 'double')}"
    linear = any(taken.form == Form.LINEAR for f in build.tables.fittings if f is not None for taken in f.inputs)
    return (
        f"folded, {'columns' if linear else 'products'}: {_counts(build, 'double')}; "
        f"in mixed precision: {_counts(build, 'mixed')}; "
        f"with a closer pair: {_counts(build, 'all')}"
    )


def _counts(build: Build, part: str) -> str:
    return ", ".join(f"{name} {n}" for name, n in products(build.tables, part).items())


def _warnings(build: Build, options: Options) -> list[str]:
    """What was asked for and not reached, and what helps."""
    if options.rank != "auto":
        return []
    texts = []
    for name, kind in KINDS.items():
        asked = options.tolerances[name]
        if not within(getattr(build.measured, name), asked):
            texts.append(f"the tolerance of {asked:g} eV/A is not met {kind}; {_remedy(build, options, name)}")
    return texts


def _remedy(build: Build, options: Options, name: str) -> str:
    """The first cause that applies."""
    if build.kinked_fitting:
        return (
            "the fitting net has an activation with corners (relu, relu6), whose forces jump: the smallest difference "
            "in the input can put an atom on the other side, and no table helps against that"
        )
    if options.step is not None:
        return "leave out --step, and the steps follow from the tolerance"
    if options.order == 3:
        return "--order 5 makes the tables more accurate"
    if within(build.truncation, options.tolerances[name]):
        return "structures that the choice was not made on need more: a smaller --tolerance keeps more columns"
    return (
        "--rank full keeps every function of the embedding nets; where that is no better, the model's own rounding is the limit"
    )


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
            "inputs_mixed": products(build.tables, "mixed"),
            "inputs_with_a_closer_pair": products(build.tables, "all"),
        },
        "accuracy": {
            "measured_on": build.measured_on,
            **_errors_entry(build.measured.double),
            "mixed_before_rounding": _errors_entry(build.measured.mixed),
            "closer_than_training_data": {"to": build.close_factor, **_errors_entry(build.between)},
            "closer_with_all_columns": _errors_entry(build.measured.near),
            "much_closer": _errors_entry(build.measured.far),
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
