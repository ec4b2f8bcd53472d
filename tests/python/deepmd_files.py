# SPDX-License-Identifier: MIT
"""DeePMD-kit's tree of a model in each of the files that hold it, as DeePMD-kit lays them out. For tests."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pybuild.readers.files import hdf5

Tree = dict[str, Any]


def tree_of_dp(path: Path) -> Tree:
    """The whole tree of a `.dp` file, arrays in place."""
    contents = hdf5.read(path, "json")
    return with_variables(json.loads(contents.text), lambda name: contents.arrays[name.removeprefix("/")])


def with_variables(value: Any, change: Callable[[Any], Any]) -> Any:
    """The tree with everything under "@variables" changed, in the order of the tree."""
    if isinstance(value, list):
        return [with_variables(v, change) for v in value]
    if not isinstance(value, dict):
        return value
    return {
        key: {name: None if a is None else change(a) for name, a in v.items()}
        if key == "@variables"
        else with_variables(v, change)
        for key, v in value.items()
    }


def write_dp(tree: Tree, path: Path) -> Path:
    """HDF5: the arrays as datasets, their names in a text."""
    import h5py

    with h5py.File(path, "w") as file:

        def place(array: Any) -> str:
            name = f"/variable_{len(file):04d}"
            file[name] = array
            return name

        file.attrs["json"] = json.dumps(with_variables(tree, place))
    return path


def written_out(tree: Tree) -> Tree:
    """Arrays as nested lists with their type."""
    head = {"@class": "np.ndarray", "@is_variable": True, "@version": 1}
    return with_variables(tree, lambda a: head | {"dtype": np.asarray(a).dtype.name, "value": np.asarray(a).tolist()})


def write_yaml(tree: Tree, path: Path) -> Path:
    """Sorted keys; lists that are one object in the tree are written once."""
    import yaml

    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    path.write_text(yaml.dump(written_out(tree), Dumper=dumper, sort_keys=True))
    return path


def write_json(tree: Tree, path: Path) -> Path:
    path.write_text(json.dumps(written_out(tree)))
    return path


def write_package(tree: Tree, path: Path) -> Path:
    """A `.pt2`: the tree beside the exported program."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model/data/aotinductor/model/program.so", b"\x7fELF")
        archive.writestr("model/extra/model.json", json.dumps(written_out(tree)))
        archive.writestr("model/version", "1\n")
    return path


WRITERS = {".dp": write_dp, ".yaml": write_yaml, ".json": write_json, ".pt2": write_package}
