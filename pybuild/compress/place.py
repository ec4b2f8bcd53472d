# SPDX-License-Identifier: MIT
"""One descriptor of a model, whose columns and products are to be chosen: its place in the fitting nets.

Of several descriptors each is chosen by itself, while the fitting nets take all columns of the others. A place is what all rounds
of a choice have in common: what does not depend on the goal is found once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..arrays import Array, IntArray
from ..model.description import ModelDescription
from .environment import Pair
from .evaluation import Fitting, WeightedInput, direct_part, fitting_of
from .lowrank import Basis
from .truncation import Cases, first_layer_gradients


@dataclass(frozen=True)
class Place:
    """bases: of all descriptors; d: which one is chosen; cases: what the choice is measured on; pair_table (N, N): the table of
    each pair of types."""

    model: ModelDescription
    bases: Mapping[Pair, Basis]
    d: int
    cases: Cases
    pair_table: IntArray

    @property
    def descriptor(self) -> Any:
        """Descriptor, of a kind whose fields the caller knows."""
        return self.model.descriptors[self.d]

    @property
    def types(self) -> list[int]:
        """Centre types."""
        return self.model.active_types

    @cached_property
    def own_bases(self) -> dict[Pair, Basis]:
        """Of this descriptor."""
        return {pair: basis for pair, basis in self.bases.items() if pair[0] == self.d}

    def bases_around(self, a: int) -> dict[int, Basis]:
        """Of this descriptor, by neighbour type of a centre of type a."""
        return {b: basis for (_, centre, b), basis in self.own_bases.items() if centre == a}

    def n_out(self, a: int) -> int:
        """Width of the first layer."""
        return int(self.model.fitting.net(a).layers[0].weight.shape[1])

    def weight(self, a: int) -> Array:
        """The rows of the first layer's weight for the numbers of this descriptor."""
        return self.model.fitting.net(a).layers[0].weight[self.model.inputs(a)[self.d]]

    def whole(self, a: int) -> Fitting:
        """The fitting net on all columns of all descriptors."""
        return self._whole[a]

    def first_layer_gradients(self, which: str, a: int) -> Array:
        """dE/dz (n, n_out) of the first layer's sum z around all centres of type a, with all columns; which: field of Cases."""
        if (which, a) not in self._gradients:
            self._gradients[which, a] = first_layer_gradients(getattr(self.cases, which), self.whole(a), a)
        return self._gradients[which, a]

    def order(self, which: str) -> list[int]:
        """In which searches look at cases, one for all searches (trials.Trials); which: field of Cases."""
        return self._orders.setdefault(which, list(range(len(getattr(self.cases, which)))))

    def fittings(self, parts: Mapping[int, WeightedInput]) -> dict[int, Fitting]:
        """The fitting nets on parts of this descriptor, by centre type."""
        out = {}
        for a, part in parts.items():
            all_parts = list(self._whole_parts[a])
            all_parts[self.d] = part
            out[a] = fitting_of(self.model, a, all_parts)
        return out

    @cached_property
    def _whole(self) -> dict[int, Fitting]:
        return {a: fitting_of(self.model, a, parts) for a, parts in self._whole_parts.items()}

    @cached_property
    def _orders(self) -> dict[str, list[int]]:
        return {}

    @cached_property
    def _gradients(self) -> dict[tuple[str, int], Array]:
        return {}

    @cached_property
    def _whole_parts(self) -> dict[int, list[WeightedInput]]:
        vectors = {pair: basis.vectors for pair, basis in self.bases.items()}
        n = len(self.model.descriptors)
        return {a: [direct_part(self.model, d, a, vectors) for d in range(n)] for a in self.types}
