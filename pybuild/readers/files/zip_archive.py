# SPDX-License-Identifier: MIT
"""A zip file whose entries are read as they are, uncompressed: what an entry claims is bounded by the size of the file."""

from __future__ import annotations

import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

from ...errors import ReadError

MAX_ENTRIES = 1_000_000
MOST_TEXT = 1 << 20  # bytes
ENCRYPTED = 0x1  # bit of an entry's flags
ERRORS = (zipfile.BadZipFile, struct.error, OSError, ValueError, NotImplementedError, RuntimeError, EOFError, OverflowError)


class ZipArchive:
    """An open archive; a context manager."""

    def __init__(self, path: Path) -> None:
        """Raises ReadError if the file is not a sound zip file."""
        try:
            self._zip = zipfile.ZipFile(path)
        except ERRORS as error:
            raise ReadError(f"damaged or truncated zip archive ({str(error)[:100]}); copy or freeze the model again") from error
        self._texts: dict[str, str] = {}  # once each
        try:
            self._entries = self._checked_entries(path.stat().st_size)
        except ReadError:
            self._zip.close()
            raise

    def __enter__(self) -> ZipArchive:
        return self

    def __exit__(self, *_: Any) -> None:
        self._zip.close()

    def names(self, ending: str) -> list[str]:
        """Of the entries that end so."""
        return [name for name in self._entries if name.endswith(ending)]

    def entry(self, name: str) -> bytes:
        """Its bytes. Raises ReadError where it is absent, damaged, compressed or encrypted."""
        if name not in self._entries:
            raise ReadError(f"entry {name[:80]} is missing from the archive; copy or freeze the model again")
        info = self._entries[name]
        if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & ENCRYPTED or info.compress_size != info.file_size:
            raise ReadError(f"entry {name[:80]} is compressed or encrypted; torch stores the numbers of a model as they are")
        try:
            return self._zip.read(info)
        except ERRORS as error:
            raise ReadError(f"entry {name[:80]} is damaged ({str(error)[:100]}); copy or freeze the model again") from error

    def text(self, name: str) -> str:
        """The beginning of an entry, deflated or not. Raises ReadError for one that is damaged, encrypted or packed otherwise."""
        if self._entries[name].compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ReadError(f"entry {name[:80]} is packed in a way that torch does not use; copy or freeze the model again")
        try:
            if name not in self._texts:
                with self._zip.open(self._entries[name]) as file:
                    self._texts[name] = file.read(MOST_TEXT).decode("utf-8", "replace")
            return self._texts[name]
        except (*ERRORS, zlib.error) as error:
            raise ReadError(f"entry {name[:80]} is damaged ({str(error)[:100]}); copy or freeze the model again") from error

    def _checked_entries(self, file_size: int) -> dict[str, zipfile.ZipInfo]:
        infos = self._zip.infolist()
        if len(infos) > MAX_ENTRIES:
            raise ReadError(f"{len(infos)} entries in the archive: not a model")
        entries: dict[str, zipfile.ZipInfo] = {}
        for info in infos:
            if info.filename in entries:
                raise ReadError(f"entry {info.filename[:80]} is in the archive twice")
            entries[info.filename] = info
        if sum(info.compress_size for info in infos) > file_size:
            raise ReadError("the entries of the archive claim more bytes than the file has")
        return entries
