# SPDX-License-Identifier: MIT
"""Typed access to the objects of a TorchScript archive."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from ...errors import ReadError
from . import access as get
from .restricted_pickle import ScriptObject, TensorRef
from .torch_archive import TorchArchive

MAX_DEPTH = 100  # of objects in each other; a model has a dozen


class ModelObject:
    """A ScriptObject with typed access to its attributes; `where` is its place in the model, for messages."""

    def __init__(self, archive: TorchArchive, value: Any, where: str) -> None:
        if not isinstance(value, ScriptObject):
            raise ReadError(f"{where} is not an object of the model; the file is damaged or of an unknown version")
        self._archive, self._attributes, self.where = archive, value.attributes, where
        self._module = value.full_name.rpartition(".")[0]
        self.class_name = value.class_name.rpartition(".")[2]

    def place(self, name: str) -> str:
        """Of an attribute, for messages."""
        return f"{self.where}.{name}" if self.where else name

    def get(self, name: str) -> Any:
        """The attribute, None where it is absent: versions differ in the attributes that are off."""
        return self._attributes.get(name)

    def need(self, name: str) -> Any:
        """The attribute. Raises ReadError where it is absent."""
        return get.member(self._attributes, name, self.where)

    def child(self, name: str) -> ModelObject:
        """An attribute that is an object. Raises ReadError where objects hold each other, or themselves, too deeply."""
        if self.where.count(".") > MAX_DEPTH:
            raise ReadError(f"{self.where[:80]} is nested too deeply; the file is damaged")
        return ModelObject(self._archive, self.need(name), self.place(name))

    def children(self, name: str) -> list[ModelObject]:
        """The objects of a ModuleList: its attributes "0", "1", ..."""
        parent = self.child(name)
        count = sum(1 for key in parent._attributes if isinstance(key, str) and key.isdecimal())
        return [parent.child(str(i)) for i in range(count)]

    def code(self) -> str:
        """The text of its class in TorchScript, "" where the archive has none: looked at, never run."""
        name = f"code/{self._module.replace('.', '/')}.py"
        return self._archive.text(f"{self._archive.root}/{name}") if self._archive.size(name) else ""

    def array(self, name: str) -> NDArray[Any]:
        """An attribute that is a tensor."""
        value = self.need(name)
        if not isinstance(value, TensorRef):
            raise ReadError(f"{self.place(name)} is not a tensor; the file is damaged or of an unknown version")
        return self._archive.array(value, self.place(name))

    def optional_array(self, name: str) -> NDArray[Any] | None:
        """The same, None where it is absent or None."""
        return None if self.get(name) is None else self.array(name)
