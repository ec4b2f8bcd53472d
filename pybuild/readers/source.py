# SPDX-License-Identifier: MIT
"""What goes into a reader beside the file, and what comes out of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ..errors import InputError
from ..model.combined import AnyModel
from ..model.description import Provenance


@dataclass(frozen=True)
class Choices:
    """What a user says of a file that it does not say itself, or that must not be chosen in silence."""

    head: str | None = None  # branch of a multi-task model
    # Names of the types, in the file's order, for files without a type map; of a PWMLFF or MatPL model the elements that it is
    # given, by default all of the file.
    types: tuple[str, ...] | None = None
    without_modifier: bool = False  # take the short-range part of a model with a data modifier (DPLR)
    padding_type: str | None = None  # DPA-1: the type that empty slots had in training, where that was the first atom's

    def refuse_types(self, names: Sequence[str] = ()) -> None:
        """For a file that names its types; names: these, where they are known. Raises InputError where others were given."""
        if self.types is not None:
            known = f" ({' '.join(names)[:200]})" if names else ""
            raise InputError(
                f"--types {','.join(self.types)}: the file names its types itself{known}; leave --types out. --keep-types takes "
                "some of them, and pair_coeff says which types of LAMMPS they are"
            )

    def refuse_all_but_types(self, files: str) -> None:
        """For files that leave nothing else to choose. Raises InputError."""
        modifier = "" if self.without_modifier else None
        for option, value, what in (
            ("--head", self.head, "heads"),
            ("--padding-type", self.padding_type, "empty slots whose type is not known"),
            ("--without-modifier", modifier, "data modifier"),
        ):
            if value is not None:
                raise InputError(f"{option} {value}".rstrip() + f": {files} have no {what}; leave {option} out")


class Source(Protocol):
    """A file that was read: of which format it is, and how to make a description of it."""

    @property
    def format(self) -> str:
        """As "DeePMD-kit PyTorch frozen model"."""

    def precision(self) -> str:
        """What it was trained in: "float64", "descriptor float32, fitting float64", ..."""

    def facts(self) -> dict[str, Any]:
        """What it says of the model, for people; texts, numbers, lists and dictionaries."""

    def description(self, provenance: Provenance) -> AnyModel:
        """The validated description. Raises UnsupportedModel, ReadError, ModelError."""
