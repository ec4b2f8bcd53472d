# SPDX-License-Identifier: MIT
"""Sections part.* and switch.*: a model of several, each a whole one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ...errors import ModelError
from ...model.combined import MOST_PARTS
from ..tableset import CombinedTables, SwitchArrays, TableSet
from .access import NamedArray, Sections, as_f64, as_i32, has_reciprocal, require, require_at_most


def combined_sections(t: CombinedTables, sections_of_one: Callable[[TableSet], list[NamedArray]]) -> list[NamedArray]:
    out: list[NamedArray] = [("part.count", as_i32(len(t.parts)), True)]
    if t.switch is not None:
        s = t.switch
        out += [
            ("switch.near", as_i32(s.near), True),
            ("switch.far", as_i32(s.far), True),
            ("switch.range", as_f64([s.rmin, s.rmax]), True),
            ("switch.alpha", as_f64(s.alpha), True),
            ("switch.least_sum", as_f64(s.least_sum), True),
        ]
    for k, part in enumerate(t.parts):
        out += [(f"part.{k}.{name}", array, required) for name, array, required in sections_of_one(part)]
    return out


def read_parts(s: Sections, read_one: Callable[[Sections], TableSet]) -> CombinedTables:
    count = s.integer("part.count", 1)
    require_at_most("part.count", count, MOST_PARTS)
    parts = tuple(_read_part(s, k, read_one) for k in range(count))
    _check_common(parts)
    return CombinedTables(parts, _read_switch(s, parts) if s.has("switch.near") else None)


def _read_part(s: Sections, k: int, read_one: Callable[[Sections], TableSet]) -> TableSet:
    """Errors say which part they are about."""
    own = s.part(f"part.{k}.")
    try:
        part = read_one(own)
        own.refuse_unknown()
    except ModelError as error:
        raise ModelError(f"part {k}: {error}") from error
    return part


def _check_common(parts: Sequence[TableSet]) -> None:
    whole = next((part for part in parts if part.n_fparam > 0), parts[0])
    n_aparam = max(part.n_aparam for part in parts)
    for k, part in enumerate(parts):
        prefix = f"part.{k}.model."
        require(part.type_map == parts[0].type_map, prefix + "type_map", "is not that of part 0")
        same = part.check_frequency == parts[0].check_frequency
        require(same, prefix + "check_frequency", "is not that of part 0")
        for name, n, n_of_whole in (("n_fparam", part.n_fparam, whole.n_fparam), ("n_aparam", part.n_aparam, n_aparam)):
            require(n in (0, n_of_whole), prefix + name, f"is {n}, but {n_of_whole} in another part")
        default = part.n_fparam == 0 or np.array_equal(_default(part), _default(whole))
        require(default, prefix + "default_fparam", "is not that of the parts before it")


def _default(part: TableSet) -> list[float]:
    return [] if part.default_fparam is None else part.default_fparam.tolist()


def _read_switch(s: Sections, parts: Sequence[TableSet]) -> SwitchArrays:
    near, far = (_read_part_number(s, name, len(parts)) for name in ("switch.near", "switch.far"))
    require(near != far, "switch.far", "is the same part as switch.near")
    descriptors = parts[near].descriptors
    of_pairs = len(descriptors) == 1 and descriptors[0].n_bodies == 2
    whose = "is a part of other descriptors than one of two bodies, whose neighbours are those of the switch"
    require(of_pairs, "switch.near", whose)
    rmin, rmax = s.f64("switch.range", 2).tolist()
    increases = 0 <= rmin < rmax and has_reciprocal(rmax - rmin)
    require(increases, "switch.range", f"is {rmin} to {rmax}, expected two distances that increase")
    alpha, least_sum = s.number("switch.alpha"), s.number("switch.least_sum")
    positive = has_reciprocal(alpha)
    require(positive, "switch.alpha", f"is {alpha}, expected a positive number with a finite reciprocal")
    require(least_sum >= 0, "switch.least_sum", f"is {least_sum}, expected no negative number")
    return SwitchArrays(near, far, rmin, rmax, alpha, least_sum)


def _read_part_number(s: Sections, name: str, n_parts: int) -> int:
    part = s.integer(name, 0)
    require(part < n_parts, name, f"is {part}, there are {n_parts} parts")
    return part
