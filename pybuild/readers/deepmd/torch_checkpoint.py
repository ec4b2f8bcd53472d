# SPDX-License-Identifier: MIT
"""A PyTorch training checkpoint (`model.ckpt.pt`) -> DeePMD-kit's tree (tree.py).

A checkpoint holds a flat dictionary of tensors and the model section of the input script. Sizes and numbers come from the
tensors; only cutoffs, sel, activations and exclusions come from the script, with DeePMD-kit's defaults where it is silent.
Checkpoints of early 2024 name their tensors without `atomic_model.` and have no out_bias.
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
from .options import check_options
from .tree import deepmd_kind, early_activation, vacuum_flags

SINGLE_TASK_HEAD = "Default"  # DeePMD-kit's name for the one model of a single-task training
# Defaults of DeePMD-kit's input script; a checkpoint normally has them filled in already.
DEFAULT_RCUT, DEFAULT_RCUT_SMTH, DEFAULT_ACTIVATION = 6.0, 0.5, "tanh"


def is_checkpoint(root: Any) -> bool:
    """Whether the unpickled root is a DeePMD-kit training checkpoint."""
    return isinstance(root, dict) and "_extra_state" in _state_dict(root)


def checkpoint_tree(archive: TorchArchive, root: Any, head: str | None) -> tuple[Tree, float | None]:
    """(tree of the model, min_nbor_dist or None) of a single-task checkpoint, or of one head of a multi-task one."""
    state = _state_dict(root)
    extra = get.mapping(state["_extra_state"], "_extra_state")
    params = get.mapping(get.member(extra, "model_params", "_extra_state"), "model_params")
    name, params = _select_head(params, head)
    check_options(params)
    tensors = _Tensors(archive, state, f"model.{name}.")
    type_map = get.type_names(get.member(params, "type_map", "model_params"), "model_params.type_map")
    tree = {
        "type": "standard",
        "type_map": type_map,
        "atom_exclude_types": get.integers(params.get("atom_exclude_types") or [], "model_params.atom_exclude_types"),
        "pair_exclude_types": get.type_pairs(params.get("pair_exclude_types") or [], "model_params.pair_exclude_types"),
        "@variables": {"out_bias": np.zeros((1, len(type_map), 1)) if tensors.early else tensors.array("atomic_model.out_bias")},
        "descriptor": _descriptor(params["descriptor"], tensors, len(type_map)),
        "fitting": _fitting(params["fitting_net"], tensors, len(type_map)),
    }
    nearest = tensors.optional_array("min_nbor_dist")
    return tree, None if nearest is None or nearest.size != 1 else float(nearest.reshape(-1)[0])


def _state_dict(root: dict[Any, Any]) -> dict[Any, Any]:
    """Under "model"; bare in files that were saved without the optimiser."""
    inner = root.get("model")
    return inner if isinstance(inner, dict) else root


def _select_head(params: Tree, head: str | None) -> tuple[str, Tree]:
    if "model_dict" not in params:
        if head not in (None, SINGLE_TASK_HEAD):
            raise InputError(f"--head {head}: this checkpoint has one model only; leave --head out")
        return SINGLE_TASK_HEAD, params
    heads = get.mapping(params["model_dict"], "model_params.model_dict")
    listed = ", ".join(str(h)[:80] for h in heads)
    if head is None:
        raise InputError(f"the checkpoint has several heads: choose one with --head; there are: {listed}")
    if head not in heads:
        raise InputError(f"--head {head}: no such head; there are: {listed}")
    return head, get.mapping(heads[head], f"model_dict.{head}")


class _Tensors:
    """The tensors of one model in a state dict, by name."""

    def __init__(self, archive: TorchArchive, state: dict[Any, Any], prefix: str) -> None:
        self._archive, self._prefix = archive, prefix
        self._refs = {
            key[len(prefix) :]: value for key, value in state.items() if isinstance(key, str) and key.startswith(prefix)
        }
        self.early = not any(key.startswith("atomic_model.") for key in self._refs) and "fitting_net.bias_atom_e" in self._refs
        self.base = "" if self.early else "atomic_model."

    def array(self, name: str) -> NDArray[Any]:
        value = get.member(self._refs, name, self._prefix.removesuffix("."))
        if not isinstance(value, TensorRef):
            raise ReadError(f"{self._prefix}{name} is not a tensor; the file is damaged or of an unknown version")
        return self._archive.array(value)

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
            self._network(f"{prefix}.networks.{k}.layers.", activation, linear_end)
            for k in range(self.count(f"{prefix}.networks."))
        ]

    def _network(self, prefix: str, activation: str, linear_end: bool) -> Tree:
        n_layers = self.count(prefix)
        layers = []
        for index in range(n_layers):
            linear = linear_end and index == n_layers - 1
            variables: Tree = {"w": self.array(f"{prefix}{index}.matrix")}
            variables |= {key: self.optional_array(f"{prefix}{index}.{name}") for key, name in (("b", "bias"), ("idt", "idt"))}
            layers.append(
                {"activation_function": "linear" if linear else activation, "resnet": not linear, "@variables": variables}
            )
        return {"layers": layers}


def _activation(options: Tree, where: str, early: bool) -> str:
    value = options.get("activation_function", DEFAULT_ACTIVATION)
    name = "linear" if value is None else get.text(value, f"{where}.activation_function")
    return early_activation(name) if early else name


def _descriptor(options: Tree, tensors: _Tensors, n_types: int) -> Tree:
    where, kind = "model_params.descriptor", deepmd_kind(options.get("type", "se_e2_a"))
    block = ".".join([f"{tensors.base}descriptor", *([kind.block] if kind.block else [])])
    networks = tensors.networks(f"{block}.filter_layers", _activation(options, where, tensors.early), linear_end=False)
    return {
        "type": kind.name,
        "rcut": get.number(options.get("rcut", DEFAULT_RCUT), f"{where}.rcut"),
        "rcut_smth": get.number(options.get("rcut_smth", DEFAULT_RCUT_SMTH), f"{where}.rcut_smth"),
        "sel": get.integers(get.member(options, "sel", where), f"{where}.sel"),
        **{name: get.integer(options.get(name, default), f"{where}.{name}") for name, default in kind.numbers.items()},
        "env_protection": get.number(options.get("env_protection", 0.0), f"{where}.env_protection"),
        "exclude_types": get.type_pairs(options.get("exclude_types") or [], f"{where}.exclude_types"),
        "embeddings": {"ndim": 1 if len(networks) == n_types else 2, "networks": networks},
        "@variables": {"davg": tensors.array(f"{block}.mean"), "dstd": tensors.array(f"{block}.stddev")},
    }


def _fitting(options: Tree, tensors: _Tensors, n_types: int) -> Tree:
    where, net = "model_params.fitting_net", f"{tensors.base}fitting_net"
    networks = tensors.networks(f"{net}.filter_layers", _activation(options, where, tensors.early), linear_end=True)
    return {
        "type": "ener",
        "mixed_types": len(networks) == 1 and n_types > 1,
        "vacuum": vacuum_flags(get.sequence(options.get("atom_ener") or [], f"{where}.atom_ener")),
        "nets": {"networks": networks},
        "@variables": {"bias_atom_e": tensors.array(f"{net}.bias_atom_e")},
    }
