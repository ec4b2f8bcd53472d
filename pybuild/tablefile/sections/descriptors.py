# SPDX-License-Identifier: MIT
"""Sections descriptor.*: kinds, cutoffs, statistics, and what each pair of types does."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...arrays import Array, IntArray
from ...model.description import PairKind
from ..tableset import DescriptorArrays, NeighbourRule
from .access import NamedArray, Sections, as_f64, as_i32, as_text, has_reciprocal, require, require_at_most
from .kinds import KINDS, KindRules

ABSENT, LAST_PAIR_KIND = int(PairKind.ABSENT), int(max(PairKind))
MOST_DESCRIPTORS, MOST_WIDTH, MOST_SLOTS = 256, 16384, 2**24
MOST_RCUT = 1e4  # angstrom


def descriptor_sections(descriptors: Sequence[DescriptorArrays]) -> list[NamedArray]:
    out: list[NamedArray] = [("descriptor.count", as_i32(len(descriptors)), True)]
    for index, d in enumerate(descriptors):
        prefix = f"descriptor.{index}."
        out += [
            (prefix + "kind", as_text(d.kind, prefix + "kind"), True),
            (prefix + "rcut", as_f64(d.rcut), True),
            (prefix + "rcut_smth", as_f64(d.rcut_smth), True),
            (prefix + "env_protection", as_f64(d.env_protection), True),
            (prefix + "sel", as_i32(d.sel), True),
            *([(prefix + "n_sel", as_i32(d.n_sel), True)] if d.kind in KINDS and KINDS[d.kind].has_n_sel else []),
            *([(prefix + "mean", as_f64(d.mean), True)] if d.n_bodies == 2 else []),
            (prefix + "std", as_f64(d.std), True),
            (prefix + "width", as_i32(d.width), True),
            *([(prefix + "axis_neuron", as_i32(d.axis_neuron), True)] if d.kind in KINDS and KINDS[d.kind].has_axis else []),
            (prefix + "pair_kind", as_i32(d.pair_kind), True),
            (prefix + "pair_table", as_i32(d.pair_table), True),
            *([] if d.padding is None else [(prefix + "padding", as_f64(d.padding), True)]),
            *([] if d.gates is None else [(prefix + "gates", as_f64(d.gates), True)]),
            *([(prefix + "degree_gains", as_f64(d.degree_gains), True)] if d.degree_gains.size else []),
        ]
    return out


def read_descriptors(s: Sections, n: int, rule: NeighbourRule) -> tuple[DescriptorArrays, ...]:
    count = s.integer("descriptor.count", 1)
    require_at_most("descriptor.count", count, MOST_DESCRIPTORS)
    descriptors = tuple(_read_descriptor(s, f"descriptor.{d}.", n) for d in range(count))
    shared = any(d.shares_slots for d in descriptors)
    required = "must be n_sel for every type, with padding: the rule is mixed"
    require(shared or rule != NeighbourRule.MIXED, "descriptor.0.sel", required)
    return descriptors


def _read_descriptor(s: Sections, prefix: str, n: int) -> DescriptorArrays:
    kind = s.text(prefix + "kind")
    known = f"is '{kind}', this version knows {', '.join(KINDS)}; install a newer version"
    require(kind in KINDS, prefix + "kind", known)
    rcut, smooth, protection = _read_cutoff(s, prefix)
    sel = s.i32(prefix + "sel", n)
    require(bool((sel >= 0).all()), prefix + "sel", "has a negative value")
    require(bool(sel.any()), prefix + "sel", "is 0 for every type: no atom has neighbours")
    total = int(sel.sum(dtype=np.int64))
    require(total <= MOST_SLOTS, prefix + "sel", f"has the sum {total}, format 1 allows at most {MOST_SLOTS}")
    n_sel = s.integer(prefix + "n_sel", 1) if KINDS[kind].has_n_sel else 1
    all_slots = not KINDS[kind].shares_slots or bool((sel == n_sel).all())
    require(all_slots, prefix + "sel", f"must be n_sel = {n_sel} for every type: the slots of {kind} are for all types")
    mean, std = _read_statistics(s, prefix, n, KINDS[kind])
    width = s.integer(prefix + "width", 1)
    require_at_most(prefix + "width", width, MOST_WIDTH)
    axis = 0
    if KINDS[kind].has_axis:
        axis = s.integer(prefix + "axis_neuron", 1)
        require(axis <= width, prefix + "axis_neuron", f"is {axis}, expected 1 to the width {width}")
    pair_kind, pair_table = _read_pairs(s, prefix, n, sel, KINDS[kind].n_bodies)
    padding = _read_padding(s, prefix, kind, sel, n_sel, width, pair_kind)
    gates = _read_gates(s, prefix, kind, n, width)
    statistics = (rcut, smooth, protection, sel, n_sel, mean, std)
    gains = _read_degree_gains(s, prefix, kind)
    return DescriptorArrays(kind, *statistics, width, axis, pair_kind, pair_table, padding, gates, gains)


def _read_degree_gains(s: Sections, prefix: str, kind: str) -> Array:
    """(lmax - 1,) by degree from 2 on."""
    name = prefix + "degree_gains"
    if not s.has(name):
        return np.empty(0)
    require(KINDS[kind].most_lmax > 1, name, f"is there, which a descriptor {kind} does not have")
    gains, most = s.f64(name, None), KINDS[kind].most_lmax - 1
    require(1 <= len(gains) <= most, name, f"has {len(gains)} numbers, expected 1 to {most}: of degrees 2 to {most + 1}")
    return gains


def _read_gates(s: Sections, prefix: str, kind: str, n: int, width: int) -> Array | None:
    """(N, N, M) of two neighbour types, in any order."""
    name = prefix + "gates"
    if not s.has(name):
        return None
    require(KINDS[kind].shares_slots, name, f"is there, which a descriptor {kind} does not have")
    gates = s.f64(name, n, n, width)
    symmetric = bool((gates == gates.transpose(1, 0, 2)).all())
    require(symmetric, name, "must be symmetric: the order of two neighbours does not matter")
    return gates


def _read_padding(
    s: Sections, prefix: str, kind: str, sel: IntArray, n_sel: int, width: int, pair_kind: IntArray
) -> Array | None:
    """(N, M) where empty slots are counted for all types together."""
    name = prefix + "padding"
    if not s.has(name):
        return None
    require(KINDS[kind].has_padding, name, f"is there, which a descriptor {kind} does not have")
    padding = s.f64(name, len(sel), width)
    legal = KINDS[kind].has_axis or not padding.any()
    require(legal, name, f"is not 0 everywhere, as that of a descriptor {kind} must be")
    fits = bool((sel == n_sel).all()) or int(sel.sum(dtype=np.int64)) == n_sel
    require(fits, name, f"is there, but sel is neither n_sel = {n_sel} for every type nor adds up to it")
    require(not (pair_kind == PairKind.SECTION).any(), name, "is there, but a pair of types is excluded by section")
    return padding


def _read_cutoff(s: Sections, prefix: str) -> tuple[float, float, float]:
    rcut, smooth, protection = (s.number(prefix + key) for key in ("rcut", "rcut_smth", "env_protection"))
    require(0 < rcut <= MOST_RCUT, prefix + "rcut", f"is {rcut}, expected a positive number of at most {MOST_RCUT}")
    fits = 0 <= smooth and has_reciprocal(rcut - smooth)
    require(fits, prefix + "rcut_smth", f"is {smooth}, expected 0 <= rcut_smth < rcut = {rcut}")
    require(protection >= 0, prefix + "env_protection", f"is {protection}, expected no negative number")
    return rcut, smooth, protection


def _read_statistics(s: Sections, prefix: str, n: int, rules: KindRules) -> tuple[Array, Array]:
    mean = s.f64(prefix + "mean", n) if rules.n_bodies == 2 else np.zeros(n)
    std = s.f64(prefix + "std", n, rules.std_columns)
    require(has_reciprocal(std), prefix + "std", "has a value that is not a positive number with a finite reciprocal")
    return mean, std


def _read_pairs(s: Sections, prefix: str, n: int, sel: IntArray, n_bodies: int) -> tuple[IntArray, IntArray]:
    kind_name, table_name = prefix + "pair_kind", prefix + "pair_table"
    kind, table = s.i32(kind_name, n, n), s.i32(table_name, n, n)
    known = range(LAST_PAIR_KIND + 1)
    require(bool(np.isin(kind, known).all()), kind_name, f"has a value other than 0 to {LAST_PAIR_KIND}")
    absent = kind == ABSENT
    require(bool((absent | (sel != 0)).all()), kind_name, f"must be {ABSENT} where sel of the neighbour type is 0")
    none = absent.all(axis=1)
    require(not none.any(), kind_name, f"is {ABSENT} for all neighbours of centre type {int(np.argmax(none))}")
    if n_bodies == 3:
        _check_tables_of_neighbours(table_name, kind, table)
    else:
        legal = (table >= -1).all() and (absent == (table == -1)).all()
        require(bool(legal), table_name, f"must be a table, or -1 exactly where pair_kind is {ABSENT}")
    return kind, table


def _check_tables_of_neighbours(name: str, kind: IntArray, table: IntArray) -> None:
    """Of three bodies rows and columns are types of neighbours, in any order."""
    seen = (kind == PairKind.ORDINARY).astype(np.int32)
    has_table = seen.T @ seen > 0
    require(bool(has_table.any()), name, "has no table: no centre type has neighbours")
    legal = (table >= -1).all() and (has_table == (table >= 0)).all()
    require(bool(legal), name, "must be a table where a centre type sees neighbours of both types, -1 elsewhere")
    require(bool((table == table.T).all()), name, "must be symmetric: the order of two neighbours does not matter")
