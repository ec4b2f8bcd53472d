# SPDX-License-Identifier: MIT
"""se_e2_r in DeePMD-kit's tree."""

from __future__ import annotations

from ..deepmd import Tree, two_body_numbers
from .descriptor import SeE2R


def make(tree: Tree, n_types: int) -> SeE2R:
    """Of its part of the tree. Raises UnsupportedModel, ReadError, ModelError."""
    return SeE2R(**two_body_numbers(tree, n_types, 1))
