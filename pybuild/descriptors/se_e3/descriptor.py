# SPDX-License-Identifier: MIT
"""Descriptor se_e3 (docs/theory.md section 1).

With q = r + env_protection and d the vector to a neighbour, v = sw(r) d/q^2/std' with the statistics of the centre's type. D is
the sum over pairs of neighbour types b <= c of 1/(sel_b sel_c) times the sum over neighbours j of type b and k of type c of
x G_bc(x), x = v_j . v_k; a neighbour meets itself, too. Empty slots and excluded neighbours have x = 0 and add nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations_with_replacement
from typing import Any, ClassVar

import numpy as np

from ...arrays import Array, IntArray
from ...model.checks import check_array, require
from ...model.description import PairKind
from ...model.descriptor import AlongR, Argument, CentreNeighbours, Form
from ...model.net import Net
from ..radial import Radial
from ..two_body import TwoBody, joined_fields, mean_of_s

SMALLEST_Q = 1e-6  # angstrom, where a bound of an error is wanted


@dataclass(frozen=True)
class Triples:
    """Pairs of neighbours, each once: x (t,), by how much each counts (t, components), which neighbours first and second (t,),
    and of all neighbours v and what its reverse needs."""

    x: Array
    row: Array
    first: IntArray
    second: IntArray
    v: Array
    vector: Array
    r: Array
    h: Array  # v = h d
    dh: Array
    sw: Array
    dsw: Array


@dataclass(frozen=True, kw_only=True)
class SeE3(TwoBody):
    """std (N, 2): of s(r), which says how dense the training data were, and of each component of v. net_of (N, N): of two
    neighbour types, in any order."""

    kind: ClassVar[str] = "se_e3"
    n_bodies: ClassVar[int] = 3
    form: ClassVar[Form] = Form.LINEAR

    @property
    def n_components(self) -> int:
        """One, but with gates (se_e3_tebd)."""
        return 1 if self.gates is None else 2

    def n_out(self, a: int) -> int:
        """M, for every centre type."""
        return self.width

    def numbers(self) -> dict[str, Any]:
        """The divisors are those of the groups, and only the deviation of v matters."""
        return super().numbers() | {"n_sel": 1, "mean": 0.0 * self.mean, "std": self.std[:, 1:]}

    def groups(self, kinds: IntArray) -> list[int]:
        """Pairs of types of which some centre sees both."""
        n, seen = len(kinds), kinds == PairKind.ORDINARY
        return [b * n + c for b, c in combinations_with_replacement(range(n), 2) if (seen[:, b] & seen[:, c]).any()]

    def members(self, group: int) -> tuple[int, ...]:
        """b and c."""
        return divmod(group, len(self.sel))

    def divisor(self, group: int) -> float:
        """sel_b sel_c."""
        b, c = self.members(group)
        return float(self.sel[b]) * float(self.sel[c])

    def net(self, a: int, group: int) -> Net:
        """That of the two neighbour types."""
        return self.nets[self.net_of[self.members(group)]]

    @property
    def vector_radial(self) -> Radial:
        """Distance <-> s/std', which is as long as v where there is no protection."""
        return Radial(self.rcut, self.rcut_smth, self.env_protection, 0.0 * self.mean, self.std[:, 1])

    def ranges(self, a: int, distance: float) -> float:
        """Two neighbours in one direction."""
        return self.vector_radial.unprotected(a, distance) ** 2

    @property
    def argument(self) -> Argument:
        """x."""
        return Argument.PRODUCT

    def distance(self, a: int, x: float) -> float:
        """Where v^2 reaches x."""
        return float(self.vector_radial.distance(a, np.array([np.sqrt(x)]))[0])

    def constants(self, a: int, kind: int) -> list[float]:
        """Nothing is added without neighbours."""
        return []

    def _check_kind(self, n_types: int) -> None:
        """std (N, 2), net_of symmetric."""
        check_array(self.std, "descriptor.std", (n_types, 2))
        symmetric = bool((self.net_of == self.net_of.T).all())
        require(symmetric, "descriptor.net_of", "is of two neighbour types and must not depend on their order")

    def mean_s(self) -> Array:
        """As of se_e2_a."""
        return mean_of_s(self.mean, self.std)

    def _vectors(self, a: int, vector: Array) -> tuple[tuple[Array, Array], tuple[Array, Array, Array]]:
        """sw and its derivative; r, h and dh/dr (p,), v = h d."""
        r = np.linalg.norm(vector, axis=1)
        sw, dsw = self.radial.switch(r)
        q = r + self.env_protection
        return (sw, dsw), (r, sw / q**2 / self.std[a, 1], (dsw / q**2 - 2.0 * sw / q**3) / self.std[a, 1])

    def triples(self, a: int, group: int, neighbours: CentreNeighbours) -> tuple[Triples, IntArray]:
        """Of two neighbours of one type the pair counts twice, a neighbour with itself once."""
        b, c = self.members(group)
        (sw, dsw), (r, h, dh) = self._vectors(a, neighbours.vector)
        v = h[:, None] * neighbours.vector
        found = [np.empty((2, 0), dtype=np.int64)]
        for start, end in zip(neighbours.start[:-1], neighbours.start[1:], strict=True):
            of_b, of_c = (start + np.flatnonzero(neighbours.types[start:end] == t) for t in (b, c))
            pairs = np.triu_indices(len(of_b)) if b == c else np.indices((len(of_b), len(of_c))).reshape(2, -1)
            found.append(np.stack([of_b[pairs[0]], of_c[pairs[1]]]))
        first, second = np.concatenate(found, axis=1)
        times = np.where((first != second) & (b == c), 2.0, 1.0)
        x = np.einsum("td,td->t", v[first], v[second])
        start = np.cumsum([pairs.shape[1] for pairs in found])
        return Triples(x, times[:, None], first, second, v, neighbours.vector, r, h, dh, sw, dsw), start

    def joined(self, rows: Sequence[Triples]) -> Triples:
        """Neighbours are numbered through."""
        firsts = np.cumsum([0, *(len(mine.r) for mine in rows)])
        moved = zip(rows, firsts.tolist(), strict=False)
        renumbered = [replace(mine, first=mine.first + k, second=mine.second + k) for mine, k in moved]
        found: Triples = joined_fields(renumbered)
        return found

    def reverse_rows(self, rows: Triples, d_row: Array, d_x: Array) -> Array:
        """dE/d vector (p, 3) of the neighbours; how much a pair counts does not depend on it."""
        d_v = np.zeros_like(rows.v)
        for mine, other in ((rows.first, rows.second), (rows.second, rows.first)):
            for component in range(3):
                d_v[:, component] += np.bincount(mine, d_x * rows.v[other, component], minlength=len(d_v))
        along = np.sum(d_v * rows.vector, axis=1) * rows.dh / rows.r
        return along[:, None] * rows.vector + rows.h[:, None] * d_v

    def rows_along_r(self, a: int, group: int, x: Array, closest: float) -> AlongR:
        """The force on one of two neighbours at the same distance, in any directions: x is any product up to their v^2. Errors of
        the values add up in the energy, over all pairs."""
        r = np.minimum(self.vector_radial.distance(a, np.sqrt(np.abs(x))), closest)
        sw, dsw = self.radial.switch(r)
        q = np.maximum(r + self.env_protection, SMALLEST_Q)
        h, dh = sw / q**2 / self.std[a, 1], (dsw / q**2 - 2.0 * sw / q**3) / self.std[a, 1]
        slope = h * r * np.maximum(np.abs(h + dh * r), np.abs(h))
        return AlongR(np.ones_like(x), 0.0, 0.0 * x, 0.0 * x, slope, self.divisor(group))

    def features(self, t: Array) -> Array:
        """D (n, M) from the sums T (n, M, 1)."""
        return t[:, :, 0]

    def reverse_features(self, t: Array, gradient: Array) -> Array:
        """dE/dT (n, M, 1) from dE/dD."""
        return gradient[:, :, None]
