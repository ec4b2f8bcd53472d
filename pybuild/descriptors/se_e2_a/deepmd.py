# SPDX-License-Identifier: MIT
"""se_e2_a in DeePMD-kit's tree."""

from __future__ import annotations

from ..deepmd import Tree, one_per_centre, two_body_numbers
from .descriptor import SeE2A


def make(tree: Tree, n_types: int) -> SeE2A:
    """Of its part of the tree. Raises UnsupportedModel, ReadError, ModelError."""
    numbers = two_body_numbers(tree, n_types, 4)
    _, std = one_per_centre(tree["@variables"]["davg"][:, 0], numbers["std"])
    return SeE2A(**numbers | {"std": std}, axis_neuron=tree["axis_neuron"])
