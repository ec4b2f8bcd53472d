# SPDX-License-Identifier: MIT
"""What the kinds share where DeePMD-kit's tree of a model becomes a descriptor (docs/deepmd-tree.md says what the tree is)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array, IntArray
from ..errors import ModelError, ReadError, UnsupportedModel
from ..model.activations import parse
from ..model.net import Layer, Net, Skip

Tree = dict[str, Any]
SUPPORTED = "energy models with descriptor se_e2_a or se_e2_r and fitting net ener"


def unsupported(what: str, needs: str) -> UnsupportedModel:
    """The error for a sound model with a feature that is not supported."""
    return UnsupportedModel(f"{what} is not supported; it needs {needs}. Supported: {SUPPORTED}")


def two_body_numbers(tree: Tree, n_types: int, n_components: int) -> dict[str, Any]:
    """What every kind of descriptors/two_body.py has, but std; n_components of the stored statistics."""
    sel = tuple(tree["sel"])
    networks = tree["embeddings"]["networks"]
    one_sided = tree["embeddings"]["ndim"] == 1
    expected = n_types if one_sided else n_types**2
    if len(networks) != expected:
        raise ReadError(f"{len(networks)} embedding nets for {n_types} types: {expected} are needed")
    mean, std = slot_statistics(tree["@variables"], n_types, sum(sel), n_components)
    return {
        "rcut": tree["rcut"],
        "rcut_smth": tree["rcut_smth"],
        "env_protection": tree["env_protection"],
        "sel": sel,
        "n_sel": sum(sel),
        "mean": mean[:, 0].astype(np.float64),
        "std": std.astype(np.float64),
        "nets": tuple(net_of_tree(net, "descriptor") for net in networks),
        "net_of": net_indices(n_types, one_sided),
        "excluded": symmetric(tree["exclude_types"]),
        "exclusion": tree["exclusion"],
    }


def net_indices(n_types: int, one_sided: bool) -> IntArray:
    """(N, N) the index of the net of centre a and neighbour b in DeePMD-kit's order."""
    a, b = np.indices((n_types, n_types))
    return (b if one_sided else a + b * n_types).astype(np.int32)


def symmetric(pairs: Any) -> frozenset[tuple[int, int]]:
    """Pairs of types with their reverses."""
    return frozenset(pair for a, b in pairs for pair in ((a, b), (b, a)))


def slot_statistics(variables: Tree, n_types: int, n_slots: int, n_components: int) -> tuple[Array, Array]:
    """mean and std (N, components) from the per-slot arrays davg and dstd (N, n_slots, components), whose slots must agree."""
    found = []
    for name in ("davg", "dstd"):
        array = variables[name]
        if array.shape != (n_types, n_slots, n_components) or n_slots == 0:
            raise ReadError(
                f"descriptor statistics {name} have shape {array.shape}, must be ({n_types}, {n_slots}, {n_components})"
            )
        if not np.isfinite(array).all():
            raise ReadError(f"descriptor statistics {name} hold numbers that are not finite")
        if (array != array[:, :1, :]).any():  # computed once per type and copied to its slots: the very same numbers
            raise unsupported(
                f"a descriptor whose {name} differ between the slots of one type", "statistics per slot in the table file"
            )
        found.append(array[:, 0])
    return found[0], found[1]


def net_of_tree(tree: Tree, where: str) -> Net:
    """where: which part of the model it belongs to, for messages."""
    return Net(tuple(_layer(layer, where) for layer in tree["layers"]))


def _layer(tree: Tree, where: str) -> Layer:
    """DeePMD-kit's rule for the skip: wherever the layer is residual and its width is the input's, or twice that."""
    variables = tree["@variables"]
    weight = variables["w"]
    if weight.ndim != 2:
        raise ReadError(f"the matrix of a layer has shape {weight.shape}, must be (inputs, outputs)")
    n_in, n_out = weight.shape
    skip = Skip.of_widths(n_in, n_out) if tree["resnet"] else Skip.NONE
    try:
        activation = parse(tree["activation_function"])
    except ModelError as error:
        raise ModelError(f"{where}: {error}") from error
    bias = variables["b"] if variables["b"] is not None else np.zeros(n_out)
    return Layer(weight, bias, variables["idt"], activation, skip)
