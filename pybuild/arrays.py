# SPDX-License-Identifier: MIT
"""Types of NumPy arrays that all parts share, and parameters as users give them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import InputError

Array = NDArray[np.float64]
IntArray = NDArray[np.integer[Any]]
BoolArray = NDArray[np.bool_]
Index = NDArray[np.int64]


def real_array(name: str, values: ArrayLike) -> Array:
    """Of any shape, in the order of C. Raises InputError for what is no array of real numbers."""
    try:
        given = np.asarray(values)
        if given.dtype.kind == "c":
            raise TypeError(f"they are {given.dtype}")
        return np.asarray(given, dtype=np.float64, order="C")
    except (TypeError, ValueError) as error:
        raise InputError(f"{name}: expected real numbers: {error}") from error


def checked_parameters(name: str, values: ArrayLike | None, shape: tuple[int, ...]) -> Array:
    """Finite numbers of that shape; none where the model takes none. Raises InputError."""
    if values is None and shape[-1] == 0:
        return np.zeros(shape)
    what = "frame parameters, one set for all atoms" if name == "fparam" else "atomic parameters, one set an atom"
    if values is None:
        raise InputError(f"the model takes {shape[-1]} {what}: give {name}, of shape {shape}")
    array = real_array(name, values)
    if array.shape != shape:
        raise InputError(f"{name} has the shape {array.shape}: expected finite numbers of shape {shape}, {what}")
    if not np.isfinite(array).all():
        place = tuple(np.argwhere(~np.isfinite(array))[0].tolist())
        raise InputError(f"{name}[{', '.join(map(str, place))}] is {array[place]}: expected finite numbers")
    return array
