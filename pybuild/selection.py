# SPDX-License-Identifier: MIT
"""How many columns and which products a model keeps, for a tolerance on the forces.

One threshold steers both: products whose importance is below it are dropped, and with them the columns that no
product needs. The smallest set is searched whose measured errors (truncation.py) stay within the tolerance times a
safety factor. Where the folded first layer would cost more operations than the descriptor itself, or cannot exist (a
skip connection around it), the descriptor is kept and only the ranks are chosen.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass, replace

import numpy as np

from .description import ModelDescription, Net
from .evaluation import Fitting, FoldedInput
from .folding import FirstLayer, direct_cost, folded_cost, merge_columns, staircase, staircase_order
from .lowrank import Basis
from .progress import Progress
from .tableset import Array
from .truncation import (
    Case,
    Errors,
    Pair,
    active_types,
    direct_fittings,
    energy_constant,
    first_layer_gradients,
    truncated,
    worst_errors,
)

log = logging.getLogger("pybuild")

SAFETY = 0.25  # of the tolerance: structures that were not looked at may be worse
ENERGY_PER_FORCE = 0.1  # angstrom: energies within 1e-9 eV/atom for forces within 1e-8 eV/A
VIRIAL_PER_FORCE = 0.5  # angstrom: virials within 1e-6 eV in 200 atoms for forces within 1e-8 eV/A
LEVELS_PER_DECADE = 16  # fineness of the threshold
PRESELECTED = 3  # times the number of products at which folding stops to pay: those that are weighed at all


@dataclass(frozen=True)
class Selection:
    """fittings as they will be stored; ranks by pair of types; errors measured on the cases."""

    folded: bool
    fittings: Mapping[int, Fitting]
    ranks: Mapping[Pair, int]
    errors: Errors


def within(errors: Errors, tolerance: float) -> bool:
    """Whether forces, energies and virials are within what a tolerance on the forces allows."""
    return (
        errors.force <= tolerance
        and errors.energy <= ENERGY_PER_FORCE * tolerance
        and errors.virial <= VIRIAL_PER_FORCE * tolerance
    )


def select(
    model: ModelDescription, bases: Mapping[Pair, Basis], cases: Sequence[Case], tolerance: float, form: str = "auto"
) -> Selection:
    """The cheapest columns and products within the tolerance. form: "auto", "folded" or "direct".

    Falls back to all columns where the tolerance cannot be met; the errors tell.
    """
    if form != "direct" and foldable(model):
        found = _select_folded(model, bases, cases, tolerance, always=form == "folded")
        if found is not None:
            return found
    return _select_direct(model, bases, cases, tolerance)


def select_columns(
    model: ModelDescription, bases: Mapping[Pair, Basis], cases: Sequence[Case], tolerance: float, form: str = "auto"
) -> Selection:
    """With the columns given: products are pruned until that alone costs the tolerance; the errors are those of both."""
    ranks = {pair: len(basis.amplitude) for pair, basis in bases.items()}
    direct = direct_fittings(model, {pair: basis.vectors for pair, basis in bases.items()})
    if form != "direct" and foldable(model):
        untruncated = [case.relative_to(direct) for case in cases]
        found = _select_folded(model, bases, untruncated, tolerance, always=form == "folded")
        if found is not None:
            return replace(found, errors=worst_errors(cases, found.fittings))
    return Selection(False, direct, ranks, worst_errors(cases, direct))


def foldable(model: ModelDescription) -> bool:
    """Whether the first layer of every fitting net is without a skip connection."""
    return all(model.fitting.nets[a].layers[0].skip == "none" for a in active_types(model))


class FoldedCandidates:
    """The products of one centre type in order of importance."""

    def __init__(self, model: ModelDescription, a: int, bases: Mapping[Pair, Basis], cases: Sequence[Case], most: int | None):
        net = model.fitting.nets[a]
        mine = {b: basis for (centre, b), basis in bases.items() if centre == a}
        self._merged = merge_columns(mine)
        size = np.outer(self._merged.amplitude, self._merged.amplitude)
        p, q = np.triu_indices(len(size))
        if most is not None and len(p) > PRESELECTED * most:
            largest = np.sort(np.argsort(-size[p, q], kind="stable")[: PRESELECTED * most])
            p, q = p[largest], q[largest]
        weights = FirstLayer(net, self._merged, model.descriptor.axis_neuron).weights(p, q)
        direct = direct_fittings(model, {(a, b): basis.vectors for b, basis in mine.items()}, (a,))[a]
        importance = np.zeros_like(size)
        importance[p, q] = size[p, q] * _sensitivity(weights, first_layer_gradients(cases, direct, a))
        self._p, self._q, self.needed = staircase_order(importance)
        weighed = self.needed > 0
        self._p, self._q, self.needed = self._p[weighed], self._q[weighed], self.needed[weighed]
        self._weights = weights
        self._row_of = np.full(size.shape, -1)
        self._row_of[p, q] = np.arange(len(p))
        self._net, self._constant = net, energy_constant(model, a)

    def count(self, threshold: float) -> int:
        """Products at or above a threshold."""
        return int(np.searchsorted(-self.needed, -threshold, side="right"))

    def fitting(self, threshold: float) -> Fitting:
        """The fitting net on the products at or above a threshold; at least the most important one."""
        n = max(1, self.count(threshold))
        row_end = staircase(self._p[:n], self._q[:n])
        first = FoldedInput(self._merged.columns[: len(row_end)], row_end)
        layer = replace(self._net.layers[0], weight=self._weights[self._row_of[first.products()]])
        return Fitting(first, Net((layer, *self._net.layers[1:])), self._constant)


def _sensitivity(weights: Array, gradients: Array) -> Array:
    """Root mean square of dE/dS_pq over the centres seen; the row's norm where there was none."""
    if not len(gradients):
        return np.linalg.norm(weights, axis=1)
    gram = gradients.T @ gradients / len(gradients)
    return np.sqrt(np.maximum(np.einsum("pn,pn->p", weights @ gram, weights), 0.0))


def _select_folded(
    model: ModelDescription, bases: Mapping[Pair, Basis], cases: Sequence[Case], tolerance: float, always: bool
) -> Selection | None:
    types = active_types(model)
    n_out = {a: model.fitting.nets[a].layers[0].weight.shape[1] for a in types}
    width, axis = model.descriptor.width, model.descriptor.axis_neuron
    limit = {a: direct_cost(width, axis, 0, n_out[a]) // folded_cost(1, n_out[a]) for a in types}
    candidates = {a: FoldedCandidates(model, a, bases, cases, None if always else limit[a]) for a in types}
    levels = _levels(np.concatenate([c.needed for c in candidates.values()]))

    def fittings(level: int) -> dict[int, Fitting]:
        return {a: c.fitting(levels[level]) for a, c in candidates.items()}

    def pays(level: int) -> bool:
        cost = sum(folded_cost(c.count(levels[level]), n_out[a]) for a, c in candidates.items())
        n_columns = sum(len(basis.amplitude) for (a, _), basis in bases.items() if a == types[0])
        return cost <= sum(direct_cost(width, axis, n_columns, n_out[a]) for a in types)

    last = len(levels) - 1
    if not always:
        last = max((k for k in range(len(levels)) if pays(k)), default=-1)
    best = _first_within(lambda k: worst_errors(cases, fittings(k)), last, tolerance)
    if best is None:
        if not always:
            return None
        best = last, worst_errors(cases, fittings(last))
    chosen = fittings(best[0])
    ranks = {(a, b): 0 for a, b in bases}
    for a, fitting in chosen.items():
        for b, k in fitting.first_input.columns.tolist():
            ranks[a, b] = max(ranks[a, b], k + 1)
    return Selection(True, chosen, ranks, best[1])


def _select_direct(model: ModelDescription, bases: Mapping[Pair, Basis], cases: Sequence[Case], tolerance: float) -> Selection:
    levels = _levels(np.concatenate([basis.amplitude for basis in bases.values()]))

    def ranks(level: int) -> dict[Pair, int]:
        return {pair: max(1, int(np.sum(b.amplitude >= levels[level]))) for pair, b in bases.items()}

    def errors(level: int) -> Errors:
        return worst_errors(cases, direct_fittings(model, truncated(bases, ranks(level))))

    last = len(levels) - 1
    best = _first_within(errors, last, tolerance)
    level, found = best if best is not None else (last, errors(last))
    vectors = {pair: basis.vectors[:, : ranks(level)[pair]] for pair, basis in bases.items()}
    return Selection(False, direct_fittings(model, vectors), ranks(level), found)


def _levels(importance: Array) -> Array:
    """Thresholds from the largest importance to the smallest, the smallest included."""
    positive = importance[importance > 0]
    decades = np.log10(positive.max() / positive.min())
    n = int(np.ceil(decades * LEVELS_PER_DECADE)) + 1
    return positive.max() * 10.0 ** (-np.arange(n + 1) / LEVELS_PER_DECADE)


def _first_within(errors: Callable[[int], Errors], last: int, tolerance: float) -> tuple[int, Errors] | None:
    """By bisection, a level within the tolerance whose predecessor is not (errors fall with the level, up to noise)."""
    if last < 0:
        return None
    target = SAFETY * tolerance
    high, found = last, errors(last)
    if not within(found, target):
        return None
    low, done = -1, 0
    steps = Progress("columns and products", int(np.ceil(np.log2(last + 2))))
    while high - low > 1:
        middle = (low + high) // 2
        tried = errors(middle)
        log.debug("threshold %d of %d: forces %.1e eV/A, energy %.1e, virial %.1e eV/atom", middle, last, *astuple(tried))
        if within(tried, target):
            high, found = middle, tried
        else:
            low = middle
        done += 1
        steps.update(done)
    steps.close()
    return high, found
