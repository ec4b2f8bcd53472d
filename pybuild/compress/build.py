# SPDX-License-Identifier: MIT
"""From a trained model to a TableSet: ranges, steps, bases, selection, tables, folded fitting nets, and what it all cost."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from ..arrays import Array, IntArray
from ..blas import one_blas_thread
from ..errors import InputError
from ..model.description import ModelDescription
from ..progress import track
from ..structures.length_checks import check_smallest
from ..structures.probe import close_structures, judge_structures, probe_structures, with_parameters
from ..structures.structure import Structure
from ..tablefile.tableset import DescriptorArrays, FittingArrays, NeighbourRule, TableArrays, TableSet
from .environment import Neighbourhoods, Pair, n_numbers
from .grid import NEAR, Grid, TablePlan, given_steps, make_grid, plan_tables
from .hermite import ORDERS
from .lowrank import Basis, constant_basis, identity_basis, roots, sampled_basis
from .selection import Selection, Selector
from .steps import StepGoal, choose_grid
from .stored import input_arrays, looked_up, same_part, stored_fittings
from .tabulate import build_table
from .trials import SAFETY, Goal, excess, within
from .truncation import (
    Case,
    Cases,
    Errors,
    evaluate_exactly,
    exact_fittings,
    moment_gradients,
    padding_vectors,
    project,
    split_centres,
    worst_errors,
)

log = logging.getLogger("pybuild")

SMALLEST_AMPLITUDE = 1e-13  # of the largest: a column below it is rounding noise of the decomposition
COARSE_OVER_FINE = 10  # of the steps, where the fine one is given
FAR_TOLERANCE = 1e-4  # on forces, eV/A, where pairs are much closer than in the training data
JUDGED = 0.5  # of the tolerance: what is asked for on structures that the choice was not made on
ROUNDS = 5  # of choosing: up to three with less allowed than before, and one back to what was allowed at first
FINER = 2  # times that steps are made smaller where they are what keeps a tolerance
WORTH_STEPS = 1.5  # times that errors must fall for that, or the tables stay as they were
TIGHTER = 1.25  # times what the judge found over what is asked for: so much is a goal lowered
NEAR_SEEDS, FAR_SEEDS = ((2001,), (2101, 2102)), ((3001,), (3101, 3102))  # to choose on, to judge on
CLOSE_FACTORS = 0.9, 0.95  # times the smallest distances: from where on a centre takes all columns and products, tried in turn
CLOSE_SHARE = 100  # times the tolerances, at most FAR_TOLERANCE: what the others may miss between there and these distances
CLOSE_SEEDS = 4001, 4002
# Numbers that the nets give of structures that are evaluated together, for each pair of types: arrays of 8 MB, for which there is
# room in memory that was used before; and in all.
TOGETHER_A_PAIR, MOST_TOGETHER = 1e6, 3e6
SPARE = 4  # columns of a table more than a round needs: the next one may
FORMS = "auto", "folded", "combined", "direct"  # of the first fitting layer
MOST_BYTES = 500e6  # of all tables of a file: 16 pairs of elements of a published model need 290 MB


Gradients = Mapping[int, Sequence[Array]]  # centre type -> of each descriptor dE/dT (n, M, components) of some neighbourhoods


@dataclass(frozen=True)
class Options:
    """Settings of a build; the defaults are those of the command line."""

    step: float | None = None  # of the fine grid, in x; the coarse one has ten times that; None: both by the tolerances
    extrapolate: float = 5.0  # the table ends at this times the upper end of the fine grid
    order: int = 5
    check_frequency: int = 10
    rank: int | str = "auto"  # "auto", "full" or a number of columns
    tolerance: float = 1e-8  # on forces, eV/A
    tolerance_mixed: float = 1e-5  # of what mixed precision evaluates, rounding not included
    form: str = "auto"  # first fitting layer: "auto", "folded" onto columns, or se_e2_a "combined" ones; "direct"

    def validate(self) -> None:
        """Raise InputError, naming the option."""
        if self.order not in ORDERS:
            raise InputError(f"--order must be 3 or 5, not {self.order}")
        if not (_is_whole(self.check_frequency) and 0 < self.check_frequency < 2**31):
            raise InputError(f"--check-frequency must be a positive whole number of steps, not {self.check_frequency}")
        if self.form not in FORMS:
            raise InputError(f"form must be one of {', '.join(FORMS)}, not {self.form}")
        if self.step is not None and not (np.isfinite(self.step) and self.step > 0):
            raise InputError(f"--step must be a positive number, not {self.step}")
        for name, value in (("--tolerance", self.tolerance), ("--tolerance-mixed", self.tolerance_mixed)):
            if not (np.isfinite(value) and value > 0):
                raise InputError(f"{name} must be a positive force in eV/A, not {value}")
        if self.rank not in ("auto", "full") and not (_is_whole(self.rank) and self.rank > 0):
            raise InputError(f"--rank must be auto, full or a positive number, not {self.rank}")

    @property
    def tolerances(self) -> dict[str, float]:
        """On the forces of the centres of trials.Goal, eV/A."""
        far = max(self.tolerance, FAR_TOLERANCE)
        return {"double": self.tolerance, "mixed": self.tolerance_mixed, "near": self.tolerance, "far": far}


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


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
class Build:
    """What build() made and looked at on the way."""

    tables: TableSet
    plans: Sequence[TablePlan]
    truncation: Errors  # by rank and products alone
    measured: Measured  # the tables as they are stored, on all structures
    measured_on: str  # what these are
    close_factor: float  # a centre takes all columns and products where a neighbour is closer than this, in smallest distances
    between: Errors  # of centres with a neighbour between there and the smallest distance, in double precision
    kinked_fitting: bool  # an activation of the fitting nets has corners


@one_blas_thread()
def build(
    model: ModelDescription,
    min_distance: float,
    options: Options | None = None,
    pair_distances: Array | None = None,
    structures: Sequence[Structure] = (),
) -> Build:
    """Compress a model.

    min_distance: smallest neighbour distance of the training data, angstrom; pair_distances (N, N): the same by pair of types,
    where known; structures: frames of the training data, on which the choice is made beside probe.py's. Raises InputError for bad
    options.
    """
    options = options or Options()
    options.validate()
    check_smallest(min_distance, model.rcut, "min_distance")
    known = min_distance if pair_distances is None else pair_distances
    distances = np.maximum(np.full((model.n_types, model.n_types), float(min_distance)), known)
    plans, pair_tables = plan_tables(model, min_distance, options.extrapolate)
    seen = _Evidence(model, plans, distances, structures)
    exact = seen.cases_to_choose_on()
    trained = {a: moment_gradients(model, exact.ordinary, a) for a in model.active_types}
    close = {a: moment_gradients(model, [*exact.near, *exact.far], a) for a in model.active_types}
    bases = _bases(model, plans, trained, options)
    by_pair = {(plan.descriptor, *pair): basis for plan, basis in zip(plans, bases, strict=True) for pair in plan.pairs}
    by_pair |= {(d, a, empty): constant_basis(v, by_pair[d, a, 0]) for (d, a, empty), v in padding_vectors(model).items()}
    cases = Cases(*(_projected(part, by_pair) for part in (exact.ordinary, exact.near, exact.far)))
    del exact
    judges = seen.cases_to_judge_on()
    goal = Goal(**{name: SAFETY * t for name, t in options.tolerances.items()}, form=_form(options))
    in_use = {pair: basis for pair, basis in by_pair.items() if pair[1] in model.active_types}
    selector = Selector(model, in_use, cases, pair_tables, columns_given=options.rank != "auto")
    rounds = _Rounds(model, plans, bases, distances, pair_tables, selector, _Judge(judges), options)
    step_goal = StepGoal(options.tolerances["near"], options.tolerances["far"])
    grids = _grids(model, plans, (trained, close), options, step_goal)
    chosen = rounds.choose(goal, grids)
    nets = [model.fitting.net(a) for a in model.active_types]
    kinked = any(layer.activation.kinked for net in nets for layer in net.layers)
    for _ in range(0 if kinked else FINER):
        finer_goal = chosen.finer(step_goal, options)
        if finer_goal is None:
            break
        before, grids = [grid.n_rows for grid in grids], _grids(model, plans, (trained, close), options, finer_goal)
        if [grid.n_rows for grid in grids] == before or not _fit(grids, bases, options):
            break
        step_goal, finer = finer_goal, rounds.choose(goal, grids)
        if not finer.is_worth_more_than(chosen, options):
            break
        chosen = finer
    selection, table_set, judged = chosen.selection, chosen.table_set, chosen.judged
    measured = _measure(table_set, cases.each(lambda case: looked_up(table_set, case))).worst(judged)
    close_factor, between = _close_factor(seen, table_set, options)
    table_set = replace(table_set, close_distance=close_factor * distances)
    return Build(table_set, plans, selection.errors, measured, seen.described(), close_factor, between, kinked)


@dataclass(frozen=True)
class _Chosen:
    """What the rounds of choosing come to."""

    selection: Selection
    table_set: TableSet
    judged: Measured
    hopeless: set[str]  # tolerances that tighter goals do not help

    def _limited(self, options: Options) -> dict[str, float]:
        """What steps may be the limit of: errors relative to what is asked for."""
        return {name: ratio for name, ratio in _over(self.judged, options).items() if name in self.hopeless and name != "mixed"}

    def is_worth_more_than(self, other: _Chosen, options: Options) -> bool:
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


class _Rounds:
    """Columns and products, chosen until the judge finds the stored tables within what is asked for."""

    def __init__(
        self,
        model: ModelDescription,
        plans: Sequence[TablePlan],
        bases: Sequence[Basis],
        distances: Array,
        pair_tables: Sequence[IntArray],
        selector: Selector,
        judge: _Judge,
        options: Options,
    ):
        self._model, self._plans, self._bases, self._distances = model, plans, bases, distances
        self._pair_tables, self._selector, self._judge, self._options = pair_tables, selector, judge, options

    def choose(self, goal: Goal, grids: Sequence[Grid]) -> _Chosen:
        """With tables on these grids, from this goal on."""
        options, columns = self._options, _Columns(self._plans, grids, self._bases, self._options)
        tried: list[tuple[Goal, Measured]] = []
        made: dict[Goal, _Chosen] = {}
        hopeless: set[str] = set()
        met: _Chosen | None = None
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

    def _chosen(self, goal: Goal, columns: _Columns, hopeless: set[str]) -> _Chosen:
        selection = self._selector.select(goal)
        tables = columns.first(_table_ranks(self._plans, selection.ranks))
        table_set = _table_set(self._model, self._options, self._distances, self._pair_tables, tables, selection)
        judged = self._judge.measure(replace(table_set, tables=columns.tables), table_set)
        return _Chosen(selection, table_set, judged, hopeless)


class _Evidence:
    """The structures that a build looks at: frames of the training data and synthetic ones, the latter in two sets (probe.py)."""

    def __init__(
        self,
        model: ModelDescription,
        plans: Sequence[TablePlan],
        distances: Array,
        given: Sequence[Structure],
    ):
        self._model, self._distances = model, distances
        self._given = with_parameters(model, given)
        # Where the tables end: for a pair of types as centre and neighbour, and the other way round.
        ends = np.zeros_like(distances)
        for plan in plans:
            descriptor = model.descriptors[plan.descriptor]
            for a, group in plan.pairs:
                for b in descriptor.members(group) if model.sees(plan.descriptor, a, group) else ():
                    ends[a, b] = max(ends[a, b], descriptor.distance(a, plan.max))
        self._ends = np.where(np.maximum(ends, ends.T) > 0, np.maximum(ends, ends.T), distances)
        self._n_synthetic = 0
        self._fittings = exact_fittings(model)

    def cases_to_choose_on(self) -> Cases:
        """Evaluated exactly."""
        return self._evaluated([*self._given, *probe_structures(self._model, self._distances)], 0, keep=True)

    def cases_to_judge_on(self) -> Cases:
        """Evaluated exactly; what the embedding nets gave is not kept."""
        return self._evaluated(judge_structures(self._model, self._distances), 1, keep=False)

    def _evaluated(self, structures: list[Structure], which: int, keep: bool) -> Cases:
        low = np.maximum(NEAR * self._distances, self._ends)
        near = self._close(low, self._distances, NEAR_SEEDS[which])
        far = self._close(self._ends, low, FAR_SEEDS[which])
        self._n_synthetic += len(structures) + len(near) + len(far) - (len(self._given) if keep else 0)
        split = self._split([*structures, *near, *far], self._distances, low, self._ends)
        return Cases(*(self._exact(part, keep) for part in split))

    def cases_between(self, factor: float) -> list[Case]:
        """Centres whose closest neighbour is at that factor to once the smallest distance."""
        low = np.maximum(factor * self._distances, self._ends)
        _, between = self._split(self._close(low, self._distances, CLOSE_SEEDS), self._distances, low)
        return self._exact(between, keep=False)

    def _split(self, structures: Sequence[Structure], *limits: Array) -> list[list[Neighbourhoods]]:
        """The centres by how close their closest neighbour is, see split_centres; of structures with any."""
        parts: list[list[Neighbourhoods]] = [[] for _ in limits]
        for structure in track(structures, "neighbours"):
            pairs, split = split_centres(self._model, structure, *limits)
            for part, centres in zip(parts, split, strict=True):
                part += [Neighbourhoods.of(self._model, structure, centres, pairs)] if len(centres) else []
        return parts

    def _exact(self, parts: Sequence[Neighbourhoods], keep: bool) -> list[Case]:
        """Cases of several structures each. Those where atoms have the most neighbours come first, since errors add up most
        there, and the first case is of one: a search looks at that first. keep: with what the embedding nets gave."""
        groups: list[list[Neighbourhoods]] = []
        most, room = min(MOST_TOGETHER, TOGETHER_A_PAIR * self._model.n_types**2), 0.0
        sizes = [n_numbers(self._model, part.pairs, part.centres) for part in parts]
        for k in sorted(range(len(parts)), key=lambda k: -float(sizes[k].mean())):
            part, size = parts[k], float(sizes[k].sum())
            if len(groups) < 2 or size > room:
                groups.append([])
                room = most
            groups[-1].append(part)
            room -= size
        cases = []
        for group in track(groups, "exact model"):
            case = evaluate_exactly(self._model, Neighbourhoods.merged(group), self._fittings)
            cases.append(case if keep else replace(case, features={}, moments={}))
        return cases

    def _close(self, low: Array, high: Array, seeds: tuple[int, ...]) -> list[Structure]:
        some = self._model.ordinary.any() and (low < high).any()
        return close_structures(self._model, low, high, self._distances, seeds) if some else []

    def described(self) -> str:
        """What was looked at, for people."""
        frames = [f"{len(self._given)} frames of training data"] if self._given else []
        return " and ".join([*frames, f"{self._n_synthetic} synthetic structures"])


def _projected(cases: list[Case], bases: Mapping[Pair, Basis]) -> list[Case]:
    """Takes them out of the list one by one: their memory is free for what is evaluated next."""
    return [project(cases.pop(0), bases) for _ in range(len(cases))]


def _grids(
    model: ModelDescription, plans: Sequence[TablePlan], gradients: Sequence[Gradients], options: Options, goal: StepGoal
) -> list[Grid]:
    """gradients: around ordinary centres and around others."""
    if options.step is not None:
        return [make_grid(plan, given_steps(plan, options.step, COARSE_OVER_FINE * options.step)) for plan in plans]
    grids = []
    for plan in track(list(plans), "steps"):
        trained, beyond = ({a: of[plan.descriptor] for a, of in of_types.items()} for of_types in gradients)
        grids.append(choose_grid(model, plan, trained, beyond, options.order, goal))
    return grids


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


class _Judge:
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
        self._last = tables, _measure(tables, self._cases, known)
        return self._last[1]


# What of a stored table file (stored.stored_fittings) the centres take whose errors are told apart.
PARTS = {"double": "double", "mixed": "mixed", "near": "all", "far": "all"}


def _known(before: TableSet, measured: Measured, now: TableSet) -> dict[str, Errors]:
    """What was measured of parts that are the same now."""
    same = {part: same_part(before, now, part) for part in set(PARTS.values())}
    return {name: getattr(measured, name) for name, part in PARTS.items() if same[part]}


def _measure(tables: TableSet, stored: Cases, known: Mapping[str, Errors] | None = None) -> Measured:
    """The tables as they are stored, interpolation included; stored: with look-ups in these, or in longer ones; known: errors
    that need not be measured."""
    cases = {"double": stored.ordinary, "mixed": stored.ordinary, "near": stored.near, "far": stored.far}
    found = dict(known or {})
    for name in PARTS.keys() - found.keys():
        found[name] = _errors_of_part(tables, cases[name], PARTS[name])
    return Measured(**found)


def _errors_of_part(tables: TableSet, stored: Sequence[Case], part: str) -> Errors:
    fittings = stored_fittings(stored[0].env.descriptors, tables, part) if stored else {}
    return worst_errors(stored, fittings)


def _close_factor(seen: _Evidence, tables: TableSet, options: Options) -> tuple[float, Errors]:
    """How much closer than in the training data neighbours may be before a centre has to take all columns and products, which
    cost twice as much; and the error in double precision up to there. Not closer at all where nothing could be measured."""
    for factor in CLOSE_FACTORS:
        cases = [looked_up(tables, case) for case in seen.cases_between(factor)]
        errors = {name: _errors_of_part(tables, cases, name) for name in ("double", "mixed")}
        asked = {name: options.tolerances[name] for name in errors}
        limits = {name: max(t, min(CLOSE_SHARE * t, FAR_TOLERANCE)) for name, t in asked.items()}
        if cases and all(within(errors[name], limits[name]) for name in errors):
            return factor, errors["double"]
    return 1.0, Errors(0.0, 0.0, 0.0)


def _bases(model: ModelDescription, plans: Sequence[TablePlan], gradients: Gradients, options: Options) -> list[Basis]:
    if options.rank == "full":
        return [identity_basis(plan.function.width) for plan in plans]
    bases = []
    for d in range(len(model.descriptors)):
        own = [plan for plan in plans if plan.descriptor == d]
        bases += _bases_of_one(own, {a: by_descriptor[d] for a, by_descriptor in gradients.items()}, options)
    return bases


def _bases_of_one(plans: Sequence[TablePlan], gradients: Mapping[int, Array], options: Options) -> list[Basis]:
    """Those of the tables of one descriptor; gradients: by centre type dE/dT (n, M, components)."""
    width = plans[0].function.width
    by_type = {a: np.einsum("nmc,nkc->mk", g, g, optimize=True) for a, g in gradients.items()}
    scale = max(float(np.linalg.norm(h, 2)) for h in by_type.values()) or 1.0
    centres = [frozenset(a for a, _ in plan.pairs if a in by_type) for plan in plans]
    none = np.zeros((width, width))
    scaled = {c: roots(sum((by_type[a] for a in c), none) / scale) for c in set(centres)}
    bases = [sampled_basis(p, scaled[c]) for p, c in track(list(zip(plans, centres, strict=True)), "bases")]
    floor = SMALLEST_AMPLITUDE * max(float(basis.amplitude[0]) for basis in bases)
    most = width if options.rank == "auto" else int(options.rank)
    return [basis.first(max(1, min(most, int(np.sum(basis.amplitude > floor))))) for basis in bases]


def _form(options: Options) -> str:
    return "direct" if options.rank == "full" else options.form


class _Columns:
    """Tables of leading columns, as many as were asked for so far and a few more."""

    def __init__(self, plans: Sequence[TablePlan], grids: Sequence[Grid], bases: Sequence[Basis], options: Options):
        self._parts, self._options = list(zip(plans, grids, bases, strict=True)), options
        self.tables: tuple[TableArrays, ...] = ()

    def first(self, ranks: Sequence[int]) -> list[TableArrays]:
        """With so many columns."""
        _check_size([grid for _, grid, _ in self._parts], ranks, self._options)
        lacking = [k for k, rank in enumerate(ranks) if not self.tables or self.tables[k].rank < rank]
        if lacking:
            tables = dict(enumerate(self.tables))
            for k in track(lacking, "tables"):
                plan, grid, basis = self._parts[k]
                tables[k] = build_table(plan, grid, basis.first(ranks[k] + SPARE), self._options.order)
            self.tables = tuple(tables[k] for k in range(len(ranks)))
        return [table.first(rank) for table, rank in zip(self.tables, ranks, strict=True)]


def _n_bytes(grids: Sequence[Grid], ranks: Sequence[int], options: Options) -> float:
    return sum(8.0 * grid.n_rows * (options.order + 1) * rank for grid, rank in zip(grids, ranks, strict=True))


def _fit(grids: Sequence[Grid], bases: Sequence[Basis], options: Options) -> bool:
    """Whether tables of all columns are small enough."""
    return _n_bytes(grids, [len(basis.amplitude) for basis in bases], options) <= MOST_BYTES


def _check_size(grids: Sequence[Grid], ranks: Sequence[int], options: Options) -> None:
    n_bytes = _n_bytes(grids, ranks, options)
    if n_bytes > MOST_BYTES:
        raise InputError(
            f"the tables would have {sum(grid.n_rows for grid in grids)} rows and {n_bytes / 1e6:.0f} MB, more than the "
            f"{MOST_BYTES / 1e6:.0f} MB that any use is known for: is the smallest distance right (a longer "
            "--min-nbor-dist), are --step, --tolerance and --rank? A smaller --extrapolate shortens them, too; and of a "
            "model for many elements --keep-types takes those that will be simulated alone"
        )


def _table_ranks(plans: Sequence[TablePlan], ranks: Mapping[Pair, int]) -> list[int]:
    """Columns of each table: as many as the most demanding centre type needs, at least one."""
    return [max(1, *(ranks.get((plan.descriptor, *pair), 0) for pair in plan.pairs)) for plan in plans]


def _table_set(
    model: ModelDescription,
    options: Options,
    pair_distances: Array,
    pair_tables: Sequence[IntArray],
    tables: Sequence[TableArrays],
    selection: Selection,
) -> TableSet:
    types, fittings = model.active_types, selection.fittings
    return TableSet(
        type_map=model.type_map,
        energy_bias=np.array([fittings[a].constant if a in fittings else 0.0 for a in range(model.n_types)]),
        energy_mask=np.array([a in types for a in range(model.n_types)], dtype=np.int32),
        min_distance=np.asarray(pair_distances, dtype=np.float64),
        check_frequency=options.check_frequency,
        neighbour_rule=NeighbourRule[model.neighbour_rule.upper()],
        n_fparam=model.fitting.parameters.n_fparam,
        n_aparam=model.fitting.parameters.n_aparam,
        default_fparam=model.fitting.parameters.default_fparam,
        descriptors=tuple(
            DescriptorArrays(**descriptor.numbers(), pair_kind=kinds, pair_table=table)
            for descriptor, kinds, table in zip(model.descriptors, model.pair_kinds, pair_tables, strict=True)
        ),
        tables=tuple(tables),
        fittings=tuple(_fitting_arrays(selection, a) if a in fittings else None for a in range(model.n_types)),
    )


def _fitting_arrays(selection: Selection, a: int) -> FittingArrays:
    fitting = selection.fittings[a]
    taken = (
        input_arrays(d, first, choice.double.get(a), choice.mixed.get(a), choice.exact.get(a))
        for d, (first, choice) in enumerate(zip(fitting.inputs, selection.choices, strict=True))
    )
    return FittingArrays(tuple(taken), fitting.net.layers)
