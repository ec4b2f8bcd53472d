# SPDX-License-Identifier: MIT
"""The kinds that there are, by DeePMD-kit's name: what makes a descriptor of its part of the tree and the number of types."""

from __future__ import annotations

from collections.abc import Callable

from ..arrays import Array
from ..model.descriptor import Descriptor
from .deepmd import Tree
from .dpa1.deepmd import appended as dpa1_appended
from .dpa1.deepmd import make as dpa1
from .se_e2_a.deepmd import make as se_e2_a
from .se_e2_r.deepmd import make as se_e2_r
from .se_e3.deepmd import make as se_e3
from .se_e3_tebd.deepmd import make as se_e3_tebd

MAKERS: dict[str, Callable[[Tree, int], Descriptor]] = {
    "se_e2_a": se_e2_a,
    "se_e2_r": se_e2_r,
    "se_e3": se_e3,
    "se_e3_tebd": se_e3_tebd,
    "dpa1": dpa1,
}
# (tree, number of types) -> (N, n) constants of the centre's type that stand behind the numbers of a descriptor.
APPENDED: dict[str, Callable[[Tree, int], Array]] = {"dpa1": dpa1_appended, "se_e3_tebd": dpa1_appended}
