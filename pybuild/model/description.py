# SPDX-License-Identifier: MIT
"""A trained model, whoever trained it: the one type between the readers and the tabulation.

Lengths in angstrom, energies in eV. N is the number of types, M the embedding width. Symbols as in docs/theory.md. Every array
is in C order, owned by its object and read-only: the constructors make such a copy of whatever they are given.
``ModelDescription.validate()``, with the ``validate()`` of its descriptors, is the only place that knows what a legal model is;
readers call it last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from enum import IntEnum
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import Array, BoolArray, IntArray, checked_parameters
from .checks import check_array, check_indices, check_number, check_pairs, check_types, own, require
from .descriptor import Descriptor
from .net import Net, Skip, check_net

NONE = np.empty(0)


class PairKind(IntEnum):
    """What the neighbours of one type are for a centre of another; numbers as in docs/tables-format.md."""

    ORDINARY = 0
    SLOTS = 1  # excluded by the descriptor: neighbours fill their slots, empty slots are as always
    MODEL = 2  # excluded by the model: the neighbours vanish, all slots are empty
    ABSENT = 3  # no slots: sel 0, or left out by the descriptor
    SECTION = 4  # excluded by the descriptor: all slots are those of excluded neighbours


@dataclass(frozen=True)
class Parameters:
    """What the fitting nets take after the numbers of the descriptors: frame parameters, the same for all atoms, then atomic
    ones, both as (value - mean) scale, then numbers that never change (DeePMD-kit's case embedding)."""

    fparam_mean: Array = field(default_factory=lambda: NONE)  # (n_fparam,)
    fparam_scale: Array = field(default_factory=lambda: NONE)
    aparam_mean: Array = field(default_factory=lambda: NONE)  # (n_aparam,)
    aparam_scale: Array = field(default_factory=lambda: NONE)
    constants: Array = field(default_factory=lambda: NONE)  # (n,)
    default_fparam: Array | None = None  # (n_fparam,) where none are given

    def __post_init__(self) -> None:
        own(self, np.float64, *(f.name for f in fields(self)))

    @property
    def n_fparam(self) -> int:
        return len(self.fparam_mean)

    @property
    def n_aparam(self) -> int:
        return len(self.aparam_mean)

    @property
    def n_inputs(self) -> int:
        """Of the fitting nets."""
        return self.n_fparam + self.n_aparam + len(self.constants)

    @property
    def mean(self) -> Array:
        """Of frame and atomic parameters."""
        return np.concatenate([self.fparam_mean, self.aparam_mean])

    @property
    def scale(self) -> Array:
        """Of frame and atomic parameters."""
        return np.concatenate([self.fparam_scale, self.aparam_scale])

    def rows(self, n: int, fparam: ArrayLike | None, aparam: ArrayLike | None) -> Array:
        """(n, n_fparam + n_aparam) frame (n_fparam,) and atomic (n, n_aparam) parameters by atom, as they are given. Raises
        InputError unless they are what the model takes."""
        if fparam is None and self.default_fparam is not None:
            fparam = self.default_fparam
        frame = checked_parameters("fparam", fparam, (self.n_fparam,))
        return np.hstack([np.tile(frame, (n, 1)), checked_parameters("aparam", aparam, (n, self.n_aparam))])


@dataclass(frozen=True)
class EnergyFitting:
    """Fitting net "ener": E_i = net_a(D_i) + energy_bias[a] (- net_a(0) for the types in vacuum_subtracted, of models without
    frame and atomic parameters)."""

    nets: tuple[Net, ...]
    net_of: IntArray  # (N,) the net of each centre type; mixed fitting: one net for all
    energy_bias: Array  # (N,) eV: out_bias + bias_atom_e
    vacuum_subtracted: frozenset[int]  # types with a given atom_ener
    excluded: frozenset[int]  # types whose atoms have energy 0 (atom_exclude_types)
    parameters: Parameters = field(default_factory=Parameters)

    def __post_init__(self) -> None:
        own(self, np.float64, "energy_bias")
        own(self, np.int32, "net_of")

    def net(self, a: int) -> Net:
        """That of centre type a."""
        return self.nets[self.net_of[a]]

    def energy_constant(self, a: int) -> float:
        """What is added to the output of the net of centre type a, eV: the bias, minus the net's vacuum where the model says
        so."""
        net, constant = self.net(a), float(self.energy_bias[a])
        if a in self.vacuum_subtracted:
            constants = self.parameters.constants
            vacuum = np.concatenate([np.zeros(net.n_in - len(constants)), constants])
            constant -= float(net.forward(vacuum[None])[0][0, 0])
        return constant


@dataclass(frozen=True)
class Provenance:
    """Where the model came from, for people."""

    file_name: str  # base name
    sha256: str
    format: str  # "DeePMD-kit PyTorch frozen model", ...
    precision: str  # what it was trained in: "float64", "float32", ...


@dataclass(frozen=True)
class ModelDescription:
    """One trained energy model."""

    type_map: tuple[str, ...]
    descriptors: tuple[Descriptor, ...]  # their numbers go into the fitting net one after the other
    fitting: EnergyFitting
    pair_excluded: frozenset[tuple[int, int]]  # model's pair_exclude_types, symmetric
    min_nbor_dist: float | None  # None: not in the file
    provenance: Provenance
    # Which neighbours a centre with more than sel keeps: "all"; "per_type", the nearest sel_b of each type; "total", the nearest
    # sum(sel) of all types and of these the nearest sel_b of each; of several descriptors each keeps its own by "per_type", or by
    # "union": the nearest within the largest cutoff, as many as the largest sel of each type add up to, and of these each
    # descriptor the nearest sel_b within its own; "mixed", the nearest sel of all types, which share the slots: of several
    # descriptors the nearest of all types within the largest cutoff, as many as any of them has slots, and of these each the
    # nearest within its own, of all types where these share its slots and of each type where they do not.
    neighbour_rule: str = "all"
    remarks: tuple[str, ...] = ()  # what a user should know who builds tables of it: "note: ...", "warning: ..."

    @property
    def n_types(self) -> int:
        """N."""
        return len(self.type_map)

    @property
    def active_types(self) -> list[int]:
        """Types whose atoms have an energy."""
        return [a for a in range(self.n_types) if a not in self.fitting.excluded]

    @property
    def rcut(self) -> float:
        """The largest cutoff, angstrom."""
        return max(d.rcut for d in self.descriptors)

    def inputs(self, a: int) -> list[slice]:
        """Of each descriptor the rows of the first layer's weight in the fitting net of centre type a."""
        ends = np.cumsum([d.n_out(a) for d in self.descriptors]).tolist()
        return [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]

    @cached_property
    def pair_kinds(self) -> tuple[IntArray, ...]:
        """Of each descriptor (N, N) PairKind, row = centre."""
        return tuple(self._pair_kinds(d) for d in self.descriptors)

    @property
    def ordinary(self) -> BoolArray:
        """(N, N) whether neighbours of a pair of types are summed by some descriptor."""
        return np.any([kinds == PairKind.ORDINARY for kinds in self.pair_kinds], axis=0)

    def sees(self, d: int, a: int, group: int) -> bool:
        """Whether centres of type a sum over neighbours of that group of descriptor d."""
        return all(self.pair_kinds[d][a, b] == PairKind.ORDINARY for b in self.descriptors[d].members(group))

    def _pair_kinds(self, d: Descriptor) -> IntArray:
        by_descriptor = {"slots": PairKind.SLOTS, "section": PairKind.SECTION, "absent": PairKind.ABSENT}[d.exclusion]
        kinds = np.full((self.n_types, self.n_types), PairKind.ORDINARY, dtype=np.int32)
        for a, b in np.ndindex(*kinds.shape):
            if d.sel[b] == 0:
                kinds[a, b] = PairKind.ABSENT
            elif (a, b) in self.pair_excluded:
                kinds[a, b] = PairKind.MODEL
            elif (a, b) in d.excluded:
                kinds[a, b] = by_descriptor
        kinds.setflags(write=False)
        return kinds

    def validate(self) -> None:
        """Raise ModelError, naming the field, unless this is a legal model.

        Types: names are distinct, not empty and without white space. Descriptors: at least one, by the rules of each. Fitting: a
        net per type, from the numbers of all descriptors and the parameters to one, whose last layer is linear without skip and
        idt; not all types excluded. Layers: shapes that follow each other, a skip that fits the widths. Everything finite;
        exclusions symmetric and of existing types; a neighbour_rule that the descriptors have.
        """
        names = self.type_map
        require(len(names) > 0, "type_map", "is empty")
        for name in names:
            require(
                isinstance(name, str) and name != "" and len(name.split()) == 1 and name == name.strip(),
                "type_map",
                f"has the name {name!r}: must be a word without blanks, which pair_coeff can name",
            )
        require(len(set(names)) == len(names), "type_map", f"names a type twice: {' '.join(names)}")
        require(len(self.descriptors) > 0, "descriptors", "is empty")
        for descriptor in self.descriptors:
            descriptor.validate(self.n_types)
            kinds = self._pair_kinds(descriptor)
            for a in np.flatnonzero((kinds == PairKind.ABSENT).all(axis=1)).tolist():
                require(False, "descriptor.excluded", f"leaves centres of type {a} no slots: each must have some neighbours")
            groups = descriptor.groups(kinds)
            require(len(groups) > 0, "descriptor.excluded", "and pair_excluded leave no pair of neighbours to any centre")
        _check_fitting(self.fitting, self.n_types, self.descriptors)
        check_pairs(self.pair_excluded, "pair_excluded", self.n_types)
        shared = any(d.shares_slots for d in self.descriptors)
        own = ("mixed",) if shared else ("per_type", "union" if len(self.descriptors) > 1 else "total")
        known = ("all", *own)
        require(self.neighbour_rule in known, "neighbour_rule", f"is {self.neighbour_rule!r}, must be one of {', '.join(known)}")
        if self.min_nbor_dist is not None:
            check_number(self.min_nbor_dist, "min_nbor_dist")
            require(self.min_nbor_dist > 0.0, "min_nbor_dist", f"is {self.min_nbor_dist}, must be positive")


def _check_fitting(f: EnergyFitting, n_types: int, descriptors: Sequence[Descriptor]) -> None:
    require(len(f.nets) > 0, "fitting.nets", "is empty")
    check_indices(f.net_of, "fitting.net_of", (n_types,), len(f.nets), 0)
    for a in range(n_types):
        net, field = f.net(a), f"fitting.nets[{f.net_of[a]}]"
        check_net(net, field, sum(d.n_out(a) for d in descriptors) + f.parameters.n_inputs)
        require(net.n_out == 1, field, f"has {net.n_out} outputs, must be one energy")
        last = net.layers[-1]
        plain = last.activation.name == "linear" and last.skip is Skip.NONE and last.idt is None
        require(plain, f"{field}.layers[{len(net.layers) - 1}]", "is the last one and must be linear, without skip and idt")
        alone = f.parameters.n_inputs == 0 or net.layers[0].skip is Skip.NONE
        require(alone, f"{field}.layers[0].skip", "goes around the first layer, which parameters do not allow")
    _check_parameters(f.parameters)
    variable = f.parameters.n_fparam + f.parameters.n_aparam
    require(not (f.vacuum_subtracted and variable), "fitting.vacuum_subtracted", "must be empty where there are parameters")
    check_array(f.energy_bias, "fitting.energy_bias", (n_types,))
    check_types(f.vacuum_subtracted, "fitting.vacuum_subtracted", n_types)
    check_types(f.excluded, "fitting.excluded", n_types)
    require(len(f.excluded) < n_types, "fitting.excluded", "has all types (atom_exclude_types): nothing is left to evaluate")


def _check_parameters(p: Parameters) -> None:
    for name, n in (("fparam", p.n_fparam), ("aparam", p.n_aparam)):
        for what in ("mean", "scale"):
            check_array(getattr(p, f"{name}_{what}"), f"fitting.parameters.{name}_{what}", (n,))
    check_array(p.constants, "fitting.parameters.constants", (len(p.constants),))
    if p.default_fparam is not None:
        check_array(p.default_fparam, "fitting.parameters.default_fparam", (p.n_fparam,))
