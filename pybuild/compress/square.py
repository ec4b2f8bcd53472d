# SPDX-License-Identifier: MIT
"""Columns and products of models whose first fitting layer is folded onto products S_pq (products.py).

Of two sorts of factors that is taken which costs fewer operations in both precisions: the columns of all neighbour types
themselves, or combinations of them (combinations.py), whose number does not grow with that of the types.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..arrays import IntArray
from .columns import LeadingColumns
from .combinations import combine
from .environment import Pair
from .evaluation import EMPTY, Fitting, WeightedInput
from .folding import direct_cost, expansion_cost, folded_cost, merge_columns, table_cost
from .place import Place
from .products import Products, Ranking, extended, union
from .trials import Cases, Choice, Goal, ProductPart, Trials, ranks_of, thresholds
from .truncation import Case, Errors, worst_errors

# Channels that one look-up takes at once, 512 bits: fewer products are no gain if they need one more of these.
DOUBLE_PACK, MIXED_PACK = 8, 16
FEW = 4  # a table is narrowed where at most one in so many channels of its last pack is in use
COLUMNS_SHARE = 0.8  # of the goal: what columns that no combination has may cost alone

Counts = Mapping[int, int]  # centre type -> leading columns in use


def select(place: Place, cases: Cases, pair_table: IntArray, goal: Goal) -> Choice | None:
    """The cheapest products within the goal; None where the descriptor itself costs less, or the goal is missed."""
    combined = _combined(place, cases, pair_table, goal) if goal.form != "folded" else None
    separate = _separate(place, cases, pair_table, goal, combined) if goal.form != "combined" else None
    found = [candidate for candidate in (separate, combined) if candidate is not None]
    return min(found, key=lambda candidate: candidate.cost).choice(cases, goal) if found else None


def _separate(place: Place, cases: Cases, pair_table: IntArray, goal: Goal, other: _Candidate | None) -> _Candidate | None:
    """Of the columns themselves, if that costs less than the other candidate, or without one than the descriptor; where it is
    asked for whatever it costs."""
    always = goal.form == "folded"
    most = {a: _direct_cost(place, a) for a in place.types} if other is None else other.costs_of_centres
    limits = {a: None if always else cost // folded_cost(1, place.n_out(a)) for a, cost in most.items()}
    products = {a: Products(place, a, merge_columns(place.bases_around(a)), limits[a]) for a in place.types}
    search = _Search(place, products, cases.ordinary, pair_table)
    last = search.last if always else search.last_below(sum(most.values()))
    double = search.cheapest(search.rankings, last, goal.double, DOUBLE_PACK)
    if double is None and always:
        double = search.choice(search.rankings, last)
    if double is None:
        return None
    mixed = search.cheapest(double.rankings, double.level, max(goal.double, goal.mixed), MIXED_PACK)
    return _Candidate(search, double, mixed or double, {})


def _direct_cost(place: Place, a: int) -> int:
    n_columns = sum(len(basis.amplitude) for basis in place.bases_around(a).values())
    return direct_cost(place.descriptor.width, place.descriptor.axis_neuron, n_columns, place.n_out(a))


def _combined(place: Place, cases: Cases, pair_table: IntArray, goal: Goal) -> _Candidate | None:
    """Of combinations, if the goal is met; where they are asked for with all products if it is not."""
    levels = LeadingColumns(place)
    in_double, _ = levels.lowest(cases.ordinary, levels.last, COLUMNS_SHARE * goal.double)
    in_mixed, _ = levels.lowest(cases.ordinary, in_double, COLUMNS_SHARE * max(goal.double, goal.mixed))
    most = levels.with_close(in_double, cases, goal)
    lists = {a: _column_list(place, a, [levels.counts(level, a) for level in (most, in_double, in_mixed)]) for a in place.types}
    n_double, n_mixed = ({a: counts[k] for a, (_, counts) in lists.items()} for k in (1, 2))
    products = {a: Products(place, a, combine(place, a, cases.ordinary, columns)) for a, (columns, _) in lists.items()}
    search = _Search(place, products, cases.ordinary, pair_table)
    double = search.within(search.rankings, search.last, goal.double, n_double)
    if double is None and goal.form == "combined":
        double = search.choice(search.rankings, search.last, n_double)
    if double is None:
        return None
    mixed = search.within(search.rankings, double.level, max(goal.double, goal.mixed), n_mixed)
    return _Candidate(search, double, mixed or double, {a: len(columns) for a, (columns, _) in lists.items()})


def _column_list(place: Place, a: int, counts: Sequence[IntArray]) -> tuple[IntArray, list[int]]:
    """The columns (L, 2) around centres of type a, those that fewer centres take last, and how many each level takes.
    counts: by group of neighbours for all centres, in double and in mixed precision; these fill whole packs, which costs next to
    nothing."""
    most, double, mixed = counts
    double = np.minimum(most, -(-double // DOUBLE_PACK) * DOUBLE_PACK)
    mixed = np.minimum(double, -(-mixed // MIXED_PACK) * MIXED_PACK)
    every = [(b, k) for b, n in enumerate(most.tolist()) for k in range(n)]
    level = {(b, k): int(k >= mixed[b]) + int(k >= double[b]) for b, k in every}
    amplitude = {b: basis.amplitude for b, basis in place.bases_around(a).items()}
    every.sort(key=lambda column: (level[column], -amplitude[column[0]][column[1]]))
    empty = [(EMPTY, 0)] if EMPTY in amplitude else []
    in_use = [len(empty) + sum(v <= limit for v in level.values()) for limit in (2, 1, 0)]
    return np.array(empty + every, dtype=np.int32), in_use


@dataclass(frozen=True)
class _Level:
    """Products of all centre types at one level of the threshold, and their columns by pair of types; of combinations the leading
    columns that they are of."""

    rankings: Mapping[int, Ranking]
    level: int
    row_ends: Mapping[int, IntArray]
    errors: Errors
    ranks: Mapping[Pair, int]
    n_columns: Counts | None


@dataclass(frozen=True)
class _Candidate:
    """What ordinary centres take in both precisions; most_columns: of combinations, of all centres."""

    search: _Search
    double: _Level
    mixed: _Level
    most_columns: Counts

    @property
    def cost(self) -> float:
        """For comparison: how much costlier in one precision weighs as much as in the other."""
        return float(self.search.cost(self.double, DOUBLE_PACK)) * float(self.search.cost(self.mixed, MIXED_PACK))

    @property
    def costs_of_centres(self) -> dict[int, int]:
        """Multiply-adds of a centre in double precision, by its type."""
        return {a: self.search.cost_of_centre(self.double, a) for a in self.double.row_ends}

    def choice(self, cases: Cases, goal: Goal) -> Choice:
        """With what centres with close neighbours need as well."""
        row_ends: Mapping[int, IntArray] = self.double.row_ends
        for part, tolerance in ((cases.near, goal.near), (cases.far, goal.far)):
            row_ends = self._with_products_of(row_ends, part, tolerance)
        taken = {a: self.search.products[a].part(row_end) for a, row_end in row_ends.items()}
        return Choice(taken, self.double.errors, *(self._parts(row_ends, level) for level in (self.double, self.mixed)))

    def _parts(self, row_ends: Mapping[int, IntArray], level: _Level) -> dict[int, ProductPart]:
        """The staircases of a level, with a row for every factor; none where a centre type takes all."""
        found = {}
        for a, row_end in row_ends.items():
            mine = extended(level.row_ends[a], len(row_end))
            n = None if level.n_columns is None else level.n_columns[a]
            part = ProductPart(
                None if np.array_equal(mine, row_end) else mine, None if n is None or n == self.most_columns[a] else n
            )
            if part.row_end is not None or part.n_columns is not None:
                found[a] = part
        return found

    def _with_products_of(
        self, row_ends: Mapping[int, IntArray], cases: Sequence[Case], tolerance: float
    ) -> Mapping[int, IntArray]:
        """The staircases with the products that these centres need on top, for all centre types one threshold."""
        if not cases:
            return row_ends
        products = self.search.products
        rankings = {a: p.by_contribution(cases) for a, p in products.items()}
        levels = thresholds(np.concatenate([r.needed for r in rankings.values()]))

        def at(level: int) -> dict[int, IntArray]:
            return {a: union(row_ends[a], r.row_end(levels[level])) for a, r in rankings.items()}

        def candidate(level: int) -> dict[int, Fitting]:
            return self.search.place.fittings({a: products[a].part(row_end) for a, row_end in at(level).items()})

        found = Trials(cases, candidate, tolerance).lowest(len(levels) - 1)
        return at(len(levels) - 1 if found is None else found[0])


class _Search:
    """One threshold steers products and columns: a product below it is dropped, and a column that no product needs."""

    def __init__(self, place: Place, products: Mapping[int, Products], cases: Sequence[Case], pair_table: IntArray):
        self.place, self.products = place, products
        self.rankings = {a: p.by_size(cases) for a, p in products.items()}
        self._levels = thresholds(np.concatenate([r.needed for r in self.rankings.values()]))
        self._cases, self._pair_table = cases, pair_table
        self.last = len(self._levels) - 1

    def last_below(self, most: int) -> int:
        """The level up to which the products of one centre of each type cost no more than so many multiply-adds; -1: none."""
        return max((k for k in range(len(self._levels)) if self._products_cost(k) <= most), default=-1)

    def _products_cost(self, level: int) -> int:
        counts = {a: r.count(self._levels[level]) for a, r in self.rankings.items()}
        return sum(folded_cost(n, self.place.n_out(a)) for a, n in counts.items())

    def choice(
        self, rankings: Mapping[int, Ranking], level: int, n_columns: Counts | None = None, errors: Errors | None = None
    ) -> _Level:
        """What a level means."""
        row_ends = {a: r.row_end(self._levels[level]) for a, r in rankings.items()}
        parts = self._parts(rankings, level, n_columns)
        errors = errors or worst_errors(self._cases, self.place.fittings(parts))
        return _Level(rankings, level, row_ends, errors, ranks_of(self.place, parts), n_columns)

    def _parts(self, rankings: Mapping[int, Ranking], level: int, n_columns: Counts | None) -> dict[int, WeightedInput]:
        row_ends = {a: r.row_end(self._levels[level]) for a, r in rankings.items()}
        return {a: self.products[a].part(end, n_columns[a] if n_columns else None) for a, end in row_ends.items()}

    def within(
        self, rankings: Mapping[int, Ranking], last: int, tolerance: float, n_columns: Counts | None = None
    ) -> _Level | None:
        """The lowest level within the tolerance."""

        def candidate(level: int) -> dict[int, Fitting]:
            return self.place.fittings(self._parts(rankings, level, n_columns))

        found = Trials(self._cases, candidate, tolerance).lowest(last)
        return None if found is None else self.choice(rankings, found[0], n_columns, found[1])

    def cheapest(self, rankings: Mapping[int, Ranking], last: int, tolerance: float, pack: int) -> _Level | None:
        """The lowest level within the tolerance; or one with narrower tables and more products, where that costs less."""
        best = self.within(rankings, last, tolerance)
        if best is None:
            return None
        caps = self._narrower(best, pack)
        if caps:
            other = self.within({a: r.limited(self._columns_below(a, caps)) for a, r in rankings.items()}, last, tolerance)
            if other is not None and self.cost(other, pack) < self.cost(best, pack):
                return other
        return best

    def _table_ranks(self, choice: _Level) -> dict[int, int]:
        ranks: dict[int, int] = {}
        for (_, a, b), rank in choice.ranks.items():
            if b == EMPTY:
                continue
            t = int(self._pair_table[a, b])
            ranks[t] = max(ranks.get(t, 0), rank)
        return ranks

    def _narrower(self, choice: _Level, pack: int) -> dict[int, int]:
        """Columns of the tables whose last pack has but a few channels, without these."""
        ranks = self._table_ranks(choice)
        return {t: rank - rank % pack for t, rank in ranks.items() if rank > pack and 0 < rank % pack <= pack // FEW}

    def _columns_below(self, a: int, caps: Mapping[int, int]) -> int:
        """How many columns come before the first one that a narrower table lacks."""
        columns = self.products[a].columns.tolist()
        lacking = (b != EMPTY and k >= caps.get(int(self._pair_table[a, b]), k + 1) for b, k in columns)
        return max(1, next((p for p, lacks in enumerate(lacking) if lacks), len(columns)))

    def cost_of_centre(self, choice: _Level, a: int) -> int:
        """Multiply-adds of what lies between the moments and the second layer."""
        row_end = choice.row_ends[a]
        n_products = int((row_end - np.arange(len(row_end))).sum())
        expansion = 0 if choice.n_columns is None else expansion_cost(len(row_end), choice.n_columns[a])
        return folded_cost(n_products, self.place.n_out(a)) + expansion

    def cost(self, choice: _Level, pack: int) -> int:
        """Multiply-adds on all cases, of these and of tables."""
        ranks = self._table_ranks(choice)
        total = 0
        for case in self._cases:
            total += sum(len(case.env.centres[a]) * self.cost_of_centre(choice, a) for a in choice.row_ends)
            for (d, a, b), block in case.env.blocks.items():
                if d == self.place.d:
                    total += len(block.i) * table_cost(ranks.get(int(self._pair_table[a, b]), 1), pack)
        return total
