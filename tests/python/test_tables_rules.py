# SPDX-License-Identifier: MIT
"""One damaged tables.bin for each rule of docs/tables-format.md, with the message it must give.

Checksums are repaired unless a checksum is what is tested. Where the compiled core is built, both readers must agree on what is a
legal file.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pybuild.errors import FormatError, ModelError
from pybuild.tablefile import container
from pybuild.tablefile.container import ENTRY, HEADER, pack
from pybuild.tablefile.crc32c import crc32c
from pybuild.tablefile.file import from_bytes, to_bytes, write_tables
from pybuild.tablefile.sections import sections_of
from pybuild.tablefile.tableset import CombinedTables, TableSet

try:
    from pybuild import _core
except ImportError:  # not built: the tests that need it say so when they skip
    _core = None

N_MUTANTS = 400  # about 2 s; tests/core/fuzz_tables.cpp has the long run


def repair(data: bytes) -> bytes:
    """The same bytes with checksums that fit, as far as the file holds what they are about."""
    out = bytearray(data)
    if len(out) < HEADER.size:
        return bytes(out)
    (count,) = struct.unpack_from("<I", out, 32)
    if HEADER.size + count * ENTRY.size <= len(out):
        for start in range(HEADER.size, HEADER.size + count * ENTRY.size, ENTRY.size):
            offset, size = struct.unpack_from("<QQ", out, start + 112)
            if offset + size <= len(out):
                struct.pack_into("<I", out, start + 60, crc32c(bytes(out[offset : offset + size])))
        struct.pack_into("<I", out, 56, crc32c(bytes(out[HEADER.size : HEADER.size + count * ENTRY.size])))
    struct.pack_into("<I", out, 60, crc32c(bytes(out[:60])))
    return bytes(out)


SMALL = pack(
    [
        ("counts", np.arange(3, dtype="<i4"), True),
        ("matrix", np.ones((2, 2)), True),
        ("note", np.frombuffer(b"hello", np.uint8), False),
    ]
)
FIRST, SECOND, THIRD = (HEADER.size + k * ENTRY.size for k in range(3))
FIRST_ARRAY = HEADER.size + 3 * ENTRY.size


def put(offset: int, kind: str, value: int, data: bytes = SMALL) -> bytes:
    out = bytearray(data)
    struct.pack_into("<" + kind, out, offset, value)
    return bytes(out)


def put_text(offset: int, text: bytes) -> bytes:
    return SMALL[:offset] + text + SMALL[offset + len(text) :]


DAMAGED = {
    "empty": (b"", "is empty"),
    "a text": (b"not a table file at all" * 9, "not a table file"),
    "a torch model": (b"PK\x03\x04....", "zip archive.*python -m pybuild MODEL tables.bin"),
    "an HDF5 model": (b"\x89HDF\r\n\x1a\n....", "an HDF5 file"),
    "a TensorFlow model": (b"\x0a\x3b\x0a\x06t_type\x12\x05Const*\x0f", "a TensorFlow graph"),
    "line ends": (SMALL.replace(b"\r\n", b"\n", 1), "changed as those of a text"),
    "high bit": (b"\x09" + SMALL[1:], "changed as those of a text"),
    "short header": (SMALL[:63], "it has 63 bytes, fewer than the 64"),
    "byte order": (put(12, "I", 0x04030201), "byte order"),
    "endian tag": (put(12, "I", 7), "endian tag is 0x00000007"),
    "newer": (put(8, "H", 2), "format 2.0, this program reads format 1: install a newer version"),
    "older": (put(8, "H", 0), "format 0.0, this program reads format 1: make the file again"),
    "cut": (SMALL[:-1], "was cut short"),
    "longer": (SMALL + b"\0", "bytes at its end that do not belong to it"),
    "directory offset": (put(24, "Q", 128), "offset of the directory is 128, expected 64"),
    "entry size": (put(36, "I", 64), "size of a directory entry is 64, expected 128"),
    "alignment": (put(40, "I", 8), "alignment is 8, expected 64"),
    "flags": (put(44, "I", 1), "flags field is 1, expected 0"),
    "reserved": (put(48, "Q", 1), "reserved field is 1, expected 0"),
    "too many sections": (put(32, "I", 65537), "expected at most 65536"),
    "directory beyond end": (put(32, "I", 9), "directory of 9 sections goes beyond the end"),
    "empty name": (put(SECOND, "B", 0), "directory entry 1: the name is empty"),
    "endless name": (put_text(FIRST, b"x" * 48), "has no zero byte at its end"),
    "name letters": (put_text(FIRST, b"Counts"), "has a character other than"),
    "name padding": (put(FIRST + 47, "B", 1), "followed by bytes that are not zero"),
    "name twice": (put_text(SECOND, b"counts"), "'counts': the name occurs twice"),
    "dtype": (put(FIRST + 48, "I", 6), "the dtype is 6"),
    "section flags": (put(FIRST + 56, "I", 2), "the flags are 0x00000002"),
    "rank": (put(FIRST + 52, "I", 7), "the rank is 7"),
    "unused dimension": (put(SECOND + 104, "Q", 1), "an unused dimension is not 0"),
    "size": (put(SECOND + 64, "Q", 3), "size in bytes is 32, expected 48"),
    "size overflow": (put(SECOND + 64, "Q", 2**61 + 2), "more bytes than can be counted"),
    "offset": (put(SECOND + 112, "Q", 576), "offset is 576, expected 512"),
    "array beyond end": (put(THIRD + 64, "Q", 6, put(THIRD + 120, "Q", 6)), "go beyond the end of the file"),
    "padding": (put(FIRST_ARRAY + 63, "B", 1), "the bytes before it are not zero"),
    "bytes at the end": (
        put(THIRD + 64, "Q", 4, put(THIRD + 120, "Q", 4)),
        "last array ends at byte 580, expected the end of the file at 581",
    ),
}


class TestDamagedFiles:
    def test_undamaged(self) -> None:
        assert container.unpack(SMALL).sections["matrix"].array.tolist() == [[1, 1], [1, 1]]

    @pytest.mark.parametrize("name", DAMAGED)
    def test_each_rule(self, name: str) -> None:
        data, message = DAMAGED[name]
        repaired = data if name == "line ends" else repair(data)
        with pytest.raises(FormatError, match=message):
            container.unpack(repaired)

    @pytest.mark.parametrize(("offset", "what"), [(50, "header"), (FIRST + 56, "directory"), (len(SMALL) - 1, "section 'note'")])
    def test_checksums(self, offset: int, what: str) -> None:
        data = bytearray(SMALL)
        data[offset] ^= 1
        if what != "header":  # the header's own checksum must not be the one that notices
            struct.pack_into("<I", data, 60, crc32c(bytes(data[:60])))
        with pytest.raises(FormatError, match=f"{what} has the checksum"):
            container.unpack(bytes(data))

    def test_newer_minor_is_accepted(self) -> None:
        assert container.unpack(repair(put(10, "H", 9))).minor == 9

    def test_every_truncation(self, tables: TableSet) -> None:
        data = to_bytes(tables)
        for n in [*range(0, len(data), 97), len(data) - 1]:
            with pytest.raises(FormatError):
                from_bytes(data[:n])


def changed(tables: TableSet, name: str, change: Callable[[np.ndarray], Any]) -> bytes:
    """The bytes of a file in which the array of that name was changed (in place, or replaced by what `change` returns)."""
    arrays = []
    for section, array, required in sections_of(tables):
        new = array.copy()
        if section == name:
            result = change(new)
            new = new if result is None else np.asarray(result)
        arrays.append((section, new, required))
    return pack(arrays)


def set_to(index: Any, value: Any) -> Callable[[np.ndarray], None]:
    def change(array: np.ndarray) -> None:
        array[index] = value

    return change


def text(value: bytes) -> Callable[[np.ndarray], np.ndarray]:
    return lambda _: np.frombuffer(value, np.uint8)


WRONG = {
    "names": ("model.type_map", text(b"O\nO"), "names a type twice"),
    "empty name": ("model.type_map", text(b"O\n"), "the name of type 1 is empty"),
    "blank": ("model.type_map", text(b"O \nH"), "blank or control"),
    "no utf-8": ("model.type_map", text(b"O\n\xc3"), "byte 2 is not UTF-8"),
    "dtype": ("model.energy_mask", lambda a: a.astype("<f8"), "has dtype f64, expected i32"),
    "shape": ("model.energy_bias", lambda a: a[:1], r"has shape \(1,\), expected \(2,\)"),
    "mask": ("model.energy_mask", set_to(0, 2), "other than 0 and 1"),
    "mask all 0": ("model.energy_mask", set_to(slice(None), 0), "nothing is left"),
    "bias": ("model.energy_bias", set_to(0, np.nan), "not finite"),
    "min_distance": ("model.min_distance", set_to((0, 0), 0.0), "not positive"),
    "min_distance symmetric": ("model.min_distance", set_to((0, 1), 0.8), "not symmetric"),
    "close_distance": ("model.close_distance", set_to((0, 0), 0.0), "not positive"),
    "close_distance symmetric": ("model.close_distance", set_to((0, 1), 0.5), "not symmetric"),
    "close_distance large": ("model.close_distance", set_to((1, 1), 1.5), "larger than that of min_distance"),
    "check": ("model.check_frequency", set_to((), 0), "expected at least 1"),
    "rule": ("model.neighbour_rule", set_to((), 5), "is 5, expected 0 to 4"),
    "rule negative": ("model.neighbour_rule", set_to((), -1), "is -1, expected at least 0"),
    "mixed types": ("model.neighbour_rule", set_to((), 4), "must be n_sel for every type, with padding: the rule is mixed"),
    "frame parameters negative": ("model.n_fparam", set_to((), -1), "expected at least 0"),
    "atomic parameters negative": ("model.n_aparam", set_to((), -1), "expected at least 0"),
    "no descriptor": ("descriptor.count", set_to((), 0), "expected at least 1"),
    "too many descriptors": ("descriptor.count", set_to((), 257), "is 257, format 1 allows at most 256"),
    "kind": ("descriptor.0.kind", text(b"se_e9"), "this version knows se_e2_a, se_e2_r"),
    "rcut": ("descriptor.0.rcut", set_to((), 0.0), "expected a positive number"),
    "rcut_smth": ("descriptor.0.rcut_smth", set_to((), 6.0), "expected 0 <= rcut_smth < rcut"),
    "protection": ("descriptor.0.env_protection", set_to((), -1.0), "no negative"),
    "sel": ("descriptor.0.sel", set_to(0, -1), "negative"),
    "sel all 0": ("descriptor.0.sel", set_to(slice(None), 0), "no atom has neighbours"),
    "sel sum": ("descriptor.0.sel", set_to(1, 2**31 - 1), "has the sum 2147483651, format 1 allows at most 16777216"),
    "n_sel": ("descriptor.0.n_sel", set_to((), 0), "expected at least 1"),
    "std": ("descriptor.0.std", set_to((0, 1), 1e-310), "finite"),
    "axis": ("descriptor.0.axis_neuron", set_to((), 5), "expected 1 to the width 4"),
    "pair_kind": ("descriptor.0.pair_kind", set_to((0, 0), 5), "other than 0 to 4"),
    "pair_kind sel": ("descriptor.0.sel", set_to(1, 0), "must be 3 where sel"),
    "pair_kind row": ("descriptor.0.pair_kind", set_to(1, 3), "is 3 for all neighbours of centre type 1"),
    "pair_kind table": ("descriptor.0.pair_kind", set_to((0, 0), 3), "exactly where pair_kind is 3"),
    "pair_table": ("descriptor.0.pair_table", set_to((0, 0), -1), "exactly where pair_kind is 3"),
    "pair_table gap": ("descriptor.0.pair_table", set_to((slice(None), 1), 2), "not all tables before it"),
    "argument": ("table.0.argument", set_to((), 3), "is 3, expected 0 to 2"),
    "over r": ("table.1.argument", set_to((), 1), "is 1, but 0 in table 0 of the same descriptor"),
    "over products": ("table.1.argument", set_to((), 2), "is 2, which a descriptor se_e2_a does not have"),
    "no segment": ("table.0.segments", lambda a: a[:0], "is empty"),
    "segments": ("table.0.segments", lambda a: np.tile(a[:1], (65537, 1)), "is 65537, format 1 allows at most 65536"),
    "segment shape": ("table.0.segments", lambda a: a[:, :2].copy(), r"has shape \(2, 2\), expected \('any', 3\)"),
    "step": ("table.0.segments", set_to((1, 1), -0.5), "segment 1 has the step -0.5, expected a positive number"),
    "step denormal": ("table.0.segments", set_to((0, 1), 1e-310), "finite"),
    "intervals": ("table.0.segments", set_to((0, 2), 9.5), "segment 0 has 9.5 intervals, expected a whole number"),
    "no interval": ("table.0.segments", set_to((1, 2), 0.0), "segment 1 has 0.0 intervals, expected a whole number"),
    "far too many intervals": ("table.0.segments", set_to((1, 2), 1e300), "intervals, expected a whole number from 1"),
    "too many intervals": ("table.0.segments", set_to((1, 2), 2.0**24), "has 16777226 intervals, format 1 allows"),
    "empty segment": ("table.0.segments", lambda a: np.array([[1e9, 1e-9, 1.0]]), "does not increase"),
    "endless": ("table.0.segments", set_to((1, 1), 1e308), "to inf does not increase"),
    "gap": ("table.0.segments", set_to((1, 0), 1e-7), "segment 0 ends at 0.0, but the one after it starts at 1e-07"),
    "overlap": ("table.0.segments", set_to((0, 2), 11), "the one after it starts at 0.0"),
    "order of segments": ("table.0.segments", lambda a: a[::-1].copy(), "segment 0 ends at 1.0, but"),
    "no progress": ("table.0.segments", set_to((0, slice(None)), [0.0, 1e-12, 1]), "the one after it starts at 0.0"),
    "rows": ("table.0.segments", set_to((1, 2), 3.0), r"has shape \(12, 6, 2\), expected \(13, 'any', 'any'\)"),
    "upper below": ("table.0.upper", set_to((), -1.1), "is -1.1, expected -1.0 to 1.0"),
    "upper above": ("table.0.upper", set_to((), 1.1), "is 1.1, expected -1.0 to 1.0"),
    "upper pad": ("table.0.upper", set_to((), -0.9), "argument -mean/std = -0.4 at the cut-off"),
    "functions": ("table.0.coef", lambda a: np.tile(a, 3), "has 6 functions, expected 1 to the width 4"),
    "order": ("table.1.coef", lambda a: np.concatenate([a, a[:, :1]], axis=1), "order 4, expected 3 or 5"),
    "high order": ("table.0.coef", lambda a: np.tile(a, (1, 2, 1)), "order 11, expected 3 or 5"),
    "no function": ("table.1.coef", lambda a: a[:, :, :0].copy(), "has 0 functions, expected 1 to the width 4"),
    "basis": ("table.1.basis", lambda a: a[:, :2].copy(), r"expected \(4, 3\)"),
    "x_pad": ("descriptor.0.mean", set_to(0, 0.5), "argument -mean/std = -4.0 at the cut-off"),
    "no inputs": ("fitting.0.inputs", lambda a: a[:0], "is empty"),
    "input of no descriptor": ("fitting.0.inputs", set_to(0, 1), "names descriptor 1, expected 0 to 0"),
    "input negative": ("fitting.0.inputs", set_to(0, -1), "names descriptor -1"),
    "input twice": ("fitting.0.inputs", lambda a: np.tile(a, 2), "names descriptor 0 twice"),
    "form": ("fitting.0.input.0.form", set_to((), 4), "is 4, expected 0 to 3"),
    "form negative": ("fitting.0.input.0.form", set_to((), -1), "is -1, expected at least 0"),
    "rectangular": ("fitting.0.input.0.form", set_to((), 2), r"is 2 \(rectangular\), which this version does not"),
    "linear": ("fitting.0.input.0.form", set_to((), 3), r"is 3 \(linear\), which a descriptor se_e2_a does not have"),
    "column type": ("fitting.0.input.0.columns", set_to((1, 0), 2), "there is no table for that"),
    "column channel": ("fitting.0.input.0.columns", set_to((0, 1), 2), "expected a channel of 0 to 1"),
    "column twice": ("fitting.0.input.0.columns", set_to((2, 1), 0), "occurs twice"),
    "row_end": ("fitting.0.input.0.row_end", set_to(3, 2), "row p must end at p to 4"),
    "row_end rises": ("fitting.0.input.0.row_end", set_to(slice(None), [3, 4, 3, 3]), "increases at row 1"),
    "no product": ("fitting.0.input.0.row_end", set_to(slice(None), [0, 1, 2, 3]), "leaves no product"),
    "mixed dtype": ("fitting.0.input.0.row_end_mixed", lambda a: a.astype("<f8"), "has dtype f64, expected i32"),
    "mixed shorter": ("fitting.0.input.0.row_end_mixed", lambda a: a[:3].copy(), r"has shape \(3,\), expected \(4,\)"),
    "mixed longer": ("fitting.0.input.0.row_end_mixed", lambda a: np.append(a, a[-1:]), r"has shape \(5,\), expected \(4,\)"),
    "mixed below p": ("fitting.0.input.0.row_end_mixed", set_to(1, 0), "row p must end at p to 4"),
    "mixed beyond P": ("fitting.0.input.0.row_end_mixed", set_to(0, 5), "row p must end at p to 4"),
    "mixed beyond row_end": ("fitting.0.input.0.row_end_mixed", set_to(3, 4), "goes beyond row_end at row 3"),
    "mixed rises": ("fitting.0.input.0.row_end_mixed", set_to(slice(None), [2, 3, 3, 3]), "increases at row 1"),
    "mixed no product": ("fitting.0.input.0.row_end_mixed", set_to(slice(None), [0, 1, 2, 3]), "leaves no product"),
    "exact below p": ("fitting.0.input.0.row_end_exact", set_to(1, 0), "row p must end at p to 4"),
    "exact beyond row_end": ("fitting.0.input.0.row_end_exact", set_to(3, 4), "goes beyond row_end at row 3"),
    "activation": ("fitting.0.layers", set_to((1, 0), 10), "the activation is 10 for layer 1"),
    "skip": ("fitting.0.layers", set_to((1, 1), 3), "the skip is 3 for layer 1"),
    "skip widths": ("fitting.0.layers", set_to((2, 1), 1), "does not go with 3 inputs and 6 outputs"),
    "parameter": ("fitting.0.activation_parameter", set_to(0, 1.0), "only gelu"),
    "gelu parameter": ("fitting.0.activation_parameter", set_to(2, 1.5), "expected 0 to 1"),
    "inputs": ("fitting.0.input.0.row_end", set_to(3, 4), r"has shape \(7, 3\), expected \(8, 'any'\)"),
    "bias shape": ("fitting.1.0.bias", lambda a: a[:4].copy(), r"expected \(5,\)"),
    "idt shape": ("fitting.0.1.idt", lambda a: a[:2].copy(), r"expected \(3,\)"),
    "last": ("fitting.1.layers", set_to((1, 0), 1), "the last layer 1 has an activation or a skip"),
    "json": ("provenance.json", text(b"{"), "is not JSON"),
    "json list": ("provenance.json", text(b"[]"), "is not a JSON object"),
}  # fmt: skip


# The same for what those tables do not have: a descriptor se_e2_r, and two descriptors.
WRONG_RADIAL = {
    "std": ("descriptor.0.std", lambda a: np.tile(a, 2), r"has shape \(2, 2\), expected \(2, 1\)"),
    "std 0": ("descriptor.0.std", set_to((1, 0), 0.0), "not a positive number with a finite reciprocal"),
    "square": ("fitting.0.input.0.form", set_to((), 1), r"is 1 \(square\), which a descriptor se_e2_r does not have"),
    "no columns": ("fitting.0.input.0.columns", lambda a: a[:0].copy(), "is 2, expected 1 to the 0 columns"),
    "columns": ("fitting.0.input.0.columns", lambda a: a[:3].copy(), r"has shape \(4, 3\), expected \(3, 'any'\)"),
    "column channel": ("fitting.0.input.0.columns", set_to((0, 1), 2), "expected a channel of 0 to 1"),
    "n_mixed 0": ("fitting.0.input.0.n_mixed", set_to((), 0), "is 0, expected at least 1"),
    "n_mixed": ("fitting.0.input.0.n_mixed", set_to((), 5), "is 5, expected 1 to the 4 columns"),
    "direct": ("fitting.1.0.weight", lambda a: np.tile(a, (2, 1)), r"has shape \(8, 5\), expected \(4, 'any'\)"),
    "excluded": ("table.1.upper", set_to((), -0.01), "does not have the argument 0 of excluded neighbours around centre type 0"),
}
WRONG_FACTORS = {
    "dtype": ("fitting.0.input.0.combination", lambda a: a.astype("<i4"), "has dtype i32, expected f64"),
    "shape": ("fitting.0.input.0.combination", lambda a: a[:, :3].copy(), r"has shape \(5, 3\), expected \('any', 4\)"),
    "rows": ("fitting.0.input.0.combination", lambda a: a[:4].copy(), r"has shape \(5,\), expected \(4,\)"),
    "nan": ("fitting.0.input.0.combination", set_to((0, 0), np.nan), "finite"),
    "part": ("fitting.0.input.0.row_end_double", lambda a: a[:4].copy(), r"has shape \(4,\), expected \(5,\)"),
    "part beyond": ("fitting.0.input.0.row_end_mixed", set_to(4, 5), "goes beyond row_end at row 4"),
    "n_double": ("fitting.0.input.0.n_double", set_to((), 5), "is 5, expected 1 to the 4 columns"),
    "n_mixed": ("fitting.0.input.0.n_mixed", set_to((), 0), "is 0, expected at least 1"),
    "inputs": ("fitting.0.input.0.row_end", set_to(4, 5), r"has shape \(11, 3\), expected \(12, 'any'\)"),
}
WRONG_DOUBLE = {
    "second": ("descriptor.1.rcut", set_to((), -4.0), "is -4.0, expected a positive number"),
    "count": ("descriptor.count", set_to((), 3), "is missing"),
    "one only": ("descriptor.count", set_to((), 1), "names descriptor 1, expected 0 to 0"),
    "widths": (
        "descriptor.1.width",
        set_to((), 5),
        "names table 0, which a descriptor before it has for functions of width 4, not 5",
    ),
    "table gap": ("descriptor.1.pair_table", set_to((1, 0), 4), "names table 4 but not all tables before it"),
    "input": ("fitting.0.inputs", set_to(1, 2), "names descriptor 2, expected 0 to 1"),
    "input left out": ("fitting.0.inputs", lambda a: a[:1].copy(), r"has shape \(9, 3\), expected \(7, 'any'\)"),
    "inputs": ("fitting.0.input.1.columns", lambda a: a[:1].copy(), r"has shape \(9, 3\), expected \(8, 'any'\)"),
}
# And of three bodies, whose groups of neighbours are 0 (two of type 0), 1 (one of each) and 3 (two of type 1).
WRONG_TRIPLE = {
    "std": ("descriptor.0.std", lambda a: np.tile(a, 2), r"has shape \(2, 2\), expected \(2, 1\)"),
    "argument": ("table.0.argument", set_to((), 0), "is 0, which a descriptor se_e3 does not have"),
    "not as far below": ("table.0.segments", set_to((0, slice(None)), [-0.5, 0.05, 10]), "expected as far on both sides of 0"),
    "upper": ("table.2.upper", set_to((), -0.1), "upper not below it"),
    "order": ("table.0.coef", lambda a: np.concatenate([a, a[:, :1]], axis=1), "order 6, expected 3, 5 or 11"),
    "not symmetric": ("descriptor.0.pair_table", set_to((1, 0), 2), "must be symmetric"),
    "no table": ("descriptor.0.pair_table", set_to((1, 1), -1), "must be a table where a centre type sees neighbours of both"),
    "needless table": ("descriptor.0.pair_kind", set_to((0, 1), 1), "-1 elsewhere"),
    "sees nothing": ("descriptor.0.pair_kind", set_to(slice(None), 2), "no centre type has neighbours"),
    "square": ("fitting.0.input.0.form", set_to((), 1), r"is 1 \(square\), which a descriptor se_e3 does not have"),
    "column group": ("fitting.0.input.0.columns", set_to((1, 0), 2), "there is no table for that"),
    "column beyond": ("fitting.0.input.0.columns", set_to((1, 0), 4), "there is no table for that"),
    "column channel": ("fitting.0.input.0.columns", set_to((1, 1), 3), "expected a channel of 0 to 2"),
    "n_mixed": ("fitting.0.input.0.n_mixed", set_to((), 5), "is 5, expected 1 to the 4 columns"),
    "ranks": ("fitting.1.input.0.rank_mixed", lambda a: a[:2].copy(), r"has shape \(2,\), expected \(4,\)"),
    "rank of no table": ("fitting.1.input.0.rank_mixed", set_to(2, 1), "is 1 for group of neighbours 2, expected 0 to 0"),
    "rank": ("fitting.1.input.0.rank_mixed", set_to(3, 2), "is 2 for group of neighbours 3, expected 1 to 1"),
}
WRONG_SHARED = {
    "padding shape": ("descriptor.0.padding", lambda a: a[:, :3].copy(), r"has shape \(2, 3\), expected \(2, 4\)"),
    "padding nan": ("descriptor.0.padding", set_to((0, 0), np.nan), "finite"),
    "no sharing": ("descriptor.0.sel", set_to(0, 4), "sel is neither n_sel = 12 for every type nor adds up to it"),
    "by type": ("descriptor.0.sel", set_to(slice(None), [4, 8]), "must be n_sel for every type, with padding: the rule is mixed"),
    "section": ("descriptor.0.pair_kind", set_to((1, 1), 4), "is there, but a pair of types is excluded by section"),
    "end": ("table.0.segments", lambda a: a * np.array([100.0, 100.0, 1.0]), "expected 0 to less than rcut"),
    "arguments": ("table.1.argument", set_to((), 0), "is 0, but 1 in table 0 of the same descriptor"),
    "empty slots": ("fitting.0.input.0.columns", set_to((1, 1), 1), "expected a channel of 0 to 0"),
    "another type": ("fitting.0.input.0.columns", set_to((1, 0), -2), "there is no table for that"),
    "no gains": ("descriptor.0.degree_gains", lambda a: a[:0].copy(), "has 0 numbers, expected 1 to 3: of degrees 2 to 4"),
    "too many gains": ("descriptor.0.degree_gains", lambda a: np.ones(4), "has 4 numbers, expected 1 to 3: of degrees 2 to 4"),
    "gains nan": ("descriptor.0.degree_gains", set_to(0, np.nan), "finite"),
    "gains shape": ("descriptor.0.degree_gains", lambda a: a[None], r"has shape \(1, 2\), expected \('any',\)"),
}
WRONG_GATED = {
    "sel": ("descriptor.0.sel", set_to(0, 4), "must be n_sel = 12 for every type: the slots of se_e3_tebd are for all types"),
    "gates shape": ("descriptor.0.gates", lambda a: a[:, :1].copy(), r"has shape \(2, 1, 4\), expected \(2, 2, 4\)"),
    "gates nan": ("descriptor.0.gates", set_to((0, 0, 0), np.nan), "finite"),
    "gates": ("descriptor.0.gates", set_to((0, 1, 2), 7.0), "must be symmetric"),
    "columns": ("fitting.0.input.0.columns", lambda a: a[:3].copy(), r"weight.*has shape \(8, 3\), expected \(6, 'any'\)"),
}
# And of several parts, each a whole one: the first as above, the second a pair table.
WRONG_COMBINED = {
    "no part": ("part.count", set_to((), 0), "expected at least 1"),
    "too many parts": ("part.count", set_to((), 65), "is 65, format 1 allows at most 64"),
    "missing part": ("part.count", set_to((), 3), r"part 2: .*'model.type_map': is missing"),
    "part left out": ("part.count", set_to((), 1), r"'switch.near': is 1, there are 1 parts"),
    "in a part": ("part.1.descriptor.0.rcut", set_to((), 0.0), "part 1: .*expected a positive number"),
    "types": ("part.1.model.type_map", text(b"O\nC"), r"'part\.1\.model\.type_map': is not that of part 0"),
    "check": ("part.1.model.check_frequency", set_to((), 5), r"'part\.1\.model\.check_frequency': is not that of part 0"),
    "near": ("switch.near", set_to((), 2), "is 2, there are 2 parts"),
    "far": ("switch.far", set_to((), 1), "is the same part as switch.near"),
    "far negative": ("switch.far", set_to((), -1), "is -1, expected at least 0"),
    "range": ("switch.range", set_to(0, 2.0), "expected two distances that increase"),
    "range negative": ("switch.range", set_to(0, -0.1), "expected two distances that increase"),
    "range nan": ("switch.range", set_to(1, np.nan), "finite"),
    "alpha": ("switch.alpha", set_to((), 0.0), "expected a positive number"),
    "least sum": ("switch.least_sum", set_to((), -1.0), "expected no negative number"),
    "padding of a pair table": ("part.1.descriptor.0.padding", set_to((0, 0), 1e-9), "is not 0 everywhere"),
    "pair table to r = 0": ("part.1.table.0.segments", set_to((0, 0), 0.6), "expected 0 to less than rcut"),
}
ALL_WRONG = [
    ("combined_tables", WRONG_COMBINED),
    ("gated_tables", WRONG_GATED),
    ("shared_tables", WRONG_SHARED),
    ("factor_tables", WRONG_FACTORS),
    ("tables", WRONG), ("radial_tables", WRONG_RADIAL), ("double_tables", WRONG_DOUBLE), ("triple_tables", WRONG_TRIPLE)
]  # fmt: skip
EVERY_RULE = [pytest.param(of, rule, id=f"{of} {rule}") for of, rules in ALL_WRONG for rule in rules]


@pytest.fixture
def wrong(request: pytest.FixtureRequest, of: str, rule: str) -> tuple[bytes, str]:
    """The bytes of a file that breaks a rule, and the message about it."""
    name, change, message = dict(ALL_WRONG)[of][rule]
    return changed(request.getfixturevalue(of), name, change), message


class TestWrongModels:
    @pytest.mark.parametrize(("of", "rule"), EVERY_RULE)
    def test_each_rule(self, wrong: tuple[bytes, str]) -> None:
        data, message = wrong
        with pytest.raises(ModelError, match=message):
            from_bytes(data)

    def test_no_padding_of_tables_over_the_distance(self, shared_tables: TableSet) -> None:
        rest = [section for section in sections_of(shared_tables) if section[0] != "descriptor.0.padding"]
        with pytest.raises(ModelError, match="must be n_sel for every type, with padding"):
            from_bytes(pack(rest))

    @pytest.mark.parametrize("read", [from_bytes, *([] if _core is None else [_core.Model.from_bytes])])
    def test_tables_over_x_hold_the_cutoff(self, read: Callable[[bytes], Any], shared_tables: TableSet, tables: TableSet) -> None:
        """Where empty slots have numbers of their own, neighbours at the cut-off are looked up all the same."""
        over_x = replace(shared_tables, tables=tables.tables)
        assert read(to_bytes(over_x)).type_map is not None
        data = changed(over_x, "descriptor.0.mean", set_to(0, 0.5))
        with pytest.raises(ModelError, match=r"does not have the argument -mean/std = -4\S* at the cut-off around centre type 0"):
            read(data)

    @pytest.mark.parametrize("read", [from_bytes, *([] if _core is None else [_core.Model.from_bytes])])
    def test_too_many_wide_intervals(self, read: Callable[[bytes], Any], triple_tables: TableSet) -> None:
        """Of order 11, which an evaluator goes through one after the other."""
        for n, refused in ((64, False), (65, True)):
            coef = np.zeros((n, 12, 3))
            changes = {"table.1.segments": np.array([[-1.0, 2.0 / n, n]]), "table.1.coef": coef}
            data = pack([(name, changes.get(name, a), required) for name, a, required in sections_of(triple_tables)])
            if refused:
                with pytest.raises(ModelError, match="has 65 intervals of order 11, of which format 1 allows at most 64"):
                    read(data)
            else:
                assert read(data).type_map is not None

    @pytest.mark.parametrize("read", [from_bytes, *([] if _core is None else [_core.Model.from_bytes])])
    @pytest.mark.parametrize(("step", "refused"), [(1024.0, False), (1025.0, True), (1 / 1024, False), (1 / 1025, True)])
    def test_width_of_wide_intervals(
        self, read: Callable[[bytes], Any], triple_tables: TableSet, step: float, refused: bool
    ) -> None:
        """Powers of half of it must be numbers of single precision."""
        changes = {"table.1.segments": np.array([[-step, step, 2]]), "table.1.coef": np.zeros((2, 12, 3)), "table.1.upper": 0.0}
        data = pack([(name, np.asarray(changes.get(name, a)), required) for name, a, required in sections_of(triple_tables)])
        if refused:
            with pytest.raises(ModelError, match=r"has intervals of order 11 that are \S+ wide, expected 1/1024 to 1024"):
                read(data)
        else:
            assert read(data).type_map is not None

    def test_gains_of_a_kind_without_degrees(self, radial_tables: TableSet) -> None:
        extra = ("descriptor.0.degree_gains", np.ones(1), True)
        with pytest.raises(ModelError, match=r"degree_gains': is there, which a descriptor se_e2_r does not have"):
            from_bytes(pack([*sections_of(radial_tables), extra]))

    def test_descriptor_of_no_net(self, double_tables: TableSet, tables: TableSet) -> None:
        with pytest.raises(ModelError, match=r"'descriptor\.1\.kind': is in the inputs of no fitting net"):
            to_bytes(replace(double_tables, fittings=tables.fittings))

    def test_unknown_section_of_a_part(self, combined_tables: CombinedTables) -> None:
        extra = ("part.1.descriptor.new", np.zeros(3), True)
        with pytest.raises(ModelError, match=r"part 1: .*'descriptor\.new': is required by the file"):
            from_bytes(pack([*sections_of(combined_tables), extra]))

    @pytest.mark.parametrize("name", [name for name, *_ in WRONG.values()])
    def test_missing(self, name: str, tables: TableSet) -> None:
        rest = [section for section in sections_of(tables) if section[0] != name]
        optional = [f"fitting.0.input.0.{of}" for of in ("row_end_mixed", "row_end_exact")]
        if name in ("provenance.json", "model.close_distance", "fitting.0.1.idt", *optional):
            from_bytes(pack(rest))
        else:
            with pytest.raises(ModelError, match=f"'{name}': is missing"):
                from_bytes(pack(rest))

    def test_unknown_sections(self, tables: TableSet) -> None:
        extra = ("descriptor.new", np.zeros(3), False)
        assert from_bytes(pack([*sections_of(tables), extra])).type_map == tables.type_map
        with pytest.raises(ModelError, match=r"'descriptor\.new': is required by the file"):
            from_bytes(pack([*sections_of(tables), (*extra[:2], True)]))

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("descriptor.0.kind", np.frombuffer(b"se_e9", np.uint8)),
            ("fitting.0.input.0.form", np.array(7, "<i4")),
            ("descriptor.0.pair_kind", np.full((2, 2), 9, "<i4")),
            ("descriptor.0.padding", np.ones((2, 3))),
        ],
    )
    def test_later_version_is_named(self, name: str, value: np.ndarray, tables: TableSet) -> None:
        """Whatever is not understood: a kind, a form, a code, a section. Both readers say so."""
        sections = [section for section in sections_of(tables) if section[0] != name]
        data = repair(put(10, "H", 3, pack([*sections, (name, value, True)])))
        readers = [from_bytes] if _core is None else [from_bytes, _core.Model.from_bytes]
        for read in readers:
            with pytest.raises(ModelError, match=rf"'{name}': .*format 1\.3, this program reads format 1\.0: install a newer"):
                read(data)

    def test_later_version_that_uses_nothing_new_is_read(self, tables: TableSet) -> None:
        assert from_bytes(repair(put(10, "H", 3, to_bytes(tables)))).type_map == tables.type_map

    def test_mixed_products_of_a_direct_net(self, tables: TableSet) -> None:
        extra = ("fitting.1.input.0.row_end_mixed", np.array([1], "<i4"), True)
        with pytest.raises(ModelError, match=r"'fitting\.1\.input\.0\.row_end_mixed': is required by the file"):
            from_bytes(pack([*sections_of(tables), extra]))

    def test_what_is_wrong_is_not_written(self, tables: TableSet, tmp_path: Path) -> None:
        (descriptor,) = tables.descriptors
        with pytest.raises(ModelError, match="rcut_smth"):
            write_tables(tmp_path / "tables.bin", replace(tables, descriptors=(replace(descriptor, rcut_smth=7.0),)))
        with pytest.raises(ModelError, match="32 bits"):
            write_tables(tmp_path / "tables.bin", replace(tables, descriptors=(replace(descriptor, n_sel=2**31),)))
        with pytest.raises(ModelError, match="JSON"):
            write_tables(tmp_path / "tables.bin", replace(tables, provenance={"error": float("nan")}))
        assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(_core is None, reason="the compiled core is not built")
class TestBothReadersAgree:
    """Python and C++ read the same page; the verdict on any file must be the same."""

    @staticmethod
    def verdicts(data: bytes) -> list[str]:
        out = []
        for read in (from_bytes, _core.Model.from_bytes):
            try:
                read(data)
                out.append("accepted")
            except (FormatError, ModelError) as error:
                out.append(f"{type(error).__name__}: {error}")
        return out

    @pytest.mark.parametrize(("of", "rule"), [rule for rule in EVERY_RULE if "json" not in rule.id])  # C++ never looks inside it
    def test_wrong_models(self, wrong: tuple[bytes, str]) -> None:
        python, cpp = self.verdicts(wrong[0])
        assert python.split("': ")[0] == cpp.split("': ")[0]  # the same section, too

    @pytest.mark.parametrize("name", DAMAGED)
    def test_damaged_files(self, name: str) -> None:
        python, cpp = self.verdicts(repair(DAMAGED[name][0]))
        assert python.split(":")[0] == cpp.split(":")[0]

    @pytest.mark.parametrize("of", ["tables", "radial_tables", "factor_tables", "double_tables", "triple_tables", "gated_tables"])
    def test_mutants(self, of: str, request: pytest.FixtureRequest) -> None:
        bare = replace(request.getfixturevalue(of), provenance={})
        data, rng = to_bytes(bare), np.random.default_rng(11)
        head = HEADER.size + ENTRY.size * len(sections_of(bare))
        n_accepted = 0
        for _ in range(N_MUTANTS):
            mutant = bytearray(data)
            for _ in range(rng.integers(1, 3)):
                position = int(rng.integers(head if rng.random() < 0.5 else len(data)))
                mutant[position] ^= 1 << int(rng.integers(8)) if rng.random() < 0.5 else int(rng.integers(1, 256))
            python, cpp = self.verdicts(repair(bytes(mutant)))
            assert python.split(":")[0] == cpp.split(":")[0], (python, cpp)
            n_accepted += python == "accepted"
        assert 0 < n_accepted < N_MUTANTS
