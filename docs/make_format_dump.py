# SPDX-License-Identifier: MIT
"""Writes the annotated dump of docs/tables-format.md: a tiny tables.bin, its bytes and what they mean.

    PYTHONPATH=. python docs/make_format_dump.py   replaces tables-format-example.txt and the excerpt in tables-format.md

The model is the smallest one that the format allows: one type, M = A = K = 1, a table of two intervals, a net of one layer.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pybuild.model.activations import parse
from pybuild.model.net import Layer, Skip
from pybuild.tablefile.container import ENTRY, HEADER, NUMPY_DTYPES, Section, unpack
from pybuild.tablefile.file import to_bytes
from pybuild.tablefile.tableset import (
    Argument,
    DescriptorArrays,
    FittingArrays,
    Form,
    InputArrays,
    NeighbourRule,
    TableArrays,
    TableSet,
)

DOCS = Path(__file__).resolve().parent
BYTES_IN_LINE = 16
BEGIN, END = "<!-- dump: made by make_format_dump.py -->\n", "<!-- end of dump -->\n"
EXCERPT = ("header", "model.type_map", "descriptor.0.rcut", "table.0.coef")  # what the page itself shows

HEADER_FIELDS = (
    (8, "magic"),
    (2, "major version {}"),
    (2, "minor version {}"),
    (4, "endian tag"),
    (8, "file size, {} bytes"),
    (8, "offset of the directory, {}"),
    (4, "number of sections, {}"),
    (4, "size of a directory entry, {}"),
    (4, "alignment of arrays, {}"),
    (4, "flags"),
    (8, "reserved"),
    (4, "CRC32C of the directory"),
    (4, "CRC32C of bytes 0..59"),
)


def tiny_tables() -> TableSet:
    """One type, two intervals, phi(x) = 1 + x/2 on both, E = 2 D - 1."""
    coef = np.zeros((2, 4, 1))
    coef[:, 0, 0] = 0.5, 1.0
    coef[:, 1, 0] = 0.5
    integers = np.zeros((1, 1), np.int32)
    layer = Layer(np.array([[2.0]]), np.array([-1.0]), None, parse("linear"), Skip.NONE)
    descriptor = DescriptorArrays(
        kind="se_e2_a",
        rcut=6.0,
        rcut_smth=0.5,
        env_protection=0.0,
        sel=np.array([50], np.int32),
        n_sel=50,
        mean=np.array([0.05]),
        std=np.array([[0.1, 0.08]]),
        width=1,
        axis_neuron=1,
        pair_kind=integers,
        pair_table=integers,
    )
    return TableSet(
        type_map=("Cu",),
        energy_bias=np.array([-3.5]),
        energy_mask=np.ones(1, np.int32),
        min_distance=np.array([[2.0]]),
        check_frequency=10,
        neighbour_rule=NeighbourRule.ALL,
        n_fparam=0,
        n_aparam=0,
        descriptors=(descriptor,),
        tables=(TableArrays(Argument.X, np.array([[-1.0, 1.0, 2.0]]), 0.0, coef, np.ones((1, 1))),),
        fittings=(FittingArrays((InputArrays(0, Form.DIRECT),), (layer,)),),
    )


def lines(data: bytes, offset: int, meaning: str) -> Iterator[str]:
    """Hex of data, BYTES_IN_LINE bytes a line, the meaning in the first; whole lines of zeros after it are only counted."""
    for start in range(0, len(data), BYTES_IN_LINE):
        if start > 0 and not any(data[start:]):
            yield f"{offset + start:8x}  {f'{len(data) - start} zero bytes':<47}"
            return
        yield f"{offset + start:8x}  {data[start : start + BYTES_IN_LINE].hex(' '):<47}  {meaning if start == 0 else ''}"


def header_lines(data: bytes) -> Iterator[str]:
    """The 64 bytes of the header, field by field."""
    position = 0
    for size, meaning in HEADER_FIELDS:
        raw = data[position : position + size]
        yield from lines(raw, position, meaning.format(int.from_bytes(raw, "little")))
        position += size


def entry_lines(data: bytes, position: int, section: Section) -> Iterator[str]:
    """One entry of the directory."""
    info, start = section.info, HEADER.size + position * ENTRY.size
    yield from lines(data[start : start + 48], start, f"name, {info.name}")
    yield from lines(
        data[start + 48 : start + 64],
        start + 48,
        f"dtype {info.dtype}, rank {len(info.shape)}, flags {int(info.required)}, CRC32C",
    )
    yield from lines(data[start + 64 : start + 112], start + 64, f"shape ({', '.join(map(str, info.shape))})")
    yield from lines(data[start + 112 : start + 128], start + 112, f"offset {info.offset:#x}, {info.n_bytes} bytes")


def array_lines(data: bytes, section: Section) -> Iterator[str]:
    """The bytes of an array and its first values."""
    info = section.info
    values = np.frombuffer(data, dtype=NUMPY_DTYPES[info.dtype], count=section.array.size, offset=info.offset)
    text = (
        repr(bytes(values).decode())
        if info.dtype == "u8"
        else ", ".join(f"{v:g}" for v in values[:5]) + (", ..." if values.size > 5 else "")
    )
    for start in range(0, info.n_bytes, 4 * BYTES_IN_LINE):
        part = data[info.offset + start : info.offset + min(info.n_bytes, start + 4 * BYTES_IN_LINE)]
        yield from lines(part, info.offset + start, f"{info.name}: {text}" if start == 0 else "")


def dump(only: tuple[str, ...] | None = None) -> str:
    """The annotated file; only: these sections (and the header), for an excerpt."""
    data = to_bytes(tiny_tables())
    sections = unpack(data).sections
    shown = [(k, s) for k, (name, s) in enumerate(sections.items()) if only is None or name in only]
    out = [*header_lines(data)]
    for position, section in shown:
        out += (["     ..."] if only and position > 0 else []) + [*entry_lines(data, position, section)]
    for position, section in shown:
        out += (["     ..."] if only and position > 0 else []) + [*array_lines(data, section)]
    assert struct.calcsize(HEADER.format) == sum(size for size, _ in HEADER_FIELDS)
    return "\n".join(line.rstrip() for line in out) + "\n"


def page_with_excerpt(page: str) -> str:
    """The page with the excerpt between its marks made anew."""
    before, rest = page.split(BEGIN)
    after = rest.split(END)[1]
    return f"{before}{BEGIN}```\n{dump(EXCERPT)}```\n{END}{after}"


if __name__ == "__main__":
    (DOCS / "tables-format-example.txt").write_text(dump())
    (DOCS / "tables-format.md").write_text(page_with_excerpt((DOCS / "tables-format.md").read_text()))
