# SPDX-License-Identifier: MIT
"""Periodic neighbours for an evaluator that knows atoms only: every image that is a neighbour becomes an atom of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import Array, Index


@dataclass(frozen=True)
class ImageList:
    """The n atoms and then images of them, and neighbours by centre among all of these."""

    n: int
    owner: Index  # (n_all,) the atom that each is or is an image of
    offsets: Array  # (n_all, 3) from the owner's position
    first: Index  # (n + 1,) neighbours of centre k: neighbours[first[k]:first[k + 1]]
    neighbours: NDArray[np.int32]

    def points(self, x: Array) -> Array:
        """(n_all, 3) positions, from those of the atoms (n, 3)."""
        return x[self.owner] + self.offsets

    def fold(self, values: Array) -> Array:
        """(n, k): to each atom what (n_all, k) gives it and its images."""
        images = self.owner[self.n :]
        columns = [np.bincount(images, values[self.n :, c], minlength=self.n) for c in range(values.shape[1])]
        return values[: self.n] + np.column_stack(columns)


def list_with_images(x: Array, cell: Array | None, i: NDArray[Any], j: NDArray[Any], shift: NDArray[Any] | None) -> ImageList:
    """From pairs i (p,), j (p,) in any order, the second atom displaced by shift (p, 3) cells."""
    n = len(x)
    i, j = np.asarray(i).astype(np.int32), np.asarray(j).astype(np.int32)  # half the memory to go through
    order = np.argsort(i, kind="stable")
    first = np.zeros(n + 1, dtype=np.int64)
    np.cumsum(np.bincount(i, minlength=n), out=first[1:])
    if cell is None:
        return ImageList(n, np.arange(n), np.zeros((n, 3)), first, j[order])
    columns, home = _near_shifts(x, cell, i, j, np.asarray(shift))
    image, owner, cells = _number_images(n, j, columns)
    return ImageList(n, owner, (cells - home[owner]) @ cell, first, image[order])


def shifts_of(x: Array, cell: Array, i: NDArray[Any], j: NDArray[Any], d: Array) -> Index:
    """(p, 3) cells between the image that d (p, 3) points to and atom j."""
    return np.rint((d - (x[j] - x[i])) @ np.linalg.inv(cell)).astype(np.int64)


def _near_shifts(
    x: Array, cell: Array, i: NDArray[np.int32], j: NDArray[np.int32], shift: NDArray[Any]
) -> tuple[list[NDArray[Any]], NDArray[Any]]:
    """The shifts (p,) of each direction as if all atoms were in the first cell, small wherever they have gone, and the cells
    (n, 3) that they are in; 0 along directions without images."""
    home: NDArray[Any] = np.floor(x @ np.linalg.inv(cell)).astype(np.int32)
    columns = []
    for c in range(3):
        column = shift[:, c].astype(np.int32)
        if not column.any():
            home[:, c] = 0
        of_atom = home[:, c].copy()
        if of_atom.any():
            column += of_atom[j]
            column -= of_atom[i]
        columns.append(column)
    return columns, home


def _number_images(n: int, j: NDArray[np.int32], shifts: list[NDArray[Any]]) -> tuple[NDArray[np.int32], Index, Index]:
    """Index of each neighbour (p,) among the atoms and then the images; owners and cells of all of these (n_all,), (n_all, 3)."""
    low = [int(s.min(initial=0)) for s in shifts]
    shape = tuple(int(s.max(initial=0)) - least + 1 for s, least in zip(shifts, low, strict=True))
    # A number for every atom in every cell that occurs: few beside the pairs, and faster than sorting.
    n_numbers = int(np.prod(shape)) * n
    key: NDArray[Any] = np.zeros(len(j), dtype=np.int32 if n_numbers < 2**31 else np.int64)
    for s, least, extent in zip(shifts, low, shape, strict=True):
        key *= extent
        key += s
        key -= least
    key *= n
    key += j
    used = np.zeros(n_numbers, dtype=bool)
    used[key] = True
    own = int(np.ravel_multi_index([-least for least in low], shape)) * n
    used[own : own + n] = False
    keys = np.flatnonzero(used)
    number = np.zeros(used.size, dtype=np.int32)
    number[own : own + n] = np.arange(n)
    number[keys] = n + np.arange(keys.size)
    cells = np.column_stack(np.unravel_index(keys // max(n, 1), shape)) + low
    owner = np.concatenate([np.arange(n), keys % max(n, 1)])
    return number[key], owner, np.concatenate([np.zeros((n, 3), dtype=np.int64), cells])
