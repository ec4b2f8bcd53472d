# SPDX-License-Identifier: MIT
"""From DeePMD-kit's tree of a model to a ModelDescription: shared by all readers of DeePMD-kit files.

The tree is a checked one (tree_type.py, docs/deepmd-tree.md). Kinds that this version has no evaluator for are complete in it,
and refused here by name, with what they would need (refusals.py).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from ...arrays import Array, IntArray
from ...descriptors.deepmd import Tree, net_of_tree, symmetric, unsupported
from ...descriptors.dpa1.deepmd import takes_padding_type
from ...descriptors.dpa1.type_embedding import type_embedding
from ...descriptors.kinds import APPENDED, MAKERS
from ...errors import InputError, ReadError
from ...model.activations import parse
from ...model.description import EnergyFitting, ModelDescription, Parameters, Provenance
from ...model.descriptor import Descriptor
from ...model.net import Layer, Net, Skip
from .electrons import with_electrons
from .refusals import refuse_unknown
from .tree_type import members

NO_MASK = (
    "note: the atomic parameters are a mask for a descriptor that has virtual atoms (use_aparam_as_mask); this one has none: "
    "they are not used"
)


def early_activation(name: Any) -> Any:
    """The activation in a file of early 2024 (DeePMD-kit to 3.0.0a0), whose gelu is x/2 (1 + erf(x/sqrt 2)); later: with tanh."""
    return "gelu_erf" if isinstance(name, str) and name.lower() == "gelu" else name


def description_of_tree(
    model: Tree, min_nbor_dist: float | None, provenance: Provenance, padding_type: str | None = None
) -> ModelDescription:
    """Build and validate the description.

    model: a checked tree; min_nbor_dist in angstrom, None, or not positive for unknown; padding_type: name of the type that empty
    slots had in training, where the tree does not say. Raises UnsupportedModel, ReadError for shapes that do not fit together,
    ModelError for an illegal model, InputError for a type that is not there.
    """
    refuse_unknown(model)
    type_map = tuple(model["type_map"])
    n_types = len(type_map)
    trees = [
        with_electrons(tree | {"exclude_types": _of_types_here(tree["exclude_types"], n_types)}, type_map)
        for tree in members(model["descriptor"])
    ]
    if not trees:
        raise ReadError("a hybrid descriptor without members")
    if padding_type is not None:
        chosen = {"padding_type": _index_of(padding_type, type_map)}
        trees = [tree | chosen if has_open_padding(tree) else tree for tree in trees]
    descriptors = tuple(MAKERS[tree["type"]](tree, n_types) for tree in trees)
    if model["neighbour_rule"] == "total":
        _refuse_padding_of_types(descriptors)
        _refuse_far_exclusions(trees)
    if model["neighbour_rule"] == "all":
        _refuse_means(trees)
    description = ModelDescription(
        type_map=type_map,
        descriptors=descriptors,
        fitting=_with_constants(model, _fitting(model, n_types), _appended(model, trees, descriptors)),
        pair_excluded=symmetric(_of_types_here(model["pair_exclude_types"], n_types)),
        min_nbor_dist=known_distance(min_nbor_dist),
        provenance=provenance,
        neighbour_rule=_neighbour_rule(model["neighbour_rule"], descriptors),
        remarks=(NO_MASK,) if is_mask(model["fitting"]) else (),
    )
    description.validate()
    return description


def has_open_padding(tree: Tree) -> bool:
    """Whether a descriptor is to be told the type of its empty slots."""
    return tree["type"] == "dpa1" and takes_padding_type(tree)


def _index_of(name: str, type_map: Sequence[str]) -> int:
    if name not in type_map:
        raise InputError(f"--padding-type {name}: the model has the types {' '.join(type_map)}")
    return type_map.index(name)


def _neighbour_rule(rule: str, descriptors: Sequence[Descriptor]) -> str:
    """PyTorch makes one list for all members of a hybrid descriptor, which tells types apart if all members do; TensorFlow one
    for each."""
    if rule == "all":
        return rule
    shared = [d.shares_slots for d in descriptors]
    if any(shared) and not all(shared) and rule == "per_type":
        raise unsupported(
            "a hybrid of TensorFlow whose slots are for neighbours of any type in one descriptor, of one type in another,",
            "a list of the nearest neighbours for each",
        )
    if any(shared):
        return "mixed"
    return "union" if rule == "total" and len(descriptors) > 1 else rule


def _of_types_here(pairs: Sequence[tuple[int, int]], n_types: int) -> list[tuple[int, int]]:
    """Without those of types beyond the model's, as a script has that was written for more of them: DeePMD-kit ignores these."""
    return [pair for pair in pairs if max(pair) < n_types]


def _refuse_means(trees: Sequence[Tree]) -> None:
    """Of a model without slots nothing stands where an empty one would: a neighbour at the cut-off adds what its mean makes of
    it."""
    if any(tree["@variables"]["davg"][..., 0].any() for tree in trees):
        raise unsupported(
            "DPA-1 that takes all neighbours (an exported program of lower_input_kind 'graph', a checkpoint of dp --pt-expt "
            "train), with a mean (davg) that is not 0: its energy jumps where a neighbour crosses the cut-off; this",
            "a model that was trained with set_davg_zero, or the file before it was exported",
        )


def _refuse_padding_of_types(descriptors: Sequence[Descriptor]) -> None:
    """In the list of all members neighbours beyond a member's own cutoff fill its slots: with the function of their type."""
    rcut = max(d.rcut for d in descriptors)
    for d in descriptors:
        if d.padding is not None and d.padding.any() and d.gates is None and d.rcut < rcut:
            raise unsupported(
                "dpa1 without smooth_type_embedding, with a mean (davg) that is not 0 and a cutoff shorter than that of another "
                "descriptor, where a neighbour between the two adds what an empty slot of its type does,",
                "slots of every type beyond the cutoff",
            )


def _refuse_far_exclusions(trees: Sequence[Tree]) -> None:
    """In the list of all members an excluded neighbour beyond a member's own cutoff fills a slot, which adds nothing; an empty
    one adds what its mean makes of it."""
    rcut = max(tree["rcut"] for tree in trees)
    for tree in trees:
        radial = tree["type"] in ("se_e2_a", "se_e2_r", "dpa1")  # of three bodies an empty slot adds nothing
        if radial and tree["exclude_types"] and tree["rcut"] < rcut and tree["@variables"]["davg"][..., 0].any():
            raise unsupported(
                f"{tree['type']} with exclude_types, with a mean (davg) that is not 0 and a cutoff ({tree['rcut']:g} A) shorter "
                f"than that of another descriptor ({rcut:g} A), where an excluded neighbour between the two fills a slot,",
                "a count of excluded neighbours beyond the cutoff; train with set_davg_zero, or with the model's "
                "pair_exclude_types",
            )


def known_distance(value: float | None) -> float | None:
    """DeePMD-kit writes -1 where the training data were not scanned."""
    return None if value is None or (math.isfinite(value) and value <= 0.0) else float(value)


def _fitting(model: Tree, n_types: int) -> EnergyFitting:
    tree = model["fitting"]
    excluded = frozenset(model["atom_exclude_types"])
    if not excluded.issuperset(tree["exclude_types"]):  # such a type would keep its bias
        raise unsupported(
            "a fitting net with excluded types other than the model's atom_exclude_types", "two lists of excluded types"
        )
    nets = [net_of_tree(n, "fitting") for n in tree["nets"]["networks"]]
    mixed = tree["mixed_types"]
    if len(nets) != (1 if mixed else n_types):
        raise ReadError(f"{len(nets)} fitting nets for {n_types} types: {1 if mixed else n_types} are needed")
    bias = per_type(tree, "bias_atom_e", n_types)
    out_bias = per_type(model, "out_bias", n_types)
    if model["@variables"]["out_std"] is not None:
        factors = per_type(model, "out_std", n_types)
        nets, bias = scaled(nets, factors), bias * factors
    parameters = _parameters(tree)
    if parameters.n_inputs:
        nets = [net if net.layers[0].skip is Skip.NONE else _behind_a_linear_layer(net) for net in nets]
    return EnergyFitting(
        nets=tuple(nets),
        net_of=np.zeros(n_types, dtype=np.int32) if mixed else np.arange(n_types),
        energy_bias=out_bias + bias,
        vacuum_subtracted=_vacuum_types(tree["vacuum"], mixed, n_types),
        excluded=excluded,
        parameters=parameters,
    )


def per_type(tree: Tree, name: str, n_types: int) -> Array:
    """A variable of one number a type."""
    array: Array = tree["@variables"][name].reshape(-1).astype(np.float64)
    if array.shape != (n_types,):
        raise ReadError(f"{name} has {array.size} numbers, must be one per type ({n_types})")
    return array


def scaled(nets: Sequence[Net], factors: Array) -> list[Net]:
    """Nets whose output is multiplied by factors (N,), in their last layer."""
    if len(nets) != len(factors) and (factors != factors[0]).any():
        raise unsupported("factors of the energy by type (out_std) with one fitting net for all", "a net for each type")
    return [
        Net((*net.layers[:-1], replace(last, weight=last.weight * factor, bias=last.bias * factor)))
        for net, factor in zip(nets, factors, strict=False)
        for last in net.layers[-1:]
    ]


class Appended(NamedTuple):
    """Inputs of the fitting nets that are constants of the centre's type: their places among the inputs, and (N, n)."""

    places: IntArray
    values: Array


def _appended(model: Tree, trees: Sequence[Tree], descriptors: Sequence[Descriptor]) -> Appended:
    """What stands behind the numbers of each descriptor, and behind those of all."""
    n_types, types = len(model["type_map"]), model["fitting"]["type_embedding"]
    behind = [APPENDED[tree["type"]](tree, n_types) if tree["type"] in APPENDED else np.zeros((n_types, 0)) for tree in trees]
    counts = [descriptor.n_out(0) for descriptor in descriptors]
    if types is not None:
        behind.append(type_embedding(types, n_types))
        counts.append(0)
    places: list[int] = []
    values, end = [np.zeros((n_types, 0))], 0
    for count, numbers in zip(counts, behind, strict=True):
        end += count
        values.append(numbers)
        places += range(end, end + numbers.shape[1])
        end += numbers.shape[1]
    return Appended(np.array(places, dtype=np.int64), np.hstack(values))


def _with_constants(model: Tree, fitting: EnergyFitting, appended: Appended) -> EnergyFitting:
    """Nets that have the constants in them. Without an atom's descriptor they are 0, too, where the tree does not say that they
    stay."""
    if not len(appended.places):
        return fitting
    nets = [_without_inputs(fitting.net(a), appended.places, numbers) for a, numbers in enumerate(appended.values)]
    if model["fitting"]["vacuum_has_types"]:
        return replace(fitting, nets=tuple(nets), net_of=np.arange(len(nets)))
    vacuum = np.array([fitting.energy_constant(a) for a in range(len(nets))])
    return replace(fitting, nets=tuple(nets), net_of=np.arange(len(nets)), energy_bias=vacuum, vacuum_subtracted=frozenset())


def _without_inputs(net: Net, places: IntArray, constants: Array) -> Net:
    """Into the bias of the first layer or, where a skip goes around that, of a linear layer before it."""
    first, *rest = net.layers
    n_in = len(first.weight)
    if places[-1] >= n_in:
        raise ReadError(f"the fitting net takes {n_in} numbers, but those of its descriptors end at {places[-1] + 1}")
    if first.bias.shape != first.weight.shape[1:]:
        raise ReadError(f"a bias of the fitting net has shape {first.bias.shape}, must be ({first.weight.shape[1]},)")
    if first.skip is Skip.NONE:
        bias = first.bias + constants @ first.weight[places]
        return Net((replace(first, weight=np.delete(first.weight, places, axis=0), bias=bias), *rest))
    return _without_inputs(_behind_a_linear_layer(net), places, constants)


def _behind_a_linear_layer(net: Net) -> Net:
    """The same function: its first layer, around which nothing goes, returns what it is given."""
    identity = Layer(np.eye(net.n_in), np.zeros(net.n_in), None, parse("linear"), Skip.NONE)
    return Net((identity, *net.layers))


def is_mask(fitting: Tree) -> bool:
    """Whether its atomic parameters are none: they are for a descriptor (se_a_mask) that no model here has."""
    return bool(fitting["use_aparam_as_mask"] and fitting["numb_aparam"])


def _parameters(tree: Tree) -> Parameters:
    """The net takes (value - avg) inv_std of frame and atomic parameters."""
    n_fparam, n_aparam = tree["numb_fparam"], 0 if is_mask(tree) else tree["numb_aparam"]
    if tree["vacuum"] and n_fparam + n_aparam:
        raise unsupported(
            "a fitting net with atom_ener and parameters, whose energy of the vacuum depends on the parameters,",
            "the difference of two nets",
        )
    default = tree["default_fparam"] if n_fparam else None
    numbers = {
        "fparam_mean": _statistic(tree, "fparam_avg", n_fparam),
        "fparam_scale": _statistic(tree, "fparam_inv_std", n_fparam),
        "aparam_mean": _statistic(tree, "aparam_avg", n_aparam),
        "aparam_scale": _statistic(tree, "aparam_inv_std", n_aparam),
        "constants": _statistic(tree, "case_embd", tree["dim_case_embd"]),
    }
    return Parameters(**numbers, default_fparam=None if default is None else np.array(default, dtype=np.float64))


def _statistic(tree: Tree, name: str, n: int) -> Array:
    array = tree["@variables"][name]
    if n == 0:
        return np.empty(0)
    if array is None or array.size != n:
        raise ReadError(f"{name} has {0 if array is None else array.size} numbers, must have {n}")
    return array.reshape(-1).astype(np.float64)


def _vacuum_types(flags: list[bool], mixed: bool, n_types: int) -> frozenset[int]:
    """DeePMD-kit's rule: no flags, no type; mixed fitting, all types; types beyond the end of the list are subtracted too."""
    if not any(flags):
        return frozenset()
    return frozenset(t for t in range(n_types) if mixed or t >= len(flags) or flags[t])
