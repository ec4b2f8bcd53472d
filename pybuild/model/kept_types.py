# SPDX-License-Identifier: MIT
"""A model of fewer elements: the types that will be simulated, of a model that was trained for many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np

from ..errors import InputError
from .combined import AnyModel, CombinedModel, PairTable, Part, excluded_types
from .description import EnergyFitting, ModelDescription

BY_TYPE = ("mean", "std", "padding")  # of a descriptor, first index a type
BY_PAIR = ("gates",)  # first two indices types; so are those of net_of


def keep_types(model: AnyModel, names: Sequence[str]) -> AnyModel:
    """The same model of some of its types, in the model's order. Raises InputError for names that it does not have, and for a
    descriptor whose slots belong to types: those of the others would be empty, but add something."""
    for name in names:
        if name not in model.type_map:
            raise InputError(f"--keep-types {name}: the model has the types {' '.join(model.type_map)}")
    kept = [name for name in model.type_map if name in names]
    if isinstance(model, CombinedModel):
        wanted = {model.type_map.index(name) for name in kept}
        # A part that excludes all of them has no energy; a switch goes between two.
        of_use = model.parts if model.switch is not None else tuple(p for p in model.parts if not wanted <= excluded_types(p))
        parts = tuple(with_types(part, kept, "--keep-types") for part in of_use or model.parts)
        restricted = replace(model, parts=parts)
        restricted.validate()
        return restricted
    return _network(model, [model.type_map.index(name) for name in kept], "--keep-types")


def can_leave_types_out(model: AnyModel) -> bool:
    """Whether keep_types can: no descriptor has slots that belong to types."""
    parts = model.parts if isinstance(model, CombinedModel) else (model,)
    return all(d.shares_slots for part in parts if isinstance(part, ModelDescription) for d in part.descriptors)


def with_types(part: Part, names: Sequence[str], why: str) -> Part:
    """The same of some of its types in another order. Raises InputError where types are left out whose slots are their own; why:
    begins its message."""
    if tuple(names) == part.type_map:
        return part
    kept = [part.type_map.index(name) for name in names]
    if isinstance(part, PairTable):
        return _pair_table(part, kept)
    return _network(part, kept, why)


def _pair_table(table: PairTable, kept: list[int]) -> PairTable:
    """Slots of left-out types are not filled, and add nothing."""
    restricted = replace(
        table,
        type_map=tuple(table.type_map[a] for a in kept),
        cubic=table.cubic[np.ix_(kept, kept)],
        sel=tuple(table.sel[a] for a in kept),
        energy_bias=table.energy_bias[kept],
        excluded=frozenset(kept.index(a) for a in table.excluded if a in kept),
        pair_excluded=_pairs(table.pair_excluded, kept),
    )
    restricted.validate()
    return restricted


def _network(model: ModelDescription, kept: list[int], why: str) -> ModelDescription:
    if len(kept) < model.n_types and not can_leave_types_out(model):
        raise InputError(f"{why}: each type has slots of its own, which add something where they are empty; leave it out")
    restricted = replace(
        model,
        type_map=tuple(model.type_map[a] for a in kept),
        descriptors=tuple(_descriptor(d, kept) for d in model.descriptors),
        fitting=_fitting(model.fitting, kept),
        pair_excluded=_pairs(model.pair_excluded, kept),
    )
    restricted.validate()
    return restricted


def _descriptor(d: Any, kept: list[int]) -> Any:
    own = {name: getattr(d, name) for name in BY_TYPE}
    arrays = {name: None if array is None else array[kept] for name, array in own.items()}
    pairs = {name: getattr(d, name) for name in BY_PAIR}
    of_pairs = {name: None if array is None else array[np.ix_(kept, kept)] for name, array in pairs.items()}
    net_of = d.net_of[np.ix_(kept, kept)]
    used = sorted(set(net_of.ravel().tolist()))
    nets = tuple(d.nets[k] for k in used)
    of_pairs["net_of"] = np.searchsorted(used, net_of)
    changes = {**arrays, **of_pairs, "nets": nets, "sel": tuple(d.sel[a] for a in kept), "excluded": _pairs(d.excluded, kept)}
    return replace(d, **{f.name: changes[f.name] for f in fields(d) if f.name in changes})


def _fitting(f: EnergyFitting, kept: list[int]) -> EnergyFitting:
    used = sorted(set(f.net_of[kept].tolist()))
    return replace(
        f,
        nets=tuple(f.nets[k] for k in used),
        net_of=np.searchsorted(used, f.net_of[kept]),
        energy_bias=f.energy_bias[kept],
        vacuum_subtracted=frozenset(kept.index(a) for a in f.vacuum_subtracted if a in kept),
        excluded=frozenset(kept.index(a) for a in f.excluded if a in kept),
    )


def _pairs(pairs: frozenset[tuple[int, int]], kept: list[int]) -> frozenset[tuple[int, int]]:
    return frozenset((kept.index(a), kept.index(b)) for a, b in pairs if a in kept and b in kept)
