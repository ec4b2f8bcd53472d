# SPDX-License-Identifier: MIT
"""se_e3_tebd for reference.py and reference_tables.py: D = 1/n_sel^2 times the sum over all neighbours j and k, of types b and
c, of h_bc(v_j . v_k) (1 + sw_j sw_k g_bc), h(x) = x G(x), v as of se_e3. With gates g the sums C of a group have two components,
without and with sw_j sw_k.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations_with_replacement
from typing import Any

import numpy as np

from ..arrays import Array, Index
from ..descriptors.se_e3_tebd import SeE3Tebd
from ..model.description import ModelDescription
from .parts import Around, Pairs, switch
from .se_e3 import Function, compute_vectors, product_function, reverse_vectors


def evaluate_block(
    model: ModelDescription, d: SeE3Tebd, types: Index, a: int, centres: Index, pairs: Pairs
) -> tuple[Array, Callable[[Array], Array]]:
    """D (n, M) of the centres, all of type a, and dE/dd of the pairs as a function of dE/dD."""
    seen = [b for b in range(model.n_types) if (a, b) not in d.excluded | model.pair_excluded]
    neighbour_types = types[pairs.neighbour]
    descriptor, reverses = np.zeros((len(centres), d.width)), []
    for place, centre in enumerate(centres):
        mine = np.flatnonzero(pairs.centre == centre)
        for of_types in combinations_with_replacement(seen, 2):
            function = product_function(d.nets[d.net_of[of_types]])
            c, reverse_sum = group_sum(d, a, pairs.vector[mine], neighbour_types[mine], of_types, function)
            factors = group_factors(d, of_types)
            descriptor[place] += np.sum(factors * c, axis=1)
            reverses.append((place, mine, factors, reverse_sum))

    def reverse(d_features: Array) -> Array:
        gradient = np.zeros_like(pairs.vector)
        for place, mine, factors, reverse_sum in reverses:
            gradient[mine] += reverse_sum(factors * d_features[place][:, None])
        return gradient

    return descriptor, reverse


def group_factors(d: Any, of_types: tuple[int, int]) -> Array:
    """(M, components) what the components of a sum over the pairs of two types are multiplied by in D."""
    one = np.ones((d.width, 1))
    return one if d.gates is None else np.hstack([one, d.gates[of_types][:, None]])


def group_sum(
    d: Any, a: int, vector: Array, neighbour_types: Index, of_types: tuple[int, int], function: Function
) -> tuple[Array, Callable[[Array], Array]]:
    """C (K, components) of one centre of type a and two types of neighbours, and dE/d vector (p, 3) from dE/dC."""
    vectors = compute_vectors(d, a, vector)
    sw, dsw = switch(vectors.r, d.rcut_smth, d.rcut)
    first, second = (np.flatnonzero(neighbour_types == b) for b in of_types)
    times = (1.0 if of_types[0] == of_types[1] else 2.0) / d.n_sel**2
    x, w = vectors.v[first] @ vectors.v[second].T, np.outer(sw[first], sw[second])
    value, reverse_function = function(x.ravel())
    weights = np.ones((x.size, 1)) if d.gates is None else np.column_stack([np.ones(x.size), w.ravel()])

    def reverse(d_c: Array) -> Array:
        d_x = reverse_function(times * weights @ d_c.T).reshape(x.shape)
        d_v, d_sw = np.zeros_like(vectors.v), np.zeros_like(sw)
        d_v[first] += d_x @ vectors.v[second]
        d_v[second] += d_x.T @ vectors.v[first]
        if d.gates is not None:
            d_w = times * (value @ d_c[:, 1]).reshape(x.shape)
            d_sw[first] += d_w @ sw[second]
            d_sw[second] += sw[first] @ d_w
        return reverse_vectors(vectors, d_v) + (d_sw * dsw / vectors.r)[:, None] * vector

    return times * value.T @ weights, reverse


def features(d: Any, t: Array) -> Array:
    """D (n, M) of the sums T (n, M, components), factors included."""
    return t.sum(axis=-1)


def reverse_features(d: Any, t: Array, d_features: Array) -> Array:
    """dE/dT."""
    return np.repeat(d_features[..., None], t.shape[-1], axis=-1)


def descriptor_of(torch: Any, d: SeE3Tebd, a: int, s: Any, vector: Any, around: Around, function: Any) -> Any:
    """D (n, M) by torch: s(r) (p, 1) and vectors of the neighbours; function(b, c, x): G_bc (t, M) of x (t, 1)."""
    q = vector.norm(dim=1, keepdim=True) + d.env_protection
    v, sw = s * vector / q / float(d.std[a, -1]), s * q
    rows = [torch.zeros(d.width, dtype=torch.float64) for _ in range(around.n)]
    for k in range(around.n):
        for b in around.seen:
            for c in around.seen:
                first, second = (torch.from_numpy(np.flatnonzero((around.centre == k) & (around.types == t))) for t in (b, c))
                x, w = ((of[first] @ of[second].T).reshape(-1, 1) for of in (v, sw))
                gate = 0.0 if d.gates is None else w * torch.tensor(d.gates[b, c])
                rows[k] = rows[k] + (x * function(b, c, x) * (1.0 + gate)).sum(dim=0) / d.n_sel**2
    return torch.stack(rows)
