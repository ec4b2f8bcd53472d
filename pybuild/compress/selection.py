# SPDX-License-Identifier: MIT
"""How many columns and which products a model keeps, for a tolerance on the forces.

The smallest set is searched whose measured errors (truncation.py) stay within the tolerance times a safety factor, and
in it the part that is enough for mixed precision (products.py). Centres with a neighbour closer than in the training data need
more:
what they need is kept as well, but evaluated for them alone. Where the folded first layer would cost more operations than the
descriptor itself, or cannot exist (a skip connection around it), the descriptor is kept and only the ranks are chosen.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace

import numpy as np

from ..arrays import Array, IntArray
from ..model.description import ModelDescription
from ..progress import Progress
from .evaluation import Fitting
from .folding import direct_cost, folded_cost, table_cost
from .lowrank import Basis
from .products import Products, Ranking, extended, union
from .truncation import Case, Errors, Pair, active_types, direct_fittings, truncated, worst_errors

log = logging.getLogger("pybuild")

SAFETY = 0.25  # of the tolerance: structures that were not looked at may be worse
ENERGY_PER_FORCE = 0.1  # angstrom: energies within 1e-9 eV/atom for forces within 1e-8 eV/A
VIRIAL_PER_FORCE = 0.5  # angstrom: virials within 1e-6 eV in 200 atoms for forces within 1e-8 eV/A
LEVELS_PER_DECADE = 16  # fineness of the threshold
# Channels that one look-up takes at once, 512 bits: fewer products are no gain if they need one more of these.
DOUBLE_PACK, MIXED_PACK = 8, 16
FEW = 4  # a table is narrowed where at most one in so many channels of its last pack is in use


@dataclass(frozen=True)
class Cases:
    """What a choice is measured on: centres without a neighbour closer than in the training data; with one that is a little
    closer; and with one that is much closer (grid.NEAR)."""

    ordinary: Sequence[Case]
    near: Sequence[Case]
    far: Sequence[Case]


@dataclass(frozen=True)
class Selection:
    """fittings as they will be stored, with all that any centre needs; ranks by pair of types. double, mixed: by centre type
    the part
    that ordinary centres take, where this is not all: ends of the rows of products, or in the direct form columns by neighbour
    type. errors: of the double part, measured on ordinary centres."""

    folded: bool
    fittings: Mapping[int, Fitting]
    ranks: Mapping[Pair, int]
    errors: Errors
    double: Mapping[int, IntArray] = field(default_factory=dict)
    mixed: Mapping[int, IntArray] = field(default_factory=dict)


@dataclass(frozen=True)
class Goal:
    """Errors of the forces to stay below on the structures that the choice is made on, eV/A: of ordinary centres in double and
    in mixed precision, and of near and far ones (Cases); form "auto", "folded" or "direct"."""

    double: float
    mixed: float
    near: float
    far: float
    form: str = "auto"


def within(errors: Errors, tolerance: float) -> bool:
    """Whether forces, energies and virials are within what a tolerance on the forces allows."""
    return excess(errors, tolerance) <= 1.0


def excess(errors: Errors, tolerance: float) -> float:
    """The largest error relative to what a tolerance on the forces allows for it."""
    return max(errors.force, errors.energy / ENERGY_PER_FORCE, errors.virial / VIRIAL_PER_FORCE) / tolerance


def select(model: ModelDescription, bases: Mapping[Pair, Basis], cases: Cases, pair_table: IntArray, goal: Goal) -> Selection:
    """The cheapest columns and products within the goal. pair_table (N, N): the table of each pair.

    Falls back to all columns where the goal cannot be met; the errors tell.
    """
    if goal.form != "direct" and foldable(model):
        found = _select_folded(model, bases, cases, pair_table, goal)
        if found is not None:
            return found
    return _select_direct(model, bases, cases, goal)


def select_columns(
    model: ModelDescription, bases: Mapping[Pair, Basis], cases: Cases, pair_table: IntArray, goal: Goal
) -> Selection:
    """With the columns given: products are pruned until that alone costs the goal; the errors are those of both."""
    ranks = {pair: len(basis.amplitude) for pair, basis in bases.items()}
    direct = direct_fittings(model, {pair: basis.vectors for pair, basis in bases.items()})
    if goal.form != "direct" and foldable(model):
        untruncated = Cases(*([case.relative_to(direct) for case in part] for part in (cases.ordinary, cases.near, cases.far)))
        found = _select_folded(model, bases, untruncated, pair_table, goal)
        if found is not None:
            return replace(found, errors=worst_errors(cases.ordinary, found.fittings))
    return Selection(False, direct, ranks, worst_errors(cases.ordinary, direct))


def foldable(model: ModelDescription) -> bool:
    """Whether the first layer of every fitting net is without a skip connection."""
    return all(model.fitting.nets[a].layers[0].skip == "none" for a in active_types(model))


def _select_folded(
    model: ModelDescription, bases: Mapping[Pair, Basis], cases: Cases, pair_table: IntArray, goal: Goal
) -> Selection | None:
    search = _FoldedSearch(model, bases, cases.ordinary, pair_table, always=goal.form == "folded")
    double = search.cheapest(search.rankings, search.last, goal.double, DOUBLE_PACK)
    mixed = None
    if double is not None:
        mixed = search.cheapest(double.rankings, double.level, max(goal.double, goal.mixed), MIXED_PACK)
    elif goal.form == "folded":
        double = search.choice(search.rankings, search.last)
    if double is None:
        return None
    row_ends = dict(double.row_ends)
    for part, tolerance in ((cases.near, goal.near), (cases.far, goal.far)):
        row_ends = _extended(search.products, row_ends, part, tolerance)
    fittings = {a: search.products[a].fitting(row_end) for a, row_end in row_ends.items()}
    parts = [_parts(row_ends, choice) for choice in (double, mixed or double)]
    return Selection(True, fittings, _ranks(fittings, bases), double.errors, *parts)


def _parts(row_ends: Mapping[int, IntArray], choice: _Choice) -> dict[int, IntArray]:
    """The staircases of a choice, with a row for every column; none where a centre type takes all products."""
    found = {a: extended(choice.row_ends[a], len(row_end)) for a, row_end in row_ends.items()}
    return {a: part for a, part in found.items() if not np.array_equal(part, row_ends[a])}


def _extended(
    products: Mapping[int, Products], row_ends: Mapping[int, IntArray], cases: Sequence[Case], tolerance: float
) -> Mapping[int, IntArray]:
    """The staircases with the products that these centres need on top, for all centre types one threshold."""
    if not cases:
        return row_ends
    rankings = {a: p.by_contribution(cases) for a, p in products.items()}
    levels = _levels(np.concatenate([r.needed for r in rankings.values()]))

    def at(level: int) -> dict[int, IntArray]:
        return {a: union(row_ends[a], r.row_end(levels[level])) for a, r in rankings.items()}

    def candidate(level: int) -> dict[int, Fitting]:
        return {a: products[a].fitting(row_end) for a, row_end in at(level).items()}

    found = _Trials(cases, candidate, tolerance).lowest(len(levels) - 1)
    return at(len(levels) - 1 if found is None else found[0])


def _ranks(fittings: Mapping[int, Fitting], bases: Mapping[Pair, Basis]) -> dict[Pair, int]:
    """Columns in use by pair of types."""
    ranks = dict.fromkeys(bases, 0)
    for a, fitting in fittings.items():
        for b, k in fitting.first_input.columns.tolist():
            ranks[a, b] = max(ranks[a, b], k + 1)
    return ranks


@dataclass(frozen=True)
class _Choice:
    """Products of all centre types at one level of the threshold, and their columns by pair of types."""

    rankings: Mapping[int, Ranking]
    level: int
    row_ends: Mapping[int, IntArray]
    errors: Errors
    ranks: Mapping[Pair, int]


class _FoldedSearch:
    """One threshold steers products and columns: a product below it is dropped, and a column that no product needs."""

    def __init__(
        self, model: ModelDescription, bases: Mapping[Pair, Basis], cases: Sequence[Case], pair_table: IntArray, always: bool
    ):
        types = active_types(model)
        width, axis = model.descriptor.width, model.descriptor.axis_neuron
        self._n_out = {a: model.fitting.nets[a].layers[0].weight.shape[1] for a in types}
        limit = {a: direct_cost(width, axis, 0, n) // folded_cost(1, n) for a, n in self._n_out.items()}
        self.products = {a: Products(model, a, bases, None if always else limit[a]) for a in types}
        self.rankings = {a: p.by_size(cases) for a, p in self.products.items()}
        self._levels = _levels(np.concatenate([r.needed for r in self.rankings.values()]))
        self._bases, self._cases, self._pair_table = bases, cases, pair_table
        self.last = len(self._levels) - 1  # level up to which folding pays
        if not always:
            n_columns = sum(len(basis.amplitude) for (a, _), basis in bases.items() if a == types[0])
            most = sum(direct_cost(width, axis, n_columns, n) for n in self._n_out.values())
            self.last = max((k for k in range(len(self._levels)) if self._products_cost(k) <= most), default=-1)

    def _products_cost(self, level: int) -> int:
        counts = {a: r.count(self._levels[level]) for a, r in self.rankings.items()}
        return sum(folded_cost(n, self._n_out[a]) for a, n in counts.items())

    def choice(self, rankings: Mapping[int, Ranking], level: int, errors: Errors | None = None) -> _Choice:
        """What a level means."""
        row_ends = {a: r.row_end(self._levels[level]) for a, r in rankings.items()}
        fittings = self._fittings(rankings, level)
        return _Choice(rankings, level, row_ends, errors or worst_errors(self._cases, fittings), _ranks(fittings, self._bases))

    def _fittings(self, rankings: Mapping[int, Ranking], level: int) -> dict[int, Fitting]:
        return {a: self.products[a].fitting(r.row_end(self._levels[level])) for a, r in rankings.items()}

    def cheapest(self, rankings: Mapping[int, Ranking], last: int, tolerance: float, pack: int) -> _Choice | None:
        """The lowest level within the tolerance; or one with narrower tables and more products, where that costs less."""
        best = self._within(rankings, last, tolerance)
        caps = {} if best is None else self._narrower(best, pack)
        if caps:
            other = self._within({a: r.limited(self._columns_below(a, caps)) for a, r in rankings.items()}, last, tolerance)
            if other is not None and self._cost(other, pack) < self._cost(best, pack):
                return other
        return best

    def _within(self, rankings: Mapping[int, Ranking], last: int, tolerance: float) -> _Choice | None:
        found = _Trials(self._cases, lambda k: self._fittings(rankings, k), tolerance).lowest(last)
        return None if found is None else self.choice(rankings, *found)

    def _table_ranks(self, choice: _Choice) -> dict[int, int]:
        ranks: dict[int, int] = {}
        for pair, rank in choice.ranks.items():
            t = int(self._pair_table[pair])
            ranks[t] = max(ranks.get(t, 0), rank)
        return ranks

    def _narrower(self, choice: _Choice, pack: int) -> dict[int, int]:
        """Columns of the tables whose last pack has but a few channels, without these."""
        ranks = self._table_ranks(choice)
        return {t: rank - rank % pack for t, rank in ranks.items() if rank > pack and 0 < rank % pack <= pack // FEW}

    def _columns_below(self, a: int, caps: Mapping[int, int]) -> int:
        """How many columns come before the first one that a narrower table lacks."""
        columns = self.products[a].columns.tolist()
        lacking = (k >= caps.get(int(self._pair_table[a, b]), k + 1) for b, k in columns)
        return max(1, next((p for p, lacks in enumerate(lacking) if lacks), len(columns)))

    def _cost(self, choice: _Choice, pack: int) -> int:
        """Multiply-adds on all cases, of products and tables."""
        ranks = self._table_ranks(choice)
        total = 0
        for case in self._cases:
            for a, row_end in choice.row_ends.items():
                n_products = int((row_end - np.arange(len(row_end))).sum())
                total += len(case.env.centres[a]) * folded_cost(n_products, self._n_out[a])
            for pair, block in case.env.blocks.items():
                total += len(block.i) * table_cost(ranks.get(int(self._pair_table[pair]), 1), pack)
        return total


def _select_direct(model: ModelDescription, bases: Mapping[Pair, Basis], cases: Cases, goal: Goal) -> Selection:
    levels = _levels(np.concatenate([basis.amplitude for basis in bases.values()]))
    last = len(levels) - 1

    def ranks(level: int) -> dict[Pair, int]:
        return {pair: max(1, int(np.sum(b.amplitude >= levels[level]))) for pair, b in bases.items()}

    def candidate(level: int) -> dict[int, Fitting]:
        return direct_fittings(model, truncated(bases, ranks(level)))

    def lowest(part: Sequence[Case], most: int, tolerance: float) -> tuple[int, Errors]:
        return _Trials(part, candidate, tolerance).lowest(most) or (most, worst_errors(part, candidate(most)))

    double, errors = lowest(cases.ordinary, last, goal.double)
    mixed, _ = lowest(cases.ordinary, double, max(goal.double, goal.mixed))
    most = max(double, *(lowest(part, last, asked)[0] for part, asked in ((cases.near, goal.near), (cases.far, goal.far))))
    vectors = {pair: basis.vectors[:, : ranks(most)[pair]] for pair, basis in bases.items()}
    parts = [_rank_parts(model, ranks(level)) if level != most else {} for level in (double, mixed)]
    return Selection(False, direct_fittings(model, vectors), ranks(most), errors, *parts)


def _rank_parts(model: ModelDescription, ranks: Mapping[Pair, int]) -> dict[int, IntArray]:
    """(N,) columns by neighbour type for every centre type, 0 where there is no table."""
    n = model.n_types
    return {a: np.array([ranks.get((a, b), 0) for b in range(n)], dtype=np.int32) for a in active_types(model)}


def _levels(importance: Array) -> Array:
    """Thresholds from the largest importance to the smallest, the smallest included."""
    positive = importance[importance > 0]
    if not positive.size:
        return np.ones(1)
    decades = np.log10(positive.max() / positive.min())
    n = int(np.ceil(decades * LEVELS_PER_DECADE)) + 1
    return positive.max() * 10.0 ** (-np.arange(n + 1) / LEVELS_PER_DECADE)


class _Trials:
    """Errors of candidates on some structures. A candidate is given up at the first structure where it fails, and the
    structures that others failed at come first."""

    def __init__(self, cases: Sequence[Case], candidate: Callable[[int], Mapping[int, Fitting]], tolerance: float):
        self._cases, self._candidate, self._tolerance = list(cases), candidate, tolerance

    def errors(self, level: int) -> Errors | None:
        """None where the candidate is not within the tolerance."""
        fittings, worst = self._candidate(level), Errors(0.0, 0.0, 0.0)
        for k, case in enumerate(self._cases):
            worst = worst.worst(case.errors(fittings))
            if not within(worst, self._tolerance):
                self._cases.insert(0, self._cases.pop(k))
                log.debug("threshold %d: forces %.1e eV/A, energy %.1e, virial %.1e eV/atom: too much", level, *astuple(worst))
                return None
        log.debug("threshold %d: forces %.1e eV/A, energy %.1e, virial %.1e eV/atom", level, *astuple(worst))
        return worst

    def lowest(self, last: int) -> tuple[int, Errors] | None:
        """By bisection, a level within the tolerance whose predecessor is not (errors fall with the level, up to noise)."""
        found = self.errors(last) if last >= 0 else None
        if found is None:
            return None
        low, high, done = -1, last, 0
        steps = Progress("columns and products", int(np.ceil(np.log2(last + 2))))
        while high - low > 1:
            middle = (low + high) // 2
            tried = self.errors(middle)
            if tried is not None:
                high, found = middle, tried
            else:
                low = middle
            done += 1
            steps.update(done)
        steps.close()
        return high, found
