# SPDX-License-Identifier: MIT
"""Unpickle the data of a torch archive without running anything that the file names.

The standard library's `pickletools` splits the stream into opcodes; this module carries out the few of them that torch.save and
TorchScript write. No name of the file is ever imported or called: a GLOBAL becomes an inert `Name`, and only the constructors in
`_CONSTRUCTORS` below (all of them defined here, none with a side effect) may be applied to arguments. Whatever else turns up is
refused with its name. Objects of a TorchScript archive become `ScriptObject`, tensors become `TensorRef` (not yet read), NumPy's
arrays `NumberArray`. What all of it takes is bounded by the length of the pickle.
"""

from __future__ import annotations

import pickletools
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ReadError

# torch storage class -> NumPy type, little-endian
STORAGE_TYPES = {
    "DoubleStorage": "<f8", "FloatStorage": "<f4", "HalfStorage": "<f2", "BFloat16Storage": "bfloat16", "LongStorage": "<i8",
    "IntStorage": "<i4", "ShortStorage": "<i2", "CharStorage": "i1", "ByteStorage": "u1", "BoolStorage": "?",
}  # fmt: skip
NUMBER_TYPES = {"f8": "<d", "f4": "<f", "i8": "<q", "i4": "<i", "u8": "<Q", "u4": "<I", "b1": "<?"}  # NumPy's name -> struct's
MAX_RANK = 16  # of a tensor; NumPy itself stops at 32


@dataclass(frozen=True)
class Name:
    """A GLOBAL of the stream: a name and nothing more."""

    text: str


@dataclass(frozen=True)
class Storage:
    """A persistent id: `count` numbers of `dtype` (a key of STORAGE_TYPES' values) in the archive's entry data/`key`."""

    key: str
    dtype: str
    count: int


@dataclass(frozen=True)
class TensorRef:
    """A tensor that is still in the archive; offset and strides in elements."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


@dataclass
class ScriptObject:
    """An object of a TorchScript archive: its class by name, without torch's mangling, its attributes, and the class with it."""

    class_name: str
    attributes: dict[str, Any] = field(default_factory=dict)
    built: bool = False
    full_name: str = ""


@dataclass
class NumberType:
    """numpy.dtype of a plain number, by its kind and size ("f8")."""

    text: str


@dataclass
class NumberArray:
    """numpy.ndarray of plain numbers, read-only; None until its state is set."""

    values: NDArray[Any] | None = None


def loads(data: bytes) -> Any:
    """The value that the pickle describes. Raises ReadError for anything a torch archive does not need."""
    return _Machine().run(data)


def strings(data: bytes) -> set[str]:
    """All text constants of a pickle, for recognising a file; nothing is carried out."""
    return {argument for _, argument, _ in _opcodes(data) if isinstance(argument, str)}


def _opcodes(data: bytes) -> Iterator[tuple[str, Any, int]]:
    try:
        for opcode, argument, position in pickletools.genops(data):
            yield opcode.name, argument, position or 0
    except (ValueError, IndexError) as error:  # truncated, unknown opcode, not a text
        raise ReadError(f"the pickle is damaged: {str(error)[:100]}") from error


class _Mark:
    """The object of a MARK opcode."""


class _Machine:
    """A stack machine for the opcodes of pickle protocol 2 as torch writes it."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.position = 0
        self.room = 0  # bytes that may still be made of texts

    def run(self, data: bytes) -> Any:
        self.room = len(data)  # each text is turned into bytes once
        for name, argument, self.position in _opcodes(data):
            if name == "STOP":
                break
            if name in _CONSTANTS:
                self.stack.append(_CONSTANTS[name])
            elif name in _LITERALS:
                self.stack.append(argument)
            elif name in _ACTIONS:
                _ACTIONS[name](self, argument)
            else:
                self.refuse(f"opcode {name}{self._stack_names(name)}")
        if len(self.stack) != 1 or self.stack[0] is _Mark:
            raise ReadError("the pickle is damaged: it does not end with one value")
        return self.stack[0]

    def _stack_names(self, opcode: str) -> str:
        """STACK_GLOBAL takes its two names from the stack: say them."""
        if opcode == "STACK_GLOBAL" and len(self.stack) > 1 and all(isinstance(s, str) for s in self.stack[-2:]):
            return f" of '{'.'.join(self.stack[-2:])[:80]}'"
        return ""

    def refuse(self, what: str) -> None:
        raise ReadError(
            f"refused: the pickle holds {what} (byte {self.position}), which a model does not need; none of it was run"
        )

    def pop(self, kind: type | None = None) -> Any:
        if not self.stack:
            raise ReadError(f"the pickle is damaged: stack empty at byte {self.position}")
        value = self.stack.pop()
        if value is _Mark or (kind is not None and not isinstance(value, kind)):
            raise ReadError(f"the pickle is damaged: unexpected {_describe(value)} at byte {self.position}")
        return value

    def pop_to_mark(self) -> list[Any]:
        for i in range(len(self.stack) - 1, -1, -1):
            if self.stack[i] is _Mark:
                items = self.stack[i + 1 :]
                del self.stack[i:]
                return items
        raise ReadError(f"the pickle is damaged: no mark before byte {self.position}")

    # Opcodes

    def mark(self, _: Any) -> None:
        self.stack.append(_Mark)

    def new_list(self, _: Any) -> None:
        self.stack.append([])

    def new_dict(self, _: Any) -> None:
        self.stack.append({})

    def put(self, index: int) -> None:
        value = self.pop()
        self.stack.append(value)
        self.memo[index] = value

    def get(self, index: int) -> None:
        if index not in self.memo:
            raise ReadError(f"the pickle is damaged: no memo {index} at byte {self.position}")
        self.stack.append(self.memo[index])

    def tuple_of(self, count: int) -> None:
        items = [self.pop() for _ in range(count)]
        self.stack.append(tuple(reversed(items)))

    def tuple_to_mark(self, _: Any) -> None:
        self.stack.append(tuple(self.pop_to_mark()))

    def append(self, _: Any) -> None:
        value = self.pop()
        self.last(list).append(value)

    def appends(self, _: Any) -> None:
        values = self.pop_to_mark()
        self.last(list).extend(values)

    def set_item(self, _: Any) -> None:
        value, key = self.pop(), self.pop()
        self.update([(key, value)])

    def set_items(self, _: Any) -> None:
        items = self.pop_to_mark()
        if len(items) % 2:
            raise ReadError(f"the pickle is damaged: a key without value at byte {self.position}")
        self.update(list(zip(items[::2], items[1::2], strict=True)))

    def update(self, items: list[tuple[Any, Any]]) -> None:
        target = self.last(dict)
        for key, value in items:
            if not isinstance(key, (str, int)):
                raise ReadError(f"the pickle is damaged: {_describe(key)} as a dictionary's key at byte {self.position}")
            if key in target:
                raise ReadError(f"the pickle is damaged: key '{str(key)[:80]}' twice in one dictionary")
            target[key] = value

    def last(self, kind: type) -> Any:
        value = self.pop(kind)
        self.stack.append(value)
        return value

    def global_name(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        text = f"{module}.{name}"
        known = text in _CONSTRUCTORS or text == _ARRAY or (module == "torch" and name in STORAGE_TYPES)
        known = known or text.startswith("__torch__.")
        if not known:
            self.refuse(f"the name '{text[:80]}'")
        self.stack.append(Name(text))

    def reduce(self, _: Any) -> None:
        arguments, function = self.pop(tuple), self.pop(Name)
        if function.text not in _CONSTRUCTORS:
            self.refuse(f"a call of '{function.text}'")
        value = _CONSTRUCTORS[function.text](arguments)
        self.room -= len(value) if isinstance(value, bytes) else 0
        if self.room < 0:
            self.refuse("one text turned into bytes again and again")
        self.stack.append(value)

    def new_object(self, _: Any) -> None:
        arguments, cls = self.pop(tuple), self.pop(Name)
        if not cls.text.startswith("__torch__.") or arguments:
            self.refuse(f"a new object of '{cls.text}'")
        parts = cls.text.split(".")[1:]
        class_name = ".".join(p for p in parts if not p.startswith("___torch_mangle_"))
        self.stack.append(ScriptObject(class_name, full_name=cls.text))

    def build(self, _: Any) -> None:
        state = self.pop()
        target = self.pop()
        self.stack.append(target)
        if isinstance(target, dict):  # an OrderedDict's own attributes, such as a state dict's _metadata: not needed
            return
        if isinstance(target, NumberType):  # byte order, fields, ...
            if not isinstance(state, tuple) or len(state) < 2 or state[1] not in ("<", "|"):
                self.refuse("a number that is not little-endian")
            return
        if isinstance(target, NumberArray):
            if target.values is not None:
                self.refuse("a second state for an array")
            target.values = _array_of_state(state)
            return
        if not isinstance(target, ScriptObject) or target.built or not isinstance(state, dict):
            self.refuse(f"a state for {_describe(target)}")
        target.attributes, target.built = state, True

    def persistent(self, _: Any) -> None:
        """('storage', torch.XStorage, key, device, number of elements)"""
        pid = self.pop()
        shape_ok = isinstance(pid, tuple) and len(pid) == 5 and pid[0] == "storage" and isinstance(pid[1], Name)
        if not shape_ok or not isinstance(pid[2], str) or not _is_count(pid[4]):
            raise ReadError(f"the pickle is damaged: persistent id at byte {self.position} is not a torch storage")
        kind = pid[1].text.removeprefix("torch.")
        if kind not in STORAGE_TYPES:
            self.refuse(f"a storage of type '{pid[1].text[:80]}'")
        dtype = STORAGE_TYPES[kind]
        self.stack.append(Storage(pid[2], dtype, pid[4]))


def _describe(value: Any) -> str:
    if isinstance(value, Name):
        return f"the name '{value.text[:80]}'"
    if isinstance(value, ScriptObject):
        return f"an object of '{value.class_name[:80]}'"
    return "a mark" if value is _Mark else f"a value of type {type(value).__name__}"


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def _rebuild_tensor(arguments: tuple[Any, ...]) -> TensorRef:
    """_rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks[, metadata])"""
    if not 6 <= len(arguments) <= 7 or not isinstance(arguments[0], Storage):
        raise ReadError("the pickle is damaged: a tensor without its storage")
    storage, offset, shape, strides = arguments[:4]
    if not all(isinstance(s, (tuple, list)) and len(s) <= MAX_RANK and all(map(_is_count, s)) for s in (shape, strides)):
        raise ReadError(f"the pickle is damaged: shape or strides of the tensor in data/{storage.key[:40]} are not sizes")
    if not _is_count(offset) or len(shape) != len(strides):
        raise ReadError(f"the pickle is damaged: offset or strides of the tensor in data/{storage.key[:40]} do not fit its shape")
    return TensorRef(storage, offset, tuple(shape), tuple(strides))


def _rebuild_parameter(arguments: tuple[Any, ...]) -> TensorRef:
    """_rebuild_parameter(tensor, requires_grad, hooks)"""
    if not arguments or not isinstance(arguments[0], TensorRef):
        raise ReadError("the pickle is damaged: a parameter without its tensor")
    return arguments[0]


def _ordered_dict(arguments: tuple[Any, ...]) -> dict[Any, Any]:
    if arguments:
        raise ReadError("the pickle is damaged: an OrderedDict with arguments")
    return {}


def _first(arguments: tuple[Any, ...]) -> Any:
    """TorchScript's typed lists and dictionaries: the value, without the tag of its type."""
    if not arguments or not isinstance(arguments[0], (list, dict)):
        raise ReadError("the pickle is damaged: a typed container without content")
    return arguments[0]


def _latin1(arguments: tuple[Any, ...]) -> bytes:
    """_codecs.encode(text, 'latin1'): how protocol 2 writes bytes"""
    if len(arguments) != 2 or not isinstance(arguments[0], str) or arguments[1] != "latin1":
        raise ReadError("the pickle is damaged: bytes that are not written as latin1")
    try:
        return arguments[0].encode("latin1")
    except UnicodeEncodeError as error:
        raise ReadError("the pickle is damaged: bytes that are not written as latin1") from error


def _number_type(arguments: tuple[Any, ...]) -> NumberType:
    """numpy.dtype('f8', False, True)"""
    if not arguments or not isinstance(arguments[0], str) or arguments[0] not in NUMBER_TYPES:
        raise ReadError("refused: the pickle holds a NumPy number that is neither a plain integer nor a plain float")
    return NumberType(arguments[0])


def _number(arguments: tuple[Any, ...]) -> int | float | bool:
    """numpy.core.multiarray.scalar(dtype, bytes): a learning rate or a step among the notes of a training"""
    if len(arguments) != 2 or not isinstance(arguments[0], NumberType) or not isinstance(arguments[1], bytes):
        raise ReadError("the pickle is damaged: a NumPy number without its type or bytes")
    code = NUMBER_TYPES[arguments[0].text]
    if len(arguments[1]) != struct.calcsize(code):
        raise ReadError("the pickle is damaged: a NumPy number of another size than its type")
    return struct.unpack(code, arguments[1])[0]


def _new_array(arguments: tuple[Any, ...]) -> NumberArray:
    """numpy.core.multiarray._reconstruct(numpy.ndarray, (0,), b'b'): an array that gets its state next"""
    if not arguments or arguments[0] != Name(_ARRAY):
        raise ReadError("the pickle is damaged: a NumPy array without its class")
    return NumberArray()


def _array_of_state(state: Any) -> NDArray[Any]:
    """(version, shape, dtype, column-major, bytes): a view of these bytes."""
    known = isinstance(state, tuple) and len(state) == 5 and isinstance(state[1], tuple) and isinstance(state[3], bool)
    if not known or not isinstance(state[2], NumberType) or not isinstance(state[4], bytes):
        raise ReadError("refused: the pickle holds a NumPy array that is not one of plain numbers")
    _, shape, number, column_major, data = state
    dtype = np.dtype(f"<{number.text}")
    if len(shape) > MAX_RANK or not all(map(_is_count, shape)) or prod(shape) * dtype.itemsize != len(data):
        raise ReadError(f"the pickle is damaged: a NumPy array of {len(data)} bytes that does not fit its shape")
    if not data:
        return np.zeros(0, dtype)
    return np.frombuffer(data, dtype).reshape(shape, order="F" if column_major else "C")


def _device(arguments: tuple[Any, ...]) -> str:
    return ":".join(str(a) for a in arguments if isinstance(a, (str, int)))


_ARRAY = "numpy.ndarray"  # named as an argument, never called
_CONSTRUCTORS: dict[str, Callable[[tuple[Any, ...]], Any]] = {
    "collections.OrderedDict": _ordered_dict,
    "torch._utils._rebuild_tensor_v2": _rebuild_tensor,
    "torch._utils._rebuild_parameter": _rebuild_parameter,
    "torch.device": _device,
    "numpy.dtype": _number_type,
    "numpy.core.multiarray.scalar": _number,
    "numpy._core.multiarray.scalar": _number,
    "numpy.core.multiarray._reconstruct": _new_array,
    "numpy._core.multiarray._reconstruct": _new_array,
    "_codecs.encode": _latin1,
    "torch.jit._pickle.restore_type_tag": _first,
    "torch.jit._pickle.build_intlist": _first,
    "torch.jit._pickle.build_doublelist": _first,
    "torch.jit._pickle.build_boollist": _first,
    "torch.jit._pickle.build_tensorlist": _first,
}
_CONSTANTS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_LITERALS = {"BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE"}
_ACTIONS: dict[str, Callable[[_Machine, Any], None]] = {
    "PROTO": lambda machine, _: None,
    "MARK": _Machine.mark,
    "EMPTY_LIST": _Machine.new_list,
    "EMPTY_DICT": _Machine.new_dict,
    "BINPUT": _Machine.put,
    "LONG_BINPUT": _Machine.put,
    "BINGET": _Machine.get,
    "LONG_BINGET": _Machine.get,
    "TUPLE": _Machine.tuple_to_mark,
    "TUPLE1": lambda machine, _: machine.tuple_of(1),
    "TUPLE2": lambda machine, _: machine.tuple_of(2),
    "TUPLE3": lambda machine, _: machine.tuple_of(3),
    "APPEND": _Machine.append,
    "APPENDS": _Machine.appends,
    "SETITEM": _Machine.set_item,
    "SETITEMS": _Machine.set_items,
    "GLOBAL": _Machine.global_name,
    "REDUCE": _Machine.reduce,
    "NEWOBJ": _Machine.new_object,
    "BUILD": _Machine.build,
    "BINPERSID": _Machine.persistent,
}
