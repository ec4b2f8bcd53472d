# SPDX-License-Identifier: MIT
"""A training checkpoint of PWMLFF or MatPL (`dp_model.ckpt`, also after `compress`) -> Parts.

What the input script chose is not all in the file: whether layers have a bias and a resnet_dt is seen by the names of the
tensors, and the activation is tanh, the only one that these programs have. A compressed file still holds the nets, and its tables
are not looked at.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...arrays import Array
from ...errors import ReadError, UnsupportedModel
from ..files import access as get
from ..files.restricted_pickle import NumberArray, TensorRef
from ..files.torch_archive import TorchArchive
from .elements import DEFAULT_PROPERTIES, property_vectors
from .parts import Layers, Parts, Weights, check_elements, used_embedding

FORMAT, COMPRESSED = "PWMLFF/MatPL checkpoint", "PWMLFF/MatPL compressed checkpoint"
INDEX = r"(0|[1-9][0-9]{0,5})"
TENSOR = re.compile(rf"(embedding_net|fitting_net)\.{INDEX}\.layers\.{INDEX}\.(weight|bias|resnet_dt)")


def checkpoint_parts(archive: TorchArchive, root: Any) -> Parts:
    """Raises ReadError, UnsupportedModel."""
    root = get.mapping(root, "the checkpoint")
    script = get.mapping(get.member(root, "json_file", ""), "json_file")
    kind = get.text(get.member(script, "model_type", "json_file"), "json_file.model_type")
    if kind != "DP":
        raise UnsupportedModel(f"a PWMLFF/MatPL model of type '{kind[:40]}' is not supported; Deep Potential models ('DP') are")
    model = get.mapping(get.member(script, "model", "json_file"), "json_file.model")
    where = "json_file.model.descriptor"
    descriptor = get.mapping(get.member(model, "descriptor", "json_file.model"), where)
    nets = _nets(archive, get.mapping(get.member(root, "state_dict", ""), "state_dict"))
    numbers = _elements(root, script)
    properties = _properties(descriptor.get("type_embedding"), f"{where}.type_embedding")
    return Parts(
        format=COMPRESSED if "compress" in root else FORMAT,
        numbers=numbers,
        rmax=get.number(get.member(descriptor, "Rmax", where), f"{where}.Rmax"),
        rmin=get.number(get.member(descriptor, "Rmin", where), f"{where}.Rmin"),
        m2=get.integer(get.member(descriptor, "M2", where), f"{where}.M2"),
        max_neighbours=get.integer(get.member(script, "max_neigh_num", "json_file"), "json_file.max_neigh_num"),
        davg=_array(root, "davg"),
        dstd=_array(root, "dstd"),
        embedding=used_embedding(nets["embedding_net"], len(numbers), bool(properties)),
        fitting=tuple(nets["fitting_net"]),
        properties=properties,
        vectors=property_vectors(numbers, properties) if properties else None,
        largest_s=_largest_s(archive, root.get("sij_max")),
        compressed="compress" in root,
    )


def _array(root: dict[Any, Any], name: str) -> NDArray[Any]:
    value = get.member(root, name, "")
    if not isinstance(value, NumberArray) or value.values is None:
        raise ReadError(f"{name} is not an array of numbers; the file is damaged or of an unknown version")
    return value.values


def _elements(root: dict[Any, Any], script: dict[Any, Any]) -> tuple[int, ...]:
    """Of statistics and fitting nets (atom_type_order), and the order of the embedding nets (json_file.atom_type)."""
    order = _array(root, "atom_type_order")
    if order.dtype.kind not in "iu" or order.ndim > 1:
        raise ReadError("atom_type_order is not a list of atomic numbers; the file is damaged or of an unknown version")
    numbers = check_elements([int(number) for number in order.reshape(-1)], "atom_type_order")
    listed = get.integers(get.member(script, "atom_type", "json_file"), "json_file.atom_type")
    if tuple(listed) != numbers:
        shown = f"atom_type_order is {list(numbers)}, json_file.atom_type {str(listed)[:200]}"
        raise UnsupportedModel(f"{shown}: which net is whose is not known")
    return numbers


def _properties(options: Any, where: str) -> tuple[str, ...]:
    if options is None:
        return ()
    names = get.mapping(options, where).get("physical_property", DEFAULT_PROPERTIES)
    return tuple(get.type_names(names, f"{where}.physical_property"))


def _largest_s(archive: TorchArchive, value: Any) -> float | None:
    """sij_max, a tensor of one number, a view into those of the last batch."""
    if value is None:
        return None
    array: Array = archive.array(value, "sij_max") if isinstance(value, TensorRef) else np.array(get.number(value, "sij_max"))
    if array.size != 1 or not np.isfinite(array).all():
        raise ReadError("sij_max is not one finite number; the file is damaged")
    return float(array.reshape(-1)[0])


def _nets(archive: TorchArchive, state: dict[Any, Any]) -> dict[str, list[Layers]]:
    """The nets of a state dict by "embedding_net" and "fitting_net", in order, none missing."""
    arrays: dict[tuple[str, int, int], dict[str, NDArray[Any]]] = defaultdict(dict)
    for key, value in state.items():
        kind, net, layer, name = _place(str(key))
        if not isinstance(value, TensorRef):
            raise ReadError(f"state_dict.{key} is not a tensor; the file is damaged")
        arrays[kind, net, layer][name] = archive.array(value, f"state_dict.{key}")
    found: dict[str, list[list[Weights]]] = {"embedding_net": [], "fitting_net": []}
    for kind, net, layer in sorted(arrays):
        nets = found[kind]
        if layer == 0:
            nets.append([])
        if net != len(nets) - 1 or layer != len(nets[net]):
            raise ReadError(f"state_dict: what comes before {kind}.{net}.layers.{layer} is missing; the file is damaged")
        parts = arrays[kind, net, layer]
        nets[net].append(Weights(get.member(parts, "weight", f"{kind}.{net}"), parts.get("bias"), parts.get("resnet_dt")))
    return {kind: [tuple(layers) for layers in nets] for kind, nets in found.items()}


def _place(key: str) -> tuple[str, int, int, str]:
    """Kind and number of the net, layer and what of it, of a tensor's name."""
    known = TENSOR.fullmatch(key)
    if known is None and ".weights.weight" in key:
        raise UnsupportedModel("a PWMLFF checkpoint of before its change to torch 2 is not supported; let PWMLFF convert it")
    if known is None:
        raise UnsupportedModel(f"state_dict.{key[:80]} is not known of a Deep Potential model of PWMLFF or MatPL")
    kind, net, layer, name = known.groups()
    return kind, int(net), int(layer), name
