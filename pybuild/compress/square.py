# SPDX-License-Identifier: MIT
"""Columns and products of models whose first fitting layer is folded onto products S_pq (products.py)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..arrays import IntArray
from .environment import Pair
from .evaluation import EMPTY, Fitting
from .folding import direct_cost, folded_cost, table_cost
from .place import Place
from .products import Products, Ranking, extended, union
from .trials import Cases, Choice, Goal, Trials, ranks_of, thresholds
from .truncation import Case, Errors, worst_errors

# Channels that one look-up takes at once, 512 bits: fewer products are no gain if they need one more of these.
DOUBLE_PACK, MIXED_PACK = 8, 16
FEW = 4  # a table is narrowed where at most one in so many channels of its last pack is in use


def select(place: Place, cases: Cases, pair_table: IntArray, goal: Goal) -> Choice | None:
    """The fewest products within the goal; None where the descriptor itself costs less, or the goal is missed."""
    search = _FoldedSearch(place, cases.ordinary, pair_table, always=goal.form == "folded")
    double = search.cheapest(search.rankings, search.last, goal.double, DOUBLE_PACK)
    mixed = None
    if double is not None:
        mixed = search.cheapest(double.rankings, double.level, max(goal.double, goal.mixed), MIXED_PACK)
    elif goal.form == "folded":
        double = search.choice(search.rankings, search.last)
    if double is None:
        return None
    row_ends: Mapping[int, IntArray] = double.row_ends
    for part, tolerance in ((cases.near, goal.near), (cases.far, goal.far)):
        row_ends = _with_products_of(place, search.products, row_ends, part, tolerance)
    taken = {a: search.products[a].part(row_end) for a, row_end in row_ends.items()}
    parts = [_parts(row_ends, choice) for choice in (double, mixed or double)]
    return Choice(taken, double.errors, *parts)


def _parts(row_ends: Mapping[int, IntArray], choice: _Level) -> dict[int, IntArray]:
    """The staircases of a choice, with a row for every column; none where a centre type takes all products."""
    found = {a: extended(choice.row_ends[a], len(row_end)) for a, row_end in row_ends.items()}
    return {a: part for a, part in found.items() if not np.array_equal(part, row_ends[a])}


def _with_products_of(
    place: Place,
    products: Mapping[int, Products],
    row_ends: Mapping[int, IntArray],
    cases: Sequence[Case],
    tolerance: float,
) -> Mapping[int, IntArray]:
    """The staircases with the products that these centres need on top, for all centre types one threshold."""
    if not cases:
        return row_ends
    rankings = {a: p.by_contribution(cases) for a, p in products.items()}
    levels = thresholds(np.concatenate([r.needed for r in rankings.values()]))

    def at(level: int) -> dict[int, IntArray]:
        return {a: union(row_ends[a], r.row_end(levels[level])) for a, r in rankings.items()}

    def candidate(level: int) -> dict[int, Fitting]:
        return place.fittings({a: products[a].part(row_end) for a, row_end in at(level).items()})

    found = Trials(cases, candidate, tolerance).lowest(len(levels) - 1)
    return at(len(levels) - 1 if found is None else found[0])


@dataclass(frozen=True)
class _Level:
    """Products of all centre types at one level of the threshold, and their columns by pair of types."""

    rankings: Mapping[int, Ranking]
    level: int
    row_ends: Mapping[int, IntArray]
    errors: Errors
    ranks: Mapping[Pair, int]


class _FoldedSearch:
    """One threshold steers products and columns: a product below it is dropped, and a column that no product needs."""

    def __init__(self, place: Place, cases: Sequence[Case], pair_table: IntArray, always: bool):
        types = place.types
        width, axis = place.descriptor.width, place.descriptor.axis_neuron
        self._n_out = {a: place.n_out(a) for a in types}
        limit = {a: direct_cost(width, axis, 0, n) // folded_cost(1, n) for a, n in self._n_out.items()}
        self.products = {a: Products(place, a, None if always else limit[a]) for a in types}
        self.rankings = {a: p.by_size(cases) for a, p in self.products.items()}
        self._levels = thresholds(np.concatenate([r.needed for r in self.rankings.values()]))
        self._place, self._cases, self._pair_table = place, cases, pair_table
        self.last = len(self._levels) - 1  # level up to which folding pays
        if not always:
            n_columns = sum(len(basis.amplitude) for basis in place.bases_around(types[0]).values())
            most = sum(direct_cost(width, axis, n_columns, n) for n in self._n_out.values())
            self.last = max((k for k in range(len(self._levels)) if self._products_cost(k) <= most), default=-1)

    def _products_cost(self, level: int) -> int:
        counts = {a: r.count(self._levels[level]) for a, r in self.rankings.items()}
        return sum(folded_cost(n, self._n_out[a]) for a, n in counts.items())

    def choice(self, rankings: Mapping[int, Ranking], level: int, errors: Errors | None = None) -> _Level:
        """What a level means."""
        row_ends = {a: r.row_end(self._levels[level]) for a, r in rankings.items()}
        parts = {a: self.products[a].part(row_end) for a, row_end in row_ends.items()}
        ranks = ranks_of(self._place, parts)
        return _Level(rankings, level, row_ends, errors or worst_errors(self._cases, self._place.fittings(parts)), ranks)

    def _fittings(self, rankings: Mapping[int, Ranking], level: int) -> dict[int, Fitting]:
        return self._place.fittings({a: self.products[a].part(r.row_end(self._levels[level])) for a, r in rankings.items()})

    def cheapest(self, rankings: Mapping[int, Ranking], last: int, tolerance: float, pack: int) -> _Level | None:
        """The lowest level within the tolerance; or one with narrower tables and more products, where that costs less."""
        best = self._within(rankings, last, tolerance)
        if best is None:
            return None
        caps = self._narrower(best, pack)
        if caps:
            other = self._within({a: r.limited(self._columns_below(a, caps)) for a, r in rankings.items()}, last, tolerance)
            if other is not None and self._cost(other, pack) < self._cost(best, pack):
                return other
        return best

    def _within(self, rankings: Mapping[int, Ranking], last: int, tolerance: float) -> _Level | None:
        found = Trials(self._cases, lambda k: self._fittings(rankings, k), tolerance).lowest(last)
        return None if found is None else self.choice(rankings, *found)

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

    def _cost(self, choice: _Level, pack: int) -> int:
        """Multiply-adds on all cases, of products and tables."""
        ranks = self._table_ranks(choice)
        total = 0
        for case in self._cases:
            for a, row_end in choice.row_ends.items():
                n_products = int((row_end - np.arange(len(row_end))).sum())
                total += len(case.env.centres[a]) * folded_cost(n_products, self._n_out[a])
            for (d, a, b), block in case.env.blocks.items():
                if d == self._place.d:
                    total += len(block.i) * table_cost(ranks.get(int(self._pair_table[a, b]), 1), pack)
        return total
