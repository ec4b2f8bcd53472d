# SPDX-License-Identifier: MIT
"""Structures to measure a model on when no training data are at hand, made from what the model itself knows.

The statistics of a centre's neighbourhood fix the density: with n_sel the number of slots, the sum of s(r) over the
neighbours of an atom was n_sel <s> on average, <s> being the stored mean (or, where that was set to zero, the root of
3 std'^2 - std^2); a uniform gas has 4 pi rho times the integral of sw(r) r dr. Composition follows sel. Atoms are
thrown in at random and pushed apart until no pair is closer than the smallest distance of the training data; pairs
just above it are common, so the whole range of the tables is visited.
"""

from __future__ import annotations

import numpy as np

from .description import ModelDescription
from .environment import Structure
from .grid import ORDINARY, pair_kinds
from .neighbours import neighbour_pairs
from .reference import switch
from .tableset import Array

ATOMS_PER_TYPE = 32
FEWEST_ATOMS, MOST_ATOMS = 96, 384
LEAST_SHARE = 0.1  # of the atoms: also a type that few slots are meant for occurs
PUSHES = 200
TYPICAL_FILLING = 0.7  # of the slots, where the statistics say nothing
SHEAR = 0.15  # off-diagonal element of the cell relative to its edge


def probe_structures(model: ModelDescription, min_distance: float) -> list[Structure]:
    """Four periodic structures: at the density of the training data; a tenth thinner with a tenth more distance; much
    thinner; and with as many neighbours as sel is usually chosen for."""
    density = number_density(model, min_distance)
    filled = max(density, TYPICAL_FILLING * _slots_per_volume(model))
    settings = ((1.0, density), (1.1, 0.9 * density), (1.0, 0.6 * density), (1.05, filled))
    return [_structure(model, wider * min_distance, rho, seed) for seed, (wider, rho) in enumerate(settings, 1)]


def _slots_per_volume(model: ModelDescription) -> float:
    return model.descriptor.n_sel / (4 / 3 * np.pi * model.descriptor.rcut**3)


def number_density(model: ModelDescription, min_distance: float) -> float:
    """Atoms per cubic angstrom of the training data, by the statistics of the neighbourhoods; at most as many as sel
    has room for."""
    d = model.descriptor
    r = np.linspace(min(min_distance, 0.5 * d.rcut), d.rcut, 2001)
    sw, _ = switch(r, d.rcut_smth, d.rcut)
    per_density = 4 * np.pi * float(np.sum((sw * r)[1:] + (sw * r)[:-1]) / 2 * (r[1] - r[0]))
    spread = np.sqrt(np.maximum(3 * d.std[:, 1] ** 2 - d.std[:, 0] ** 2, 0.0))
    mean = np.where(d.mean != 0, d.mean, spread)
    shares = _shares(model)
    visible = (pair_kinds(model) == ORDINARY) @ shares  # of all atoms; neighbours of an excluded pair are not in the statistics
    known = (mean > 0) & (visible > 0)
    full = _slots_per_volume(model)
    if not known.any():
        return TYPICAL_FILLING * full
    per_type = mean[known] * d.n_sel / (per_density * visible[known])
    return float(min(np.average(per_type, weights=shares[known]), full))


def _shares(model: ModelDescription) -> Array:
    sel = np.array(model.descriptor.sel, dtype=np.float64)
    shares = np.maximum(sel / sel.sum(), LEAST_SHARE / model.n_types)
    return shares / shares.sum()


def _structure(model: ModelDescription, distance: float, density: float, seed: int) -> Structure:
    """distance: no pair closer, angstrom; density in atoms per cubic angstrom."""
    n = int(np.clip(ATOMS_PER_TYPE * model.n_types, FEWEST_ATOMS, MOST_ATOMS))
    rng = np.random.RandomState(seed)  # its stream is frozen, that of Generator is not
    counts = np.maximum(1, np.round(_shares(model) * n).astype(int))
    types = rng.permutation(np.repeat(np.arange(model.n_types), counts))
    edge = (len(types) / density) ** (1 / 3)
    cell = edge * (np.eye(3) + SHEAR * np.eye(3, k=-1))
    positions = _pushed_apart(rng.random_sample((len(types), 3)) @ cell, cell, distance)
    return Structure(positions, types, cell, f"probe structure {seed}")


def _pushed_apart(positions: Array, cell: Array, distance: float) -> Array:
    """Move pairs closer than ``distance`` apart along their line until none is left (or the packing does not allow it)."""
    for _ in range(PUSHES):
        i, _, d = neighbour_pairs(positions, cell, distance)
        if not len(i):
            break
        r = np.linalg.norm(d, axis=1)
        r = np.maximum(r, 1e-3)
        push = np.zeros_like(positions)
        np.add.at(push, i, -d / r[:, None] * (0.51 * (1.02 * distance - r))[:, None])
        positions = positions + push
    return positions
