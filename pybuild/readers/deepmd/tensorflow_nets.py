# SPDX-License-Identifier: MIT
"""Layers of nets in a TensorFlow graph: weights by the names of their constants, activations by the operations that follow."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...descriptors.deepmd import Tree, unsupported
from ...errors import ReadError
from ...model.activations import GELU_CUBIC
from ..files.graphdef import Graph, Node

ACTIVATIONS = {
    "Tanh": "tanh", "Relu": "relu", "Relu6": "relu6", "Softplus": "softplus", "Sigmoid": "sigmoid", "GeluCustom": "gelu",
    "Gelu": "gelu",  # of 2.0
}  # fmt: skip
MOST_COPIES = 3  # one after the other, of a constant before it is used
ADDITIONS = ("BiasAdd", "Add", "AddV2")
# What takes the sums of a layer without activation: the time step, the skip connection, shapes, and what uses the net.
PLAIN_USERS = {
    "Reshape", "Shape", "Mul", "Add", "AddV2", "ConcatV2", "Identity", "Cast", "Slice", "Sub", "MatMul", "BatchMatMulV2",
    "BatchMatMul", "Pack", "Mean", "Squeeze",
}  # fmt: skip


def layer(graph: Graph, names: tuple[str, str, str], residual: bool, linear: bool = False) -> Tree:
    """A layer of DeePMD-kit's tree. names: constants of matrix, bias and time step, of which the last two may be missing;
    residual: whether it has a skip where the widths allow one; linear: the last one of a fitting net."""
    matrix, bias, idt = names
    weight = graph.constant(matrix)
    if weight.ndim != 2 or weight.dtype.kind != "f":
        raise ReadError(f"constant '{matrix}' is no matrix of numbers, but {weight.dtype} of shape {weight.shape}")
    _refuse_bfloat16(graph, matrix)
    return {
        "activation_function": None if linear else activation(graph, matrix, bias),
        "resnet": residual,
        "@variables": {"w": weight, "b": _row(graph, bias), "idt": _row(graph, idt) if residual else None},
    }


def _row(graph: Graph, name: str) -> NDArray[np.floating] | None:
    """A constant of shape (n) or (1, n), as older versions write it."""
    array = graph.optional(name)
    if array is not None and array.dtype.kind != "f":
        raise ReadError(f"constant '{name}' is not made of numbers, but {array.dtype}")
    if array is not None:
        _refuse_bfloat16(graph, name)
    return None if array is None else array.reshape(-1)


def _refuse_bfloat16(graph: Graph, name: str) -> None:
    if graph.is_bfloat16(name):
        raise unsupported(f"constant '{name}' with numbers of type bfloat16", "float32 or float64")


def activation(graph: Graph, matrix: str, bias: str) -> str:
    """DeePMD-kit's name of what is applied to x W + b. Raises UnsupportedModel for operations that are none of those known."""
    product = product_with(graph, matrix)
    if product is None:
        raise ReadError(f"nothing multiplies by the constant '{matrix}'; the file is damaged or of an unknown version")
    biases = set(_copies(graph, bias))
    additions = (user for user in graph.users.get(product.name, []) if user.op in ADDITIONS and biases & set(user.inputs))
    sums = next(additions, product)
    users = graph.users.get(sums.name, [])
    found = {ACTIVATIONS[user.op] for user in users if user.op in ACTIVATIONS}
    if "softplus" in found:  # whose gradient is a sigmoid
        found -= {"sigmoid"}
    known = set(ACTIVATIONS) | PLAIN_USERS
    for user in users:
        if user.op == "Pow":
            found, known = {_gelu(graph, user)}, known | {"Pow"}
            break
        if user.op == "Less":
            found, known = {_silut(graph, sums, user)}, known | {"Less"}
            break
        if user.op == "Mul" and _is_silu(graph, sums, user):
            found = {"silu"}
    unknown = {user.op for user in users if "Grad" not in user.op} - known
    if len(found) > 1 or unknown:
        listed = ", ".join(sorted(unknown | {user.op for user in users if user.op in ACTIVATIONS}))
        raise unsupported(f"the activation after '{matrix}' by the operations {listed}", "another activation")
    return found.pop() if found else "linear"


def _copies(graph: Graph, name: str) -> list[str]:
    """A constant, and what reads it or makes numbers of another type of it."""
    found, last = [name], [name]
    for _ in range(MOST_COPIES):
        users = (user for copy in last for user in graph.users.get(copy, []))
        last = list(dict.fromkeys(user.name for user in users if user.op in ("Identity", "Cast")))
        found += last
    return found


def product_with(graph: Graph, matrix: str) -> Node | None:
    """The product with a matrix, which may be one of other numbers than the matrix has."""
    return next((user for name in _copies(graph, matrix) for user in graph.users.get(name, []) if user.op == "MatMul"), None)


def narrow_products(graph: Graph) -> bool:
    """Whether some constant matrix is made one of other numbers before it is multiplied (mixed_precision of a training)."""
    return any(
        (product := product_with(graph, name)) is not None
        and any(graph.nodes[operand].op == "Cast" for operand in product.inputs if operand in _copies(graph, name)[1:])
        for name in graph.nodes
        if name.endswith("/matrix") and graph.is_constant(name)
    )


def _is_silu(graph: Graph, sums: Node, product: Node) -> bool:
    """x sigmoid(x): the product takes the sums and their sigmoid, which may be that of 1 times the sums."""
    sigmoids = [graph.nodes[name] for name in product.inputs if name in graph.nodes and graph.nodes[name].op == "Sigmoid"]
    return any(_argument(graph, sigmoid.inputs[0]) == sums.name for sigmoid in sigmoids if sigmoid.inputs)


def _silut(graph: Graph, sums: Node, less: Node) -> str:
    """x sigmoid(x) where x < T, and tanh(c (x - T)) + T sigmoid(T) beyond it: c follows from T, DeePMD-kit's threshold."""
    thresholds = {
        scalar(graph, user.inputs[1])
        for user in graph.users.get(sums.name, [])
        if user.op in ("Less", "Sub") and len(user.inputs) == 2 and user.inputs[0] == sums.name
    }
    selects = (user for user in graph.users.get(less.name, []) if user.op in ("Select", "SelectV2") and len(user.inputs) == 3)
    below = [
        graph.nodes[select.inputs[1]]
        for select in selects
        if select.inputs[1] in graph.nodes and not any(_is_zero(graph, name) for name in select.inputs[1:])  # of gradients
    ]
    if len(thresholds) == 1 and None not in thresholds and below and all(_is_silu(graph, sums, node) for node in below):
        return f"silut:{thresholds.pop()!r}"
    raise unsupported(f"an activation with the operation '{less.name}', which is not that of silut", "another activation")


def _is_zero(graph: Graph, name: str) -> bool:
    node = graph.nodes.get(name)
    return node is not None and (node.op == "ZerosLike" or scalar(graph, name) == 0.0)


def _argument(graph: Graph, name: str) -> str:
    node = graph.nodes.get(name)
    if node is not None and node.op == "Mul" and len(node.inputs) == 2:
        for factor, rest in (node.inputs, node.inputs[::-1]):
            if scalar(graph, factor) == 1.0:
                return rest
    return name


def _gelu(graph: Graph, power: Node) -> str:
    """x/2 (1 + tanh(sqrt(2/pi) (x + c x^3))): the constant c differs between versions, by rounding to float32."""
    exponent = scalar(graph, power.inputs[1]) if len(power.inputs) == 2 else None
    for product in graph.users.get(power.name, []):
        for name in product.inputs:
            cubic = None if name == power.name else scalar(graph, name)
            if exponent == 3.0 and product.op == "Mul" and cubic is not None and 0.044 < cubic < 0.045:
                return "gelu" if cubic == GELU_CUBIC else f"gelu:{cubic!r}"
    raise unsupported(f"an activation with the operation '{power.name}', which is not that of gelu", "another activation")


def scalar(graph: Graph, name: str) -> float | None:
    """A constant of one number, behind conversions between types of numbers."""
    node = graph.nodes.get(name)
    for _ in range(2):
        if node is None or node.op not in ("Cast", "Identity") or not node.inputs:
            break
        node = graph.nodes.get(node.inputs[0])
    if node is None or node.op != "Const":
        return None
    value = graph.constant(node.name)
    return float(value.reshape(-1)[0]) if value.size == 1 and value.dtype.kind == "f" else None
