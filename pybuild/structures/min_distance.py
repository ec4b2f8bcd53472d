# SPDX-License-Identifier: MIT
"""The smallest distance of two atoms in the training data, overall and by pair of types, periodic images included.

Under mpirun the frames are spread over the ranks (mpi4py); the result is a minimum, hence the same for any number of ranks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import Array
from ..errors import InputError
from ..progress import track
from .data import System, all_frames
from .neighbours import neighbour_pairs
from .structure import Structure

CLOSE = 2.0  # angstrom: nearly every closest pair is nearer than that


@dataclass(frozen=True)
class Closest:
    """The two closest atoms: distance in angstrom, the frame's number over all systems and its name, atoms counted from 0."""

    distance: float
    frame: int
    name: str
    atoms: tuple[int, int]
    types: tuple[int, int]

    def text(self, type_map: Sequence[str]) -> str:
        """Where it is, for people."""
        atoms = " and ".join(f"{k} ({type_map[t]})" for k, t in zip(self.atoms, self.types, strict=True))
        return f"atoms {atoms} of {self.name}"


@dataclass(frozen=True)
class Distances:
    """overall, angstrom; by_pair (N, N) symmetric: infinite where a pair of types never came within the cutoff."""

    overall: float
    by_pair: Array
    n_systems: int  # that were read
    n_frames: int
    n_atoms: int  # over all frames
    closest: Closest

    def by_pair_or(self, smallest: float) -> Array:
        """(N, N) by_pair; where a pair of types never met, the smallest distance that is known of any."""
        return np.where(np.isfinite(self.by_pair), self.by_pair, min(smallest, self.overall))


@dataclass
class _Found:
    """What one rank has found so far."""

    smallest: Array
    n_atoms: int = 0
    closest: Closest | None = None
    failure: tuple[int, str] | None = None


def scan(systems: Sequence[System], n_types: int, rcut: float, comm: Any | None = None) -> Distances:
    """Smallest distances up to rcut over all frames. Collective where comm is given. Raises InputError, on all ranks,
    for two atoms at the same place and for data without any pair within rcut."""
    rank, size = (0, 1) if comm is None else (comm.Get_rank(), comm.Get_size())
    frames = all_frames(systems)
    if not frames:
        raise InputError(f"training data: no frames in {len(systems)} systems")
    found = _Found(np.full((n_types, n_types), np.inf))
    for number in track(range(rank, len(frames), size), "smallest distance"):
        system, frame = frames[number]
        try:
            _update(found, number, system.frame(frame), rcut)
        except InputError as error:
            found.failure = (number, str(error))
            break
    found = _agree(comm, found)
    if found.closest is None:
        raise InputError(f"training data: no two atoms closer than the cutoff {rcut:g} A in {len(frames)} frames")
    smallest = np.minimum(found.smallest, found.smallest.T)  # i-j and j-i differ by rounding
    return Distances(float(smallest.min()), smallest, len(systems), len(frames), found.n_atoms, found.closest)


def _agree(comm: Any | None, mine: _Found) -> _Found:
    """The findings of all ranks as one, the same for any number of ranks; on all ranks the failure of the first bad frame."""
    parts = [mine] if comm is None else comm.allgather(mine)
    failures = sorted(part.failure for part in parts if part.failure is not None)
    if failures:
        raise InputError(failures[0][1])
    known = [part.closest for part in parts if part.closest is not None]
    return _Found(
        smallest=np.minimum.reduce([part.smallest for part in parts]),
        n_atoms=sum(part.n_atoms for part in parts),
        closest=min(known, key=lambda c: (c.distance, c.frame), default=None),
    )


def _update(found: _Found, number: int, structure: Structure, rcut: float) -> None:
    """Take in one frame. First the close surroundings; farther out only where some pair of types was not met closer yet."""
    types = structure.types
    found.n_atoms += len(types)
    if not len(types):
        return
    present = np.ix_(np.unique(types), np.unique(types))
    reach = 0.0
    for limit in (min(CLOSE, rcut), rcut):
        wanted = min(limit, float(found.smallest[present].max()))
        if wanted > reach:
            reach = wanted
            _take_pairs(found, number, structure, reach)


def _take_pairs(found: _Found, number: int, structure: Structure, reach: float) -> None:
    try:
        i, j, d = neighbour_pairs(structure.positions, structure.cell, reach)
    except InputError as error:
        raise InputError(f"{structure.name}: {error}") from error
    if not len(i):
        return
    r = np.sqrt(np.einsum("ij,ij->i", d, d))
    k = int(np.argmin(r))
    atoms, types = (int(i[k]), int(j[k])), (int(structure.types[i[k]]), int(structure.types[j[k]]))
    if r[k] == 0:
        raise InputError(f"{structure.name}: atoms {atoms[0]} and {atoms[1]} (counted from 0) are in the same place")
    if found.closest is None or r[k] < found.closest.distance:
        found.closest = Closest(float(r[k]), number, structure.name, atoms, types)
    np.minimum.at(found.smallest, (structure.types[i], structure.types[j]), r)
