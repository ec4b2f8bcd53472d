# SPDX-License-Identifier: MIT
"""DeePMD-kit's PyTorch files: frozen models (`.pth`) and training checkpoints (`.pt`), told apart by their content.

Neither torch nor DeePMD-kit's operators are needed, and no code of the file is run (_restricted_pickle.py). A model that was
compressed by DeePMD-kit still holds its nets, which are what is read.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from ..descriptors.deepmd import Tree
from ..errors import InputError, ReadError, UnsupportedModel
from ..model.description import ModelDescription, Provenance
from . import _restricted_pickle as pickle
from ._deepmd_checkpoint import checkpoint_tree, is_checkpoint
from ._deepmd_dict import description_from_dict
from ._deepmd_frozen import frozen_tree, is_frozen
from ._restricted_pickle import TensorRef
from ._torch_archive import TorchArchive

FROZEN, CHECKPOINT = "DeePMD-kit PyTorch frozen model", "DeePMD-kit PyTorch checkpoint"


def read(path: Path, head: str | None) -> ModelDescription:
    """Read a torch archive. Raises ReadError, UnsupportedModel, ModelError; InputError for a head that is not there."""
    with TorchArchive(path) as archive:
        _refuse_other_programs(archive)
        root = archive.load()
        if is_frozen(root):
            if head is not None:
                raise InputError(f"--head {head}: a frozen model has no heads; leave --head out")
            kind, (tree, nearest) = FROZEN, frozen_tree(archive, root)
        elif is_checkpoint(root):
            kind, (tree, nearest) = CHECKPOINT, checkpoint_tree(archive, root, head)
        else:
            _refuse_bare_weights(root)
            raise ReadError("a torch archive, but neither a frozen model nor a checkpoint of DeePMD-kit")
    name = path.name.encode("utf-8", "replace").decode("utf-8")  # a name of bytes that are no text
    return description_from_dict(tree, nearest, Provenance(name, _sha256(path), kind, _precision(tree)))


def _refuse_other_programs(archive: TorchArchive) -> None:
    """A PWMLFF/MatPL checkpoint is known by the texts of its pickle, without carrying it out."""
    words = pickle.strings(archive.pickle_bytes())
    if {"json_file", "state_dict"} <= words and "_extra_state" not in words:
        raise UnsupportedModel("a PWMLFF/MatPL checkpoint: not supported yet; DeePMD-kit models (.pth, .pt) are")


def _refuse_bare_weights(root: Any) -> None:
    """Tensors by name and nothing else: without the input script's model section nobody knows cutoff and activation."""
    if not isinstance(root, dict) or not root or not all(isinstance(value, TensorRef) for value in root.values()):
        return
    attention = any("attention" in str(name) for name in root)
    raise UnsupportedModel(
        f"holds weights alone{' (of an attention descriptor, dpa1)' if attention else ''}, without the input script's model "
        "section, which says cutoff, sel and activation: not supported; give the checkpoint that training wrote (model.ckpt.pt)"
    )


def _precision(tree: Tree) -> str:
    """Type of the weights, the descriptor's and the fitting net's where they differ."""
    parts = {"descriptor": _types_of(tree["descriptor"]["embeddings"]), "fitting": _types_of(tree["fitting"]["nets"])}
    both = sorted(set().union(*parts.values()))
    return both[0] if len(both) == 1 else ", ".join(f"{name} {'/'.join(sorted(types))}" for name, types in parts.items())


def _types_of(collection: Tree) -> set[str]:
    layers: list[dict[str, Any]] = [layer for net in collection["networks"] for layer in net["layers"]]
    types = {np.dtype(layer["@variables"]["w"].dtype).name for layer in layers}
    for name in types - {"float64", "float32"}:
        raise UnsupportedModel(f"weights of type {name} are not supported; float32 or float64 is needed")
    return types


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
