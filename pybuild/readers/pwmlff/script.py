# SPDX-License-Identifier: MIT
"""A TorchScript model of MatPL or PWMLFF, as its pair style in LAMMPS takes it (`jit_dp.pt`, `jit_cmp_dp.pt`) -> Parts.

It has a list of elements of its own (atom_type), whatever order pair_coeff has, and knows nothing of the training data. A
compressed one still holds the nets.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...arrays import Array
from ...errors import ReadError, UnsupportedModel
from ..files import access as get
from ..files.script_object import ModelObject
from ..files.torch_archive import TorchArchive
from .parts import Layers, Parts, Weights, check_elements, used_embedding

FORMAT, COMPRESSED = "MatPL TorchScript model", "MatPL compressed TorchScript model"
PLAIN, TYPE_EMBEDDING = "DP", "TypeDP"  # classes


def script_parts(archive: TorchArchive, root: Any) -> Parts:
    """Raises ReadError, UnsupportedModel."""
    model = ModelObject(archive, root, "")
    if model.class_name not in (PLAIN, TYPE_EMBEDDING):
        kind = model.class_name[:40]
        raise UnsupportedModel(f"a MatPL model of class '{kind}' is not supported; Deep Potential models ('DP') are")
    with_types = model.class_name == TYPE_EMBEDDING
    numbers = check_elements(get.integers(model.need("atom_type"), "atom_type"), "atom_type")
    compressed = model.get("compress_tab") is not None
    davg, dstd = model.array("davg"), model.array("dstd")
    nets = [_layers(net) for net in model.children("embedding_net")]
    return Parts(
        format=COMPRESSED if compressed else FORMAT,
        numbers=numbers,
        rmax=get.number(model.need("Rmax"), "Rmax"),
        rmin=get.number(model.need("Rmin"), "Rmin"),
        m2=get.integer(model.need("M2"), "M2"),
        max_neighbours=get.integer(model.need("maxNeighborNum"), "maxNeighborNum"),
        davg=davg,
        dstd=dstd,
        embedding=used_embedding(nets, len(numbers), with_types),
        fitting=tuple(_layers(net) for net in model.children("fitting_net")),
        properties=(),
        vectors=_vectors(model, numbers) if with_types else None,
        largest_s=None,
        compressed=compressed,
    )


def _layers(net: ModelObject) -> Layers:
    """The flags say what is evaluated of the layers' arrays."""
    bias, resnet_dt = (get.flag(net.need(name), net.place(name)) for name in ("bias_flag", "resnet_dt_flag"))
    return tuple(
        Weights(
            layer.array("weight"),
            layer.optional_array("bias") if bias else None,
            layer.optional_array("resnet_dt") if resnet_dt else None,
        )
        for layer in net.children("layers")
    )


def _vectors(model: ModelObject, numbers: tuple[int, ...]) -> Array:
    """Of the type embedding, rounded to single precision as the module does before it evaluates them."""
    vectors = get.mapping(model.need("type_vector"), "type_vector")
    rows = []
    for number in numbers:
        where = f"type_vector.{number}"
        rows.append([get.number(value, where) for value in get.sequence(get.member(vectors, number, "type_vector"), where)])
    if len({len(row) for row in rows}) != 1 or not rows[0]:
        raise ReadError("type_vector holds vectors of several lengths; the file is damaged")
    return np.array(rows, dtype=np.float32).astype(np.float64)
