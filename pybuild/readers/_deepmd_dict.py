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
from numpy.typing import NDArray

from ..errors import ReadError, UnsupportedModel
from ..model.description import EnergyFitting, Layer, ModelDescription, Net, Provenance, SeE2A

Tree = dict[str, Any]

DESCRIPTOR_ALIASES = {
    "se_a": "se_e2_a", "se_r": "se_e2_r", "se_t": "se_e3", "se_at": "se_e3", "se_a_3be": "se_e3", "se_t_tebd": "se_e3_tebd",
    "se_atten": "dpa1",
}  # fmt: skip
DESCRIPTOR_NEEDS = {
    "se_e2_r": "tables of a radial descriptor without angles",
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


def unsupported(what: str, needs: str) -> UnsupportedModel:
    """The error for a sound model with a feature that is not supported."""
    return UnsupportedModel(
        f"{what} is not supported; it needs {needs}. Supported: energy models with descriptor se_e2_a and fitting net ener"
    )


def refuse_model_type(kind: str) -> None:
    """Raise UnsupportedModel unless the model is a plain Deep Potential energy model."""
    if kind not in ("standard", "ener"):
        raise unsupported(f"a model of type '{kind}'", MODEL_NEEDS.get(kind, "an evaluator of its own"))


def refuse_descriptor(kind: str) -> None:
    """Raise UnsupportedModel unless the descriptor is se_e2_a."""
    kind = DESCRIPTOR_ALIASES.get(kind, kind)
    if kind != "se_e2_a":
        raise unsupported(f"descriptor '{kind}'", DESCRIPTOR_NEEDS.get(kind, "tables of its own"))


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


def description_from_dict(model: Tree, min_nbor_dist: float | None, provenance: Provenance) -> ModelDescription:
    """Build and validate the description.

    model: the tree; min_nbor_dist in angstrom, None, or not positive for unknown. Raises UnsupportedModel, ReadError for
    shapes that do not fit together, ModelError for an illegal model.
    """
    refuse_model_type(model.get("type", "standard"))
    refuse_descriptor(model["descriptor"]["type"])
    refuse_fitting(model["fitting"])
    type_map = tuple(model["type_map"])
    n_types = len(type_map)
    description = ModelDescription(
        type_map=type_map,
        descriptor=_descriptor(model["descriptor"], n_types),
        fitting=_fitting(model, n_types),
        pair_excluded=_symmetric(model["pair_exclude_types"]),
        min_nbor_dist=_known_distance(min_nbor_dist),
        provenance=provenance,
    )
    description.validate()
    return description


def _known_distance(value: float | None) -> float | None:
    """DeePMD-kit writes -1 where the training data were not scanned."""
    return None if value is None or (math.isfinite(value) and value <= 0.0) else float(value)


def _symmetric(pairs: Any) -> frozenset[tuple[int, int]]:
    return frozenset(pair for a, b in pairs for pair in ((a, b), (b, a)))


def _descriptor(tree: Tree, n_types: int) -> SeE2A:
    sel = tuple(tree["sel"])
    mean, std = _statistics(tree["@variables"], n_types, sum(sel))
    networks = tree["embeddings"]["networks"]
    one_sided = tree["embeddings"]["ndim"] == 1
    expected = n_types if one_sided else n_types**2
    if len(networks) != expected:
        raise ReadError(f"{len(networks)} embedding nets for {n_types} types: {expected} are needed")
    nets = [_net(n) for n in networks]
    return SeE2A(
        rcut=tree["rcut"],
        rcut_smth=tree["rcut_smth"],
        env_protection=tree["env_protection"],
        sel=sel,
        n_sel=sum(sel),
        mean=mean,
        std=std,
        axis_neuron=tree["axis_neuron"],
        type_one_side=one_sided,
        nets={(a, b): nets[b if one_sided else a + b * n_types] for a in range(n_types) for b in range(n_types)},
        excluded=_symmetric(tree["exclude_types"]),
    )


def _statistics(variables: Tree, n_types: int, n_slots: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """mean (N,) and std (N, 2) from the per-slot arrays (N, n_slots, 4), whose slots must agree."""
    mean, std = variables["davg"], variables["dstd"]
    for name, array in (("davg", mean), ("dstd", std)):
        if array.shape != (n_types, n_slots, 4) or n_slots == 0:
            raise ReadError(f"descriptor statistics {name} have shape {array.shape}, must be ({n_types}, {n_slots}, 4)")
        if not np.isfinite(array).all():
            raise ReadError(f"descriptor statistics {name} hold numbers that are not finite")
        if (array != array[:, :1, :]).any():  # computed once per type and copied to its slots: the very same numbers
            raise unsupported(
                f"a descriptor whose {name} differ between the slots of one type", "statistics per slot in the table file"
            )
    if mean[:, 0, 1:].any():
        raise unsupported(
            "a descriptor with a mean (davg) of the angular components other than 0", "one mean per component in the table file"
        )
    if (std[:, 0, 1:] != std[:, 0, 1:2]).any():
        raise unsupported(
            "a descriptor whose dstd differ between x, y and z", "one standard deviation per component in the table file"
        )
    return mean[:, 0, 0].astype(np.float64), std[:, 0, :2].astype(np.float64)


def _fitting(model: Tree, n_types: int) -> EnergyFitting:
    tree = model["fitting"]
    nets = [_net(n) for n in tree["nets"]["networks"]]
    mixed = bool(tree["mixed_types"])
    if len(nets) != (1 if mixed else n_types):
        raise ReadError(f"{len(nets)} fitting nets for {n_types} types: {1 if mixed else n_types} are needed")
    bias = tree["@variables"]["bias_atom_e"].reshape(-1).astype(np.float64)
    out_bias = model["@variables"]["out_bias"].reshape(-1).astype(np.float64)
    for name, array in (("bias_atom_e", bias), ("out_bias", out_bias)):
        if array.shape != (n_types,):
            raise ReadError(f"{name} has {array.size} numbers, must be one per type ({n_types})")
    return EnergyFitting(
        nets=tuple(nets * n_types if mixed else nets),
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


def _net(tree: Tree) -> Net:
    return Net(tuple(_layer(layer) for layer in tree["layers"]))


def _layer(tree: Tree) -> Layer:
    """DeePMD-kit's rule for the skip: wherever the layer is residual and its width is the input's, or twice that."""
    variables = tree["@variables"]
    weight = variables["w"]
    if weight.ndim != 2:
        raise ReadError(f"the matrix of a layer has shape {weight.shape}, must be (inputs, outputs)")
    n_in, n_out = weight.shape
    skip = "none"
    if tree["resnet"] and n_out in (n_in, 2 * n_in):
        skip = "identity" if n_out == n_in else "doubled"
    bias = variables["b"] if variables["b"] is not None else np.zeros(n_out)
    return Layer(weight, bias, variables["idt"], tree["activation_function"] or "linear", skip)
