# SPDX-License-Identifier: MIT
"""se_e2_r for reference.py and reference_tables.py: D = (1/(5 n_sel)) sum over the slots of G(x), x = (s - mean)/std.

With q = r + env_protection, s = sw(r)/q. Empty slots have s = 0; excluded neighbours, where they fill slots, have x = 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import Array, Index
from ..descriptors.se_e2_r import SeE2R
from ..model.description import ModelDescription
from .parts import Pairs, net_forward, net_reverse, switch


@dataclass(frozen=True)
class Distances:
    """Arguments x (p,) of some pairs, dx/dd (p, 3), r (p,) and dr/dd (p, 3)."""

    x: Array
    gradient: Array
    r: Array
    unit: Array

    @property
    def row(self) -> Array:
        """(p, 1): every neighbour counts once."""
        return np.ones((len(self.x), 1))


def evaluate_block(
    model: ModelDescription, d: SeE2R, types: Index, a: int, centres: Index, pairs: Pairs
) -> tuple[Array, Callable[[Array], Array]]:
    """D (n, M) of the centres, all of type a, and dE/dd of the pairs as a function of dE/dD."""
    local, neighbour_types = np.searchsorted(centres, pairs.centre), types[pairs.neighbour]
    total = np.zeros((len(centres), d.width))
    tapes = []
    absent = {b for b in range(model.n_types) if d.exclusion == "absent" and (a, b) in d.excluded - model.pair_excluded}
    for b in (b for b in range(model.n_types) if d.sel[b] and b not in absent):
        part = np.flatnonzero(neighbour_types == b)
        n_empty = d.sel[b] - np.bincount(local[part], minlength=len(centres)).astype(np.float64)
        n_excluded = np.zeros(len(centres))
        if (a, b) in model.pair_excluded:  # the neighbours vanish
            part, n_empty = part[:0], np.full(len(centres), float(d.sel[b]))
        elif (a, b) in d.excluded:
            n_excluded = d.sel[b] - n_empty
            if d.exclusion == "section":
                n_empty, n_excluded = 0.0 * n_empty, np.full(len(centres), float(d.sel[b]))
            part = part[:0]
        for n, x, _ in constant_slots(d, a, n_empty, n_excluded):
            total += np.outer(n * np.ones(len(centres)), net_forward(d.net(a, b), np.array([[x]]))[0][0])
        rows = compute_rows(d, a, pairs.vector[part])
        g, tape = net_forward(d.net(a, b), rows.x[:, None])
        np.add.at(total, local[part], g)
        tapes.append((part, rows, tape))

    def reverse(d_features: Array) -> Array:
        gradient = np.zeros_like(pairs.vector)
        for part, rows, tape in tapes:
            gradient[part] = net_reverse(tape, d_features[local[part]] / (5.0 * d.n_sel)) * rows.gradient
        return gradient

    return total / (5.0 * d.n_sel), reverse


def compute_rows(d: SeE2R, a: int, vector: Array) -> Distances:
    """x of every pair: ds/dr = sw'/q - sw/q^2."""
    r = np.linalg.norm(vector, axis=1)
    sw, dsw = switch(r, d.rcut_smth, d.rcut)
    q = r + d.env_protection
    ds = dsw / q - sw / q**2
    unit = vector / r[:, None]
    return Distances((sw / q - d.mean[a]) / d.std[a, 0], (ds / d.std[a, 0])[:, None] * unit, r, unit)


def reverse_rows(rows: Distances, d_row: Array, d_x: Array, d_r: Array | float = 0.0) -> Array:
    """dE/dd from dE/dx, and dE/dr where something is looked up at the distance; the row is constant."""
    return d_x[:, None] * rows.gradient + (d_r * rows.unit.T).T


def features(d: SeE2R, t: Array) -> Array:
    """D (n, M) of the mean over the slots T (n, M, 1)."""
    return t[..., 0] / 5.0


def reverse_features(d: SeE2R, t: Array, d_features: Array) -> Array:
    """dE/dT."""
    return d_features[..., None] / 5.0


def constant_slots(d: SeE2R, a: int, n_empty: Array, n_excluded: Array) -> list[tuple[Array, float, Array]]:
    """(how many, x, row) of the slots that have no neighbour of their own."""
    if d.padding is not None:  # nothing is added there
        return []
    return [(n_empty, -d.mean[a] / d.std[a, 0], np.ones(1)), (n_excluded, 0.0, np.ones(1))]


def rows_of(torch: Any, d: SeE2R, a: int, s: Any, vector: Any) -> tuple[Any, Any]:
    """x (p, 1) and the rows (p, 1) by torch, of s(r) (p, 1)."""
    return (s - float(d.mean[a])) / float(d.std[a, 0]), torch.ones_like(s)


def features_of(torch: Any, d: SeE2R, t: Any) -> Any:
    """D (n, M) of the mean over the slots T (n, M, 1) by torch."""
    return t[..., 0] / 5.0
