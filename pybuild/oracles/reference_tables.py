# SPDX-License-Identifier: MIT
"""NumPy evaluation of a TableSet: look-up, folded or direct first layer, staircase. The oracle of the compiled evaluator.

It reads nothing but what a tables.bin holds; compare reference.py, which evaluates the trained model itself.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..arrays import Array
from ..compress import hermite
from ..compress.environment import Environment, EnvironmentParameters, build_environment, close_centres, find_pairs
from ..compress.evaluation import DirectInput, Features, FirstLayerInput, Fitting, FoldedInput, accumulate
from ..compress.grid import grid_of
from ..model.activations import CODES
from ..model.description import SKIPS, Layer, Net
from ..structures.structure import Structure
from ..tableset import FittingArrays, LayerArrays, TableSet
from .reference import Result

CENTRES_AT_ONCE = 512


def evaluate(tables: TableSet, positions: Array, types: Array, cell: Array | None = None, mixed: bool = False) -> Result:
    """positions (n, 3) angstrom, types (n,) model types, cell (3, 3) rows a, b, c or None; mixed: with the products of mixed
    precision, but in float64. Raises InputError for bad input."""
    structure = Structure(np.asarray(positions, dtype=np.float64), np.asarray(types), cell)
    parameters = environment_parameters(tables)
    pairs = find_pairs(structure, parameters)
    close = close_centres(structure.types, pairs, parameters, tables.min_distance)
    parts = []
    for centres, part in ((np.flatnonzero(~close), "mixed" if mixed else "double"), (np.flatnonzero(close), "all")):
        fittings = stored_fittings(tables, part)
        for start in range(0, max(1, len(centres)), CENTRES_AT_ONCE):
            env = build_environment(structure.types, pairs, parameters, centres[start : start + CENTRES_AT_ONCE])
            parts.append(accumulate(env, look_up(tables, env), fittings))
    return Result(*(sum(getattr(p, name) for p in parts) for name in Result.__dataclass_fields__))


def environment_parameters(t: TableSet) -> EnvironmentParameters:
    """The part of a TableSet that describes neighbourhoods."""
    return EnvironmentParameters(t.rcut, t.rcut_smth, t.env_protection, t.sel, t.n_sel, t.mean, t.std, t.pair_kind)


def look_up(tables: TableSet, env: Environment) -> dict[tuple[int, int], Features]:
    """phi and its slope for all pairs of an environment."""
    features = {}
    for pair, block in env.blocks.items():
        table = tables.tables[tables.pair_table[pair]]
        value, slope = hermite.evaluate(table.coef[:, :, : table.rank], grid_of(table), np.append(block.x, block.x_pad))
        features[pair] = Features(value[:-1], slope[:-1], value[-1])
    return features


def stored_fittings(tables: TableSet, part: str = "double") -> dict[int, Fitting]:
    """The fitting nets of the centre types that have an energy. part: what they take, "all" (of a centre with a neighbour closer
    than in the training data), "double" or "mixed" (of any other, in that precision)."""
    return {a: _fitting(tables, a, f, part) for a, f in enumerate(tables.fittings) if f is not None}


def _fitting(tables: TableSet, a: int, f: FittingArrays, part: str) -> Fitting:
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
        first = DirectInput(bases, tables.axis_neuron)
    return Fitting(first, Net(tuple(layers)), float(tables.energy_bias[a]))


def _layer(layer: LayerArrays) -> Layer:
    names = {code: name for name, code in CODES.items()}
    name = names[layer.activation]
    if name == "silut":
        name = f"silut:{layer.activation_parameter!r}"
    return Layer(layer.weight, layer.bias, layer.idt, name, SKIPS[layer.skip])
