# SPDX-License-Identifier: MIT
"""What a table file holds, for people: from the file alone."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from typing import Any

import numpy as np

from .compress.accuracy import pair_names
from .compress.stored import columns_of, n_inputs
from .descriptors.radial import Radial
from .model.description import PairKind
from .model.descriptor import Argument, Form
from .tablefile.tableset import (
    AnyTables,
    CombinedTables,
    DescriptorArrays,
    FittingArrays,
    InputArrays,
    NeighbourRule,
    SwitchArrays,
    TableSet,
)

RULES = {
    NeighbourRule.ALL: "all",
    NeighbourRule.PER_TYPE: "the nearest sel of each type",
    NeighbourRule.TOTAL: "the nearest of all types, then of each type",
    NeighbourRule.MIXED: "the nearest of all types",
    NeighbourRule.UNION: "the nearest of all types for all descriptors together, then of each type for each",
}
KINDS = {
    PairKind.SLOTS: "excluded by the descriptor",
    PairKind.SECTION: "excluded by the descriptor, empty slots too",
    PairKind.MODEL: "excluded by the model",
    PairKind.ABSENT: "absent (sel 0)",
}


def info_lines(tables: AnyTables) -> list[str]:
    """The text of `python -m pybuild info`."""
    if not isinstance(tables, CombinedTables):
        return [*_lines_of_one(tables), *_provenance_lines(tables)]
    lines = [f"{len(tables.parts)} parts, whose energies are added", *_switch_lines(tables.switch)]
    for k, part in enumerate(tables.parts):
        lines += ["", f"part {k}", *_lines_of_one(part)]
    return [*lines, *_provenance_lines(tables)]


def _lines_of_one(tables: TableSet) -> list[str]:
    return [*_model_lines(tables), "", *_table_lines(tables), "", *_fitting_lines(tables)]


def _switch_lines(s: SwitchArrays | None) -> list[str]:
    if s is None:
        return []
    return [
        f"but for part {s.near} times w and part {s.far} times 1 - w: w = 1 below {s.rmin:g} A, 0 from {s.rmax:g} A of the mean "
        f"distance of an atom's neighbours, weighted with exp(-r/{s.alpha:g} A)"
    ]


def info(tables: AnyTables) -> dict[str, Any]:
    """The same for programs: lengths in angstrom, energies in eV."""
    if not isinstance(tables, CombinedTables):
        return _info_of_one(tables) | {"provenance": tables.provenance}
    parts = [_info_of_one(part) for part in tables.parts]
    switch = None if tables.switch is None else asdict(tables.switch)
    return {"types": list(tables.type_map), "parts": parts, "switch": switch, "provenance": tables.provenance}


def _info_of_one(t: TableSet) -> dict[str, Any]:
    names = list(t.type_map)
    return {
        "types": names,
        "energy_bias": dict(zip(names, t.energy_bias.tolist(), strict=True)),
        "neighbour_rule": t.neighbour_rule.name.lower(),
        "check_frequency": t.check_frequency,
        "n_fparam": t.n_fparam,
        "n_aparam": t.n_aparam,
        "default_fparam": None if t.default_fparam is None else t.default_fparam.tolist(),
        "min_distance": t.min_distance.tolist(),
        "close_distance": None if t.close_distance is None else t.close_distance.tolist(),
        "descriptors": [_descriptor(t, d) for d in t.descriptors],
        "tables": [_table(t, k) for k in range(len(t.tables))],
        "fittings": {name: None if f is None else _fitting(t, f) for name, f in zip(names, t.fittings, strict=True)},
    }


def _descriptor(t: TableSet, d: DescriptorArrays) -> dict[str, Any]:
    numbers = ("kind", "rcut", "rcut_smth", "env_protection", "n_sel", "width", "axis_neuron")
    facts = {name: getattr(d, name) for name in numbers} | {"sel": dict(zip(t.type_map, d.sel.tolist(), strict=True))}
    return facts | {kind.name.lower(): names for kind in KINDS if (names := _pairs_of_kind(t, d, kind))}


def _pairs_of_kind(t: TableSet, d: DescriptorArrays, kind: PairKind) -> list[str]:
    return [f"{t.type_map[a]}-{t.type_map[b]}" for a, b in np.argwhere(d.pair_kind == kind).tolist()]


def _table(t: TableSet, k: int) -> dict[str, Any]:
    table = t.tables[k]
    return {
        "pairs": pair_names(t, k), "argument": table.argument.name.lower(), "lower": table.lower, "upper": table.upper,
        "end": table.max, "rows": len(table.coef), "order": table.coef.shape[1] - 1, "rank": table.rank,
        "width": len(table.basis), "bytes": table.coef.nbytes,
    }  # fmt: skip


def _fitting(t: TableSet, f: FittingArrays) -> dict[str, Any]:
    inputs = [
        {"descriptor": first.descriptor, "form": Form(first.form).name.lower()}
        | {part: n_inputs(t, first, part) for part in ("double", "mixed", "all")}
        for first in f.inputs
    ]
    return {"inputs": inputs, "widths": [int(layer.weight.shape[1]) for layer in f.layers]}


def _model_lines(t: TableSet) -> list[str]:
    lines = [f"types: {' '.join(t.type_map)}"]
    for index, d in enumerate(t.descriptors):
        lines += _descriptor_lines(t, d, f"descriptor {index}" if len(t.descriptors) > 1 else "descriptor")
    lines += _parameter_lines(t)
    lines.append(f"neighbours kept where there are more than sel: {RULES[t.neighbour_rule]}")
    lines.append(f"overflow report every {t.check_frequency} steps; smallest distances of the training data, A:")
    n = len(t.type_map)
    pairs = [(a, b) for a in range(n) for b in range(a, n)]
    lines.append("  " + ", ".join(f"{t.type_map[a]}-{t.type_map[b]} {t.min_distance[a, b]:.3f}" for a, b in pairs))
    if t.close_distance is not None:
        part = float((t.close_distance / t.min_distance).max())
        lines.append(f"all columns and products for atoms with a pair closer than {part:.3g} times that")
    return lines


def _parameter_lines(t: TableSet) -> list[str]:
    default = "" if t.default_fparam is None else f", {' '.join(f'{value:g}' for value in t.default_fparam)} where none are given"
    lines = [f"frame parameters: {t.n_fparam}{default}"] if t.n_fparam else []
    return [*lines, *([f"atomic parameters: {t.n_aparam}"] if t.n_aparam else [])]


def _descriptor_lines(t: TableSet, d: DescriptorArrays, name: str) -> list[str]:
    by_type = ", ".join(f"{name} {n}" for name, n in zip(t.type_map, d.sel.tolist(), strict=True))
    sel = f"{d.n_sel} for all types" if t.neighbour_rule is NeighbourRule.MIXED and d.shares_slots else by_type
    protection = f", env_protection {d.env_protection:g} A" if d.env_protection else ""
    axis = f", axis_neuron {d.axis_neuron}" if d.axis_neuron else ""
    lmax = f", lmax {1 + len(d.degree_gains)}" if d.degree_gains.size else ""
    lines = [
        f"{name}: {d.kind}, rcut {d.rcut:g} A, rcut_smth {d.rcut_smth:g} A{protection}, sel {sel}",
        f"embedding: {d.width} outputs{axis}{lmax}",
    ]
    for kind, text in KINDS.items():
        if found := _pairs_of_kind(t, d, kind):
            lines.append(f"{text}: {' '.join(found)}")
    return lines


def _table_lines(t: TableSet) -> list[str]:
    lines = [
        f"{'table':>5}  {'range of x':>20}  {'fine to, ends at, A':>19}  {'rows':>6} {'order':>5} {'rank':>8} {'kB':>7}  pairs"
    ]
    for k, table in enumerate(t.tables):
        d, centre = next((d, a) for d in t.descriptors for a in range(len(d.sel)) if k in d.tables_around(a).values())
        radial = Radial(d.rcut, d.rcut_smth, d.env_protection, d.mean, d.std[:, 0])
        ends = np.array([table.upper, table.max])
        over_r = table.argument is Argument.R
        distances = d.rcut - ends if over_r else radial.distance(centre, ends if d.n_bodies == 2 else np.sqrt(ends))
        reach = "{:.3f}, {:.3f}".format(*distances)
        knots = f"{'rcut - r: ' if over_r else ''}{table.lower:g} .. {table.upper:g} .. {table.max:g}"
        lines.append(
            f"{k:>5}  {knots:>20}  {reach:>19}  {len(table.coef):>6} "
            f"{table.coef.shape[1] - 1:>5} {f'{table.rank}/{len(table.basis)}':>8} {table.coef.nbytes / 1000:>7.0f}  "
            f"{pair_names(t, k)}"
        )
    return lines


def _fitting_lines(t: TableSet) -> list[str]:
    lines = []
    for name, fitting in zip(t.type_map, t.fittings, strict=True):
        if fitting is None:
            lines.append(f"fitting net {name}: none, these atoms have no energy")
            continue
        widths = "-".join(str(layer.weight.shape[1]) for layer in fitting.layers)
        inputs = [f"{_input_text(t, first)}{_of_descriptor(t, first.descriptor)}" for first in fitting.inputs]
        lines.append(f"fitting net {name}: {' and '.join(inputs)} -> {widths}")
    return lines


def _of_descriptor(t: TableSet, d: int) -> str:
    return f", of descriptor {d}" if len(t.descriptors) > 1 else ""


def _input_text(t: TableSet, first: InputArrays) -> str:
    if first.form == Form.DIRECT:
        return f"{n_inputs(t, first, 'all')} numbers of the descriptor"
    if first.form == Form.LINEAR:
        text = {part: _columns_text(t, first, part) for part in ("double", "mixed", "all")}
        has_double, has_mixed = first.n_double is not None, first.n_mixed is not None
    else:
        of = "" if first.combination is None else f"{len(first.row_end)} combinations of "
        text = {
            part: f"{n_inputs(t, first, part)} products{_single_text(first, part)} of {of}{_columns_text(t, first, part)}"
            for part in ("double", "mixed", "all")
        }
        has_double, has_mixed = first.row_end_double is not None, first.row_end_mixed is not None
    mixed = f"; in mixed precision {text['mixed']}" if has_mixed else ""
    return text["double"] + mixed + (f"; with a closer pair {text['all']}" if has_double else "")


def _single_text(first: InputArrays, part: str) -> str:
    """How many products an evaluation in double precision takes in single precision."""
    if part != "double" or first.row_end_exact is None or first.row_end_double is None:
        return ""
    return f" ({np.maximum(first.row_end_double - first.row_end_exact, 0).sum()} in single precision)"


def _columns_text(t: TableSet, first: InputArrays, part: str) -> str:
    columns = columns_of(first, part)
    counts, d = Counter(columns[:, 0].tolist()), t.descriptors[first.descriptor]
    by_group = ", ".join(f"{_group_name(t, d, group)} {n}" for group, n in sorted(counts.items()))
    return f"{len(columns)} columns ({by_group})"


def _group_name(t: TableSet, d: DescriptorArrays, group: int) -> str:
    """Of neighbours: their type, or both types of pairs."""
    return "-".join(t.type_map[b] for b in ((group,) if d.n_bodies == 2 else divmod(group, len(d.sel))))


def _provenance_lines(t: AnyTables) -> list[str]:
    if not t.provenance:
        return ["", "provenance: none"]
    return ["", "provenance:", *json.dumps(t.provenance, indent=2, ensure_ascii=False).splitlines()]
