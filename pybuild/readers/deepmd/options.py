# SPDX-License-Identifier: MIT
"""The options of DeePMD-kit's input script ("model" section) that this version knows.

An option that changes what a model computes must never be overlooked: one that is neither known to be handled nor known to be
without effect on a trained model is refused by name, unless it is switched off (null, false, empty).
"""

from __future__ import annotations

from collections.abc import Set
from typing import Any

from ...descriptors.deepmd import Tree, unsupported
from ...errors import ReadError
from ..files import access as get
from .refusals import NO_ENERGY, no_descriptor, no_fitting, no_model
from .torch_layout import LAYOUTS
from .tree_type import check_depth, descriptor_type, is_off

TRAINING_ONLY = {"seed", "trainable", "rcond", "precision"}
MODEL_OPTIONS = {
    "type", "type_map", "descriptor", "fitting_net", "pair_exclude_types", "atom_exclude_types", "preset_out_bias", "info",
    "data_stat_nbatch", "data_stat_protect", "data_bias_nsample", "srtab_add_bias", "model_branch_alias", "bridging_r_inner",
    "bridging_r_outer", "use_srtab", "sw_rmin", "sw_rmax", "smin_alpha", "models", "weights", "finetune_head", "resuming",
    "shared_dict", "hessian_mode", "modifier",
}  # fmt: skip
PAIR_TABLE_OPTIONS = (MODEL_OPTIONS - {"descriptor", "fitting_net"}) | {"tab_file", "rcut", "sel"}
DESCRIPTOR_OPTIONS = TRAINING_ONLY | {
    "type", "rcut", "rcut_smth", "sel", "neuron", "activation_function", "resnet_dt", "type_one_side",
    "exclude_types", "env_protection", "set_davg_zero", "type_map", "ntypes",
}  # fmt: skip
TYPE_EMBEDDING_OPTIONS = {"tebd_dim", "use_econf_tebd", "use_tebd_bias"}
ATTENTION_OPTIONS = {
    "attn", "attn_dotr", "attn_mask", "scaling_factor", "normalize", "temperature", "trainable_ln", "ln_eps",
    "stripped_type_embedding",
}  # fmt: skip
FITTING_OPTIONS = TRAINING_ONLY | {
    "type", "neuron", "activation_function", "resnet_dt", "numb_fparam", "numb_aparam", "dim_case_embd", "default_fparam",
    "atom_ener", "use_aparam_as_mask", "type_map", "ntypes", "mixed_types", "dim_descrpt", "embedding_width",
}  # fmt: skip


SHARED = ("type_map", "descriptor", "fitting_net")


def with_shared(model: Tree) -> Tree:
    """The section of a linear_ener whose parts name what they share (shared_dict): with that in place of "NAME" or
    "NAME:LEVEL"."""
    if is_off(model.get("shared_dict")) or "models" not in model:
        return model
    shared = get.mapping(model["shared_dict"], "model.shared_dict")

    def resolved(value: Any) -> Any:
        return get.member(shared, value.split(":")[0], "model.shared_dict") if isinstance(value, str) else value

    def part(value: Any, where: str) -> Tree:
        section = get.mapping(value, where)
        found = section | {key: resolved(section[key]) for key in SHARED if key in section}
        members = found.get("descriptor", {}).get("list") if isinstance(found.get("descriptor"), dict) else None
        if isinstance(members, list):
            found["descriptor"] = found["descriptor"] | {"list": [resolved(member) for member in members]}
        return found

    models = get.sequence(model["models"], "model.models")
    return model | {"models": [part(value, f"model.models[{k}]") for k, value in enumerate(models)]}


def has_modifier(model: Tree) -> bool:
    """A data modifier (DPLR) of the model or of one of its parts."""
    parts = model.get("models")
    inner = [part for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []
    return any(not is_off(part.get("modifier")) for part in (model, *inner))


def check_options(model: Tree, where: str = "model") -> None:
    """Raise UnsupportedModel for a model, descriptor or fitting net that is never read, and for options not known to be
    handled; ReadError for parts of a linear_ener that are neither nets nor pair tables. Names of what is shared are resolved
    (with_shared)."""
    check_depth(where)
    if not is_off(model.get("spin")):
        raise no_model("spin_ener")
    kind = get.text(model.get("type", "standard"), f"{where}.type")
    is_part = where != "model"
    if kind == "pairtab" and not is_part:
        raise no_model(kind)
    if kind == "pairtab" and "descriptor" not in model:  # with one DeePMD-kit takes a part of linear_ener for a net
        return _check(model, PAIR_TABLE_OPTIONS, where)
    if kind not in ("standard", "ener", "linear_ener", "pairtab"):
        raise no_model(kind)
    if is_part and "descriptor" not in model:
        raise ReadError(f"{where} of type '{kind}' has no descriptor: a part of linear_ener must be a net or a pair table")
    if (kind != "linear_ener" or is_part) and "fitting_net" not in model:
        raise unsupported("a model without fitting net (denoising)", NO_ENERGY)
    _check(model, MODEL_OPTIONS | (PAIR_TABLE_OPTIONS if kind == "pairtab" else set()), where)
    if kind == "linear_ener" and not is_part:
        for index, inner in enumerate(get.sequence(get.member(model, "models", where), f"{where}.models")):
            check_options(get.mapping(inner, where), f"{where}.models[{index}]")
        return None
    place = f"{where}." if is_part else ""
    _check_descriptor(get.member(model, "descriptor", where), f"{place}descriptor")
    fitting = get.mapping(model["fitting_net"], f"{place}fitting_net")
    if fitting.get("type", "ener") != "ener":
        raise no_fitting(get.text(fitting["type"], f"{place}fitting_net.type"))
    return _check(fitting, FITTING_OPTIONS, f"{place}fitting_net")


def _check_descriptor(value: Any, where: str) -> None:
    check_depth(where)
    options = get.mapping(value, where)
    kind = descriptor_type(options.get("type", "se_e2_a"), f"{where}.type")
    if kind == "hybrid":
        _check(options, {"type", "list", "type_map", "ntypes"}, where)
        for index, inner in enumerate(get.sequence(get.member(options, "list", where), f"{where}.list")):
            _check_descriptor(inner, f"{where}.list[{index}]")
    elif kind not in LAYOUTS:
        raise no_descriptor(kind)
    else:
        layout = LAYOUTS[kind]
        own = {option.name for option in layout.options.values()}
        embedding = TYPE_EMBEDDING_OPTIONS if layout.type_embedding else set()
        attention = ATTENTION_OPTIONS if "attn_layer" in own else set()
        _check(options, DESCRIPTOR_OPTIONS | own | embedding | attention, where)


def _check(options: Tree, known: Set[str], where: str) -> None:
    for key, value in options.items():
        if key not in known and not str(key).startswith("_") and not is_off(value):
            raise unsupported(f"option '{where}.{str(key)[:80]}'", "a reader that knows this option")
