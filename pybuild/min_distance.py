# SPDX-License-Identifier: MIT
"""The smallest distance of two atoms in the training data, overall and by pair of types, periodic images included.

Under mpirun the frames are spread over the ranks (mpi4py); the result is a minimum, hence the same for any number of ranks.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .data import System, all_frames
from .environment import Structure
from .errors import InputError
from .neighbours import neighbour_pairs
from .progress import track
from .tableset import Array

SIZE_VARIABLES = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS")  # set by MPI launchers


@dataclass(frozen=True)
class Distances:
    """overall, angstrom; by_pair (N, N) symmetric: ``overall`` where a pair of types never came within the cutoff."""

    overall: float
    by_pair: Array
    n_frames: int


def communicator() -> Any | None:
    """MPI.COMM_WORLD when started on several ranks by mpirun, else None. Raises InputError where mpi4py is missing."""
    if all(os.environ.get(name, "1") in ("", "1") for name in SIZE_VARIABLES):
        return None
    try:
        from mpi4py import MPI
    except ImportError as error:
        raise InputError("started under mpirun, which needs mpi4py (pip install mpi4py); or start without mpirun") from error
    return MPI.COMM_WORLD


def scan(systems: Sequence[System], n_types: int, rcut: float, comm: Any | None = None) -> Distances:
    """Smallest distances up to rcut over all frames. Collective where comm is given. Raises InputError, on all ranks,
    for two atoms at the same place and for data without any pair within rcut."""
    rank, size = (0, 1) if comm is None else (comm.Get_rank(), comm.Get_size())
    frames = all_frames(systems)
    smallest = np.full((n_types, n_types), np.inf)
    failure: tuple[int, str] | None = None
    for number in track(range(rank, len(frames), size), "smallest distance"):
        system, frame = frames[number]
        try:
            _update(smallest, system.frame(frame), rcut)
        except InputError as error:
            failure = (number, str(error))
            break
    smallest = _agree(comm, smallest, failure)
    overall = float(smallest.min())
    if not np.isfinite(overall):
        raise InputError(f"training data: no two atoms closer than the cutoff {rcut:g} A in {len(frames)} frames")
    smallest = np.minimum(smallest, smallest.T)  # i-j and j-i differ by rounding
    return Distances(overall, np.where(np.isfinite(smallest), smallest, overall), len(frames))


def _agree(comm: Any | None, smallest: Array, failure: tuple[int, str] | None) -> Array:
    """The minimum over all ranks, or on all ranks the failure of the first bad frame."""
    parts = [(smallest, failure)] if comm is None else comm.allgather((smallest, failure))
    failures = sorted(f for _, f in parts if f is not None)
    if failures:
        raise InputError(failures[0][1])
    return np.minimum.reduce([part for part, _ in parts])


def _update(smallest: Array, structure: Structure, rcut: float) -> None:
    """Lower ``smallest`` by the distances of one frame. Only distances that can still lower it are looked for."""
    if not len(structure.types):
        return
    present = np.unique(structure.types)
    reach = min(rcut, float(smallest[np.ix_(present, present)].max(initial=0.0)))
    i, j, d = neighbour_pairs(structure.positions, structure.cell, reach)
    r = np.sqrt(np.einsum("ij,ij->i", d, d))
    if r.size and r.min() == 0:
        k = int(np.argmin(r))
        raise InputError(f"{structure.name}: atoms {i[k]} and {j[k]} (counted from 0) are in the same place")
    pair = structure.types[i], structure.types[j]
    np.minimum.at(smallest, pair, r)
