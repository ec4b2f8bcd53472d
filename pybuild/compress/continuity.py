# SPDX-License-Identifier: MIT
"""Whether a model's energy is continuous where a neighbour crosses the cut-off: that of some is not, and no table mends it.

An excluded pair whose slots the mean (davg) fills, or empty slots with an embedding of their own, change the descriptor at once
when a neighbour takes the place of none (docs/theory.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from ..arrays import Array
from ..model.description import ModelDescription
from ..structures.probe import with_parameters
from ..structures.structure import Structure
from .environment import Neighbourhoods
from .evaluation import Fitting
from .truncation import evaluate_exactly

ASIDE = 1e-7  # angstrom on both sides of the cut-off: what is continuous changes by less than SMALLEST
SMALLEST = 1e-6  # eV, a jump worth telling
MOST_TYPES = 12  # of more than these not every pair is looked at


@dataclass(frozen=True)
class Jump:
    """The largest change of the energy (eV) of two atoms alone as their distance grows beyond rcut (angstrom)."""

    energy: float
    types: tuple[int, int]
    rcut: float


def largest_jump(model: ModelDescription, fittings: Mapping[int, Fitting]) -> Jump | None:
    """Of two atoms alone; None where it is smaller than SMALLEST. fittings: truncation.exact_fittings."""
    n = model.n_types
    pairs = [(a, b) for a in range(n) for b in range(a, n) if n <= MOST_TYPES or b - a < 2]
    pairs = [pair for pair in pairs if set(pair) & set(model.active_types)]
    found = []
    for rcut in sorted({descriptor.rcut for descriptor in model.descriptors}):
        within, beyond = (_energies(model, fittings, pairs, rcut + side) for side in (-ASIDE, ASIDE))
        found += [Jump(float(change), pair, rcut) for change, pair in zip(beyond - within, pairs, strict=True)]
    largest = max(found, key=lambda jump: abs(jump.energy))
    return largest if abs(largest.energy) > SMALLEST else None


def _energies(model: ModelDescription, fittings: Mapping[int, Fitting], pairs: list[tuple[int, int]], r: float) -> Array:
    """(pairs,) of two atoms each at a distance r, far from all others."""
    sites = np.array(list(np.ndindex((int(np.ceil(len(pairs) ** (1 / 3))),) * 3)))[: len(pairs)] * (r + 3 * model.rcut)
    positions = np.repeat(sites, 2, axis=0)
    positions[1::2, 0] += r
    types = np.array(pairs).ravel()
    (structure,) = with_parameters(model, [Structure(positions, types, None, "pairs at the cut-off")])
    atoms = Neighbourhoods.of(model, structure, np.flatnonzero(np.isin(types, model.active_types)))
    numbered = replace(atoms, structure=np.arange(len(types)) // 2, n_structures=len(pairs))
    return evaluate_exactly(model, numbered, fittings).exact.energy
