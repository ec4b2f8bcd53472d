# SPDX-License-Identifier: MIT
"""An HDF5 file as DeePMD-kit writes one: a text as an attribute of its root, and numbers in datasets beside each other.

libhdf5 was not made for files that somebody damaged or made to harm: a few bytes changed can crash it. So it runs in a process of
its own (hdf5_extract.py), with a limit of memory and of time, and what comes back is checked here.
"""

from __future__ import annotations

import importlib.util
import io
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError, ReadError

SECONDS = 120.0  # for a file of any size that is read at all
EXTRACT = Path(__file__).with_name("hdf5_extract.py")
DAMAGED = "is a damaged HDF5 file"


@dataclass(frozen=True)
class Contents:
    """What a file holds: the attribute as bytes, datasets by name."""

    text: bytes
    arrays: dict[str, NDArray[np.generic]]


def read(path: Path, attribute: str) -> Contents:
    """The attribute and all datasets of a file. Raises ReadError; InputError where h5py is not installed."""
    if importlib.util.find_spec("h5py") is None:
        raise InputError("is an HDF5 file, which needs h5py: pip install 'dpcompressed[deepmd]'")
    try:
        command = [sys.executable, "-I", str(EXTRACT), str(path.resolve()), attribute]
        done = subprocess.run(command, capture_output=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise ReadError(f"{DAMAGED}: reading it did not end within {SECONDS:.0f} s") from error
    except OSError as error:
        raise ReadError(f"cannot be read: no process for it could be started ({error.strerror})") from error
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
        ended = done.returncode > 0 and said
        raise ReadError(f"{DAMAGED}: {said[:200] if ended else 'the HDF5 library crashed on it or did not end'}")
    return _contents(done.stdout)


def _contents(data: bytes) -> Contents:
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as found:
            return contents_of({name: found[name] for name in found.files})
    except (ValueError, OSError, zipfile.BadZipFile, KeyError, EOFError) as error:
        raise ReadError(f"{DAMAGED}: {str(error)[:100]}") from error


def contents_of(found: Mapping[str, NDArray[np.generic]]) -> Contents:
    """Of what hdf5_extract.py writes."""
    return Contents(
        found["attribute"].tobytes(), {name.removeprefix("dataset:"): a for name, a in found.items() if name != "attribute"}
    )
