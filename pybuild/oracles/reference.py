# SPDX-License-Identifier: MIT
"""The oracle: energy, forces and virial of a ModelDescription by its own nets, in plain NumPy and float64, slow and obvious.

It shares nothing with tables or compiled code: neighbours are found by comparing every atom with every other one and its
periodic images. Where there are more neighbours than sel, the model's neighbour_rule says which count; with "all" the number of
empty slots may be negative. Equations of docs/theory.md section 1, over blocks of atoms of one type, a module for each kind of
descriptor.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import Array, BoolArray, Index
from ..errors import InputError
from ..model.description import ModelDescription
from .kinds import KINDS
from .parts import Pairs, energy_and_reverse, net_parameters

Slots = tuple[float, Index, bool]  # cutoff in angstrom, sel (N,), whether each slot is for neighbours of any type
BLOCK = 64  # centres at once: 64 x 200 neighbours x 240 channels are 25 MB
EQUALLY_NEAR = 2.0**-30  # A^2 and A: squared distances and components that round to the same multiple are the same
DISTANCES_AT_ONCE = 4_000_000  # centre x image distances compared at once: 100 MB


@dataclass(frozen=True)
class Result:
    """energy eV; atom_energy (n,) eV; forces (n, 3) eV/A; virial (3, 3) eV with LAMMPS' sign (the sum over pairs of d_a times
    the force b on the neighbour); atom_virial (n, 9) eV, each pair's share given to the neighbour, order xx xy xz yx yy yz zx
    zy zz."""

    energy: float
    atom_energy: Array
    forces: Array
    virial: Array
    atom_virial: Array


def evaluate(
    model: ModelDescription,
    positions: ArrayLike,
    types: ArrayLike,
    cell: ArrayLike | None = None,
    fparam: ArrayLike | None = None,
    aparam: ArrayLike | None = None,
    factors: Array | None = None,
) -> Result:
    """Evaluate one structure.

    positions (n, 3) angstrom; types (n,) indices into model.type_map; cell (3, 3) angstrom, rows a, b, c, periodic in all three
    directions, or None for open boundaries; fparam (n_fparam,), aparam (n, n_aparam) of models that take parameters; factors (n,)
    of the atoms' energies, None: 1. Raises InputError for shapes, types or numbers that make no sense, and for atoms at the same
    place.
    """
    x, t, box = checked_structure(model.type_map, positions, types, cell)
    pairs = find_neighbours(x, box, model.rcut)
    taken = taken_pairs(model.neighbour_rule, slots_of(model.descriptors), t, pairs)
    parameters = net_parameters(model.fitting.parameters, len(t), fparam, aparam)
    atom_energy, gradient = np.zeros(len(t)), np.zeros_like(pairs.vector)
    for a, centres, part in _blocks(t, pairs):
        if a in model.fitting.excluded:
            continue
        inputs, reverses = [], []
        for d, mask in zip(model.descriptors, taken, strict=True):
            mine = part[mask[part]]
            numbers, reverse = KINDS[d.kind].evaluate_block(model, d, t, a, centres, _subset(pairs, mine))
            inputs.append(numbers)
            reverses.append((mine, reverse))
        of_centres = np.concatenate(inputs, axis=1), parameters[centres]
        energies, d_inputs = energy_and_reverse(model.fitting, a, *of_centres)
        factor = np.ones(len(centres)) if factors is None else factors[centres]
        atom_energy[centres], d_inputs = factor * energies, factor[:, None] * d_inputs
        ends = np.cumsum([numbers.shape[1] for numbers in inputs])
        for (mine, reverse), d_numbers in zip(reverses, np.split(d_inputs, ends[:-1], axis=1), strict=True):
            gradient[mine] += reverse(d_numbers)
    return result_of(atom_energy, pairs, gradient)


def result_of(atom_energy: Array, pairs: Pairs, gradient: Array) -> Result:
    """From the energies of the atoms and the derivatives (p, 3) with respect to the vectors of the pairs."""
    forces = np.zeros((len(atom_energy), 3))
    np.add.at(forces, pairs.centre, gradient)
    np.subtract.at(forces, pairs.neighbour, gradient)
    pair_virial = -pairs.vector[:, :, None] * gradient[:, None, :]
    atom_virial = np.zeros((len(atom_energy), 9))
    np.add.at(atom_virial, pairs.neighbour, pair_virial.reshape(-1, 9))
    return Result(float(atom_energy.sum()), atom_energy, forces, pair_virial.sum(axis=0), atom_virial)


# Structure and neighbours


def checked_structure(
    type_map: Sequence[str], positions: ArrayLike, types: ArrayLike, cell: ArrayLike | None
) -> tuple[Array, Index, Array | None]:
    """(positions, types, cell) as arrays; InputError unless they make a structure of these types."""
    x, t = np.asarray(positions, dtype=np.float64), np.asarray(types)
    box = None if cell is None else np.asarray(cell, dtype=np.float64)
    if x.ndim != 2 or x.shape[1] != 3 or t.shape != x.shape[:1]:
        raise InputError(f"positions have shape {x.shape} and types {t.shape}; (n, 3) and (n,) are needed")
    if t.size and (t.dtype.kind not in "iu" or t.min() < 0 or t.max() >= len(type_map)):
        raise InputError(f"types must be integers in 0..{len(type_map) - 1} ({' '.join(type_map)})")
    if not np.isfinite(x).all():
        raise InputError(f"position of atom {int(np.argwhere(~np.isfinite(x))[0, 0])} is not finite")
    if box is not None and (box.shape != (3, 3) or not np.isfinite(box).all() or abs(np.linalg.det(box)) < 1e-12):
        raise InputError("the cell must be a 3 x 3 matrix of finite numbers with a volume")
    return x, t.astype(np.int64), box


def find_neighbours(x: Array, cell: Array | None, rcut: float) -> Pairs:
    """Every pair with r < rcut, images included, centre by centre. InputError for two atoms at the same place."""
    image_of, points = _images(x, cell, rcut)
    rows = max(1, DISTANCES_AT_ONCE // max(1, len(points)))
    found = []
    for start in range(0, len(x), rows):
        gap = [points[None, :, k] - x[start : start + rows, None, k] for k in range(3)]
        centre, point = np.nonzero(gap[0] ** 2 + gap[1] ** 2 + gap[2] ** 2 < rcut**2)
        found.append((centre + start, point))
    centre = np.concatenate([np.zeros(0, np.int64), *(c for c, _ in found)])
    point = np.concatenate([np.zeros(0, np.int64), *(p for _, p in found)])
    keep = point != centre  # the first n points are the atoms themselves
    centre, point = centre[keep], point[keep]
    vector = points[point] - x[centre]
    touching = np.flatnonzero((vector == 0.0).all(axis=1))
    if touching.size:
        raise InputError(f"atoms {centre[touching[0]]} and {image_of[point[touching[0]]]} are at the same place")
    return Pairs(centre, image_of[point], vector)


def slots_of(descriptors: Sequence[Any]) -> list[Slots]:
    """Of descriptors of a model, or of a table file."""
    return [(d.rcut, np.asarray(d.sel), d.shares_slots) for d in descriptors]


def taken_pairs(rule: str, slots: Sequence[Slots], types: Index, pairs: Pairs) -> list[BoolArray]:
    """Of each descriptor (p,) whether it takes a pair, of all within the largest cutoff, by a neighbour_rule. Of equally near
    neighbours the one of smaller index is the nearer, among images of one atom that in the smaller direction (x, then y, then
    z)."""
    order = _nearest_first(pairs)
    if rule == "union":
        most = np.max([sel for _, sel, _ in slots], axis=0)
        order = _first_of_each_type(_first_of_all(order, most.sum(), pairs), most, types, pairs)
    totals = [sel.max() if shared else sel.sum() for _, sel, shared in slots]
    if rule == "mixed":
        order = _first_of_all(order, max(totals), pairs)
    distance = np.linalg.norm(pairs.vector, axis=1)
    taken = []
    for (rcut, sel, shared), total in zip(slots, totals, strict=True):
        mine = order[distance[order] < rcut]
        if rule == "total" or (rule == "mixed" and shared):  # then neighbours of every type may have all slots
            mine = _first_of_all(mine, total, pairs)
        if rule != "all":
            mine = _first_of_each_type(mine, sel, types, pairs)
        taken.append(np.isin(np.arange(len(pairs.centre)), mine))
    return taken


def _first_of_all(order: Index, most: int, pairs: Pairs) -> Index:
    """At most so many pairs of a centre."""
    return order[_place_in_group(pairs.centre[order]) < most]


def _first_of_each_type(order: Index, most: Index, types: Index, pairs: Pairs) -> Index:
    """At most so many (N,) of each neighbour type."""
    neighbour_types = types[pairs.neighbour[order]]
    return order[_place_in_group(pairs.centre[order] * len(most) + neighbour_types) < most[neighbour_types]]


def _nearest_first(pairs: Pairs) -> Index:
    """The pairs in the order of centre and distance."""
    rounded = np.rint(pairs.vector / EQUALLY_NEAR)
    r2 = np.rint((pairs.vector**2).sum(axis=1) / EQUALLY_NEAR)
    return np.lexsort((*rounded.T[::-1], pairs.neighbour, r2, pairs.centre))


def _place_in_group(group: Index) -> Index:
    """How many elements of the same group come before each one."""
    together = np.argsort(group, kind="stable")
    place = np.empty_like(together)
    place[together] = np.arange(len(group)) - np.searchsorted(group[together], group[together])
    return place


def _images(x: Array, cell: Array | None, rcut: float) -> tuple[Index, Array]:
    """(atom of each point, points (m, 3)): the atoms, then all images that can be within rcut of any of them."""
    n = len(x)
    if cell is None or n == 0:
        return np.arange(n), x
    heights = 1.0 / np.linalg.norm(np.linalg.inv(cell), axis=0)  # distance between opposite faces
    fraction = x @ np.linalg.inv(cell)
    margin = rcut / heights
    low, high = fraction.min(axis=0) - margin, fraction.max(axis=0) + margin
    steps = [np.arange(np.floor(a - f.max()), np.ceil(b - f.min()) + 1) for a, b, f in zip(low, high, fraction.T, strict=True)]
    owners, points = [np.arange(n)], [x]
    for shift in np.stack(np.meshgrid(*steps, indexing="ij"), axis=-1).reshape(-1, 3):
        moved = fraction + shift
        near = np.flatnonzero(((moved >= low) & (moved <= high)).all(axis=1)) if shift.any() else np.zeros(0, np.int64)
        owners.append(near)
        points.append(x[near] + shift @ cell)
    return np.concatenate(owners), np.concatenate(points)


def _blocks(types: Index, pairs: Pairs) -> Iterator[tuple[int, Index, Index]]:
    """(type, centres, positions of their pairs in `pairs`), at most BLOCK centres at once."""
    first = np.searchsorted(pairs.centre, np.arange(len(types) + 1))
    for a in np.unique(types):
        atoms = np.flatnonzero(types == a)
        for start in range(0, len(atoms), BLOCK):
            centres = atoms[start : start + BLOCK]
            yield int(a), centres, np.concatenate([np.arange(first[i], first[i + 1]) for i in centres])


def _subset(pairs: Pairs, part: Index) -> Pairs:
    return Pairs(pairs.centre[part], pairs.neighbour[part], pairs.vector[part])
