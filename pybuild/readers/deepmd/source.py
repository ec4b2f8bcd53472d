# SPDX-License-Identifier: MIT
"""A model in DeePMD-kit's tree, from whichever file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from ...descriptors.deepmd import Tree
from ...errors import InputError
from ...model.combined import AnyModel
from ...model.description import Provenance
from .combined import model_of_tree
from .facts import facts_of_tree
from .tree import has_open_padding, known_distance
from .tree_type import checked, members


class DeepmdSource:
    """readers/source.py: Source."""

    def __init__(
        self,
        format: str,
        tree: Tree,
        min_nbor_dist: float | None,
        padding_type: str | None = None,
        remarks: Sequence[str] = (),
    ) -> None:
        """tree: as a reader found it, is checked here; min_nbor_dist in angstrom, None or not positive: unknown; padding_type:
        source.Choices; remarks: ModelDescription."""
        self.format, self.tree, self.min_nbor_dist, self._padding_type = format, checked(tree), min_nbor_dist, padding_type
        self._remarks = tuple(remarks)

    def precision(self) -> str:
        """Type of the weights, the descriptors' and the fitting nets' where they differ."""
        parts = {
            name: {weight.dtype.name for part in _parts(self.tree, name) for weight in _weights(part)}
            for name in ("descriptor", "fitting")
        }
        both = sorted(set().union(*parts.values()))
        return both[0] if len(both) == 1 else ", ".join(f"{name} {'/'.join(sorted(types))}" for name, types in parts.items())

    def facts(self) -> dict[str, Any]:
        """What the tree says."""
        return {"min_nbor_dist": known_distance(self.min_nbor_dist), **facts_of_tree(self.tree)}

    def description(self, provenance: Provenance) -> AnyModel:
        """The validated description."""
        descriptors = (member for part in _parts(self.tree, "descriptor") for member in members(part))
        if self._padding_type is not None and not any(has_open_padding(tree) for tree in descriptors):
            raise InputError(
                f"--padding-type {self._padding_type}: is for DPA-1 with a mean (davg) and without smooth_type_embedding; "
                "this model has nothing that it chooses: leave it out"
            )
        model = model_of_tree(self.tree, self.min_nbor_dist, provenance, self._padding_type)
        return replace(model, remarks=(*self._remarks, *model.remarks))


def _parts(model: Tree, name: str) -> Iterator[Tree]:
    """The descriptors or fitting nets of a model and of those inside it."""
    if name in model:
        yield model[name]
    for inner in model.get("models", []):
        yield from _parts(inner, name)


def _weights(tree: Any) -> Iterator[Any]:
    """The matrices of all layers below, and the tables that a compressed model has instead."""
    if isinstance(tree, dict):
        if "table" in tree:
            yield tree["table"]["coef"]
        elif "layers" in tree:
            yield from (layer["@variables"]["w"] for layer in tree["layers"])
        else:
            for value in tree.values():
                yield from _weights(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from _weights(value)
