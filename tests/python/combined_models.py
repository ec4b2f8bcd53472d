# SPDX-License-Identifier: MIT
"""Models of several parts made of random ones: pair tables, sums, switches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from pybuild.model.combined import CombinedModel, PairTable, Part, Switch
from pybuild.model.description import Provenance

SOURCE = Provenance("random", "0" * 64, "made by a test", "float64")
RCUT = 4.0  # of the random models


def pair_table(seed: int = 0, n_types: int = 2, first: float = 0.5, end: float = RCUT, **changes: Any) -> PairTable:
    """Repulsive energies that go to 0 at their end with their slopes, as cubics with these values and slopes at the knots."""
    rng = np.random.default_rng(seed)
    step, n = 0.1, round((end - first) / 0.1)
    knots = first + step * np.arange(n + 1)
    cubic = np.zeros((n_types, n_types, n, 4))
    for a in range(n_types):
        for b in range(a, n_types):
            scale, decay = rng.uniform(20, 60), rng.uniform(1.5, 2.5)
            size, left = scale * np.exp(-decay * knots), np.maximum(1 - knots / knots[-1], 0)
            value, slope = size * left**2, step * size * (-decay * left**2 - 2 * left / knots[-1])
            v, w, s, t = value[:-1], value[1:], slope[:-1], slope[1:]
            cubic[a, b] = cubic[b, a] = np.stack([v, s, 3 * (w - v) - 2 * s - t, 2 * (v - w) + s + t], axis=1)
    table = PairTable(
        type_map=tuple("ABCDEFGH"[:n_types]), rcut=RCUT, first=first, step=step, cubic=cubic, sel=(40,) * n_types,
        neighbour_rule="all", energy_bias=rng.normal(size=n_types),
    )  # fmt: skip
    return replace(table, **changes)


def combined(parts: Sequence[Part], switch: Switch | None = None) -> CombinedModel:
    model = CombinedModel(tuple(parts), switch, 1.0, SOURCE)
    model.validate()
    return model


def switched(net: Part, table: PairTable, rmin: float = 1.2, rmax: float = 2.4, least_sum: float = 0.0) -> CombinedModel:
    """Neighbours of the random structures are 1.5 to 2.5 A apart."""
    return combined([net, table], Switch(1, 0, rmin, rmax, 0.2, least_sum))
