# SPDX-License-Identifier: MIT
"""Typed access to the sections of a file with the checks that all sections share, and the arrays to be written."""

from __future__ import annotations

import json
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from ...arrays import Array, IntArray
from ...errors import ModelError
from ..container import Container

NamedArray = tuple[str, NDArray[Any], bool]  # name, array, required


def fail(name: str, problem: str) -> NoReturn:
    raise ModelError(f"unusable table file: section '{name}': {problem}")


def require(condition: bool, name: str, problem: str) -> None:
    if not condition:
        fail(name, problem)


def require_at_most(name: str, value: int, most: int) -> None:
    """A limit of format 1: sizes and their products stay inside the integers of every evaluator."""
    require(value <= most, name, f"is {value}, format 1 allows at most {most}")


def require_evaluated(condition: bool, name: str, problem: str) -> None:
    """For what the format has and this version does not evaluate."""
    require(condition, name, f"{problem}, which this version does not evaluate; install a newer version")


def has_reciprocal(values: Any) -> bool:
    """Positive, and 1/value does not overflow."""
    with np.errstate(all="ignore"):
        return bool(np.all((np.asarray(values) > 0) & np.isfinite(1.0 / np.asarray(values))))


class Sections:
    """Remembers what was asked for, so that required sections nobody knows can be refused."""

    def __init__(self, container: Container, prefix: str = "", known: set[str] | None = None):
        """prefix: how the names of those that are meant begin; they are given without it."""
        self._container = container
        self._prefix = prefix
        self._known = set() if known is None else known

    def part(self, prefix: str) -> Sections:
        """Those whose names begin so."""
        return Sections(self._container, self._prefix + prefix, self._known)

    def has(self, name: str) -> bool:
        return self._prefix + name in self._container.sections

    def get(self, name: str, dtype: str, shape: tuple[int | None, ...]) -> NDArray[Any]:
        """The array; None leaves a dimension to the file. Floating point numbers must be finite."""
        require(self.has(name), name, "is missing")
        self._known.add(self._prefix + name)
        section = self._container.sections[self._prefix + name]
        info, array = section.info, section.array
        require(info.dtype == dtype, name, f"has dtype {info.dtype}, expected {dtype}")
        fits = len(info.shape) == len(shape) and all(want in (None, have) for have, want in zip(info.shape, shape, strict=True))
        expected = tuple("any" if want is None else want for want in shape)
        require(fits, name, f"has shape {info.shape}, expected {expected}")
        if dtype == "f64":
            require(bool(np.isfinite(array).all()), name, "has a number that is not finite")
        return array

    def f64(self, name: str, *shape: int | None) -> Array:
        return self.get(name, "f64", shape)

    def i32(self, name: str, *shape: int | None) -> IntArray:
        return self.get(name, "i32", shape)

    def number(self, name: str) -> float:
        return float(self.f64(name))

    def integer(self, name: str, least: int) -> int:
        value = int(self.i32(name))
        require(value >= least, name, f"is {value}, expected at least {least}")
        return value

    def code(self, name: str, last: int) -> int:
        """0 to ``last``."""
        value = self.integer(name, 0)
        require(value <= last, name, f"is {value}, expected 0 to {last}")
        return value

    def text(self, name: str) -> str:
        try:
            return self.get(name, "u8", (None,)).tobytes().decode()
        except UnicodeDecodeError as error:
            raise ModelError(f"unusable table file: section '{name}': byte {error.start} is not UTF-8 text") from error

    def refuse_unknown(self) -> None:
        for name, section in self._container.sections.items():
            unknown = section.info.required and name.startswith(self._prefix) and name not in self._known
            mine = name.removeprefix(self._prefix)
            require(not unknown, mine, "is required by the file but unknown to this version, or not of this model")


def as_f64(values: Any) -> NDArray[Any]:
    return np.asarray(values, dtype="<f8", order="C")


def as_i32(values: Any) -> NDArray[Any]:
    array = np.asarray(values)
    if array.dtype.kind not in "iu" or (array.size and not -(2**31) <= int(array.min()) <= int(array.max()) < 2**31):
        raise ModelError(f"expected integers of 32 bits, found {array.dtype} {values!r}")
    return np.asarray(array, dtype="<i4", order="C")


def as_text(text: str, name: str) -> NDArray[Any]:
    try:
        return np.frombuffer(text.encode(), dtype=np.uint8)
    except UnicodeEncodeError as error:
        raise ModelError(f"{name}: {text!r} cannot be written as UTF-8: {error}") from error


def as_json(value: dict[str, Any], name: str) -> NDArray[Any]:
    try:
        return np.frombuffer(json.dumps(value, allow_nan=False, indent=1).encode(), dtype=np.uint8)
    except (TypeError, ValueError) as error:
        raise ModelError(f"{name}: cannot be written as JSON: {error}") from error
