# SPDX-License-Identifier: MIT
"""Matrix products as matrix units of half precision would do them: each number is the sum of two or three halves, the products of
halves are summed in single precision. The units' own sums are taken at their worst: 16 products exactly, then cut to 24 bits."""

from __future__ import annotations

from functools import cached_property
from types import SimpleNamespace
from typing import Any

import numpy as np

from pybuild.arrays import Array
from pybuild.model.net import Net
from pybuild.oracles.parts import net_forward

BITS = 11  # of a half
DEPTH = 16  # products that a unit sums at once


def power_of_two(values: Array) -> Array:
    """At least the largest of the last axis, (.., 1)."""
    largest = np.abs(values).max(axis=-1, keepdims=True)
    return np.exp2(np.ceil(np.log2(np.where(largest > 0, largest, 1.0))))


def halves(values: Array, n: int) -> list[Array]:
    """n arrays of half precision: the k-th times 2^(-11 k), summed, are the values (absolutely at most 1) as far as it goes."""
    parts, rest = [], values.astype(np.float64)
    for _ in range(n):
        part = rest.astype(np.float16).astype(np.float64)
        parts.append(part)
        rest = (rest - part) * 2.0**BITS
    return parts


def cut(values: Array) -> Array:
    """To single precision, towards 0."""
    near = values.astype(np.float32)
    return np.where(np.abs(near) > np.abs(values), np.nextafter(near, np.float32(0)), near).astype(np.float64)


def multiply(x: Array, matrix: Array) -> Array:
    """x (n, k) and matrix (k, m) of halves."""
    deep = -(-x.shape[1] // DEPTH) * DEPTH
    rows = np.pad(x, ((0, 0), (0, deep - x.shape[1]))).reshape(len(x), -1, DEPTH).transpose(1, 0, 2)
    columns = np.pad(matrix, ((0, deep - len(matrix)), (0, 0))).reshape(-1, DEPTH, matrix.shape[1])
    total = np.zeros((len(x), matrix.shape[1]))
    for part in rows @ columns:
        total = cut(total + part)
    return total


class SplitMatrix:
    """A matrix (k, m) that multiplies by halves, n of them a number: products of the i-th and the j-th with i + j < n."""

    __array_ufunc__ = None  # x @ self is __rmatmul__

    def __init__(self, matrix: Array, n: int) -> None:
        self.matrix, self.n = matrix.astype(np.float32).astype(np.float64), n

    @cached_property
    def T(self) -> SplitMatrix:
        return SplitMatrix(self.matrix.T, self.n)

    @cached_property
    def parts(self) -> tuple[float, list[Array]]:
        scale = float(power_of_two(self.matrix.ravel())[0])
        return scale, halves(self.matrix / scale, self.n)

    def __rmatmul__(self, x: Array) -> Array:
        scale, parts = self.parts
        of_row = power_of_two(x)
        mine = halves((x / of_row).astype(np.float32), self.n)
        total = np.zeros((len(x), self.matrix.shape[1]))
        for order in reversed(range(self.n)):  # the smallest first
            for i in range(order + 1):
                total = cut(total + multiply(mine[i], parts[order - i]) * 2.0 ** (-BITS * order))
        return total * of_row * scale


class SplitNets:
    """net_forward of the oracles with hidden layers that multiply by n halves a number; net_reverse takes its tape."""

    def __init__(self, n: int) -> None:
        self.n = n
        self.matrices: dict[bytes, SplitMatrix] = {}

    def split(self, matrix: Array) -> SplitMatrix:
        key = matrix.tobytes()
        if key not in self.matrices:
            self.matrices[key] = SplitMatrix(matrix, self.n)
        return self.matrices[key]

    def forward(self, net: Net, x: Array) -> tuple[Array, Any]:
        *hidden, last = net.layers
        layers = [SimpleNamespace(**{**vars(layer), "weight": self.split(layer.weight)}) for layer in hidden]
        return net_forward(SimpleNamespace(layers=[*layers, last]), x)
