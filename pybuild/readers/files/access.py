# SPDX-License-Identifier: MIT
"""Typed access to what a file says: each function returns a value of the kind asked for or raises ReadError with its place."""

from __future__ import annotations

from typing import Any

from ...errors import ReadError


def number(value: Any, where: str) -> float:
    """A float; integers are taken too."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or (isinstance(value, int) and abs(value) >= 2**53):
        raise _wrong(value, where, "a number")
    return float(value)


def integer(value: Any, where: str) -> int:
    """An int of at most 63 bits."""
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= 2**63:
        raise _wrong(value, where, "an integer")
    return value


def flag(value: Any, where: str) -> bool:
    """A bool."""
    if not isinstance(value, bool):
        raise _wrong(value, where, "true or false")
    return value


def text(value: Any, where: str) -> str:
    """A str."""
    if not isinstance(value, str):
        raise _wrong(value, where, "a text")
    return value


def sequence(value: Any, where: str) -> list[Any]:
    """A list, also from a tuple."""
    if not isinstance(value, (list, tuple)):
        raise _wrong(value, where, "a list")
    return list(value)


def mapping(value: Any, where: str) -> dict[Any, Any]:
    """A dict."""
    if not isinstance(value, dict):
        raise _wrong(value, where, "a dictionary")
    return value


def integers(value: Any, where: str) -> list[int]:
    """A list of int."""
    return [integer(v, where) for v in sequence(value, where)]


def type_pairs(value: Any, where: str) -> list[tuple[int, int]]:
    """A list of pairs of int."""
    pairs = [integers(v, where) for v in sequence(value, where)]
    if any(len(pair) != 2 for pair in pairs):
        raise ReadError(f"{where}: pairs of types are needed")
    return [(pair[0], pair[1]) for pair in pairs]


def type_names(value: Any, where: str) -> list[str]:
    """A list of str, not empty."""
    names = [text(v, where) for v in sequence(value, where)]
    if not names:
        raise ReadError(f"{where} is empty")
    return names


def member(mapping_: dict[Any, Any], key: Any, where: str) -> Any:
    """mapping_[key]"""
    if key not in mapping_:
        raise ReadError(f"{where}{'.' if where else ''}{str(key)[:80]} is missing; the file is damaged or of an unknown version")
    return mapping_[key]


def _wrong(value: Any, where: str, wanted: str) -> ReadError:
    shown = f"{value!r:.40}" if isinstance(value, (str, float, bool)) or value is None else f"of type {type(value).__name__}"
    return ReadError(f"{where} is {shown}, must be {wanted}; the file is damaged or of an unknown version")
