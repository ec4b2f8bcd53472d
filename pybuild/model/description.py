# SPDX-License-Identifier: MIT
"""A trained model, whoever trained it: the one type between the readers and the tabulation.

Lengths in angstrom, energies in eV. N is the number of types, M the embedding width. Symbols as in docs/theory.md. Every array is
float64, in C order, owned by its object and read-only: the constructors make such a copy of whatever they are given.
``ModelDescription.validate()`` is the only place that knows what a legal model is; readers call it last.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import Array
from ..errors import ModelError
from . import activations

SKIPS = ("none", "identity", "doubled")
EXCLUSIONS = ("slots", "section")
NEIGHBOUR_RULES = ("all", "per_type", "total", "union", "mixed")


@dataclass(frozen=True)
class Layer:
    """y = act(x W + b) * idt + skip(x).

    weight (n_in, n_out); bias (n_out,); idt (n_out,) or None for ones; activation as in ``activations.py`` ("tanh", "silut:3.0",
    ...); skip "none", "identity" (n_out == n_in) or "doubled" (n_out == 2 n_in, x twice).
    """

    weight: Array
    bias: Array
    idt: Array | None
    activation: str
    skip: str

    def __post_init__(self) -> None:
        _own(self, "weight", "bias", "idt")


@dataclass(frozen=True)
class Net:
    """Layers in order."""

    layers: tuple[Layer, ...]

    @property
    def n_in(self) -> int:
        """Numbers that go in."""
        return int(self.layers[0].weight.shape[0])

    @property
    def n_out(self) -> int:
        """Numbers that come out."""
        return int(self.layers[-1].weight.shape[1])


@dataclass(frozen=True)
class SeE2A:
    """Descriptor se_e2_a (docs/theory.md section 1)."""

    rcut: float
    rcut_smth: float
    env_protection: float
    sel: tuple[int, ...]  # (N,) slots per neighbour type
    n_sel: int  # divisor of the sum over neighbours
    mean: Array  # (N,) of s(r), per centre type
    std: Array  # (N, 2) of s(r) and of each angular component, per centre type
    axis_neuron: int
    type_one_side: bool
    nets: Mapping[tuple[int, int], Net]  # (centre, neighbour) -> net; one-sided: the same object for every centre
    excluded: frozenset[tuple[int, int]]  # descriptor's exclude_types, symmetric
    exclusion: str = "slots"  # what adds nothing: "slots", the neighbours, which fill their slots; "section", the empty slots, too

    def __post_init__(self) -> None:
        _own(self, "mean", "std")

    @property
    def width(self) -> int:
        """M, the number of outputs of the embedding nets."""
        return next(iter(self.nets.values())).n_out


@dataclass(frozen=True)
class EnergyFitting:
    """Fitting net "ener": E_i = net_a(D_i) + energy_bias[a] (- net_a(0) for the types in vacuum_subtracted)."""

    nets: tuple[Net, ...]  # (N,) per centre type; mixed fitting: the same object for every type
    energy_bias: Array  # (N,) eV: out_bias + bias_atom_e
    vacuum_subtracted: frozenset[int]  # types with a given atom_ener
    excluded: frozenset[int]  # types whose atoms have energy 0 (atom_exclude_types)

    def __post_init__(self) -> None:
        _own(self, "energy_bias")


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
    descriptor: SeE2A
    fitting: EnergyFitting
    pair_excluded: frozenset[tuple[int, int]]  # model's pair_exclude_types, symmetric
    min_nbor_dist: float | None  # None: not in the file
    provenance: Provenance
    # Which neighbours a centre with more than sel keeps: "all"; "per_type", the nearest sel_b of each type; "total", the nearest
    # sum(sel) of all types and of these the nearest sel_b of each. "union" and "mixed" are of descriptors that are not here yet.
    neighbour_rule: str = "all"

    @property
    def n_types(self) -> int:
        """N."""
        return len(self.type_map)

    def validate(self) -> None:
        """Raise ModelError, naming the field, unless this is a legal model.

        Types: names are distinct, not empty and without white space. Descriptor: 0 <= rcut_smth < rcut; env_protection
        >= 0; sel >= 0 and not all 0; n_sel > 0; std > 0; 1 <= axis_neuron <= M; a net from 1 to M numbers, M the same
        for all, for every centre and every neighbour type with sel > 0, independent of the centre if type_one_side.
        Fitting: one net per type, from M axis_neuron numbers to one, whose last layer is linear without skip and idt;
        not all types excluded. Layers: shapes that follow each other, a known activation, a skip that fits the widths.
        Everything finite; exclusions symmetric and of existing types, "slots" or "section"; a neighbour_rule that the descriptor has.
        """
        names = self.type_map
        _require(len(names) > 0, "type_map", "is empty")
        for name in names:
            _require(
                isinstance(name, str) and name != "" and len(name.split()) == 1 and name == name.strip(),
                "type_map",
                f"has the name {name!r}",
            )
        _require(len(set(names)) == len(names), "type_map", f"names a type twice: {' '.join(names)}")
        _check_descriptor(self.descriptor, self.n_types)
        _check_fitting(self.fitting, self.n_types, self.descriptor.width * self.descriptor.axis_neuron)
        _check_pairs(self.pair_excluded, "pair_excluded", self.n_types)
        _require(
            self.neighbour_rule in NEIGHBOUR_RULES[:3],
            "neighbour_rule",
            f"is {self.neighbour_rule!r}, must be one of {', '.join(NEIGHBOUR_RULES[:3])}",
        )
        if self.min_nbor_dist is not None:
            _check_number(self.min_nbor_dist, "min_nbor_dist")
            _require(self.min_nbor_dist > 0.0, "min_nbor_dist", f"is {self.min_nbor_dist}, must be positive")


def _own(owner: Any, *names: str) -> None:
    """Replace the named arrays of a frozen dataclass by read-only float64 copies in C order."""
    for name in names:
        value = getattr(owner, name)
        if value is None:
            continue
        try:
            array = np.array(value, dtype=np.float64, order="C")
        except (TypeError, ValueError) as error:
            raise ModelError(f"{type(owner).__name__}.{name}: not an array of numbers ({error})") from error
        array.setflags(write=False)
        object.__setattr__(owner, name, array)


def _require(condition: bool, field: str, problem: str) -> None:
    if not condition:
        raise ModelError(f"{field} {problem}")


def _is_integer(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def _check_number(value: Any, field: str) -> None:
    _require(isinstance(value, (int, float)) and math.isfinite(value), field, f"is {value!r}, must be a finite number")


def _check_array(array: Array, field: str, shape: tuple[int, ...]) -> None:
    _require(array.shape == shape, field, f"has shape {array.shape}, must be {shape}")
    _require(bool(np.isfinite(array).all()), field, "holds numbers that are not finite")


def _check_pairs(pairs: frozenset[tuple[int, int]], field: str, n_types: int) -> None:
    for pair in pairs:
        _require(
            all(_is_integer(t) and 0 <= t < n_types for t in pair) and len(pair) == 2,
            field,
            f"has {pair}, there are {n_types} types",
        )
        _require((pair[1], pair[0]) in pairs, field, f"has {pair} but not its reverse")


def _check_types(types: frozenset[int], field: str, n_types: int) -> None:
    for t in types:
        _require(_is_integer(t) and 0 <= t < n_types, field, f"has {t!r}, there are {n_types} types")


def _check_descriptor(d: SeE2A, n_types: int) -> None:
    for field in ("rcut", "rcut_smth", "env_protection"):
        _check_number(getattr(d, field), f"descriptor.{field}")
    _require(0.0 <= d.rcut_smth < d.rcut, "descriptor.rcut_smth", f"is {d.rcut_smth}, must be in [0, rcut = {d.rcut})")
    _require(d.env_protection >= 0.0, "descriptor.env_protection", f"is {d.env_protection}, must not be negative")
    _require(len(d.sel) == n_types, "descriptor.sel", f"has {len(d.sel)} entries for {n_types} types")
    _require(
        all(_is_integer(s) and s >= 0 for s in d.sel) and sum(d.sel) > 0,
        "descriptor.sel",
        f"is {d.sel}: counts, not all 0, are needed",
    )
    _require(_is_integer(d.n_sel) and d.n_sel > 0, "descriptor.n_sel", f"is {d.n_sel!r}, must be a positive integer")
    _check_array(d.mean, "descriptor.mean", (n_types,))
    _check_array(d.std, "descriptor.std", (n_types, 2))
    _require(bool((d.std > 0.0).all()), "descriptor.std", "must be positive")
    _check_embedding(d, n_types)
    _check_pairs(d.excluded, "descriptor.excluded", n_types)
    _require(d.exclusion in EXCLUSIONS, "descriptor.exclusion", f"is {d.exclusion!r}, must be one of {', '.join(EXCLUSIONS)}")


def _check_embedding(d: SeE2A, n_types: int) -> None:
    _require(len(d.nets) > 0, "descriptor.nets", "is empty")
    for (a, b), net in d.nets.items():
        field = f"descriptor.nets[{a}, {b}]"
        _require(0 <= a < n_types and 0 <= b < n_types, field, f"is for a type that does not exist; there are {n_types}")
        _check_net(net, field, 1)
        _require(net.n_out == d.width, field, f"has {net.n_out} outputs, another net {d.width}")
    for b in range(n_types):
        for a in range(n_types):
            _require(d.sel[b] == 0 or (a, b) in d.nets, f"descriptor.nets[{a}, {b}]", "is missing")
            one_sided = d.nets.get((a, b)) is d.nets.get((0, b))
            _require(
                one_sided or not d.type_one_side, f"descriptor.nets[{a}, {b}]", "depends on the centre, but type_one_side is set"
            )
    _require(
        _is_integer(d.axis_neuron) and 1 <= d.axis_neuron <= d.width,
        "descriptor.axis_neuron",
        f"is {d.axis_neuron!r}, must be in 1..{d.width}",
    )


def _check_fitting(f: EnergyFitting, n_types: int, n_in: int) -> None:
    _require(len(f.nets) == n_types, "fitting.nets", f"has {len(f.nets)} nets for {n_types} types")
    for a, net in enumerate(f.nets):
        field = f"fitting.nets[{a}]"
        _check_net(net, field, n_in)
        _require(net.n_out == 1, field, f"has {net.n_out} outputs, must be one energy")
        last = net.layers[-1]
        plain = activations.parse(last.activation).name == "linear" and last.skip == "none" and last.idt is None
        _require(plain, f"{field}.layers[{len(net.layers) - 1}]", "is the last one and must be linear, without skip and idt")
    _check_array(f.energy_bias, "fitting.energy_bias", (n_types,))
    _check_types(f.vacuum_subtracted, "fitting.vacuum_subtracted", n_types)
    _check_types(f.excluded, "fitting.excluded", n_types)
    _require(len(f.excluded) < n_types, "fitting.excluded", "has all types: nothing is left to evaluate")


def _check_net(net: Net, field: str, n_in: int) -> None:
    _require(len(net.layers) > 0, field, "has no layers")
    for index, layer in enumerate(net.layers):
        name = f"{field}.layers[{index}]"
        _require(
            layer.weight.ndim == 2 and layer.weight.shape[1] > 0,
            f"{name}.weight",
            f"has shape {layer.weight.shape}, must be (inputs, outputs)",
        )
        n_out = int(layer.weight.shape[1])
        _check_array(layer.weight, f"{name}.weight", (n_in, n_out))
        _check_array(layer.bias, f"{name}.bias", (n_out,))
        if layer.idt is not None:
            _check_array(layer.idt, f"{name}.idt", (n_out,))
        try:
            activations.parse(layer.activation)
        except ModelError as error:
            raise ModelError(f"{name}: {error}") from error
        _require(layer.skip in SKIPS, f"{name}.skip", f"is {layer.skip!r}, must be one of {', '.join(SKIPS)}")
        fits = {"none": True, "identity": n_out == n_in, "doubled": n_out == 2 * n_in}[layer.skip]
        _require(fits, f"{name}.skip", f"is {layer.skip!r}, which {n_in} inputs and {n_out} outputs do not allow")
        n_in = n_out
