# SPDX-License-Identifier: MIT
"""Where the files of a system of training data lie: in a folder, or as datasets in a group of an HDF5 file (file.hdf5#/group).

Both give the same: names, texts as words, arrays that are mapped and not loaded, and the parts set.*.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError

WITHOUT_DATA = "or leave the data out and give --min-nbor-dist R"


@dataclass(frozen=True)
class Folder:
    """A folder of the file system."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def identity(self) -> Any:
        """Equal for two ways to the same folder."""
        return os.path.realpath(self.path)

    def has(self, name: str) -> bool:
        return (self.path / name).exists()

    def words(self, name: str) -> list[str]:
        """A text, split at white space. Raises InputError."""
        try:
            return (self.path / name).read_text(encoding="utf-8").split()
        except OSError as error:
            raise InputError(f"training data {self.path / name}: {error.strerror or error}") from error
        except ValueError as error:
            raise InputError(f"training data {self.path / name}: not a text ({error})") from error

    def array(self, name: str) -> Any:
        """A .npy file, mapped. Raises InputError."""
        path = self.path / name
        try:
            array = np.load(path, allow_pickle=False, mmap_mode="r")
        except (OSError, ValueError, EOFError) as error:
            array = _without_frames(path)
            if array is None:
                raise InputError(f"training data {path}: cannot be read ({error})") from error
        return array

    def sets(self) -> list[Folder]:
        return [Folder(path) for path in sorted(self.path.glob("set.*")) if path.is_dir()]


def _without_frames(path: Path) -> Any | None:
    """An array without numbers, which cannot be mapped."""
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return array if array.size == 0 else None


@dataclass(frozen=True)
class Group:
    """A group of an open HDF5 file."""

    file: Path
    group: Any  # h5py.Group

    def __str__(self) -> str:
        return f"{self.file}#{self.group.name}"

    @property
    def name(self) -> str:
        return str(self.group.name).rpartition("/")[2] or self.file.name

    @property
    def identity(self) -> Any:
        return os.path.realpath(self.file), _address(self.group)

    def has(self, name: str) -> bool:
        return name in self.group

    def words(self, name: str) -> list[str]:
        """A dataset of numbers or texts. Raises InputError."""
        values = np.asarray(self._dataset(name)[()]).reshape(-1).tolist()
        try:
            return " ".join(v.decode() if isinstance(v, bytes) else str(v) for v in values).split()
        except UnicodeDecodeError as error:
            raise InputError(f"training data {self}/{name}: not a text ({error})") from error

    def array(self, name: str) -> Any:
        """A dataset, read frame by frame. Raises InputError."""
        return self._dataset(name)

    def sets(self) -> list[Group]:
        import h5py

        children = [self.group.get(name) for name in sorted(self.group) if name.startswith("set.")]
        return [Group(self.file, child) for child in children if isinstance(child, h5py.Group)]

    def _dataset(self, name: str) -> Any:
        import h5py

        dataset = self.group.get(name)
        if not isinstance(dataset, h5py.Dataset):
            raise InputError(f"training data {self}/{name}: no such dataset")
        return dataset


Place = Folder | Group


def open_group(file: Path, name: str) -> Group:
    """The group of an HDF5 file, its root for "". Raises InputError."""
    try:
        import h5py
    except ImportError as error:
        raise InputError(
            f"training data {file}: HDF5 files need h5py: pip install h5py (extra 'hdf5' of this package), {WITHOUT_DATA}"
        ) from error
    try:
        opened = h5py.File(file, "r")
    except OSError as error:
        raise InputError(
            f"training data {file}: neither a folder nor an HDF5 file that can be read; give one of these, {WITHOUT_DATA}"
        ) from error
    group = opened.get(name or "/")
    if not isinstance(group, h5py.Group):
        raise InputError(f"training data {file}#{name}: no such group; there are: {', '.join(list(opened)[:20])}")
    return Group(file, group)


def groups_below(place: Group) -> Iterator[Group]:
    """The group and all groups below it, through links, each once."""
    import h5py

    seen, waiting = set(), [place]
    while waiting:
        current = waiting.pop()
        if _address(current.group) in seen:
            continue
        seen.add(_address(current.group))
        yield current
        children = [current.group.get(name) for name in sorted(current.group, reverse=True)]
        waiting += [Group(place.file, child) for child in children if isinstance(child, h5py.Group)]


def _address(group: Any) -> tuple[int, Any]:
    """What tells an HDF5 object from others of the open files."""
    import h5py

    info = h5py.h5o.get_info(group.id)
    return info.fileno, info.addr
