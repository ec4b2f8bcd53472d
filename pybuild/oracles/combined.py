# SPDX-License-Identifier: MIT
"""The oracle of models of several parts: of the trained model, by its nets and pair tables, and of its tables. In plain NumPy,
slow and obvious; model/combined.py has the equations.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import Array, Index
from ..model.combined import AnyModel, CombinedModel, PairTable, Part, Switch
from ..model.description import PairKind
from ..tablefile.tableset import AnyTables, CombinedTables, SwitchArrays, TableSet
from . import reference, reference_tables
from .parts import Pairs
from .reference import Result, checked_structure, find_neighbours, result_of, slots_of, taken_pairs

Structure = tuple[Array, Index, Array | None]  # positions, types, cell
Evaluate = Callable[[Array | None], Result]  # of the factors of the atoms' energies, None: 1


def evaluate(
    model: AnyModel,
    positions: ArrayLike,
    types: ArrayLike,
    cell: ArrayLike | None = None,
    fparam: ArrayLike | None = None,
    aparam: ArrayLike | None = None,
) -> Result:
    """As reference.evaluate, of models of one part or several."""
    if not isinstance(model, CombinedModel):
        return reference.evaluate(model, positions, types, cell, fparam, aparam)
    structure = checked_structure(model.type_map, positions, types, cell)
    parts = [_evaluator(part, structure, fparam, aparam) for part in model.parts]
    if model.switch is None:
        return _added([part(None) for part in parts])
    table = model.parts[model.switch.near]
    assert isinstance(table, PairTable)
    pairs = _pairs_of_table(table, structure)
    return _switched(model.switch, parts, pairs, len(structure[1]))


def evaluate_tables(
    tables: AnyTables,
    positions: ArrayLike,
    types: ArrayLike,
    cell: ArrayLike | None = None,
    mixed: bool = False,
    fparam: ArrayLike | None = None,
    aparam: ArrayLike | None = None,
) -> Result:
    """As reference_tables.evaluate, of tables of one model or several."""
    if not isinstance(tables, CombinedTables):
        return reference_tables.evaluate(tables, positions, types, cell, mixed, fparam, aparam)
    structure = checked_structure(tables.type_map, positions, types, cell)
    parts = [_table_evaluator(part, structure, mixed, fparam, aparam) for part in tables.parts]
    if tables.switch is None:
        return _added([part(None) for part in parts])
    return _switched(tables.switch, parts, _pairs_of_tables(tables.parts[tables.switch.near], structure), len(structure[1]))


def _evaluator(part: Part, structure: Structure, fparam: ArrayLike | None, aparam: ArrayLike | None) -> Evaluate:
    """Of one part, as a function of the factors of the atoms' energies."""
    x, t, box = structure
    if isinstance(part, PairTable):
        return lambda factors: evaluate_pair_table(part, x, t, box, factors)
    p = part.fitting.parameters
    frame, atomic = fparam if p.n_fparam else None, aparam if p.n_aparam else None
    return lambda factors: reference.evaluate(part, x, t, box, frame, atomic, factors)


def _table_evaluator(
    part: TableSet, structure: Structure, mixed: bool, fparam: ArrayLike | None, aparam: ArrayLike | None
) -> Evaluate:
    x, t, box = structure
    frame, atomic = fparam if part.n_fparam else None, aparam if part.n_aparam else None
    return lambda factors: reference_tables.evaluate(part, x, t, box, mixed, frame, atomic, factors)


def _added(results: Sequence[Result]) -> Result:
    return Result(*(sum(getattr(r, f.name) for r in results) for f in fields(Result)))


# Pair tables


def evaluate_pair_table(table: PairTable, x: Array, t: Index, box: Array | None, factors: Array | None = None) -> Result:
    """Of one structure; factors (n,) of the atoms' energies."""
    pairs = _pairs_of_table(table, (x, t, box))
    has_energy = ~np.isin(t, sorted(table.excluded))
    of_pairs, slope = _cubics(table, t, pairs)
    atom_energy = table.energy_bias[t] + np.bincount(pairs.centre, of_pairs, len(t)) / 2
    factor = has_energy * (1.0 if factors is None else factors)
    r = np.linalg.norm(pairs.vector, axis=1)
    gradient = (factor[pairs.centre] * slope / 2 / r)[:, None] * pairs.vector
    return result_of(factor * atom_energy, pairs, gradient)


def _cubics(table: PairTable, t: Index, pairs: Pairs) -> tuple[Array, Array]:
    """Energy and its derivative along r, of each pair (p,); nearer than the first knot along the tangent."""
    r = np.linalg.norm(pairs.vector, axis=1)
    inside = np.maximum(r, table.first)
    at = (inside - table.first) / table.step
    interval = np.minimum(np.floor(at).astype(int), table.n_intervals)
    u = at - interval
    none = interval == table.n_intervals  # beyond the last knot
    c = table.cubic[t[pairs.centre], t[pairs.neighbour], np.where(none, 0, interval)].T
    value = c[0] + u * (c[1] + u * (c[2] + u * c[3]))
    slope = (c[1] + u * (2 * c[2] + u * 3 * c[3])) / table.step
    value = value + slope * (r - inside)
    return np.where(none, 0.0, value), np.where(none, 0.0, slope)


def _pairs_of_table(table: PairTable, structure: Structure) -> Pairs:
    """The pairs that it sums over."""
    x, t, box = structure
    pairs = find_neighbours(x, box, table.rcut)
    (taken,) = taken_pairs(table.neighbour_rule, slots_of([table]), t, pairs)
    excluded = np.zeros((table.n_types, table.n_types), dtype=bool)
    for pair in table.pair_excluded:
        excluded[pair] = True
    has_slots = np.asarray(table.sel)[t[pairs.neighbour]] > 0
    keep = taken & has_slots & ~excluded[t[pairs.centre], t[pairs.neighbour]]
    return Pairs(pairs.centre[keep], pairs.neighbour[keep], pairs.vector[keep])


def _pairs_of_tables(tables: TableSet, structure: Structure) -> Pairs:
    """The same of the tables of one descriptor."""
    x, t, box = structure
    (d,) = tables.descriptors
    pairs = find_neighbours(x, box, d.rcut)
    (taken,) = taken_pairs(tables.neighbour_rule.name.lower(), slots_of([d]), t, pairs)
    keep = taken & (d.pair_kind[t[pairs.centre], t[pairs.neighbour]] == PairKind.ORDINARY)
    return Pairs(pairs.centre[keep], pairs.neighbour[keep], pairs.vector[keep])


# The switch


def _switched(s: Switch | SwitchArrays, parts: Sequence[Evaluate], pairs: Pairs, n: int) -> Result:
    w, d_w = _weights(s, pairs, n)
    others = [part(None) for k, part in enumerate(parts) if k not in (s.near, s.far)]
    near, far = parts[s.near](None).atom_energy, parts[s.far](None).atom_energy
    by_switch = result_of(np.zeros(n), pairs, (near - far)[pairs.centre, None] * d_w)
    return _added([*others, parts[s.near](w), parts[s.far](1 - w), by_switch])


def _weights(s: Switch | SwitchArrays, pairs: Pairs, n: int) -> tuple[Array, Array]:
    """w (n,), and the derivative (p, 3) of that of each pair's centre with respect to the pair's vector."""
    r = np.linalg.norm(pairs.vector, axis=1)
    weight = np.exp(-r / s.alpha)
    total = np.bincount(pairs.centre, weight, n)
    divisor = np.maximum(total, s.least_sum)
    distances = np.bincount(pairs.centre, r * weight, n)
    guarded = np.where(divisor > 0, divisor, 1)
    sigma = np.where(divisor > 0, distances / guarded, 0.0)
    u = np.clip((sigma - s.rmin) / (s.rmax - s.rmin), 0.0, 1.0)
    w = np.where(sigma > 0, -6 * u**5 + 15 * u**4 - 10 * u**3 + 1, 0.0)
    d_sigma = (-30 * u**4 + 60 * u**3 - 30 * u**2) / (s.rmax - s.rmin)
    d_total = np.where(total > s.least_sum, sigma, 0.0)[pairs.centre] * weight / s.alpha  # through the divisor
    along = (weight * (1 - r / s.alpha) + d_total) / guarded[pairs.centre] * d_sigma[pairs.centre]
    return w, (along / r)[:, None] * pairs.vector
