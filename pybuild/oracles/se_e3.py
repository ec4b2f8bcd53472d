# SPDX-License-Identifier: MIT
"""se_e3 for reference.py and reference_tables.py: D = sum over neighbour types a <= b of 1/(sel_a sel_b) times the sum over
neighbours j of type a and k of type b of h_ab(v_j . v_k), h(x) = x G(x), with v = sw(r) d/(q^2 std'), q = r + env_protection.

Every pair of neighbours has a row in plain arrays, both orders and each neighbour with itself where the types are the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Any

import numpy as np

from ..arrays import Array, Index
from ..descriptors.se_e3 import SeE3
from ..model.description import ModelDescription
from ..model.net import Net
from .parts import Around, Pairs, net_forward, net_reverse, switch

Function = Callable[[Array], tuple[Array, Callable[[Array], Array]]]  # x -> h (t, K), and dE/dx (t,) from dE/dh


@dataclass(frozen=True)
class Vectors:
    """v (p, 3) of some neighbours, and what their reverse needs."""

    v: Array
    vector: Array
    r: Array
    h: Array  # v = h d
    dh: Array


def evaluate_block(
    model: ModelDescription, d: SeE3, types: Index, a: int, centres: Index, pairs: Pairs
) -> tuple[Array, Callable[[Array], Array]]:
    """D (n, M) of the centres, all of type a, and dE/dd of the pairs as a function of dE/dD."""
    seen = [b for b in range(model.n_types) if d.sel[b] and (a, b) not in d.excluded | model.pair_excluded]
    neighbour_types = types[pairs.neighbour]
    descriptor, reverses = np.zeros((len(centres), d.width)), []
    for place, centre in enumerate(centres):
        mine = np.flatnonzero(pairs.centre == centre)
        vectors = compute_vectors(d, a, pairs.vector[mine])
        for b, c in combinations_with_replacement(seen, 2):
            value, reverse_sum = sum_over_pairs(vectors, neighbour_types[mine], (b, c), product_function(d.nets[d.net_of[b, c]]))
            descriptor[place] += value / (d.sel[b] * d.sel[c])
            reverses.append((place, mine, d.sel[b] * d.sel[c], vectors, reverse_sum))

    def reverse(d_features: Array) -> Array:
        gradient = np.zeros_like(pairs.vector)
        for place, mine, divisor, vectors, reverse_sum in reverses:
            gradient[mine] += reverse_vectors(vectors, reverse_sum(d_features[place] / divisor))
        return gradient

    return descriptor, reverse


def product_function(net: Net) -> Function:
    """h(x) = x G(x) of an embedding net."""

    def h(x: Array) -> tuple[Array, Callable[[Array], Array]]:
        g, tape = net_forward(net, x[:, None])

        def reverse(d_h: Array) -> Array:
            return np.sum(d_h * g, axis=1) + net_reverse(tape, d_h * x[:, None])[:, 0]

        return x[:, None] * g, reverse

    return h


def compute_vectors(d: SeE3, a: int, vector: Array) -> Vectors:
    """v of every neighbour of a centre of type a. std: the last column."""
    r = np.linalg.norm(vector, axis=1)
    sw, dsw = switch(r, d.rcut_smth, d.rcut)
    q = r + d.env_protection
    h, dh = sw / q**2 / d.std[a, -1], (dsw / q**2 - 2.0 * sw / q**3) / d.std[a, -1]
    return Vectors(h[:, None] * vector, vector, r, h, dh)


def reverse_vectors(vectors: Vectors, d_v: Array) -> Array:
    """dE/dd (p, 3) from dE/dv."""
    along = np.sum(d_v * vectors.vector, axis=1) * vectors.dh / vectors.r
    return along[:, None] * vectors.vector + vectors.h[:, None] * d_v


def sum_over_pairs(
    vectors: Vectors, neighbour_types: Index, of_types: tuple[int, int], function: Function
) -> tuple[Array, Callable[[Array], Array]]:
    """Sum (K,) of h(v_j . v_k) over the neighbours j and k of two types, and dE/dv (p, 3) from dE/d that sum."""
    first, second = (np.flatnonzero(neighbour_types == b) for b in of_types)
    x = vectors.v[first] @ vectors.v[second].T
    value, reverse = function(x.ravel())

    def reverse_sum(d_sum: Array) -> Array:
        d_x = reverse(np.broadcast_to(d_sum, value.shape)).reshape(x.shape)
        d_v = np.zeros_like(vectors.v)
        d_v[first] += d_x @ vectors.v[second]
        d_v[second] += d_x.T @ vectors.v[first]
        return d_v

    return value.sum(axis=0), reverse_sum


def group_sum(
    d: Any, a: int, vector: Array, neighbour_types: Index, of_types: tuple[int, int], function: Function
) -> tuple[Array, Callable[[Array], Array]]:
    """C (K, 1) of one centre of type a and two types of neighbours, and dE/d vector (p, 3) from dE/dC."""
    b, c = of_types
    divisor, vectors = float(d.sel[b]) * float(d.sel[c]), compute_vectors(d, a, vector)
    total, reverse_sum = sum_over_pairs(vectors, neighbour_types, of_types, function)
    return total[:, None] / divisor, lambda d_c: reverse_vectors(vectors, reverse_sum(d_c[:, 0] / divisor))


def group_factors(d: Any, of_types: tuple[int, int]) -> Array:
    """What a sum is multiplied by in D."""
    return np.ones((d.width, 1))


def features(d: SeE3, t: Array) -> Array:
    """D (n, M) of the sums T (n, M, 1)."""
    return t[..., 0]


def reverse_features(d: SeE3, t: Array, d_features: Array) -> Array:
    """dE/dT."""
    return d_features[..., None]


def descriptor_of(torch: Any, d: SeE3, a: int, s: Any, vector: Any, around: Around, function: Any) -> Any:
    """D (n, M) by torch: s(r) (p, 1) and vectors of the neighbours; function(b, c, x): G_bc (t, M) of x (t, 1)."""
    v = s * vector / (vector.norm(dim=1, keepdim=True) + d.env_protection) / float(d.std[a, -1])
    rows = [torch.zeros(d.width, dtype=torch.float64) for _ in range(around.n)]
    for k in range(around.n):
        for b, c in combinations_with_replacement(around.seen, 2):
            first, second = (torch.from_numpy(np.flatnonzero((around.centre == k) & (around.types == t))) for t in (b, c))
            x = (v[first] @ v[second].T).reshape(-1, 1)
            rows[k] = rows[k] + (x * function(b, c, x)).sum(dim=0) / (d.sel[b] * d.sel[c])
    return torch.stack(rows)
