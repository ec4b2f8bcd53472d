# SPDX-License-Identifier: MIT
"""The attributes of a frozen PyTorch model (`dp freeze`, TorchScript) -> DeePMD-kit's tree (tree.py).

Plain attributes are taken, not the input script beside them: they are what the model computes with, without defaults to guess.
The archive's code entries are not needed.

Layouts: files of early 2024 hold descriptor and fitting_net themselves, later ones in atomic_model, which has biases of its own
(out_bias) and the lists of excluded atoms and pairs. The first ones say distinguish_types instead of mixed_types.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...descriptors.deepmd import Tree, unsupported
from ...descriptors.kinds import DEEPMD_KINDS
from ...errors import ReadError
from ..files import access as get
from ..files.restricted_pickle import ScriptObject, TensorRef
from ..files.torch_archive import TorchArchive
from .options import check_options
from .tree import deepmd_kind, early_activation, refuse_fitting, refuse_model_type

MODEL_TYPES = {
    "EnergyModel": "standard",
    "DPZBLModel": "zbl",
    "LinearEnergyModel": "linear_ener",
    "SpinModel": "spin_ener",
    "SpinEnergyModel": "spin_ener",
    "DipoleModel": "dipole",
    "PolarModel": "polar",
    "DOSModel": "dos",
    "PropertyModel": "property",
    "DP": "MatPL",
}
DESCRIPTOR_TYPES = {
    "DescrptSeT": "se_e3", "DescrptSeTTebd": "se_e3_tebd",
    "DescrptDPA1": "dpa1", "DescrptSeAttenV2": "se_atten_v2", "DescrptHybrid": "hybrid",
    "DescrptDPA2": "dpa2", "DescrptDPA3": "dpa3",
    **{kind.class_name: name for name, kind in DEEPMD_KINDS.items()},
}  # fmt: skip
FITTING_TYPES = {
    "EnergyFittingNet": "ener", "EnergyFittingNetDirect": "direct_force_ener", "DipoleFittingNet": "dipole",
    "PolarFittingNet": "polar", "DOSFittingNet": "dos", "PropertyFittingNet": "property",
}  # fmt: skip


class _Object:
    """A ScriptObject with typed access to its attributes; `where` is its place in the model, for messages."""

    def __init__(self, archive: TorchArchive, value: Any, where: str) -> None:
        if not isinstance(value, ScriptObject):
            raise ReadError(f"{where} is not an object of the model; the file is damaged or of an unknown version")
        self._archive, self._attributes, self.where = archive, value.attributes, where
        self.class_name = value.class_name.rpartition(".")[2]

    def place(self, name: str) -> str:
        return f"{self.where}.{name}" if self.where else name

    def get(self, name: str) -> Any:
        """The attribute, None where it is absent: versions differ in the attributes that are off."""
        return self._attributes.get(name)

    def need(self, name: str) -> Any:
        return get.member(self._attributes, name, self.where)

    def child(self, name: str) -> _Object:
        return _Object(self._archive, self.need(name), self.place(name))

    def children(self, name: str) -> list[_Object]:
        """The objects of a ModuleList: its attributes "0", "1", ..."""
        parent = self.child(name)
        count = sum(1 for key in parent._attributes if isinstance(key, str) and key.isdecimal())
        return [parent.child(str(i)) for i in range(count)]

    def array(self, name: str) -> NDArray[Any]:
        value = self.need(name)
        if not isinstance(value, TensorRef):
            raise ReadError(f"{self.place(name)} is not a tensor; the file is damaged or of an unknown version")
        return self._archive.array(value)

    def optional_array(self, name: str) -> NDArray[Any] | None:
        return None if self.get(name) is None else self.array(name)


def is_frozen(root: Any) -> bool:
    """Whether the unpickled root is a TorchScript module."""
    return isinstance(root, ScriptObject)


def frozen_tree(archive: TorchArchive, root: Any) -> tuple[Tree, float | None]:
    """(tree of the model, min_nbor_dist or None)."""
    model = _Object(archive, root, "")
    refuse_model_type(MODEL_TYPES.get(model.class_name, model.class_name))
    if archive.size("extra/data_modifier.pth"):
        raise unsupported(
            "a model with a data modifier (long-range part added to the net's energy)", "the modifier's own evaluator"
        )
    _check_script(model)
    early = model.get("atomic_model") is None and model.get("descriptor") is not None
    atomic = model if early else _atomic_model(model)
    fitting = _fitting(atomic.child("fitting_net"))
    descriptor = _descriptor(atomic.child("descriptor"))
    if early:
        _refuse_early_activations(descriptor, fitting)
    type_map = get.type_names(atomic.need("type_map"), atomic.place("type_map"))
    n_types = len(type_map)
    of_fitting = fitting.pop("excluded")
    excluded = of_fitting if early else _excluded_types(atomic, "atom_excl", n_types)
    if set(of_fitting) - set(excluded):  # such a type would keep its bias
        raise unsupported(
            "a fitting net with excluded types other than the model's atom_exclude_types", "two lists of excluded types"
        )
    nearest = model.optional_array("min_nbor_dist")
    tree = {
        "type": "standard",
        "type_map": type_map,
        "atom_exclude_types": excluded,
        "pair_exclude_types": _excluded_pairs(atomic, "pair_excl", n_types),
        "@variables": {"out_bias": np.zeros((1, n_types, 1)) if early else atomic.array("out_bias")},
        "descriptor": descriptor,
        "fitting": fitting,
    }
    return tree, None if nearest is None or nearest.size != 1 else float(nearest.reshape(-1)[0])


def _atomic_model(model: _Object) -> _Object:
    atomic = model.child("atomic_model")
    if atomic.class_name not in ("DPEnergyAtomicModel", "DPAtomicModel"):
        raise unsupported(f"an atomic model '{atomic.class_name}'", "an evaluator of its own")
    if atomic.get("add_chg_spin_ebd"):
        raise unsupported(
            "a model with an embedding of charge and spin (add_chg_spin_ebd)", "charge and spin as inputs of the model"
        )
    return atomic


def _refuse_early_activations(descriptor: Tree, fitting: Tree) -> None:
    for collection in (descriptor["embeddings"], fitting["nets"]):
        for net in collection["networks"]:
            for layer in net["layers"]:
                early_activation(layer["activation_function"] or "linear")


def _check_script(model: _Object) -> None:
    """The input script is not read, but an option that this version has never heard of must not pass unseen."""
    script = model.get("model_def_script")
    if not isinstance(script, str) or not script.strip():
        return
    try:
        options = json.loads(script)
    except (ValueError, RecursionError) as error:
        raise ReadError(f"model_def_script is not JSON ({str(error)[:100]})") from error
    check_options(get.mapping(options, "model_def_script"))


def _descriptor(outer: _Object) -> Tree:
    kind = deepmd_kind(DESCRIPTOR_TYPES.get(outer.class_name, outer.class_name))
    block = outer.child(kind.block) if kind.block else outer
    _refuse_old_networks(block)
    nets = block.child("filter_layers")
    sel = get.integers(block.need("sel"), block.place("sel"))
    return {
        "type": kind.name,
        "rcut": get.number(block.need("rcut"), block.place("rcut")),
        "rcut_smth": get.number(block.need("rcut_smth"), block.place("rcut_smth")),
        "sel": sel,
        **{name: get.integer(block.need(name), block.place(name)) for name in kind.numbers},
        "env_protection": get.number(block.get("env_protection") or 0.0, block.place("env_protection")),
        "exclude_types": _excluded_pairs(block, "emask", len(sel)),
        "embeddings": {"ndim": get.integer(nets.need("ndim"), nets.place("ndim")), "networks": _networks(nets)},
        "@variables": {"davg": block.array("mean"), "dstd": block.array("stddev")},
    }


def _fitting(net: _Object) -> Tree:
    tree: Tree = {"type": FITTING_TYPES.get(net.class_name, net.class_name)}
    for key in ("numb_fparam", "numb_aparam", "dim_case_embd"):
        tree[key] = get.integer(net.get(key) or 0, net.place(key))
    refuse_fitting(tree)
    _refuse_old_networks(net)
    bias = net.array("bias_atom_e")
    tree["excluded"] = _excluded_types(net, "emask", bias.shape[0] if bias.ndim else 0)
    flags = net.get("remove_vaccum_contribution")
    tree["mixed_types"] = _mixed_types(net)
    tree["vacuum"] = (
        [] if flags is None else [get.flag(f, net.place("remove_vaccum_contribution")) for f in get.sequence(flags, net.where)]
    )
    tree["nets"] = {"networks": _networks(net.child("filter_layers"))}
    tree["@variables"] = {"bias_atom_e": bias}
    return tree


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
    return [{"layers": [_layer(layer) for layer in net.children("layers")]} for net in collection.children("networks")]


def _layer(layer: _Object) -> Tree:
    activation = layer.get("activate_name")
    return {
        "activation_function": None if activation is None else get.text(activation, layer.place("activate_name")),
        "resnet": get.flag(layer.need("resnet"), layer.place("resnet")),
        "@variables": {"w": layer.array("matrix"), "b": layer.optional_array("bias"), "idt": layer.optional_array("idt")},
    }


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
