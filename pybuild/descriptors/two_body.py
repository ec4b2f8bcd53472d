# SPDX-License-Identifier: MIT
"""What descriptors have in common that have slots for the neighbours of each type, and a net per pair of types. What is said
here of groups, nets and constants is of those whose nets see the distance of one neighbour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np

from ..arrays import Array, IntArray
from ..model.checks import check_array, check_indices, check_number, check_pairs, is_integer, own, require
from ..model.description import PairKind
from ..model.descriptor import Argument, Form
from ..model.net import Net, check_net
from ..model.piecewise import Piecewise, check_piecewise
from .radial import Radial

EXCLUSIONS = ("slots", "section", "absent")


def mean_of_s(mean: Array, std: Array) -> Array:
    """(N,) the stored mean or, where that was set to zero, the root of 3 std'^2 - std^2, std (N, 2): the mean of s^2 is three
    times std'^2."""
    spread = np.sqrt(np.maximum(3 * std[:, 1] ** 2 - std[:, 0] ** 2, 0.0))
    return np.where(mean != 0, mean, spread)


def joined_fields(rows: Sequence[Any]) -> Any:
    """Dataclasses of arrays, of one kind, as one."""
    first, *others = rows
    if not others:
        return first
    return type(first)(*(np.concatenate([getattr(mine, field.name) for mine in rows]) for field in fields(first)))


@dataclass(frozen=True, kw_only=True)
class TwoBody:
    """Lengths in angstrom; N types, M the embedding width."""

    kind: ClassVar[str]
    n_bodies: ClassVar[int] = 2
    form: ClassVar[Form]

    rcut: float
    rcut_smth: float
    env_protection: float
    sel: tuple[int, ...]  # (N,) slots per neighbour type
    n_sel: int  # divisor of the sum over neighbours
    mean: Array  # (N,) of s(r), per centre type
    std: Array  # (N, ...) per centre type, that of s(r) first
    nets: tuple[Net | Piecewise, ...]
    net_of: IntArray  # (N, N) the net of a centre and a neighbour type, -1 where none; one-sided: all rows the same
    excluded: frozenset[tuple[int, int]]  # descriptor's exclude_types, symmetric
    # Where a pair is excluded: "slots", neighbours are those of an excluded pair and fill their slots, empty ones are as always;
    # "section", all slots are those of excluded neighbours; "absent", there are no slots, and there need be no net.
    exclusion: str = "slots"
    # (N, M) what an empty slot, of which there are n_sel in all, adds to n_sel T_0, by centre type; None: each type has slots of
    # its own, and an empty one adds what a neighbour of that type with s = 0 does.
    padding: Array | None = None
    # (N, N, M) g of a centre and a neighbour type where G_ab = net(x) (1 + w g_ab); None: G_ab = net(x).
    gates: Array | None = None
    # w = 1 - (1 - switch_radius s)^3, angstrom, and 1 where that is larger (TensorFlow); None: w = sw(r).
    switch_radius: float | None = None

    def __post_init__(self) -> None:
        own(self, np.float64, "mean", "std", "padding", "gates")
        own(self, np.int32, "net_of")

    @property
    def n_components(self) -> int:
        """Of the sums over neighbours."""
        raise NotImplementedError

    @property
    def width(self) -> int:
        """M, the number of outputs of the embedding nets."""
        return self.nets[0].n_out

    @property
    def radial(self) -> Radial:
        """Distance <-> argument of the embedding nets."""
        std = self.std.reshape(len(self.std), -1)[:, 0]
        return Radial(self.rcut, self.rcut_smth, self.env_protection, self.mean, std)

    def groups(self, kinds: IntArray) -> list[int]:
        """Neighbour types that have slots."""
        return np.flatnonzero((kinds != PairKind.ABSENT).any(axis=0)).tolist()

    def members(self, group: int) -> tuple[int, ...]:
        """The neighbour type."""
        return (group,)

    def divisor(self, group: int) -> float:
        """n_sel."""
        return float(self.n_sel)

    def weighted(self, group: int, t: Array) -> Array:
        """T (n, M, components) itself."""
        return t

    def ranges(self, a: int, distance: float) -> float:
        """x."""
        return self.radial.unprotected(a, distance)

    @property
    def shares_slots(self) -> bool:
        """Every slot is for neighbours of any type."""
        return self.padding is not None and set(self.sel) == {self.n_sel}

    @property
    def argument(self) -> Argument:
        """x, but where G is a smooth function of the distance alone: at the cutoff r(x) has a root."""
        return Argument.X if self.gates is None or self.switch_radius is not None else Argument.R

    def distance(self, a: int, x: float) -> float:
        """Where the argument x of the tables is reached."""
        return float(self.radial.distance(a, np.array([x]))[0]) if self.argument is Argument.X else self.rcut - x

    def net(self, a: int, b: int) -> Net | Piecewise:
        """The embedding net of a neighbour of type b of a centre of type a."""
        return self.nets[self.net_of[a, b]]

    def joined(self, rows: Sequence[Any]) -> Any:
        """All fields are of terms."""
        return joined_fields(rows)

    def constants(self, a: int, kind: int) -> list[float]:
        """Arguments of slots without neighbour (first) and of those of excluded neighbours, if they add anything."""
        return [] if self.padding is not None else [float(self.radial.x_pad[a])]

    def numbers(self) -> dict[str, Any]:
        """What a table file holds of it, beside what concerns pairs of types; a kind adds its own."""
        return {
            "kind": self.kind, "rcut": self.rcut, "rcut_smth": self.rcut_smth, "env_protection": self.env_protection,
            "sel": np.array(self.sel, dtype=np.int32), "n_sel": self.n_sel, "mean": self.mean, "std": self.std,
            "width": self.width, "axis_neuron": 0, "padding": self.padding,
        }  # fmt: skip

    def validate(self, n_types: int) -> None:
        """0 <= rcut_smth < rcut; env_protection >= 0; sel >= 0 and not all 0; n_sel > 0; std > 0; a net from 1 to M numbers, M
        the same for all, for every centre and every neighbour type with sel > 0; what the kind asks for."""
        for field in ("rcut", "rcut_smth", "env_protection"):
            check_number(getattr(self, field), f"descriptor.{field}")
        smooth = 0.0 <= self.rcut_smth < self.rcut
        require(smooth, "descriptor.rcut_smth", f"is {self.rcut_smth}, must be in [0, rcut = {self.rcut})")
        require(self.env_protection >= 0.0, "descriptor.env_protection", f"is {self.env_protection}, must not be negative")
        require(len(self.sel) == n_types, "descriptor.sel", f"has {len(self.sel)} entries for {n_types} types")
        counts = all(is_integer(s) and s >= 0 for s in self.sel) and sum(self.sel) > 0
        require(counts, "descriptor.sel", f"is {self.sel}: counts, not all 0, are needed")
        positive = is_integer(self.n_sel) and self.n_sel > 0
        require(positive, "descriptor.n_sel", f"is {self.n_sel!r}, must be a positive integer")
        check_array(self.mean, "descriptor.mean", (n_types,))
        self._check_nets(n_types)
        self._check_kind(n_types)
        require(bool((self.std > 0.0).all()), "descriptor.std", "must be positive")
        check_pairs(self.excluded, "descriptor.excluded", n_types)
        known = ", ".join(EXCLUSIONS)
        require(self.exclusion in EXCLUSIONS, "descriptor.exclusion", f"is {self.exclusion!r}, must be one of {known}")
        self._check_padding(n_types)
        if self.gates is not None:
            self._check_gates(self.gates, n_types)
        if self.switch_radius is not None:
            check_number(self.switch_radius, "descriptor.switch_radius")
            require(self.switch_radius > 0.0, "descriptor.switch_radius", f"is {self.switch_radius}, must be positive")
            require(self.gates is not None, "descriptor.switch_radius", "is given, but no gates to switch")

    def _check_gates(self, gates: Array, n_types: int) -> None:
        check_array(gates, "descriptor.gates", (n_types, n_types, self.width))
        require(self.padding is not None, "descriptor.gates", "are given, but no padding: empty slots are not looked up")

    def _check_padding(self, n_types: int) -> None:
        if self.padding is not None:
            check_array(self.padding, "descriptor.padding", (n_types, self.width))
            adds_up = self.shares_slots or sum(self.sel) == self.n_sel
            require(adds_up, "descriptor.sel", f"is {self.sel}, must be n_sel = {self.n_sel} for each type or add up to it")
            require(self.exclusion == "slots", "descriptor.exclusion", "is by section, but empty slots are counted all together")

    def _check_kind(self, n_types: int) -> None:
        """The rules of the kind, the shape of std among them."""
        raise NotImplementedError

    def _check_nets(self, n_types: int) -> None:
        require(len(self.nets) > 0, "descriptor.nets", "is empty")
        for k, net in enumerate(self.nets):
            if isinstance(net, Piecewise):
                check_piecewise(net, f"descriptor.nets[{k}]")
            else:
                check_net(net, f"descriptor.nets[{k}]", 1)
            require(net.n_out == self.width, f"descriptor.nets[{k}]", f"has {net.n_out} outputs, another net {self.width}")
        check_indices(self.net_of, "descriptor.net_of", (n_types, n_types), len(self.nets), -1)
        for a, b in np.argwhere(self.net_of < 0).tolist():
            slots = self.sel[b] > 0 and not (self.exclusion == "absent" and (a, b) in self.excluded)
            require(not slots, f"descriptor.net_of[{a}, {b}]", "is -1, but there are slots for these neighbours")
