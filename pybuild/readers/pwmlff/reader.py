# SPDX-License-Identifier: MIT
"""PWMLFF's and MatPL's files of Deep Potential models: checkpoints and TorchScript models, told apart by their content.

Neither torch nor these programs are needed, and no code of the file is run.
"""

from __future__ import annotations

from pathlib import Path

from ...errors import InputError
from ..files.restricted_pickle import ScriptObject
from ..files.torch_archive import TorchArchive
from ..source import Choices
from .checkpoint import checkpoint_parts
from .elements import number_of, symbol
from .parts import Parts
from .script import script_parts
from .source import PwmlffSource


def recognise(words: set[str]) -> bool:
    """Whether the texts and names of a torch archive's pickle are those of such a file."""
    checkpoint = {"json_file", "state_dict"} <= words and "_extra_state" not in words
    return checkpoint or any(word.startswith("__torch__.") and (".dp_dp" in word or ".src.model." in word) for word in words)


def read(path: Path, choices: Choices) -> PwmlffSource:
    """Raises ReadError, UnsupportedModel; InputError for choices that such a file does not leave, or types that it has not."""
    choices.refuse_all_but_types("files of PWMLFF and MatPL")
    with TorchArchive(path) as archive:
        root = archive.load()
        parts = script_parts(archive, root) if isinstance(root, ScriptObject) else checkpoint_parts(archive, root)
    return PwmlffSource(parts, _passed(parts, choices.types))


def _passed(parts: Parts, types: tuple[str, ...] | None) -> tuple[int, ...]:
    """Positions in the file of the elements that the model is evaluated for, in the file's order."""
    if types is None:
        return tuple(range(len(parts.numbers)))
    wanted = [number_of(word) for word in types]
    there = " ".join(symbol(number) for number in parts.numbers)
    for word, number in zip(types, wanted, strict=True):
        if number not in parts.numbers:
            raise InputError(f"--types {word}: the model has no such element; it has {there}")
    if len(set(wanted)) != len(wanted) or not wanted:
        raise InputError(f"--types {' '.join(types)}: each element once; the model has {there}")
    return tuple(index for index, number in enumerate(parts.numbers) if number in wanted)
