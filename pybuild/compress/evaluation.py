# SPDX-License-Identifier: MIT
"""Energies, forces and virials from the functions phi of every neighbour, in plain NumPy (docs/theory.md section 4).

The functions may come from tables (stored.py) or straight from the embedding nets (truncation.py); the first layer of the fitting
net takes the descriptor or what it was folded onto. Slow and simple: the judge of what a low rank costs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from ..arrays import Array, IntArray
from ..model.description import ModelDescription
from ..model.descriptor import Descriptor
from ..model.net import Layer, Net, reverse
from .environment import Environment, Pair, PairBlock

ByType = Mapping[int, Array]  # group of neighbours -> array
Moments = Sequence[ByType]  # of each descriptor C_b of every neighbour type b
EMPTY = -1  # in place of a neighbour type: of the slots that all types share
PAIRS_AT_ONCE = 1024  # 1024 x 100 functions x 4 components are 3 MB


@dataclass(frozen=True)
class Result:
    """energy eV; forces (n, 3) eV/A; virial (3, 3) eV, the sum over pairs of d_a times the force b on the neighbour."""

    energy: float
    forces: Array
    virial: Array


@dataclass(frozen=True)
class Features:
    """phi and its slope along the argument of a block's neighbours (p, K), and phi of its constant slots (m, K)."""

    value: Array
    slope: Array
    constant: Array

    @classmethod
    def of(cls, block: PairBlock, value: Array, slope: Array) -> Features:
        """From values and slopes (p + m, K) at block.x."""
        n = len(block.rows.x)
        return cls(value[:n], slope[:n], value[n:])


class FirstLayerInput(Protocol):
    """What the first layer of a fitting net takes of one descriptor, made of C_b (n, K_b, components) of every neighbour type
    b."""

    @property
    def size(self) -> int:
        """Numbers that it takes."""

    def ranks(self) -> dict[int, int]:
        """Columns up to the last one in use, by neighbour type."""

    def forward(self, moments: ByType) -> Array:
        """The input (n, n_in)."""

    def reverse(self, moments: ByType, gradient: Array) -> dict[int, Array]:
        """dE/dC_b (n, K_b, components) from the gradient (n, n_in) of the input."""


@dataclass(frozen=True)
class DirectInput:
    """The descriptor's numbers around a centre of one type, of T = sum_b V_b C_b; bases[b] is V_b (M, K_b)."""

    bases: Mapping[int, Array]
    descriptor: Descriptor
    centre: int

    @property
    def size(self) -> int:
        return self.descriptor.n_out(self.centre)

    def ranks(self) -> dict[int, int]:
        return {b: v.shape[1] for b, v in self.bases.items()}

    def whole(self, moments: ByType) -> Array:
        """T (n, M, components)."""
        first, *rest = [
            self.descriptor.weighted(b, np.einsum("mk,nkc->nmc", self.bases[b], c, optimize=True)) for b, c in moments.items()
        ]
        return sum(rest, first)

    def forward(self, moments: ByType) -> Array:
        return self.descriptor.features(self.whole(moments))

    def reverse(self, moments: ByType, gradient: Array) -> dict[int, Array]:
        dt = self.descriptor.reverse_features(self.whole(moments), gradient)
        weighted = {b: self.descriptor.weighted(b, dt) for b in moments}
        return {b: np.einsum("mk,nmc->nkc", self.bases[b], mine, optimize=True) for b, mine in weighted.items()}


@dataclass(frozen=True)
class FoldedInput:
    """S_pq = F_p . F_q for q = p .. row_end[p] - 1. The factors F are the rows of all C_b in the order of ``columns`` (L, 2), or
    with ``combination`` (P, L) as many sums of them."""

    columns: IntArray
    row_end: IntArray
    combination: Array | None = None

    @property
    def size(self) -> int:
        return int((self.row_end - np.arange(len(self.row_end))).sum())

    def ranks(self) -> dict[int, int]:
        return last_columns(self.columns)

    def products(self) -> tuple[IntArray, IntArray]:
        """p and q of every product, in the order of the first layer's inputs."""
        counts = self.row_end - np.arange(len(self.row_end))
        p = np.repeat(np.arange(len(counts)), counts)
        return p, p + np.arange(p.size) - np.repeat(np.cumsum(counts) - counts, counts)

    def factors(self, moments: ByType) -> Array:
        """F (n, P, components)."""
        rows = np.stack([moments[b][:, k] for b, k in self.columns.tolist()], axis=1)
        return rows if self.combination is None else self.combination @ rows

    def forward(self, moments: ByType) -> Array:
        f = self.factors(moments)
        p, q = self.products()
        return (f @ f.transpose(0, 2, 1))[:, p, q]

    def reverse(self, moments: ByType, gradient: Array) -> dict[int, Array]:
        f = self.factors(moments)
        p, q = self.products()
        h = np.zeros((len(f), f.shape[1], f.shape[1]))
        h[:, p, q] = gradient
        df = (h + h.transpose(0, 2, 1)) @ f
        dc = df if self.combination is None else self.combination.T @ df
        out = {b: np.zeros_like(m) for b, m in moments.items()}
        for row, (b, k) in enumerate(self.columns.tolist()):
            out[b][:, k] += dc[:, row]
        return out


@dataclass(frozen=True)
class LinearInput:
    """C_p itself for ``columns`` (P, 2) group of neighbours and channel, all its components one after the other."""

    columns: IntArray
    n_components: int

    @property
    def size(self) -> int:
        return len(self.columns) * self.n_components

    def ranks(self) -> dict[int, int]:
        return last_columns(self.columns)

    def forward(self, moments: ByType) -> Array:
        return np.concatenate([moments[b][:, k] for b, k in self.columns.tolist()], axis=1)

    def reverse(self, moments: ByType, gradient: Array) -> dict[int, Array]:
        out = {b: np.zeros_like(m) for b, m in moments.items()}
        by_column = gradient.reshape(len(gradient), -1, self.n_components)
        for p, (b, k) in enumerate(self.columns.tolist()):
            out[b][:, k] += by_column[:, p]
        return out


def last_columns(columns: IntArray) -> dict[int, int]:
    """Columns (L, 2) up to the last one, by neighbour type."""
    ranks: dict[int, int] = {}
    for b, k in columns.tolist():
        ranks[b] = max(ranks.get(b, 0), k + 1)
    return ranks


@dataclass(frozen=True)
class WeightedInput:
    """Of one descriptor what the first layer of a fitting net takes, and the rows of its weight (size, n_out) for that."""

    first_input: FirstLayerInput
    weight: Array


@dataclass(frozen=True)
class Fitting:
    """The fitting net of one centre type, what its first layer takes of each descriptor, and the constant added to its output."""

    inputs: tuple[FirstLayerInput, ...]
    net: Net
    constant: float  # eV

    def forward(self, moments: Moments, parameters: Array) -> Array:
        """What the first layer takes (n, n_in); parameters (n, k) after what is of the descriptors."""
        parts = [mine.forward(c) for mine, c in zip(self.inputs, moments, strict=True)]
        return np.concatenate([*parts, parameters], axis=1)

    def reverse(self, moments: Moments, gradient: Array) -> list[dict[int, Array]]:
        """Of each descriptor dE/dC_b (n, K_b, components), from the gradient (n, n_in) of the input."""
        parts = np.split(gradient, np.cumsum([mine.size for mine in self.inputs]), axis=1)[:-1]
        return [mine.reverse(c, g) for mine, c, g in zip(self.inputs, moments, parts, strict=True)]


def fitting_of(model: ModelDescription, a: int, parts: Sequence[WeightedInput]) -> Fitting:
    """The fitting net of centre type a with its first layer on one part of each descriptor, and on parameters as they are
    given."""
    first, *rest = model.fitting.net(a).layers
    last_rows, bias = _parameter_rows(model, first)
    layer = replace(first, weight=np.concatenate([*(part.weight for part in parts), last_rows]), bias=bias)
    return Fitting(tuple(part.first_input for part in parts), Net((layer, *rest)), model.fitting.energy_constant(a))


def _parameter_rows(model: ModelDescription, first: Layer) -> tuple[Array, Array]:
    """The rows of the first layer's weight for parameters, with their scale, and its bias with what never changes."""
    p = model.fitting.parameters
    if p.n_inputs == 0:
        return np.empty((0, first.weight.shape[1])), first.bias
    rows = first.weight[len(first.weight) - p.n_inputs :]
    n_variable = p.n_fparam + p.n_aparam
    scaled = p.scale[:, None] * rows[:n_variable]
    return scaled, first.bias + p.constants @ rows[n_variable:] - p.mean @ scaled


def direct_part(model: ModelDescription, d: int, a: int, bases: Mapping[Pair, Array]) -> WeightedInput:
    """The numbers of descriptor d themselves, of T = sum_b V_ab C_b; bases[d, a, b] is V_ab (M, K)."""
    mine = {b: v for (descriptor, centre, b), v in bases.items() if (descriptor, centre) == (d, a)}
    return WeightedInput(DirectInput(mine, model.descriptors[d], a), model.fitting.net(a).layers[0].weight[model.inputs(a)[d]])


def moments_of(env: Environment, features: Mapping[Pair, Features], a: int) -> list[dict[int, Array]]:
    """Of each descriptor C_b (n, K_b, components) of all centres of type a, for every neighbour type b; and under EMPTY what
    slots without neighbour add that are counted for all types together, in units of the padding, where that is not 0."""
    moments: list[dict[int, Array]] = [{} for _ in env.descriptors]
    for pair, block in env.blocks.items():
        d, centre, b = pair
        if centre == a:
            moments[d][b] = _moment(block, features[pair], env.descriptors[d].divisor(b))
    for d, descriptor in enumerate(env.descriptors):
        if descriptor.padding is not None and (d, a) in env.n_empty and descriptor.padding[a].any():
            moments[d][EMPTY] = np.zeros((len(env.centres[a]), 1, descriptor.n_components))
            moments[d][EMPTY][:, 0, 0] = env.n_empty[d, a] / descriptor.n_sel
    return moments


def _moment(block: PairBlock, f: Features, divisor: float) -> Array:
    n = len(block.start) - 1
    row = block.rows.row
    c = np.empty((n, f.value.shape[1], row.shape[1]))
    for k in range(n):
        part = slice(block.start[k], block.start[k + 1])
        c[k] = f.value[part].T @ row[part]
    for count, phi, constant_row in zip(block.n_constant, f.constant, block.constant_rows, strict=True):
        c += count[:, None, None] * np.outer(phi, constant_row)
    return c / divisor


def accumulate(
    env: Environment,
    features: Mapping[Pair, Features],
    fittings: Mapping[int, Fitting],
    moments: Mapping[int, Moments] | None = None,
) -> Result:
    """Evaluate all centres of an environment. fittings: centre type -> net, absent for types without energy. moments: C of
    every centre type where the caller has them already."""
    atom_energy = np.zeros(env.n_atoms)
    forces, atom_virial = np.zeros((env.n_atoms, 3)), np.zeros((env.n_atoms, 3, 3))
    for a, fitting in fittings.items():
        if not len(env.centres[a]):
            continue
        c = moments_of(env, features, a) if moments is None else moments[a]
        energy, tape = fitting.net.forward(fitting.forward(c, env.parameters[a]))
        atom_energy[env.centres[a]] = energy[:, 0] + fitting.constant
        for d, by_type in enumerate(fitting.reverse(c, reverse(tape, np.ones_like(energy)))):
            descriptor = env.descriptors[d]
            for b, dc in by_type.items():
                pair = d, a, b
                if b != EMPTY:
                    dt = dc / descriptor.divisor(b)
                    _pair_forces(descriptor, env.blocks[pair], features[pair], dt, forces, atom_virial)
    return Result(float(atom_energy.sum()), forces, atom_virial.sum(axis=0))


def _pair_forces(descriptor: Descriptor, block: PairBlock, f: Features, dc: Array, forces: Array, atom_virial: Array) -> None:
    row, centre = block.rows.row, np.repeat(np.arange(len(dc)), np.diff(block.start))
    d_row, d_argument = np.empty_like(row), np.empty(len(row))
    for start in range(0, len(row), PAIRS_AT_ONCE):
        part = slice(start, start + PAIRS_AT_ONCE)
        mine = dc[centre[part]]  # (p, K, components)
        d_row[part] = np.einsum("pk,pkc->pc", f.value[part], mine)
        d_argument[part] = np.einsum("pc,pc->p", np.einsum("pk,pkc->pc", f.slope[part], mine), row[part])
    g = descriptor.reverse_rows(block.rows, d_row, d_argument)
    np.add.at(forces, block.i, g)
    np.add.at(forces, block.j, -g)
    np.add.at(atom_virial, block.j, -block.vector[:, :, None] * g[:, None, :])
