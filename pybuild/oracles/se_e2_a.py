# SPDX-License-Identifier: MIT
"""se_e2_a for reference.py: the descriptor of a block of centres of one type, every forward step with its reverse beside it.

With q = r + env_protection, s = sw(r)/q and v = sw(r) d/q^2, d = r_j - r_i, a neighbour's row is R = ((s - mean)/std, v/std').
Its embedding is G = net(x), x = R_0, or net(x) (1 + w g) with a vector g of the pair of types, w = sw(r) or TensorFlow's
switch of s.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import Array, Index
from ..descriptors.se_e2_a import SeE2A
from ..model.description import ModelDescription
from .parts import Pairs, net_forward, net_reverse, switch


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

    @property
    def x(self) -> Array:
        """(p,) the net's argument."""
        return self.row[:, 0]


def evaluate_block(
    model: ModelDescription, d: SeE2A, types: Index, a: int, centres: Index, pairs: Pairs
) -> tuple[Array, Callable[[Array], Array]]:
    """D (n, M A) of the centres, all of type a, and dE/dd of the pairs as a function of dE/dD."""
    local = np.searchsorted(centres, pairs.centre)
    neighbour_types = types[pairs.neighbour]
    moment, n_filled = np.zeros((len(centres), d.width, 4)), np.zeros(len(centres))
    tapes = []
    for b in range(model.n_types):
        is_excluded = (a, b) in d.excluded and (a, b) not in model.pair_excluded
        if d.sel[b] == 0 or (is_excluded and d.exclusion == "absent"):
            continue
        inside = neighbour_types == b
        if (a, b) in model.pair_excluded:  # the neighbours vanish, their slots are empty
            inside[:] = False
        part = np.flatnonzero(inside)
        rows = compute_rows(d, a, pairs.vector[part])
        n_b = np.bincount(local[part], minlength=len(centres))
        n_filled += n_b
        if d.padding is None and not (is_excluded and d.exclusion == "section"):
            moment += _padding(d, a, b, n_b)
        if not is_excluded:  # otherwise the neighbours fill their slots, and that is all
            g, reverse = embed(d, a, b, rows)
            moment += _sum_by_centre(g, rows.row, local[part], len(centres))
            tapes.append((part, rows, g, reverse))
    if d.padding is not None:
        moment[:, :, 0] += np.outer(d.n_sel - n_filled, d.padding[a])
    moment /= d.n_sel

    def reverse_all(d_descriptor: Array) -> Array:
        d_moment = reverse_features(d, moment, d_descriptor)
        gradient = np.zeros_like(pairs.vector)
        for part, rows, g, reverse in tapes:
            gradient[part] = _reverse_pairs(rows, g, reverse, d_moment[local[part]] / d.n_sel)
        return gradient

    return features(d, moment), reverse_all


def _padding(d: SeE2A, a: int, b: int, n_b: Index) -> Array:
    """(sel_b - n_b) G_ab(x_pad) (x) R_pad, (n, M, 4)."""
    x_pad = -d.mean[a] / d.std[a, 0]
    g, _ = net_forward(d.net(a, b), np.array([[x_pad]]))
    n_empty: Array = d.sel[b] - n_b.astype(np.float64)
    return n_empty[:, None, None] * np.outer(g[0], [x_pad, 0.0, 0.0, 0.0])


def _sum_by_centre(g: Array, row: Array, centre: Index, n: int) -> Array:
    """sum over the pairs of each centre of g (x) R, (n, M, 4); centre is sorted."""
    first = np.searchsorted(centre, np.arange(n + 1))
    return np.stack([g[first[i] : first[i + 1]].T @ row[first[i] : first[i + 1]] for i in range(n)])


def embed(d: SeE2A, a: int, b: int, rows: Rows) -> tuple[Array, Callable[[Array], tuple[Array, Array]]]:
    """G (p, M) of neighbours of type b, and (dE/dx, dE/dr) by G of a dE/dG."""
    g, tape = net_forward(d.net(a, b), rows.row[:, :1])
    if d.gates is None:
        return g, lambda d_g: (net_reverse(tape, d_g)[:, 0], np.zeros(len(d_g)))
    gate, (w, dw) = d.gates[a, b], gate_switch(d, rows)
    factor = 1.0 + np.outer(w, gate)
    return g * factor, lambda d_g: (net_reverse(tape, d_g * factor)[:, 0], (d_g * g) @ gate * dw)


def gate_switch(d: SeE2A, rows: Rows) -> tuple[Array, Array]:
    """w and dw/dr (p,) of what multiplies the factors of the types."""
    if d.switch_radius is None:
        return rows.sw, rows.dsw
    u = 1.0 - d.switch_radius * rows.sw / rows.q
    slope = 3.0 * u**2 * d.switch_radius * (rows.dsw / rows.q - rows.sw / rows.q**2)
    return np.clip(1.0 - u**3, 0.0, 1.0), np.where(u > 0.0, slope, 0.0)


def _reverse_pairs(rows: Rows, g: Array, reverse: Callable[[Array], tuple[Array, Array]], d_moment: Array) -> Array:
    """dE/dd of pairs, from dE/d(sum over pairs) of their centres (p, M, 4)."""
    d_x, d_r = reverse(np.einsum("pmc,pc->pm", d_moment, rows.row))
    return reverse_rows(rows, np.einsum("pmc,pm->pc", d_moment, g), d_x, d_r)


def compute_rows(d: SeE2A, a: int, vector: Array) -> Rows:
    """R of every pair."""
    r = np.linalg.norm(vector, axis=1)
    sw, dsw = switch(r, d.rcut_smth, d.rcut)
    q = r + d.env_protection
    row = np.empty((len(r), 4))
    row[:, 0] = (sw / q - d.mean[a]) / d.std[a, 0]
    row[:, 1:] = (sw / q**2)[:, None] * vector / d.std[a, 1]
    return Rows(row, vector, r, sw, dsw, q, d.std[a])


def reverse_rows(rows: Rows, d_row: Array, d_x: Array, d_r: Array | float = 0.0) -> Array:
    """dE/dd from dE/dR and, by way of G, dE/dx, x = R_0, and dE/dr: ds/dr = sw'/q - sw/q^2 and v_c = (sw/q^2) d_c."""
    q, unit = rows.q, rows.vector / rows.r[:, None]
    d_s, d_v = (d_row[:, 0] + d_x) / rows.std[0], d_row[:, 1:] / rows.std[1]
    radial = d_s * (rows.dsw / q - rows.sw / q**2) + np.sum(d_v * rows.vector, axis=1) * (rows.dsw / q**2 - 2.0 * rows.sw / q**3)
    return (radial + d_r)[:, None] * unit + (rows.sw / q**2)[:, None] * d_v


def features(d: SeE2A, t: Array) -> Array:
    """D = T T[:A]^T (n, M A) of T (n, M, 4)."""
    return (t @ t[:, : d.axis_neuron].transpose(0, 2, 1)).reshape(len(t), -1)


def reverse_features(d: SeE2A, t: Array, d_features: Array) -> Array:
    """dE/dT."""
    d_descriptor = d_features.reshape(len(t), -1, d.axis_neuron)
    d_moment = d_descriptor @ t[:, : d.axis_neuron]
    d_moment[:, : d.axis_neuron] += d_descriptor.transpose(0, 2, 1) @ t
    return d_moment


def constant_slots(d: SeE2A, a: int, n_empty: float, n_excluded: float) -> list[tuple[float, float, Array]]:
    """(how many, x, R) of the slots that have no neighbour of their own: excluded neighbours add nothing. None where
    what empty slots add is given."""
    if d.padding is not None:
        return []
    x_pad = -d.mean[a] / d.std[a, 0]
    return [(n_empty, x_pad, np.array([x_pad, 0.0, 0.0, 0.0]))]


def rows_of(torch: Any, d: SeE2A, a: int, s: Any, vector: Any) -> tuple[Any, Any]:
    """x (p, 1) and R (p, 4) by torch, of s(r) (p, 1)."""
    x = (s - float(d.mean[a])) / float(d.std[a, 0])
    return x, torch.cat([x, s * vector / (vector.norm(dim=1, keepdim=True) + d.env_protection) / float(d.std[a, 1])], dim=1)


def features_of(torch: Any, d: SeE2A, t: Any) -> Any:
    """D (n, M A) of T (n, M, 4) by torch."""
    return torch.einsum("nmk,nak->nma", t, t[:, : d.axis_neuron]).reshape(len(t), -1)
