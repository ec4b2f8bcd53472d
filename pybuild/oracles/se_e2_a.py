# SPDX-License-Identifier: MIT
"""se_e2_a for reference.py: the descriptor of a block of centres of one type, every forward step with its reverse beside it.

With q = r + env_protection, s = sw(r)/q and v = sw(r) d/q^2, d = r_j - r_i, a neighbour's row is R = ((s - mean)/std, v/std').
Its embedding is G = net(x), x = R_0, or net(x) (1 + w g) with a vector g of the pair of types, w = sw(r) or TensorFlow's
switch of s. Where the descriptor has gains g_l of the degrees l = 2 to lmax, rows have more components, g_l s/std Y_l(d/q), with
the real spherical harmonics Y_l as polynomials of three numbers.
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

# (factor, powers of x, y, z) of the terms of each Y_lm, m from -l to l.
Terms = list[tuple[float, int, int, int]]
HARMONICS: dict[int, list[Terms]] = {
    2: [
        [(3**0.5, 1, 1, 0)],
        [(3**0.5, 0, 1, 1)],
        [(1.0, 0, 0, 2), (-0.5, 2, 0, 0), (-0.5, 0, 2, 0)],
        [(3**0.5, 1, 0, 1)],
        [(0.75**0.5, 2, 0, 0), (-(0.75**0.5), 0, 2, 0)],
    ],
    3: [
        [(3 * 0.625**0.5, 2, 1, 0), (-(0.625**0.5), 0, 3, 0)],
        [(15**0.5, 1, 1, 1)],
        [(4 * 0.375**0.5, 0, 1, 2), (-(0.375**0.5), 2, 1, 0), (-(0.375**0.5), 0, 3, 0)],
        [(1.0, 0, 0, 3), (-1.5, 2, 0, 1), (-1.5, 0, 2, 1)],
        [(4 * 0.375**0.5, 1, 0, 2), (-(0.375**0.5), 3, 0, 0), (-(0.375**0.5), 1, 2, 0)],
        [(3.75**0.5, 2, 0, 1), (-(3.75**0.5), 0, 2, 1)],
        [(0.625**0.5, 3, 0, 0), (-3 * 0.625**0.5, 1, 2, 0)],
    ],
    4: [
        [(8.75**0.5, 3, 1, 0), (-(8.75**0.5), 1, 3, 0)],
        [(3 * 4.375**0.5, 2, 1, 1), (-(4.375**0.5), 0, 3, 1)],
        [(6 * 1.25**0.5, 1, 1, 2), (-(1.25**0.5), 3, 1, 0), (-(1.25**0.5), 1, 3, 0)],
        [(4 * 0.625**0.5, 0, 1, 3), (-3 * 0.625**0.5, 2, 1, 1), (-3 * 0.625**0.5, 0, 3, 1)],
        [(1.0, 0, 0, 4), (-3.0, 2, 0, 2), (-3.0, 0, 2, 2), (0.375, 4, 0, 0), (0.75, 2, 2, 0), (0.375, 0, 4, 0)],
        [(4 * 0.625**0.5, 1, 0, 3), (-3 * 0.625**0.5, 3, 0, 1), (-3 * 0.625**0.5, 1, 2, 1)],
        [(6 * 0.3125**0.5, 2, 0, 2), (-6 * 0.3125**0.5, 0, 2, 2), (-(0.3125**0.5), 4, 0, 0), (0.3125**0.5, 0, 4, 0)],
        [(4.375**0.5, 3, 0, 1), (-3 * 4.375**0.5, 1, 2, 1)],
        [(35**0.5 / 8, 4, 0, 0), (-6 * 35**0.5 / 8, 2, 2, 0), (35**0.5 / 8, 0, 4, 0)],
    ],
}


def harmonics(d: SeE2A, u: Any) -> list[Any]:
    """g_l Y_lm(u), (p,) each, of u (p, 3), an array or a tensor."""
    out = []
    for degree, gain in enumerate(d.degree_gains.tolist(), start=2):
        for terms in HARMONICS[degree]:
            out.append(sum(gain * factor * u[:, 0] ** i * u[:, 1] ** j * u[:, 2] ** k for factor, i, j, k in terms))
    return out


def harmonic_slopes(d: SeE2A, u: Array) -> Array:
    """(p, components - 4, 3) derivatives along u (p, 3), term by term."""
    out = []
    for degree, gain in enumerate(d.degree_gains.tolist(), start=2):
        for terms in HARMONICS[degree]:
            slope = np.zeros_like(u)
            for factor, *powers in terms:
                for c in (c for c in range(3) if powers[c] > 0):
                    lowered = [power - (axis == c) for axis, power in enumerate(powers)]
                    slope[:, c] += gain * factor * powers[c] * np.prod(u ** np.array(lowered), axis=1)
            out.append(slope)
    return np.stack(out, axis=1)


@dataclass(frozen=True)
class Rows:
    """The environment rows of some pairs: R (p, components), and what their reverse needs."""

    row: Array
    vector: Array
    r: Array
    sw: Array
    dsw: Array
    q: Array
    std: Array
    y: Array  # (p, components - 4) Y(d/q)
    dy: Array  # (p, components - 4, 3) and its derivatives

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
    moment, n_filled = np.zeros((len(centres), d.width, d.n_components)), np.zeros(len(centres))
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
    """(sel_b - n_b) G_ab(x_pad) (x) R_pad, (n, M, components)."""
    x_pad = -d.mean[a] / d.std[a, 0]
    g, _ = net_forward(d.net(a, b), np.array([[x_pad]]))
    n_empty: Array = d.sel[b] - n_b.astype(np.float64)
    return n_empty[:, None, None] * np.outer(g[0], _constant_row(d, x_pad))


def _constant_row(d: SeE2A, x: float) -> Array:
    """R of a slot whose argument is x: it has no direction."""
    return np.array([x] + [0.0] * ((len(d.degree_gains) + 2) ** 2 - 1))


def _sum_by_centre(g: Array, row: Array, centre: Index, n: int) -> Array:
    """sum over the pairs of each centre of g (x) R, (n, M, components); centre is sorted."""
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
    """dE/dd of pairs, from dE/d(sum over pairs) of their centres (p, M, components)."""
    d_x, d_r = reverse(np.einsum("pmc,pc->pm", d_moment, rows.row))
    return reverse_rows(rows, np.einsum("pmc,pm->pc", d_moment, g), d_x, d_r)


def compute_rows(d: SeE2A, a: int, vector: Array) -> Rows:
    """R of every pair."""
    r = np.linalg.norm(vector, axis=1)
    sw, dsw = switch(r, d.rcut_smth, d.rcut)
    q = r + d.env_protection
    u, y, dy = vector / q[:, None], np.empty((len(r), 0)), np.empty((len(r), 0, 3))
    if len(d.degree_gains):
        y, dy = np.stack(harmonics(d, u), axis=1), harmonic_slopes(d, u)
    first = (sw / q - d.mean[a]) / d.std[a, 0]
    angular, more = (sw / q)[:, None] * u / d.std[a, 1], (sw / q)[:, None] * y / d.std[a, 0]
    return Rows(np.column_stack([first, angular, more]), vector, r, sw, dsw, q, d.std[a], y, dy)


def reverse_rows(rows: Rows, d_row: Array, d_x: Array, d_r: Array | float = 0.0) -> Array:
    """dE/dd from dE/dR and, by way of G, dE/dx, x = R_0, and dE/dr: ds/dr = sw'/q - sw/q^2 and v_c = (sw/q^2) d_c."""
    q, unit = rows.q, rows.vector / rows.r[:, None]
    d_s, d_v = (d_row[:, 0] + d_x) / rows.std[0], d_row[:, 1:4] / rows.std[1]
    radial = d_s * (rows.dsw / q - rows.sw / q**2) + np.sum(d_v * rows.vector, axis=1) * (rows.dsw / q**2 - 2.0 * rows.sw / q**3)
    # Of s/std Y(u): s changes along the pair, and du/dd is 1/q less (d/q^2) (x) the unit vector.
    d_size, d_u = np.sum(d_row[:, 4:] * rows.y, axis=1), np.einsum("pm,pmc->pc", d_row[:, 4:], rows.dy)
    d_u *= (rows.sw / q / rows.std[0])[:, None]
    radial += d_size * (rows.dsw / q - rows.sw / q**2) / rows.std[0] - np.sum(d_u * rows.vector, axis=1) / q**2
    return (radial + d_r)[:, None] * unit + (rows.sw / q**2)[:, None] * d_v + d_u / q[:, None]


def features(d: SeE2A, t: Array) -> Array:
    """D = T T[:A]^T (n, M A) of T (n, M, components)."""
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
    return [(n_empty, x_pad, _constant_row(d, x_pad))]


def rows_of(torch: Any, d: SeE2A, a: int, s: Any, vector: Any) -> tuple[Any, Any]:
    """x (p, 1) and R (p, components) by torch, of s(r) (p, 1)."""
    x = (s - float(d.mean[a])) / float(d.std[a, 0])
    u = vector / (vector.norm(dim=1, keepdim=True) + d.env_protection)
    more = [s * y[:, None] / float(d.std[a, 0]) for y in harmonics(d, u)]
    return x, torch.cat([x, s * u / float(d.std[a, 1]), *more], dim=1)


def features_of(torch: Any, d: SeE2A, t: Any) -> Any:
    """D (n, M A) of T (n, M, components) by torch."""
    return torch.einsum("nmk,nak->nma", t, t[:, : d.axis_neuron]).reshape(len(t), -1)
