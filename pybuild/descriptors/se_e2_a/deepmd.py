# SPDX-License-Identifier: MIT
"""se_e2_a in DeePMD-kit's tree."""

from __future__ import annotations

from ..deepmd import Tree, two_body_numbers, unsupported
from .descriptor import SeE2A


def make(tree: Tree, n_types: int) -> SeE2A:
    """Of its part of the tree. Raises UnsupportedModel, ReadError, ModelError."""
    numbers = two_body_numbers(tree, n_types, 4)
    mean, std = tree["@variables"]["davg"][:, 0], numbers["std"]
    if mean[:, 1:].any():
        raise unsupported(
            "a descriptor with a mean (davg) of the angular components other than 0", "one mean per component in the table file"
        )
    if (std[:, 1:] != std[:, 1:2]).any():
        raise unsupported(
            "a descriptor whose dstd differ between x, y and z", "one standard deviation per component in the table file"
        )
    return SeE2A(**numbers | {"std": std[:, :2]}, axis_neuron=tree["axis_neuron"])
