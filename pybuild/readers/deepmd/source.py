# SPDX-License-Identifier: MIT
"""A model in DeePMD-kit's tree, from whichever file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...descriptors.deepmd import Tree
from ...errors import UnsupportedModel
from ...model.description import ModelDescription, Provenance
from .facts import facts_of_tree
from .tree import description_of_tree


@dataclass(frozen=True)
class DeepmdSource:
    """readers/source.py: Source."""

    format: str
    tree: Tree
    min_nbor_dist: float | None  # angstrom; None or not positive: unknown

    def precision(self) -> str:
        """Type of the weights, the descriptor's and the fitting net's where they differ."""
        embeddings, nets = self.tree["descriptor"]["embeddings"], self.tree["fitting"]["nets"]
        parts = {"descriptor": _types_of(embeddings), "fitting": _types_of(nets)}
        both = sorted(set().union(*parts.values()))
        return both[0] if len(both) == 1 else ", ".join(f"{name} {'/'.join(sorted(types))}" for name, types in parts.items())

    def facts(self) -> dict[str, Any]:
        """What the tree says."""
        return facts_of_tree(self.tree)

    def description(self, provenance: Provenance) -> ModelDescription:
        """The validated description."""
        return description_of_tree(self.tree, self.min_nbor_dist, provenance)


def _types_of(collection: Tree) -> set[str]:
    layers: list[dict[str, Any]] = [layer for net in collection["networks"] for layer in net["layers"]]
    types = {np.dtype(layer["@variables"]["w"].dtype).name for layer in layers}
    for name in types - {"float64", "float32"}:
        raise UnsupportedModel(f"weights of type {name} are not supported; float32 or float64 is needed")
    return types
