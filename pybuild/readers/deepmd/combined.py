# SPDX-License-Identifier: MIT
"""DeePMD-kit's models of several parts, `linear_ener` and `zbl`, and pair tables: tree -> description.

Weights that are numbers go into the parts: into the last layers of nets, and into the cubics of tables.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from ...arrays import Array
from ...descriptors.deepmd import Tree, symmetric, unsupported
from ...errors import ReadError
from ...model.combined import AnyModel, CombinedModel, PairTable, Part, Switch, excluded_types
from ...model.description import ModelDescription, Provenance
from ...model.kept_types import with_types
from .refusals import no_model
from .tree import description_of_tree, known_distance, per_type, scaled

SAME_CUTOFF = 1e-6  # relative: TensorFlow's are float32
FAR_WARNING = (
    "warning: an atom whose closest neighbour is farther than {reach:.2f} A gets the energy of the pair table instead of the "
    "net's, as the trained model gives it: there the weights of all neighbours are too small"
)


def model_of_tree(model: Tree, min_nbor_dist: float | None, provenance: Provenance, padding_type: str | None = None) -> AnyModel:
    """The validated description of a checked tree; arguments and errors as those of description_of_tree."""
    if model["type"] == "standard":
        return description_of_tree(model, min_nbor_dist, provenance, padding_type)
    if model["type"] == "pairtab":
        raise no_model("pairtab")
    parts = list(_parts(model, provenance, padding_type))
    switch, remarks = _switch(model, parts) if model["type"] == "zbl" else (None, ())
    distance = known_distance(min_nbor_dist)
    if switch is None and len(parts) == 1 and isinstance(parts[0], ModelDescription):
        return replace(parts[0], min_nbor_dist=distance)
    combined = CombinedModel(tuple(parts), switch, distance, provenance, remarks)
    combined.validate()
    return combined


def _parts(model: Tree, provenance: Provenance, padding_type: str | None) -> Iterator[Part]:
    """Times their weights. Those of weight 0 are left out."""
    if model["type"] == "standard":
        yield description_of_tree(model, None, provenance, padding_type)
        return
    if model["type"] == "pairtab":
        yield _pair_table(model)
        return
    inner = [list(_inner_parts(tree, provenance, padding_type)) for tree in model["models"]]
    if not inner:
        raise ReadError(f"a model of type '{model['type']}' without parts; the file is damaged")
    weights = _weights(model, len(inner))
    found = [_weighted(part, w) for w, parts in zip(weights, inner, strict=True) for part in parts if w != 0]
    if not found:
        raise unsupported("a model of parts that all have the weight 0", "an energy")
    common = [_with_exclusions(with_types(part, model["type_map"], "its types"), model) for part in _of_types(found, model)]
    bias = per_type(model, "out_bias", len(model["type_map"]))
    owners = _owners(common, frozenset(model["atom_exclude_types"]), bias, model["type"] == "zbl")
    yield from (_with_bias(part, np.where(mine, bias, 0.0)) for part, mine in zip(common, owners, strict=True))


def _owners(parts: Sequence[Part], absent: frozenset[int], bias: Array, switches: bool) -> Array:
    """(parts, N) which part has the whole model's bias of a type: the first one that gives the type an energy. Of a switch both
    have it, since their weights add up to 1."""
    gives = np.array([[a not in excluded_types(part) for a in range(len(bias))] for part in parts])
    owners = gives if switches else gives & (np.cumsum(gives, axis=0) == 1)
    kept = gives.all(axis=0) if switches else gives.any(axis=0)
    lost = [a for a in np.flatnonzero((bias != 0) & ~kept).tolist() if a not in absent]
    if lost:
        raise unsupported(
            f"a bias (out_bias) of type {lost[0]}, which a part of the model excludes", "a constant energy beside the parts'"
        )
    return owners


def _inner_parts(tree: Tree, provenance: Provenance, padding_type: str | None) -> Iterator[Part]:
    if tree["type"] == "zbl":
        raise unsupported("a model of type 'zbl' inside another one", "a switch of its own for a part")
    yield from _parts(tree, provenance, padding_type)


def _of_types(parts: Sequence[Part], model: Tree) -> Sequence[Part]:
    """ReadError unless each has all types of the whole model."""
    for part in parts:
        missing = [name for name in model["type_map"] if name not in part.type_map]
        if missing:
            raise ReadError(f"a part of the model has the types {' '.join(part.type_map)}, but not {' '.join(missing)}")
    return parts


def _weights(model: Tree, n: int) -> list[float]:
    """Of the parts; of a switch there are none."""
    weights = "sum" if model["type"] == "zbl" else model["weights"]
    if weights in ("sum", "mean"):
        return [1.0 if weights == "sum" else 1.0 / n] * n
    if isinstance(weights, str) or len(weights) != n:
        raise ReadError(f"weights are {weights!r:.60}, must be 'mean', 'sum' or a number for each of {n} models")
    if not np.isfinite(weights).all():
        raise ReadError("a weight of a part is not a finite number")
    return [float(w) for w in weights]


def _weighted(part: Part, weight: float) -> Part:
    if weight == 1:
        return part
    if isinstance(part, PairTable):
        return replace(part, cubic=part.cubic * weight, energy_bias=part.energy_bias * weight)
    f = part.fitting
    nets = scaled(f.nets, np.full(len(f.nets), weight))
    return replace(part, fitting=replace(f, nets=tuple(nets), energy_bias=f.energy_bias * weight))


def _with_exclusions(part: Part, model: Tree) -> Part:
    """Those of the whole model hold for its parts."""
    types, pairs = frozenset(model["atom_exclude_types"]), symmetric(model["pair_exclude_types"])
    if isinstance(part, PairTable):
        return replace(part, excluded=part.excluded | types, pair_excluded=part.pair_excluded | pairs)
    fitting = replace(part.fitting, excluded=part.fitting.excluded | types)
    return replace(part, fitting=fitting, pair_excluded=part.pair_excluded | pairs)


def _with_bias(part: Part, bias: Array) -> Part:
    if not bias.any():
        return part
    if isinstance(part, PairTable):
        return replace(part, energy_bias=part.energy_bias + bias)
    return replace(part, fitting=replace(part.fitting, energy_bias=part.fitting.energy_bias + bias))


def _switch(model: Tree, parts: Sequence[Part]) -> tuple[Switch, tuple[str, ...]]:
    """Between a net, the first part, and a pair table."""
    kinds = [type(part) for part in parts]
    if kinds != [ModelDescription, PairTable]:
        raise ReadError(f"a model of type 'zbl' of {len(parts)} parts, must be a net and a pair table; the file is damaged")
    if model["models"][1]["pair_exclude_types"]:
        raise unsupported("a pair table with excluded pairs of its own beside a net", "two lists of neighbours for the switch")
    _check_lists(*parts)
    range_ = model["sw_rmin"], model["sw_rmax"]
    switch = Switch(1, 0, *range_, model["smin_alpha"], model["least_sum"])
    far = FAR_WARNING.format(reach=switch.reach)
    return switch, (far,) if switch.alpha > 0 and switch.reach < parts[1].rcut else ()


def _check_lists(net: Part, table: Part) -> None:
    """DeePMD-kit weighs the neighbours of the larger of the two lists, we those of the table."""
    assert isinstance(net, ModelDescription)
    assert isinstance(table, PairTable)
    slots = [max(d.sel[0] if d.shares_slots else sum(d.sel) for d in net.descriptors)]
    slots += [table.sel[0] if table.shares_slots else sum(table.sel)]
    cutoffs = net.rcut, table.rcut
    if slots[0] != slots[1] or abs(cutoffs[0] - cutoffs[1]) > SAME_CUTOFF * cutoffs[0]:
        raise unsupported(
            f"a pair table of {slots[1]} neighbours inside {cutoffs[1]:g} A beside a net of {slots[0]} inside "
            f"{cutoffs[0]:g} A",
            "one list of neighbours for both, which the switch weighs",
        )


def _pair_table(model: Tree) -> PairTable:
    type_map = tuple(model["type_map"])
    n = len(type_map)
    variables = model["tab"]["@variables"]
    info, data = variables["tab_info"].reshape(-1).astype(np.float64), variables["tab_data"].astype(np.float64)
    sound = info.shape == (4,) and np.isfinite(info).all() and info[2] >= 1 and info[2] % 1 == 0 and info[3] == n
    if not sound or data.size != n * n * int(info[2]) * 4:
        raise ReadError(f"a pair table of {data.size} numbers with tab_info {info[:8]}, for {n} types; the file is damaged")
    shared = model["neighbour_rule"] == "total"  # PyTorch: slots for all types together
    table = PairTable(
        type_map=type_map,
        rcut=model["rcut"],
        first=float(info[0]),
        step=float(info[1]),
        cubic=data.reshape(n, n, int(info[2]), 4)[..., ::-1],
        sel=tuple([sum(model["sel"])] * n if shared else model["sel"]),
        neighbour_rule="mixed" if shared else model["neighbour_rule"],
        energy_bias=per_type(model, "out_bias", n),
        excluded=frozenset(model["atom_exclude_types"]),
        pair_excluded=symmetric(model["pair_exclude_types"]),
    )
    table.validate()
    return table
