# SPDX-License-Identifier: MIT
"""Which neighbours a centre keeps where it has more than sel (docs/theory.md section 1)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..arrays import Array, Index

EQUALLY_NEAR = 2.0**-30  # squared distances, A^2, and components, A, that round to the same multiple are the same
Pairs = tuple[Index, Index, Array]  # i, j (p,) and d = r_j - r_i (p, 3), ordered by i


def nearest_pairs(rule: str, sel: Sequence[int], types: Index, pairs: Pairs) -> Pairs:
    """The pairs that a neighbour_rule ("all", "per_type", "total") keeps of all within the cutoff, in their order."""
    i, j, d = pairs
    slots, n = np.asarray(sel), len(sel)
    if rule == "all" or not len(i):
        return pairs
    crowded = (np.bincount(i * n + types[j], minlength=len(types) * n).reshape(-1, n) > slots).any(axis=1)
    kept = ~crowded[i]
    for centre in np.flatnonzero(crowded):  # a centre with too many in total has too many of some type
        first, end = np.searchsorted(i, (centre, centre + 1))
        order = first + _by_distance(j[first:end], d[first:end])
        order = order[: slots.sum()] if rule == "total" else order
        for b in range(n):
            kept[order[types[j[order]] == b][: slots[b]]] = True
    return i[kept], j[kept], d[kept]


def _by_distance(j: Index, d: Array) -> Index:
    """The order of one centre's neighbours: by distance, index and direction."""
    r2 = np.rint(np.einsum("ij,ij->i", d, d) / EQUALLY_NEAR)
    return np.lexsort((*np.rint(d / EQUALLY_NEAR).T[::-1], j, r2))
