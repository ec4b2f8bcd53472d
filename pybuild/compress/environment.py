# SPDX-License-Identifier: MIT
"""The neighbourhood of every atom as the embedding nets see it (docs/theory.md section 1).

For the centres of type a and their neighbours of type b: the rows R with the arguments x of the embedding net, and how many slots
have no neighbour that adds anything of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..arrays import Array, Index
from ..errors import InputError
from ..model.description import ModelDescription, PairKind
from ..model.descriptor import Descriptor, Rows
from ..structures.nearest import Pairs, nearest_pairs
from ..structures.neighbours import neighbour_pairs
from ..structures.structure import Structure


@dataclass(frozen=True)
class PairBlock:
    """Neighbours of one type of the centres of one type, ordered by centre."""

    start: Index  # (n_centres + 1,) neighbours of centre c are start[c] .. start[c + 1] - 1
    i: Index  # (p,) atom index of the centre
    j: Index  # (p,) atom index of the neighbour
    vector: Array  # (p, 3) from i to j
    rows: Rows
    constants: Array  # (m,) arguments of the slots that add the same at all times
    constant_rows: Array  # (m, components)
    n_constant: Array  # (m, n_centres) how many of these slots there are

    @property
    def x(self) -> Array:
        """(p + m,) arguments of the embedding net, those of the constant slots last."""
        return np.append(self.rows.x, self.constants)


@dataclass(frozen=True)
class Environment:
    """A structure's pairs by (centre type, neighbour type); absent pairs have no block."""

    descriptor: Descriptor
    n_atoms: int
    centres: dict[int, Index]  # type -> atom indices
    blocks: dict[tuple[int, int], PairBlock]

    @property
    def n_centres(self) -> int:
        """Atoms whose energy is evaluated."""
        return sum(len(atoms) for atoms in self.centres.values())


def find_pairs(structure: Structure, model: ModelDescription, centres: Index | None = None) -> Pairs:
    """The neighbours (of some atoms) that the model's rule keeps, after a check of types and distances."""
    types, rcut = np.asarray(structure.types), model.descriptor.rcut
    if types.size and (types.min() < 0 or types.max() >= model.n_types):
        raise InputError(f"{structure.name}: atom types must lie between 0 and {model.n_types - 1}")
    i, j, d = neighbour_pairs(structure.positions, structure.cell, rcut, centres)
    r2 = np.einsum("ij,ij->i", d, d)
    if r2.size and r2.min() == 0:
        k = int(np.argmin(r2))
        raise InputError(f"{structure.name}: atoms {i[k]} and {j[k]} (counted from 0) are in the same place")
    inside = r2 < rcut**2
    return nearest_pairs(model.neighbour_rule, model.descriptor.sel, types, (i[inside], j[inside], d[inside]))


def close_centres(types: Index, pairs: Pairs, model: ModelDescription, distances: Array) -> Index:
    """(n,) whether an atom has a neighbour of an ordinary pair closer than ``distances`` (N, N), angstrom."""
    i, j, d = pairs
    near = np.einsum("ij,ij->i", d, d) < distances[types[i], types[j]] ** 2
    near &= model.pair_kinds[types[i], types[j]] == PairKind.ORDINARY
    close = np.zeros(len(types), dtype=bool)
    close[i[near]] = True
    return close


def build_environment(types: Index, pairs: Pairs, model: ModelDescription, only: Index | None = None) -> Environment:
    """Blocks of pairs by type. ``only``: atom indices of the centres wanted (default all)."""
    i, j, d = pairs
    wanted = np.zeros(len(types), dtype=bool)
    wanted[slice(None) if only is None else only] = True
    centres = {a: np.flatnonzero((types == a) & wanted) for a in range(model.n_types)}
    blocks = {}
    for a, b in np.argwhere(model.pair_kinds != PairKind.ABSENT).tolist():
        mine = np.flatnonzero((types[i] == a) & (types[j] == b) & wanted[i])
        blocks[a, b] = _block(model, centres[a], a, b, (i[mine], j[mine], d[mine]))
    return Environment(model.descriptor, len(types), centres, blocks)


def _block(model: ModelDescription, centres: Index, a: int, b: int, pairs: Pairs) -> PairBlock:
    descriptor, kind = model.descriptor, model.pair_kinds[a, b]
    i, j, d = pairs
    counts = np.searchsorted(i, centres, side="right") - np.searchsorted(i, centres, side="left")
    n_empty, n_excluded = slot_counts(descriptor.sel[b], kind, counts)
    if kind != PairKind.ORDINARY:
        i, j, d, counts = i[:0], j[:0], d[:0], np.zeros_like(counts)
    constants = descriptor.constants(a, kind)
    return PairBlock(
        start=np.concatenate([[0], np.cumsum(counts)]),
        i=i,
        j=j,
        vector=d,
        rows=descriptor.rows(a, d),
        constants=np.array(constants),
        constant_rows=np.array([descriptor.constant_row(x) for x in constants]),
        n_constant=np.array([n_empty, n_excluded][: len(constants)], dtype=np.float64),
    )


def slot_counts(sel: int, kind: int, counts: Index) -> tuple[Index, Index]:
    """Empty slots and slots of excluded neighbours of each centre, from its neighbours within the cutoff (n,)."""
    none = np.zeros_like(counts)
    if kind == PairKind.MODEL:
        return sel + none, none
    if kind == PairKind.SECTION:
        return none, sel + none
    return sel - counts, counts if kind == PairKind.SLOTS else none
