# SPDX-License-Identifier: MIT
"""Whether a smallest distance can be one, in angstrom: wrong units and single bad frames are the usual faults."""

from __future__ import annotations

import math

from ..errors import InputError

SHORTER_THAN_BONDS = 0.3  # angstrom; H2, the shortest, has 0.74
NO_DISTANCE = 1e-4  # angstrom; tables to there have no end


def check_smallest(distance: float, rcut: float, source: str) -> None:
    """Raise InputError for a smallest distance that no table can be made for."""
    if not (math.isfinite(distance) and distance > 0):
        raise InputError(f"the smallest neighbour distance ({source}) must be a positive length in angstrom, not {distance}")
    if distance < NO_DISTANCE:
        raise InputError(f"the smallest neighbour distance of {distance:g} A ({source}) is none of atoms: is it in angstrom?")
    if distance >= rcut:
        raise InputError(
            f"the smallest neighbour distance of {distance:g} A ({source}) is not below the model's cutoff of {rcut:g} A: no two "
            f"atoms would be neighbours. Lengths are in angstrom; {distance:g} pm would be {distance / 100:g} A"
        )


def too_close(distance: float, source: str) -> str | None:
    """A warning for a smallest distance that is shorter than any bond."""
    if distance >= SHORTER_THAN_BONDS:
        return None
    return (
        f"warning: the smallest distance of {distance:.4g} A ({source}) is shorter than any bond, and makes the tables larger: "
        f"look at that structure, and whether lengths are in angstrom ({distance:g} nm would be {10 * distance:g} A)"
    )
