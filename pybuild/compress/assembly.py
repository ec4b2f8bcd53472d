# SPDX-License-Identifier: MIT
"""Tables of the columns that were chosen, and the TableSet that they make with the folded fitting nets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..arrays import Array, IntArray
from ..errors import InputError
from ..model.description import ModelDescription
from ..progress import track
from ..tablefile.tableset import DescriptorArrays, FittingArrays, NeighbourRule, TableArrays, TableSet
from .environment import Pair
from .grid import Grid, TablePlan
from .lowrank import Basis
from .options import Options
from .selection import Selection
from .stored import input_arrays
from .tabulate import build_table

SPARE = 4  # columns of a table more than a round needs: the next one may
MOST_BYTES = 500e6  # of all tables of a file: 16 pairs of elements of a published model need 290 MB


class Columns:
    """Tables of leading columns, as many as were asked for so far and a few more."""

    def __init__(self, plans: Sequence[TablePlan], grids: Sequence[Grid], bases: Sequence[Basis]):
        self._parts = list(zip(plans, grids, bases, strict=True))
        self.tables: tuple[TableArrays, ...] = ()

    def first(self, ranks: Sequence[int]) -> list[TableArrays]:
        """With so many columns."""
        _check_size([grid for _, grid, _ in self._parts], ranks)
        lacking = [k for k, rank in enumerate(ranks) if not self.tables or self.tables[k].rank < rank]
        if lacking:
            tables = dict(enumerate(self.tables))
            for k in track(lacking, "tables"):
                plan, grid, basis = self._parts[k]
                tables[k] = build_table(plan, grid, basis.first(ranks[k] + SPARE))
            self.tables = tuple(tables[k] for k in range(len(ranks)))
        return [table.first(rank) for table, rank in zip(self.tables, ranks, strict=True)]


def _n_bytes(grids: Sequence[Grid], ranks: Sequence[int]) -> float:
    return sum(8.0 * grid.n_rows * (grid.order + 1) * rank for grid, rank in zip(grids, ranks, strict=True))


def fits(grids: Sequence[Grid], bases: Sequence[Basis]) -> bool:
    """Whether tables of all columns are small enough."""
    return _n_bytes(grids, [len(basis.amplitude) for basis in bases]) <= MOST_BYTES


def _check_size(grids: Sequence[Grid], ranks: Sequence[int]) -> None:
    n_bytes = _n_bytes(grids, ranks)
    if n_bytes > MOST_BYTES:
        raise InputError(
            f"the tables would have {sum(grid.n_rows for grid in grids)} rows and {n_bytes / 1e6:.0f} MB, more than the "
            f"{MOST_BYTES / 1e6:.0f} MB that any use is known for: is the smallest distance right (a longer "
            "--min-nbor-dist), are --step, --tolerance and --rank? A smaller --extrapolate shortens them, too; and of a "
            "model for many elements --keep-types takes those that will be simulated alone"
        )


def table_ranks(plans: Sequence[TablePlan], ranks: Mapping[Pair, int]) -> list[int]:
    """Columns of each table: as many as the most demanding centre type needs, at least one."""
    return [max(1, *(ranks.get((plan.descriptor, *pair), 0) for pair in plan.pairs)) for plan in plans]


def make_table_set(
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
