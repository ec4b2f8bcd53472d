# SPDX-License-Identifier: MIT
"""TensorFlow graphs written by hand for tests: nodes changed, renamed, added or left out, as binary and as text.

Shares nothing with the reader. A node is a dictionary with name, op, inputs and attr, whose values are encoded AttrValues.
"""

import struct

import numpy as np

DTYPES = {"float32": 1, "float64": 2, "int32": 3, "int64": 9}
NAMES = {1: "DT_FLOAT", 2: "DT_DOUBLE", 3: "DT_INT32", 7: "DT_STRING", 9: "DT_INT64"}
LISTS = {"float32": (5, "float_val"), "float64": (6, "double_val"), "int32": (7, "int_val"), "int64": (10, "int64_val")}


def varint(value):
    out = bytearray()
    value &= 2**64 - 1
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def chunk(number, data):
    """A length-delimited field."""
    return varint(number << 3 | 2) + varint(len(data)) + data


def number(field, value):
    """A varint field."""
    return varint(field << 3) + varint(value)


def tensor(value, as_list=False):
    """A TensorProto: of an array, or of bytes (one text)."""
    if isinstance(value, bytes):
        return number(1, 7) + chunk(2, b"") + chunk(8, value)
    array = np.asarray(value)
    shape = b"".join(chunk(2, number(1, size) if size else b"") for size in array.shape)
    head = number(1, DTYPES[array.dtype.name]) + chunk(2, shape)
    if not as_list:
        return head + chunk(4, array.astype(array.dtype.newbyteorder("<")).tobytes())
    field, flat = LISTS[array.dtype.name][0], array.reshape(-1)
    packed = flat.tobytes() if array.dtype.kind == "f" else b"".join(varint(int(v)) for v in flat)
    return head + chunk(field, packed)


def constant(name, value, as_list=False):
    return {"name": name, "op": "Const", "inputs": [], "attr": {"value": chunk(8, tensor(value, as_list))}}


def in_half(name, value, dtype):
    """A constant of float16 or bfloat16, and the numbers that it has, in the type of value."""
    if dtype == "float16":
        stored = value.astype("<f2")
        rounded = stored.astype(value.dtype)
    else:
        stored = (value.astype("<f4").view(np.uint32) >> 16).astype("<u2")
        rounded = (stored.astype(np.uint32) << 16).view(np.float32).astype(value.dtype)
    shape = b"".join(chunk(2, number(1, size) if size else b"") for size in value.shape)
    head = number(1, {"float16": 19, "bfloat16": 14}[dtype]) + chunk(2, shape)
    return constant(name, value) | {"attr": {"value": chunk(8, head + chunk(4, stored.tobytes()))}}, rounded


def node(name, op, inputs, **attributes):
    """attributes: float (float32), list of int."""
    attr = {}
    for key, value in attributes.items():
        if isinstance(value, float):
            attr[key] = varint(4 << 3 | 5) + struct.pack("<f", value)
        else:
            attr[key] = chunk(1, chunk(3, b"".join(varint(v) for v in value)))
    return {"name": name, "op": op, "inputs": list(inputs), "attr": attr}


def parse(data):
    """The nodes of a binary graph, in order."""
    nodes = []
    for field, value in _fields(data):
        if field == 1:
            made = {"name": "", "op": "", "inputs": [], "attr": {}}
            for key, part in _fields(value):
                if key in (1, 2):
                    made["name" if key == 1 else "op"] = part.decode()
                elif key == 3:
                    made["inputs"].append(part.decode())
                elif key == 5:
                    entry = dict(_fields(part))
                    made["attr"][entry[1].decode()] = entry.get(2, b"")
            nodes.append(made)
    return nodes


def _fields(data):
    position = 0

    def take():
        nonlocal position
        value = shift = 0
        while True:
            byte = data[position]
            position += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while position < len(data):
        tag = take()
        if tag & 7 == 0:
            yield tag >> 3, take()
            continue
        size = {1: 8, 5: 4}.get(tag & 7) or take()
        yield tag >> 3, data[position : position + size]
        position += size


def encode(nodes):
    """The nodes as a binary graph."""
    out = []
    for made in nodes:
        attr = (chunk(5, chunk(1, key.encode()) + chunk(2, value)) for key, value in made["attr"].items())
        inputs = (chunk(3, name.encode()) for name in made["inputs"])
        out.append(chunk(1, b"".join([chunk(1, made["name"].encode()), chunk(2, made["op"].encode()), *inputs, *attr])))
    return b"".join(out)


def value_of(made):
    """The array of a constant that is stored as tensor_content or as a packed list of floats."""
    fields = dict(_fields(dict(_fields(made["attr"]["value"]))[8]))
    shape = [dict(_fields(dim)).get(1, 0) for key, dim in _fields(fields[2]) if key == 2]
    dtype = {1: "<f4", 2: "<f8", 3: "<i4"}[fields[1]]
    return np.frombuffer(next(fields[key] for key in (4, 5, 6) if key in fields), dtype).reshape(shape)


def with_mean(nodes, mean):
    """The graph with another mean of s(r), a number for each centre type, in all slots; angular components are left."""
    (old,) = (made for made in nodes if made["name"] == "descrpt_attr/t_avg")
    value = value_of(old).copy()
    value[:, ::4] = np.array(mean)[:, None]
    return [constant(old["name"], value) if made is old else made for made in nodes]


def as_text(nodes):
    """The nodes as a text graph; every byte of a tensor's content is escaped in octal."""
    return "".join(_text("node", made) for made in nodes).encode()


def _text(_, made):
    lines = [f"node {{\n  name: {_quoted(made['name'].encode())}\n  op: '{made['op']}'\n"]
    lines += [f"  input: {_quoted(name.encode())}\n" for name in made["inputs"]]
    lines += [f"  attr {{ key: '{key}' value {{ {_attribute(value)} }} }}\n" for key, value in made["attr"].items()]
    return "".join([*lines, "}\n"])


def _attribute(data):
    parts = []
    for field, value in _fields(data):
        if field == 8:
            parts.append(f"tensor {{ {_tensor_text(value)} }}")
        elif field == 4:
            parts.append(f"f: {struct.unpack('<f', value)[0]!r}  # a float\n")
        elif field == 1:
            numbers = [v for key, packed in _fields(value) if key == 3 for v in _varints(packed)]
            parts.append(f"list {{ i: [{', '.join(map(str, numbers))}] }}")
    return " ".join(parts)


def _varints(data):
    if isinstance(data, int):
        return [data]
    out, value, shift = [], 0, 0
    for byte in data:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            out.append(value - 2**64 if value >> 63 else value)
            value = shift = 0
    return out


def _tensor_text(data):
    parts = []
    for field, value in _fields(data):
        if field == 1:
            parts.append(f"dtype: {NAMES[value]}" if value in NAMES else f"dtype: {value}")
        elif field == 2:
            dims = "".join(f"dim {{ size: {dict(_fields(dim)).get(1, 0)} }} " for key, dim in _fields(value) if key == 2)
            parts.append(f"tensor_shape {{ {dims}}}")
        elif field == 4:
            parts.append("tensor_content: " + _quoted(value))
        elif field == 8:
            parts.append("string_val: " + _quoted(value))
        elif field in (5, 6):
            values = np.frombuffer(value, "<f4" if field == 5 else "<f8")
            parts += [f"{'float_val' if field == 5 else 'double_val'}: {float(v)!r}" for v in values]
        elif field in (7, 10):
            parts += [f"{'int_val' if field == 7 else 'int64_val'}: {v}" for v in _varints(value)]
    return "\n".join(parts)


def _quoted(data):
    return '"' + "".join(chr(c) if 32 <= c < 127 and c not in (34, 92) else f"\\{c:03o}" for c in data) + '"'
