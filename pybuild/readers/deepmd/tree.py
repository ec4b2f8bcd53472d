# SPDX-License-Identifier: MIT
"""From DeePMD-kit's tree of a model to a ModelDescription: shared by all readers of DeePMD-kit files.

The tree has the layout in which DeePMD-kit serialises models ("descriptor", "fitting", "@variables", "networks", ...), arrays in
place; a reader of another format builds the same tree. One key is our own: fitting["vacuum"], a flag per type that says whether
the net's output for a descriptor of zeros is subtracted (follows from atom_ener). Everything this version cannot compress is
refused here by name, with what it would need.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...descriptors.deepmd import DeepmdKind, Tree, net_of_tree, symmetric, unsupported
from ...descriptors.kinds import DEEPMD_KINDS
from ...errors import ReadError
from ...model.description import EnergyFitting, ModelDescription, Provenance

DESCRIPTOR_ALIASES = {
    "se_a": "se_e2_a", "se_r": "se_e2_r", "se_t": "se_e3", "se_at": "se_e3", "se_a_3be": "se_e3", "se_t_tebd": "se_e3_tebd",
    "se_atten": "dpa1",
}  # fmt: skip
DESCRIPTOR_NEEDS = {
    "se_e3": "three-body tables of the angle between two neighbours",
    "se_e3_tebd": "three-body tables with a type embedding",
    "dpa1": "tables with a type embedding",
    "se_atten_v2": "tables with a type embedding",
    "hybrid": "several descriptors in one table file",
    "dpa2": "message passing between atoms, which cannot be tabulated",
    "dpa3": "message passing between atoms, which cannot be tabulated",
}
MODEL_NEEDS = {
    "zbl": "a pair table that replaces the model at short distance",
    "linear_ener": "several models in one table file",
    "spin_ener": "virtual atoms for spins",
    "pairtab": "a pair table only: pair_style table of LAMMPS does that",
    "MatPL": "a reader for MatPL's files",
    **dict.fromkeys(("dipole", "polar", "dos", "property"), "energies and forces, which such a model does not have"),
}
FITTING_NEEDS = "only the energy fitting net 'ener' gives forces"


def refuse_model_type(kind: str) -> None:
    """Raise UnsupportedModel unless the model is a plain Deep Potential energy model."""
    if kind not in ("standard", "ener"):
        raise unsupported(f"a model of type '{kind}'", MODEL_NEEDS.get(kind, "an evaluator of its own"))


def deepmd_kind(name: str) -> DeepmdKind:
    """The kind of descriptor of a name. Raises UnsupportedModel for one that there are no tables for."""
    name = DESCRIPTOR_ALIASES.get(name, name)
    if name not in DEEPMD_KINDS:
        raise unsupported(f"descriptor '{name}'", DESCRIPTOR_NEEDS.get(name, "tables of its own"))
    return DEEPMD_KINDS[name]


def refuse_fitting(fitting: Tree) -> None:
    """Raise UnsupportedModel for another fitting than "ener", or one with inputs beside the descriptor."""
    kind = fitting.get("type", "ener")
    if kind != "ener":
        raise unsupported(f"fitting net '{kind}'", FITTING_NEEDS)
    for key, what in (("numb_fparam", "frame"), ("numb_aparam", "atomic")):
        if fitting.get(key):
            raise unsupported(
                f"a fitting net with {fitting[key]} {what} parameters ({key})",
                f"{what} parameters in the table file and in pair_style",
            )
    if fitting.get("dim_case_embd"):
        raise unsupported(
            f"a fitting net with a case embedding (dim_case_embd = {fitting['dim_case_embd']})",
            "a constant input of the fitting net",
        )


def early_activation(name: str) -> str:
    """The activation in a file of early 2024. Raises UnsupportedModel for gelu: those files compute x/2 (1 + erf(x/sqrt 2))."""
    if name.lower() == "gelu":
        raise unsupported("gelu in a file of early 2024 (the form with erf; later versions: with tanh)", "another activation")
    return name


def description_of_tree(model: Tree, min_nbor_dist: float | None, provenance: Provenance) -> ModelDescription:
    """Build and validate the description.

    model: the tree; min_nbor_dist in angstrom, None, or not positive for unknown. Raises UnsupportedModel, ReadError for
    shapes that do not fit together, ModelError for an illegal model.
    """
    refuse_model_type(model.get("type", "standard"))
    kind = deepmd_kind(model["descriptor"]["type"])
    refuse_fitting(model["fitting"])
    type_map = tuple(model["type_map"])
    n_types = len(type_map)
    description = ModelDescription(
        type_map=type_map,
        descriptors=(kind.make(model["descriptor"], n_types),),
        fitting=_fitting(model, n_types),
        pair_excluded=symmetric(model["pair_exclude_types"]),
        min_nbor_dist=_known_distance(min_nbor_dist),
        provenance=provenance,
        neighbour_rule="total",  # of the PyTorch back end
    )
    description.validate()
    return description


def _known_distance(value: float | None) -> float | None:
    """DeePMD-kit writes -1 where the training data were not scanned."""
    return None if value is None or (math.isfinite(value) and value <= 0.0) else float(value)


def _fitting(model: Tree, n_types: int) -> EnergyFitting:
    tree = model["fitting"]
    nets = [net_of_tree(n, "fitting") for n in tree["nets"]["networks"]]
    mixed = bool(tree["mixed_types"])
    if len(nets) != (1 if mixed else n_types):
        raise ReadError(f"{len(nets)} fitting nets for {n_types} types: {1 if mixed else n_types} are needed")
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
        excluded=frozenset(model["atom_exclude_types"]),
    )


def _vacuum_types(flags: list[bool], mixed: bool, n_types: int) -> frozenset[int]:
    """DeePMD-kit's rule: no flags, no type; mixed fitting, all types; types beyond the end of the list are subtracted too."""
    if not any(flags):
        return frozenset()
    return frozenset(t for t in range(n_types) if mixed or t >= len(flags) or flags[t])


def vacuum_flags(atom_ener: list[Any] | None) -> list[bool]:
    """fitting["vacuum"] of an input script's atom_ener: types with an energy given."""
    return [energy is not None for energy in atom_ener or []]
