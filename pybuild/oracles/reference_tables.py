# SPDX-License-Identifier: MIT
"""The oracle of the compiled evaluators: a TableSet in plain NumPy, one centre after the other, slow and obvious.

It reads nothing but what a tables.bin holds and shares nothing with the compressor; compare reference.py, which evaluates the
trained model itself. Equations of docs/theory.md sections 2 to 4; a module for each kind of descriptor says what its rows and
features are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import Array, BoolArray, Index, IntArray, checked_parameters
from ..model.description import PairKind
from ..model.descriptor import Argument, Form
from ..model.net import Layer, Net
from ..tablefile.tableset import DescriptorArrays, InputArrays, TableArrays, TableSet
from .kinds import KINDS
from .parts import net_forward, net_reverse
from .reference import Result, checked_structure, find_neighbours, result_of, slots_of, taken_pairs

Moments = dict[int, Array]  # C_b (K_b, components) of the neighbours of type b, of EMPTY slots that all types share
EMPTY = -1


def evaluate(
    tables: TableSet,
    positions: ArrayLike,
    types: ArrayLike,
    cell: ArrayLike | None = None,
    mixed: bool = False,
    fparam: ArrayLike | None = None,
    aparam: ArrayLike | None = None,
    factors: Array | None = None,
) -> Result:
    """positions (n, 3) angstrom, types (n,) model types, cell (3, 3) rows a, b, c or None; mixed: with what mixed precision
    takes, but in float64; fparam (n_fparam,), aparam (n, n_aparam) of models that take them; factors (n,) of the atoms' energies.
    Raises InputError for bad input."""
    x, t, box = checked_structure(tables.type_map, positions, types, cell)
    pairs = find_neighbours(x, box, max(d.rcut for d in tables.descriptors))
    taken = taken_pairs(tables.neighbour_rule.name.lower(), slots_of(tables.descriptors), t, pairs)
    frame = checked_parameters("fparam", tables.default_fparam if fparam is None else fparam, (tables.n_fparam,))
    atomic = checked_parameters("aparam", aparam, (len(t), tables.n_aparam))
    atom_energy, gradient = np.zeros(len(t)), np.zeros_like(pairs.vector)
    first = np.searchsorted(pairs.centre, np.arange(len(t) + 1))
    for i, a in enumerate(t.tolist()):
        if tables.fittings[a] is not None:
            mine = slice(first[i], first[i + 1])
            parameters = np.append(frame, atomic[i])
            around = _Around(a, t[pairs.neighbour[mine]], pairs.vector[mine], [mask[mine] for mask in taken], parameters)
            part = "all" if _is_close(tables, around) else "mixed" if mixed else "double"
            energy, d_pairs = _centre(tables, around, part)
            factor = 1.0 if factors is None else factors[i]
            atom_energy[i], gradient[mine] = factor * energy, factor * d_pairs
    return result_of(atom_energy, pairs, gradient)


@dataclass(frozen=True)
class _Around:
    """Of one centre: its type, the types (p,) of its neighbours and the vectors to them, which of them each descriptor takes,
    and its parameters."""

    a: int
    types: Index
    vector: Array
    taken: list[BoolArray]
    parameters: Array


def _is_close(tables: TableSet, around: _Around) -> bool:
    """Whether a neighbour of an ordinary pair is so close that all columns and products are taken."""
    distances = tables.min_distance if tables.close_distance is None else tables.close_distance
    near = np.linalg.norm(around.vector, axis=1) < distances[around.a, around.types]
    used = [(tables.descriptors[f.descriptor], around.taken[f.descriptor]) for f in tables.fittings[around.a].inputs]
    return any(bool((near & mask & (d.pair_kind[around.a, around.types] == PairKind.ORDINARY)).any()) for d, mask in used)


def _centre(tables: TableSet, around: _Around, part: str) -> tuple[float, Array]:
    """(E_i, dE/dd of its pairs). part: "all" columns and products, or what "double" or "mixed" precision takes."""
    fitting, gradient = tables.fittings[around.a], np.zeros_like(around.vector)
    rows, numbers, reverses, start = [], [], [], 0
    for taken in fitting.inputs:
        used, mine, reverse, n_all = _described(tables, around, taken, part)
        rows.append(start + used)
        numbers.append(mine)
        reverses.append(reverse)
        start += n_all
    rows.append(start + np.arange(len(around.parameters)))
    net = _with_inputs(fitting.layers, np.concatenate(rows))
    energy, tape = net_forward(net, np.concatenate([*numbers, around.parameters])[None])
    gradients = np.split(net_reverse(tape, np.ones((1, 1)))[0], np.cumsum([len(mine) for mine in numbers]))[:-1]
    for reverse, d_numbers in zip(reverses, gradients, strict=True):
        gradient += reverse(d_numbers)
    return float(energy[0, 0] + tables.energy_bias[around.a]), gradient


def _described(
    tables: TableSet, around: _Around, taken: InputArrays, part: str
) -> tuple[Index, Array, Callable[[Array], Array], int]:
    """Of one descriptor: which of its inputs the first layer takes, their numbers, dE/dd of the pairs as a function of dE/d
    numbers, and how many inputs there are."""
    d = tables.descriptors[taken.descriptor]
    sums = _sums_of_two if d.n_bodies == 2 else _sums_of_three
    moments, reverse_sums = sums(tables, d, around, around.taken[taken.descriptor])
    used, numbers, reverse, n_all = _input(KINDS[d.kind], tables, d, around.a, taken, moments, part)

    def to_pairs(d_numbers: Array) -> Array:
        return reverse_sums(reverse(d_numbers))

    return used, numbers, to_pairs, n_all


Sums = tuple[Moments, Callable[[Moments], Array]]  # C, and dE/dd of the pairs as a function of dE/dC


def _sums_of_two(tables: TableSet, d: DescriptorArrays, around: _Around, mask: BoolArray) -> Sums:
    """Over the neighbours (p,) of a mask, by their type."""
    kind, a, moments, reverses = KINDS[d.kind], around.a, {}, {}
    for b in np.flatnonzero(d.pair_kind[a] != PairKind.ABSENT).tolist():
        moments[b], reverses[b] = _moment(kind, tables, d, a, b, around.vector[mask & (around.types == b)])
    if d.padding is not None and d.padding[a].any():
        n_filled = np.sum(mask & (d.pair_kind[a, around.types] != PairKind.MODEL))
        moments[EMPTY] = np.zeros((1, next(iter(moments.values())).shape[1]))
        moments[EMPTY][0, 0] = (d.n_sel - n_filled) / d.n_sel

    def reverse(d_moments: Moments) -> Array:
        gradient = np.zeros_like(around.vector)
        for b, d_moment in d_moments.items():
            if b != EMPTY and d.pair_kind[a, b] == PairKind.ORDINARY:
                gradient[mask & (around.types == b)] = reverses[b](d_moment)
        return gradient

    return moments, reverse


def _sums_of_three(tables: TableSet, d: DescriptorArrays, around: _Around, mask: BoolArray) -> Sums:
    """Over pairs of neighbours, by the group b N + c of their types. Those that are not ordinary have no vector."""
    mine = np.flatnonzero(mask & (d.pair_kind[around.a, around.types] == PairKind.ORDINARY))
    of_neighbours = around.a, around.vector[mine], around.types[mine]
    moments, reverses = {}, {}
    for group, t in d.tables_around(around.a).items():
        of_types = divmod(group, len(d.sel))
        moments[group], reverses[group] = KINDS[d.kind].group_sum(d, *of_neighbours, of_types, _function(tables.tables[t]))

    def reverse(d_moments: Moments) -> Array:
        gradient = np.zeros_like(around.vector)
        for group, d_moment in d_moments.items():
            gradient[mine] += reverses[group](d_moment)
        return gradient

    return moments, reverse


def _function(table: TableArrays) -> Callable[[Array], tuple[Array, Callable[[Array], Array]]]:
    """x -> phi (t, K), and dE/dx (t,) as a function of dE/dphi."""

    def phi(x: Array) -> tuple[Array, Callable[[Array], Array]]:
        value, slope = look_up(table, x)
        return value, lambda d_value: np.sum(d_value * slope, axis=1)

    return phi


def _moment(
    kind: Any, tables: TableSet, d: DescriptorArrays, a: int, b: int, vector: Array
) -> tuple[Array, Callable[[Array], Array]]:
    """C_b of one centre, and dE/dd of its neighbours as a function of dE/dC_b."""
    pair_kind, sel, n = d.pair_kind[a, b], float(d.sel[b]), len(vector)
    n_empty = {PairKind.MODEL: sel, PairKind.SECTION: 0.0}.get(pair_kind, sel - n)
    n_excluded = {PairKind.SLOTS: float(n), PairKind.SECTION: sel}.get(pair_kind, 0.0)
    table = tables.tables[d.pair_table[a, b]]
    rows = kind.compute_rows(d, a, vector if pair_kind == PairKind.ORDINARY else vector[:0])
    over_r = table.argument is Argument.R
    phi, slope = look_up(table, d.rcut - rows.r if over_r else rows.x)
    total = phi.T @ rows.row
    for count, x, row in kind.constant_slots(d, a, n_empty, n_excluded):
        total = total + count * np.outer(look_up(table, np.array([x]))[0][0], row)

    def reverse(d_moment: Array) -> Array:
        d_total = d_moment / d.n_sel
        d_argument = np.sum((slope @ d_total) * rows.row, axis=1)
        if over_r:
            return kind.reverse_rows(rows, phi @ d_total, 0.0 * d_argument, -d_argument)
        return kind.reverse_rows(rows, phi @ d_total, d_argument)

    return total / d.n_sel, reverse


def look_up(table: TableArrays, x: Array) -> tuple[Array, Array]:
    """phi and its slope (p, K) at x (p,); beyond the ends of the table along the tangent."""
    starts, steps, counts = table.segments.T
    end = starts[-1] + steps[-1] * counts[-1]
    inside = np.minimum(np.maximum(x, starts[0]), end)
    segment = np.sum(inside[:, None] >= starts[1:], axis=1)
    interval = np.minimum(np.floor((inside - starts[segment]) / steps[segment]), counts[segment] - 1)
    origin = 0.5 if table.coef.shape[1] == 12 else 0.0  # polynomials of order 11 are around the middle
    t = inside - starts[segment] - (interval + origin) * steps[segment]
    first_row = np.cumsum(counts) - counts
    coef = table.coef[(first_row[segment] + interval).astype(int)]
    powers = np.arange(coef.shape[1])
    slope = np.einsum("ptk,pt->pk", coef[:, 1:], powers[1:] * t[:, None] ** powers[:-1])
    return np.einsum("ptk,pt->pk", coef, t[:, None] ** powers) + slope * (x - inside)[:, None], slope


# Of the inputs of a first layer from one descriptor: which of them a part takes, their numbers, dE/dC_b as a function of dE/d
# numbers, and how many there are.
Input = tuple[Index, Array, Callable[[Array], Moments], int]


def _input(
    kind: Any, tables: TableSet, d: DescriptorArrays, a: int, taken: InputArrays, moments: Moments, part: str
) -> Input:
    if taken.form == Form.SQUARE:
        return _products(taken, moments, part)
    if taken.form == Form.LINEAR:
        return _columns(taken, moments, part)
    used = {b: tables.tables[d.table_of(a, b)] for b in moments if b != EMPTY}
    ranks = {"double": taken.rank_double, "mixed": taken.rank_mixed}.get(part)
    bases = {b: table.basis[:, : table.rank if ranks is None else ranks[b]] for b, table in used.items()}
    bases |= {EMPTY: d.padding[a][:, None]} if EMPTY in moments else {}
    factors = {b: _factors(kind, d, b) for b in bases}
    whole = np.sum([factors[b] * (basis @ moments[b][: basis.shape[1]]) for b, basis in bases.items()], axis=0)[None]

    def reverse(gradient: Array) -> Moments:
        d_whole = kind.reverse_features(d, whole, gradient[None])[0]
        padding = {b: ((0, len(moments[b]) - basis.shape[1]), (0, 0)) for b, basis in bases.items()}
        return {b: np.pad(basis.T @ (factors[b] * d_whole), padding[b]) for b, basis in bases.items()}

    numbers = kind.features(d, whole)[0]
    return np.arange(len(numbers)), numbers, reverse, len(numbers)


def _factors(kind: Any, d: DescriptorArrays, group: int) -> Array | float:
    """(M, components) what the sums of a group are multiplied by in T."""
    return 1.0 if d.n_bodies == 2 else kind.group_factors(d, divmod(group, len(d.sel)))


def _products(f: InputArrays, moments: Moments, part: str) -> Input:
    """S_pq = F_p . F_q for q from p to the end of row p; F are columns, or combinations of the leading ones."""
    ends = {"double": f.row_end_double, "mixed": f.row_end_mixed}.get(part)
    ends = f.row_end if ends is None else ends
    stored = [(p, q) for p, end in enumerate(f.row_end.tolist()) for q in range(p, end)]
    taken = [k for k, (p, q) in enumerate(stored) if q < ends[p]]
    p, q = np.array([stored[k] for k in taken]).T
    n = {"double": f.n_double, "mixed": f.n_mixed}.get(part) or len(f.columns)
    combination = np.eye(n) if f.combination is None else f.combination[:, :n]
    rows = combination @ np.array([moments[b][k] for b, k in f.columns[:n].tolist()])

    def reverse(gradient: Array) -> Moments:
        d_rows = np.zeros_like(rows)
        np.add.at(d_rows, p, gradient[:, None] * rows[q])
        np.add.at(d_rows, q, gradient[:, None] * rows[p])
        return _by_type(f.columns[:n], combination.T @ d_rows, moments)

    return np.array(taken), np.sum(rows[p] * rows[q], axis=1), reverse, len(stored)


def _columns(f: InputArrays, moments: Moments, part: str) -> Input:
    """C_p of the leading columns."""
    n = {"double": f.n_double, "mixed": f.n_mixed}.get(part) or len(f.columns)
    taken = f.columns[:n]
    rows = np.array([moments[b][k] for b, k in taken.tolist()])  # (n, components), one row after the other

    def reverse(gradient: Array) -> Moments:
        return _by_type(taken, gradient.reshape(rows.shape), moments)

    return np.arange(rows.size), rows.ravel(), reverse, len(f.columns) * rows.shape[1]


def _by_type(columns: IntArray, d_rows: Array, moments: Moments) -> Moments:
    """dE/dC_b from the derivatives with respect to some of their rows, columns (P, 2) neighbour type and channel."""
    out = {b: np.zeros_like(moment) for b, moment in moments.items()}
    for (b, k), d_row in zip(columns.tolist(), d_rows, strict=True):
        out[b][k] = d_row
    return out


def _with_inputs(layers: tuple[Layer, ...], taken: Any) -> Net:
    """The fitting net with some inputs of its first layer."""
    return Net((replace(layers[0], weight=layers[0].weight[taken]), *layers[1:]))
