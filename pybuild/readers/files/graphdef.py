# SPDX-License-Identifier: MIT
"""TensorFlow's GraphDef, binary (.pb) and as text (.pbtxt): nodes with their inputs, attributes and constants.

An own decoder of protocol buffers for the few messages that a frozen graph has; what else there is, is skipped. Nothing is
allocated on a file's word: every length is compared with the bytes that are there, every shape with the values. Both forms become
messages of the same kind: field names -> values in the order of the file.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ReadError

Message = dict[str, list[Any]]

MOST_BYTES = 2**31  # protocol buffers allow no more
MOST_NODES = 500_000  # frozen two-sided models of 30 types have 60,000
MOST_REPEATED = 2**22  # elements of a constant that is written as fewer values than it has elements
MOST_VARINT = 10  # bytes
DEEPEST = 32  # messages inside messages, as text

TYPES = {
    "DT_FLOAT": 1, "DT_DOUBLE": 2, "DT_INT32": 3, "DT_STRING": 7, "DT_INT64": 9, "DT_BOOL": 10, "DT_BFLOAT16": 14, "DT_HALF": 19,
}  # fmt: skip
STRING, BFLOAT16 = TYPES["DT_STRING"], TYPES["DT_BFLOAT16"]
STORED = {1: "<f4", 2: "<f8", 3: "<i4", 9: "<i8", 10: "?", 14: "<u2", 19: "<f2"}  # in tensor_content
LISTS = {
    1: "float_val", 2: "double_val", 3: "int_val", 9: "int64_val", 10: "bool_val", 14: "half_val", 19: "half_val",
}  # fmt: skip
# Field numbers of each message: name and kind, which is "varint", a fixed type, "bytes" or the message inside.
SCHEMAS: dict[str, dict[int, tuple[str, str]]] = {
    "NodeDef": {1: ("name", "bytes"), 2: ("op", "bytes"), 3: ("input", "bytes"), 5: ("attr", "Entry")},
    "Entry": {1: ("key", "bytes"), 2: ("value", "bytes")},  # an AttrValue that is decoded when somebody asks for it
    "AttrValue": {
        1: ("list", "ListValue"), 2: ("s", "bytes"), 3: ("i", "varint"), 4: ("f", "<f4"), 5: ("b", "varint"),
        6: ("type", "varint"), 8: ("tensor", "TensorProto"),
    },
    "ListValue": {2: ("s", "bytes"), 3: ("i", "varint"), 4: ("f", "<f4")},
    "TensorProto": {
        1: ("dtype", "varint"), 2: ("tensor_shape", "TensorShapeProto"), 4: ("tensor_content", "bytes"), 5: ("float_val", "<f4"),
        6: ("double_val", "<f8"), 7: ("int_val", "varint"), 8: ("string_val", "bytes"), 10: ("int64_val", "varint"),
        11: ("bool_val", "varint"), 13: ("half_val", "varint"),
    },
    "TensorShapeProto": {2: ("dim", "Dim"), 3: ("unknown_rank", "varint")},
    "Dim": {1: ("size", "varint")},
}  # fmt: skip
VARINT, FIXED64, CHUNK, FIXED32 = 0, 1, 2, 5  # wire types
NODE = 1  # field of GraphDef


@dataclass(frozen=True)
class Node:
    """An operation: its name, what it does, where its operands come from."""

    name: str
    op: str
    inputs: tuple[str, ...]  # names of nodes, without the number of the output; no control inputs
    attributes: dict[str, Any]  # undecoded where the file is binary

    def attribute(self, key: str) -> Message | None:
        """An AttrValue, None where there is none."""
        value = self.attributes.get(key)
        return _decode("AttrValue", value, f"node '{self.name}'") if isinstance(value, memoryview) else value

    def number(self, key: str) -> float | None:
        """Attribute of type float (float32)."""
        values = self._values(key, "f")
        return None if values is None or not len(values) else float(np.float32(values[-1]))

    def integers(self, key: str) -> list[int] | None:
        """Attribute of type list of int."""
        where = f"node '{self.name}', attribute {key}"
        values = _inner(self.attribute(key), "list", where)
        return None if values is None else [int(v) for v in _numbers(values.get("i", []), np.int64, where)]

    def _values(self, key: str, field: str) -> NDArray[Any] | None:
        message = self.attribute(key)
        return None if message is None else _numbers(message.get(field, []), np.float64, f"node '{self.name}', attribute {key}")


class Graph:
    """The nodes of a graph by their names."""

    def __init__(self, nodes: dict[str, Node]):
        self.nodes = nodes

    @cached_property
    def users(self) -> dict[str, list[Node]]:
        """Name of a node -> those that take its result, but for gradients."""
        found: dict[str, list[Node]] = {}
        for node in self.nodes.values():
            if not node.name.startswith("gradients/"):
                for name in dict.fromkeys(node.inputs):
                    found.setdefault(name, []).append(node)
        return found

    def is_constant(self, name: str) -> bool:
        return name in self.nodes and self.nodes[name].op == "Const"

    def constant(self, name: str) -> NDArray[Any]:
        """Value of a Const; texts as an array of objects (bytes). ReadError where there is none, or no sound one."""
        if not self.is_constant(name):
            raise ReadError(f"the graph has no constant '{name[:200]}'; the file is damaged or of an unknown version")
        tensor = _inner(self.nodes[name].attribute("value"), "tensor", f"constant '{name}'")
        if tensor is None:
            raise ReadError(f"constant '{name}' has no value; the file is damaged")
        return _tensor(tensor, f"constant '{name}'")

    def is_bfloat16(self, name: str) -> bool:
        """Whether a Const, whose value is float32 here, has such numbers in the file."""
        tensor = _inner(self.nodes[name].attribute("value"), "tensor", f"constant '{name}'")
        return tensor is not None and _dtype_code(tensor, f"constant '{name}'") == BFLOAT16

    def optional(self, name: str) -> NDArray[Any] | None:
        """Value of a Const, None where there is none of that name."""
        return self.constant(name) if self.is_constant(name) else None

    def require_whole(self, name: str) -> None:
        """ReadError unless the node and all that its result needs are there."""
        for needed in self.needed([name]):
            if needed not in self.nodes:
                raise ReadError(f"the graph has no node '{needed[:200]}'; the file is cut off, or of an unknown version")

    def needed(self, names: Iterable[str]) -> Iterator[str]:
        """These and the names of all that their results need, each once, whether the graph has them or not."""
        waiting = list(names)
        seen = set(waiting)
        while waiting:
            current = waiting.pop()
            yield current
            for name in self.nodes[current].inputs if current in self.nodes else ():
                if name not in seen:
                    seen.add(name)
                    waiting.append(name)

    def nameless_constants(self) -> list[str]:
        """Names of those that the training program left to TensorFlow."""
        return [name for name in self.nodes if re.fullmatch(r"Const(_[0-9]+)?", name) and self.is_constant(name)]


def looks_binary(start: bytes) -> bool:
    """Whether the first bytes are those of a binary GraphDef: a node, which begins with its name and its operation."""
    position = 0
    for tag in (b"\x0a", b"\x0a", b"\x12"):  # node, name, op
        if start[position : position + 1] != tag:
            return False
        end = position + 1
        while end < len(start) and start[end] >= 0x80:
            end += 1
        if end >= len(start) or end - position > MOST_VARINT:
            return False
        length = _varint(memoryview(start), position + 1, "")[0]
        position = end + 1 + (length if position else 0)
    return True


def looks_text(start: bytes) -> bool:
    """Whether the first bytes are those of a GraphDef as text."""
    return re.match(rb"(\s|#[^\n]*\n)*(node|library|versions|version)\s*:?\s*[{<0-9]", start) is not None and b"\0" not in start


def read_graph(path: Path) -> Graph:
    """The graph in a file, binary or text. Raises ReadError for anything that is not a sound one."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ReadError("is larger than 2 GB, which no TensorFlow graph can be")
        data = path.read_bytes()
    except OSError as error:
        raise ReadError(f"cannot be read: {error.strerror or error}") from error
    found = _text_nodes(data) if looks_text(data[:4096]) else _binary_nodes(memoryview(data))
    nodes: dict[str, Node] = {}
    for node in found:
        if not node.name:
            raise ReadError("the graph has a node without name; the file is damaged")
        if node.name in nodes:
            raise ReadError(f"the graph names a node '{node.name[:200]}' twice; the file is damaged")
        if len(nodes) >= MOST_NODES:
            raise ReadError(f"the graph has more than {MOST_NODES} nodes, which no frozen model has")
        nodes[node.name] = node
    return Graph(nodes)


# Binary


def _binary_nodes(data: memoryview) -> Iterator[Node]:
    for number, wire, value in _fields(data, "the graph"):
        if number == NODE and wire == CHUNK:
            message = _decode("NodeDef", value, "a node of the graph")
            entries = message.get("attr", [])
            keys = (_text(entry["key"][-1] if entry.get("key") else b"", "an attribute") for entry in entries)
            values = (entry["value"][-1] if entry.get("value") else memoryview(b"") for entry in entries)
            yield _node(message, dict(zip(keys, values, strict=True)))


def _node(message: Message, attributes: dict[str, Any]) -> Node:
    name, op = (_text(message[key][-1], "a node's name") if message.get(key) else "" for key in ("name", "op"))
    inputs = (_text(value, f"an input of node '{name[:200]}'") for value in message.get("input", []))
    return Node(name, op, tuple(i.rpartition(":")[0] if ":" in i else i for i in inputs if not i.startswith("^")), attributes)


def _bytes(value: Any, where: str) -> bytes:
    if isinstance(value, str):
        return value.encode()
    if not isinstance(value, (bytes, memoryview)):
        raise ReadError(f"{where} is not a text; the file is damaged")
    return bytes(value)


def _text(value: Any, where: str) -> str:
    try:
        return _bytes(value, where).decode()
    except UnicodeDecodeError as error:
        raise ReadError(f"{where} is not UTF-8 text; the file is damaged") from error


def _varint(data: memoryview, position: int, where: str) -> tuple[int, int]:
    """(value, position after it)."""
    value = 0
    for k in range(MOST_VARINT):
        if position + k >= len(data):
            break
        byte = data[position + k]
        value |= (byte & 0x7F) << (7 * k)
        if byte < 0x80:
            return value & (2**64 - 1), position + k + 1
    raise ReadError(f"{where} is cut off, or damaged")


def _fields(data: memoryview, where: str) -> Iterator[tuple[int, int, Any]]:
    """(field number, wire type, value) of a message: an int, or the bytes."""
    position = 0
    while position < len(data):
        tag, position = _varint(data, position, where)
        number, wire = tag >> 3, tag & 7
        if wire == VARINT:
            value, position = _varint(data, position, where)
            yield number, wire, value
            continue
        if wire == CHUNK:
            length, position = _varint(data, position, where)
        elif wire in (FIXED64, FIXED32):
            length = 8 if wire == FIXED64 else 4
        else:
            raise ReadError(f"{where} has a field of unknown wire type {wire}; the file is damaged")
        if number == 0 or length > len(data) - position:
            raise ReadError(f"{where} is cut off, or damaged: a field of {length} bytes where {len(data) - position} are left")
        yield number, wire, data[position : position + length]
        position += length


def _decode(schema: str, data: memoryview, where: str) -> Message:
    message: Message = {}
    for number, wire, value in _fields(data, where):
        if number in SCHEMAS[schema]:
            name, kind = SCHEMAS[schema][number]
            message.setdefault(name, []).append(_convert(kind, wire, value, where))
    return message


def _convert(kind: str, wire: int, value: Any, where: str) -> Any:
    """A value of a known field; of numbers that may be packed an array."""
    if kind == "varint" and wire in (VARINT, CHUNK):
        return _signed(np.array([value], np.uint64)) if wire == VARINT else _packed_varints(value, where)
    if kind in ("<f4", "<f8") and wire in (CHUNK, FIXED32 if kind == "<f4" else FIXED64):
        if len(value) % np.dtype(kind).itemsize == 0:
            return np.frombuffer(value, kind)
    elif kind in SCHEMAS and wire == CHUNK:
        return _decode(kind, value, where)
    elif kind == "bytes" and wire == CHUNK:
        return value
    raise ReadError(f"{where} has a field of another kind than known; the file is damaged")


def _signed(values: NDArray[np.uint64]) -> NDArray[np.int64]:
    return values.view(np.int64)


def _packed_varints(data: memoryview, where: str) -> NDArray[np.int64]:
    raw = np.frombuffer(data, np.uint8)
    if not raw.size:
        return np.empty(0, np.int64)
    last = np.flatnonzero(raw < 0x80)
    first = np.concatenate([[0], last[:-1] + 1])
    if raw[-1] >= 0x80 or (last - first).max() >= MOST_VARINT:
        raise ReadError(f"{where} has a list of integers that is cut off, or damaged")
    shift = (7 * (np.arange(raw.size) - np.repeat(first, last - first + 1))).astype(np.uint64)
    return _signed(np.bitwise_or.reduceat((raw & 0x7F).astype(np.uint64) << shift, first))


# Messages and tensors, of both forms: a text can have anything anywhere


def _inner(message: Message | None, key: str, where: str) -> Message | None:
    """The message that a field holds; the last, where there are several; None where there is none."""
    values = None if message is None else message.get(key)
    if not values:
        return None
    inner: Any = values[-1]
    if not isinstance(inner, dict):
        raise ReadError(f"{where} has {key} of another kind than known; the file is damaged")
    return inner


def _numbers(values: list[Any], dtype: Any, where: str) -> NDArray[Any]:
    """One array of all values: numbers, or arrays of them."""
    try:
        parts = [np.atleast_1d(np.asarray(value)) for value in values]
        whole = np.dtype(dtype).kind in "iu"
        if any(part.dtype.kind not in ("iub" if whole else "iufb") for part in parts):
            raise ValueError("not numbers")
        with np.errstate(over="ignore", invalid="ignore"):
            return np.concatenate([np.empty(0, dtype), *(part.astype(dtype) for part in parts)])
    except (ValueError, TypeError, OverflowError) as error:
        raise ReadError(f"{where} has values that are no numbers of its type; the file is damaged") from error


def _tensor(message: Message, where: str) -> NDArray[Any]:
    shape = _shape(message, where)
    n = math.prod(shape)
    dtype = _dtype_code(message, where)
    if dtype == STRING:
        values = message.get("string_val", [])
        if len(values) != n:
            raise ReadError(f"{where} has {len(values)} texts where its shape asks for {n}; the file is damaged")
        texts = np.empty(n, dtype=object)
        texts[:] = [_bytes(value, f"a text of {where}") for value in values]
        return texts.reshape(shape)
    if dtype not in STORED:
        raise ReadError(f"{where} has values of type {dtype} of TensorFlow, which no model of a known version has")
    stored = np.dtype(STORED[dtype])
    if message.get("tensor_content"):
        content = _bytes(message["tensor_content"][-1], f"the content of {where}")
        if len(content) != n * stored.itemsize:
            raise ReadError(f"{where} has {len(content)} bytes where its shape {tuple(shape)} asks for {n * stored.itemsize}")
        array = np.frombuffer(content, stored)
    else:
        array = _listed(message.get(LISTS[dtype], []), dtype, stored, n, where)
    if dtype == BFLOAT16:
        array = (array.astype(np.uint32) << 16).view(np.float32)
    return array.reshape(shape)


def _listed(values: list[Any], dtype: int, stored: np.dtype[Any], n: int, where: str) -> NDArray[Any]:
    """Values of a list: of fewer than there should be the last one repeats, none are zeros."""
    if dtype in (TYPES["DT_HALF"], BFLOAT16):
        given = _numbers(values, np.uint16, where).view(stored)
    else:
        given = _numbers(values, stored, where)
    if given.size > n or (given.size < n and n > MOST_REPEATED):
        raise ReadError(f"{where} has {given.size} values where its shape asks for {n}; the file is damaged")
    if given.size == n:
        return given
    return np.concatenate([given, np.full(n - given.size, given[-1] if given.size else 0, stored)])


def _dtype_code(message: Message, where: str) -> int:
    value = message["dtype"][-1] if message.get("dtype") else 0
    if isinstance(value, str):
        return TYPES.get(value, 0)
    return int(_numbers([value], np.int64, where)[-1])


def _shape(message: Message, where: str) -> list[int]:
    tensor_shape = _inner(message, "tensor_shape", where) or {}
    if not all(isinstance(dim, dict) for dim in tensor_shape.get("dim", [])):
        raise ReadError(f"{where} has no shape; the file is damaged")
    sizes = [_numbers(dim.get("size", [0])[-1:], np.int64, where) for dim in tensor_shape.get("dim", [])]
    shape = [int(size[-1]) if size.size else 0 for size in sizes]
    if any(size < 0 for size in shape) or len(shape) > 8 or math.prod(max(size, 1) for size in shape) > MOST_BYTES:
        raise ReadError(f"{where} has the shape {shape[:9]}, which no constant can have; the file is damaged")
    return shape


# Text

TOKEN = re.compile(
    rb"""(?:\s|\#[^\n]*)+|(?P<word>[A-Za-z_][A-Za-z0-9_./]*)|(?P<number>[-+]?\.?[0-9][0-9A-Za-z_.+-]*|-\s*(?:inf|nan)[a-z]*)"""
    rb"""|(?P<text>"(?:[^"\\\n]|\\[^\n])*"|'(?:[^'\\\n]|\\[^\n])*')|(?P<mark>[{}<>:\[\],;])""",
    re.VERBOSE,
)
ESCAPE = re.compile(rb"\\(?:([0-7]{1,3})|x([0-9A-Fa-f]{1,2})|(.))", re.DOTALL)
LETTERS = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"a": b"\a", b"b": b"\b", b"f": b"\f", b"v": b"\v"}
WORDS = {"true": 1, "false": 0, "inf": math.inf, "nan": math.nan, "infinity": math.inf}
CLOSING = {b"{": b"}", b"<": b">"}

Token = tuple[str, bytes]
END: Token = ("end", b"")


class _Tokens:
    """The tokens of a text, one ahead."""

    def __init__(self, data: bytes):
        self._tokens = self._found(data)
        self.next = next(self._tokens, END)

    def take(self) -> Token:
        token, self.next = self.next, next(self._tokens, END)
        return token

    def skip(self, *marks: bytes) -> bool:
        """Take the next token if it is one of these marks."""
        found = self.next[0] == "mark" and self.next[1] in marks
        if found:
            self.take()
        return found

    @staticmethod
    def _found(data: bytes) -> Iterator[Token]:
        position = 0
        while position < len(data):
            match = TOKEN.match(data, position)
            if match is None:
                line = data.count(b"\n", 0, position) + 1
                raise ReadError(f"line {line} is no text of a TensorFlow graph; the file is cut off, or damaged")
            position = match.end()
            if match.lastgroup is not None:
                yield match.lastgroup, match.group()


def _text_nodes(data: bytes) -> Iterator[Node]:
    tokens = _Tokens(data)
    while tokens.next is not END:
        name, value = _text_field(tokens, 0)
        if name == "node" and isinstance(value, dict):
            attributes = {}
            for entry in value.get("attr", []):
                if not isinstance(entry, dict) or not entry.get("key"):
                    raise ReadError("an attribute of a node has no name; the file is damaged")
                key = _text(entry["key"][-1], "an attribute")
                attributes[key] = _inner(entry, "value", f"an attribute {key[:200]}") or {}
            yield _node(value, attributes)


def _text_field(tokens: _Tokens, depth: int) -> tuple[str, Any]:
    """(name, value): a message, a list of values, or one value."""
    kind, name = tokens.take()
    if kind != "word":
        raise ReadError(f"{_shown(name)} stands where a field of a TensorFlow graph should; the file is cut off, or damaged")
    tokens.skip(b":")
    if tokens.skip(b"["):
        values = []
        while not tokens.skip(b"]"):
            values.append(_text_value(tokens, depth))
            tokens.skip(b",")
        tokens.skip(b",", b";")
        return name.decode(), values
    value = _text_value(tokens, depth)
    tokens.skip(b",", b";")
    return name.decode(), value


def _text_value(tokens: _Tokens, depth: int) -> Any:
    kind, text = tokens.take()
    if kind == "mark" and text in CLOSING:
        return _text_message(tokens, CLOSING[text], depth + 1)
    if kind == "text":
        parts = [_unescaped(text[1:-1])]
        while tokens.next[0] == "text":
            parts.append(_unescaped(tokens.take()[1][1:-1]))
        return b"".join(parts)
    if kind == "number":
        return _text_number(text)
    if kind == "word":
        return WORDS.get(text.decode().lower(), text.decode())
    raise ReadError(f"{_shown(text)} stands where a value of a TensorFlow graph should; the file is cut off, or damaged")


def _text_message(tokens: _Tokens, closing: bytes, depth: int) -> Message:
    if depth > DEEPEST:
        raise ReadError(f"has messages inside messages, more than {DEEPEST} deep, which no TensorFlow graph has")
    message: Message = {}
    while not tokens.skip(closing):
        name, value = _text_field(tokens, depth)
        message.setdefault(name, []).extend(value if isinstance(value, list) else [value])
    return message


def _text_number(text: bytes) -> int | float:
    word = text.decode().replace(" ", "")
    for convert in (int, lambda w: int(w, 0), float, lambda w: float(w.rstrip("fF"))):
        try:
            value = convert(word)
        except ValueError:
            continue
        if isinstance(value, float) or abs(value) < 2**64:
            return value
        break
    raise ReadError(f"{_shown(text)} is not a number; the file is damaged")


def _unescaped(text: bytes) -> bytes:
    if b"\\" not in text:
        return text

    def one(match: re.Match[bytes]) -> bytes:
        octal, hexadecimal, letter = match.groups()
        if octal is not None:
            return bytes([int(octal, 8) & 0xFF])
        return bytes([int(hexadecimal, 16)]) if hexadecimal is not None else LETTERS.get(letter, letter)

    return ESCAPE.sub(one, text)


def _shown(text: bytes) -> str:
    return f"'{text[:40].decode('utf-8', 'replace')}'" if text else "the end"
