# SPDX-License-Identifier: MIT
"""What a table file holds, for people: from the file alone."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np

from .arrays import IntArray
from .compress.accuracy import pair_names, products
from .compress.grid import ABSENT, DESCRIPTOR_EXCLUDED, MODEL_EXCLUDED, distance_of
from .tableset import TableSet

KINDS = {DESCRIPTOR_EXCLUDED: "excluded by the descriptor", MODEL_EXCLUDED: "excluded by the model", ABSENT: "absent (sel 0)"}


def info_lines(tables: TableSet) -> list[str]:
    """The text of `python -m pybuild info`."""
    return [*_model_lines(tables), "", *_table_lines(tables), "", *_fitting_lines(tables), *_provenance_lines(tables)]


def _model_lines(t: TableSet) -> list[str]:
    sel = ", ".join(f"{name} {n}" for name, n in zip(t.type_map, t.sel.tolist(), strict=True))
    protection = f", env_protection {t.env_protection:g} A" if t.env_protection else ""
    lines = [
        f"types: {' '.join(t.type_map)}",
        f"descriptor: {t.kind}, rcut {t.rcut:g} A, rcut_smth {t.rcut_smth:g} A{protection}, sel {sel}",
        f"embedding: {t.width} outputs, axis_neuron {t.axis_neuron}",
        f"overflow report every {t.check_frequency} steps; smallest distances of the training data, A:",
    ]
    n = len(t.type_map)
    pairs = [(a, b) for a in range(n) for b in range(a, n)]
    lines.append("  " + ", ".join(f"{t.type_map[a]}-{t.type_map[b]} {t.min_distance[a, b]:.3f}" for a, b in pairs))
    for kind, text in KINDS.items():
        found = [f"{t.type_map[a]}-{t.type_map[b]}" for a in range(n) for b in range(n) if t.pair_kind[a, b] == kind]
        if found:
            lines.append(f"{text}: {' '.join(found)}")
    return lines


def _table_lines(t: TableSet) -> list[str]:
    lines = [
        f"{'table':>5}  {'range of x':>20}  {'fine to, ends at, A':>19}  {'rows':>6} {'order':>5} {'rank':>8} {'kB':>7}  pairs"
    ]
    for k, table in enumerate(t.tables):
        centre = int((t.pair_table == k).nonzero()[0][0])
        reach = "{:.3f}, {:.3f}".format(*distance_of(t, centre, np.array([table.upper, table.max])))
        lines.append(
            f"{k:>5}  {f'{table.lower:g} .. {table.upper:g} .. {table.max:g}':>20}  {reach:>19}  {len(table.coef):>6} "
            f"{table.coef.shape[1] - 1:>5} {f'{table.rank}/{t.width}':>8} {table.coef.nbytes / 1000:>7.0f}  {pair_names(t, k)}"
        )
    return lines


def _fitting_lines(t: TableSet) -> list[str]:
    lines = []
    inputs, inputs_mixed, inputs_all = (products(t, part) for part in ("double", "mixed", "all"))
    for name, fitting in zip(t.type_map, t.fittings, strict=True):
        if fitting is None:
            lines.append(f"fitting net {name}: none, these atoms have no energy")
            continue
        widths = "-".join(str(layer.weight.shape[1]) for layer in fitting.layers)
        if fitting.columns is None:
            form = f"{inputs[name]} numbers of the descriptor"
        else:
            form = _products_text(t, inputs[name], _in_use(fitting.columns, fitting.row_end_double))
            if fitting.row_end_mixed is not None:
                columns = _in_use(fitting.columns, fitting.row_end_mixed)
                form += f"; in mixed precision {_products_text(t, inputs_mixed[name], columns)}"
            if fitting.row_end_double is not None:
                form += f"; with a closer pair {_products_text(t, inputs_all[name], fitting.columns)}"
        lines.append(f"fitting net {name}: {form} -> {widths}")
    return lines


def _in_use(columns: IntArray, row_end: IntArray | None) -> IntArray:
    """The columns that some product has."""
    return columns if row_end is None else columns[: row_end[row_end > np.arange(len(columns))].max()]


def _products_text(t: TableSet, n_products: int, columns: IntArray) -> str:
    counts = Counter(columns[:, 0].tolist())
    by_type = ", ".join(f"{t.type_map[b]} {n}" for b, n in sorted(counts.items()))
    return f"{n_products} products of {len(columns)} columns ({by_type})"


def _provenance_lines(t: TableSet) -> list[str]:
    if not t.provenance:
        return ["", "provenance: none"]
    return ["", "provenance:", *json.dumps(t.provenance, indent=2, ensure_ascii=False).splitlines()]
