# SPDX-License-Identifier: MIT
"""From a trained model to a TableSet: ranges, steps, bases, selection, tables, folded fitting nets, and what it all cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..arrays import Array
from ..blas import one_blas_thread
from ..model.description import ModelDescription
from ..progress import track
from ..structures.length_checks import check_smallest
from ..structures.structure import Structure
from ..tablefile.tableset import TableSet
from .assembly import fits
from .continuity import Jump
from .environment import Pair
from .evidence import Evidence
from .grid import Grid, TablePlan, given_steps, make_grid, plan_tables
from .lowrank import Basis, constant_basis, identity_basis, roots, sampled_basis
from .options import FAR_TOLERANCE, Options
from .rounds import Judge, Measured, Rounds, errors_of_part, measure
from .selection import Selector
from .steps import StepGoal, choose_grid
from .stored import looked_up
from .trials import SAFETY, Goal, within
from .truncation import Case, Cases, Errors, moment_gradients, padding_vectors, project

SMALLEST_AMPLITUDE = 1e-13  # of the largest: a column below it is rounding noise of the decomposition
COARSE_OVER_FINE = 10  # of the steps, where the fine one is given
FINER = 2  # times that steps are made smaller where they are what keeps a tolerance
CLOSE_FACTORS = 0.9, 0.95  # times the smallest distances: from where on a centre takes all columns and products, tried in turn
CLOSE_SHARE = 100  # times the tolerances, at most FAR_TOLERANCE: what the others may miss between there and these distances

Gradients = Mapping[int, Sequence[Array]]  # centre type -> of each descriptor dE/dT (n, M, components) of some neighbourhoods


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
    jump: Jump | None  # of the model itself where a neighbour crosses the cut-off


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
    seen = Evidence(model, plans, distances, structures)
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
    rounds = Rounds(model, plans, bases, distances, pair_tables, selector, Judge(judges), options)
    step_goal = StepGoal(options.tolerances["near"], options.tolerances["far"])
    grids = _grids(model, plans, (trained, close), options, step_goal)
    chosen = rounds.choose(goal, grids)
    nets = [model.fitting.net(a) for a in model.active_types]
    kinked = any(layer.activation.kinked for net in nets for layer in net.layers)
    for _ in range(0 if kinked else FINER):
        finer_goal = chosen.finer(step_goal, options)
        if finer_goal is None:
            break
        before, grids = [grid.segments.tolist() for grid in grids], _grids(model, plans, (trained, close), options, finer_goal)
        if [grid.segments.tolist() for grid in grids] == before or not fits(grids, bases):
            break
        step_goal, finer = finer_goal, rounds.choose(goal, grids)
        if not finer.is_worth_more_than(chosen, options):
            break
        chosen = finer
    selection, table_set, judged = chosen.selection, chosen.table_set, chosen.judged
    measured = measure(table_set, cases.each(lambda case: looked_up(table_set, case))).worst(judged)
    close_factor, between = _close_factor(seen, table_set, options)
    table_set = replace(table_set, close_distance=close_factor * distances)
    of_structures = seen.described(), close_factor, between
    return Build(table_set, plans, selection.errors, measured, *of_structures, kinked, seen.largest_jump())


def _projected(cases: list[Case], bases: Mapping[Pair, Basis]) -> list[Case]:
    """Takes them out of the list one by one: their memory is free for what is evaluated next."""
    return [project(cases.pop(0), bases) for _ in range(len(cases))]


def _grids(
    model: ModelDescription, plans: Sequence[TablePlan], gradients: Sequence[Gradients], options: Options, goal: StepGoal
) -> list[Grid]:
    """gradients: around ordinary centres and around others."""
    if options.step is not None:
        steps = [given_steps(plan, options.step, COARSE_OVER_FINE * options.step) for plan in plans]
        return [replace(make_grid(plan, of_plan), order=options.order) for plan, of_plan in zip(plans, steps, strict=True)]
    grids = []
    for plan in track(list(plans), "steps"):
        trained, beyond = ({a: of[plan.descriptor] for a, of in of_types.items()} for of_types in gradients)
        grids.append(choose_grid(model, plan, trained, beyond, options.order, goal))
    return grids


def _close_factor(seen: Evidence, tables: TableSet, options: Options) -> tuple[float, Errors]:
    """How much closer than in the training data neighbours may be before a centre has to take all columns and products, which
    cost twice as much; and the error in double precision up to there. Not closer at all where nothing could be measured."""
    for factor in CLOSE_FACTORS:
        cases = [looked_up(tables, case) for case in seen.cases_between(factor)]
        errors = {name: errors_of_part(tables, cases, name) for name in ("double", "mixed")}
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
