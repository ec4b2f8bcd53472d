# SPDX-License-Identifier: MIT
"""How many columns and which products a model keeps, for a tolerance on the forces.

The smallest set is searched whose measured errors (truncation.py) stay within the tolerance times a safety factor, and
in it the part that is enough for mixed precision (products.py). Where the folded first layer would cost more
operations than the descriptor itself, or cannot exist (a skip connection around it), the descriptor is kept and only
the ranks are chosen.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace

import numpy as np

from .description import ModelDescription
from .evaluation import Fitting
from .folding import direct_cost, folded_cost, table_cost
from .lowrank import Basis
from .products import FoldedCandidates
from .progress import Progress
from .tableset import Array, IntArray
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
class Selection:
    """fittings as they will be stored; ranks by pair of types; errors measured on the cases; row_end_mixed by centre
    type: the products that mixed precision takes, where these are not all."""

    folded: bool
    fittings: Mapping[int, Fitting]
    ranks: Mapping[Pair, int]
    errors: Errors
    row_end_mixed: Mapping[int, IntArray] = field(default_factory=dict)


@dataclass(frozen=True)
class Goal:
    """What is asked for: tolerances on the forces, eV/A, in double and in mixed precision; form "auto", "folded" or "direct"."""

    tolerance: float
    tolerance_mixed: float
    form: str = "auto"


def within(errors: Errors, tolerance: float) -> bool:
    """Whether forces, energies and virials are within what a tolerance on the forces allows."""
    return (
        errors.force <= tolerance
        and errors.energy <= ENERGY_PER_FORCE * tolerance
        and errors.virial <= VIRIAL_PER_FORCE * tolerance
    )


def select(
    model: ModelDescription, bases: Mapping[Pair, Basis], cases: Sequence[Case], pair_table: IntArray, goal: Goal
) -> Selection:
    """The cheapest columns and products within the tolerance. pair_table (N, N): the table of each pair.

    Falls back to all columns where the tolerance cannot be met; the errors tell.
    """
    if goal.form != "direct" and foldable(model):
        found = _select_folded(model, bases, cases, pair_table, goal)
        if found is not None:
            return found
    return _select_direct(model, bases, cases, goal.tolerance)


def select_columns(
    model: ModelDescription, bases: Mapping[Pair, Basis], cases: Sequence[Case], pair_table: IntArray, goal: Goal
) -> Selection:
    """With the columns given: products are pruned until that alone costs the tolerance; the errors are those of both."""
    ranks = {pair: len(basis.amplitude) for pair, basis in bases.items()}
    direct = direct_fittings(model, {pair: basis.vectors for pair, basis in bases.items()})
    if goal.form != "direct" and foldable(model):
        untruncated = [case.relative_to(direct) for case in cases]
        found = _select_folded(model, bases, untruncated, pair_table, goal)
        if found is not None:
            return replace(found, errors=worst_errors(cases, found.fittings))
    return Selection(False, direct, ranks, worst_errors(cases, direct))


def foldable(model: ModelDescription) -> bool:
    """Whether the first layer of every fitting net is without a skip connection."""
    return all(model.fitting.nets[a].layers[0].skip == "none" for a in active_types(model))


def _select_folded(
    model: ModelDescription, bases: Mapping[Pair, Basis], cases: Sequence[Case], pair_table: IntArray, goal: Goal
) -> Selection | None:
    search = _FoldedSearch(model, bases, cases, pair_table, always=goal.form == "folded")
    best = search.cheapest(search.candidates, search.last, goal.tolerance, DOUBLE_PACK)
    mixed = None
    if best is not None:
        mixed = search.cheapest(best.candidates, best.level, max(goal.tolerance, goal.tolerance_mixed), MIXED_PACK)
    elif goal.form == "folded":
        best = search.choice(search.candidates, search.last)
    if best is None:
        return None
    row_end_mixed = {}
    for a, fitting in best.fittings.items() if mixed is not None else ():
        whole, part = (f.first_input.row_end for f in (fitting, mixed.fittings[a]))
        part = np.concatenate([part, np.arange(len(part), len(whole), dtype=whole.dtype)])
        if not np.array_equal(whole, part):
            row_end_mixed[a] = part
    ranks = {pair: best.ranks.get(pair, 0) for pair in bases}
    return Selection(True, best.fittings, ranks, best.errors, row_end_mixed)


@dataclass(frozen=True)
class _Choice:
    """Products of all centre types at one level of the threshold, and their columns by pair of types."""

    candidates: Mapping[int, FoldedCandidates]
    level: int
    fittings: Mapping[int, Fitting]
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
        self.candidates = {a: FoldedCandidates(model, a, bases, cases, None if always else limit[a]) for a in types}
        self._levels = _levels(np.concatenate([c.needed for c in self.candidates.values()]))
        self._cases, self._pair_table = cases, pair_table
        self.last = len(self._levels) - 1  # level up to which folding pays
        if not always:
            n_columns = sum(len(basis.amplitude) for (a, _), basis in bases.items() if a == types[0])
            most = sum(direct_cost(width, axis, n_columns, n) for n in self._n_out.values())
            self.last = max((k for k in range(len(self._levels)) if self._products_cost(k) <= most), default=-1)

    def _products_cost(self, level: int) -> int:
        counts = {a: c.count(self._levels[level]) for a, c in self.candidates.items()}
        return sum(folded_cost(n, self._n_out[a]) for a, n in counts.items())

    def choice(self, candidates: Mapping[int, FoldedCandidates], level: int, errors: Errors | None = None) -> _Choice:
        """What a level means."""
        fittings = self._fittings(candidates, level)
        ranks: dict[Pair, int] = {}
        for a, fitting in fittings.items():
            for b, k in fitting.first_input.columns.tolist():
                ranks[a, b] = max(ranks.get((a, b), 0), k + 1)
        return _Choice(candidates, level, fittings, errors or worst_errors(self._cases, fittings), ranks)

    def _fittings(self, candidates: Mapping[int, FoldedCandidates], level: int) -> dict[int, Fitting]:
        return {a: c.fitting(self._levels[level]) for a, c in candidates.items()}

    def cheapest(self, candidates: Mapping[int, FoldedCandidates], last: int, tolerance: float, pack: int) -> _Choice | None:
        """The lowest level within the tolerance; or one with narrower tables and more products, where that costs less."""
        best = self._within(candidates, last, tolerance)
        caps = {} if best is None else self._narrower(best, pack)
        if caps:
            other = self._within({a: c.limited(self._columns_below(a, c, caps)) for a, c in candidates.items()}, last, tolerance)
            if other is not None and self._cost(other, pack) < self._cost(best, pack):
                return other
        return best

    def _within(self, candidates: Mapping[int, FoldedCandidates], last: int, tolerance: float) -> _Choice | None:
        found = _first_within(lambda k: worst_errors(self._cases, self._fittings(candidates, k)), last, tolerance)
        return None if found is None else self.choice(candidates, *found)

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

    def _columns_below(self, a: int, candidates: FoldedCandidates, caps: Mapping[int, int]) -> int:
        """How many columns come before the first one that a narrower table lacks."""
        lacking = (k >= caps.get(int(self._pair_table[a, b]), k + 1) for b, k in candidates.columns.tolist())
        return next((p for p, lacks in enumerate(lacking) if lacks), len(candidates.columns))

    def _cost(self, choice: _Choice, pack: int) -> int:
        """Multiply-adds on all cases, of products and tables."""
        ranks = self._table_ranks(choice)
        total = 0
        for case in self._cases:
            for a, fitting in choice.fittings.items():
                n_products = len(fitting.net.layers[0].weight)
                total += len(case.env.centres[a]) * folded_cost(n_products, self._n_out[a])
            for pair, block in case.env.blocks.items():
                total += len(block.i) * table_cost(ranks.get(int(self._pair_table[pair]), 1), pack)
        return total


def _select_direct(model: ModelDescription, bases: Mapping[Pair, Basis], cases: Sequence[Case], tolerance: float) -> Selection:
    levels = _levels(np.concatenate([basis.amplitude for basis in bases.values()]))

    def ranks(level: int) -> dict[Pair, int]:
        return {pair: max(1, int(np.sum(b.amplitude >= levels[level]))) for pair, b in bases.items()}

    def errors(level: int) -> Errors:
        return worst_errors(cases, direct_fittings(model, truncated(bases, ranks(level))))

    last = len(levels) - 1
    best = _first_within(errors, last, tolerance)
    level, found = best if best is not None else (last, errors(last))
    vectors = {pair: basis.vectors[:, : ranks(level)[pair]] for pair, basis in bases.items()}
    return Selection(False, direct_fittings(model, vectors), ranks(level), found)


def _levels(importance: Array) -> Array:
    """Thresholds from the largest importance to the smallest, the smallest included."""
    positive = importance[importance > 0]
    decades = np.log10(positive.max() / positive.min())
    n = int(np.ceil(decades * LEVELS_PER_DECADE)) + 1
    return positive.max() * 10.0 ** (-np.arange(n + 1) / LEVELS_PER_DECADE)


def _first_within(errors: Callable[[int], Errors], last: int, tolerance: float) -> tuple[int, Errors] | None:
    """By bisection, a level within the tolerance whose predecessor is not (errors fall with the level, up to noise)."""
    if last < 0:
        return None
    target = SAFETY * tolerance
    high, found = last, errors(last)
    if not within(found, target):
        return None
    low, done = -1, 0
    steps = Progress("columns and products", int(np.ceil(np.log2(last + 2))))
    while high - low > 1:
        middle = (low + high) // 2
        tried = errors(middle)
        log.debug("threshold %d of %d: forces %.1e eV/A, energy %.1e, virial %.1e eV/atom", middle, last, *astuple(tried))
        if within(tried, target):
            high, found = middle, tried
        else:
            low = middle
        done += 1
        steps.update(done)
    steps.close()
    return high, found
