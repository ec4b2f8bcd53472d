# SPDX-License-Identifier: MIT
"""The type embeddings of DPA-1: vectors of numbers that a net makes of the type, or of the electrons of the element."""

from __future__ import annotations

import numpy as np

from ...arrays import Array
from ...errors import ReadError
from ...model.net import check_net
from ..deepmd import Tree, net_of_tree, unsupported


def type_embedding(tree: Tree, n_types: int) -> Array:
    """(N, n) of every type."""
    net, inputs = net_of_tree(tree["embedding"], "type embedding"), np.eye(n_types)
    if tree["use_econf_tebd"]:
        inputs = tree["econf_tebd"]
        if inputs is None:
            raise unsupported(
                "a type embedding of electron configurations (use_econf_tebd) in a file that does not have them",
                "the frozen model (.pth), which has",
            )
    if inputs.ndim != 2 or len(inputs) != n_types:
        raise ReadError(f"the electron configurations of {n_types} types have shape {inputs.shape}; the file is damaged")
    check_net(net, "descriptor.type_embedding", inputs.shape[1])
    return net.forward(inputs.astype(np.float64))[0]
