# SPDX-License-Identifier: MIT
"""Rounds of choosing columns and products: a lower goal where the stored tables miss what is asked for on other structures."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from ..arrays import Array, IntArray
from ..model.description import ModelDescription
from ..tablefile.tableset import TableArrays, TableSet
from .assembly import Columns, make_table_set, table_ranks
from .grid import Grid, TablePlan
from .lowrank import Basis
from .options import Options
from .selection import Selection, Selector
from .steps import StepGoal
from .stored import looked_up, same_part, stored_fittings
from .trials import Goal, excess, within
from .truncation import Case, Cases, Errors, worst_errors

log = logging.getLogger("pybuild")

JUDGED = 0.5  # of the tolerance: what is asked for on structures that the choice was not made on
ROUNDS = 5  # of choosing: up to three with less allowed than before, and one back to what was allowed at first
WORTH_STEPS = 1.5  # times that errors must fall for that, or the tables stay as they were
TIGHTER = 1.25  # times what the judge found over what is asked for: so much is a goal lowered
# What of a stored table file (stored.stored_fittings) the centres take whose errors are told apart.
PARTS = {"double": "double", "mixed": "mixed", "near": "all", "far": "all"}


@dataclass(frozen=True)
class Measured:
    """Errors against the exact model: of ordinary centres in double precision and, rounding not included, in mixed precision;
    and of centres with a neighbour a little, and much, closer than in the training data (trials.Cases)."""

    double: Errors
    mixed: Errors
    near: Errors
    far: Errors

    def within(self, tolerances: Mapping[str, float]) -> bool:
        """Whether each is within its tolerance."""
        return all(within(getattr(self, name), asked) for name, asked in tolerances.items())

    def worst(self, other: Measured) -> Measured:
        """The larger errors of two."""
        return Measured(*(getattr(self, f.name).worst(getattr(other, f.name)) for f in fields(self)))


@dataclass(frozen=True)
class Chosen:
    """What the rounds of choosing come to."""

    selection: Selection
    table_set: TableSet
    judged: Measured
    hopeless: set[str]  # tolerances that tighter goals do not help

    def _limited(self, options: Options) -> dict[str, float]:
        """What steps may be the limit of: errors relative to what is asked for."""
        return {name: ratio for name, ratio in _over(self.judged, options).items() if name in self.hopeless and name != "mixed"}

    def is_worth_more_than(self, other: Chosen, options: Options) -> bool:
        """Of one with finer steps: all tolerances are met, or what the steps of the other limited has become much better."""
        if self.judged.within(options.tolerances):
            return True
        limits = {name: options.tolerances[name] for name in other._limited(options)}
        found = max(excess(getattr(self.judged, name), asked) for name, asked in limits.items())
        return found * WORTH_STEPS <= max(excess(getattr(other.judged, name), asked) for name, asked in limits.items())

    def finer(self, goal: StepGoal, options: Options) -> StepGoal | None:
        """What to ask of the steps where they may be what keeps the tables from a tolerance, None where nothing does: errors of
        many pairs add up, and the steps are chosen by single ones."""
        if options.step is not None or self.judged.within(options.tolerances):
            return None
        over = self._limited(options)
        trained, beyond = max(over.get("double", 1.0), over.get("near", 1.0)), over.get("far", 1.0)
        if trained == beyond == 1:
            return None
        log.debug("finer steps: errors to be %.1f and %.1f times smaller", TIGHTER * trained, TIGHTER * beyond)
        return StepGoal(goal.trained / (TIGHTER * trained), goal.beyond / (TIGHTER * beyond))


class Rounds:
    """Columns and products, chosen until the judge finds the stored tables within what is asked for."""

    def __init__(
        self,
        model: ModelDescription,
        plans: Sequence[TablePlan],
        bases: Sequence[Basis],
        distances: Array,
        pair_tables: Sequence[IntArray],
        selector: Selector,
        judge: Judge,
        options: Options,
    ):
        self._model, self._plans, self._bases, self._distances = model, plans, bases, distances
        self._pair_tables, self._selector, self._judge, self._options = pair_tables, selector, judge, options

    def choose(self, goal: Goal, grids: Sequence[Grid]) -> Chosen:
        """With tables on these grids, from this goal on."""
        options, columns = self._options, Columns(self._plans, grids, self._bases)
        tried: list[tuple[Goal, Measured]] = []
        made: dict[Goal, Chosen] = {}
        hopeless: set[str] = set()
        met: Chosen | None = None
        for k in range(ROUNDS):
            chosen = made[goal] = made.get(goal) or self._chosen(goal, columns, hopeless)
            judged = chosen.judged
            errors = ", ".join(f"{f.name} {getattr(judged, f.name).force:.1e} eV/A" for f in fields(judged))
            log.debug("round %d: %s", k + 1, errors)
            if options.rank != "auto":  # nothing to tighten; with all columns the steps are all there is
                return replace(chosen, hopeless=set(options.tolerances) if options.rank == "full" else hopeless)
            tried.append((goal, judged))
            met = chosen if judged.within(options.tolerances) else met
            hopeless |= set() if k == 0 else _not_better(tried[-2], tried[-1], options)
            tighter = tightened(tried, options, hopeless)
            if tighter == goal:
                break
            goal = tighter
        return met or chosen  # goals that were met in different rounds need not be met together

    def _chosen(self, goal: Goal, columns: Columns, hopeless: set[str]) -> Chosen:
        selection = self._selector.select(goal)
        tables = columns.first(table_ranks(self._plans, selection.ranks))
        table_set = make_table_set(self._model, self._options, self._distances, self._pair_tables, tables, selection)
        judged = self._judge.measure(replace(table_set, tables=columns.tables), table_set)
        return Chosen(selection, table_set, judged, hopeless)


def _over(judged: Measured, options: Options) -> dict[str, float]:
    """What the judge found relative to what is asked for, where this is more."""
    over = {name: excess(getattr(judged, name), JUDGED * asked) for name, asked in options.tolerances.items()}
    return {name: ratio for name, ratio in over.items() if ratio > 1}


def _not_better(before: tuple[Goal, Measured], now: tuple[Goal, Measured], options: Options) -> set[str]:
    """The tolerances that a tighter goal did not help, by less than its root: steps, order or corners of an activation are the
    limit, not columns."""
    (first, one), (goal, other) = before, now
    was, found = _over(one, options), _over(other, options)
    return {
        name for name in found if name in was and found[name] > was[name] * np.sqrt(getattr(goal, name) / getattr(first, name))
    }


def tightened(tried: Sequence[tuple[Goal, Measured]], options: Options, hopeless: set[str]) -> Goal:
    """The last goal tried, lower where the judge found more than is asked for; where that is hopeless, the highest one that met
    the tolerance itself, or the first if none did."""
    goal, judged = tried[-1]
    changes = {name: getattr(goal, name) / (TIGHTER * over) for name, over in _over(judged, options).items()}
    for name in hopeless:
        met = [getattr(one, name) for one, found in tried if within(getattr(found, name), options.tolerances[name])]
        changes[name] = max(met, default=getattr(tried[0][0], name))
    return replace(goal, **changes)


class Judge:
    """Structures that the choice was not made on, with the look-ups in tables that have not changed, and what was found of the
    parts of these."""

    def __init__(self, exact: Cases):
        self._cases = exact
        self._tables: tuple[TableArrays, ...] | None = None
        self._last: tuple[TableSet, Measured] | None = None

    def measure(self, whole: TableSet, tables: TableSet) -> Measured:
        """whole: the same with all columns that the tables have so far."""
        if self._tables is not whole.tables:
            self._cases, self._tables = self._cases.each(lambda case: looked_up(whole, case)), whole.tables
            self._last = None
        known = {} if self._last is None else _known(*self._last, tables)
        self._last = tables, measure(tables, self._cases, known)
        return self._last[1]


def _known(before: TableSet, measured: Measured, now: TableSet) -> dict[str, Errors]:
    """What was measured of parts that are the same now."""
    same = {part: same_part(before, now, part) for part in set(PARTS.values())}
    return {name: getattr(measured, name) for name, part in PARTS.items() if same[part]}


def measure(tables: TableSet, stored: Cases, known: Mapping[str, Errors] | None = None) -> Measured:
    """The tables as they are stored, interpolation included; stored: with look-ups in these, or in longer ones; known: errors
    that need not be measured."""
    cases = {"double": stored.ordinary, "mixed": stored.ordinary, "near": stored.near, "far": stored.far}
    found = dict(known or {})
    for name in PARTS.keys() - found.keys():
        found[name] = errors_of_part(tables, cases[name], PARTS[name])
    return Measured(**found)


def errors_of_part(tables: TableSet, stored: Sequence[Case], part: str) -> Errors:
    """Of centres that take this part of the tables."""
    fittings = stored_fittings(stored[0].env.descriptors, tables, part) if stored else {}
    return worst_errors(stored, fittings)
