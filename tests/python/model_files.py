# SPDX-License-Identifier: MIT
"""Model files that others trained, with the results of their programs (`reference.npz` beside them): which there are, what a
reader must be told, the frames, and how far results are apart."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from pybuild.model.combined import AnyModel, CombinedModel
from pybuild.model.kept_types import keep_types
from pybuild.readers import describe, read_source
from pybuild.readers.pwmlff.elements import SYMBOLS
from pybuild.structures.neighbours import neighbour_pairs

SHARED = Path(os.environ.get("DPC_SHARED", Path(__file__).resolve().parents[3] / "shared"))
FOLDERS = ("models", "models-tf", "models-public")
ENDINGS = {".pth", ".pt", ".dp", ".yaml", ".pb", ".pbtxt", ".ckpt"}
# What the files themselves do not say: the words of `read_source`.
OPTIONS: dict[str, dict[str, Any]] = {
    "models-tf/v2.2-multitask-two/model-united.pb": {"head": "two"},
    "models-public/hpcai-cu-f32net/graph-original-baseline.pb": {"types": ("Cu",)},
    "models-public/hpcai-cu-f32all/graph.pb": {"types": ("Cu",)},
    "models-public/dpgen-ch4/frozen_model.pb": {"types": ("H", "C")},
    "models-public/dk-sea_012/sea_012.pb": {"types": ("O", "H")},
    "models-public/dk-sea_012/sea_012.pbtxt": {"types": ("O", "H")},
    "models-public/dk-lrmodel/lrmodel.pb": {"without_modifier": True},
    "models-public/dk-lrmodel/lrmodel.pbtxt": {"without_modifier": True},
}
NEAREST = 3.5  # angstrom; within it the closest pair of a frame is looked for


@dataclass(frozen=True)
class Frame:
    """A structure and what the program that trained the model says of it."""

    positions: Any
    types: Any  # (n,) of the model's, -1: none of its
    cell: Any
    parameters: dict[str, Any]  # fparam (n_fparam,), aparam (n, n_aparam)
    energy: float
    forces: Any
    virial: Any

    @property
    def structure(self) -> tuple[Any, Any, Any]:
        return self.positions, self.types, self.cell


def files(shared: Path) -> Iterator[Path]:
    for folder in FOLDERS:
        yield from (path for path in sorted((shared / folder).rglob("*")) if path.suffix in ENDINGS)


def reference_of(path: Path) -> Path | None:
    known = path.parent / "reference.npz"
    return known if known.exists() else None


def read(path: Path) -> tuple[str, AnyModel]:
    """Format and model; of many elements that share slots those of the reference. Raises PybuildError."""
    known = reference_of(path)
    data = {} if known is None else np.load(known)
    options = OPTIONS.get("/".join(path.parts[-3:]), {})
    if "nframes" in data:
        options = {"types": symbols(data["f0_image_atom_type"])}
    source = read_source(path, **options)
    model = describe(path, source)
    if "type_map" not in data or isinstance(model, CombinedModel) or not all(d.shares_slots for d in model.descriptors):
        return source.format, model
    return source.format, keep_types(
        model, sorted({data["type_map"][t] for key in data if key.endswith("types") for t in data[key]})
    )


def frames(path: Path, type_map: tuple[str, ...]) -> list[Frame]:
    """Those of a reference, the one with more neighbours than sel among them; types by the model's own order. Of PWMLFF's those
    for which its program was given these elements, on which the model depends."""
    data = np.load(path)
    if "nframes" in data:
        prefixes = (f"f{k}_" for k in range(int(data["nframes"])))
        return [pwmlff_frame(data, p, type_map) for p in prefixes if symbols(data[f"{p}image_atom_type"]) == type_map]
    names = data["type_map"].tolist()
    order = [type_map.index(name) if name in type_map else -1 for name in names] if set(names) & set(type_map) else None
    found = []
    for prefix, suffix in [*(("", str(k)) for k in range(10)), ("overflow_", "")]:
        if f"{prefix}positions{suffix}" not in data:
            continue
        own = f"{prefix}types{suffix}"
        types = data[own if own in data else "types"].astype(np.int64)
        given = {"fparam": data.get("fparam"), "aparam": data.get(f"aparam{suffix}")}
        energy, forces, virial = (data[f"{prefix}{name}{suffix}"] for name in ("energy", "forces", "virial"))
        found.append(
            Frame(
                data[f"{prefix}positions{suffix}"],
                types if order is None else np.where(types < 0, -1, np.array(order)[types]),
                data.get(f"{prefix}cell{suffix}"),
                {name: value.reshape(-1) if name == "fparam" else value[0] for name, value in given.items() if value is not None},
                float(energy),
                forces,
                virial,
            )
        )
    return found


def symbols(numbers: Any) -> tuple[str, ...]:
    """Of atomic numbers."""
    return tuple(SYMBOLS[number - 1] for number in numbers.tolist())


def pwmlff_frame(data: Any, prefix: str, type_map: tuple[str, ...]) -> Frame:
    """PWMLFF computes the upper triangle of the virial and copies it to the lower one."""
    names = ("positions", "cell", "energy", "forces", "virial9")
    positions, cell, energy, forces, virial = (data[prefix + name] for name in names)
    types = np.array([type_map.index(name) for name in symbols(data[f"{prefix}numbers"])])
    upper = np.triu(virial.reshape(3, 3))
    return Frame(positions, types, cell, {}, float(energy), forces, upper + np.triu(upper, 1).T)


def differences(got: Any, expected: Any) -> np.ndarray:
    """Energy per atom, largest force component, largest virial component."""
    energy = abs(got.energy - expected.energy) / len(expected.forces)
    return np.array([energy, np.abs(got.forces - expected.forces).max(), np.abs(got.virial - expected.virial).max()])


def nearest(found: list[Frame]) -> float:
    """The closest pair of all frames, angstrom."""
    distances = [np.linalg.norm(neighbour_pairs(f.positions, f.cell, NEAREST)[2], axis=1) for f in found]
    return float(min(d.min() for d in distances if len(d)))


def load_core(folder: str | Path) -> ModuleType:
    """pybuild._core of a build with Kokkos, beside the installed one."""
    (path,) = Path(folder).glob("_core*.so")
    loader = importlib.machinery.ExtensionFileLoader("pybuild._core", str(path))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("pybuild._core", loader))
    loader.exec_module(module)
    return module
