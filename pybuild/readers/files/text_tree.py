# SPDX-License-Identifier: MIT
"""Texts of nested dictionaries, lists and numbers: JSON and the plain part of YAML, in bounded depth and length of numbers.

YAML is taken event by event. Tags are refused, so that nothing is run; aliases stand for short values only, such as a list of
types, so that none grows beyond the file. Plain words are null, true, false, a number or a text; "no" and "yes" are texts (No is
an element).
"""

from __future__ import annotations

import copy
import json
import math
import re
from dataclasses import dataclass
from typing import Any

from ...errors import InputError, ReadError

MAX_DEPTH = 100
MAX_SHARED = 1000  # values in what an alias stands for
MAX_DIGITS = 400  # of a number; 1e308 written out has 309
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_INTEGER = re.compile(r"[-+]?\d+")
_WORDS = {
    "": None, "~": None, "null": None, "true": True, "false": False, ".inf": math.inf, "-.inf": -math.inf, ".nan": math.nan,
}  # fmt: skip


def decode(data: bytes) -> str:
    """UTF-8 text."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ReadError(f"is no text in UTF-8 (byte {error.start}); the file is damaged") from error


def loads_json(text: str) -> Any:
    """What a JSON text says. Raises ReadError."""
    try:
        return json.loads(text, parse_int=_integer, parse_float=_float, object_pairs_hook=_dictionary)
    except (ValueError, RecursionError) as error:
        raise ReadError(f"is not JSON ({str(error)[:100]}); the file is damaged") from error


def _integer(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise ReadError(f"a number has {len(text)} digits; the file is damaged")
    return int(text)


def _float(text: str) -> float:
    if len(text) > MAX_DIGITS:
        raise ReadError(f"a number has {len(text)} digits; the file is damaged")
    return float(text)


def _dictionary(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ReadError("a key stands twice in one dictionary; the file is damaged")
    return made


def loads_yaml(text: str) -> Any:
    """What a YAML text says. Raises ReadError; InputError where PyYAML is not installed."""
    try:
        import yaml
    except ImportError as error:
        raise InputError("is a YAML file, which needs PyYAML: pip install 'dpcompressed[deepmd]'") from error
    builder = _Builder()
    try:
        for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            builder.take(event, type(event).__name__)
    except yaml.YAMLError as error:
        raise ReadError(f"is not YAML ({' '.join(str(error).split())[:100]}); the file is damaged") from error
    return builder.value()


class _Builder:
    """Makes the value of YAML's events, without recursion."""

    def __init__(self) -> None:
        self._stack: list[_Open] = []
        self._shared: dict[str, tuple[Any, int]] = {}  # by anchor, once it is closed: the value, how many values are in it
        self._count = 0  # of values made so far
        self._documents: list[Any] = []

    def value(self) -> Any:
        if len(self._documents) != 1:
            raise ReadError(f"has {len(self._documents)} YAML documents instead of one; the file is damaged")
        return self._documents[0]

    def take(self, event: Any, kind: str) -> None:
        if kind == "ScalarEvent":
            self._check_tag(event)
            value = _scalar(event.value) if event.implicit[0] else event.value
            self._add(value)
            self._share(event.anchor, value, 1)
        elif kind in ("SequenceStartEvent", "MappingStartEvent"):
            self._check_tag(event)
            self._open([] if kind == "SequenceStartEvent" else {}, event.anchor)
        elif kind in ("SequenceEndEvent", "MappingEndEvent"):
            closed = self._stack.pop()
            self._share(closed.anchor, closed.container, self._count - closed.count)
        elif kind == "AliasEvent":
            self._alias(event)

    def _check_tag(self, event: Any) -> None:
        if event.tag is not None:
            raise _refused(event, f"the tag '{str(event.tag)[:80]}'")

    def _open(self, container: list[Any] | dict[str, Any], anchor: str | None) -> None:
        if len(self._stack) >= MAX_DEPTH:
            raise ReadError(f"is nested more than {MAX_DEPTH} deep; the file is damaged")
        self._add(container)
        self._stack.append(_Open(container, anchor, self._count))

    def _share(self, anchor: str | None, value: Any, size: int) -> None:
        if anchor is not None:
            self._shared[anchor] = value, size

    def _alias(self, event: Any) -> None:
        value, size = self._shared.get(event.anchor, (None, MAX_SHARED + 1))
        if size > MAX_SHARED:
            raise _refused(event, "an alias of something that is not there yet, or long")
        self._add(copy.deepcopy(value))
        self._count += size

    def _add(self, value: Any) -> None:
        self._count += 1
        if not self._stack:
            self._documents.append(value)
        else:
            self._stack[-1].add(value)


@dataclass
class _Open:
    """A container that is not complete."""

    container: list[Any] | dict[str, Any]
    anchor: str | None
    count: int  # of values made before its first
    key: Any = None  # of the value that comes next

    def add(self, value: Any) -> None:
        if isinstance(self.container, list):
            self.container.append(value)
        elif self.key is None:
            if not isinstance(value, str) or value in self.container:
                raise ReadError(f"the key {value!r:.80} of a dictionary is no text or stands twice; the file is damaged")
            self.key = value
        else:
            self.container[self.key] = value
            self.key = None


def _refused(event: Any, what: str) -> ReadError:
    line = event.start_mark.line + 1
    return ReadError(f"refused: line {line} of the YAML file has {what}, which a DeePMD-kit model does not need")


def _scalar(text: str) -> Any:
    """A plain word."""
    if _NUMBER.fullmatch(text):
        return _integer(text) if _INTEGER.fullmatch(text) else _float(text)
    return _WORDS.get(text.lower(), text)
