# SPDX-License-Identifier: MIT
"""From DeePMD-kit's tree of a model to a ModelDescription: shared by all readers of DeePMD-kit files.

The tree is a checked one (tree_type.py, docs/deepmd-tree.md). Kinds that this version has no evaluator for are complete in it,
and refused here by name, with what they would need (refusals.py).
"""

from __future__ import annotations

import math

import numpy as np

from ...descriptors.deepmd import Tree, net_of_tree, symmetric, unsupported
from ...descriptors.kinds import MAKERS
from ...errors import ReadError
from ...model.description import EnergyFitting, ModelDescription, Provenance
from .refusals import refuse_unknown


def early_activation(name: str) -> str:
    """The activation in a file of early 2024. Raises UnsupportedModel for gelu: those files compute x/2 (1 + erf(x/sqrt 2))."""
    if name.lower() == "gelu":
        raise unsupported("gelu in a file of early 2024 (the form with erf; later versions: with tanh)", "another activation")
    return name


def description_of_tree(model: Tree, min_nbor_dist: float | None, provenance: Provenance) -> ModelDescription:
    """Build and validate the description.

    model: a checked tree; min_nbor_dist in angstrom, None, or not positive for unknown. Raises UnsupportedModel, ReadError for
    shapes that do not fit together, ModelError for an illegal model.
    """
    refuse_unknown(model)
    type_map = tuple(model["type_map"])
    n_types = len(type_map)
    descriptor = model["descriptor"]
    description = ModelDescription(
        type_map=type_map,
        descriptors=(MAKERS[descriptor["type"]](descriptor, n_types),),
        fitting=_fitting(model, n_types),
        pair_excluded=symmetric(model["pair_exclude_types"]),
        min_nbor_dist=known_distance(min_nbor_dist),
        provenance=provenance,
        neighbour_rule=model["neighbour_rule"],
    )
    description.validate()
    return description


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
    factor = model["@variables"]["out_std"]
    if factor is not None and (factor != 1.0).any():
        raise unsupported("a model with factors of the energy (out_std) other than 1", "such factors in the last layer")
    bias = tree["@variables"]["bias_atom_e"].reshape(-1).astype(np.float64)
    out_bias = model["@variables"]["out_bias"].reshape(-1).astype(np.float64)
    for name, array in (("bias_atom_e", bias), ("out_bias", out_bias)):
        if array.shape != (n_types,):
            raise ReadError(f"{name} has {array.size} numbers, must be one per type ({n_types})")
    return EnergyFitting(
        nets=tuple(nets),
        net_of=[0 if mixed else a for a in range(n_types)],
        energy_bias=out_bias + bias,
        vacuum_subtracted=_vacuum_types(tree["vacuum"], mixed, n_types),
        excluded=excluded,
    )


def _vacuum_types(flags: list[bool], mixed: bool, n_types: int) -> frozenset[int]:
    """DeePMD-kit's rule: no flags, no type; mixed fitting, all types; types beyond the end of the list are subtracted too."""
    if not any(flags):
        return frozenset()
    return frozenset(t for t in range(n_types) if mixed or t >= len(flags) or flags[t])
