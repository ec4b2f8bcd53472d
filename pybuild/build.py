# SPDX-License-Identifier: MIT
"""From a trained model to a TableSet: ranges, bases, selection, tables, folded fitting nets, and what it all cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .activations import parse
from .blas import one_blas_thread
from .description import SKIPS, Layer, ModelDescription
from .environment import Structure
from .errors import InputError
from .evaluation import Fitting, FoldedInput, accumulate
from .grid import TablePlan, pair_kinds, plan_tables
from .hermite import ORDERS
from .length_checks import check_smallest
from .lowrank import Basis, identity_basis, sampled_basis
from .probe import probe_structures
from .progress import track
from .reference_tables import look_up, stored_fittings
from .selection import Goal, Selection, select, select_columns
from .tableset import Array, FittingArrays, IntArray, LayerArrays, TableArrays, TableSet
from .tabulate import build_table
from .truncation import Case, Errors, Pair, active_types, difference, evaluate_exactly, project, sensitivity

SMALLEST_AMPLITUDE = 1e-13  # of the largest: a column below it is rounding noise of the decomposition


@dataclass(frozen=True)
class Options:
    """Settings of a build; the defaults are those of the command line."""

    step: float = 0.01  # of the fine grid, in x
    extrapolate: float = 5.0  # the table ends at this times the upper end of the fine grid
    order: int = 5
    check_frequency: int = 10
    rank: int | str = "auto"  # "auto", "full" or a number of columns
    tolerance: float = 1e-8  # on forces, eV/A
    tolerance_mixed: float = 1e-5  # of what mixed precision evaluates, rounding not included
    form: str = "auto"  # first fitting layer: "auto", "folded", "direct"

    def validate(self) -> None:
        """Raise InputError, naming the option."""
        if self.order not in ORDERS:
            raise InputError(f"--order must be 3 or 5, not {self.order}")
        if not 0 < self.check_frequency < 2**31:
            raise InputError(f"--check-frequency must be a positive number of steps, not {self.check_frequency}")
        for name, value in (("--tolerance", self.tolerance), ("--tolerance-mixed", self.tolerance_mixed)):
            if not (np.isfinite(value) and value > 0):
                raise InputError(f"{name} must be a positive force in eV/A, not {value}")
        if self.rank not in ("auto", "full") and not (isinstance(self.rank, int) and self.rank > 0):
            raise InputError(f"--rank must be auto, full or a positive number, not {self.rank}")


@dataclass(frozen=True)
class Build:
    """What build() made and looked at on the way."""

    tables: TableSet
    plans: Sequence[TablePlan]
    folded: bool
    truncation: Errors  # by rank and products alone
    errors: Errors  # of the tables as they are stored, against the exact model, on the structures
    errors_mixed: Errors  # the same with the products of mixed precision, before rounding
    measured_on: str  # what these are


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
    where known; structures: what the accuracy is measured on (default: probe.py's). Raises InputError for bad options.
    """
    options = options or Options()
    options.validate()
    check_smallest(min_distance, model.descriptor.rcut, "min_distance")
    plans, pair_table = plan_tables(model, min_distance, options.step, options.extrapolate)
    given, structures = structures, _complete(model, structures, min_distance)
    exact = [evaluate_exactly(model, structure) for structure in track(structures, "exact model")]
    bases = _bases(model, plans, exact, options)
    by_pair = {(a, b): bases[t] for (a, b), t in np.ndenumerate(pair_table) if t >= 0}
    cases = [project(exact.pop(0), by_pair) for _ in range(len(exact))]  # one by one: the exact features are large
    active = active_types(model)
    bases_in_use = {pair: basis for pair, basis in by_pair.items() if pair[0] in active}
    selection = _selection(model, bases_in_use, cases, pair_table, options)
    ranks = _table_ranks(pair_table, selection.ranks, len(plans))
    jobs = list(zip(plans, bases, ranks, strict=True))
    tables = [build_table(plan, basis.first(k), options.order) for plan, basis, k in track(jobs, "tables")]
    if pair_distances is None:
        pair_distances = np.full((model.n_types, model.n_types), float(min_distance))
    table_set = _table_set(model, options, pair_distances, pair_table, tables, selection)
    double, mixed = (_stored_errors(table_set, cases, precision) for precision in (False, True))
    measured_on = _measured_on(len(given), len(structures))
    return Build(table_set, plans, selection.folded, selection.errors, double, mixed, measured_on)


def _stored_errors(tables: TableSet, cases: Sequence[Case], mixed: bool) -> Errors:
    """Of the tables as they are stored, interpolation included."""
    errors, fittings = Errors(0.0, 0.0, 0.0), stored_fittings(tables, mixed)
    for case in cases:
        stored = accumulate(case.env, look_up(tables, case.env), fittings)
        errors = errors.worst(difference(stored, case.exact, case.env.n_centres))
    return errors


def _complete(model: ModelDescription, structures: Sequence[Structure], min_distance: float) -> list[Structure]:
    """The structures given; with synthetic ones where they lack a type that has an energy."""
    present = {a for structure in structures for a in np.unique(structure.types).tolist()}
    lacking = set(active_types(model)) - present
    return [*structures, *(probe_structures(model, min_distance) if lacking else [])]


def _measured_on(n_given: int, n_all: int) -> str:
    frames = [f"{n_given} frames of training data"] if n_given else []
    return " and ".join([*frames, *([f"{n_all - n_given} synthetic structures"] if n_all > n_given else [])])


def _bases(model: ModelDescription, plans: Sequence[TablePlan], cases: Sequence[Case], options: Options) -> list[Basis]:
    width = model.descriptor.width
    if options.rank == "full":
        return [identity_basis(width) for _ in plans]
    by_type = {a: sensitivity(model, cases, a) for a in active_types(model)}
    scale = max(float(np.linalg.norm(h, 2)) for h in by_type.values()) or 1.0
    centres = [{a for a, _ in plan.pairs if a in by_type} for plan in plans]
    none = np.zeros((width, width))
    jobs = list(zip(plans, centres, strict=True))
    bases = [sampled_basis(p, sum((by_type[a] for a in c), none) / scale) for p, c in track(jobs, "bases")]
    floor = SMALLEST_AMPLITUDE * max(float(basis.amplitude[0]) for basis in bases)
    most = width if options.rank == "auto" else int(options.rank)
    return [basis.first(max(1, min(most, int(np.sum(basis.amplitude > floor))))) for basis in bases]


def _selection(
    model: ModelDescription, bases: Mapping[Pair, Basis], cases: Sequence[Case], pair_table: IntArray, options: Options
) -> Selection:
    form = "direct" if options.rank == "full" else options.form
    choose = select if options.rank == "auto" else select_columns
    return choose(model, bases, cases, pair_table, Goal(options.tolerance, options.tolerance_mixed, form))


def _table_ranks(pair_table: IntArray, ranks: Mapping[Pair, int], n_tables: int) -> list[int]:
    """Columns of each table: as many as the most demanding centre type needs, at least one."""
    out = [1] * n_tables
    for pair, rank in ranks.items():
        out[pair_table[pair]] = max(out[pair_table[pair]], rank)
    return out


def _table_set(
    model: ModelDescription,
    options: Options,
    pair_distances: Array,
    pair_table: IntArray,
    tables: Sequence[TableArrays],
    selection: Selection,
) -> TableSet:
    d = model.descriptor
    types = active_types(model)
    fittings, mixed = selection.fittings, selection.row_end_mixed
    return TableSet(
        type_map=model.type_map,
        energy_bias=np.array([fittings[a].constant if a in fittings else 0.0 for a in range(model.n_types)]),
        energy_mask=np.array([a in types for a in range(model.n_types)], dtype=np.int32),
        min_distance=np.asarray(pair_distances, dtype=np.float64),
        check_frequency=options.check_frequency,
        kind="se_e2_a",
        rcut=d.rcut,
        rcut_smth=d.rcut_smth,
        env_protection=d.env_protection,
        sel=np.array(d.sel, dtype=np.int32),
        n_sel=d.n_sel,
        mean=d.mean,
        std=d.std,
        width=d.width,
        axis_neuron=d.axis_neuron,
        pair_kind=pair_kinds(model),
        pair_table=pair_table,
        tables=tuple(tables),
        fittings=tuple(_fitting_arrays(fittings[a], mixed.get(a)) if a in fittings else None for a in range(model.n_types)),
    )


def _fitting_arrays(fitting: Fitting, row_end_mixed: IntArray | None) -> FittingArrays:
    first = fitting.first_input
    layers = tuple(_layer_arrays(layer) for layer in fitting.net.layers)
    if isinstance(first, FoldedInput):
        return FittingArrays(layers, first.columns, first.row_end, row_end_mixed)
    return FittingArrays(layers, None, None)


def _layer_arrays(layer: Layer) -> LayerArrays:
    activation = parse(layer.activation)
    return LayerArrays(layer.weight, layer.bias, layer.idt, activation.code, activation.parameter, SKIPS.index(layer.skip))
