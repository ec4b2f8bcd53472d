# SPDX-License-Identifier: MIT
"""Which tables a model needs and over which range (docs/theory.md section 2).

The argument of a table is x = (s(r) - mean_a) / std_a with the statistics of the centre's type a. A table runs from
L = floor(-mean/std), where s = 0, to U = ceil((sw(m)/m - mean)/std), where m is the smallest neighbour distance of the training
data, with a fine step, and on to the extrapolation limit e U with a coarse one. Only the radial component counts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .description import ModelDescription, Net, SeE2A
from .errors import InputError
from .reference import switch
from .tableset import Array, IntArray, end_of

ORDINARY, DESCRIPTOR_EXCLUDED, MODEL_EXCLUDED, ABSENT = range(4)
COARSE_OVER_FINE = 10
MAX_ROWS = 2_000_000  # 2 GB for one column block of eight; a step this small is a slip of the pen


@dataclass(frozen=True, eq=False)
class Grid:
    """Knots in segments of equal steps: segments (S, 3) start, step, number of intervals, each from the end of the one before.

    ``upper``: end of the range of the training data; what lies beyond is extrapolation.
    """

    segments: Array
    upper: float

    @property
    def lower(self) -> float:
        return float(self.segments[0, 0])

    @property
    def max(self) -> float:
        return end_of(self.segments)

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


@dataclass(frozen=True)
class TablePlan:
    """One table to be built: the net, its range, and who uses it."""

    net: Net
    grid: Grid
    pairs: tuple[tuple[int, int], ...]  # (centre, neighbour) types that use it
    x_pad: Array  # (n,) distinct arguments of empty slots
    only_padding: bool  # neighbours of every pair are excluded: the table is read at x_pad alone


def pair_kinds(model: ModelDescription) -> IntArray:
    """(N, N) row = centre: docs/tables-format.md, descriptor.pair_kind."""
    n = len(model.type_map)
    kinds = np.full((n, n), ORDINARY, dtype=np.int32)
    for a in range(n):
        for b in range(n):
            if model.descriptor.sel[b] == 0:
                kinds[a, b] = ABSENT
            elif (a, b) in model.pair_excluded:
                kinds[a, b] = MODEL_EXCLUDED
            elif (a, b) in model.descriptor.excluded:
                kinds[a, b] = DESCRIPTOR_EXCLUDED
    return kinds


def make_grid(lower: float, upper: float, step: float, extrapolate: float) -> Grid:
    """A grid whose fine step is at most ``step`` and whose coarse step is at most ten times that."""
    if not (math.isfinite(step) and step > 0):
        raise InputError(f"--step must be a positive number, not {step}")
    if not (math.isfinite(extrapolate) and extrapolate >= 1):
        raise InputError(f"--extrapolate must be at least 1, not {extrapolate}")
    top = upper + (extrapolate - 1) * max(abs(upper), 1.0)
    rounding = 1e-9  # (upper - lower) / step is an integer up to rounding for the usual steps
    fine_rows = (upper - lower) / step
    coarse_rows = (top - upper) / (COARSE_OVER_FINE * step)
    if fine_rows + coarse_rows > MAX_ROWS:
        raise InputError(
            f"--step {step} needs {fine_rows + coarse_rows:.3g} rows for the range {lower:g} to {top:g}; at most {MAX_ROWS} are "
            "supported, choose a larger step"
        )
    counts = [max(1, math.ceil(fine_rows - rounding)), math.ceil(coarse_rows - rounding)]
    bounds = zip([lower, upper], [upper, top], counts, strict=True)
    segments = np.array([(low, (high - low) / n, n) for low, high, n in bounds if n], dtype=np.float64)
    return Grid(segments, upper)


def centre_range(descriptor: SeE2A, centre: int, min_distance: float) -> tuple[float, float]:
    """L and U of a centre type: DeePMD-kit's rule, radial component only; env_protection does not enter."""
    mean, std = descriptor.mean[centre], descriptor.std[centre, 0]
    sw, _ = switch(np.float64(min_distance), descriptor.rcut_smth, descriptor.rcut)
    s_max = float(sw) / min_distance
    return float(np.floor(-mean / std)), float(np.ceil((s_max - mean) / std))


def table_range(model: ModelDescription, pairs: list[tuple[int, int]], min_distance: float) -> tuple[float, float]:
    """L and U of a table: the extremes over the centre types whose neighbours reach it, and every x_pad inside."""
    kinds = pair_kinds(model)
    live = [a for a, b in pairs if kinds[a, b] == ORDINARY and model.descriptor.sel[a] > 0]
    centres = live or [a for a, _ in pairs]
    ranges = [centre_range(model.descriptor, a, min_distance) for a in centres]
    x_pad = [-model.descriptor.mean[a] / model.descriptor.std[a, 0] for a, _ in pairs]
    lower = min([low for low, _ in ranges] + [math.floor(x) for x in x_pad])
    upper = max([up for _, up in ranges] + [math.ceil(x) for x in x_pad] + [lower + 1.0])
    return float(lower) + 0.0, float(upper)


def plan_tables(
    model: ModelDescription, min_distance: float, step: float, extrapolate: float
) -> tuple[list[TablePlan], IntArray]:
    """The tables of a model, and (N, N) the table of each pair of types (-1 where pair_kind is ABSENT)."""
    kinds = pair_kinds(model)
    users: dict[int, list[tuple[int, int]]] = {}
    for a, b in np.argwhere(kinds != ABSENT).tolist():
        users.setdefault(id(model.descriptor.nets[a, b]), []).append((a, b))
    plans = []
    pair_table = np.full(kinds.shape, -1, dtype=np.int32)
    for pairs in users.values():
        for a, b in pairs:
            pair_table[a, b] = len(plans)
        plans.append(_plan(model, kinds, pairs, min_distance, step, extrapolate))
    return plans, pair_table


def _plan(
    model: ModelDescription, kinds: IntArray, pairs: list[tuple[int, int]], min_distance: float, step: float, extrapolate: float
) -> TablePlan:
    d = model.descriptor
    x_pad = np.unique([-d.mean[a] / d.std[a, 0] for a, _ in pairs])
    return TablePlan(
        net=d.nets[pairs[0]],
        grid=make_grid(*table_range(model, pairs, min_distance), step, extrapolate),
        pairs=tuple(pairs),
        x_pad=x_pad,
        only_padding=all(kinds[a, b] != ORDINARY for a, b in pairs),
    )
