# SPDX-License-Identifier: MIT
"""se_e2_a in DeePMD-kit's tree."""

from __future__ import annotations

from ...arrays import Array
from ..deepmd import Tree, two_body_numbers, unsupported
from .descriptor import SeE2A


def make(tree: Tree, n_types: int) -> SeE2A:
    """Of its part of the tree. Raises UnsupportedModel, ReadError, ModelError."""
    numbers = two_body_numbers(tree, n_types, 4)
    _, std = one_per_centre(tree["@variables"]["davg"][:, 0], numbers["std"])
    return SeE2A(**numbers | {"std": std}, axis_neuron=tree["axis_neuron"])


def one_per_centre(mean: Array, std: Array) -> tuple[Array, Array]:
    """mean (N,) of s(r), and std (N, 2) of it and of the angular components, of all four components (N, 4)."""
    if mean[:, 1:].any():
        raise unsupported(
            "a descriptor with a mean (davg) of the angular components other than 0", "one mean per component in the table file"
        )
    if (std[:, 1:] != std[:, 1:2]).any():
        raise unsupported(
            "a descriptor whose dstd differ between x, y and z", "one standard deviation per component in the table file"
        )
    return mean[:, 0], std[:, :2]
