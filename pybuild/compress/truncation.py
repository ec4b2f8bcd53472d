# SPDX-License-Identifier: MIT
"""What a low rank and a short list of products cost in energies, forces and virials, measured on structures.

For every structure the exact model is evaluated once, with the embedding nets themselves; phi = V^T G and its moments
C are then kept for the largest rank in question, so that a candidate costs one pass of the fitting nets and one over
the pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from typing import Protocol

import numpy as np

from ..arrays import Array, Index
from ..model.description import ModelDescription
from ..model.net import Net, Skip
from ..structures.structure import Structure
from .environment import (
    Environment,
    Neighbourhoods,
    Neighbours,
    Pair,
    build_environment,
    close_centres,
    find_pairs,
    n_numbers,
)
from .evaluation import EMPTY, DirectInput, Features, Fitting, Moments, Result, accumulate, direct_part, fitting_of, moments_of
from .functions import function_of
from .lowrank import Basis

MOST_CENTRES = 400  # of one structure
MOST_NUMBERS = 3e6  # what the nets give of the pairs of neighbours of one structure: 48 MB with the slopes


@dataclass(frozen=True)
class Errors:
    """Largest differences: force component eV/A, energy eV/atom, virial component eV/atom."""

    force: float
    energy: float
    virial: float

    def worst(self, other: Errors) -> Errors:
        """The larger ones; what is not a number is larger than any."""
        return Errors(*np.maximum(astuple(self), astuple(other)).tolist())

    def plus(self, other: Errors) -> Errors:
        return Errors(self.force + other.force, self.energy + other.energy, self.virial + other.virial)


@dataclass(frozen=True)
class Case:
    """One or several structures (or the neighbourhoods of some of their atoms), evaluated exactly."""

    env: Environment
    features: Mapping[Pair, Features]
    moments: Mapping[int, Moments]  # of the types with centres
    exact: Result

    def errors(self, fittings: Mapping[int, Fitting]) -> Errors:
        """Of a candidate against the exact model."""
        return difference(self._evaluate(fittings), self.exact, self.env.n_centres)

    def relative_to(self, fittings: Mapping[int, Fitting]) -> Case:
        """The same structure with another model in the place of the exact one."""
        return replace(self, exact=self._evaluate(fittings))

    def _evaluate(self, fittings: Mapping[int, Fitting]) -> Result:
        return accumulate(self.env, self.features, fittings, self.moments)


@dataclass(frozen=True)
class Cases:
    """What a choice is measured on: centres without a neighbour closer than in the training data; with one that is a little
    closer; and with one that is much closer (grid.NEAR)."""

    ordinary: list[Case]
    near: list[Case]
    far: list[Case]

    def each(self, change: Callable[[Case], Case]) -> Cases:
        """All of them changed."""
        return Cases(*([change(case) for case in part] for part in (self.ordinary, self.near, self.far)))


class Differing(Protocol):
    """Any result, of one structure or of S: energy eV, or (S,); forces (n, 3) eV/A; virial (3, 3) eV, or (S, 3, 3)."""

    @property
    def energy(self) -> Array | float: ...
    @property
    def forces(self) -> Array: ...
    @property
    def virial(self) -> Array: ...


def difference(got: Differing, exact: Differing, n_centres: Index | int) -> Errors:
    """Largest differences of two results for the same atoms; energy and virial are divided by the number of centres, (S,) of S
    structures."""
    n = np.atleast_1d(np.maximum(1, n_centres))
    energy = np.abs(np.atleast_1d(got.energy - exact.energy)) / n
    virial = np.abs(got.virial - exact.virial).reshape(len(n), -1) / n[:, None]
    force = np.abs(got.forces - exact.forces).max(initial=0.0)
    return Errors(float(force), float(energy.max()), float(virial.max()))


def direct_fittings(
    model: ModelDescription, bases: Mapping[Pair, Array | None], types: Sequence[int] | None = None
) -> dict[int, Fitting]:
    """The fitting nets (of some centre types) on the descriptors of T = sum_b V_ab C_b; bases[d, a, b] is V_ab (M, K), None:
    1."""
    wanted, n = model.active_types if types is None else types, len(model.descriptors)
    return {a: fitting_of(model, a, [direct_part(model, d, a, bases) for d in range(n)]) for a in wanted}


def padding_vectors(model: ModelDescription) -> dict[Pair, Array]:
    """(M, 1) by descriptor and centre type what an empty slot of all types adds, where that is not 0: like a table's basis."""
    found: dict[Pair, Array] = {}
    for d, descriptor in enumerate(model.descriptors):
        if descriptor.padding is not None:
            found |= {(d, a, EMPTY): v[:, None] for a, v in enumerate(descriptor.padding) if v.any()}
    return found


def split_centres(model: ModelDescription, structure: Structure, *limits: Array) -> tuple[Neighbours, list[Index]]:
    """The pairs of some atoms, and these by how close their closest neighbour is: beyond the first of the limits (N, N) for the
    pair of types, between it and the second, and so on; those with a neighbour within the last limit are left out. Of a large
    structure only a compact group of atoms: enough to measure errors on, and memory stays bounded."""
    group, pairs = _affordable(model, structure)
    within = [close_centres(structure.types, pairs, model, limit)[group] for limit in limits]
    outside = [np.ones(len(group), dtype=bool), *within]
    return pairs, [group[outer & ~inner] for outer, inner in zip(outside, within, strict=False)]


def exact_fittings(model: ModelDescription) -> dict[int, Fitting]:
    """The fitting nets on the embedding nets' own outputs."""
    kinds = zip(model.descriptors, model.pair_kinds, strict=True)
    groups = [(d, b) for d, (of, kinds_of) in enumerate(kinds) for b in of.groups(kinds_of)]
    unrotated: dict[Pair, Array | None] = {(d, a, b): None for d, b in groups for a in model.active_types}
    return direct_fittings(model, unrotated | padding_vectors(model))


def evaluate_exactly(model: ModelDescription, atoms: Neighbourhoods, fittings: Mapping[int, Fitting] | None = None) -> Case:
    """Structures of which some atoms contribute their energy, with the embedding nets' own outputs as features; fittings:
    exact_fittings, where the caller has them already."""
    env = build_environment(model, atoms)
    features = {}
    for pair, block in env.blocks.items():
        value, slope = function_of(model.descriptors[pair[0]], *pair[1:]).derivatives(block.x, order=1)
        features[pair] = Features.of(block, value, slope)
    moments = {a: moments_of(env, features, a) for a in model.active_types if a in env.centres}
    return Case(env, features, moments, accumulate(env, features, fittings or exact_fittings(model), moments))


def project(case: Case, bases: Mapping[Pair, Basis]) -> Case:
    """An exactly evaluated case with the features phi = P^T G instead of G."""
    features = {pair: f.projected(bases[pair].projector) for pair, f in case.features.items()}
    return Case(case.env, features, {a: moments_of(case.env, features, a) for a in case.moments}, case.exact)


def moment_gradients(model: ModelDescription, cases: Sequence[Case], a: int) -> list[Array]:
    """Of each descriptor dE/dT (n, M, components) of all centres of type a; cases as evaluated exactly."""
    unrotated: dict[Pair, Array | None] = {(d, a, EMPTY): None for d in range(len(model.descriptors))}
    fitting, sums = direct_fittings(model, unrotated, (a,))[a], [_sum_of(model, d, a) for d in range(len(model.descriptors))]
    rows = [[np.empty((0, descriptor.width, descriptor.n_components))] for descriptor in model.descriptors]
    for case in cases:
        if a in case.moments:
            whole = [{EMPTY: mine.whole(by_group)} for mine, by_group in zip(sums, case.moments[a], strict=True)]
            gradient = fitting.net.gradient(fitting.forward(whole, case.env.parameters[a]))
            for mine, by_type in zip(rows, fitting.reverse(whole, gradient), strict=True):
                mine.append(by_type[EMPTY])
    return [np.concatenate(mine) for mine in rows]


def _sum_of(model: ModelDescription, d: int, a: int) -> DirectInput:
    """T of the functions themselves."""
    descriptor = model.descriptors[d]
    vectors: dict[int, Array | None] = dict.fromkeys(descriptor.groups(model.pair_kinds[d]))
    vectors |= {b: v for (e, c, b), v in padding_vectors(model).items() if (e, c) == (d, a)}
    return DirectInput(vectors, descriptor, a)


def _affordable(model: ModelDescription, structure: Structure) -> tuple[Index, Neighbours]:
    """A group of atoms and their neighbours; fewer atoms where descriptors of three bodies have many pairs of neighbours around
    each."""
    group = _group(structure, MOST_CENTRES)
    pairs = find_pairs(structure, model, group)
    three_bodies = any(descriptor.n_bodies == 3 for descriptor in model.descriptors)
    numbers = n_numbers(model, pairs, group) if three_bodies else np.zeros(1)
    most = int(MOST_NUMBERS / max(1.0, float(numbers.mean())))
    if most >= len(group):
        return group, pairs
    group = _group(structure, max(1, most))
    return group, find_pairs(structure, model, group)


def _group(structure: Structure, most: int) -> Index:
    """The atoms nearest to the first one, in order of their index; all of a small structure."""
    if len(structure.types) <= most:
        return np.arange(len(structure.types))
    d = structure.positions - structure.positions[:1]
    if structure.cell is not None:
        fraction = np.linalg.solve(structure.cell.T, d.T).T
        d = (fraction - np.round(fraction)) @ structure.cell
    return np.sort(np.argsort(np.linalg.norm(d, axis=1), kind="stable")[:most])


def worst_errors(cases: Sequence[Case], fittings: Mapping[int, Fitting]) -> Errors:
    """Largest errors over all structures."""
    worst = Errors(0.0, 0.0, 0.0)
    for case in cases:
        worst = worst.worst(case.errors(fittings))
    return worst


def around(cases: Sequence[Case], a: int) -> list[Case]:
    """Those with centres of type a."""
    return [case for case in cases if a in case.moments]


def first_layer_gradients(cases: Sequence[Case], fitting: Fitting, a: int) -> Array:
    """dE/dz (n, n_out) of the first layer's sum z = W^T input + b, for all centres of type a."""
    first, rest = fitting.net.layers[0], fitting.net.layers[1:]
    unit = replace(first, weight=np.eye(first.weight.shape[1]), bias=np.zeros(first.weight.shape[1]), skip=Skip.NONE)
    rows = [np.empty((0, first.weight.shape[1]))]
    for case in around(cases, a):
        z = fitting.forward(case.moments[a], case.env.parameters[a]) @ first.weight + first.bias
        rows.append(Net((unit, *rest)).gradient(z))
    return np.concatenate(rows)


def truncated(bases: Mapping[Pair, Basis], ranks: Mapping[Pair, int]) -> dict[Pair, Array]:
    """V (M, K) with the leading columns alone."""
    return {p: b.vectors[:, : ranks[p]] for p, b in bases.items()}
