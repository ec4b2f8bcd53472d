# SPDX-License-Identifier: MIT
"""DeePMD-kit's PyTorch files: frozen models (`.pth`) and training checkpoints (`.pt`), told apart by their content.

Neither torch nor DeePMD-kit's operators are needed, and no code of the file is run. A model that was compressed by DeePMD-kit
still holds its nets, which are what is read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...errors import InputError, ReadError, UnsupportedModel
from ..files.restricted_pickle import TensorRef
from ..files.torch_archive import SHOWN, TorchArchive
from ..source import Choices
from .source import DeepmdSource
from .torch_checkpoint import checkpoint_tree, is_checkpoint
from .torch_frozen import frozen_tree, is_frozen

FROZEN, CHECKPOINT = "DeePMD-kit PyTorch frozen model", "DeePMD-kit PyTorch checkpoint"


def read(path: Path, choices: Choices) -> DeepmdSource:
    """Read a torch archive. Raises ReadError, UnsupportedModel, ModelError; InputError for types, or a head that is not there."""
    with TorchArchive(path) as archive:
        root = archive.load()
        if is_frozen(root) or is_checkpoint(root):
            choices.refuse_types()
        if is_frozen(root):
            if choices.head is not None:
                raise InputError(f"--head {choices.head}: a frozen model has no heads; leave --head out")
            return DeepmdSource(FROZEN, *frozen_tree(archive, root, choices.without_modifier), choices.padding_type)
        if is_checkpoint(root):
            found = checkpoint_tree(archive, root, choices.head, choices.without_modifier)
            return DeepmdSource(CHECKPOINT, *found, choices.padding_type)
        _refuse_bare_weights(root)
        holds = f" (it holds {', '.join(str(key)[:80] for key in list(root)[:SHOWN])})" if isinstance(root, dict) else ""
        raise ReadError(f"a torch archive, but neither a frozen model nor a checkpoint of DeePMD-kit{holds}")


def _refuse_bare_weights(root: Any) -> None:
    """Tensors by name and nothing else: without the input script's model section nobody knows cutoff and activation."""
    if not isinstance(root, dict) or not root or not all(isinstance(value, TensorRef) for value in root.values()):
        return
    attention = any("attention" in str(name) for name in root)
    raise UnsupportedModel(
        f"holds weights alone{' (of an attention descriptor, dpa1)' if attention else ''}, without the input script's model "
        "section, which says cutoff, sel and activation: not supported; give the checkpoint that training wrote (model.ckpt.pt)"
    )
