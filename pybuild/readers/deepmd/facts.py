# SPDX-License-Identifier: MIT
"""What DeePMD-kit's tree of a model says, for people; also of kinds that cannot be compressed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ...descriptors.deepmd import Tree

Facts = dict[str, Any]

# Of descriptors with a type embedding, by the input script's words; se_e3_tebd has the third, dpa1 the fourth.
TYPE_OPTIONS = ("tebd_input_mode", "type_one_side", "smooth", "smooth_type_embedding", "concat_output_tebd", "attn_layer")


def facts_of_tree(tree: Tree) -> Facts:
    """Types, descriptors, fitting net and exclusions, or those of each model where there are several. Lengths in angstrom,
    energies in eV."""
    type_map = [str(name) for name in tree["type_map"]]
    if "models" in tree:
        parts = [facts_of_tree({"type_map": type_map, **part}) for part in tree["models"]]
        own = {key: tree[key] for key in (("sw_rmin", "sw_rmax") if tree["type"] == "zbl" else ("weights",))}
        return {"model": tree["type"], "types": type_map, **own, **_exclusions(tree, type_map), "models": parts}
    facts: Facts = {"model": tree.get("type", "standard"), "types": type_map}
    if "tab" in tree:
        facts |= {"rcut": tree["rcut"], "sel": _sel(tree["sel"], type_map), **_table(tree["tab"])}
    if "descriptor" in tree:
        facts["descriptors"] = [_descriptor(d, type_map) for d in _members(tree["descriptor"])]
    if "fitting" in tree:
        facts["fitting"] = _fitting(tree, type_map)
    return facts | _exclusions(tree, type_map)


def _exclusions(tree: Tree, type_map: list[str]) -> Facts:
    return {key: _named(tree[key], type_map) for key in ("pair_exclude_types", "atom_exclude_types") if tree.get(key)}


def _table(table: Tree) -> Facts:
    """Where a pair table begins, its step and how many intervals it has, as far as these numbers are there."""
    numbers = table["@variables"]["tab_info"].reshape(-1)[:3].tolist()
    return {"table": dict(zip(("from", "step", "intervals"), numbers, strict=False))}


def _members(descriptor: Tree) -> Iterator[Tree]:
    """One descriptor, or those of a hybrid one, in order."""
    if "list" not in descriptor:
        yield descriptor
    for member in descriptor.get("list", ()):
        yield from _members(member)


def _descriptor(d: Tree, type_map: list[str]) -> Facts:
    facts: Facts = {"kind": d["type"]}
    facts |= {key: d[key] for key in ("rcut", "rcut_smth", "env_protection", "axis_neuron") if d.get(key)}
    if d.get("lmax", 1) > 1:
        facts["lmax"] = d["lmax"]
    facts["sel"] = _sel(d.get("sections") or d.get("sel", ()), type_map)
    if d["type"] in ("se_e2_a", "se_e2_r") and len(type_map) > 1:  # of one type both are the same
        facts["type_one_side"] = d["embeddings"]["ndim"] == 1
    facts |= {key: d[key] for key in TYPE_OPTIONS if key in d}
    if "type_embedding" in d:
        facts["type_embedding"] = _type_embedding(d["type_embedding"])
    if d.get("exclude_types"):
        facts["exclude_types"] = _named(d["exclude_types"], type_map)
    if "embeddings" in d:
        facts["embedding"] = _nets(d["embeddings"]["networks"])
    return facts


def _sel(sel: Any, type_map: list[str]) -> Any:
    """By type, or as it is: for all types together."""
    return dict(zip(type_map, sel, strict=True)) if len(sel) == len(type_map) else list(sel)


def _type_embedding(tree: Tree) -> Facts:
    return {"use_econf_tebd": tree["use_econf_tebd"]} | _nets([tree["embedding"]])


def _fitting(tree: Tree, type_map: list[str]) -> Facts:
    fitting = tree["fitting"]
    facts: Facts = {"kind": fitting.get("type", "ener")}
    inputs = ["numb_fparam", *([] if fitting.get("use_aparam_as_mask") else ["numb_aparam"]), "dim_case_embd"]
    facts |= {key: fitting[key] for key in inputs if fitting.get(key)}
    if "nets" in fitting:
        facts |= _nets(fitting["nets"]["networks"])
    parts = [fitting.get("@variables", {}).get("bias_atom_e"), tree.get("@variables", {}).get("out_bias")]
    biases = [np.asarray(part, dtype=np.float64).reshape(-1) for part in parts if part is not None]
    if biases and all(len(bias) == len(type_map) for bias in biases):
        facts["energy_bias"] = dict(zip(type_map, np.sum(biases, axis=0).tolist(), strict=True))
    return facts


def _nets(networks: list[Tree]) -> Facts:
    """How many, and widths and activation of the first; those that hold tables instead of layers have neither."""
    facts: Facts = {"nets": sum(net is not None for net in networks)}
    layers = [net["layers"] for net in networks if net is not None and "layers" in net]
    if layers and layers[0]:
        facts["widths"] = [int(layer["@variables"]["w"].shape[1]) for layer in layers[0]]
        facts["activation"] = layers[0][0]["activation_function"] or "linear"
        facts["resnet_dt"] = any(layer["@variables"].get("idt") is not None for layer in layers[0])
    return facts


def _named(indices: Any, type_map: list[str]) -> list[str]:
    """Types, or pairs of types "A-B", by their names."""
    return ["-".join(type_map[t] for t in np.atleast_1d(entry)) for entry in indices]
