# SPDX-License-Identifier: MIT
"""A trained model of several parts whose atomic energies are added: models with nets, pair tables, and a switch between two of
them.

Constant weights are in the parts' own numbers. Lengths in angstrom, energies in eV; N is the number of types, the same for all
parts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..arrays import Array
from .checks import check_array, check_number, check_pairs, check_types, is_integer, own, require
from .description import ModelDescription, Parameters, Provenance

RULES = ("all", "per_type", "total", "mixed")
STEPS = (1e-6, 1e3)  # of a table's, times the cutoff
MOST_PARTS = 64
NO_NEIGHBOURS = 2.0**-20  # smallest distance of a table that begins at 0: none is smaller but by rounding


@dataclass(frozen=True)
class PairTable:
    """E_i = energy_bias[a] + 1/2 sum over neighbours j of type b of the cubic of the pair (a, b) at r, 0 beyond its last knot.

    neighbour_rule as in ModelDescription, but "union": of one cutoff and sel."""

    type_map: tuple[str, ...]
    rcut: float
    first: float  # the first knot
    step: float  # between knots
    cubic: Array  # (N, N, n, 4) eV by powers of (r - knot)/step, lowest first
    sel: tuple[int, ...]  # (N,); "mixed": slots for all types together, the same number for each
    neighbour_rule: str
    energy_bias: Array  # (N,) eV
    excluded: frozenset[int] = frozenset()  # types whose atoms have energy 0
    pair_excluded: frozenset[tuple[int, int]] = frozenset()  # pairs of types that do not see each other

    def __post_init__(self) -> None:
        own(self, np.float64, "cubic", "energy_bias")

    @property
    def n_types(self) -> int:
        """N."""
        return len(self.type_map)

    @property
    def shares_slots(self) -> bool:
        """Every slot is for neighbours of any type."""
        return self.neighbour_rule == "mixed"

    @property
    def n_intervals(self) -> int:
        return int(self.cubic.shape[2])

    @property
    def end(self) -> float:
        """The last knot."""
        return self.first + self.step * self.n_intervals

    @property
    def min_distance(self) -> float:
        """What is closer is beyond the table."""
        return max(self.first, NO_NEIGHBOURS)

    def validate(self) -> None:
        """Raise ModelError, naming the field, unless this is a legal table."""
        n = self.n_types
        for name in ("rcut", "first", "step"):
            check_number(getattr(self, name), f"pair_table.{name}")
        require(0 <= self.first < self.rcut, "pair_table.first", f"is {self.first}, must be 0 to less than rcut = {self.rcut}")
        least, most = (factor * self.rcut for factor in STEPS)
        require(least <= self.step <= most, "pair_table.step", f"is {self.step}, must be {least:g} to {most:g}")
        require(self.cubic.ndim == 4 and self.cubic.shape[2] > 0, "pair_table.cubic", f"has shape {self.cubic.shape}")
        check_array(self.cubic, "pair_table.cubic", (n, n, self.n_intervals, 4))
        check_array(self.energy_bias, "pair_table.energy_bias", (n,))
        slots = len(self.sel) == n and all(is_integer(s) and s >= 0 for s in self.sel) and any(self.sel)
        require(slots, "pair_table.sel", f"is {self.sel}, must be a number of slots for each of {n} types, some of them not 0")
        require(self.neighbour_rule in RULES, "pair_table.neighbour_rule", f"is {self.neighbour_rule!r}")
        same = self.neighbour_rule != "mixed" or len(set(self.sel)) == 1
        require(same, "pair_table.sel", f"is {self.sel}, must be the same for all types, which share the slots")
        check_types(self.excluded, "pair_table.excluded", n)
        require(len(self.excluded) < n, "pair_table.excluded", "has all types: nothing is left to evaluate")
        check_pairs(self.pair_excluded, "pair_table.pair_excluded", n)


@dataclass(frozen=True)
class Switch:
    """E_i = w E_near + (1 - w) E_far of two parts: w = 1 below rmin, 0 from rmax on, twice differentiable between, of the mean
    distance sigma of the neighbours with the weights exp(-r/alpha). Their sum is at least least_sum: DeePMD-kit's PyTorch divides
    by that where all neighbours are far, so that sigma falls to 0 and w grows to 1 again. No neighbours: w = 0."""

    near: int  # parts; the neighbours are those that this one sums over, a pair table
    far: int
    rmin: float
    rmax: float
    alpha: float
    least_sum: float

    @property
    def reach(self) -> float:
        """Beyond this distance of the closest neighbour the sum of the weights is too small."""
        return math.inf if self.least_sum == 0 else -self.alpha * math.log(self.least_sum)


Part = ModelDescription | PairTable


def excluded_types(part: Part) -> frozenset[int]:
    """Types whose atoms have no energy of it."""
    return part.excluded if isinstance(part, PairTable) else part.fitting.excluded


@dataclass(frozen=True)
class CombinedModel:
    """E_i = sum of the parts' E_i, but for the two that a switch goes between."""

    parts: tuple[Part, ...]
    switch: Switch | None
    min_nbor_dist: float | None  # None: not in the file
    provenance: Provenance
    remarks: tuple[str, ...] = ()  # as in ModelDescription

    @property
    def type_map(self) -> tuple[str, ...]:
        return self.parts[0].type_map

    @property
    def n_types(self) -> int:
        """N."""
        return len(self.type_map)

    @property
    def rcut(self) -> float:
        """The largest cutoff, angstrom."""
        return max(part.rcut for part in self.parts)

    @property
    def neighbour_rule(self) -> str:
        """Those of the parts."""
        return ", ".join(dict.fromkeys(part.neighbour_rule for part in self.parts))

    @property
    def networks(self) -> tuple[ModelDescription, ...]:
        """The parts with nets."""
        return tuple(part for part in self.parts if isinstance(part, ModelDescription))

    @property
    def parameters(self) -> Parameters:
        """Those that the model takes: every part takes all of them, or none."""
        found = [part.fitting.parameters for part in self.networks]
        return next((p for p in found if p.n_fparam + p.n_aparam > 0), Parameters())

    def validate(self) -> None:
        """Raise ModelError, naming the field, unless this is a legal model: parts that are, with the same types, which take
        the same parameters or none; a switch between two different ones, the near one a pair table."""
        require(0 < len(self.parts) <= MOST_PARTS, "parts", f"has {len(self.parts)} models, must have 1 to {MOST_PARTS}")
        for index, part in enumerate(self.parts):
            require(part.type_map == self.type_map, f"parts[{index}].type_map", "is not that of the first part")
            part.validate()
        mine = self.parameters
        for index, part in enumerate(self.networks):
            p = part.fitting.parameters
            same = p.n_fparam in (0, mine.n_fparam) and p.n_aparam in (0, mine.n_aparam)
            same = same and (p.n_fparam == 0 or _equal(p.default_fparam, mine.default_fparam))
            require(same, f"networks[{index}].fitting.parameters", "are others than those of the parts before it")
        if self.switch is not None:
            self._check_switch(self.switch)
        if self.min_nbor_dist is not None:
            check_number(self.min_nbor_dist, "min_nbor_dist")
            require(self.min_nbor_dist > 0.0, "min_nbor_dist", f"is {self.min_nbor_dist}, must be positive")

    def _check_switch(self, s: Switch) -> None:
        for name in ("rmin", "rmax", "alpha", "least_sum"):
            check_number(getattr(s, name), f"switch.{name}")
        require(s.near != s.far and {s.near, s.far} <= set(range(len(self.parts))), "switch", "must be between two parts")
        require(isinstance(self.parts[s.near], PairTable), "switch.near", "must be a pair table")
        require(0 <= s.rmin < s.rmax, "switch.rmax", f"is {s.rmax}, must be larger than rmin = {s.rmin}, and that not below 0")
        require(s.alpha > 0 and math.isfinite(1 / s.alpha), "switch.alpha", f"is {s.alpha}, must be positive")
        require(s.least_sum >= 0, "switch.least_sum", f"is {s.least_sum}, must not be negative")


def _equal(one: Array | None, other: Array | None) -> bool:
    return one is other or (one is not None and other is not None and np.array_equal(one, other))


AnyModel = ModelDescription | CombinedModel
