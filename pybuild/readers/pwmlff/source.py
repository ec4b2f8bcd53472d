# SPDX-License-Identifier: MIT
"""From the parts of a PWMLFF or MatPL model to its description.

It is an se_e2_a model with a net for each pair of elements. What is particular: the sum over neighbours is divided by N times the
number of elements that the model is given, and each of these has N slots, empty ones included. So a model is evaluated for a set
of elements, and is another one for another set. No energy is added to that of the fitting net.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...arrays import Array, IntArray
from ...descriptors.deepmd import one_per_centre, slot_statistics
from ...descriptors.radial import Radial
from ...descriptors.se_e2_a import SeE2A
from ...errors import ReadError, UnsupportedModel
from ...model.activations import parse
from ...model.description import EnergyFitting, ModelDescription, Provenance
from ...model.net import Layer, Net, Skip
from .elements import symbol
from .parts import Layers, Parts

TANH, LINEAR = parse("tanh"), parse("linear")
DEFAULT_NEIGHBOURS = 100  # max_neigh_num of an input that does not say it


@dataclass(frozen=True)
class PwmlffSource:
    """readers/source.py: Source."""

    parts: Parts
    passed: tuple[int, ...]  # positions in the file of the elements that the model is given

    @property
    def format(self) -> str:
        """Of checkpoint or TorchScript model."""
        return self.parts.format

    def precision(self) -> str:
        """Type of the weights."""
        nets = (*self.parts.embedding, *self.parts.fitting)
        names = {np.dtype(layer.weight.dtype).name for net in nets for layer in net}
        for name in names - {"float64", "float32"}:
            raise UnsupportedModel(f"weights of type {name} are not supported; float32 or float64 is needed")
        return "/".join(sorted(names))

    @property
    def names(self) -> tuple[str, ...]:
        """Of the elements passed."""
        return tuple(symbol(self.parts.numbers[index]) for index in self.passed)

    def facts(self) -> dict[str, Any]:
        """What the file says, and what --types made of it."""
        parts = self.parts
        facts: dict[str, Any] = {"model": "DP", "types": list(self.names)}
        if len(self.passed) < len(parts.numbers):
            facts["elements_of_the_file"] = [symbol(number) for number in parts.numbers]
        descriptor: dict[str, Any] = {
            "kind": "se_e2_a", "rcut": parts.rmax, "rcut_smth": parts.rmin, "axis_neuron": parts.m2,
            "sel": dict.fromkeys(self.names, parts.max_neighbours), "divisor": self._divisor,
            "embedding": _net_facts(parts.embedding),
        }  # fmt: skip
        if parts.vectors is not None:
            descriptor["type_embedding"] = list(parts.properties) or f"{parts.vectors.shape[1]} properties of the neighbour"
        return facts | {"descriptors": [descriptor], "fitting": {"kind": "ener", **_net_facts(parts.fitting)}}

    def description(self, provenance: Provenance) -> ModelDescription:
        """The validated description."""
        if len(self.parts.fitting) != len(self.parts.numbers):
            raise ReadError(f"{len(self.parts.fitting)} fitting nets for {len(self.parts.numbers)} elements; the file is damaged")
        n = len(self.passed)
        description = ModelDescription(
            type_map=self.names,
            descriptors=(self._descriptor(),),
            fitting=EnergyFitting(
                nets=tuple(_fitting_net(self.parts.fitting[index]) for index in self.passed),
                net_of=np.arange(n),
                energy_bias=np.zeros(n),
                vacuum_subtracted=frozenset(),
                excluded=frozenset(),
            ),
            pair_excluded=frozenset(),
            min_nbor_dist=self._smallest_distance(),
            provenance=provenance,
            neighbour_rule="all",
            remarks=tuple(self._remarks()),
        )
        description.validate()
        return description

    @property
    def _divisor(self) -> int:
        return self.parts.max_neighbours * len(self.passed)

    def _descriptor(self) -> SeE2A:
        parts, chosen = self.parts, list(self.passed)
        mean, std = self._statistics()
        nets, net_of = self._embedding()
        return SeE2A(
            rcut=parts.rmax, rcut_smth=parts.rmin, env_protection=0.0, axis_neuron=parts.m2,
            sel=(parts.max_neighbours,) * len(chosen), n_sel=self._divisor, mean=mean[chosen], std=std[chosen],
            nets=nets, net_of=net_of, excluded=frozenset(),
        )  # fmt: skip

    def _statistics(self) -> tuple[Array, Array]:
        """mean (n,) and std (n, 2) of all elements of the file."""
        parts, n = self.parts, len(self.parts.numbers)
        slots = parts.max_neighbours * n
        for name, array in (("davg", parts.davg), ("dstd", parts.dstd)):
            if array.shape != (n, slots * 4):
                raise ReadError(
                    f"{name} has shape {array.shape}, must be ({n}, {slots * 4}) with {parts.max_neighbours} neighbours of each "
                    f"of {n} elements; the file is damaged"
                )
        by_slot = {name: array.reshape(n, slots, 4) for name, array in (("davg", parts.davg), ("dstd", parts.dstd))}
        return one_per_centre(*slot_statistics(by_slot, n, slots, 4))

    def _embedding(self) -> tuple[tuple[Net, ...], IntArray]:
        """The nets of the elements passed, and (n, n) which of them each pair has."""
        parts, n = self.parts, len(self.passed)
        _check_complete(parts.embedding, "embedding_net")
        layers = [_residual_layers(net) for net in parts.embedding]
        if parts.vectors is not None:
            nets = tuple(Net((_with_vector(parts.vectors[index]), *layers[0])) for index in self.passed)
            return nets, np.tile(np.arange(n), (n, 1))
        count = len(parts.numbers)
        return tuple(Net(layers[a * count + b]) for a in self.passed for b in self.passed), np.arange(n * n).reshape(n, n)

    def _smallest_distance(self) -> float | None:
        """Where s(r) is the largest of the training data's last epoch; None where that is not known."""
        s = self.parts.largest_s
        if s is None or s <= 0.0:
            return None
        radial = Radial(self.parts.rmax, self.parts.rmin, 0.0, np.zeros(1), np.ones(1))
        return float(radial.distance(0, np.array([s]))[0])

    def _remarks(self) -> list[str]:
        parts, found = self.parts, []
        known = " ".join(symbol(number) for number in parts.numbers)
        if len(parts.numbers) > 1:
            found.append(
                f"note: given the elements {' '.join(self.names)} of {known}, the model divides each sum over neighbours by "
                f"{parts.max_neighbours} x {len(self.names)}. PWMLFF and MatPL count a structure's elements, in LAMMPS those of "
                "pair_coeff: for simulations of fewer, build with --types"
            )
        found.append(
            f"note: a centre with more than {parts.max_neighbours} neighbours of an element (max_neigh_num) keeps them all; the "
            "training leaves some out, and MatPL's pair style writes them into the slots of other elements or atoms"
        )
        if parts.max_neighbours != DEFAULT_NEIGHBOURS:
            found.append(
                f"note: max_neigh_num is {parts.max_neighbours} in the file. If the training's input had a smaller number "
                f"({DEFAULT_NEIGHBOURS} where it had none), the training divided by that one, and the file holds another model "
                "than was trained: compare the two"
            )
        if parts.compressed:
            found.append("note: the tables of PWMLFF's compress in the file are not used; these are made anew of its nets")
        return found


def _net_facts(nets: tuple[Layers, ...]) -> dict[str, Any]:
    """How many, and widths of the first."""
    first = nets[0] if nets else ()
    return {
        "nets": len(nets), "widths": [int(layer.weight.shape[-1]) for layer in first if layer.weight.ndim], "activation": "tanh",
        "resnet_dt": any(layer.resnet_dt is not None for layer in first),
    }  # fmt: skip


def _check_complete(nets: tuple[Layers, ...], where: str) -> None:
    """Training gives all layers a bias, and a resnet_dt, or none."""
    for name in ("bias", "resnet_dt"):
        if len({getattr(layer, name) is None for net in nets for layer in net}) > 1:
            raise ReadError(f"{where}: some layers have a {name} and some have not; the file is damaged")


def _residual_layers(net: Layers) -> tuple[Layer, ...]:
    """Of an embedding net: a skip wherever the widths allow one, and the factor resnet_dt only there."""
    layers = []
    for w in net:
        n_in, n_out = _widths(w.weight)
        skip = Skip.of_widths(n_in, n_out)
        layers.append(Layer(w.weight, _bias(w.bias, n_out), None if skip is Skip.NONE else _row(w.resnet_dt), TANH, skip))
    return tuple(layers)


def _fitting_net(net: Layers) -> Net:
    """The first and the last layer have no skip, all others have one."""
    if not net or any(layer.bias is None for layer in net):
        raise ReadError("a layer of a fitting net has no bias; the file is damaged")
    _check_complete((net[1:-1],), "fitting_net")
    layers, last = [], len(net) - 1
    for index, w in enumerate(net):
        n_in, n_out = _widths(w.weight)
        inner = 0 < index < last
        if inner and n_in != n_out:
            raise UnsupportedModel(
                f"a fitting net whose hidden layers have {n_in} and {n_out} outputs, of which PWMLFF adds the one to the other: "
                "equal widths are needed"
            )
        activation, skip = LINEAR if index == last else TANH, Skip.IDENTITY if inner else Skip.NONE
        layers.append(Layer(w.weight, _row(w.bias), _row(w.resnet_dt) if inner else None, activation, skip))
    return Net(tuple(layers))


def _with_vector(vector: Array) -> Layer:
    """What the net of a type embedding takes beside x: (x, vector) of x, so that it is a net of x alone."""
    first = np.zeros((1, 1 + len(vector)))
    first[0, 0] = 1.0
    return Layer(first, np.concatenate([[0.0], vector]), None, LINEAR, Skip.NONE)


def _widths(weight: Any) -> tuple[int, int]:
    if weight.ndim != 2:
        raise ReadError(f"the matrix of a layer has shape {weight.shape}, must be (inputs, outputs)")
    return weight.shape


def _bias(array: Any, n_out: int) -> Any:
    return np.zeros(n_out) if array is None else _row(array)


def _row(array: Any) -> Any:
    """(1, n) -> (n,)"""
    return None if array is None else array.reshape(-1)
