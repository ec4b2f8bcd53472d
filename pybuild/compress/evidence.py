# SPDX-License-Identifier: MIT
"""The structures that a build looks at, evaluated with the exact model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..arrays import Array
from ..model.description import ModelDescription
from ..progress import track
from ..structures.probe import close_structures, judge_structures, probe_structures, with_parameters
from ..structures.structure import Structure
from .continuity import Jump, largest_jump
from .environment import Neighbourhoods, n_numbers
from .grid import NEAR, TablePlan
from .truncation import Case, Cases, evaluate_exactly, exact_fittings, split_centres

NEAR_SEEDS, FAR_SEEDS = ((2001,), (2101, 2102)), ((3001,), (3101, 3102))  # to choose on, to judge on
CLOSE_SEEDS = 4001, 4002
# Numbers that the nets give of structures that are evaluated together, for each pair of types: arrays of 8 MB, for which there is
# room in memory that was used before; and in all.
TOGETHER_A_PAIR, MOST_TOGETHER = 1e6, 3e6


class Evidence:
    """The structures that a build looks at: frames of the training data and synthetic ones, the latter in two sets (probe.py)."""

    def __init__(
        self,
        model: ModelDescription,
        plans: Sequence[TablePlan],
        distances: Array,
        given: Sequence[Structure],
    ):
        self._model, self._distances = model, distances
        self._given = with_parameters(model, given)
        # Where the tables end: for a pair of types as centre and neighbour, and the other way round.
        ends = np.zeros_like(distances)
        for plan in plans:
            descriptor = model.descriptors[plan.descriptor]
            for a, group in plan.pairs:
                for b in descriptor.members(group) if model.sees(plan.descriptor, a, group) else ():
                    ends[a, b] = max(ends[a, b], descriptor.distance(a, plan.max))
        self._ends = np.where(np.maximum(ends, ends.T) > 0, np.maximum(ends, ends.T), distances)
        self._n_synthetic = 0
        self._fittings = exact_fittings(model)

    def cases_to_choose_on(self) -> Cases:
        """Evaluated exactly."""
        return self._evaluated([*self._given, *probe_structures(self._model, self._distances)], 0, keep=True)

    def cases_to_judge_on(self) -> Cases:
        """Evaluated exactly; what the embedding nets gave is not kept."""
        return self._evaluated(judge_structures(self._model, self._distances), 1, keep=False)

    def _evaluated(self, structures: list[Structure], which: int, keep: bool) -> Cases:
        low = np.maximum(NEAR * self._distances, self._ends)
        near = self._close(low, self._distances, NEAR_SEEDS[which])
        far = self._close(self._ends, low, FAR_SEEDS[which])
        self._n_synthetic += len(structures) + len(near) + len(far) - (len(self._given) if keep else 0)
        split = self._split([*structures, *near, *far], self._distances, low, self._ends)
        return Cases(*(self._exact(part, keep) for part in split))

    def cases_between(self, factor: float) -> list[Case]:
        """Centres whose closest neighbour is at that factor to once the smallest distance."""
        low = np.maximum(factor * self._distances, self._ends)
        _, between = self._split(self._close(low, self._distances, CLOSE_SEEDS), self._distances, low)
        return self._exact(between, keep=False)

    def _split(self, structures: Sequence[Structure], *limits: Array) -> list[list[Neighbourhoods]]:
        """The centres by how close their closest neighbour is, see split_centres; of structures with any."""
        parts: list[list[Neighbourhoods]] = [[] for _ in limits]
        for structure in track(structures, "neighbours"):
            pairs, split = split_centres(self._model, structure, *limits)
            for part, centres in zip(parts, split, strict=True):
                part += [Neighbourhoods.of(self._model, structure, centres, pairs)] if len(centres) else []
        return parts

    def _exact(self, parts: Sequence[Neighbourhoods], keep: bool) -> list[Case]:
        """Cases of several structures each. Those where atoms have the most neighbours come first, since errors add up most
        there, and the first case is of one: a search looks at that first. keep: with what the embedding nets gave."""
        groups: list[list[Neighbourhoods]] = []
        most, room = min(MOST_TOGETHER, TOGETHER_A_PAIR * self._model.n_types**2), 0.0
        sizes = [n_numbers(self._model, part.pairs, part.centres) for part in parts]
        for k in sorted(range(len(parts)), key=lambda k: -float(sizes[k].mean())):
            part, size = parts[k], float(sizes[k].sum())
            if len(groups) < 2 or size > room:
                groups.append([])
                room = most
            groups[-1].append(part)
            room -= size
        cases = []
        for group in track(groups, "exact model"):
            case = evaluate_exactly(self._model, Neighbourhoods.merged(group), self._fittings)
            cases.append(case if keep else replace(case, features={}, moments={}))
        return cases

    def _close(self, low: Array, high: Array, seeds: tuple[int, ...]) -> list[Structure]:
        some = self._model.ordinary.any() and (low < high).any()
        return close_structures(self._model, low, high, self._distances, seeds) if some else []

    def largest_jump(self) -> Jump | None:
        """Of the model's energy at the cut-off."""
        return largest_jump(self._model, self._fittings)

    def described(self) -> str:
        """What was looked at, for people."""
        frames = [f"{len(self._given)} frames of training data"] if self._given else []
        return " and ".join([*frames, f"{self._n_synthetic} synthetic structures"])
