# SPDX-License-Identifier: MIT
"""The zip file that torch.save and TorchScript write: one pickle, and the numbers of each tensor as an entry of its own.

Only `data.pkl`, `byteorder` and `data/*` are read, which torch stores uncompressed; code, debug and constant entries may be there
or not, and code is looked at as text alone (ModelObject.code).
"""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ReadError, UnsupportedModel
from . import restricted_pickle as pickle
from .restricted_pickle import TensorRef
from .zip_archive import ZipArchive

MOST_OF_NOTHING = 2**31  # the other sizes of a tensor without numbers, which NumPy cannot do beyond its address space
SHOWN = 5  # names of entries in a message
MOST_COPIES = 64  # times the file: what all tensors together may take, however often they name one storage


class TorchArchive(ZipArchive):
    """An open archive; a context manager."""

    def __init__(self, path: Path) -> None:
        """Raises ReadError if the file is not a sound torch archive."""
        super().__init__(path)
        try:
            self._room, self._storages = MOST_COPIES * path.stat().st_size, dict[str, bytes]()
            self.root = self._find_root()
            self._check_byteorder()
        except ReadError:
            self._zip.close()
            raise

    def __enter__(self) -> TorchArchive:
        return self

    def pickle_bytes(self) -> bytes:
        """The pickle, not carried out."""
        return self._read("data.pkl")

    def size(self, name: str) -> int:
        """Bytes of an entry, 0 where it is absent."""
        info = self._entries.get(f"{self.root}/{name}")
        return 0 if info is None else info.file_size

    def load(self) -> Any:
        """What the pickle describes, by the restricted unpickler; tensors are TensorRef."""
        return pickle.loads(self.pickle_bytes())

    def array(self, tensor: TensorRef, name: str) -> NDArray[Any]:
        """The numbers of a tensor, as a new C-ordered array of the tensor's own type and shape.

        name: of the tensor, for messages. Raises ReadError if entry, size, offset or strides do not fit together,
        UnsupportedModel for bfloat16.
        """
        storage, where = tensor.storage, f"data/{tensor.storage.key[:40]}"
        if storage.dtype == "bfloat16":
            raise UnsupportedModel(f"{name[:200]} with numbers of type bfloat16 is not supported; it needs float32 or float64")
        dtype = np.dtype(storage.dtype)
        data = self._storage(storage.key)
        if len(data) != storage.count * dtype.itemsize:
            raise ReadError(
                f"{where} has {len(data)} bytes, but the pickle claims {storage.count} numbers of {dtype.itemsize} bytes"
            )
        count = prod(tensor.shape)
        last = tensor.offset + sum((n - 1) * s for n, s in zip(tensor.shape, tensor.strides, strict=True))
        if count > storage.count or tensor.offset > storage.count or (count and last >= storage.count):
            raise ReadError(f"a tensor of shape {tensor.shape} reaches beyond {where}, which has {storage.count} numbers")
        if not count:
            if prod(n for n in tensor.shape if n) > MOST_OF_NOTHING:
                raise ReadError(f"a tensor of shape {tensor.shape} in {where}: not the shape of anything in a model")
            return np.zeros(tensor.shape, dtype)
        self._room -= count * dtype.itemsize
        if self._room < 0:
            raise ReadError(f"the tensors of the archive claim more than {MOST_COPIES} times the bytes of the file")
        strides = tuple(s * dtype.itemsize for s in tensor.strides)
        view = np.ndarray(tensor.shape, dtype, data, tensor.offset * dtype.itemsize, strides)
        return np.array(view, order="C")

    def _storage(self, key: str) -> bytes:
        """Read once: many tensors may be views of one storage."""
        if key not in self._storages:
            self._storages[key] = self._read(f"data/{key}")
        return self._storages[key]

    def _read(self, name: str) -> bytes:
        return self.entry(f"{self.root}/{name}")

    def _find_root(self) -> str:
        roots = [name.removesuffix("/data.pkl") for name in self._entries if name.count("/") == 1 and name.endswith("/data.pkl")]
        if not roots:
            found = sorted(self._entries)
            listed = ", ".join(name[:80] for name in found[:SHOWN]) + (", ..." if len(found) > SHOWN else "")
            arrays = all(name.endswith(".npy") for name in found)
            raise ReadError(
                f"is a zip archive of {listed or 'nothing'}, not a torch model (without */data.pkl); "
                f"{'these are arrays of NumPy: give a model' if arrays else 'unpack it first, where one of these is the model'}"
            )
        if len(roots) > 1:
            raise ReadError(f"{len(roots)} entries */data.pkl in the archive instead of one: not a torch model")
        return roots[0]

    def _check_byteorder(self) -> None:
        """Files of torch before 2.1 have no such entry; they are little-endian."""
        if f"{self.root}/byteorder" not in self._entries:
            return
        order = self._read("byteorder")
        if order != b"little":
            raise ReadError(
                f"byte order {order[:20]!r}: only little-endian archives can be read; save the model on such a machine"
            )
