# SPDX-License-Identifier: MIT
"""What a file of PWMLFF or MatPL holds of a model, whichever kind of file it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from ...arrays import Array
from ...errors import ReadError, UnsupportedModel
from .elements import symbol


@dataclass(frozen=True)
class Weights:
    """Of one layer: matrix (inputs, outputs), bias and factor of the activation (1, outputs)."""

    weight: NDArray[Any]
    bias: NDArray[Any] | None
    resnet_dt: NDArray[Any] | None


Layers = tuple[Weights, ...]


@dataclass(frozen=True)
class Parts:
    """Lengths in angstrom; n elements, N slots for the neighbours of each."""

    format: str
    numbers: tuple[int, ...]  # (n,) atomic numbers; all else is in their order
    rmax: float
    rmin: float
    m2: int
    max_neighbours: int  # N
    davg: NDArray[Any]  # (n, N n 4)
    dstd: NDArray[Any]
    embedding: tuple[Layers, ...]  # n^2, centre by centre; with a type embedding the one that is evaluated
    fitting: tuple[Layers, ...]  # (n,)
    properties: tuple[str, ...]  # of the type embedding; none without one, or where the file holds the vectors alone
    vectors: Array | None  # (n, properties) of the type embedding
    largest_s: float | None  # 1/angstrom, of all pairs of the training data
    compressed: bool


def check_elements(numbers: list[int], where: str) -> tuple[int, ...]:
    """Distinct atomic numbers of elements."""
    if not numbers:
        raise ReadError(f"{where} is empty")
    names = [symbol(number) for number in numbers]
    if len(set(names)) != len(names):
        raise UnsupportedModel(f"{where} names an element twice: {' '.join(names)}")
    return tuple(numbers)


def used_embedding(nets: list[Layers], n: int, with_types: bool) -> tuple[Layers, ...]:
    """The embedding nets that are evaluated: with a type embedding the last one, the net of the types before it is not."""
    wanted = (1, 2) if with_types else (n * n,)
    if len(nets) not in wanted:
        raise ReadError(f"{len(nets)} embedding nets for {n} elements: {wanted[-1]} are needed; the file is damaged")
    return (nets[-1],) if with_types else tuple(nets)
