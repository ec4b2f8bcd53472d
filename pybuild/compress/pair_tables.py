# SPDX-License-Identifier: MIT
"""A pair table as a table file has it: an se_e2_r of width 1 whose tables are over rcut - r, with the cubics as they are.

Energies are sums over the pairs, E_i = bias + sum_b n_sel/2 C_b with C_b = (1/n_sel) sum_j phi(rcut - r_j); empty slots
add nothing.
"""

from __future__ import annotations

from math import comb

import numpy as np

from ..arrays import Array, IntArray
from ..model.activations import parse
from ..model.combined import PairTable
from ..model.description import PairKind
from ..model.descriptor import Argument, Form
from ..model.net import Layer, Skip
from ..tablefile.tableset import DescriptorArrays, FittingArrays, InputArrays, NeighbourRule, TableArrays, TableSet

SAME = 1e-9  # of the cutoff: an end of the table that close to it is the cutoff
POWERS = np.arange(4)


def pair_tables(p: PairTable, check_frequency: int) -> TableSet:
    """Its TableSet; the smallest distances are those where it begins."""
    n = p.n_types
    kinds, numbers, tables = _kinds(p), np.full((n, n), -1, dtype=np.int32), list[TableArrays]()
    known: dict[bytes, int] = {}  # pairs of the same cubics have one table
    for a, b in np.argwhere(kinds != PairKind.ABSENT).tolist():
        cubic = p.cubic[a, b]
        numbers[a, b] = known.setdefault(cubic.tobytes(), len(known))
        if len(known) > len(tables):
            tables.append(_table(p, cubic))
    active = [a not in p.excluded for a in range(n)]
    return TableSet(
        type_map=p.type_map,
        energy_bias=np.where(active, p.energy_bias, 0.0),
        energy_mask=np.array(active, dtype=np.int32),
        min_distance=np.full((n, n), p.min_distance),
        check_frequency=check_frequency,
        neighbour_rule=NeighbourRule[p.neighbour_rule.upper()],
        n_fparam=0,
        n_aparam=0,
        descriptors=(_descriptor(p, kinds, numbers),),
        tables=tuple(tables),
        fittings=tuple(_fitting(_slots(p), numbers[a]) if active[a] else None for a in range(n)),
    )


def _kinds(p: PairTable) -> IntArray:
    """(N, N) PairKind."""
    kinds = np.full((p.n_types, p.n_types), PairKind.ORDINARY, dtype=np.int32)
    for a, b in p.pair_excluded:
        kinds[a, b] = PairKind.MODEL
    kinds[:, np.array(p.sel) == 0] = PairKind.ABSENT
    return kinds


def _slots(p: PairTable) -> int:
    return p.sel[0] if p.neighbour_rule == "mixed" else sum(p.sel)


def _descriptor(p: PairTable, kinds: IntArray, numbers: IntArray) -> DescriptorArrays:
    """s(r) and its statistics have no part in it."""
    n = p.n_types
    return DescriptorArrays(
        kind="se_e2_r", rcut=p.rcut, rcut_smth=0.0, env_protection=0.0, sel=np.array(p.sel, dtype=np.int32), n_sel=_slots(p),
        mean=np.zeros(n), std=np.ones((n, 1)), width=1, axis_neuron=0, pair_kind=kinds, pair_table=numbers,
        padding=np.zeros((n, 1)),
    )  # fmt: skip


def _fitting(n_sel: int, numbers: IntArray) -> FittingArrays:
    columns = np.array([(b, 0) for b in np.flatnonzero(numbers >= 0).tolist()], dtype=np.int32)
    layer = Layer(np.full((len(columns), 1), n_sel / 2), np.zeros(1), None, parse("linear"), Skip.NONE)
    return FittingArrays((InputArrays(0, Form.LINEAR, columns),), (layer,))


def _table(p: PairTable, cubic: Array) -> TableArrays:
    """cubic (n, 4). Intervals that begin beyond the cutoff are left out; from the last knot to the cutoff there is nothing."""
    n = max(1, int(np.sum(p.first + p.step * np.arange(p.n_intervals) < p.rcut * (1 - SAME))))
    rows = _mirrored(cubic[:n], p.step)[::-1]
    start = p.rcut - (p.first + p.step * n)
    if 0 < start <= SAME * p.rcut:
        start = 0.0
    if p.first > 0:
        segments = [(start, p.step, n)]
    else:  # the table ends before r = 0
        last = start + p.step * (n - 1)
        segments = [(start, p.step, n - 1), (last, p.rcut - p.min_distance - last, 1)]
    if start > 0:
        segments, rows = [(0.0, start, 1), *segments], np.concatenate([np.zeros((1, 4)), rows])
    used = np.array([segment for segment in segments if segment[2] > 0], dtype=np.float64)
    end = float(used[-1, 0] + used[-1, 1] * used[-1, 2])
    return TableArrays(Argument.R, used, end, np.ascontiguousarray(rows[:, :, None]), np.ones((1, 1)))


def _mirrored(cubic: Array, step: float) -> Array:
    """By powers of t, angstrom, what is given by powers of u = 1 - t/step."""
    binomial = np.array([[comb(k, j) * (-1) ** j for j in POWERS] for k in POWERS])  # u^k = sum_j (..) (t/step)^j
    return np.asarray(cubic @ binomial / step**POWERS)
