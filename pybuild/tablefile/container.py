# SPDX-License-Identifier: MIT
"""The container of a tables.bin: named arrays to bytes and back (docs/tables-format.md sections 1, 2 and 4).

The arrays' meaning is sections/'s business. Every rule holds against hostile bytes, with or without fitting checksums:
no size is believed before it was compared with the bytes that are there.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import FormatError
from .crc32c import crc32c

MAGIC = b"\x89DPT\r\n\x1a\n"
MAJOR, MINOR = 1, 0
ENDIAN_TAG, SWAPPED_ENDIAN_TAG = 0x01020304, 0x04030201
ALIGNMENT = 64
MOST_SECTIONS = 65536
MOST_RANK = 6
MOST_BYTES = 2**63 - 1
REQUIRED = 1
DTYPES = {1: "f64", 2: "f32", 3: "i64", 4: "i32", 5: "u8"}
NUMPY_DTYPES = {"f64": "<f8", "f32": "<f4", "i64": "<i8", "i32": "<i4", "u8": "u1"}
NAME = re.compile(rb"[a-z0-9_.]{1,47}")
HEADER = struct.Struct("<8sHHIQQIIIIQII")
ENTRY = struct.Struct("<48sIIII6QQQ")
HEADER_BYTES_WITH_CRC = 60  # the header's own checksum covers the bytes before it


@dataclass(frozen=True)
class SectionInfo:
    """One line of the directory."""

    name: str
    dtype: str  # "f64", "f32", "i64", "i32", "u8"
    shape: tuple[int, ...]
    required: bool
    offset: int
    n_bytes: int
    crc: int  # CRC32C


@dataclass(frozen=True)
class Section:
    """A named array: little-endian, C order, read-only if it comes from a file."""

    info: SectionInfo
    array: NDArray[Any]


@dataclass(frozen=True)
class Container:
    """All sections of a file of format 1.minor, in the order of the file."""

    minor: int
    sections: Mapping[str, Section]


def pack(arrays: Sequence[tuple[str, NDArray[Any], bool]]) -> bytes:
    """The bytes of a file with these arrays: (name, array, required). The same arrays give the same bytes."""
    codes = {np.dtype(kind): next(c for c, name in DTYPES.items() if name == key) for key, kind in NUMPY_DTYPES.items()}
    entries, parts = [], []
    end = HEADER.size + ENTRY.size * len(arrays)
    for name, values, required in arrays:
        array = np.asarray(values, order="C")  # ascontiguousarray would give a scalar one dimension
        data = array.tobytes()
        offset = _round_up(end)
        parts += [bytes(offset - end), data]
        shape = array.shape + (0,) * (MOST_RANK - array.ndim)
        flags = REQUIRED if required else 0
        entries.append(ENTRY.pack(name.encode(), codes[array.dtype], array.ndim, flags, crc32c(data), *shape, offset, len(data)))
        end = offset + len(data)
    directory = b"".join(entries)
    header = HEADER.pack(
        MAGIC, MAJOR, MINOR, ENDIAN_TAG, end, HEADER.size, len(arrays), ENTRY.size, ALIGNMENT, 0, 0, crc32c(directory), 0
    )[:HEADER_BYTES_WITH_CRC]
    return b"".join([header, struct.pack("<I", crc32c(header)), directory, *parts])


def unpack(data: bytes, checksums: bool = True) -> Container:
    """Check the bytes of a file against every rule; checksums: those of the arrays, too. The arrays are views. Raises
    FormatError."""
    minor, n_sections = _check_header(data)
    sections: dict[str, Section] = {}
    end = HEADER.size + ENTRY.size * n_sections
    for position in range(n_sections):
        info = _read_entry(data, position)
        _require(info.name not in sections, f"section '{info.name}': the name occurs twice")
        sections[info.name] = Section(info, _place(info, data, end, checksums))
        end = info.offset + info.n_bytes
    _require(end == len(data), f"its last array ends at byte {end}, expected the end of the file at {len(data)}")
    return Container(minor, sections)


def trained_model_message(data: bytes, model_name: str) -> str:
    """What to tell a user who gave a trained model instead of a table file; empty if the bytes do not look like one."""
    if data.startswith(b"PK\x03\x04"):
        kind = "a zip archive, as PyTorch"
    elif data.startswith(b"\x89HDF\r\n\x1a\n"):
        kind = "an HDF5 file, as DeePMD-kit"
    elif re.match(rb"\n[\x80-\xff]{0,4}[\x00-\x7f]\n.[!-~]{1,127}\x12", data, re.DOTALL):  # a node with a name and an op
        kind = "a TensorFlow graph, as DeePMD-kit"
    else:
        return ""
    return (
        f"not a table file but {kind} writes trained models; compress the model first: python -m pybuild {model_name} tables.bin"
    )


def _round_up(n: int) -> int:
    return -(-n // ALIGNMENT) * ALIGNMENT


def _require(condition: bool, problem: str) -> None:
    if not condition:
        raise FormatError(f"damaged table file: {problem}")


def _require_equal(what: str, found: int, expected: int) -> None:
    _require(found == expected, f"{what} is {found}, expected {expected}")


def _require_crc(what: str, data: bytes | memoryview, stored: int) -> None:
    computed = crc32c(data)
    _require(computed == stored, f"{what} has the checksum 0x{computed:08x}, expected 0x{stored:08x}: its bytes were changed")


def _check_magic(data: bytes) -> None:
    trained = trained_model_message(data, "MODEL")
    if trained:
        raise FormatError(trained)
    if not data:
        raise FormatError("the table file is empty")
    if data[: len(MAGIC)] == MAGIC[: len(data)]:
        return
    as_text = data[1:4] == MAGIC[1:4] and data[0] in (MAGIC[0], MAGIC[0] & 0x7F)
    _require(not as_text, "its first bytes were changed as those of a text; copy it again in binary mode")
    raise FormatError("not a table file: its first bytes are not those of a tables.bin written by `python -m pybuild`")


def _check_header(data: bytes) -> tuple[int, int]:
    """Minor version and number of sections."""
    _check_magic(data)
    _require(len(data) >= HEADER.size, f"it has {len(data)} bytes, fewer than the 64 of its header: it was cut short")
    fields = HEADER.unpack_from(data)
    _, major, minor, tag, file_size, directory, n_sections, entry_size, alignment, flags, reserved, directory_crc, header_crc = (
        fields
    )
    _require(tag != SWAPPED_ENDIAN_TAG, "its byte order is big-endian; table files are little-endian")
    _require(tag == ENDIAN_TAG, f"header: the endian tag is 0x{tag:08x}, expected 0x{ENDIAN_TAG:08x}")
    if major != MAJOR:
        advice = "install a newer version, or make the file again with this one" if major > MAJOR else "make the file again"
        raise FormatError(f"the table file has format {major}.{minor}, this program reads format {MAJOR}: {advice}")
    _require_crc("header", data[:HEADER_BYTES_WITH_CRC], header_crc)
    ending = "was cut short" if len(data) < file_size else "has bytes at its end that do not belong to it"
    _require(file_size == len(data), f"it has {len(data)} bytes, expected {file_size}: it {ending}")
    _require_equal("header: the offset of the directory", directory, HEADER.size)
    _require_equal("header: the size of a directory entry", entry_size, ENTRY.size)
    _require_equal("header: the alignment", alignment, ALIGNMENT)
    _require_equal("header: the flags field", flags, 0)
    _require_equal("header: the reserved field", reserved, 0)
    _require(n_sections <= MOST_SECTIONS, f"header: the number of sections is {n_sections}, expected at most {MOST_SECTIONS}")
    end = HEADER.size + n_sections * ENTRY.size
    _require(end <= len(data), f"header: the directory of {n_sections} sections goes beyond the end of the file")
    _require_crc("directory", data[HEADER.size : end], directory_crc)
    return minor, n_sections


def _read_name(raw: bytes, position: int) -> str:
    where = f"directory entry {position}: the name"
    name, zero, rest = raw.partition(b"\0")
    _require(name != b"", f"{where} is empty")
    _require(zero != b"", f"{where} has no zero byte at its end")
    _require(NAME.fullmatch(name) is not None, f"{where} has a character other than a-z, 0-9, '_' and '.'")
    _require(not any(rest), f"{where} is followed by bytes that are not zero")
    return name.decode()


def _read_entry(data: bytes, position: int) -> SectionInfo:
    """Everything about an entry that does not depend on the other sections."""
    raw, dtype, rank, flags, crc, *numbers = ENTRY.unpack_from(data, HEADER.size + position * ENTRY.size)
    dimensions, (offset, n_bytes) = numbers[:MOST_RANK], numbers[MOST_RANK:]
    name = _read_name(raw, position)
    where = f"section '{name}':"
    _require(dtype in DTYPES, f"{where} the dtype is {dtype}, expected 1 to 5")
    _require(flags in (0, REQUIRED), f"{where} the flags are 0x{flags:08x}, expected 0 or 1")
    _require(rank <= MOST_RANK, f"{where} the rank is {rank}, expected at most {MOST_RANK}")
    _require(not any(dimensions[rank:]), f"{where} an unused dimension is not 0")
    shape = tuple(dimensions[:rank])
    item = np.dtype(NUMPY_DTYPES[DTYPES[dtype]]).itemsize
    _require(
        math.prod(d for d in shape if d) * item <= MOST_BYTES, f"{where} the shape {shape} has more bytes than can be counted"
    )
    _require_equal(f"{where} the size in bytes", n_bytes, math.prod(shape) * item)
    return SectionInfo(name, DTYPES[dtype], shape, flags == REQUIRED, offset, n_bytes, crc)


def _place(info: SectionInfo, data: bytes, end: int, checksums: bool) -> NDArray[Any]:
    """The array: right after the end of the one before it, inside the file, zeros between."""
    where = f"section '{info.name}':"
    _require_equal(f"{where} the offset", info.offset, _round_up(end))
    beyond = f"{where} its {info.n_bytes} bytes at offset {info.offset} go beyond the end of the file at {len(data)}"
    _require(info.offset + info.n_bytes <= len(data), beyond)
    _require(not any(data[end : info.offset]), f"{where} the bytes before it are not zero")
    view = memoryview(data)[info.offset : info.offset + info.n_bytes]
    if checksums:
        _require_crc(f"section '{info.name}'", view, info.crc)
    return np.frombuffer(view, dtype=NUMPY_DTYPES[info.dtype]).reshape(info.shape)
