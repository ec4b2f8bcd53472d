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

from .. import __version__
from ..blas import one_blas_thread
from ..model.description import ModelDescription
from ..model.descriptor import Argument, Form
from ..model.piecewise import Piecewise
from ..progress import track
from ..tablefile.tableset import InputArrays, TableSet
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
OF_TABLES = (
    "the model has tables of its own instead of embedding nets: errors are against these; how well they follow the trained nets "
    "is not known here, and beyond their ends they are straight lines"
)


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
    """The pairs of types that use a table, centre-neighbour, or (neighbour neighbour) of three bodies; of several descriptors
    after their numbers."""
    texts = []
    for d, descriptor in enumerate(tables.descriptors):
        users = np.argwhere(descriptor.pair_table == t).tolist()
        number = [f"{d}:"] if users and len(tables.descriptors) > 1 else []
        named = [(tables.type_map[a], tables.type_map[b]) for a, b in users if descriptor.n_bodies == 2 or a <= b]
        texts += [*number, *(f"{a}-{b}" if descriptor.n_bodies == 2 else f"({a} {b})" for a, b in named)]
    return " ".join(texts)


def first_inputs(tables: TableSet, d: int, part: str = "double") -> dict[str, int]:
    """What the first fitting layer takes of a descriptor by type: products S_pq or columns where folded, else the descriptor's
    numbers. part as in stored.stored_fittings."""
    return {name: n_inputs(tables, taken, part) for name, taken in _taken(tables, d).items()}


def _taken(tables: TableSet, d: int) -> dict[str, InputArrays]:
    """By type."""
    named = ((name, f) for name, f in zip(tables.type_map, tables.fittings, strict=True) if f is not None)
    return {name: taken for name, f in named for taken in f.inputs if taken.descriptor == d}


def report_lines(build: Build, reports: list[TableReport], options: Options) -> list[str]:
    """The report as text."""
    lines = [
        f"{'table':<18}{_range_name(build.tables):>22}{'rows':>7}{'rank':>9}{'kB':>8}   "
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
        *_input_lines(build.tables),
        f"measured on {build.measured_on}: {_errors_text(measured.double)}",
        f"in mixed precision, before rounding: {_errors_text(measured.mixed)}",
        *_between_lines(build),
        f"closer, to {NEAR:g}, with all columns: {_errors_text(measured.near)}",
        f"closer still, to the end of the tables: {_errors_text(measured.far)}",
        *([f"note: {OF_TABLES}"] if _is_of_tables(build) else []),
    ]
    return lines + [f"warning: {text}" for text in _warnings(build, options)]


def _is_of_tables(build: Build) -> bool:
    return any(isinstance(plan.function.net, Piecewise) for plan in build.plans)


def _range_name(tables: TableSet) -> str:
    over_r = {table.argument is Argument.R for table in tables.tables}
    return {frozenset({True}): "range of rcut - r", frozenset({False}): "range of x"}.get(frozenset(over_r), "x, or rcut - r")


def _between_lines(build: Build) -> list[str]:
    """Of centres that take what ordinary ones do, though a neighbour is closer than in the training data; if there are any."""
    if build.close_factor == 1:
        return []
    return [f"pairs closer than in the training data, to {build.close_factor:g} of its distances: {_errors_text(build.between)}"]


def _input_lines(tables: TableSet) -> list[str]:
    """What the first fitting layer takes of each descriptor."""
    several = len(tables.descriptors) > 1
    names = [f", descriptor {d} ({of.kind})" if several else "" for d, of in enumerate(tables.descriptors)]
    return [f"first fitting layer{name}: {_inputs_text(tables, d)}" for d, name in enumerate(names)]


def _inputs_text(tables: TableSet, d: int) -> str:
    form = _form(tables, d)
    if form == Form.DIRECT:
        return f"direct, descriptor: {_counts(tables, d, 'double')}"
    return (
        f"folded, {'columns' if form == Form.LINEAR else 'products'}: {_counts(tables, d, 'double')}; "
        f"in mixed precision: {_counts(tables, d, 'mixed')}; "
        f"with a closer pair: {_counts(tables, d, 'all')}"
    )


def _form(tables: TableSet, d: int) -> Form:
    """The same for all centre types."""
    return next(iter(_taken(tables, d).values())).form


def _counts(tables: TableSet, d: int, part: str) -> str:
    return ", ".join(f"{name} {n}" for name, n in first_inputs(tables, d, part).items())


def _warnings(build: Build, options: Options) -> list[str]:
    """What was asked for and not reached, and what helps; and what the model itself lacks."""
    texts = []
    for name, kind in KINDS.items():
        asked = options.tolerances[name]
        if not within(getattr(build.measured, name), asked):
            texts.append(f"the tolerance of {asked:g} eV/A is not met {kind}; {_remedy(build, options, name)}")
    if build.jump is not None:
        pair = "-".join(build.tables.type_map[t] for t in build.jump.types)
        texts.append(
            f"the model's own energy jumps where a neighbour crosses the cut-off ({abs(build.jump.energy):.1e} eV, {pair} at "
            f"{build.jump.rcut:g} A), so that no run conserves energy: its excluded pairs or empty slots have a part in the "
            "descriptor; a model trained with set_davg_zero has not"
        )
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
    if isinstance(options.rank, int):
        return "leave out --rank, and the columns follow from the tolerance"
    if options.rank == "full":
        return "the tables hold every function of the embedding nets; the model's own rounding may be the limit"
    smaller = "--tolerance-mixed" if name == "mixed" else "--tolerance"
    if within(build.truncation, options.tolerances[name]):
        return f"structures that the choice was not made on need more: a smaller {smaller} keeps more columns"
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
    layers = [_layer_entry(build.tables, d) for d in range(len(build.tables.descriptors))]
    return {
        "source": asdict(model.provenance),
        "pybuild": __version__,
        "options": settings,
        "min_nbor_dist": _figures(min_distance, 12),
        "first_fitting_layer": layers[0] if len(layers) == 1 else layers,
        "accuracy": {
            "measured_on": build.measured_on,
            **({"relative_to": OF_TABLES} if _is_of_tables(build) else {}),
            **_errors_entry(build.measured.double),
            "mixed_before_rounding": _errors_entry(build.measured.mixed),
            "closer_than_training_data": {"to": build.close_factor, **_errors_entry(build.between)},
            "closer_with_all_columns": _errors_entry(build.measured.near),
            "much_closer": _errors_entry(build.measured.far),
            "tables": [_table_entry(r) for r in reports],
        },
    }


def _layer_entry(tables: TableSet, d: int) -> dict[str, Any]:
    return {
        "form": "direct" if _form(tables, d) == Form.DIRECT else "folded",
        "inputs": first_inputs(tables, d),
        "inputs_mixed": first_inputs(tables, d, "mixed"),
        "inputs_with_a_closer_pair": first_inputs(tables, d, "all"),
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
