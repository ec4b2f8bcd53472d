# SPDX-License-Identifier: MIT
"""Which tables a model needs and over which range (docs/theory.md section 2).

The argument of a table is x = (s(r) - mean_a) / std_a with the statistics of the centre's type a. A table runs from
L = floor(-mean/std) (s = 0 is at -mean/std, where a table may begin as well, see steps.py) to U = ceil((sw(m)/m - mean)/std),
where m is the smallest neighbour distance of the training data, with a fine step, and on to the extrapolation limit e U with a
coarse one. Only the radial component counts. Kinks of the net are knots. A table over the product of two neighbours' vectors
goes as far on both sides of 0, to U = ceil((s(m)/std')^2).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np

from ..arrays import Array, IntArray
from ..descriptors.radial import Radial
from ..errors import InputError
from ..model.description import ModelDescription, PairKind
from ..model.descriptor import Argument, Descriptor
from ..tablefile.tableset import OnSegments, TableArrays
from .functions import Function, function_of, identity_of

MAX_ROWS = 2_000_000  # 2 GB for one column block of eight; a step this small is a slip of the pen
SAME_STEP = 1e-6  # steps that differ by less, relatively, differ by rounding
NEAR = 0.8  # times the smallest distance: down to here forces are to be as good as in the range of the training data
TypePairs = list[tuple[int, int]]  # type of the centre and group of neighbours
MOST_KINKS = 20_000  # of one net between the ends of its table
BEYOND_UPPER = 0.3  # in x: bases count in full to there, for pairs a little closer than the training data
# Ratio of the distances between which a table over r has one step, from this part of the cutoff on: steps grow with r.
GRADED, FARTHEST = 0.75, 0.7
CLOSEST = 0.05  # of the smallest distance: where a table over r ends at the latest


@dataclass(frozen=True, eq=False)
class Grid(OnSegments):
    """Knots in segments of equal steps: segments (S, 3) start, step, number of intervals, each from the end of the one before.

    ``upper``: end of the range of the training data; what lies beyond is extrapolation.
    """

    segments: Array
    upper: float
    order: int = 5  # of the polynomials between them

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
    return Grid(table.segments, table.upper, table.order)


@dataclass(frozen=True)
class TablePlan:
    """One table to be built: the function, its range, and who uses it."""

    descriptor: int  # whose it is
    function: Function
    lower: float
    upper: float  # end of the range of the training data
    near: float  # where pairs are NEAR times as far apart as the closest ones of the training data
    max: float  # end of the table
    pairs: tuple[tuple[int, int], ...]  # (type of the centre, group of neighbours) that use it
    constants: Array  # (n,) distinct arguments of slots that always add the same: empty ones, and those of excluded neighbours
    constant_weights: Array  # (n,) by which their slots enter the moments
    only_constants: bool  # neighbours of every pair are excluded: the table is read at the constants alone
    kinks: Array  # (k,) between the ends, where a derivative of the function jumps
    closest: float  # angstrom, the smallest distance of the training data
    beyond: float  # a little beyond ``upper``: bases count in full to here
    starts: tuple[float, ...]  # of the ranges that have a step each, the first one at ``lower``
    # (n,) of neighbours at the cut-off, by centre type, and of empty slots; lower is rounded down from the first. None: no such.
    outermost: Array = field(default_factory=lambda: np.empty(0))

    @property
    def first(self) -> float:
        """From where on the table is looked up."""
        return float(self.outermost[0]) if self.outermost.size else self.lower

    @property
    def is_symmetric(self) -> bool:
        """The range of the training data, too, has an end on both sides of 0."""
        return self.function.argument is Argument.PRODUCT


def end_of_table(upper: float, extrapolate: float) -> float:
    """The extrapolation limit: e U, at least e - 1 beyond U."""
    if not (math.isfinite(extrapolate) and extrapolate >= 1):
        raise InputError(f"--extrapolate must be at least 1, not {extrapolate}")
    return upper + (extrapolate - 1) * max(abs(upper), 1.0)


def make_grid(plan: TablePlan, steps: Mapping[float, float]) -> Grid:
    """Steps of at most steps[start] from each start on, every kink a knot."""
    starts = np.array(sorted(steps))
    inside = [knots[(knots > plan.lower) & (knots < plan.max)] for knots in (starts, plan.kinks, plan.function.joints())]
    breaks = np.unique(np.concatenate([[plan.lower, plan.max], *inside]))
    low, length = breaks[:-1], np.diff(breaks)
    rounding = 1e-9  # length / step is a whole number up to rounding for the usual steps
    largest = np.array([steps[start] for start in starts])[np.maximum(np.searchsorted(starts, low, side="right") - 1, 0)]
    rows = np.maximum(np.ceil(length / largest - rounding), 1.0)
    if not rows.sum() <= MAX_ROWS:
        raise InputError(
            f"the steps {' and '.join(f'{step:g}' for step in steps.values())} need {rows.sum():.3g} rows for a table from "
            f"{plan.lower:g} to {plan.max:g}; at most {MAX_ROWS} are supported: choose a larger --step or --min-nbor-dist, or a "
            "smaller --extrapolate"
        )
    return Grid(np.column_stack([low, length / rows, rows]), plan.upper)


def given_steps(plan: TablePlan, fine: float, coarse: float) -> dict[float, float]:
    """For make_grid: fine in the range of the training data, coarse beyond; products, which are squares, ten times each; over r
    beyond in proportion to the distance there."""
    if plan.function.argument is Argument.R:
        closer = [start for start in plan.starts if start >= plan.near]
        return {plan.lower: fine} | {start: fine * GRADED**k for k, start in enumerate(closer)}
    if plan.is_symmetric:
        fine, coarse = 10 * fine, 10 * coarse
        return {plan.lower: coarse, -plan.upper: fine, plan.upper: coarse}
    return {plan.lower: fine, plan.upper: coarse}


def grid_on_knots(plan: TablePlan, knots: Array) -> Grid:
    """Those of the knots that lie inside and the ends of the table, in segments of equal steps."""
    points = np.concatenate([[plan.lower], knots[(knots > plan.lower) & (knots < plan.max)], [plan.max]])
    steps = np.diff(points)
    first = np.concatenate([[True], np.abs(np.diff(steps)) > SAME_STEP * steps[1:]])
    starts = np.flatnonzero(first)
    counts = np.diff(np.append(starts, len(steps)))
    lengths = points[starts + counts] - points[starts]
    return Grid(np.column_stack([points[starts], lengths / counts, counts]), plan.upper)


def centre_range(radial: Radial, centre: int, min_distance: float) -> tuple[float, float]:
    """L and U of a centre type: DeePMD-kit's rule, radial component only; env_protection does not enter."""
    return float(np.floor(radial.x_pad[centre])), float(np.ceil(radial.unprotected(centre, min_distance)))


def table_range(model: ModelDescription, d: int, pairs: TypePairs, min_distance: float) -> tuple[float, float]:
    """L and U of a table of descriptor d: the extremes over the centre types whose neighbours reach it, and every constant
    argument inside."""
    centres = _live_centres(model, d, pairs) or [a for a, _ in pairs]
    if model.descriptors[d].n_bodies == 3:
        upper = max(1.0, *(math.ceil(model.descriptors[d].ranges(a, min_distance)) for a in centres))
        return -upper, upper
    ranges = [centre_range(model.descriptors[d].radial, a, min_distance) for a in centres]
    constants = _constants(model, d, pairs)
    lower = min([low for low, _ in ranges] + [math.floor(x) for x in constants])
    upper = max([up for _, up in ranges] + [math.ceil(x) for x in constants] + [lower + 1.0])
    return float(lower) + 0.0, float(upper)


def _constants(model: ModelDescription, d: int, pairs: TypePairs) -> list[float]:
    if model.descriptors[d].n_bodies == 3:
        return []
    return [x for a, b in pairs for x in model.descriptors[d].constants(a, model.pair_kinds[d][a, b])]


def _live_centres(model: ModelDescription, d: int, pairs: TypePairs) -> list[int]:
    """Centre types whose neighbours reach a table."""
    return [a for a, group in pairs if model.sees(d, a, group)]


def plan_tables(model: ModelDescription, min_distance: float, extrapolate: float) -> tuple[list[TablePlan], list[IntArray]]:
    """The tables of a model, and of each descriptor (N, N) the table of each pair of types (of a centre and a neighbour, or of
    two neighbours; -1 where there is none)."""
    plans: list[TablePlan] = []
    pair_tables: list[IntArray] = []
    for d, (descriptor, kinds) in enumerate(zip(model.descriptors, model.pair_kinds, strict=True)):
        users: dict[tuple[object, ...], TypePairs] = {}
        for a, group in product(range(model.n_types), descriptor.groups(kinds)):
            if descriptor.n_bodies == 3 or kinds[a, group] != PairKind.ABSENT:
                net = int(descriptor.net_of[_entry(descriptor, a, group)])
                users.setdefault(identity_of(descriptor, net, a, group), []).append((a, group))
        pair_table = np.full(kinds.shape, -1, dtype=np.int32)
        plan = _plan_over_r if descriptor.argument is Argument.R else _plan
        for pairs in users.values():
            for a, group in pairs:
                entry = _entry(descriptor, a, group)
                pair_table[entry] = len(plans)
                if descriptor.n_bodies == 3:
                    pair_table[entry[::-1]] = len(plans)
            plans.append(plan(model, d, pairs, min_distance, extrapolate))
        pair_tables.append(pair_table)
    return plans, pair_tables


def _entry(descriptor: Descriptor, a: int, group: int) -> tuple[int, ...]:
    """Of a pair table and of net_of."""
    return descriptor.members(group) if descriptor.n_bodies == 3 else (a, group)


def _plan(model: ModelDescription, d: int, pairs: TypePairs, min_distance: float, extrapolate: float) -> TablePlan:
    descriptor: Any = model.descriptors[d]
    function = function_of(descriptor, *pairs[0])
    lower, upper = table_range(model, d, pairs, min_distance)
    end = end_of_table(upper, extrapolate)
    live = _live_centres(model, d, pairs)
    # Rounded to quarters, as U is to whole numbers: lengths that usual steps divide.
    nears = [descriptor.ranges(a, NEAR * min_distance) for a in live]
    near = min(end, max([upper, *(math.ceil(4 * x) / 4 for x in nears)]))
    starts: tuple[float, ...] = (lower, near) if end > near else (lower,)
    if descriptor.n_bodies == 3:
        lower, starts = -end, (-end, -near, near) if end > near else (-end,)
    constants = np.unique(_constants(model, d, pairs))
    if not (live or constants.size):  # nobody reads it
        constants = np.array([lower])
    # A table of constant slots alone is exact at their arguments: knots, too.
    knots = _kinks(function, lower, end) if live else constants[(constants > lower) & (constants < end)]
    weights = np.array([descriptor.constant_row(x)[0] for x in constants])
    ranges = min_distance, upper + BEYOND_UPPER, starts
    at_cutoff = [] if descriptor.n_bodies == 3 else [descriptor.radial.x_pad[a] for a in live]
    outermost = np.union1d(constants, at_cutoff)
    return TablePlan(d, function, lower, upper, near, end, tuple(pairs), constants, weights, not live, knots, *ranges, outermost)


def _plan_over_r(model: ModelDescription, d: int, pairs: TypePairs, min_distance: float, extrapolate: float) -> TablePlan:
    """All centres of the pairs have the same statistics. To the distance at which x reaches the end of a table over x."""
    descriptor, a = model.descriptors[d], pairs[0][0]
    function, rcut, radial = function_of(descriptor, *pairs[0]), descriptor.rcut, descriptor.radial
    _, upper_x = centre_range(radial, a, min_distance)
    reached = float(radial.distance(a, np.array([end_of_table(upper_x, extrapolate)]))[0])
    closest = min(max(reached, CLOSEST * min_distance), min_distance)
    upper, near, end = rcut - min_distance, rcut - max(NEAR * min_distance, closest), rcut - closest
    x_upper = radial.unprotected(a, min_distance)
    beyond = min(rcut - float(radial.distance(a, np.array([x_upper + BEYOND_UPPER]))[0]), end)
    live = _live_centres(model, d, pairs)
    knots = _kinks(function, 0.0, end) if live else np.empty(0)
    constants = np.empty(0) if live else np.zeros(1)
    farther = np.arange(-int(np.log(FARTHEST * rcut / (rcut - near)) / -np.log(GRADED)), 0)
    closer = np.arange(0, int(np.log(closest / (rcut - near)) / np.log(GRADED)) + 1)
    graded = rcut - (rcut - near) * GRADED ** np.concatenate([farther, closer])
    all_starts = np.unique(np.concatenate([[0.0], function.joints(), graded]))
    starts = tuple(all_starts[(all_starts >= 0.0) & (all_starts < end)].tolist())
    weights, ranges = np.ones(len(constants)), (min_distance, beyond, starts)
    return TablePlan(d, function, 0.0, upper, near, end, tuple(pairs), constants, weights, not live, knots, *ranges)


def _kinks(function: Function, lower: float, upper: float) -> Array:
    found = function.kinks(lower, upper)
    if len(found) > MOST_KINKS:
        raise InputError(f"the embedding net of {len(found)} kinks between {lower:g} and {upper:g} is too rough for a table")
    return found
