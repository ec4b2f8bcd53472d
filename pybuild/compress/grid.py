# SPDX-License-Identifier: MIT
"""Which tables a model needs and over which range (docs/theory.md section 2).

The argument of a table is x = (s(r) - mean_a) / std_a with the statistics of the centre's type a. A table runs from
L = floor(-mean/std), where s = 0, to U = ceil((sw(m)/m - mean)/std), where m is the smallest neighbour distance of the training
data, with a fine step, and on to the extrapolation limit e U with a coarse one. Only the radial component counts. Kinks of the
net are knots.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..arrays import Array, IntArray
from ..descriptors.radial import Radial
from ..errors import InputError
from ..model.description import ModelDescription, PairKind
from ..model.net import Net
from ..tablefile.tableset import OnSegments, TableArrays
from .nets import kinks

MAX_ROWS = 2_000_000  # 2 GB for one column block of eight; a step this small is a slip of the pen
NEAR = 0.8  # times the smallest distance: down to here forces are to be as good as in the range of the training data
TypePairs = list[tuple[int, int]]  # centre and neighbour type
MOST_KINKS = 20_000  # of one net between the ends of its table


@dataclass(frozen=True, eq=False)
class Grid(OnSegments):
    """Knots in segments of equal steps: segments (S, 3) start, step, number of intervals, each from the end of the one before.

    ``upper``: end of the range of the training data; what lies beyond is extrapolation.
    """

    segments: Array
    upper: float

    @property
    def n_rows(self) -> int:
        return int(self.segments[:, 2].sum())

    def knots(self) -> Array:
        """(n_rows + 1,) in increasing order."""
        return np.append(np.concatenate([start + step * np.arange(count) for start, step, count in self.segments]), self.max)

    def steps(self) -> Array:
        """(n_rows,) length of each interval, as an evaluator computes it."""
        return np.repeat(self.segments[:, 1], self.segments[:, 2].astype(np.int64))

    def locate(self, x: Array) -> tuple[IntArray, Array, Array]:
        """Row (n,), offset from its left knot (n,) and excess beyond the table (n,; 0 inside, where x < lower negative)."""
        inside = np.clip(x, self.lower, self.max)
        starts, counts = self.segments[:, 0], self.segments[:, 2].astype(np.int64)
        segment = np.maximum(np.searchsorted(starts, inside, side="right") - 1, 0)
        start, step = self.segments[segment, 0], self.segments[segment, 1]
        local = np.clip(np.floor((inside - start) / step).astype(np.int64), 0, counts[segment] - 1)
        return local + (np.cumsum(counts) - counts)[segment], inside - start - local * step, x - inside


def grid_of(table: TableArrays) -> Grid:
    """The knots of a stored table."""
    return Grid(table.segments, table.upper)


@dataclass(frozen=True)
class TablePlan:
    """One table to be built: the net, its range, and who uses it."""

    descriptor: int  # whose net it is
    net: Net
    lower: float
    upper: float  # end of the range of the training data
    near: float  # where pairs are NEAR times as far apart as the closest ones of the training data
    max: float  # end of the table
    pairs: tuple[tuple[int, int], ...]  # (centre, neighbour) types that use it
    constants: Array  # (n,) distinct arguments of slots that always add the same: empty ones, and those of excluded neighbours
    constant_weights: Array  # (n,) by which their slots enter the moments
    only_constants: bool  # neighbours of every pair are excluded: the table is read at the constants alone
    kinks: Array  # (k,) between the ends, where a derivative of the net jumps


def end_of_table(upper: float, extrapolate: float) -> float:
    """The extrapolation limit: e U, at least e - 1 beyond U."""
    if not (math.isfinite(extrapolate) and extrapolate >= 1):
        raise InputError(f"--extrapolate must be at least 1, not {extrapolate}")
    return upper + (extrapolate - 1) * max(abs(upper), 1.0)


def make_grid(plan: TablePlan, fine: float, coarse: float, fine_to: float) -> Grid:
    """Steps of at most ``fine`` up to ``fine_to`` and of at most ``coarse`` beyond, every kink a knot."""
    breaks = np.unique(np.concatenate([[plan.lower, fine_to, plan.max], plan.kinks]))
    low, length = breaks[:-1], np.diff(breaks)
    rounding = 1e-9  # length / step is a whole number up to rounding for the usual steps
    rows = np.maximum(np.ceil(length / np.where(low < fine_to, fine, coarse) - rounding), 1.0)
    if not rows.sum() <= MAX_ROWS:
        raise InputError(
            f"the steps {fine:g} and {coarse:g} need {rows.sum():.3g} rows for a table from {plan.lower:g} to {plan.max:g}; at "
            f"most {MAX_ROWS} are supported: choose a larger --step or --min-nbor-dist, or a smaller --extrapolate"
        )
    return Grid(np.column_stack([low, length / rows, rows]), plan.upper)


def centre_range(radial: Radial, centre: int, min_distance: float) -> tuple[float, float]:
    """L and U of a centre type: DeePMD-kit's rule, radial component only; env_protection does not enter."""
    return float(np.floor(radial.x_pad[centre])), float(np.ceil(radial.unprotected(centre, min_distance)))


def table_range(model: ModelDescription, d: int, pairs: TypePairs, min_distance: float) -> tuple[float, float]:
    """L and U of a table of descriptor d: the extremes over the centre types whose neighbours reach it, and every constant
    argument inside."""
    centres = _live_centres(model, d, pairs) or [a for a, _ in pairs]
    ranges = [centre_range(model.descriptors[d].radial, a, min_distance) for a in centres]
    constants = _constants(model, d, pairs)
    lower = min([low for low, _ in ranges] + [math.floor(x) for x in constants])
    upper = max([up for _, up in ranges] + [math.ceil(x) for x in constants] + [lower + 1.0])
    return float(lower) + 0.0, float(upper)


def _constants(model: ModelDescription, d: int, pairs: TypePairs) -> list[float]:
    return [x for a, b in pairs for x in model.descriptors[d].constants(a, model.pair_kinds[d][a, b])]


def _live_centres(model: ModelDescription, d: int, pairs: TypePairs) -> list[int]:
    """Centre types whose neighbours reach a table."""
    return [a for a, b in pairs if model.pair_kinds[d][a, b] == PairKind.ORDINARY]


def plan_tables(model: ModelDescription, min_distance: float, extrapolate: float) -> tuple[list[TablePlan], list[IntArray]]:
    """The tables of a model, and of each descriptor (N, N) the table of each pair of types (-1 where the pair is absent)."""
    plans: list[TablePlan] = []
    pair_tables = []
    for d, (descriptor, kinds) in enumerate(zip(model.descriptors, model.pair_kinds, strict=True)):
        users: dict[int, TypePairs] = {}
        for a, b in np.argwhere(kinds != PairKind.ABSENT).tolist():
            users.setdefault(int(descriptor.net_of[a, b]), []).append((a, b))
        pair_table = np.full(kinds.shape, -1, dtype=np.int32)
        for k, pairs in users.items():
            for a, b in pairs:
                pair_table[a, b] = len(plans)
            plans.append(_plan(model, d, descriptor.nets[k], pairs, min_distance, extrapolate))
        pair_tables.append(pair_table)
    return plans, pair_tables


def _plan(model: ModelDescription, d: int, net: Net, pairs: TypePairs, min_distance: float, extrapolate: float) -> TablePlan:
    descriptor = model.descriptors[d]
    lower, upper = table_range(model, d, pairs, min_distance)
    end = end_of_table(upper, extrapolate)
    live = _live_centres(model, d, pairs)
    # Rounded to quarters, as U is to whole numbers: lengths that usual steps divide.
    nears = [descriptor.radial.unprotected(a, NEAR * min_distance) for a in live]
    near = min(end, max([upper, *(math.ceil(4 * x) / 4 for x in nears)]))
    constants = np.unique(_constants(model, d, pairs))
    # A table of constant slots alone is exact at their arguments: knots, too.
    knots = kinks(net, lower, end) if live else constants[(constants > lower) & (constants < end)]
    if len(knots) > MOST_KINKS:
        raise InputError(f"the embedding net of {len(knots)} kinks between {lower:g} and {end:g} is too rough for a table")
    weights = np.array([descriptor.constant_row(x)[0] for x in constants])
    return TablePlan(d, net, lower, upper, near, end, tuple(pairs), constants, weights, not live, knots)
