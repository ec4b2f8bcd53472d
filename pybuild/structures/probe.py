# SPDX-License-Identifier: MIT
"""Structures to measure a model on, made from what the model itself knows; training data are measured on as well, but never
alone.

The statistics of a centre's neighbourhood fix the density: with n_sel the number of slots, the sum of s(r) over the neighbours
of an atom was n_sel <s> on average; a uniform gas has 4 pi rho times the integral of sw(r) r dr. Two sets that share no
structure: one that columns and products are chosen on, and one that the choice is judged on. Both hold mixtures and pure
elements, thin gases and as many neighbours as sel is meant for; the first is packed at random, the second also has crystals.
Atoms thrown in at random are pushed apart until no pair is closer than in the training data; pairs just above that are common,
so the whole range of the tables is visited. A third kind has pairs closer than in the training data, down to the end of the
tables.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..arrays import Array
from ..errors import InputError
from ..model.description import ModelDescription, PairKind
from .neighbours import neighbour_pairs
from .structure import Structure

ATOMS_PER_TYPE = 32
FEWEST_ATOMS, MOST_ATOMS = 96, 160
PURE_ATOMS = 24
LEAST_SHARE = 0.1  # of the atoms: also a type that few slots are meant for occurs
PUSHES = 100
SKIN = 0.6  # of the largest distance: pairs are looked for anew where an atom has moved by half of it
TYPICAL_FILLING = 0.7  # of the slots, where the statistics say nothing
SHEAR = 0.15  # off-diagonal element of the cell relative to its edge
DENSEST = 0.55  # packing fraction of spheres as large as the smallest distance that random packing still reaches
RATTLE = 0.08  # of the distance between neighbours, standard deviation of the atoms of a crystal
SHORTEST = 1e-3  # times the smallest distance: no closer, where tables have no end
SPREAD = 3**0.5  # of parameters, in standard deviations: ends of an even distribution
SQUEEZED = 0.3  # share of the atoms that get a neighbour closer than in the training data


@dataclass(frozen=True)
class _Recipe:
    """One structure: density and smallest distances relative to those of the training data, and what it is made of."""

    density: float  # atoms per cubic angstrom
    wider: float = 1.0
    pure: int | None = None  # only this type
    crystal: bool = False
    evenly: bool = False  # all types as often, not as sel has them


def probe_structures(model: ModelDescription, distances: Array) -> list[Structure]:
    """Those to choose on. distances (N, N): no pair of types closer, angstrom."""
    rho, full, packed = _densities(model, distances)
    recipes = [
        _Recipe(rho),
        _Recipe(0.9 * rho, 1.1),
        _Recipe(0.6 * rho),
        _Recipe(max(rho, TYPICAL_FILLING * full), 1.05),
        _Recipe(min(max(1.2 * rho, full), packed)),
        _Recipe(0.05 * rho),
        *(_Recipe(rho, 1.02, pure=a) for a in _elements(model)),
    ]
    return with_parameters(model, [_structure(model, distances, recipe, seed) for seed, recipe in enumerate(recipes, 1)])


def judge_structures(model: ModelDescription, distances: Array) -> list[Structure]:
    """Those to judge the choice on."""
    rho, full, packed = _densities(model, distances)
    dense = min(max(rho, full), packed)
    recipes = [
        _Recipe(rho, 1.01, evenly=True),
        _Recipe(rho, crystal=True),
        _Recipe(0.75 * rho, 1.03),
        _Recipe(dense, 1.02, evenly=True),
        _Recipe(0.1 * rho, evenly=True),
        *(_Recipe((dense, 0.3 * rho)[a % 2], pure=a, crystal=a % 2 == 0) for a in _elements(model)),
    ]
    made = [_structure(model, distances, recipe, seed) for seed, recipe in enumerate(recipes, 1001)]
    return with_parameters(model, [_widened(structure, distances) for structure in made])


def close_structures(model: ModelDescription, low: Array, high: Array, distances: Array, seeds: Sequence[int]) -> list[Structure]:
    """Structures with pairs anywhere between low and high (N, N), angstrom, which are closer than those of the training data."""
    rho, _, _ = _densities(model, distances)
    structures = [_squeezed(_structure(model, distances, _Recipe(rho, evenly=True), seed), low, high, seed) for seed in seeds]
    return with_parameters(model, structures)


def with_parameters(model: ModelDescription, structures: Sequence[Structure]) -> list[Structure]:
    """The same with frame and atomic parameters, of models that take some: a frame's own, where the training data have them, else
    such as these had, from even distributions of their means and standard deviations, and in every second structure the default
    ones, which may lie outside. Raises InputError for frames with another number of them than the model takes."""
    p = model.fitting.parameters
    out = []
    for k, structure in enumerate(structures):
        rng = np.random.RandomState(zlib.crc32(structure.name.encode()))
        rows = rng.uniform(-SPREAD, SPREAD, (len(structure.types), p.n_fparam + p.n_aparam))
        values = p.mean + rows / np.where(p.scale == 0, 1.0, p.scale)
        frame = values[:1, : p.n_fparam].ravel() if len(values) else p.fparam_mean
        if p.default_fparam is not None and k % 2 == 1:
            frame = p.default_fparam
        fparam = _own_or_made("fparam", structure.fparam, frame, structure.name)
        aparam = _own_or_made("aparam", structure.aparam, values[:, p.n_fparam :], structure.name)
        out.append(replace(structure, fparam=fparam, aparam=aparam))
    return out


def _own_or_made(word: str, own: Array | None, made: Array, name: str) -> Array | None:
    """made: of the shape that the model takes, none: it looks at no parameters."""
    if made.shape[-1] == 0:
        return None
    if own is not None and own.shape != made.shape:
        raise InputError(f"{name}: {word}.npy has {own.shape[-1]} numbers each, the model takes {made.shape[-1]}")
    return made if own is None else own


def _elements(model: ModelDescription) -> range:
    """Types to be looked at on their own: of several."""
    return range(model.n_types) if model.n_types > 1 else range(0)


def _densities(model: ModelDescription, distances: Array) -> tuple[float, float, float]:
    """That of the training data; with all slots filled; and as dense as atoms at these distances can be packed."""
    smallest = float(distances.min())
    packed = DENSEST / (np.pi / 6 * smallest**3)
    return min(number_density(model, smallest), packed), _slots_per_volume(model), packed


def _slots_per_volume(model: ModelDescription) -> float:
    d = model.descriptors[_widest_first(model)[0]]
    return d.n_sel / (4 / 3 * np.pi * d.rcut**3)


def _widest_first(model: ModelDescription) -> list[int]:
    """The numbers of the descriptors, those of the largest cutoff first."""
    return sorted(range(len(model.descriptors)), key=lambda d: -model.descriptors[d].rcut)


def number_density(model: ModelDescription, min_distance: float) -> float:
    """Atoms per cubic angstrom of the training data, by the statistics of the neighbourhoods; at most twice as many as sel
    has room for."""
    full = _slots_per_volume(model)
    found = (_density_by_statistics(model, d, min_distance) for d in _widest_first(model))
    known = next((density for density in found if density is not None), TYPICAL_FILLING * full)
    return float(min(known, 2 * full))


def _density_by_statistics(model: ModelDescription, number: int, min_distance: float) -> float | None:
    """By those of one descriptor; None where they tell nothing."""
    d = model.descriptors[number]
    r = np.linspace(min(min_distance, 0.5 * d.rcut), d.rcut, 2001)
    sw, _ = d.radial.switch(r)
    per_density = 4 * np.pi * float(np.sum((sw * r)[1:] + (sw * r)[:-1]) / 2 * (r[1] - r[0]))
    mean = d.mean_s()
    shares = _shares(model)
    # Of all atoms; excluded neighbours are not in the statistics.
    visible = (model.pair_kinds[number] == PairKind.ORDINARY) @ shares
    # A type without slots may have had no data: its statistics are made up.
    known = (mean > 0) & (visible > 0) & (np.array(d.sel) > 0)
    if not known.any():
        return None
    per_type = mean[known] * d.n_sel / (per_density * visible[known])
    return float(np.average(per_type, weights=shares[known]))


def _shares(model: ModelDescription) -> Array:
    sel = np.array(model.descriptors[_widest_first(model)[0]].sel, dtype=np.float64)
    shares = np.maximum(sel / sel.sum(), LEAST_SHARE / model.n_types)
    return shares / shares.sum()


def _structure(model: ModelDescription, distances: Array, recipe: _Recipe, seed: int) -> Structure:
    rng = np.random.RandomState(seed)  # its stream is frozen, that of Generator is not
    n = int(np.clip(ATOMS_PER_TYPE * model.n_types, FEWEST_ATOMS, MOST_ATOMS))
    if recipe.pure is not None:
        types = np.full(PURE_ATOMS, recipe.pure)
    else:
        shares = np.full(model.n_types, 1 / model.n_types) if recipe.evenly else _shares(model)
        types = rng.permutation(np.repeat(np.arange(model.n_types), np.maximum(1, np.round(shares * n).astype(int))))
    edge = (len(types) / recipe.density) ** (1 / 3)
    cell = edge * (np.eye(3) + SHEAR * np.eye(3, k=-1))
    if recipe.crystal:
        fractions, rattle = _crystal(len(types), rng), RATTLE * recipe.density ** (-1 / 3)
        positions = fractions @ (edge * np.eye(3)) + rattle * rng.normal(size=(len(types), 3))
        cell = edge * np.eye(3)
    else:
        positions = rng.random_sample((len(types), 3)) @ cell
    positions = _pushed_apart(positions, types, cell, recipe.wider * distances)
    return Structure(positions, types, cell, f"{'judged' if seed > 1000 else 'probe'} structure {seed % 1000}")


def _widened(structure: Structure, distances: Array) -> Structure:
    """By as much as is left of pairs that are too close, where dense ones could not be pushed apart."""
    i, j, d = neighbour_pairs(structure.positions, structure.cell, float(distances.max()))
    factor = float((distances[structure.types[i], structure.types[j]] / np.linalg.norm(d, axis=1)).max(initial=1.0))
    if factor == 1.0:
        return structure
    assert structure.cell is not None
    factor *= 1 + 1e-12  # above it to the last bit
    return replace(structure, positions=factor * structure.positions, cell=factor * structure.cell)


def _crystal(n: int, rng: np.random.RandomState) -> Array:
    """n of the sites (fractions of the cell) of a face-centred cubic crystal, the others empty."""
    cells = int(np.ceil((n / 4) ** (1 / 3) - 1e-9))
    corners = np.stack(np.meshgrid(*[np.arange(cells)] * 3, indexing="ij"), axis=-1).reshape(-1, 1, 3)
    sites = (corners + np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])).reshape(-1, 3) / cells
    return sites[np.sort(rng.permutation(len(sites))[:n])]


def _pushed_apart(positions: Array, types: Array, cell: Array, distances: Array) -> Array:
    """Move pairs closer than ``distances`` apart along their line until none is left (or the packing does not allow it)."""
    cutoff = float(distances.max())
    start, n = np.full_like(positions, np.inf), len(positions)
    for _ in range(PUSHES):
        if not np.linalg.norm(positions - start, axis=1).max(initial=0.0) <= 0.5 * SKIN * cutoff:
            start = positions
            i, j, d = neighbour_pairs(positions, cell, (1 + SKIN) * cutoff)
            once = i < j  # an atom and its own images push each other nowhere
            i, j, d = i[once], j[once], d[once]
            image, wanted = d - (positions[j] - positions[i]), distances[types[i], types[j]]
        d = positions[j] - positions[i] + image
        r = np.sqrt(np.einsum("ij,ij->i", d, d))
        near = np.flatnonzero(r < wanted)
        if not near.size:
            break
        size = 0.51 * (1.02 * wanted[near] - np.maximum(r[near], 1e-3)) / np.maximum(r[near], 1e-3)
        moves = d[near].T * size
        push = [np.bincount(j[near], along, n) - np.bincount(i[near], along, n) for along in moves]
        positions = positions + np.column_stack(push)
    return positions


def _squeezed(structure: Structure, low: Array, high: Array, seed: int) -> Structure:
    """Some atoms moved close to another one, each to a distance of its own, the logarithm evenly spread."""
    rng = np.random.RandomState(seed)
    types, positions = structure.types, structure.positions.copy()
    order = rng.permutation(len(types))
    n = max(1, int(SQUEEZED * len(types) / 2))
    for i, j in zip(order[:n], order[n : 2 * n], strict=False):
        direction = rng.normal(size=3)
        ratio = max(low[types[i], types[j]] / high[types[i], types[j]], SHORTEST)
        r = high[types[i], types[j]] * ratio ** rng.random_sample()
        positions[j] = positions[i] + r * direction / np.linalg.norm(direction)
    return Structure(positions, types, structure.cell, f"close pairs {seed}")
