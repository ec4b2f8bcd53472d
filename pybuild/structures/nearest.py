# SPDX-License-Identifier: MIT
"""Which neighbours a descriptor takes of a centre that has more than sel (docs/theory.md section 1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..arrays import Array, BoolArray, Index

EQUALLY_NEAR = 2.0**-30  # squared distances, A^2, and components, A, that round to the same multiple are the same
Pairs = tuple[Index, Index, Array]  # i, j (p,) and d = r_j - r_i (p, 3), ordered by i


class Slots(NamedTuple):
    """Of one descriptor: cutoff in angstrom, and slots by neighbour type; shared: each is for neighbours of any type."""

    rcut: float
    sel: Sequence[int]
    shared: bool = False

    @property
    def total(self) -> int:
        """Slots for neighbours of all types."""
        return max(self.sel) if self.shared else sum(self.sel)


def nearest_pairs(rule: str, slots: Sequence[Slots], types: Index, pairs: Pairs) -> list[BoolArray]:
    """Of each descriptor (p,) whether it takes a pair, by a neighbour_rule ("all", "per_type", "total", "mixed", "union")."""
    r2 = np.einsum("ij,ij->i", pairs[2], pairs[2])
    taken = [r2 < s.rcut**2 for s in slots]
    if rule == "all":
        return taken
    if rule == "union":
        most = np.max([s.sel for s in slots], axis=0)
        listed = _nearest(most, most.sum(), types, pairs, np.logical_or.reduce(taken))
        taken = [mine & listed for mine in taken]
    if rule == "mixed":
        most = max(s.total for s in slots)
        listed = _nearest(np.full(len(slots[0].sel), most), most, types, pairs, np.any(taken, axis=0))
        taken = [mine & listed for mine in taken]
    totals = [s.total if rule == "total" or s.shared else None for s in slots]
    return [_nearest(np.asarray(s.sel), n, types, pairs, mine) for s, n, mine in zip(slots, totals, taken, strict=True)]


def _nearest(sel: Index, total: int | None, types: Index, pairs: Pairs, among: BoolArray) -> BoolArray:
    """The nearest ``total`` of each centre's pairs ``among`` all, of these the nearest sel of each type."""
    i, j, d = pairs
    n = len(sel)
    counts = np.bincount(i[among] * n + types[j[among]], minlength=len(types) * n).reshape(-1, n)
    crowded: BoolArray = np.logical_or.reduce(counts > sel, axis=1)
    if total is not None:
        crowded |= counts.sum(axis=1) > total
    kept = among & ~crowded[i]
    for centre in np.flatnonzero(crowded):
        first, end = np.searchsorted(i, (centre, centre + 1))
        mine = first + np.flatnonzero(among[first:end])
        order = mine[_by_distance(j[mine], d[mine])][:total]
        for b in range(n):
            kept[order[types[j[order]] == b][: sel[b]]] = True
    return kept


def _by_distance(j: Index, d: Array) -> Index:
    """The order of one centre's neighbours: by distance, index and direction."""
    r2 = np.rint(np.einsum("ij,ij->i", d, d) / EQUALLY_NEAR)
    return np.lexsort((*np.rint(d / EQUALLY_NEAR).T[::-1], j, r2))
