# SPDX-License-Identifier: MIT
"""A PyTorch training checkpoint (`model.ckpt.pt`) -> DeePMD-kit's tree (tree.py).

A checkpoint holds a flat dictionary of tensors and the model section of the input script. Sizes and numbers come from the
tensors; only cutoffs, sel, activations and exclusions come from the script, with DeePMD-kit's defaults where it is silent.
Checkpoints of early 2024 name their tensors without `atomic_model.` and have no out_bias. Those of the exportable back end
(`dp --pt-expt train`) hold the same numbers by other names; DPA-1 takes all neighbours inside the cut-off there, as DeePMD-kit
evaluates such a checkpoint and what it freezes of it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...descriptors.deepmd import Tree
from ...errors import InputError, ReadError
from ..files import access as get
from ..files.restricted_pickle import TensorRef
from ..files.torch_archive import TorchArchive
from .options import check_options, has_modifier, with_shared
from .refusals import check_modifier
from .torch_layout import FITTING_ARRAYS, FITTING_INPUTS, LAYOUTS, name_of_exportable, networks
from .tree import early_activation
from .tree_type import descriptor_type, is_off, parts_by_list, refuse_shorter_lists, vacuum_flags

SINGLE_TASK_HEAD = "Default"  # DeePMD-kit's name for the one model of a single-task training
# Defaults of DeePMD-kit's input script; a checkpoint normally has them filled in already.
DEFAULT_RCUT, DEFAULT_RCUT_SMTH, DEFAULT_ACTIVATION = 6.0, 0.5, "tanh"
SMIN_ALPHA = 0.1  # whatever the script says: DeePMD-kit's PyTorch does not look at it, the exportable back end does


def is_checkpoint(root: Any) -> bool:
    """Whether the unpickled root is a DeePMD-kit training checkpoint."""
    return isinstance(root, dict) and "_extra_state" in _state_dict(root)


def checkpoint_tree(
    archive: TorchArchive, root: Any, head: str | None, without_modifier: bool = False
) -> tuple[Tree, float | None]:
    """(tree of the model, min_nbor_dist or None) of a single-task checkpoint, or of one head of a multi-task one."""
    state = _state_dict(root)
    extra = get.mapping(state["_extra_state"], "_extra_state")
    params = get.mapping(get.member(extra, "model_params", "_extra_state"), "model_params")
    name, params = _select_head(params, head)
    params = with_shared(params)
    check_modifier(has_modifier(params), without_modifier)
    check_options(params)
    tensors = _Tensors(archive, state, f"model.{name}.")
    nearest = tensors.optional_array("min_nbor_dist")
    tree = _model(params, tensors, tensors.base, "model_params")
    if tensors.exportable:
        refuse_shorter_lists(tree)
    return tree, None if nearest is None or nearest.size != 1 else float(nearest.reshape(-1)[0])


def _model(params: Tree, tensors: _Tensors, base: str, where: str) -> Tree:
    """base: of the names of its tensors."""
    type_map = get.type_names(get.member(params, "type_map", where), f"{where}.type_map")
    common = {
        "type_map": type_map,
        "atom_exclude_types": params.get("atom_exclude_types"),
        "pair_exclude_types": params.get("pair_exclude_types"),
        "@variables": {"out_bias": np.zeros((1, len(type_map), 1)) if tensors.early else tensors.array(f"{base}out_bias")},
    }
    kind = params.get("type", "standard")
    if kind == "pairtab":
        return common | _pair_table(params.get("rcut"), get.member(params, "sel", where), tensors, base)
    if kind == "linear_ener":
        models = [get.mapping(m, where) for m in get.sequence(params["models"], f"{where}.models")]
        sections = [_part_of_linear(m) | {"type_map": _types_of_part(m, tensors) or type_map} for m in models]
        inner = [_model(section, tensors, f"{base}models.{i}.", where) for i, section in enumerate(sections)]
        return common | {"type": kind, "models": _parts(inner, tensors), "weights": params.get("weights", "mean")}
    if not is_off(params.get("use_srtab")):
        return common | _zbl(params, tensors, base, where)
    return common | {
        "type": "standard",
        "neighbour_rule": _neighbour_rule(params["descriptor"], tensors, f"{base}descriptor"),
        "descriptor": _descriptor(params["descriptor"], tensors, f"{base}descriptor", len(type_map), f"{where}.descriptor"),
        "fitting": _fitting(params["fitting_net"], tensors, f"{base}fitting_net", len(type_map), f"{where}.fitting_net"),
    }


def _neighbour_rule(options: Any, tensors: _Tensors, outer: str) -> str:
    """Of the exportable back end DPA-1 takes all neighbours, unless a tensor says no, which se_atten_v2 does not have."""
    name = get.mapping(options, "descriptor").get("type", "se_e2_a")
    off = tensors.optional_array(f"{outer}.graph_lower_disabled")
    takes_all = tensors.exportable and descriptor_type(name, "descriptor.type") == "dpa1" and (off is None or not off.any())
    return "all" if takes_all else "total"


def _part_of_linear(params: Tree) -> Tree:
    """What DeePMD-kit takes of a part's section: it ignores exclusions there, and a pair table beside a net."""
    taken = ("descriptor", "fitting_net") if "descriptor" in params else ("type", "rcut", "sel")
    return {key: params[key] for key in taken if key in params}


def _types_of_part(params: Tree, tensors: _Tensors) -> Any:
    """Types of its own; a pair table of the exportable back end has those of the whole model."""
    return None if tensors.exportable and "descriptor" not in params else params.get("type_map")


def _parts(models: list[Tree], tensors: _Tensors) -> list[Tree]:
    """The exportable back end evaluates parts that all are DPA-1 by a graph of all neighbours, others by lists."""
    by_graph = all(model.get("neighbour_rule") == "all" for model in models)
    return models if by_graph or not tensors.exportable else parts_by_list(models)


def _zbl(params: Tree, tensors: _Tensors, base: str, where: str) -> Tree:
    """The net's model and the pair table beside it, with the same types."""
    inner = {key: params[key] for key in ("type_map", "descriptor", "fitting_net")}
    rcut, sel = _largest_list(params["descriptor"], f"{where}.descriptor")
    table = {"type": "pairtab", "type_map": params["type_map"], "rcut": rcut, "sel": sel}
    models = [_model(m, tensors, f"{base}models.{i}.", where) for i, m in enumerate((inner, table))]
    switch = {key: get.member(params, key, where) for key in ("sw_rmin", "sw_rmax")}
    switch["smin_alpha"] = SMIN_ALPHA
    if tensors.exportable:
        switch |= {"smin_alpha": params.get("smin_alpha", SMIN_ALPHA), "least_sum": 0.0}
    return {"type": "zbl", "models": _parts(models, tensors)} | switch


def _largest_list(value: Any, where: str) -> tuple[Any, Any]:
    """(cut-off, slots for all types together) of a descriptor or of the members of a hybrid, all of which share slots."""
    options = get.mapping(value, where)
    if options.get("type") == "hybrid":
        members = get.sequence(get.member(options, "list", where), f"{where}.list")
        if not members:
            raise ReadError(f"{where}.list is empty")
        found = [_largest_list(inner, f"{where}.list[{i}]") for i, inner in enumerate(members)]
        return max(rcut for rcut, _ in found), max(slots for _, slots in found)
    sel = get.member(options, "sel", where)
    slots = sum(get.integers(sel if isinstance(sel, list) else [sel], f"{where}.sel"))
    return get.number(options.get("rcut", DEFAULT_RCUT), f"{where}.rcut"), slots


def _pair_table(rcut: Any, sel: Any, tensors: _Tensors, base: str) -> Tree:
    arrays = {name: tensors.array(f"{base}{name}") for name in ("tab_info", "tab_data")}
    return {"type": "pairtab", "rcut": rcut, "sel": sel, "tab": {"rcut": rcut, "@variables": arrays}}


def _state_dict(root: dict[Any, Any]) -> dict[Any, Any]:
    """Under "model"; bare in files that were saved without the optimiser."""
    inner = root.get("model")
    return inner if isinstance(inner, dict) else root


def _select_head(params: Tree, head: str | None) -> tuple[str, Tree]:
    if "model_dict" not in params:
        if head not in (None, SINGLE_TASK_HEAD):
            raise InputError(f"--head {head}: this checkpoint has one model only; leave --head out")
        return SINGLE_TASK_HEAD, params
    sections = get.mapping(params["model_dict"], "model_params.model_dict")
    heads = {name: get.mapping(section, "model_dict") for name, section in sections.items()}
    aliases = {name: _aliases(section, f"model_dict.{name}") for name, section in heads.items()}
    listed = ", ".join(" = ".join(text[:80] for text in (str(name), *aliases[name])) for name in heads)
    if head is None:
        raise InputError(f"the checkpoint has several heads: choose one with --head; there are: {listed}")
    named = [head] if head in heads else [name for name, others in aliases.items() if head in others]
    if len(named) != 1:
        what = "several heads have this alias" if named else "no such head"
        raise InputError(f"--head {head}: {what}; there are: {listed}")
    return named[0], heads[named[0]]


def _aliases(section: Tree, where: str) -> list[str]:
    """Other names of a head."""
    where += ".model_branch_alias"
    return [get.text(alias, where) for alias in get.sequence(section.get("model_branch_alias") or [], where)]


class _Tensors:
    """The tensors of one model in a state dict, by name."""

    def __init__(self, archive: TorchArchive, state: dict[Any, Any], prefix: str) -> None:
        self._archive, self._prefix = archive, prefix
        self._refs = {
            key[len(prefix) :]: value for key, value in state.items() if isinstance(key, str) and key.startswith(prefix)
        }
        self.exportable = any(key.endswith(".w") for key in self._refs) and not any(k.endswith(".matrix") for k in self._refs)
        if self.exportable:
            self._refs = {name_of_exportable(key): value for key, value in self._refs.items()}
        self.early = not any(key.startswith("atomic_model.") for key in self._refs) and "fitting_net.bias_atom_e" in self._refs
        self.base = "" if self.early else "atomic_model."

    def array(self, name: str) -> NDArray[Any]:
        value = get.member(self._refs, name, self._prefix.removesuffix("."))
        if not isinstance(value, TensorRef):
            raise ReadError(f"{self._prefix}{name} is not a tensor; the file is damaged or of an unknown version")
        return self._archive.array(value, f"{self._prefix}{name}")

    def has(self, name: str) -> bool:
        return name in self._refs

    def optional_array(self, name: str) -> NDArray[Any] | None:
        return self.array(name) if name in self._refs else None

    def count(self, prefix: str) -> int:
        """How many of prefix0, prefix1, ... there are without a gap."""
        found = {key[len(prefix) :].split(".", 1)[0] for key in self._refs if key.startswith(prefix)}
        count = 0
        while str(count) in found:
            count += 1
        if len(found) != count:
            raise ReadError(f"{self._prefix}{prefix}{count} is missing; the file is damaged or of an unknown version")
        return count

    def networks(self, prefix: str, activation: str, linear_end: bool) -> list[Tree]:
        """The nets of `prefix`.networks: all layers residual with the same activation, but for the last one of a fitting net."""
        return [
            self.network(f"{prefix}.networks.{k}", activation, linear_end) for k in range(self.count(f"{prefix}.networks."))
        ]

    def network(self, prefix: str, activation: str, linear_end: bool) -> Tree:
        """One of them, or the one of the type embedding."""
        n_layers = self.count(f"{prefix}.layers.")
        layers = []
        for index in range(n_layers):
            linear = linear_end and index == n_layers - 1
            place = f"{prefix}.layers.{index}"
            variables: Tree = {"w": self.array(f"{place}.matrix")}
            variables |= {key: self.optional_array(f"{place}.{name}") for key, name in (("b", "bias"), ("idt", "idt"))}
            layers.append(
                {"activation_function": "linear" if linear else activation, "resnet": not linear, "@variables": variables}
            )
        return {"layers": layers}


def _activation(options: Tree, where: str, early: bool) -> str:
    value = options.get("activation_function", DEFAULT_ACTIVATION)
    name = "linear" if value is None else get.text(value, f"{where}.activation_function")
    return early_activation(name) if early else name


def _descriptor(value: Any, tensors: _Tensors, outer: str, n_types: int, where: str) -> Tree:
    """outer: how the names of its tensors begin."""
    options = get.mapping(value, where)
    name = get.text(options.get("type", "se_e2_a"), f"{where}.type")
    kind = descriptor_type(name, where)
    if kind == "hybrid":
        inner = get.sequence(options["list"], f"{where}.list")
        made = [
            _descriptor(v, tensors, f"{outer}.descrpt_list.{i}", n_types, f"{where}.list[{i}]") for i, v in enumerate(inner)
        ]
        return {"type": kind, "list": made}
    layout = LAYOUTS[kind]
    block = outer if not layout.block or tensors.has(f"{outer}.mean") else f"{outer}.{layout.block}"
    activation = _activation(options, where, tensors.early)

    def nets(part: str) -> Tree:
        return networks(kind, tensors.networks(f"{block}.{part}", activation, linear_end=False), n_types)

    stripped = options.get("stripped_type_embedding")  # overrides what it was replaced by
    if stripped is not None:
        options = options | {"tebd_input_mode": "strip" if stripped else "concat"}
    tree = {
        "type": name,
        "rcut": options.get("rcut", DEFAULT_RCUT),
        "rcut_smth": options.get("rcut_smth", DEFAULT_RCUT_SMTH),
        "sel": get.member(options, "sel", where),
        **{key: options.get(option.name, option.default) for key, option in layout.options.items()},
        "env_protection": options.get("env_protection"),
        "exclude_types": options.get("exclude_types"),
        "embeddings": nets("filter_layers"),
        "@variables": {"davg": tensors.array(f"{block}.mean"), "dstd": tensors.array(f"{block}.stddev")}
        | {key: tensors.optional_array(f"{block}.{name}") for key, name in layout.statistics.items()},
    }
    if layout.type_embedding:
        embedding = tensors.network(f"{outer}.type_embedding.embedding.embedding_net", "linear", linear_end=False)
        electrons = tensors.optional_array(f"{outer}.type_embedding.econf_tebd")  # of the exportable back end alone
        electron_options = {"use_econf_tebd": options.get("use_econf_tebd"), "econf_tebd": electrons}
        tree["type_embedding"] = {"embedding": embedding} | electron_options
        if tensors.count(f"{block}.filter_layers_strip.networks."):
            tree["embeddings_strip"] = nets("filter_layers_strip")
    return tree


def _fitting(value: Any, tensors: _Tensors, net: str, n_types: int, where: str) -> Tree:
    options = get.mapping(value, where)
    nets = tensors.networks(f"{net}.filter_layers", _activation(options, where, tensors.early), linear_end=True)
    arrays = {name: tensors.optional_array(f"{net}.{name}") for name in FITTING_ARRAYS}
    return {
        "type": "ener",
        "mixed_types": len(nets) == 1 and n_types > 1,
        "vacuum": vacuum_flags(get.sequence(options.get("atom_ener") or [], f"{where}.atom_ener")),
        **{name: options.get(name) for name in FITTING_INPUTS},
        "nets": {"networks": nets},
        "@variables": {"bias_atom_e": tensors.array(f"{net}.bias_atom_e")} | arrays,
    }
