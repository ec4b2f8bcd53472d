# SPDX-License-Identifier: MIT
"""A TableSet as the parts of an evaluation: what a build measures is what it stores, interpolation included."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..model.descriptor import Descriptor
from ..model.net import Net
from ..tablefile.tableset import FittingArrays, Form, InputArrays, TableSet
from . import hermite
from .environment import Environment
from .evaluation import DirectInput, Features, FirstLayerInput, Fitting, FoldedInput
from .grid import grid_of


def look_up(tables: TableSet, env: Environment) -> dict[tuple[int, int], Features]:
    """phi and its slope for all pairs of an environment."""
    features = {}
    for pair, block in env.blocks.items():
        table = tables.tables[tables.descriptors[0].pair_table[pair]]
        value, slope = hermite.evaluate(table.coef[:, :, : table.rank], grid_of(table), block.x)
        features[pair] = Features.of(block, value, slope)
    return features


def stored_fittings(descriptor: Descriptor, tables: TableSet, part: str = "double") -> dict[int, Fitting]:
    """The fitting nets of the centre types that have an energy. part: what they take, "all" (of a centre with a neighbour closer
    than in the training data), "double" or "mixed" (of any other, in that precision)."""
    return {a: _fitting(descriptor, tables, a, f, part) for a, f in enumerate(tables.fittings) if f is not None}


def n_inputs(tables: TableSet, first: InputArrays, part: str) -> int:
    """Numbers that the first layer takes of one descriptor."""
    if first.form == Form.DIRECT:
        d = tables.descriptors[first.descriptor]
        return d.width * max(1, d.axis_neuron)
    if first.form == Form.SQUARE:
        row_end = {"double": first.row_end_double, "mixed": first.row_end_mixed}.get(part)
        row_end = first.row_end if row_end is None else row_end
        return int(row_end.sum() - np.arange(len(row_end)).sum())
    return {"double": first.n_double, "mixed": first.n_mixed}.get(part) or len(first.columns)


def _fitting(descriptor: Descriptor, tables: TableSet, a: int, f: FittingArrays, part: str) -> Fitting:
    layers, (taken,) = list(f.layers), f.inputs
    if taken.form == Form.SQUARE:
        first: FirstLayerInput = FoldedInput(taken.columns, taken.row_end)
        row_end = {"double": taken.row_end_double, "mixed": taken.row_end_mixed}.get(part)
        if row_end is not None:
            p, q = first.products()
            layers[0] = replace(layers[0], weight=layers[0].weight[q < row_end[p]])
            first = FoldedInput(taken.columns, row_end)
    else:
        pair_table = tables.descriptors[taken.descriptor].pair_table
        used = {b: tables.tables[t] for b, t in enumerate(pair_table[a].tolist()) if t >= 0}
        ranks = {"double": taken.rank_double, "mixed": taken.rank_mixed}.get(part)
        if ranks is None:
            ranks = {b: t.rank for b, t in used.items()}
        # Columns that are not taken have no weight in T.
        bases = {b: t.basis * (np.arange(t.rank) < ranks[b]) for b, t in used.items()}
        first = DirectInput(bases, descriptor)
    return Fitting(first, Net(tuple(layers)), float(tables.energy_bias[a]))
