# SPDX-License-Identifier: MIT
"""The attributes of a frozen PyTorch model (`dp freeze`, TorchScript) -> DeePMD-kit's tree (tree.py).

Plain attributes are taken, not the input script beside them: they are what the model computes with, without defaults to guess.
The archive's code entries are not needed; one difference between versions is nowhere else (NO_BIAS).

Layouts: files of early 2024 hold descriptor and fitting_net themselves, later ones in atomic_model, which has biases of its own
(out_bias) and the lists of excluded atoms and pairs. The first ones say distinguish_types instead of mixed_types.
"""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np

from ...descriptors.deepmd import Tree, unsupported
from ...errors import ReadError
from ..files import access as get
from ..files.restricted_pickle import ScriptObject
from ..files.script_object import ModelObject as _Object
from ..files.torch_archive import TorchArchive
from .options import check_options, has_modifier, with_shared
from .refusals import check_modifier, no_descriptor, no_fitting, no_model
from .torch_layout import CLASSES, FITTING_ARRAYS, FITTING_INPUTS, LAYOUTS, networks
from .tree import early_activation
from .tree_type import members

ENERGY_MODELS = {"EnergyModel", "DPZBLModel", "LinearEnergyModel"}
OTHER_MODELS = {
    "SpinModel": "spin_ener", "SpinEnergyModel": "spin_ener", "DipoleModel": "dipole", "PolarModel": "polar", "DOSModel": "dos",
    "PropertyModel": "property",
}  # fmt: skip
FITTING_TYPES = {
    "EnergyFittingNet": "ener", "EnergyFittingNetDirect": "direct_force_ener", "DipoleFittingNet": "dipole",
    "PolarFittingNet": "polar", "DOSFittingNet": "dos", "PropertyFittingNet": "property",
}  # fmt: skip
# An output without the bias of a model of several parts.
NO_BIAS = re.compile(r"def apply_out_stat\([^()]*\) -> Dict\[str, Tensor\]:\s+return ret\s")


def is_frozen(root: Any) -> bool:
    """Whether the unpickled root is a TorchScript module."""
    return isinstance(root, ScriptObject)


def frozen_tree(archive: TorchArchive, root: Any, without_modifier: bool = False) -> tuple[Tree, float | None]:
    """(tree of the model, min_nbor_dist or None)."""
    model = _Object(archive, root, "")
    if model.class_name not in ENERGY_MODELS:
        if "deepmd" not in root.class_name:
            raise ReadError(
                f"a TorchScript model of class '{model.class_name[:80]}', which is none of DeePMD-kit's, PWMLFF's or MatPL's"
            )
        raise no_model(OTHER_MODELS.get(model.class_name, model.class_name))
    script = _script(model)
    check_modifier(bool(archive.size("extra/data_modifier.pth")) or has_modifier(script), without_modifier)
    if script:  # not read, but an option that this version has never heard of must not pass unseen
        check_options(script)
    early = model.get("atomic_model") is None and model.get("descriptor") is not None
    tree = _early_model(model) if early else _atomic_model(model.child("atomic_model"))
    nearest = model.optional_array("min_nbor_dist")
    return tree, None if nearest is None or nearest.size != 1 else float(nearest.reshape(-1)[0])


def _atomic_model(atomic: _Object) -> Tree:
    makers = {
        "DPEnergyAtomicModel": _energy_model,
        "DPAtomicModel": _energy_model,
        "PairTabAtomicModel": _pair_table,
        "LinearEnergyAtomicModel": _linear_model,
        "DPZBLLinearEnergyAtomicModel": _zbl_model,
    }
    if atomic.class_name not in makers:
        raise unsupported(f"an atomic model '{atomic.class_name}'", "an evaluator of its own")
    type_map = get.type_names(atomic.need("type_map"), atomic.place("type_map"))
    common = {
        "type_map": type_map,
        "atom_exclude_types": _excluded_types(atomic, "atom_excl", len(type_map)),
        "pair_exclude_types": _excluded_pairs(atomic, "pair_excl", len(type_map)),
        "@variables": {"out_bias": atomic.array("out_bias")},
    }
    return common | makers[atomic.class_name](atomic)


def _energy_model(atomic: _Object) -> Tree:
    if atomic.get("add_chg_spin_ebd"):
        raise unsupported(
            "a model with an embedding of charge and spin (add_chg_spin_ebd)", "charge and spin as inputs of the model"
        )
    return {
        "type": "standard",
        "descriptor": _descriptor(atomic.child("descriptor")),
        "fitting": _fitting(atomic.child("fitting_net")),
    }


def _pair_table(atomic: _Object) -> Tree:
    arrays = {name: atomic.array(name) for name in ("tab_info", "tab_data")}
    rcut = atomic.need("rcut")
    return {"type": "pairtab", "rcut": rcut, "sel": atomic.need("sel"), "tab": {"rcut": rcut, "@variables": arrays}}


def _linear_model(atomic: _Object) -> Tree:
    """Files of before 3.0.0 have no weights, those of up to 3.1.0 at least leave out the whole's out_bias, wherever they run."""
    weights = atomic.get("weights")
    models = [_atomic_model(inner) for inner in atomic.children("models")]
    tree = {"type": "linear_ener", "models": models, "weights": "mean" if weights is None else weights}
    if NO_BIAS.search(atomic.code()):
        tree["@variables"] = {"out_bias": np.zeros_like(atomic.array("out_bias"))}
    return tree


def _zbl_model(atomic: _Object) -> Tree:
    switch = {key: atomic.need(key) for key in ("sw_rmin", "sw_rmax", "smin_alpha")}
    return _linear_model(atomic) | {"type": "zbl"} | switch


def _early_model(model: _Object) -> Tree:
    """The fitting net's bias and mask of types are the model's."""
    tree = _energy_model(model)
    for collection in (*(inner["embeddings"] for inner in members(tree["descriptor"])), tree["fitting"]["nets"]):
        for layer in (layer for net in collection["networks"] for layer in net["layers"]):
            layer["activation_function"] = early_activation(layer["activation_function"])
    type_map = get.type_names(model.need("type_map"), "type_map")
    return tree | {
        "type_map": type_map,
        "atom_exclude_types": tree["fitting"]["exclude_types"],
        "pair_exclude_types": [],
        "@variables": {"out_bias": np.zeros((1, len(type_map), 1))},
    }


def _script(model: _Object) -> Tree:
    """What the input script said of the model; empty where the file does not say."""
    script = model.get("model_def_script")
    if not isinstance(script, str) or not script.strip():
        return {}
    try:
        options = json.loads(script)
    except (ValueError, RecursionError) as error:
        raise ReadError(f"model_def_script is not JSON ({str(error)[:100]})") from error
    return with_shared(get.mapping(options, "model_def_script"))


def _descriptor(outer: _Object) -> Tree:
    kind = CLASSES.get(outer.class_name, outer.class_name)
    if kind == "hybrid":
        return {"type": kind, "list": [_descriptor(inner) for inner in outer.children("descrpt_list")]}
    if kind not in LAYOUTS:
        raise no_descriptor(kind)
    layout = LAYOUTS[kind]
    block = outer.child(layout.block) if layout.block else outer
    _refuse_old_networks(block)
    mean = block.array("mean")
    n_types = mean.shape[0] if mean.ndim else 0
    found = ((key, (block.get(o.attribute), outer.get(o.attribute))) for key, o in layout.options.items())
    tree = {
        "type": kind,
        **{name: block.need(name) for name in ("rcut", "rcut_smth", "sel")},
        **{key: inner if inner is not None else other for key, (inner, other) in found},
        "env_protection": block.get("env_protection"),
        "env_mat": {"use_exp_switch": block.get("use_exp_switch")},
        "exclude_types": _excluded_pairs(block, "emask", n_types),
        "embeddings": networks(kind, _networks(block.child("filter_layers")), n_types),
        "@variables": {"davg": mean, "dstd": block.array("stddev")}
        | {key: block.optional_array(name) for key, name in layout.statistics.items()},
    }
    if layout.type_embedding:
        tree["type_embedding"] = _type_embedding(outer.child("type_embedding").child("embedding"))
        if block.get("filter_layers_strip") is not None:
            tree["embeddings_strip"] = networks(kind, _networks(block.child("filter_layers_strip")), n_types)
    return tree


def _type_embedding(net: _Object) -> Tree:
    return {
        "padding": net.get("padding"),
        "use_econf_tebd": net.get("use_econf_tebd"),
        "econf_tebd": net.optional_array("econf_tebd"),
        "embedding": _network(net.child("embedding_net")),
    }


def _fitting(net: _Object) -> Tree:
    kind = FITTING_TYPES.get(net.class_name, net.class_name)
    if kind != "ener":
        raise no_fitting(kind)
    _refuse_old_networks(net)
    bias = net.array("bias_atom_e")
    return {
        "type": kind,
        "mixed_types": _mixed_types(net),
        "vacuum": net.get("remove_vaccum_contribution"),
        "exclude_types": _excluded_types(net, "emask", bias.shape[0] if bias.ndim else 0),
        **{name: net.get(name) for name in FITTING_INPUTS},
        "nets": {"networks": _networks(net.child("filter_layers"))},
        "@variables": {"bias_atom_e": bias} | {name: net.optional_array(name) for name in FITTING_ARRAYS},
    }


def _mixed_types(net: _Object) -> bool:
    if net.get("mixed_types") is None and net.get("distinguish_types") is not None:
        if net.get("use_tebd"):
            raise unsupported("a fitting net with type embedding (use_tebd)", "the embedding as inputs of the fitting net")
        return not get.flag(net.need("distinguish_types"), net.place("distinguish_types"))
    return get.flag(net.need("mixed_types"), net.place("mixed_types"))


def _refuse_old_networks(owner: _Object) -> None:
    if owner.get("old_impl"):
        raise unsupported(f"{owner.where} with networks of the prototype of DeePMD-kit 3 (old_impl)", "a reader for them")


def _networks(collection: _Object) -> list[Tree]:
    return [_network(net) for net in collection.children("networks")]


def _network(net: _Object) -> Tree:
    return {"layers": [_layer(layer) for layer in net.children("layers")]}


def _layer(layer: _Object) -> Tree:
    variables = {"w": layer.array("matrix"), "b": layer.optional_array("bias"), "idt": layer.optional_array("idt")}
    return {"activation_function": layer.get("activate_name"), "resnet": layer.need("resnet"), "@variables": variables}


def _excluded_types(owner: _Object, name: str, n_types: int) -> list[int]:
    """Types whose entry of the mask (N,) is 0; no mask, none."""
    if owner.get(name) is None:
        return []
    mask = owner.child(name).array("type_mask").reshape(-1)
    if mask.shape != (n_types,):
        raise ReadError(f"{owner.place(name)} has {mask.size} entries for {n_types} types")
    return [int(t) for t in np.flatnonzero(mask == 0)]


def _excluded_pairs(owner: _Object, name: str, n_types: int) -> list[tuple[int, int]]:
    """Pairs whose entry of the mask (N + 1, N + 1) is 0; its last row and column are for virtual atoms."""
    if owner.get(name) is None:
        return []
    mask = owner.child(name).array("type_mask").reshape(-1)
    if mask.size != (n_types + 1) ** 2:
        raise ReadError(f"{owner.place(name)} has {mask.size} entries for {n_types} types")
    pairs = np.argwhere(mask.reshape(n_types + 1, n_types + 1)[:-1, :-1] == 0)
    return [(int(a), int(b)) for a, b in pairs]
