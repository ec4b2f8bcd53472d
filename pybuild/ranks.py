# SPDX-License-Identifier: MIT
"""Whether this process is one of several that mpirun started, and whether it is the one that speaks."""

from __future__ import annotations

import os
from typing import Any

from .errors import InputError

SIZE_VARIABLES = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS")  # set by MPI launchers
RANK_VARIABLES = ("PMI_RANK", "OMPI_COMM_WORLD_RANK", "MV2_COMM_WORLD_RANK", "SLURM_PROCID")  # in the same order


def communicator() -> Any | None:
    """MPI.COMM_WORLD when started on several ranks by mpirun, else None. Raises InputError where mpi4py is missing."""
    if all(os.environ.get(name, "1") in ("", "1") for name in SIZE_VARIABLES):
        return None
    try:
        from mpi4py import MPI
    except ImportError as error:
        raise InputError("started under mpirun, which needs mpi4py (pip install mpi4py); or start without mpirun") from error
    return MPI.COMM_WORLD


def speaks() -> bool:
    """Whether this is the first rank, the one that reports; known before MPI starts."""
    return all(os.environ.get(name, "0") in ("", "0") for name in RANK_VARIABLES)
