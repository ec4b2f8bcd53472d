# SPDX-License-Identifier: MIT
"""Write and read a tables.bin: `write_tables(path, tables)`, `read_tables(path)`, `list_sections(path)`.

The format is docs/tables-format.md; container.py has its structure, sections/ the meaning of its arrays. A file
appears whole or not at all: it is written beside its place under another name and renamed when it is on the disk.
"""

from __future__ import annotations

import os
import secrets
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import FormatError, InputError, ModelError
from .container import SectionInfo, pack, trained_model_message, unpack
from .sections import sections_of, tables_of
from .tableset import AnyTables


def to_bytes(tables: AnyTables) -> bytes:
    """The bytes of a tables.bin; the same tables give the same bytes. Raises ModelError if it breaks a rule of the format."""
    data = pack(sections_of(tables))
    tables_of(unpack(data, checksums=False))  # what could not be read back must not be written
    return data


def from_bytes(data: bytes) -> AnyTables:
    """What is in the bytes of a tables.bin. Raises FormatError or ModelError."""
    return tables_of(unpack(data))


def write_tables(path: str | os.PathLike[str], tables: AnyTables) -> None:
    """Write a tables.bin; a file already there is replaced, or kept if anything fails.

    Raises InputError where the file cannot be written, ModelError if the tables break a rule of the format.
    """
    data = to_bytes(tables)
    target = Path(os.path.realpath(path))
    if os.path.exists(target) and not os.path.isfile(target):
        raise InputError(f"{path}: is not a regular file, the tables cannot be written there")
    try:
        _replace(target, data)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror or error}") from error


def read_tables(path: str | os.PathLike[str]) -> AnyTables:
    """Read a tables.bin with all checks. Raises FormatError or ModelError, the message starts with the path."""
    data = _read(path)
    try:
        return from_bytes(data)
    except (FormatError, ModelError) as error:
        raise type(error)(f"{path}: {error}") from error


def list_sections(path: str | os.PathLike[str]) -> list[SectionInfo]:
    """The directory of a tables.bin, in the order of the file: name, dtype, shape, bytes, CRC32C. Raises FormatError."""
    data = _read(path)
    try:
        return [section.info for section in unpack(data).sections.values()]
    except FormatError as error:
        raise FormatError(f"{path}: {error}") from error


def _read(path: str | os.PathLike[str]) -> bytes:
    if os.path.exists(path) and not os.path.isfile(path):
        raise FormatError(f"{path}: is not a file, expected a table file")
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise FormatError(f"{path}: cannot be read: {error.strerror or error}") from error
    trained = trained_model_message(data, os.fspath(path))
    if trained:
        raise FormatError(f"{path}: {trained}")
    return data


def _replace(target: Path, data: bytes) -> None:
    """Temporary sibling, synced, renamed over the target; removed if anything goes wrong."""
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(8)}.partial")
    with _removed_by_signals(temporary):
        # O_EXCL: nobody else's file; 0o666 less the umask: the mode of any new file.
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    _sync_folder(target.parent)


@contextmanager
def _removed_by_signals(temporary: Path) -> Iterator[None]:
    """A signal that ends the program, as queueing systems send at the end of a job's time, takes the file with it."""

    def end(number: int, _: object) -> None:
        temporary.unlink(missing_ok=True)
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    is_main = threading.current_thread() is threading.main_thread()  # others cannot have handlers
    deadly = [n for n in (signal.SIGTERM, signal.SIGHUP) if is_main and signal.getsignal(n) == signal.SIG_DFL]
    for number in deadly:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in deadly:
            signal.signal(number, signal.SIG_DFL)


def _sync_folder(folder: Path) -> None:
    """Make the rename itself survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
