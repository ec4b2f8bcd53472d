# SPDX-License-Identifier: MIT
"""A TableSet as the parts of an evaluation: what a build measures is what it stores, interpolation included."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np

from ..arrays import Array, IntArray
from ..model.descriptor import Descriptor, Form
from ..model.net import Net
from ..tablefile.tableset import InputArrays, TableSet
from . import hermite
from .environment import Environment, Pair
from .evaluation import EMPTY, DirectInput, Features, FirstLayerInput, Fitting, FoldedInput, LinearInput, moments_of
from .grid import grid_of
from .trials import Part, ProductPart
from .truncation import Case


def input_arrays(
    d: int, first: FirstLayerInput, double: Part | None, mixed: Part | None, exact: IntArray | None = None
) -> InputArrays:
    """How a file says what a first layer takes of descriptor d; None: ordinary centres take all in that precision, or (exact)
    none in single precision."""
    if isinstance(first, FoldedInput):
        return _square_arrays(d, first, double or ProductPart(), mixed or ProductPart(), exact)
    if isinstance(first, LinearInput):
        return InputArrays(d, Form.LINEAR, first.columns, n_double=double, n_mixed=mixed)
    return InputArrays(d, Form.DIRECT, rank_double=double, rank_mixed=mixed)


def _square_arrays(
    d: int, first: FoldedInput, double: ProductPart, mixed: ProductPart, exact: IntArray | None
) -> InputArrays:
    return InputArrays(
        d,
        Form.SQUARE,
        first.columns,
        first.row_end,
        row_end_double=double.row_end,
        row_end_mixed=mixed.row_end,
        row_end_exact=None if double.row_end is None else exact,
        n_double=double.n_columns,
        n_mixed=mixed.n_columns,
        combination=first.combination,
    )


def looked_up(tables: TableSet, case: Case) -> Case:
    """A case with the features that the tables give."""
    features = look_up(tables, case.env)
    types = [a for a, f in enumerate(tables.fittings) if f is not None and a in case.env.centres]
    moments = {a: moments_of(case.env, features, a) for a in types}
    return replace(case, features=features, moments=moments)


def look_up(tables: TableSet, env: Environment) -> dict[Pair, Features]:
    """phi and its slope for all pairs of an environment."""
    features = {}
    for pair, block in env.blocks.items():
        d, a, b = pair
        table = tables.tables[tables.descriptors[d].table_of(a, b)]
        value, slope = hermite.evaluate(table.coef, grid_of(table), block.x)
        features[pair] = Features.of(block, value, slope)
    return features


def stored_fittings(descriptors: Sequence[Descriptor], tables: TableSet, part: str = "double") -> dict[int, Fitting]:
    """The fitting nets of the centre types that have an energy. part: what they take, "all" (of a centre with a neighbour much
    closer than in the training data), "double" or "mixed" (of any other, in that precision)."""
    return {a: _fitting(descriptors, tables, a, part) for a, f in enumerate(tables.fittings) if f is not None}


def same_part(one: TableSet, other: TableSet, part: str) -> bool:
    """Whether the first layers of two files take the same for a part (as above) with the same weights; of files of the same
    tables, of which one may have more columns."""
    absent = tuple(f"_{name}" for name in ("double", "mixed", "exact") if name != part)
    names = [f.name for f in fields(InputArrays) if not f.name.endswith(absent)]
    same_ranks = [t.rank for t in one.tables] == [t.rank for t in other.tables]
    for mine, theirs in zip(one.fittings, other.fittings, strict=True):
        if mine is None or theirs is None:
            continue
        for a, b in zip(mine.inputs, theirs.inputs, strict=True):
            if not all(np.array_equal(getattr(a, name), getattr(b, name)) for name in names):
                return False
            if a.form == Form.DIRECT and not same_ranks:
                return False
        if not np.array_equal(mine.layers[0].weight, theirs.layers[0].weight):
            return False
    return True


def n_inputs(tables: TableSet, taken: InputArrays, part: str = "double") -> int:
    """Numbers that a first layer takes of one descriptor; part as above."""
    if taken.form == Form.DIRECT:
        d = tables.descriptors[taken.descriptor]
        return d.width * max(1, d.axis_neuron)
    if taken.form == Form.SQUARE:
        row_end = _part(taken, "row_end", part)
        return int((row_end - np.arange(len(row_end))).sum())
    return len(columns_of(taken, part)) * int(tables.descriptors[taken.descriptor].n_per_column)


def columns_of(taken: InputArrays, part: str) -> IntArray:
    """square, linear: those that a part takes."""
    if taken.form == Form.LINEAR or taken.combination is not None:
        return taken.columns[: _part(taken, "n", part) or len(taken.columns)]
    row_end = _part(taken, "row_end", part)
    return taken.columns[: row_end[row_end > np.arange(len(row_end))].max()]


def _part(taken: InputArrays, name: str, part: str) -> Any:
    """name_part, or where that is absent name itself: all."""
    found = None if part == "all" else getattr(taken, f"{name}_{part}")
    return getattr(taken, name, None) if found is None else found


def _fitting(descriptors: Sequence[Descriptor], tables: TableSet, a: int, part: str) -> Fitting:
    """Of nets that take the descriptors in their order."""
    f = tables.fittings[a]
    first, *rest = f.layers
    inputs, weights, start = [], [], 0
    for taken in f.inputs:
        end = start + n_inputs(tables, taken, "all")
        mine, rows = _input(descriptors[taken.descriptor], tables, a, taken, part)
        inputs.append(mine)
        weights.append(first.weight[start:end][rows])
        start = end
    weights.append(first.weight[start:])  # of parameters
    return Fitting(tuple(inputs), Net((replace(first, weight=np.concatenate(weights)), *rest)), float(tables.energy_bias[a]))


def _input(descriptor: Descriptor, tables: TableSet, a: int, taken: InputArrays, part: str) -> tuple[FirstLayerInput, Any]:
    """And which of its rows of the first layer's weight a part has."""
    if taken.form == Form.SQUARE:
        row_end = _part(taken, "row_end", part)
        p, q = FoldedInput(taken.columns, taken.row_end).products()
        if taken.combination is None:
            return FoldedInput(taken.columns, row_end), q < row_end[p]
        columns = columns_of(taken, part)
        return FoldedInput(columns, row_end, taken.combination[:, : len(columns)]), q < row_end[p]
    if taken.form == Form.LINEAR:
        columns = columns_of(taken, part)
        return LinearInput(columns, descriptor.n_components), slice(len(columns) * descriptor.n_components)
    return DirectInput(_bases(tables, a, taken, part), descriptor, a), slice(None)


def _bases(tables: TableSet, a: int, taken: InputArrays, part: str) -> dict[int, Array]:
    """V of the columns that are taken, by group of neighbours."""
    d = tables.descriptors[taken.descriptor]
    used = {b: tables.tables[t] for b, t in d.tables_around(a).items()}
    ranks = _part(taken, "rank", part)
    bases = {b: t.basis[:, : t.rank if ranks is None else ranks[b]] for b, t in used.items()}
    return bases if d.padding is None else bases | {EMPTY: d.padding[a][:, None]}
