# SPDX-License-Identifier: MIT
"""Energies, forces and virials from the functions phi of every neighbour, in plain NumPy (docs/theory.md section 4).

The functions may come from tables (stored.py) or straight from the embedding nets (truncation.py); the first layer of the fitting
net takes the descriptor or what it was folded onto. Slow and simple: the judge of what a low rank costs.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import numpy as np

from ..arrays import Array, IntArray
from ..model.description import ModelDescription
from ..model.descriptor import Descriptor
from ..model.net import Layer, Net, reverse
from .environment import Environment, JoinedBlocks, Pair, PairBlock

ByType = Mapping[int, Array]  # group of neighbours -> array
Moments = Sequence[ByType]  # of each descriptor C_b of every neighbour type b
EMPTY = -1  # in place of a neighbour type: of the slots that all types share


@dataclass(frozen=True)
class Result:
    """Of S structures: energy (S,) eV; forces (n, 3) eV/A on all their atoms; virial (S, 3, 3) eV, the sum over pairs of d_a
    times the force b on the neighbour."""

    energy: Array
    forces: Array
    virial: Array


@dataclass(frozen=True)
class Features:
    """phi and its slope along the argument of a block's terms by centre (PairBlock.by_centre; n, most, K), and phi of its
    constant slots (m, K)."""

    value: Array
    slope: Array
    constant: Array

    @classmethod
    def of(cls, block: PairBlock, value: Array, slope: Array) -> Features:
        """From values and slopes (t + m, K) at block.x."""
        n = len(block.rows.x)
        return cls(block.by_centre(value[:n]), block.by_centre(slope[:n]), value[n:])

    def projected(self, projector: Array) -> Features:
        """Of combinations of the functions, by a matrix (K, L)."""
        k, n_new = projector.shape
        value, slope = (f.reshape(-1, k) @ projector for f in (self.value, self.slope))
        shape = (*self.value.shape[:2], n_new)
        return Features(value.reshape(shape), slope.reshape(shape), self.constant @ projector)


def combined(matrix: Array, rows: Array) -> Array:
    """(n, P, components) a matrix (P, L) times rows (n, L, components), in one product."""
    n, n_rows, n_components = rows.shape
    flat = rows.transpose(0, 2, 1).reshape(n * n_components, n_rows) @ matrix.T
    return flat.reshape(n, n_components, -1).transpose(0, 2, 1)


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
        """dE/dC_b (n, rank, components) of the leading columns of each neighbour type, from the gradient (n, n_in) of the input;
        those that are missing are 0."""


@dataclass(frozen=True)
class DirectInput:
    """The descriptor's numbers around a centre of one type, of T = sum_b V_b C_b; bases[b] is V_b (M, K) for the leading K
    columns, None: 1."""

    bases: Mapping[int, Array | None]
    descriptor: Descriptor
    centre: int

    @property
    def size(self) -> int:
        return self.descriptor.n_out(self.centre)

    def ranks(self) -> dict[int, int]:
        return {b: self.descriptor.width if v is None else v.shape[1] for b, v in self.bases.items()}

    def whole(self, moments: ByType) -> Array:
        """T (n, M, components)."""
        joined = self._joined(tuple(moments))
        if joined is not None:
            vectors, places = joined
            columns = [c[:, : place.stop - place.start] for c, place in zip(moments.values(), places, strict=True)]
            return combined(vectors, np.concatenate(columns, axis=1))
        first, *rest = [self.descriptor.weighted(b, self._of_columns(b, c)) for b, c in moments.items()]
        return sum(rest, first)

    def _of_columns(self, b: int, c: Array) -> Array:
        v = self.bases[b]
        return c if v is None else combined(v, c[:, : v.shape[1]])

    def _joined(self, groups: tuple[int, ...]) -> tuple[Array, list[slice]] | None:
        """V of some groups side by side and the place of each, of two bodies, whose sums enter T as they are; None where one of
        them is 1."""
        if groups not in self._known:
            own = [v for b in groups if (v := self.bases[b]) is not None]
            apart = self.descriptor.n_bodies > 2 or len(own) < len(groups)
            places = [slice(*pair) for pair in itertools.pairwise(np.cumsum([0, *(v.shape[1] for v in own)]).tolist())]
            self._known[groups] = None if apart else (np.concatenate(own, axis=1), places)
        return self._known[groups]

    @cached_property
    def _known(self) -> dict[tuple[int, ...], tuple[Array, list[slice]] | None]:
        return {}

    def forward(self, moments: ByType) -> Array:
        return self.descriptor.features(self.whole(moments))

    def reverse(self, moments: ByType, gradient: Array) -> dict[int, Array]:
        dt = self.descriptor.reverse_features(self.whole(moments), gradient)
        joined = self._joined(tuple(moments))
        if joined is not None:
            vectors, places = joined
            every = combined(vectors.T, dt)
            return {b: every[:, place] for b, place in zip(moments, places, strict=True)}
        weighted = {b: self.descriptor.weighted(b, dt) for b in moments}
        bases = self.bases
        return {b: mine if (v := bases[b]) is None else combined(v.T, mine) for b, mine in weighted.items()}


@dataclass(frozen=True)
class FoldedInput:
    """S_pq = F_p . F_q for q = p .. row_end[p] - 1. The factors F are the rows of all C_b in the order of ``columns`` (L, 2), or
    with ``combination`` (P, L) as many sums of them. order: p and q of the products, where their order is another one."""

    columns: IntArray
    row_end: IntArray
    combination: Array | None = None
    order: tuple[IntArray, IntArray] | None = None

    @property
    def size(self) -> int:
        return int((self.row_end - np.arange(len(self.row_end))).sum())

    def ranks(self) -> dict[int, int]:
        return last_columns(self.columns)

    def products(self) -> tuple[IntArray, IntArray]:
        """p and q of every product, in the order of the first layer's inputs."""
        if self.order is not None:
            return self.order
        counts = self.row_end - np.arange(len(self.row_end))
        p = np.repeat(np.arange(len(counts)), counts)
        return p, p + np.arange(p.size) - np.repeat(np.cumsum(counts) - counts, counts)

    @cached_property
    def _places(self) -> ColumnPlaces:
        return ColumnPlaces(self.columns)

    def factors(self, moments: ByType) -> Array:
        """F (n, P, components)."""
        rows = self._places.rows(moments)
        return rows if self.combination is None else combined(self.combination, rows)

    @cached_property
    def _in_rows(self) -> tuple[int, IntArray]:
        """Rows up to the last one with a product, and where each product lies in (rows, P)."""
        p, q = self.products()
        return int(p.max(initial=0)) + 1, p * len(self.row_end) + q

    def forward(self, moments: ByType) -> Array:
        f = self.factors(moments)
        n_rows, place = self._in_rows
        return (f[:, :n_rows] @ f.transpose(0, 2, 1)).reshape(len(f), -1)[:, place]

    def reverse(self, moments: ByType, gradient: Array) -> dict[int, Array]:
        f = self.factors(moments)
        n_rows, place = self._in_rows
        h = np.zeros((len(f), n_rows * f.shape[1]))
        h[:, place] = gradient
        h = h.reshape(len(f), n_rows, f.shape[1])
        df = h.transpose(0, 2, 1) @ f[:, :n_rows]
        df[:, :n_rows] += h @ f
        return self._places.by_type(df if self.combination is None else combined(self.combination.T, df))


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

    @cached_property
    def _places(self) -> ColumnPlaces:
        return ColumnPlaces(self.columns)

    def forward(self, moments: ByType) -> Array:
        rows = self._places.rows(moments)
        return rows.reshape(len(rows), self.size)

    def reverse(self, moments: ByType, gradient: Array) -> dict[int, Array]:
        return self._places.by_type(gradient.reshape(len(gradient), -1, self.n_components))


class ColumnPlaces:
    """Columns (L, 2) of neighbour type and channel, each once, among the leading ones of every type."""

    def __init__(self, columns: IntArray):
        self._ranks = last_columns(columns)
        starts = np.cumsum([0, *self._ranks.values()])
        self._start = dict(zip(self._ranks, starts.tolist(), strict=False))
        self._n = int(starts[-1])
        self._place = starts[np.searchsorted(list(self._ranks), columns[:, 0])] + columns[:, 1]

    def rows(self, moments: ByType) -> Array:
        """(n, L, components) rows of the C_b."""
        leading = [moments[b][:, :rank] for b, rank in self._ranks.items()]
        return np.concatenate(leading, axis=1)[:, self._place]

    def by_type(self, rows: Array) -> dict[int, Array]:
        """The way back: (n, rank, components) of each neighbour type, 0 for columns that are not among these."""
        out = np.zeros((len(rows), self._n, rows.shape[2]))
        out[:, self._place] = rows
        return {b: out[:, self._start[b] : self._start[b] + rank] for b, rank in self._ranks.items()}


def last_columns(columns: IntArray) -> dict[int, int]:
    """Columns (L, 2) up to the last one, by neighbour type."""
    types, which = np.unique(columns[:, 0], return_inverse=True)
    ranks = np.zeros(len(types), dtype=np.int64)
    np.maximum.at(ranks, which, columns[:, 1] + 1)
    return dict(zip(types.tolist(), ranks.tolist(), strict=True))


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
    weights = [part.weight for part in parts] + ([last_rows] if len(last_rows) else [])
    weight = weights[0] if len(weights) == 1 else np.concatenate(weights)
    weight.setflags(write=False)  # so that the layer does not copy it
    layer = replace(first, weight=weight, bias=bias)
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


def direct_part(model: ModelDescription, d: int, a: int, bases: Mapping[Pair, Array | None]) -> WeightedInput:
    """The numbers of descriptor d themselves, of T = sum_b V_ab C_b; bases[d, a, b] is V_ab (M, K), None: 1."""
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
    c = f.value.transpose(0, 2, 1) @ block.by_centre(block.rows.row)
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
    gradients: dict[Pair, Array] = {}  # dE/dC (n, K, components) of the leading columns
    for a, fitting in fittings.items():
        if a not in env.centres:
            continue
        c = moments_of(env, features, a) if moments is None else moments[a]
        energy, tape = fitting.net.forward(fitting.forward(c, env.parameters[a]))
        atom_energy[env.centres[a]] = energy[:, 0] + fitting.constant
        for d, by_type in enumerate(fitting.reverse(c, reverse(tape, np.ones_like(energy)))):
            descriptor = env.descriptors[d]
            gradients |= {(d, a, b): dc / descriptor.divisor(b) for b, dc in by_type.items() if b != EMPTY}
    forces, virial = np.zeros((env.n_atoms, 3)), np.zeros((env.n_structures, 9))
    for d, joined in env.joined.items():
        g = _pair_forces(env.descriptors[d], joined, features, {pair: dc for pair, dc in gradients.items() if pair[0] == d})
        g = np.ascontiguousarray(g.T)
        of_pairs = [np.bincount(joined.i, along, env.n_atoms) - np.bincount(joined.j, along, env.n_atoms) for along in g]
        forces += np.column_stack(of_pairs)
        virial -= np.column_stack([env.sums(joined.structure, r * along) for r in joined.vector.T for along in g])
    return Result(env.sums(env.structure, atom_energy), forces, virial.reshape(-1, 3, 3))


def _pair_forces(
    descriptor: Descriptor, joined: JoinedBlocks, features: Mapping[Pair, Features], gradients: Mapping[Pair, Array]
) -> Array:
    """(p, 3) on the centres of the pairs of one descriptor, from dE/dC."""
    d_row, d_row_slope = (np.zeros((joined.n_places, descriptor.n_components)) for _ in range(2))
    for pair, dc in gradients.items():
        f, first = features[pair], joined.first[pair]
        n, most, _ = f.value.shape
        for of_features, out in ((f.value, d_row), (f.slope, d_row_slope)):
            mine = out[first : first + n * most].reshape(n, most, descriptor.n_components)
            np.matmul(of_features[:, :, : dc.shape[1]], dc, out=mine)
    d_argument = np.einsum("tc,tc->t", d_row_slope[joined.place], joined.rows.row)
    return descriptor.reverse_rows(joined.rows, d_row[joined.place], d_argument)
