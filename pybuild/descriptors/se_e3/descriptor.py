# SPDX-License-Identifier: MIT
"""Descriptor se_e3 (docs/theory.md section 3).

With q = r + env_protection and d the vector to a neighbour, v = sw(r) d/q^2/std' with the statistics of the centre's type. D is
the sum over pairs of neighbour types a <= b of 1/(sel_a sel_b) times that over neighbours j of type a and k of type b of
x G_ab(x), x = v_j . v_k; a neighbour meets itself, too. Empty slots and excluded neighbours have x = 0 and add nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ...arrays import Array
from ...model.checks import check_array, require
from ...model.descriptor import Form
from ..two_body import TwoBody


@dataclass(frozen=True, kw_only=True)
class SeE3(TwoBody):
    """std (N, 2): of s(r), which says how dense the training data were, and of each component of v. net_of (N, N): of two
    neighbour types, in any order."""

    kind: ClassVar[str] = "se_e3"
    n_components: ClassVar[int] = 1
    form: ClassVar[Form] = Form.LINEAR

    def n_out(self, a: int) -> int:
        """M, for every centre type."""
        return self.width

    def divisor(self, b: int, c: int) -> float:
        """Of the sum over pairs of neighbours of two types."""
        return float(self.sel[b]) * float(self.sel[c])

    def _check_kind(self, n_types: int) -> None:
        """std (N, 2), net_of symmetric."""
        check_array(self.std, "descriptor.std", (n_types, 2))
        symmetric = bool((self.net_of == self.net_of.T).all())
        require(symmetric, "descriptor.net_of", "is of two neighbour types and must not depend on their order")

    def features(self, t: Array) -> Array:
        """D (n, M) from the sums T (n, M, 1)."""
        return t[:, :, 0]

    def reverse_features(self, t: Array, gradient: Array) -> Array:
        """dE/dT (n, M, 1) from dE/dD."""
        return gradient[:, :, None]
