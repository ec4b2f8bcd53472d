# SPDX-License-Identifier: MIT
"""se_e2_r in DeePMD-kit's tree.

Its PyTorch back end knows no net per pair of types: it makes one per neighbour type, whatever type_one_side says. Files that
have more were trained by another back end, and PyTorch does not evaluate what was trained.
"""

from __future__ import annotations

from ..deepmd import DeepmdKind, Tree, two_body_numbers, unsupported
from .descriptor import SeE2R


def _make(tree: Tree, n_types: int) -> SeE2R:
    if tree["embeddings"]["ndim"] != 1 and n_types > 1:
        raise unsupported(
            "a PyTorch file of a two-sided se_e2_r (a net per pair of types, as TensorFlow trains them), of which DeePMD-kit's "
            "PyTorch back end ignores the centre's type,",
            "a file whose numbers are beyond doubt: train with type_one_side true",
        )
    return SeE2R(**two_body_numbers(tree, n_types, 1))


DEEPMD = DeepmdKind("se_e2_r", "DescrptSeR", "", make=_make)
