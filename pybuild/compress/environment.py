# SPDX-License-Identifier: MIT
"""The neighbourhood of every atom as the embedding nets see it (docs/theory.md section 1).

For each descriptor, the centres of type a and their neighbours of type b: the rows R with the arguments x of the embedding net,
and how many slots have no neighbour that adds anything of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
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

    @property
    def n_places(self) -> int:
        """Of terms by centre."""
        return (len(self.start) - 1) * self._most

    @cached_property
    def place(self) -> Index:
        """(t,) of each term among so many of each centre."""
        counts = np.diff(self.start)
        return np.arange(len(self.rows.x)) + np.repeat(np.arange(len(counts)) * self._most - self.start[:-1], counts)

    def by_centre(self, of_terms: Array) -> Array:
        """(n_centres, most terms of one, k) from (t, k), 0 where a centre has fewer: a matrix a centre."""
        n = len(self.start) - 1
        out = np.zeros((n * self._most, of_terms.shape[1]))
        out[self.place] = of_terms
        return out.reshape(n, self._most, of_terms.shape[1])


@dataclass(frozen=True)
class JoinedBlocks:
    """The blocks of one descriptor one after the other. first: where the places of each block begin; place (t,): of each term."""

    first: dict[Pair, int]
    n_places: int
    place: Index
    i: Index
    j: Index
    structure: Index  # (p,) number of that of the pair
    vector: Array
    rows: Rows

    @classmethod
    def of(cls, descriptor: Descriptor, blocks: dict[Pair, PairBlock], structure: Index) -> JoinedBlocks:
        """At least one block; structure (n,): the number of each atom's."""
        ends = np.cumsum([0, *(block.n_places for block in blocks.values())]).tolist()
        places = [block.place + first for block, first in zip(blocks.values(), ends, strict=False)]
        i, j, vector = (np.concatenate([getattr(block, name) for block in blocks.values()]) for name in ("i", "j", "vector"))
        rows = descriptor.joined([block.rows for block in blocks.values()])
        first = dict(zip(blocks, ends, strict=False))
        return cls(first, ends[-1], np.concatenate(places), i, j, structure[i], vector, rows)


@dataclass(frozen=True)
class Environment:
    """Pairs of one or several structures by descriptor, type of the centre and group of neighbours; nothing of types without
    centres. structure (n_atoms,): the number of an atom's. n_empty: by descriptor and type of the centre, where empty slots are
    counted for all types together, how many each centre has."""

    descriptors: tuple[Descriptor, ...]
    structure: Index
    n_structures: int
    centres: dict[int, Index]  # type -> atom indices
    blocks: dict[Pair, PairBlock]
    n_empty: dict[tuple[int, int], Index]
    parameters: dict[int, Array]  # type -> (n_centres, n_fparam + n_aparam)

    @cached_property
    def joined(self) -> dict[int, JoinedBlocks]:
        """By descriptor."""
        found = {}
        for d, descriptor in enumerate(self.descriptors):
            own = {pair: block for pair, block in self.blocks.items() if pair[0] == d}
            if own:
                found[d] = JoinedBlocks.of(descriptor, own, self.structure)
        return found

    def sums(self, structure: Index, numbers: Array) -> Array:
        """(n_structures,) of numbers (k,) that belong to structures (k,)."""
        return np.bincount(structure, numbers, minlength=self.n_structures).astype(np.float64, copy=False)

    @property
    def n_atoms(self) -> int:
        """Neighbours included."""
        return len(self.structure)

    @cached_property
    def n_centres(self) -> Index:
        """(n_structures,) atoms whose energy is evaluated."""
        counts = [np.bincount(self.structure[atoms], minlength=self.n_structures) for atoms in self.centres.values()]
        return sum(counts, np.zeros(self.n_structures, dtype=np.int64))


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


@dataclass(frozen=True)
class Neighbourhoods:
    """Some centres of one or several structures: types (n,) of all atoms, the centres and their pairs, parameters (n, n_fparam +
    n_aparam), and which structure each atom is of (n,)."""

    types: Index
    centres: Index
    pairs: Neighbours
    parameters: Array
    structure: Index
    n_structures: int

    @classmethod
    def of(cls, model: ModelDescription, structure: Structure, centres: Index, pairs: Neighbours | None = None) -> Neighbourhoods:
        """pairs: those of these atoms, and maybe of others, where the caller has them already."""
        types, own = np.asarray(structure.types), pairs or find_pairs(structure, model, centres)
        wanted = np.zeros(len(types), dtype=bool)
        wanted[centres] = True
        mine = wanted[own.i]
        own = Neighbours(own.i[mine], own.j[mine], own.d[mine], tuple(taken[mine] for taken in own.taken))
        rows = model.fitting.parameters.rows(len(types), structure.fparam, structure.aparam)
        return cls(types, np.asarray(centres), own, rows, np.zeros(len(types), dtype=np.int64), 1)

    @classmethod
    def merged(cls, parts: Sequence[Neighbourhoods]) -> Neighbourhoods:
        """Atoms and structures numbered through."""
        if len(parts) == 1:
            return parts[0]
        firsts = np.cumsum([0, *(len(part.types) for part in parts)]).tolist()
        numbers = np.cumsum([0, *(part.n_structures for part in parts)]).tolist()
        moved = list(zip(parts, firsts, strict=False))
        pairs = Neighbours(
            np.concatenate([part.pairs.i + first for part, first in moved]),
            np.concatenate([part.pairs.j + first for part, first in moved]),
            np.concatenate([part.pairs.d for part in parts]),
            tuple(np.concatenate(taken) for taken in zip(*(part.pairs.taken for part in parts), strict=True)),
        )
        return cls(
            np.concatenate([part.types for part in parts]),
            np.concatenate([part.centres + first for part, first in moved]),
            pairs,
            np.concatenate([part.parameters for part in parts]),
            np.concatenate([part.structure + number for part, number in zip(parts, numbers, strict=False)]),
            numbers[-1],
        )


def n_numbers(model: ModelDescription, pairs: Neighbours, centres: Index) -> Array:
    """(n,) how many numbers the nets give of the neighbours of each centre."""
    numbers = np.zeros(len(centres))
    for descriptor, taken in zip(model.descriptors, pairs.taken, strict=True):
        n = np.bincount(pairs.i[taken], minlength=int(centres.max(initial=-1)) + 1)[centres]
        numbers += (n if descriptor.n_bodies == 2 else 0.5 * n * (n + 1)) * descriptor.width
    return numbers


def build_environment(model: ModelDescription, atoms: Neighbourhoods) -> Environment:
    """Blocks of pairs by type."""
    types, pairs = atoms.types, atoms.pairs
    wanted = np.zeros(len(types), dtype=bool)
    wanted[atoms.centres] = True
    every = {a: np.flatnonzero((types == a) & wanted) for a in range(model.n_types)}
    centres = {a: mine for a, mine in every.items() if len(mine)}
    blocks = {}
    n_empty: dict[tuple[int, int], Index] = {}
    for d, (kinds, taken) in enumerate(zip(model.pair_kinds, pairs.taken, strict=True)):
        descriptor: Any = model.descriptors[d]  # of two or three bodies
        of_types = _pairs_by_type(types, pairs, taken, model.n_types)
        for a, group in product(centres, descriptor.groups(kinds)):
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
            n_empty |= {(d, a): descriptor.n_sel - n_filled[mine] for a, mine in centres.items()}
    parameters = {a: atoms.parameters[mine] for a, mine in centres.items()}
    return Environment(model.descriptors, atoms.structure, atoms.n_structures, centres, blocks, n_empty, parameters)


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
