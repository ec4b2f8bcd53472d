# SPDX-License-Identifier: MIT
"""se_e3 in DeePMD-kit's tree: a net for every ordered pair of neighbour types, of which those in order of the types are used."""

from __future__ import annotations

import numpy as np

from ...arrays import IntArray
from ...errors import ReadError
from ..deepmd import Tree, one_per_centre, two_body_numbers
from .descriptor import SeE3


def make(tree: Tree, n_types: int) -> SeE3:
    """The descriptor of its part of the tree."""
    if n_types > 1 and tree["embeddings"]["ndim"] != 2:
        raise ReadError(f"se_e3 with {tree['embeddings']['ndim']} types per embedding net: 2 are needed")
    numbers = two_body_numbers(tree, n_types, 4)
    _, std = one_per_centre(tree["@variables"]["davg"][:, 0], numbers["std"])
    used = _nets_in_order(n_types)
    if any(tree["embeddings"]["networks"][k] is None for k in used):
        raise ReadError("se_e3 without the embedding net of some pair of types; the file is damaged")
    nets = tuple(numbers["nets"][numbers["net_of"][k % n_types, k // n_types]] for k in used)
    return SeE3(**numbers | {"std": std, "nets": nets, "net_of": _places(used, n_types)})


def _nets_in_order(n_types: int) -> list[int]:
    """DeePMD-kit's index of the nets of neighbour types a <= b."""
    return [a + b * n_types for a in range(n_types) for b in range(a, n_types)]


def _places(used: list[int], n_types: int) -> IntArray:
    """(N, N) the net of two neighbour types in any order."""
    net_of = np.empty((n_types, n_types), dtype=np.int32)
    for place, index in enumerate(used):
        b, a = divmod(index, n_types)
        net_of[a, b] = net_of[b, a] = place
    return net_of
