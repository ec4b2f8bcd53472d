# SPDX-License-Identifier: MIT
"""What all checks of a description share: each raises ModelError, naming the field."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..arrays import Array
from ..errors import ModelError

Pairs = frozenset[tuple[int, int]]


def own(owner: Any, dtype: type, *names: str) -> None:
    """Replace the named arrays of a frozen dataclass by read-only copies in C order; one that is that already is kept."""
    for name in names:
        value = getattr(owner, name)
        if value is not None:
            object.__setattr__(owner, name, _read_only(value, dtype, f"{type(owner).__name__}.{name}"))


def _read_only(value: Any, dtype: type, name: str) -> Any:
    kept = isinstance(value, np.ndarray) and value.dtype == dtype and value.flags.c_contiguous and not value.flags.writeable
    if kept and (value.base is None or (isinstance(value.base, np.ndarray) and not value.base.flags.writeable)):
        return value
    try:
        array: Any = np.array(value, dtype=dtype, order="C")
    except (TypeError, ValueError) as error:
        raise ModelError(f"{name}: not an array of numbers ({error})") from error
    array.setflags(write=False)
    return array


def require(condition: bool, field: str, problem: str) -> None:
    """Raise ModelError unless the condition holds."""
    if not condition:
        raise ModelError(f"{field} {problem}")


def is_integer(value: Any) -> bool:
    """A whole number that is no truth value."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def check_number(value: Any, field: str) -> None:
    """A finite number."""
    require(isinstance(value, (int, float)) and math.isfinite(value), field, f"is {value!r}, must be a finite number")


def check_array(array: Array, field: str, shape: tuple[int, ...]) -> None:
    """Finite numbers of a shape."""
    require(array.shape == shape, field, f"has shape {array.shape}, must be {shape}")
    require(bool(np.isfinite(array).all()), field, "holds numbers that are not finite")


def check_indices(indices: Any, field: str, shape: tuple[int, ...], count: int, least: int) -> None:
    """Indices (an array of integers) from least to count - 1."""
    require(indices.shape == shape, field, f"has shape {indices.shape}, must be {shape}")
    legal = bool(((indices >= least) & (indices < count)).all())
    require(legal, field, f"must hold indices of {least} to {count - 1}")


def check_pairs(pairs: Pairs, field: str, n_types: int) -> None:
    """Pairs of existing types, each with its reverse."""
    for pair in pairs:
        require(
            all(is_integer(t) and 0 <= t < n_types for t in pair) and len(pair) == 2,
            field,
            f"has {pair}, there are {n_types} types",
        )
        require((pair[1], pair[0]) in pairs, field, f"has {pair} but not its reverse")


def check_types(types: Iterable[int], field: str, n_types: int) -> None:
    """Existing types."""
    for t in types:
        require(is_integer(t) and 0 <= t < n_types, field, f"has {t!r}, there are {n_types} types")
