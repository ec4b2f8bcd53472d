# SPDX-License-Identifier: MIT
"""The neighbourhood of every atom as an embedding net sees it (docs/theory.md section 1).

For the centres of type a and their neighbours of type b: the rows R, whose first component x is the argument of the
embedding net, and how many of the sel_b slots stay empty.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..arrays import Array, Index, IntArray
from ..compress.grid import ABSENT, DESCRIPTOR_EXCLUDED, MODEL_EXCLUDED, ORDINARY
from ..errors import InputError
from ..oracles.reference import Rows, compute_rows
from ..structures.neighbours import neighbour_pairs
from ..structures.structure import Structure


@dataclass(frozen=True)
class EnvironmentParameters:
    """The descriptor's numbers that do not depend on the nets; shapes as in tableset.TableSet."""

    rcut: float
    rcut_smth: float
    env_protection: float
    sel: IntArray
    n_sel: int
    mean: Array
    std: Array
    pair_kind: IntArray


@dataclass(frozen=True)
class PairBlock:
    """Neighbours of one type of the centres of one type, ordered by centre."""

    start: Index  # (n_centres + 1,) neighbours of centre c are start[c] .. start[c + 1] - 1
    i: Index  # (p,) atom index of the centre
    j: Index  # (p,) atom index of the neighbour
    rows: Rows  # R (p, 4) and the pair vectors
    n_empty: Array  # (n_centres,) slots without neighbour
    x_pad: float  # argument of an empty slot, and the only component of its row

    @property
    def x(self) -> Array:
        """(p,) arguments of the embedding net."""
        return self.rows.row[:, 0]


@dataclass(frozen=True)
class Environment:
    """A structure's pairs by (centre type, neighbour type); absent pairs have no block."""

    n_atoms: int
    centres: dict[int, Index]  # type -> atom indices
    blocks: dict[tuple[int, int], PairBlock]
    n_sel: int

    @property
    def n_centres(self) -> int:
        """Atoms whose energy is evaluated."""
        return sum(len(atoms) for atoms in self.centres.values())


Pairs = tuple[Index, Index, Array]  # i, j (p,) and d = r_j - r_i (p, 3), ordered by i


def find_pairs(structure: Structure, parameters: EnvironmentParameters, centres: Index | None = None) -> Pairs:
    """The neighbour list (of some atoms), after a check of types and distances."""
    n_types = len(parameters.mean)
    types = np.asarray(structure.types)
    if types.size and (types.min() < 0 or types.max() >= n_types):
        raise InputError(f"{structure.name}: atom types must lie between 0 and {n_types - 1}")
    i, j, d = neighbour_pairs(structure.positions, structure.cell, parameters.rcut, centres)
    r2 = np.einsum("ij,ij->i", d, d)
    if r2.size and r2.min() == 0:
        k = int(np.argmin(r2))
        raise InputError(f"{structure.name}: atoms {i[k]} and {j[k]} (counted from 0) are in the same place")
    inside = r2 < parameters.rcut**2
    return i[inside], j[inside], d[inside]


def close_centres(types: Index, pairs: Pairs, parameters: EnvironmentParameters, distances: Array) -> Index:
    """(n,) whether an atom has a neighbour of an ordinary pair closer than ``distances`` (N, N), angstrom."""
    i, j, d = pairs
    near = np.einsum("ij,ij->i", d, d) < distances[types[i], types[j]] ** 2
    near &= parameters.pair_kind[types[i], types[j]] == ORDINARY
    close = np.zeros(len(types), dtype=bool)
    close[i[near]] = True
    return close


def build_environment(types: Index, pairs: Pairs, parameters: EnvironmentParameters, only: Index | None = None) -> Environment:
    """Blocks of pairs by type. ``only``: atom indices of the centres wanted (default all)."""
    i, j, d = pairs
    wanted = np.zeros(len(types), dtype=bool)
    wanted[slice(None) if only is None else only] = True
    centres = {a: np.flatnonzero((types == a) & wanted) for a in range(len(parameters.mean))}
    blocks = {}
    for a, b in np.argwhere(parameters.pair_kind != ABSENT).tolist():
        mine = np.flatnonzero((types[i] == a) & (types[j] == b) & wanted[i])
        blocks[a, b] = _block(parameters, centres[a], a, b, (i[mine], j[mine], d[mine]))
    return Environment(len(types), centres, blocks, parameters.n_sel)


def _block(p: EnvironmentParameters, centres: Index, a: int, b: int, pairs: Pairs) -> PairBlock:
    kind = p.pair_kind[a, b]
    i, j, d = pairs
    counts = np.searchsorted(i, centres, side="right") - np.searchsorted(i, centres, side="left")
    n_empty = p.sel[b] - (0 if kind == MODEL_EXCLUDED else counts)
    if kind in (MODEL_EXCLUDED, DESCRIPTOR_EXCLUDED):
        i, j, d, counts = i[:0], j[:0], d[:0], np.zeros_like(counts)
    return PairBlock(
        start=np.concatenate([[0], np.cumsum(counts)]),
        i=i,
        j=j,
        rows=compute_rows(p, a, d),
        n_empty=n_empty * np.ones(len(centres)),
        x_pad=float(-p.mean[a] / p.std[a, 0]),
    )
