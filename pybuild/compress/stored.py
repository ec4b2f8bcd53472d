# SPDX-License-Identifier: MIT
"""A TableSet as the parts of an evaluation: what a build measures is what it stores, interpolation included."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..model.activations import from_code
from ..model.descriptor import Descriptor
from ..model.net import Layer, Net, Skip
from ..tableset import FittingArrays, LayerArrays, TableSet
from . import hermite
from .environment import Environment
from .evaluation import DirectInput, Features, FirstLayerInput, Fitting, FoldedInput
from .grid import grid_of


def look_up(tables: TableSet, env: Environment) -> dict[tuple[int, int], Features]:
    """phi and its slope for all pairs of an environment."""
    features = {}
    for pair, block in env.blocks.items():
        table = tables.tables[tables.pair_table[pair]]
        value, slope = hermite.evaluate(table.coef[:, :, : table.rank], grid_of(table), block.x)
        features[pair] = Features.of(block, value, slope)
    return features


def stored_fittings(descriptor: Descriptor, tables: TableSet, part: str = "double") -> dict[int, Fitting]:
    """The fitting nets of the centre types that have an energy. part: what they take, "all" (of a centre with a neighbour closer
    than in the training data), "double" or "mixed" (of any other, in that precision)."""
    return {a: _fitting(descriptor, tables, a, f, part) for a, f in enumerate(tables.fittings) if f is not None}


def n_inputs(f: FittingArrays, part: str = "double") -> int:
    """Numbers that a first layer takes; part as above."""
    if f.columns is None:
        return len(f.layers[0].weight)
    row_end = {"double": f.row_end_double, "mixed": f.row_end_mixed}.get(part)
    row_end = f.row_end if row_end is None else row_end
    return int((row_end - np.arange(len(row_end))).sum())


def _fitting(descriptor: Descriptor, tables: TableSet, a: int, f: FittingArrays, part: str) -> Fitting:
    layers = [_layer(layer) for layer in f.layers]
    if f.columns is not None:
        first: FirstLayerInput = FoldedInput(f.columns, f.row_end)
        row_end = {"double": f.row_end_double, "mixed": f.row_end_mixed}.get(part)
        if row_end is not None:
            p, q = first.products()
            layers[0] = replace(layers[0], weight=layers[0].weight[q < row_end[p]])
            first = FoldedInput(f.columns, row_end)
    else:
        used = {b: tables.tables[t] for b, t in enumerate(tables.pair_table[a].tolist()) if t >= 0}
        ranks = {"double": f.rank_double, "mixed": f.rank_mixed}.get(part)
        if ranks is None:
            ranks = {b: t.rank for b, t in used.items()}
        # Columns that are not taken have no weight in T.
        bases = {b: t.basis * (np.arange(t.rank) < ranks[b]) for b, t in used.items()}
        first = DirectInput(bases, descriptor)
    return Fitting(first, Net(tuple(layers)), float(tables.energy_bias[a]))


def _layer(layer: LayerArrays) -> Layer:
    activation = from_code(layer.activation, layer.activation_parameter)
    return Layer(layer.weight, layer.bias, layer.idt, activation, Skip(layer.skip))
