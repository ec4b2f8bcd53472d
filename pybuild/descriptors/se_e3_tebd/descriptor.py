# SPDX-License-Identifier: MIT
"""Descriptor se_e3_tebd (docs/theory.md section 1).

As se_e3, but slots are for neighbours of any type: D is 1/n_sel^2 times the sum over all neighbours j and k, in both orders and
each with itself, of x G_bc(x) (1 + sw(r_j) sw(r_k) g_bc), x = v_j . v_k; b and c are their types, and neither G nor g depends on
the order. Without g a term is x G_bc(x). With it each sum over the pairs of two types has two components, of x G(x) and of that
times w = sw(r_j) sw(r_k), and what they make of D is T_0 + g_bc T_1.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from ...arrays import Array, IntArray
from ...model.checks import check_array, require
from ...model.descriptor import AlongR, CentreNeighbours
from ..se_e3 import SeE3
from ..se_e3.descriptor import Triples


@dataclass(frozen=True, kw_only=True)
class SeE3Tebd(SeE3):
    """sel: n_sel for each type. gates (N, N, M): g of two neighbour types, as net_of in any order; None: there is none."""

    kind: ClassVar[str] = "se_e3_tebd"

    @property
    def shares_slots(self) -> bool:
        """Every slot is for neighbours of any type."""
        return True

    def numbers(self) -> dict[str, Any]:
        """With the number of slots, and the gates."""
        return super().numbers() | {"n_sel": self.n_sel, "gates": self.gates}

    def divisor(self, group: int) -> float:
        """n_sel^2; of two types half of that, since their pairs are summed in one order."""
        b, c = self.members(group)
        return float(self.n_sel) ** 2 * (1.0 if b == c else 0.5)

    def _check_kind(self, n_types: int) -> None:
        """sel n_sel for each type, gates symmetric."""
        super()._check_kind(n_types)
        require(set(self.sel) == {self.n_sel}, "descriptor.sel", f"is {self.sel}, must be n_sel = {self.n_sel} for each type")
        require(self.exclusion == "slots", "descriptor.exclusion", "is by section, but slots are for neighbours of any type")

    def _check_gates(self, gates: Array, n_types: int) -> None:
        check_array(gates, "descriptor.gates", (n_types, n_types, self.width))
        symmetric = bool((gates == gates.transpose(1, 0, 2)).all())
        require(symmetric, "descriptor.gates", "are of two neighbour types and must not depend on their order")

    def weighted(self, group: int, t: Array) -> Array:
        """T_0 and g T_1 of the sums (n, M, 2) over a group."""
        if self.gates is None or group < 0:
            return t
        return t * np.stack([np.ones(self.width), self.gates[self.members(group)]], axis=1)

    def triples(self, a: int, group: int, neighbours: CentreNeighbours) -> tuple[Triples, IntArray]:
        """As of se_e3; with gates rows of how much a pair counts, without and with w."""
        rows, start = super().triples(a, group, neighbours)
        if self.gates is not None:
            w = rows.sw[rows.first] * rows.sw[rows.second]
            rows = replace(rows, row=rows.row * np.stack([np.ones_like(w), w], axis=1))
        return rows, start

    def reverse_rows(self, rows: Triples, d_row: Array, d_x: Array) -> Array:
        """dE/d vector (p, 3) of the neighbours: through x, and through w."""
        gradient = super().reverse_rows(rows, d_row, d_x)
        if self.gates is None:
            return gradient
        d_w, d_sw = d_row[:, 1] * rows.row[:, 0], np.zeros_like(rows.sw)
        for mine, other in ((rows.first, rows.second), (rows.second, rows.first)):
            d_sw += np.bincount(mine, d_w * rows.sw[other], minlength=len(d_sw))
        return gradient + (d_sw * rows.dsw / rows.r)[:, None] * rows.vector

    def rows_along_r(self, a: int, group: int, x: Array, closest: float) -> AlongR:
        """As of se_e3; w is at most 1, and changes with one of the two distances by no more than sw does anywhere."""
        along = super().rows_along_r(a, group, x, closest)
        if self.gates is None:
            return along
        _, steepest = self.radial.switch(np.array([0.5 * (self.rcut + self.rcut_smth)]))
        return along._replace(angular=1.0, d_angular=float(np.abs(steepest[0])))

    def features(self, t: Array) -> Array:
        """D (n, M) from T (n, M, components), gates included."""
        return t.sum(axis=2)

    def reverse_features(self, t: Array, gradient: Array) -> Array:
        """dE/dT from dE/dD."""
        return np.repeat(gradient[:, :, None], t.shape[2], axis=2)
