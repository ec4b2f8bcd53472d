# SPDX-License-Identifier: MIT
"""All pairs of atoms closer than a cutoff, periodic images included, by linked cells in NumPy.

Works for any cell shape and for cells smaller than the cutoff (an atom is then also a neighbour of its own images). Memory grows
with the number of pairs, not with the square of the number of atoms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from ..arrays import Array, Index
from ..errors import InputError

MAX_IMAGES = 100_000  # of a cell within the cutoff: a cell of 0.3 A and a cutoff of 6 A
MOST_ATOMS, MOST_CANDIDATES = 4096, 1_000_000  # whose neighbours are looked for at once, and points in the cells around them
FEW_CANDIDATES = 300_000  # pairs of an atom and a point that are looked at without cells
MAX_BINS = 1024  # cells a direction: keeps the cell number of a sparse cluster small


def neighbour_pairs(
    positions: Array, cell: Array | None, cutoff: float, centres: Index | None = None
) -> tuple[Index, Index, Array]:
    """Pairs with |d| <= cutoff, d = r_j - r_i, both (i, j) and (j, i), ordered by i.

    positions (n, 3), cell (3, 3) rows a, b, c or None for open boundaries, in angstrom; centres: only pairs with these atoms as i
    (default all). Returns i (p,), j (p,), d (p, 3).
    """
    if not np.all(np.isfinite(positions)):
        raise InputError("positions are not finite")
    if not len(positions):
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64), np.empty((0, 3))
    points, owner = _with_images(positions, cell, cutoff)
    atoms = np.arange(len(positions)) if centres is None else np.asarray(centres)
    if len(atoms) * len(points) <= FEW_CANDIDATES and (np.diff(atoms) > 0).all():
        i, j, d = _pairs_of_all(atoms, points, cutoff)
        return i, owner[j], d
    bins = _bin(points, cutoff)
    chunk = min(MOST_ATOMS, max(1, MOST_CANDIDATES // (27 * bins.fullest)))
    found = [_pairs_around(atoms[k : k + chunk], points, bins, cutoff) for k in range(0, len(atoms), chunk)]
    i, j, d = (np.concatenate([f[k] for f in found]) for k in range(3)) if found else (atoms, atoms, np.empty((0, 3)))
    order = np.lexsort((j, i))
    return i[order], owner[j[order]], d[order]


def cell_heights(cell: Array, periodic: Sequence[bool] = (True, True, True)) -> Array:
    """(3,) distances between opposite faces of a cell of the periodic vectors alone; infinite along the others."""
    along = cell[np.asarray(periodic)]
    if not np.isfinite(along).all() or np.linalg.matrix_rank(along) < len(along):
        raise InputError("the cell has no volume")
    heights = np.full(3, np.inf)
    heights[np.asarray(periodic)] = 1.0 / np.linalg.norm(np.linalg.pinv(along), axis=0)
    return heights


def image_reach(cell: Array, cutoff: float, periodic: Sequence[bool] = (True, True, True)) -> Array:
    """(3,) cells that the cutoff reaches along each direction, none along those that are not periodic. Raises InputError where
    that is more images than any sound cell has."""
    heights = cell_heights(cell, periodic)
    reach = cutoff / heights
    n_images = float(np.prod(2 * np.ceil(reach) + 1))
    if n_images > MAX_IMAGES:
        raise InputError(
            f"the cell is only {heights.min():g} A thick: {n_images:.3g} images of it are within {cutoff:g} A; "
            "are lengths in angstrom?"
        )
    return reach


def _with_images(positions: Array, cell: Array | None, cutoff: float) -> tuple[Array, Index]:
    """Atoms first, then the images within the cutoff of the cell; and the atom each point is an image of."""
    n = len(positions)
    if cell is None:
        return np.asarray(positions, dtype=np.float64), np.arange(n)
    reach = image_reach(cell, cutoff)
    fractional = np.linalg.solve(cell.T, np.asarray(positions, dtype=np.float64).T).T
    fractional -= np.floor(fractional)
    # Along each axis which images are near, then those that are along all three.
    points, owner = fractional, np.arange(n)
    is_image = np.zeros(n, dtype=bool)
    for axis, most in enumerate(np.ceil(reach).astype(int).tolist()):
        shifts = np.arange(-most, most + 1)
        moved = points[:, axis] + shifts[:, None]
        shift, near = np.nonzero((shifts[:, None] == 0) | ((moved >= -reach[axis]) & (moved <= 1 + reach[axis])))
        points, owner, is_image = points[near], owner[near], is_image[near] | (shifts[shift] != 0)
        points[:, axis] += shifts[shift]
    order = np.argsort(is_image, kind="stable")
    return points[order] @ cell, owner[order]


@dataclass(frozen=True)
class _Bins:
    """Cell of every point (n, 3) counted from 1, number of cells with a margin (3,), points in order of their cells,
    those cells."""

    cell: Index
    shape: tuple[int, ...]
    order: Index
    sorted_cells: Index
    fullest: int  # points in a cell


def _bin(points: Array, cutoff: float) -> _Bins:
    low, high = points.min(axis=0, initial=np.inf), points.max(axis=0, initial=-np.inf)
    size = np.maximum(cutoff, (high - low) / MAX_BINS)
    cell = np.floor((points - low) / size).astype(np.int64) + 1
    shape = tuple((cell.max(axis=0, initial=0) + 2).tolist())
    flat = np.ravel_multi_index(cell.T, shape)
    order = np.argsort(flat, kind="stable")
    _, counts = np.unique(flat, return_counts=True)
    return _Bins(cell, shape, order, flat[order], int(counts.max(initial=1)))


def _pairs_of_all(atoms: Index, points: Array, cutoff: float) -> tuple[Index, Index, Array]:
    """Pairs i, j and d of atoms in increasing order and any points, ordered by i, then j."""
    square = np.zeros((len(atoms), len(points)))
    for along in points.T:
        difference = along - along[atoms, None]
        difference *= difference
        square += difference
    near = square <= cutoff * cutoff
    near[np.arange(len(atoms)), atoms] = False
    i, j = np.nonzero(near)
    i = atoms[i]
    return i, j, points[j] - points[i]


def _pairs_around(atoms: Index, points: Array, bins: _Bins, cutoff: float) -> tuple[Index, Index, Array]:
    """Pairs i, j and d of an atom and a point in the cells around the atom's own; three cells in a row lie together."""
    rows = np.array(list(product((-1, 0, 1), repeat=2)))
    first = bins.cell[atoms][:, None] + np.column_stack([rows, np.full(len(rows), -1)])  # (n, 9, 3)
    target = np.ravel_multi_index(tuple(np.moveaxis(first, 2, 0)), bins.shape).ravel()
    begin = np.searchsorted(bins.sorted_cells, target, side="left")
    count = np.searchsorted(bins.sorted_cells, target + 2, side="right") - begin
    i = np.repeat(np.repeat(atoms, len(rows)), count)
    within = np.arange(i.size) - np.repeat(np.cumsum(count) - count, count)
    j = bins.order[np.repeat(begin, count) + within]
    d = points[j] - points[i]
    near = np.flatnonzero((np.einsum("ij,ij->i", d, d) <= cutoff * cutoff) & (i != j))
    return i[near], j[near], d[near]
