# SPDX-License-Identifier: MIT
"""What the command line writes: the report on stdout, a log, a table file; and what it must not write over.

Nothing is opened for writing before all paths are checked. The log appears with the first line of the report.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from .errors import InputError

log = logging.getLogger("pybuild")

LOG_START = "# log of python -m pybuild"  # first words of every log; a file that begins otherwise is not written over
TABLES_START = b"\x89DPT"


def check_target(path: str, others: dict[str, str], is_model: Callable[[str], bool]) -> None:
    """Raise InputError where tables must not be written: over another file of this run, or over what is no table file.

    others: what -> path; is_model: whether a file holds a trained model.
    """
    folder = _folder_of(path, path)
    _check_different(path, "the table file", others)
    target = Path(path)
    if not os.access(folder, os.W_OK):
        raise InputError(f"{path}: nothing can be written into the folder {folder}")
    if target.exists():
        if not target.is_file():
            raise InputError(f"{path}: is not a regular file, the tables cannot be written there")
        if not _begins_with(target, TABLES_START):
            what = "is a trained model" if is_model(path) else "is there already and is not a table file"
            raise InputError(f"{path}: {what}; give another name for the tables")


def check_log(path: str, others: dict[str, str]) -> None:
    """Raise InputError where a log must not be written. Devices and pipes, such as /dev/null, are fine."""
    folder = _folder_of(path, f"--log-path {path}")
    _check_different(path, "the log", others)
    target = Path(path)
    if target.is_dir():
        raise InputError(f"--log-path {path}: is a folder")
    if not os.access(target if target.exists() else folder, os.W_OK):
        raise InputError(f"--log-path {path}: cannot be written there")
    if target.is_file() and _standard_stream(path) is None and not _begins_with(target, LOG_START.encode()):
        raise InputError(f"--log-path {path}: is there already and is not a log of pybuild; give another name")


def _folder_of(path: str, shown: str) -> Path:
    try:
        folder = Path(os.path.realpath(path)).parent
    except FileNotFoundError as error:  # of a path that is relative
        raise InputError("the current folder has been deleted: change into another one") from error
    if path.endswith(os.sep):
        raise InputError(f"{shown}: ends with {os.sep}, as a folder does; give the name of a file")
    if not os.path.isdir(folder):  # also where a name is too long for one
        raise InputError(f"{shown}: the folder {folder} does not exist")
    try:
        os.stat(path)
    except FileNotFoundError:
        pass
    except OSError as error:  # a name that is too long
        raise InputError(f"{shown}: {error.strerror or error}") from error
    return folder


def _check_different(path: str, what: str, others: dict[str, str]) -> None:
    for name, other in others.items():
        if other and _same(path, other):
            raise InputError(f"{path}: is {name} itself; give another name for {what}")


def _same(one: str, other: str) -> bool:
    """Whether two names mean the same file, through links of both kinds, there or not yet."""
    if os.path.exists(one) and os.path.exists(other):
        return os.path.samefile(one, other)
    return os.path.realpath(one) == os.path.realpath(other)


def _begins_with(path: Path, start: bytes) -> bool:
    """Whether a file is empty or begins so."""
    try:
        with path.open("rb") as file:
            return file.read(len(start)) in (b"", start)
    except OSError as error:
        raise InputError(f"{path}: is there already and cannot be read: {error.strerror or error}") from error


def _standard_stream(path: str) -> int | None:
    """The descriptor, 1 or 2, that is open on the file; opening it once more would write over its beginning."""
    for descriptor in (1, 2):
        try:
            if os.path.samestat(os.stat(path), os.fstat(descriptor)):
                return descriptor
        except OSError:  # no such file yet, or the descriptor is closed: not the same
            continue
    return None


@contextmanager
def reporting(level: int, path: str | None, command: str) -> Iterator[None]:
    """Reports go to stdout, and to a log file where one is named; `path` is checked already. An error ends the log."""
    handlers: list[logging.Handler] = [logging.NullHandler() if sys.stdout is None else _Stdout(sys.stdout)]  # None: closed
    if path is not None:
        handlers.append(_Log(path, command))
    log.setLevel(level)
    for handler in handlers:
        log.addHandler(handler)
    try:
        yield
    except BaseException as error:
        for handler in handlers:
            if isinstance(handler, _Log):
                handler.end_with(f"error: {error}" if isinstance(error, Exception) else "interrupted")
        raise
    finally:
        for handler in handlers:
            log.removeHandler(handler)
            handler.close()


class _Stdout(logging.StreamHandler[TextIO]):
    """Letters that stdout's encoding lacks become "?". Where a reader has gone away (`| head`) the work goes on in silence; where
    the disk is full that is an error."""

    def format(self, record: logging.LogRecord) -> str:
        encoding = getattr(self.stream, "encoding", None) or "utf-8"
        return super().format(record).encode(encoding, "replace").decode(encoding)

    def handleError(self, record: logging.LogRecord) -> None:
        error = sys.exc_info()[1]
        if isinstance(error, BrokenPipeError):
            silence(sys.stdout)
        elif isinstance(error, OSError):
            raise InputError(f"the report cannot be written to standard output: {error.strerror or error}") from error
        else:
            raise


def silence(stream: TextIO) -> None:
    """Send what is still to be written to a stream, also by the interpreter when it ends, to nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


class _Log(logging.Handler):
    """A file that is opened with the first record."""

    def __init__(self, path: str, command: str) -> None:
        super().__init__()
        self._path, self._command = path, command
        self._file: TextIO | None = None

    def emit(self, record: logging.LogRecord) -> None:
        try:
            if self._file is None:
                self._file = self._open()
                self._file.write(f"{LOG_START}: {self._command}\n")
            self._file.write(self.format(record) + "\n")
            self._file.flush()
        except OSError as error:
            self._file = None
            raise InputError(f"--log-path {self._path}: {error.strerror or error}") from error

    def _open(self) -> TextIO:
        stream = _standard_stream(self._path)
        target: Any = self._path if stream is None else os.dup(stream)
        return open(target, "w", encoding="utf-8", errors="replace")

    def end_with(self, text: str) -> None:
        """A last line, where there are others. What cannot be written any more is on stderr."""
        if self._file is not None:
            try:
                print(" ".join(text.split()), file=self._file, flush=True)
            except OSError:
                self._file = None

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        super().close()
