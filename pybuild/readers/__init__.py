# SPDX-License-Identifier: MIT
"""Reading trained models: `read_model(path)` recognises a file by its content and returns a ModelDescription.

A reader is one module with a function `read(path, choices)` that returns a Source (source.py), and one line in `_FORMATS`, the
only place where signatures of models are looked at. Files of a known kind that cannot be read get a message that says what they
are and what to give instead (other_files.py).
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError, PybuildError, ReadError, UnsupportedModel, printable
from ..model import kept_types
from ..model.combined import AnyModel
from ..model.description import Provenance
from ..model.kept_types import can_leave_types_out as can_leave_types_out
from . import other_files
from .deepmd import tensorflow, torch, trees
from .files import graphdef, restricted_pickle
from .files.torch_archive import TorchArchive
from .pwmlff import reader as pwmlff
from .source import Choices, Source

HEAD_BYTES = 4096  # enough for every signature below


@dataclass(frozen=True)
class Format:
    """A kind of file: `matches(first bytes, path)`; `read(path, choices)`."""

    matches: Callable[[bytes, Path], bool]
    read: Callable[[Path, Choices], Source]


def read_model(
    path: str | Path,
    head: str | None = None,
    types: Sequence[str] | None = None,
    without_modifier: bool = False,
    padding_type: str | None = None,
    keep_types: Sequence[str] | None = None,
) -> AnyModel:
    """Read a trained model.

    path: the file, recognised by its content, its name does not matter; keep_types: of its types those that are wanted (default:
    all); the others: source.Choices. Returns a validated description. Raises a PybuildError whose message starts with the
    path: ReadError for damaged or unknown files, UnsupportedModel for sound models with a feature that is named, ModelError for a
    model that breaks a rule, InputError for a wrong choice.
    """
    model = describe(path, read_source(path, head, types, without_modifier, padding_type))
    if keep_types is None:
        return model
    with _about(path):
        return kept_types.keep_types(model, keep_types)


def read_source(
    path: str | Path,
    head: str | None = None,
    types: Sequence[str] | None = None,
    without_modifier: bool = False,
    padding_type: str | None = None,
) -> Source:
    """What a file holds, whether or not there is a description of such a model. Raises as read_model does."""
    with _about(path):
        return _read(Path(path), Choices(head, None if types is None else tuple(types), without_modifier, padding_type))


def describe(path: str | Path, source: Source) -> AnyModel:
    """The description of what was read from path. Raises as read_model does."""
    with _about(path):
        return source.description(provenance_of(path, source))


def provenance_of(path: str | Path, source: Source) -> Provenance:
    """Where it is from."""
    name = Path(path).name.encode("utf-8", "replace").decode("utf-8")  # a name of bytes that are no text
    return Provenance(name, _sha256(Path(path)), source.format, source.precision())


def is_model(path: str | Path) -> bool:
    """Whether a file holds a trained model, be it one that is not supported."""
    try:
        read_source(path)
    except (InputError, UnsupportedModel):  # InputError: of several branches or without names of types, which are to be chosen
        return True
    except PybuildError:
        return False
    return True


@contextmanager
def _about(path: str | Path) -> Iterator[None]:
    """Errors say which file they are about."""
    try:
        yield
    except PybuildError as error:
        raise type(error)(f"{path}: {printable(str(error))}") from error


def _read(path: Path, choices: Choices) -> Source:
    start = _first_bytes(path)
    for known in _FORMATS:
        if known.matches(start, path):
            return known.read(path, choices)
    other_files.refuse(start, path)
    raise ReadError(f"is not a model file of a known kind; {other_files.INSTEAD}")


def _first_bytes(path: Path) -> bytes:
    """At least one. Raises a PybuildError for a folder, a file that is not there or empty."""
    try:
        if path.is_dir():
            other_files.refuse_folder(path)
        if path.exists() and not path.is_file():
            raise ReadError("is a pipe or a device: a model is read from a file")
        with path.open("rb") as file:
            start = file.read(HEAD_BYTES)
    except (OSError, ValueError) as error:  # ValueError: no name of a file
        other_files.refuse_prefix(path)
        raise ReadError(f"cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if not start:
        raise ReadError("is empty")
    return start


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _zip_with(*endings: str) -> Callable[[bytes, Path], bool]:
    """A zip file that has an entry with one of the endings."""

    def matches(start: bytes, path: Path) -> bool:
        if not start.startswith(b"PK\x03\x04"):
            return False
        try:
            with zipfile.ZipFile(path) as archive:
                return any(name.endswith(endings) for name in archive.namelist())
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError, EOFError):
            return False  # damaged: the torch reader says how

    return matches


def _torch_with(recognise: Callable[[set[str]], bool]) -> Callable[[bytes, Path], bool]:
    """A torch archive, by the texts and names of its pickle, which is not carried out."""

    def matches(start: bytes, path: Path) -> bool:
        if not start.startswith(b"PK\x03\x04"):
            return False
        try:
            with TorchArchive(path) as archive:
                return recognise(restricted_pickle.strings(archive.pickle_bytes()))
        except ReadError:
            return False  # damaged: the torch reader says how

    return matches


def _starts_with(*signatures: bytes) -> Callable[[bytes, Path], bool]:
    return lambda start, _: start.startswith(signatures)


def _contains(*words: bytes) -> Callable[[bytes, Path], bool]:
    return lambda start, _: all(word in start for word in words)


_FORMATS = (
    Format(_starts_with(b"\x89HDF\r\n\x1a\n"), trees.read_hdf5),
    Format(_zip_with("/extra/model.json", "/serialized_exported_program.json"), trees.read_package),
    Format(_torch_with(pwmlff.recognise), pwmlff.read),
    Format(_starts_with(b"PK\x03\x04"), torch.read),
    Format(lambda start, _: graphdef.looks_binary(start) or graphdef.looks_text(start), tensorflow.read),
    Format(_contains(b"@class", b"@version"), trees.read_text),
)
