# SPDX-License-Identifier: MIT
"""The options of DeePMD-kit's input script ("model" section) that this version knows.

An option that changes what a model computes must never be overlooked: one that is neither known to be handled nor known to be
without effect on a trained model is refused by name, unless it is switched off (null, false, empty).
"""

from __future__ import annotations

from typing import Any

from ...descriptors.deepmd import Tree, unsupported
from ..files import access as get
from .tree import deepmd_kind, refuse_fitting, refuse_model_type

TRAINING_ONLY = {"seed", "trainable", "rcond", "precision"}
MODEL_OPTIONS = {
    "type", "type_map", "descriptor", "fitting_net", "pair_exclude_types", "atom_exclude_types", "preset_out_bias", "info",
    "data_stat_nbatch", "data_stat_protect", "data_bias_nsample", "srtab_add_bias", "model_branch_alias", "bridging_r_inner",
    "bridging_r_outer", "sw_rmin", "sw_rmax", "smin_alpha", "finetune_head", "resuming", "shared_dict", "hessian_mode",
}  # fmt: skip
DESCRIPTOR_OPTIONS = TRAINING_ONLY | {
    "type", "rcut", "rcut_smth", "sel", "neuron", "activation_function", "resnet_dt", "type_one_side",
    "exclude_types", "env_protection", "set_davg_zero", "type_map", "ntypes",
}  # fmt: skip
FITTING_OPTIONS = TRAINING_ONLY | {
    "type", "neuron", "activation_function", "resnet_dt", "numb_fparam", "numb_aparam", "dim_case_embd", "default_fparam",
    "atom_ener", "use_aparam_as_mask", "type_map", "ntypes", "mixed_types", "dim_descrpt", "embedding_width",
}  # fmt: skip
OFF: tuple[Any, ...] = (None, False, 0, "", "None", "none", [], {})


def check_options(model: Tree) -> None:
    """Raise UnsupportedModel for a model, descriptor or fitting net of another type, and for options not known to be handled."""
    if model.get("spin") not in OFF:
        refuse_model_type("spin_ener")
    if model.get("use_srtab") not in OFF:
        refuse_model_type("zbl")
    refuse_model_type(get.text(model.get("type", "standard"), "model.type"))
    descriptor = get.mapping(get.member(model, "descriptor", "model"), "model.descriptor")
    kind = deepmd_kind(get.text(descriptor.get("type", "se_e2_a"), "model.descriptor.type"))
    if "fitting_net" not in model:
        raise unsupported("a model without fitting net (denoising)", "energies and forces, which such a model does not have")
    fitting = get.mapping(model["fitting_net"], "model.fitting_net")
    refuse_fitting(fitting)
    for section, options, known in (
        ("model", model, MODEL_OPTIONS),
        ("descriptor", descriptor, DESCRIPTOR_OPTIONS | kind.options),
        ("fitting_net", fitting, FITTING_OPTIONS),
    ):
        for key, value in options.items():
            if key not in known and not str(key).startswith("_") and not any(value is off or value == off for off in OFF):
                raise unsupported(f"option '{section}.{str(key)[:80]}'", "a reader that knows this option")
