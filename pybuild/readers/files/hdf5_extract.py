# SPDX-License-Identifier: MIT
"""`python hdf5_extract.py FILE ATTRIBUTE`, run by hdf5.py: writes the attribute and the datasets of a file to standard output.

As a NumPy archive: "attribute" (bytes) and "dataset:NAME". Only numbers that lie in the file itself, uncompressed and complete,
under hard links at the root: then their size is bounded by the file's. Errors: one line on standard error, exit status 1.
"""

from __future__ import annotations

import os
import resource
import sys
from typing import Any, NoReturn

import numpy as np

MEMORY = 4 << 30  # bytes of address space, and EACH of a file's
EACH = 4
SECONDS = 60  # of a processor: libhdf5 never ends on some damaged files
MAX_RANK = 16


def refuse(what: str) -> NoReturn:
    """Say what is wrong and end."""
    sys.exit("".join(c if c.isprintable() else "?" for c in what))


def limit(size: int) -> None:
    """Of memory, for a file of `size` bytes, and of time; no core file where libhdf5 crashes."""
    most = MEMORY + EACH * size
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def read_attribute(file: Any, name: str, size: int) -> bytes:
    """A single text."""
    import h5py

    if name not in file.attrs:
        refuse(f"it has no attribute '{name}': not a DeePMD-kit model")
    attribute = h5py.h5a.open(file.id, name.encode())
    if attribute.get_space().get_simple_extent_npoints() != 1 or attribute.get_storage_size() > size:
        refuse(f"its attribute '{name}' is not one text")
    value = file.attrs[name]
    if not isinstance(value, (str, bytes)):
        refuse(f"its attribute '{name}' is not one text")
    return value.encode("utf-8", "surrogateescape") if isinstance(value, str) else bytes(value)


def read_dataset(file: Any, name: str, size: int) -> np.ndarray | None:
    """Numbers, as they are in the file (bfloat16: pairs of bytes); None for what is none, such as the program in a `.hlo`."""
    import h5py

    if file.id.links.get_info(name.encode()).type != h5py.h5l.TYPE_HARD:
        refuse(f"'{name[:80]}' is a link to another place or file, which a DeePMD-kit model does not need; it was not followed")
    dataset = file[name]
    if not isinstance(dataset, h5py.Dataset) or not _are_numbers(dataset.dtype):
        return None
    if dataset.shape is None or dataset.ndim > MAX_RANK:
        refuse(f"'{name[:80]}' has no shape that an array of a model has")
    plan = dataset.id.get_create_plist()
    if plan.get_layout() not in (h5py.h5d.CONTIGUOUS, h5py.h5d.COMPACT) or plan.get_external_count() or plan.get_nfilters():
        refuse(f"'{name[:80]}' is compressed, in pieces or in another file; DeePMD-kit stores numbers as they are")
    if dataset.nbytes > size or dataset.id.get_storage_size() != dataset.nbytes:
        refuse(f"'{name[:80]}' claims more numbers than the file has")
    return dataset[()]


def _are_numbers(dtype: np.dtype) -> bool:
    return dtype == "V2" or (dtype.kind in "fiu" and dtype.itemsize <= 8)


def extract(path: str, attribute: str) -> dict[str, np.ndarray]:
    """What is to be written."""
    import h5py

    size = os.path.getsize(path)
    with h5py.File(path, "r") as file:
        found = {"attribute": np.frombuffer(read_attribute(file, attribute, size), np.uint8)}
        total = 0
        for name in file:
            array = read_dataset(file, name, size)
            if array is not None:
                total += array.nbytes
                found[f"dataset:{name}"] = array
            if total > size:
                refuse("its datasets claim more numbers than the file has")
    return found


def main(path: str, attribute: str) -> None:
    """Read all, then write all. Raises SystemExit with what is wrong."""
    limit(os.path.getsize(path))
    try:
        found = extract(path, attribute)
    except Exception as error:  # whatever libhdf5 finds: the one line is what the caller passes on
        refuse(f"{type(error).__name__}: {error}".replace("\n", " ")[:200])
    np.savez(sys.stdout.buffer, allow_pickle=False, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
