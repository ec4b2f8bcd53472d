# SPDX-License-Identifier: MIT
"""Descriptors with a type embedding of a TensorFlow graph as DeePMD-kit's tree: se_atten and se_atten_v2 without attention, whose
slots all types share, and se_e2_a (se_a_ebd_v2 among them), whose types have slots of their own.

One net for all types, in scope `filter_type_all`, takes [x, E_j, E_i] (concat) or x alone (strip). With strip a second one,
`.._two_side_ebd` of [E_j, E_i] or `.._one_side_ebd` of E_j, makes factors of the types, which a compressed model has as numbers.
E comes from `type_embed_net`; that of an empty slot is zero.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...descriptors.deepmd import Tree, unsupported
from ...errors import ReadError
from ..files.graphdef import Graph, Node
from .tensorflow_descriptor import MIXED, THROUGH, Member, common_tree, excluded_by_words, net_of_scope, table_of, table_ops
from .tensorflow_nets import product_with, scalar
from .tree_type import is_off

EMBEDDING = "type_embed_net"
SIDES = {"_two_side_ebd": False, "_one_side_ebd": True}  # suffix of the nets of types, whether they see one type only


def type_embedding(graph: Graph) -> Tree | None:
    """That of the model, which stands behind the numbers of all its descriptors once; None where it has none."""
    net = net_of_scope(graph, EMBEDDING, "")
    if net is None:
        return None
    electrons = _electrons(graph)
    return {"embedding": net, "use_econf_tebd": electrons is not None, "econf_tebd": electrons}


def _electrons(graph: Graph) -> NDArray[Any] | None:
    """The electron configurations (N, n) that its net takes; None where its inputs are made of the numbers of the types."""
    node = product_with(graph, f"{EMBEDDING}/matrix_1")
    for _ in range(8):
        if node is None or node.op not in ("MatMul", *THROUGH) or not node.inputs:
            break
        node = graph.nodes.get(node.inputs[0])
    return graph.constant(node.name) if node is not None and node.op == "Const" else None


def tree_with_types(member: Member, script: dict[Any, Any] | None, alone: bool) -> Tree:
    """As tensorflow_descriptor.descriptor_tree."""
    graph, scope, n = member.graph, member.shared, member.n_types
    embedding = type_embedding(graph)
    if embedding is None:
        raise ReadError(f"the graph has no type embedding ({EMBEDDING}/matrix_1); the file is damaged or of an unknown version")
    sides = [suffix for suffix in SIDES if graph.is_constant(f"{scope}/matrix_1{suffix}")]
    factors = graph.optional(f"{scope}/embedding_lookup/params_0")
    ops = table_ops(member, scope)
    net = net_of_scope(graph, scope, "") or (table_of(graph, ops[0], False) if len(ops) == 1 else None)
    if net is None or len(sides) > 1 or (ops and (factors is None or factors.ndim != 2)):
        raise ReadError(f"the graph has no embedding net in '{scope}', or several; the file is damaged or of an unknown version")
    strip = bool(sides or ops)
    numbers = factors if ops else None
    one_sided = SIDES[sides[0]] if sides else _sees_one(net, embedding["embedding"]) if numbers is None else len(numbers) == n + 1
    common = common_tree(member, excluded_by_words(member, script, alone))
    smooth, radius = _smooth(member, script)
    if strip and smooth and radius is None:
        raise ReadError("the graph has no switch for its type embedding; the file is damaged or of an unknown version")
    _refuse_slanted(member, common, smooth)
    return common | {
        "type": "dpa1",
        "exclusion": "slots" if member.op.op == MIXED else "section",
        "sel": sum(member.sel),
        "sections": None if member.op.op == MIXED else member.sel,
        "embeddings": {"ndim": 0, "networks": [net]},
        "embeddings_strip": {"ndim": 0, "networks": [net_of_scope(graph, scope, sides[0])]} if sides else None,
        "type_factors": numbers,
        "tebd_input_mode": "strip" if strip else "concat",
        "type_one_side": one_sided,
        "smooth_type_embedding": smooth,
        "switch_radius": radius,
        "padding_type": n,
        "attn_layer": 0,
        "concat_output_tebd": False,
        "type_embedding": embedding,
    }


def _sees_one(net: Tree, embedding: Tree) -> bool:
    """Of concat: how many numbers the net takes."""
    n_in, n_types = (len(part["layers"][0]["@variables"]["w"]) for part in (net, embedding))
    width = embedding["layers"][-1]["@variables"]["w"].shape[1]
    if n_in not in (1 + width, 1 + 2 * width):
        raise ReadError(f"the embedding net takes {n_in} numbers, the types ({n_types}) have {width}; the file is damaged")
    return bool(n_in == 1 + width)


def _smooth(member: Member, script: dict[Any, Any] | None) -> tuple[bool, float | None]:
    """Whether factors of the types are switched off at the cut-off, and the radius r where the switch 1 - (1 - r s)^3 begins,
    angstrom; a graph has no switch that nothing asks for."""
    radii = {
        radius
        for node in member.graph.nodes.values()
        if (radius := _switch_radius(member.graph, node)) is not None and member.has(node.name)
    }
    if len(radii) > 1:
        raise unsupported("a graph with several switches of type embeddings", "knowing which descriptor has which")
    said = script is not None and (script.get("type") == "se_atten_v2" or not is_off(script.get("smooth_type_embedding")))
    return said or bool(radii), next(iter(radii), None)


def _switch_radius(graph: Graph, node: Node) -> float | None:
    """r of a node that is u = 1 - r s, where -u is multiplied by u."""
    if node.op != "Sub" or len(node.inputs) != 2 or scalar(graph, node.inputs[0]) != 1.0:
        return None
    if not any(user.op == "Neg" for user in graph.users.get(node.name, [])):
        return None
    product = graph.nodes.get(node.inputs[1])
    if product is None or product.op != "Mul":
        return None
    return next((r for name in product.inputs if (r := scalar(graph, name)) is not None), None)


def _refuse_slanted(member: Member, tree: Tree, smooth: bool) -> None:
    """The row of an excluded neighbour is (mean, mean, mean, mean) in DeePMD-kit, which points somewhere."""
    means: NDArray[Any] = tree["@variables"]["davg"][:, :, 0]
    if smooth and tree["exclude_types"] and np.any(means):
        raise unsupported(
            "a smooth type embedding with exclude_types and a mean (davg) that is not 0: in DeePMD-kit an excluded neighbour "
            "has the row (mean, mean, mean, mean), so that energies change where atoms are turned and jump at the cut-off; this",
            "a model that was trained with set_davg_zero",
        )
