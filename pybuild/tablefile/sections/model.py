# SPDX-License-Identifier: MIT
"""Sections model.*: types, energies, distances, what holds for all descriptors and nets."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...arrays import Array
from ..tableset import NeighbourRule, TableSet
from .access import NamedArray, Sections, as_f64, as_i32, as_text, require, require_at_most

MOST_TYPES = 1024


def model_sections(t: TableSet) -> list[NamedArray]:
    close = [] if t.close_distance is None else [("model.close_distance", as_f64(t.close_distance), True)]
    return [
        ("model.type_map", as_text("\n".join(t.type_map), "model.type_map"), True),
        ("model.energy_bias", as_f64(t.energy_bias), True),
        ("model.energy_mask", as_i32(t.energy_mask), True),
        ("model.min_distance", as_f64(t.min_distance), True),
        *close,
        ("model.check_frequency", as_i32(t.check_frequency), True),
        ("model.neighbour_rule", as_i32(int(t.neighbour_rule)), True),
        ("model.n_fparam", as_i32(t.n_fparam), True),
        ("model.n_aparam", as_i32(t.n_aparam), True),
        *([] if t.default_fparam is None else [("model.default_fparam", as_f64(t.default_fparam), True)]),
    ]


def read_model(s: Sections) -> dict[str, Any]:
    """Fields of the TableSet."""
    type_map = _read_type_map(s)
    n = len(type_map)
    bias, mask = s.f64("model.energy_bias", n), s.i32("model.energy_mask", n)
    require(bool(np.isin(mask, (0, 1)).all()), "model.energy_mask", "has a value other than 0 and 1")
    require(bool(mask.any()), "model.energy_mask", "is 0 for every type: nothing is left to evaluate")
    distance = _read_distances(s, "model.min_distance", n)
    close = _read_distances(s, "model.close_distance", n) if s.has("model.close_distance") else None
    if close is not None:
        require(bool((close <= distance).all()), "model.close_distance", "has a value larger than that of min_distance")
    return {
        "type_map": type_map,
        "energy_bias": bias,
        "energy_mask": mask,
        "min_distance": distance,
        "close_distance": close,
        "check_frequency": s.integer("model.check_frequency", 1),
        "neighbour_rule": _read_neighbour_rule(s),
        "n_fparam": s.integer("model.n_fparam", 0),
        "n_aparam": s.integer("model.n_aparam", 0),
        "default_fparam": _read_default(s),
    }


def _read_distances(s: Sections, name: str, n: int) -> Array:
    distance = s.f64(name, n, n)
    require(bool((distance > 0).all()), name, "has a value that is not positive")
    require(bool((distance == distance.T).all()), name, "is not symmetric")
    return distance


def _read_type_map(s: Sections) -> tuple[str, ...]:
    name = "model.type_map"
    type_map = tuple(s.text(name).split("\n"))
    for a, element in enumerate(type_map):
        require(element != "", name, f"the name of type {a} is empty")
        blank = any(c <= " " or c == "\x7f" for c in element)
        require(not blank, name, f"the name of type {a} has a blank or control character")
    require_at_most(name, len(type_map), MOST_TYPES)
    require(len(set(type_map)) == len(type_map), name, f"names a type twice: {' '.join(type_map)}")
    return type_map


def _read_neighbour_rule(s: Sections) -> NeighbourRule:
    name = "model.neighbour_rule"
    return NeighbourRule(s.code(name, max(NeighbourRule)))


def _read_default(s: Sections) -> Array | None:
    name = "model.default_fparam"
    if not s.has(name):
        return None
    n = s.integer("model.n_fparam", 0)
    values = s.f64(name, n)
    require(n > 0, name, "is there, but the model has no frame parameters")
    return values
