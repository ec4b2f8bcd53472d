# SPDX-License-Identifier: MIT
"""Sections table.t.*: segments, ranks, coefficients and bases."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from ...arrays import Array
from ...model.description import PairKind
from ...model.descriptor import Argument
from ..tableset import HIGH_ORDER, MOST_OF_HIGH_ORDER, ORDERS, DescriptorArrays, TableArrays, end_of
from .access import NamedArray, Sections, as_f64, as_i32, fail, has_reciprocal, require, require_at_most
from .kinds import KINDS

EXCLUDED = (PairKind.SLOTS, PairKind.SECTION)
WIDEST_OF_HIGH_ORDER = 1024.0  # intervals; its inverse: the narrowest
JOINT_TOLERANCE = 1e-9  # of the larger end of a segment: two ends that should be one point are that close, by rounding only
PADDING_MARGIN = 0.5  # last steps between x_pad and the end of the table, so that rounding cannot put it beyond
MOST_ROWS, MOST_SEGMENTS = 2**24, 2**16


def table_sections(tables: Sequence[TableArrays]) -> list[NamedArray]:
    out: list[NamedArray] = []
    for index, table in enumerate(tables):
        prefix = f"table.{index}."
        out += [
            (prefix + "argument", as_i32(int(table.argument)), True),
            (prefix + "segments", as_f64(table.segments), True),
            (prefix + "upper", as_f64(table.upper), True),
            (prefix + "coef", as_f64(table.coef), True),
            (prefix + "basis", as_f64(table.basis), True),
        ]
    return out


def read_tables(s: Sections, descriptors: Sequence[DescriptorArrays]) -> tuple[TableArrays, ...]:
    tables = tuple(_read_table(s, f"table.{t}.", width) for t, width in enumerate(_widths(descriptors)))
    for index, d in enumerate(descriptors):
        argument = _check_arguments(f"descriptor.{index}.", d, tables)
        for t, x, what in _constant_arguments(d) if argument is Argument.X else ():
            table = tables[t]
            inside = table.lower <= x <= table.upper and x <= table.max - PADDING_MARGIN * table.segments[-1, 1]
            require(inside, f"table.{t}.segments", f"does not have the argument {what} inside its trained range")
    return tables


def _widths(descriptors: Sequence[DescriptorArrays]) -> list[int]:
    """Width of the functions of each table: tables 0 .. largest in any pair_table, each used by some pair, all of whose
    descriptors have the same width."""
    widths: dict[int, int] = {}
    has_largest = ""
    for index, d in enumerate(descriptors):
        name = f"descriptor.{index}.pair_table"
        for t in d.pair_table[d.pair_table >= 0].tolist():
            has_largest = name if not widths or t > max(widths) else has_largest
            known = widths.setdefault(t, d.width)
            text = f"names table {t}, which a descriptor before it has for functions of width {known}, not {d.width}"
            require(known == d.width, name, text)
    if max(widths) + 1 != len(widths):
        fail(has_largest, f"names table {max(widths)} but not all tables before it")
    return [widths[t] for t in range(len(widths))]


def _constant_arguments(d: DescriptorArrays) -> Iterator[tuple[int, float, str]]:
    """Table, argument and what it is: the cut-off, also of empty slots, and excluded neighbours where these are looked up."""
    with np.errstate(over="ignore"):
        x_pad = -d.mean / d.std[:, 0]
    for a, b in np.argwhere(d.pair_table >= 0).tolist():
        t = int(d.pair_table[a, b])
        yield t, float(x_pad[a]), f"-mean/std = {x_pad[a]} at the cut-off around centre type {a}"
        excluded = KINDS[d.kind].excluded_argument
        if excluded is not None and d.pair_kind[a, b] in EXCLUDED:
            yield t, excluded, f"{excluded:g} of excluded neighbours around centre type {a}"


def _read_table(s: Sections, prefix: str, width: int) -> TableArrays:
    argument = Argument(s.code(prefix + "argument", max(Argument)))
    segments = _read_segments(s, prefix + "segments")
    lower, end, upper = float(segments[0, 0]), end_of(segments), s.number(prefix + "upper")
    rounding = JOINT_TOLERANCE * max(abs(lower), abs(end))
    require(lower <= upper <= end + rounding, prefix + "upper", f"is {upper}, expected {lower} to {end}, the ends of the table")
    coef = s.f64(prefix + "coef", int(segments[:, 2].sum()), None, None)
    _, n_powers, rank = coef.shape
    known = (*ORDERS, HIGH_ORDER) if argument is Argument.PRODUCT else ORDERS
    require(n_powers - 1 in known, prefix + "coef", f"has polynomials of order {n_powers - 1}, expected {_listed(known)}")
    if n_powers - 1 == HIGH_ORDER:
        _check_high_order(prefix + "coef", segments, len(coef))
    require(1 <= rank <= width, prefix + "coef", f"has {rank} functions, expected 1 to the width {width}")
    return TableArrays(argument, segments, upper, coef, s.f64(prefix + "basis", width, rank))


def _check_high_order(name: str, segments: Array, n_rows: int) -> None:
    """Of few intervals, which evaluators go through, and powers of half an interval that are numbers of single precision."""
    for step in segments[:, 1].tolist():
        text = f"has intervals of order {HIGH_ORDER} that are {step} wide, expected 1/1024 to 1024"
        within = 1 / WIDEST_OF_HIGH_ORDER <= step <= WIDEST_OF_HIGH_ORDER
        require(within, name, text + ": powers of distances are numbers of single precision")
    text = f"has {n_rows} intervals of order {HIGH_ORDER}, of which format 1 allows at most {MOST_OF_HIGH_ORDER}"
    require(n_rows <= MOST_OF_HIGH_ORDER, name, text)


def _listed(orders: Sequence[int]) -> str:
    return ", ".join(map(str, orders[:-1])) + f" or {orders[-1]}"


def _check_arguments(prefix: str, d: DescriptorArrays, tables: Sequence[TableArrays]) -> Argument:
    """The argument of all tables of a descriptor. Those over the distance begin at the cutoff and end before r = 0; what empty
    slots add stands beside them."""
    numbers = sorted(set(d.pair_table[d.pair_table >= 0].tolist()))
    argument = tables[numbers[0]].argument
    for t in numbers:
        name, its = f"table.{t}.argument", tables[t].argument
        require(its in KINDS[d.kind].arguments, name, f"is {int(its)}, which a descriptor {d.kind} does not have")
        require(its == argument, name, f"is {int(its)}, but {int(argument)} in table {numbers[0]} of the same descriptor")
        if argument is Argument.R:
            require(d.padding is not None, prefix + "padding", f"is missing, but table {t} is over the distance")
            lower, end = tables[t].lower, tables[t].max
            inside = lower <= 0 and end < d.rcut
            require(inside, f"table.{t}.segments", f"runs from {lower} to {end}, expected 0 to less than rcut = {d.rcut}")
        elif argument is Argument.PRODUCT:
            _check_symmetric(f"table.{t}.segments", tables[t])
    return argument


def _check_symmetric(name: str, table: TableArrays) -> None:
    """As far on both sides of 0, for distances tell of both ends."""
    rounding = JOINT_TOLERANCE * max(abs(table.lower), abs(table.max))
    symmetric = abs(table.lower + table.max) <= rounding and table.upper >= 0
    require(symmetric, name, f"go from {table.lower} to {table.max}, expected as far on both sides of 0, and upper not below it")


def _read_segments(s: Sections, name: str) -> Array:
    """(S, 3) start, step, count: in increasing order without gaps."""
    segments = s.f64(name, None, 3)
    require(len(segments) > 0, name, "is empty")
    require_at_most(name, len(segments), MOST_SEGMENTS)
    for k, (start, step, count) in enumerate(segments.tolist()):
        require(has_reciprocal(step), name, f"segment {k} has the step {step}, expected a positive number with a finite 1/step")
        whole = 1 <= count <= MOST_ROWS and count == int(count)
        require(whole, name, f"segment {k} has {count} intervals, expected a whole number from 1 to {MOST_ROWS}")
        end = start + step * count
        require(start < end < math.inf, name, f"segment {k} from {start} to {end} does not increase, or is not finite")
        if k + 1 < len(segments):
            following = float(segments[k + 1, 0])
            meets = following > start and abs(following - end) <= JOINT_TOLERANCE * max(abs(start), abs(end))
            require(meets, name, f"segment {k} ends at {end}, but the one after it starts at {following}")
    n_rows = int(segments[:, 2].sum())
    require(n_rows <= MOST_ROWS, name, f"has {n_rows} intervals, format 1 allows at most {MOST_ROWS}")
    return segments
