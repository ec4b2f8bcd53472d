# SPDX-License-Identifier: MIT
"""The neighbourhood of every atom as the embedding nets see it (docs/theory.md section 1).

For each descriptor, the centres of type a and their neighbours of type b: the rows R with the arguments x of the embedding net,
and how many slots have no neighbour that adds anything of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np

from ..arrays import Array, BoolArray, Index, IntArray
from ..errors import InputError
from ..model.description import ModelDescription, PairKind
from ..model.descriptor import CentreNeighbours, Descriptor, Rows, ThreeBodyDescriptor, TwoBodyDescriptor
from ..structures.nearest import Pairs, Slots, nearest_pairs
from ..structures.neighbours import neighbour_pairs
from ..structures.structure import Structure

Pair = tuple[int, int, int]  # descriptor, centre type, group of neighbours (model/descriptor.py)


@dataclass(frozen=True)
class PairBlock:
    """A group of neighbours of the centres of one type, ordered by centre. Its terms are these pairs, or of three bodies pairs of
    such neighbours."""

    start: IntArray  # (n_centres + 1,) terms of centre c are start[c] .. start[c + 1] - 1
    i: Index  # (p,) atom index of the centre
    j: Index  # (p,) atom index of the neighbour
    vector: Array  # (p, 3) from i to j
    rows: Rows  # of the terms
    constants: Array  # (m,) arguments of the slots that add the same at all times
    constant_rows: Array  # (m, components)
    n_constant: Array  # (m, n_centres) how many of these slots there are

    @property
    def x(self) -> Array:
        """(t + m,) arguments of the tables, those of the constant slots last."""
        return np.append(self.rows.x, self.constants)

    @cached_property
    def _most(self) -> int:
        """Terms of one centre, at most."""
        return int(np.diff(self.start).max(initial=0))

    @cached_property
    def _place(self) -> Index:
        """(t,) of each term among so many of each centre."""
        counts = np.diff(self.start)
        return np.arange(len(self.rows.x)) + np.repeat(np.arange(len(counts)) * self._most - self.start[:-1], counts)

    def by_centre(self, of_terms: Array) -> Array:
        """(n_centres, most terms of one, k) from (t, k), 0 where a centre has fewer: a matrix a centre."""
        n = len(self.start) - 1
        out = np.zeros((n * self._most, of_terms.shape[1]))
        out[self._place] = of_terms
        return out.reshape(n, self._most, of_terms.shape[1])

    def of_terms(self, by_centre: Array) -> Array:
        """The way back."""
        return by_centre.reshape(-1, by_centre.shape[2])[self._place]


@dataclass(frozen=True)
class Environment:
    """A structure's pairs by descriptor, type of the centre and group of neighbours. n_empty: by descriptor and type of the
    centre, where empty slots are counted for all types together, how many each centre has."""

    descriptors: tuple[Descriptor, ...]
    n_atoms: int
    centres: dict[int, Index]  # type -> atom indices
    blocks: dict[Pair, PairBlock]
    n_empty: dict[tuple[int, int], Index]
    parameters: dict[int, Array]  # type -> (n_centres, n_fparam + n_aparam)

    @property
    def n_centres(self) -> int:
        """Atoms whose energy is evaluated."""
        return sum(len(atoms) for atoms in self.centres.values())


@dataclass(frozen=True)
class Neighbours:
    """All pairs within the largest cutoff, ordered by i: atoms i and j (p,) and d = r_j - r_i (p, 3); taken: by descriptor (p,)
    whether it takes a pair."""

    i: Index
    j: Index
    d: Array
    taken: tuple[BoolArray, ...]


def find_pairs(structure: Structure, model: ModelDescription, centres: Index | None = None) -> Neighbours:
    """The neighbours (of some atoms), after a check of types and distances."""
    types = np.asarray(structure.types)
    if types.size and (types.min() < 0 or types.max() >= model.n_types):
        raise InputError(f"{structure.name}: atom types must lie between 0 and {model.n_types - 1}")
    i, j, d = neighbour_pairs(structure.positions, structure.cell, model.rcut, centres)
    r2 = np.einsum("ij,ij->i", d, d)
    if r2.size and r2.min() == 0:
        k = int(np.argmin(r2))
        raise InputError(f"{structure.name}: atoms {i[k]} and {j[k]} (counted from 0) are in the same place")
    slots = [Slots(descriptor.rcut, descriptor.sel, descriptor.shares_slots) for descriptor in model.descriptors]
    return Neighbours(i, j, d, tuple(nearest_pairs(model.neighbour_rule, slots, types, (i, j, d))))


def close_centres(types: Index, pairs: Neighbours, model: ModelDescription, distances: Array) -> Index:
    """(n,) whether an atom has a neighbour of an ordinary pair closer than ``distances`` (N, N), angstrom."""
    i, j, d = pairs.i, pairs.j, pairs.d
    ordinary = [kinds[types[i], types[j]] == PairKind.ORDINARY for kinds in model.pair_kinds]
    near = np.einsum("ij,ij->i", d, d) < distances[types[i], types[j]] ** 2
    near &= np.any([mine & taken for mine, taken in zip(ordinary, pairs.taken, strict=True)], axis=0)
    close = np.zeros(len(types), dtype=bool)
    close[i[near]] = True
    return close


def build_environment(structure: Structure, pairs: Neighbours, model: ModelDescription, only: Index | None = None) -> Environment:
    """Blocks of pairs by type. ``only``: atom indices of the centres wanted (default all)."""
    types = structure.types
    wanted = np.zeros(len(types), dtype=bool)
    wanted[slice(None) if only is None else only] = True
    centres = {a: np.flatnonzero((types == a) & wanted) for a in range(model.n_types)}
    blocks = {}
    n_empty: dict[tuple[int, int], Index] = {}
    for d, (kinds, taken) in enumerate(zip(model.pair_kinds, pairs.taken, strict=True)):
        descriptor: Any = model.descriptors[d]  # of two or three bodies
        of_types = _pairs_by_type(types, pairs, wanted[pairs.i] & taken, model.n_types)
        for a, group in product(range(model.n_types), descriptor.groups(kinds)):
            members = descriptor.members(group)
            if descriptor.n_bodies == 2 and kinds[a, group] == PairKind.ABSENT:
                continue
            mine = np.sort(np.concatenate([of_types[a, b] for b in set(members)]))
            neighbours = pairs.i[mine], pairs.j[mine], pairs.d[mine]
            if descriptor.n_bodies == 3:
                seen = bool((kinds[a, members] == PairKind.ORDINARY).all())
                blocks[d, a, group] = _triple_block(descriptor, centres[a], (a, group), types, seen, neighbours)
            else:
                blocks[d, a, group] = _block(descriptor, centres[a], (a, group), int(kinds[a, group]), neighbours)
        if descriptor.padding is not None:
            fills = taken & (kinds[types[pairs.i], types[pairs.j]] != PairKind.MODEL)
            n_filled = np.bincount(pairs.i[fills], minlength=len(types))
            n_empty |= {(d, a): descriptor.n_sel - n_filled[atoms] for a, atoms in centres.items()}
    rows = model.fitting.parameters.rows(len(types), structure.fparam, structure.aparam)
    return Environment(model.descriptors, len(types), centres, blocks, n_empty, {a: rows[atoms] for a, atoms in centres.items()})


def _pairs_by_type(types: Index, pairs: Neighbours, wanted: BoolArray, n_types: int) -> dict[tuple[int, int], Index]:
    """Of some pairs those of each type of centre and neighbour, in their order."""
    chosen = np.flatnonzero(wanted)
    key = types[pairs.i[chosen]] * n_types + types[pairs.j[chosen]]
    order = np.argsort(key, kind="stable")
    pieces = np.split(chosen[order], np.searchsorted(key[order], np.arange(1, n_types**2)))
    return {(k // n_types, k % n_types): piece for k, piece in enumerate(pieces)}


def _block(descriptor: TwoBodyDescriptor, centres: Index, of_types: tuple[int, int], kind: int, pairs: Pairs) -> PairBlock:
    a, b = of_types
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


def _triple_block(
    descriptor: ThreeBodyDescriptor, centres: Index, of: tuple[int, int], types: Index, seen: bool, pairs: Pairs
) -> PairBlock:
    """of: type of the centres, and group. seen: these centres see both of its types."""
    i, j, d = pairs if seen else (pairs[0][:0], pairs[1][:0], pairs[2][:0])
    start = np.concatenate([np.searchsorted(i, centres), [len(i)]])
    rows, first = descriptor.triples(*of, CentreNeighbours(types[j], d, start))
    nothing = np.empty((0, len(centres)))
    return PairBlock(first, i, j, d, rows, np.empty(0), np.empty((0, descriptor.n_components)), nothing)


def slot_counts(sel: int, kind: int, counts: Index) -> tuple[Index, Index]:
    """Empty slots and slots of excluded neighbours of each centre, from its neighbours within the cutoff (n,)."""
    none = np.zeros_like(counts)
    if kind == PairKind.MODEL:
        return sel + none, none
    if kind == PairKind.SECTION:
        return none, sel + none
    return sel - counts, counts if kind == PairKind.SLOTS else none
