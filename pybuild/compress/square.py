# SPDX-License-Identifier: MIT
"""Columns and products of models whose first fitting layer is folded onto products S_pq (products.py).

Of two sorts of factors that is taken which costs fewer operations in both precisions: the columns of all neighbour types
themselves, or combinations of them (combinations.py), whose number does not grow with that of the types.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..arrays import IntArray
from .columns import LeadingColumns
from .combinations import combine
from .environment import Pair
from .evaluation import EMPTY, Fitting, WeightedInput
from .folding import direct_cost, expansion_cost, folded_cost, merge_columns, table_cost
from .place import Place
from .products import Products, Ranking, extended, union
from .trials import Choice, Goal, ProductPart, Trials, excess, ranks_of, thresholds
from .truncation import Errors, around, worst_errors

# Channels that one look-up takes at once, 512 bits: fewer products are no gain if they need one more of these.
DOUBLE_PACK, MIXED_PACK = 8, 16
FEW = 4  # a table is narrowed where at most one in so many channels of its last pack is in use
NO_GAIN = 1.02  # times the products of ordinary centres: if all are no more, close centres take all
# Products that together move forces by no more than so many times the goal, and so many eV/A, may be multiplied in single
# precision: rounding them moves forces by 1e-13 to 2e-11 eV/A (docs/performance.md).
SINGLE, MOST_SINGLE = 1e3, 2.5e-6
# Products of one centre type over what combinations cost, and errors over the goal, at which products of columns are given up.
MORE, HOPELESS = 2, 10
COLUMNS_SHARE = 0.8  # of the goal: what columns that no combination has may cost alone

Taken = Mapping[int, IntArray]  # centre type -> columns that combinations are of, by their place among all


class SquareChooser:
    """Of one descriptor. Which sort of factors is taken, the first goal decides."""

    def __init__(self, place: Place):
        self._place = place
        self._sorts: tuple[str, ...] = ()  # the one that won at first
        self._before: _Candidate | None = None
        self._of_columns: _Search | None = None  # of the columns themselves
        self._chosen: tuple[bytes, ...] = ()  # those that the last combinations were of
        self._search: _Search | None = None  # of these

    def choose(self, goal: Goal) -> Choice | None:
        """The cheapest products within the goal; None where the descriptor itself costs less, or the goal is missed."""
        asked = {"folded": ("separate",), "combined": ("combined",)}.get(goal.form, ("combined", "separate"))
        sorts = self._sorts or asked
        found = self._candidates(goal, sorts)
        if not found and sorts != asked:
            found = self._candidates(goal, asked)
        if not found:
            return None
        best = min(found, key=lambda name: found[name].cost)
        self._sorts = self._sorts or (best,)
        if best in self._sorts:  # another one may stand in for a goal that is too tight
            self._before = found[best]
        return found[best].choice(goal)

    def _candidates(self, goal: Goal, sorts: Sequence[str]) -> dict[str, _Candidate]:
        combined = self._combined(goal) if "combined" in sorts else None
        separate = self._separate(goal, combined) if "separate" in sorts else None
        both = {"separate": separate, "combined": combined}
        return {name: candidate for name, candidate in both.items() if candidate is not None}

    def _separate(self, goal: Goal, other: _Candidate | None) -> _Candidate | None:
        """Of the columns themselves, if that costs less than the other candidate, or without one than the descriptor; where it is
        asked for whatever it costs."""
        place, always = self._place, goal.form == "folded"
        most = {a: _direct_cost(place, a) for a in place.types} if other is None else other.costs_of_centres
        if self._of_columns is None:
            products: dict[int, Products] = {}
            for a in place.types:
                limit = None if always else most[a] // folded_cost(1, place.n_out(a))
                products[a] = Products(place, a, merge_columns(place.bases_around(a)), limit)
                if len(products) < len(place.types) and other is not None and self._is_hopeless(products, limit, goal):
                    return None
            self._of_columns = _Search(place, products)
        search = self._of_columns
        last = search.last if always else search.last_below(sum(most.values()))
        double = search.cheapest(search.rankings, last, goal.double, DOUBLE_PACK)
        if double is None and always:
            double = search.choice(search.rankings, last)
        if double is None:
            return None
        mixed = search.cheapest(double.rankings, double.level, max(goal.double, goal.mixed), MIXED_PACK)
        return _Candidate(search, double, mixed or double, None)

    def _is_hopeless(self, products: Mapping[int, Products], limit: int | None, goal: Goal) -> bool:
        """Whether the products of the first centre type alone, the others exact and these more than they may be, are far from
        the goal: then those of the other types need not be made."""
        (a, of_first), *rest = products.items()
        cases = around(self._place.cases.ordinary, a)
        if rest or limit is None or not cases:
            return False
        ranking = of_first.by_size
        part = of_first.trial(ranking.needed[min(MORE * limit, len(ranking.needed)) - 1])
        whole = {b: self._place.whole(b) for b in self._place.types}
        return excess(cases[0].errors(whole | self._place.fittings({a: part})), goal.double) > HOPELESS

    def _combined(self, goal: Goal) -> _Candidate | None:
        """Of combinations, if the goal is met; where they are asked for with all products if it is not."""
        place, levels = self._place, self._columns
        in_double, _ = levels.lowest(COLUMNS_SHARE * goal.double)
        in_mixed, _ = levels.lowest(COLUMNS_SHARE * max(goal.double, goal.mixed), in_double)
        wanted = levels.with_close(in_double, goal), in_double, in_mixed
        lists = {a: _column_lists(place, a, [levels.counts(level, a) for level in wanted]) for a in place.types}
        chosen = {a: of_all for a, (of_all, _, _) in lists.items()}
        search = self._of_combinations(chosen)
        most, of_double, of_mixed = ({a: np.arange(len(taken[k])) for a, taken in lists.items()} for k in range(3))
        guesses = (None, None) if self._before is None else (self._before.double.level, self._before.mixed.level)
        double = search.within(search.rankings, search.last, goal.double, of_double, guesses[0])
        if double is None and goal.form == "combined":
            double = search.choice(search.rankings, search.last, of_double)
        if double is None:
            return None
        mixed = search.within(search.rankings, double.level, max(goal.double, goal.mixed), of_mixed, guesses[1])
        return _Candidate(search, double, mixed or double, most)

    @cached_property
    def _columns(self) -> LeadingColumns:
        return LeadingColumns(self._place)

    def _of_combinations(self, chosen: Taken) -> _Search:
        """Of these columns: others would count with products that are of none of them."""
        key = _key(chosen)
        if key != self._chosen:
            products = {a: Products(self._place, a, combine(self._place, a, mine)) for a, mine in chosen.items()}
            self._chosen, self._search = key, _Search(self._place, products)
        assert self._search is not None
        return self._search


def _direct_cost(place: Place, a: int) -> int:
    n_columns = sum(len(basis.amplitude) for basis in place.bases_around(a).values())
    return direct_cost(place.descriptor.width, place.descriptor.axis_neuron, n_columns, place.n_out(a))


def _column_lists(place: Place, a: int, counts: Sequence[IntArray]) -> list[IntArray]:
    """The columns around centres of type a by their place among all that combine() has: those of all centres, of ordinary ones in
    double and in mixed precision, each list the beginning of the one before. counts: of these by group of neighbours; those of
    ordinary centres fill whole packs, which costs next to nothing."""
    most, double, mixed = counts
    double = np.minimum(most, -(-double // DOUBLE_PACK) * DOUBLE_PACK)
    mixed = np.minimum(double, -(-mixed // MIXED_PACK) * MIXED_PACK)
    every = [(b, k) for b, n in enumerate(most.tolist()) for k in range(n)]
    level = {(b, k): int(k >= mixed[b]) + int(k >= double[b]) for b, k in every}
    amplitude = {b: basis.amplitude for b, basis in place.bases_around(a).items()}
    every.sort(key=lambda column: (level[column], -amplitude[column[0]][column[1]]))
    empty = [(EMPTY, 0)] if EMPTY in amplitude else []
    ends = np.cumsum([len(of_group) for of_group in amplitude.values()])
    first = dict(zip(amplitude, [0, *ends.tolist()], strict=False))
    places = np.array([first[b] + k for b, k in [*empty, *every]])
    return [places[: len(empty) + sum(v <= limit for v in level.values())] for limit in (2, 1, 0)]


@dataclass(frozen=True)
class _Level:
    """Products of all centre types at one level of the threshold, and their columns by pair of types; taken: of combinations."""

    rankings: Mapping[int, Ranking]
    level: int
    row_ends: Mapping[int, IntArray]
    errors: Errors
    ranks: Mapping[Pair, int]
    taken: Taken | None


@dataclass(frozen=True)
class _Candidate:
    """What ordinary centres take in both precisions; most: what combinations of all centres are of."""

    search: _Search
    double: _Level
    mixed: _Level
    most: Taken | None

    @property
    def cost(self) -> float:
        """For comparison: how much costlier in one precision weighs as much as in the other."""
        return float(self.search.cost(self.double, DOUBLE_PACK)) * float(self.search.cost(self.mixed, MIXED_PACK))

    @property
    def costs_of_centres(self) -> dict[int, int]:
        """Multiply-adds of a centre in double precision, by its type."""
        return {a: self.search.cost_of_centre(self.double, a) for a in self.double.row_ends}

    def choice(self, goal: Goal) -> Choice:
        """With what centres with close neighbours need as well."""
        row_ends: Mapping[int, IntArray] = self.double.row_ends
        for which, tolerance in (("near", goal.near), ("far", goal.far)):
            row_ends = self._with_products_of(row_ends, which, tolerance)
        parts = self.search.parts(row_ends, self.most)
        double, mixed = (self._parts(row_ends, level) for level in (self.double, self.mixed))
        of_double = self.search.exact(self.double, goal, self.mixed.level) if double else {}
        exact = {a: extended(end, len(row_ends[a])) for a, end in of_double.items()}
        return Choice(parts, self.double.errors, double, mixed, exact)

    def _parts(self, row_ends: Mapping[int, IntArray], level: _Level) -> dict[int, ProductPart]:
        """The staircases of a level, with a row for every factor; none where a centre type takes all."""
        found = {}
        for a, row_end in row_ends.items():
            mine = extended(level.row_ends[a], len(row_end))
            fewer = self.most is not None and level.taken is not None and len(level.taken[a]) < len(self.most[a])
            n = len(level.taken[a]) if level.taken is not None and fewer else None
            part = ProductPart(None if np.array_equal(mine, row_end) else mine, n)
            if part.row_end is not None or part.n_columns is not None:
                found[a] = part
        return found

    def _with_products_of(self, row_ends: Mapping[int, IntArray], which: str, tolerance: float) -> Mapping[int, IntArray]:
        """The staircases with the products that these centres need on top, for all centre types one threshold."""
        if not getattr(self.search.place.cases, which):
            return row_ends
        rankings = self.search.by_contribution(which)
        levels = thresholds(np.concatenate([r.needed for r in rankings.values()]))

        def at(level: int) -> dict[int, IntArray]:
            return {a: union(row_ends[a], r.row_end(levels[level])) for a, r in rankings.items()}

        def candidate(level: int) -> dict[int, Fitting]:
            return self.search.place.fittings(self.search.parts(at(level), self.most))

        last = at(len(levels) - 1)
        if _n_products(last) <= NO_GAIN * _n_products(row_ends):
            return last
        trials = self.search.trials((which, *_key(row_ends), *_key(self.most)), which, candidate)
        found = trials.lowest(len(levels) - 1, tolerance, self.search.found_before.get(which), next_to=1.0)
        level = len(levels) - 1 if found is None else found[0]
        self.search.found_before[which] = level
        return at(level)


def _n_products(row_ends: Mapping[int, IntArray]) -> int:
    return sum(int((row_end - np.arange(len(row_end))).sum()) for row_end in row_ends.values())


def _key(arrays: Mapping[int, IntArray] | None) -> tuple[bytes, ...]:
    return () if arrays is None else tuple(mine.tobytes() for mine in arrays.values())


class _Search:
    """One threshold steers products and columns: a product below it is dropped, and a column that no product needs."""

    def __init__(self, place: Place, products: Mapping[int, Products]):
        self.place, self.products = place, products
        self.rankings = {a: p.by_size for a, p in products.items()}
        self._levels = thresholds(np.concatenate([r.needed for r in self.rankings.values()]))
        self._cases, self._pair_table = place.cases.ordinary, place.pair_table
        self._contributions: dict[str, dict[int, Ranking]] = {}
        self._trials: dict[tuple[bytes | str, ...], Trials] = {}
        self.last = len(self._levels) - 1
        self.found_before: dict[str, int] = {}  # level of what near and far centres need on top
        self._exact: dict[tuple[tuple[bytes, ...], tuple[bytes, ...], float], Mapping[int, IntArray]] = {}

    def last_below(self, most: int) -> int:
        """The level up to which the products of one centre of each type cost no more than so many multiply-adds; -1: none."""
        return max((k for k in range(len(self._levels)) if self._products_cost(k) <= most), default=-1)

    def _products_cost(self, level: int) -> int:
        counts = {a: r.count(self._levels[level]) for a, r in self.rankings.items()}
        return sum(folded_cost(n, self.place.n_out(a)) for a, n in counts.items())

    def choice(
        self, rankings: Mapping[int, Ranking], level: int, taken: Taken | None = None, errors: Errors | None = None
    ) -> _Level:
        """What a level means."""
        row_ends = self._row_ends(rankings, level)
        parts = self.parts(row_ends, taken)
        errors = errors or worst_errors(self._cases, self.place.fittings(parts))
        return _Level(rankings, level, row_ends, errors, ranks_of(self.place, parts), taken)

    def _row_ends(self, rankings: Mapping[int, Ranking], level: int) -> dict[int, IntArray]:
        return {a: r.row_end(self._levels[level]) for a, r in rankings.items()}

    def parts(self, row_ends: Mapping[int, IntArray], taken: Taken | None) -> dict[int, WeightedInput]:
        """Staircases of all centre types; of combinations of some columns."""
        return {a: self.products[a].part(end, None if taken is None else taken[a]) for a, end in row_ends.items()}

    def _trial(self, level: int, taken: Taken | None) -> dict[int, WeightedInput]:
        threshold = self._levels[level]
        return {a: p.trial(threshold, None if taken is None else taken[a]) for a, p in self.products.items()}

    def by_contribution(self, which: str) -> dict[int, Ranking]:
        """For the centres of some structures; which: field of Cases."""
        if which not in self._contributions:
            self._contributions[which] = {a: p.by_contribution(which) for a, p in self.products.items()}
        return self._contributions[which]

    def trials(self, key: tuple[bytes | str, ...], which: str, candidate: Callable[[int], Mapping[int, Fitting]]) -> Trials:
        """Those of earlier rounds, where candidates of the same key were tried; which: field of Cases."""
        if key not in self._trials:
            self._trials[key] = Trials(getattr(self.place.cases, which), candidate, self.place.order(which))
        return self._trials[key]

    def within(
        self,
        rankings: Mapping[int, Ranking],
        last: int,
        tolerance: float,
        taken: Taken | None = None,
        guess: int | None = None,
    ) -> _Level | None:
        """The lowest level within the tolerance; guess: where to look first."""

        all_columns = rankings is self.rankings

        def candidate(level: int) -> dict[int, Fitting]:
            if all_columns:
                return self.place.fittings(self._trial(level, taken))
            return self.place.fittings(self.parts(self._row_ends(rankings, level), taken))

        if all_columns:
            trials = self.trials(_key(taken), "ordinary", candidate)
        else:
            trials = Trials(self._cases, candidate, self.place.order("ordinary"))
        found = trials.lowest(last, tolerance, guess)
        return None if found is None else self.choice(rankings, found[0], taken, found[1])

    def exact(self, double: _Level, goal: Goal, guess: int) -> Mapping[int, IntArray]:
        """Ends of the rows of those products that need double precision, where evaluators take others in single precision: of
        nets with hidden layers that take one descriptor and no atomic parameters. guess: the level to look at first."""
        model = self.place.model
        if len(model.descriptors) > 1 or model.fitting.parameters.n_aparam > 0:
            return {}
        tolerance = min(SINGLE * goal.double, MOST_SINGLE)
        key = _key(double.row_ends), _key(double.taken), tolerance
        if key not in self._exact:
            self._exact[key] = self._find_exact(double, tolerance, guess)
        return self._exact[key]

    def _find_exact(self, double: _Level, tolerance: float, guess: int) -> Mapping[int, IntArray]:
        def candidate(level: int) -> dict[int, Fitting]:
            return self.place.fittings(self.parts(self._row_ends(double.rankings, level), double.taken))

        all_of_it = self.place.fittings(self.parts(double.row_ends, double.taken))
        cases = [case.relative_to(all_of_it) for case in self._cases]
        trials = Trials(cases, candidate, self.place.order("ordinary"))
        found = trials.lowest(double.level, tolerance, guess)
        if found is None:
            return {}
        row_ends: dict[int, IntArray] = {}
        for a, end in self._row_ends(double.rankings, found[0]).items():
            of_double = double.row_ends[a]
            end = np.minimum(extended(end, len(of_double)), of_double)
            is_part = (end > np.arange(len(end))).any() and (end < of_double).any()
            if is_part and len(self.place.model.fitting.net(a).layers) > 1:
                row_ends[a] = end
        return row_ends

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
        expansion = 0 if choice.taken is None else expansion_cost(len(row_end), len(choice.taken[a]))
        return folded_cost(n_products, self.place.n_out(a)) + expansion

    def cost(self, choice: _Level, pack: int) -> int:
        """Multiply-adds on all cases, of these and of tables."""
        ranks = self._table_ranks(choice)
        total = 0
        for case in self._cases:
            total += sum(len(case.env.centres.get(a, ())) * self.cost_of_centre(choice, a) for a in choice.row_ends)
            for (d, a, b), block in case.env.blocks.items():
                if d == self.place.d:
                    total += len(block.i) * table_cost(ranks.get(int(self._pair_table[a, b]), 1), pack)
        return total
