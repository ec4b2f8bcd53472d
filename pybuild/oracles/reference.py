# SPDX-License-Identifier: MIT
"""The oracle: energy, forces and virial of a ModelDescription by its own nets, in plain NumPy and float64, slow and obvious.

It shares nothing with tables or compiled code: neighbours are found by comparing every atom with every other one and its periodic
images. Equations of docs/theory.md section 1; with q = r + env_protection, s = sw(r)/q and v = sw(r) d/q^2, d = r_j - r_i, a
neighbour's row is R = ((s - mean)/std, v/std'). Where there are more neighbours than sel, the model's neighbour_rule says which count;
with "all" the number of empty slots may be negative.
Forward and reverse go over blocks of atoms of one type; every forward step has its reverse beside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import Array, Index
from ..errors import InputError
from ..model import activations
from ..model.description import EnergyFitting, Layer, ModelDescription, Net, SeE2A

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


@dataclass(frozen=True)
class Pairs:
    """Neighbours sorted by centre: centre (p,), neighbour (p,), vector d = r_j - r_i (p, 3) angstrom."""

    centre: Index
    neighbour: Index
    vector: Array


def evaluate(model: ModelDescription, positions: ArrayLike, types: ArrayLike, cell: ArrayLike | None = None) -> Result:
    """Evaluate one structure.

    positions (n, 3) angstrom; types (n,) indices into model.type_map; cell (3, 3) angstrom, rows a, b, c, periodic in all three
    directions, or None for open boundaries. Raises InputError for shapes, types or numbers that make no sense, and for atoms
    at the same place.
    """
    x, t, box = checked_structure(model, positions, types, cell)
    pairs = keep_nearest(model, t, find_neighbours(x, box, model.descriptor.rcut))
    atom_energy, gradient = np.zeros(len(t)), np.zeros_like(pairs.vector)
    for centre_type, centres, part in _blocks(t, pairs):
        if centre_type not in model.fitting.excluded:
            atom_energy[centres], gradient[part] = _evaluate_block(model, t, centre_type, centres, _subset(pairs, part))
    forces = np.zeros_like(x)
    np.add.at(forces, pairs.centre, gradient)
    np.subtract.at(forces, pairs.neighbour, gradient)
    pair_virial = -pairs.vector[:, :, None] * gradient[:, None, :]
    atom_virial = np.zeros((len(t), 9))
    np.add.at(atom_virial, pairs.neighbour, pair_virial.reshape(-1, 9))
    return Result(float(atom_energy.sum()), atom_energy, forces, pair_virial.sum(axis=0), atom_virial)


# Structure and neighbours


def checked_structure(
    model: ModelDescription, positions: ArrayLike, types: ArrayLike, cell: ArrayLike | None
) -> tuple[Array, Index, Array | None]:
    """(positions, types, cell) as arrays; InputError unless they make a structure for this model."""
    x, t = np.asarray(positions, dtype=np.float64), np.asarray(types)
    box = None if cell is None else np.asarray(cell, dtype=np.float64)
    if x.ndim != 2 or x.shape[1] != 3 or t.shape != x.shape[:1]:
        raise InputError(f"positions have shape {x.shape} and types {t.shape}; (n, 3) and (n,) are needed")
    if t.size and (t.dtype.kind not in "iu" or t.min() < 0 or t.max() >= model.n_types):
        raise InputError(f"types must be integers in 0..{model.n_types - 1} ({' '.join(model.type_map)})")
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


def keep_nearest(model: ModelDescription, types: Index, pairs: Pairs) -> Pairs:
    """The pairs that the model's neighbour_rule keeps. Of equally near neighbours the one of smaller index is the nearer, among images
    of one atom that in the smaller direction (x, then y, then z)."""
    if model.neighbour_rule == "all":
        return pairs
    sel = np.asarray(model.descriptor.sel)
    rounded = np.rint(pairs.vector / EQUALLY_NEAR)
    r2 = np.rint((pairs.vector**2).sum(axis=1) / EQUALLY_NEAR)
    order = np.lexsort((*rounded.T[::-1], pairs.neighbour, r2, pairs.centre))
    if model.neighbour_rule == "total":
        order = order[_place_in_group(pairs.centre[order]) < sel.sum()]
    neighbour_types = types[pairs.neighbour[order]]
    order = order[_place_in_group(pairs.centre[order] * len(sel) + neighbour_types) < sel[neighbour_types]]
    return _subset(pairs, np.sort(order))


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


# One block of centres of one type


@dataclass(frozen=True)
class Rows:
    """The environment rows of some pairs: R (p, 4), and what their reverse needs."""

    row: Array
    vector: Array
    r: Array
    sw: Array
    dsw: Array
    q: Array
    std: Array


def _evaluate_block(model: ModelDescription, types: Index, a: int, centres: Index, pairs: Pairs) -> tuple[Array, Array]:
    """(E_i of the centres, dE/dd of the pairs); all centres are of type a."""
    d = model.descriptor
    local = np.searchsorted(centres, pairs.centre)
    neighbour_types = types[pairs.neighbour]
    moment = np.zeros((len(centres), d.width, 4))
    tapes = []
    for b in range(model.n_types):
        if d.sel[b] == 0:
            continue
        inside = neighbour_types == b
        if (a, b) in model.pair_excluded:  # the neighbours vanish, their slots are empty
            inside[:] = False
        part = np.flatnonzero(inside)
        rows = compute_rows(d, a, pairs.vector[part])
        n_b = np.bincount(local[part], minlength=len(centres))
        is_excluded = (a, b) in d.excluded
        if not (is_excluded and d.exclusion == "section"):
            moment += _padding(d, a, b, n_b)
        if not is_excluded:  # otherwise the neighbours fill their slots, and that is all
            g, tape = net_forward(d.nets[a, b], rows.row[:, :1])
            moment += _sum_by_centre(g, rows.row, local[part], len(centres))
            tapes.append((part, rows, g, tape))
    moment /= d.n_sel
    energy, d_moment = _energy_and_reverse(model.fitting, a, moment, d.axis_neuron)
    gradient = np.zeros_like(pairs.vector)
    for part, rows, g, tape in tapes:
        gradient[part] = _reverse_pairs(rows, g, tape, d_moment[local[part]] / d.n_sel)
    return energy, gradient


def _padding(d: SeE2A, a: int, b: int, n_b: Index) -> Array:
    """(sel_b - n_b) G_ab(x_pad) (x) R_pad, (n, M, 4)."""
    x_pad = -d.mean[a] / d.std[a, 0]
    g, _ = net_forward(d.nets[a, b], np.array([[x_pad]]))
    n_empty: Array = d.sel[b] - n_b.astype(np.float64)
    return n_empty[:, None, None] * np.outer(g[0], [x_pad, 0.0, 0.0, 0.0])


def _sum_by_centre(g: Array, row: Array, centre: Index, n: int) -> Array:
    """sum over the pairs of each centre of g (x) R, (n, M, 4); centre is sorted."""
    first = np.searchsorted(centre, np.arange(n + 1))
    return np.stack([g[first[i] : first[i + 1]].T @ row[first[i] : first[i + 1]] for i in range(n)])


def _reverse_pairs(rows: Rows, g: Array, tape: _Tape, d_moment: Array) -> Array:
    """dE/dd of pairs, from dE/d(sum over pairs) of their centres (p, M, 4)."""
    d_row = np.einsum("pmc,pm->pc", d_moment, g)
    d_row[:, :1] += net_reverse(tape, np.einsum("pmc,pc->pm", d_moment, rows.row))  # the net's input is R_0
    return reverse_rows(rows, d_row)


def switch(r: Array, rcut_smth: float, rcut: float) -> tuple[Array, Array]:
    """sw(r) and its derivative."""
    u = np.clip((r - rcut_smth) / (rcut - rcut_smth), 0.0, 1.0)
    return u**3 * (-6.0 * u**2 + 15.0 * u - 10.0) + 1.0, -30.0 * u**2 * (u - 1.0) ** 2 / (rcut - rcut_smth)


def compute_rows(d: SeE2A, a: int, vector: Array) -> Rows:
    """R of every pair."""
    r = np.linalg.norm(vector, axis=1)
    sw, dsw = switch(r, d.rcut_smth, d.rcut)
    q = r + d.env_protection
    row = np.empty((len(r), 4))
    row[:, 0] = (sw / q - d.mean[a]) / d.std[a, 0]
    row[:, 1:] = (sw / q**2)[:, None] * vector / d.std[a, 1]
    return Rows(row, vector, r, sw, dsw, q, d.std[a])


def reverse_rows(rows: Rows, d_row: Array) -> Array:
    """dE/dd from dE/dR: ds/dr = sw'/q - sw/q^2 and v_c = (sw/q^2) d_c."""
    q, unit = rows.q, rows.vector / rows.r[:, None]
    d_s, d_v = d_row[:, 0] / rows.std[0], d_row[:, 1:] / rows.std[1]
    radial = d_s * (rows.dsw / q - rows.sw / q**2) + np.sum(d_v * rows.vector, axis=1) * (rows.dsw / q**2 - 2.0 * rows.sw / q**3)
    return radial[:, None] * unit + (rows.sw / q**2)[:, None] * d_v


def _energy_and_reverse(fitting: EnergyFitting, a: int, moment: Array, axis_neuron: int) -> tuple[Array, Array]:
    """(E_i, dE/dT): D = T T[:A]^T, E = net(vec D) + bias (- net(0))."""
    n, width, _ = moment.shape
    short = moment[:, :axis_neuron]
    descriptor = moment @ short.transpose(0, 2, 1)
    out, tape = net_forward(fitting.nets[a], descriptor.reshape(n, -1))
    energy = out[:, 0] + fitting.energy_bias[a]
    if a in fitting.vacuum_subtracted:
        energy = energy - net_forward(fitting.nets[a], np.zeros((1, width * axis_neuron)))[0][0, 0]
    d_descriptor = net_reverse(tape, np.ones((n, 1))).reshape(n, width, axis_neuron)
    d_moment = d_descriptor @ short
    d_moment[:, :axis_neuron] += d_descriptor.transpose(0, 2, 1) @ moment
    return energy, d_moment


# Nets

_Tape = list[tuple[Layer, Array]]  # per layer: the layer, and act'(x W + b)


def net_forward(net: Net, x: Array) -> tuple[Array, _Tape]:
    """Outputs (n, n_out) for inputs (n, n_in), and what net_reverse needs."""
    tape = []
    for layer in net.layers:
        y, slope, _ = activations.parse(layer.activation).evaluate(x @ layer.weight + layer.bias)
        tape.append((layer, slope))
        if layer.idt is not None:
            y = y * layer.idt
        if layer.skip == "identity":
            y = y + x
        elif layer.skip == "doubled":
            y = y + np.concatenate([x, x], axis=1)
        x = y
    return x, tape


def net_reverse(tape: _Tape, d_out: Array) -> Array:
    """dE/dinput (n, n_in) from dE/doutput (n, n_out)."""
    for layer, slope in reversed(tape):
        d_act = d_out if layer.idt is None else d_out * layer.idt
        d_in = (d_act * slope) @ layer.weight.T
        if layer.skip == "identity":
            d_in = d_in + d_out
        elif layer.skip == "doubled":
            half = d_in.shape[1]
            d_in = d_in + d_out[:, :half] + d_out[:, half:]
        d_out = d_in
    return d_out
