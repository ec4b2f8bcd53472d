# SPDX-License-Identifier: MIT
"""Training data in DeePMD-kit's npy layout: a system is a folder with type.raw, type_map.raw and set.*/coord.npy, box.npy.

A file `nopbc` means open boundaries. Only positions, cells and types are read; energies and forces need not be there.
Systems of mixed composition (set.*/real_atom_types.npy, -1 for no atom) are understood. Arrays may be float32 or
float64.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .environment import Structure
from .errors import InputError
from .neighbours import Index, neighbour_pairs

LOOKED_AT, CENTRES_LOOKED_AT = 120, 64  # frames, and atoms of each, whose neighbours are counted


@dataclass(frozen=True)
class Set:
    """One set.* folder, its arrays mapped, not loaded: coord (frames, 3 n), box (frames, 9) or None, types (frames,
    n) or None."""

    path: Path
    coord: Any
    box: Any | None
    real_types: Any | None


@dataclass(frozen=True)
class System:
    """One folder of frames with the same number of atoms; types (n,) and index (of a type in the file) -> model type."""

    path: Path
    types: Index
    model_types: Index
    sets: tuple[Set, ...]

    @property
    def n_frames(self) -> int:
        return sum(len(s.coord) for s in self.sets)

    def frame(self, number: int) -> Structure:
        """A frame by its number, over all sets in order."""
        for part in self.sets:
            if number < len(part.coord):
                return self._frame(part, number)
            number -= len(part.coord)
        raise IndexError(number)

    def _frame(self, part: Set, number: int) -> Structure:
        name = f"{part.path}, frame {number}"
        positions = np.array(part.coord[number], dtype=np.float64).reshape(-1, 3)
        cell = None if part.box is None else np.array(part.box[number], dtype=np.float64).reshape(3, 3)
        if not np.isfinite(positions).all() or (cell is not None and not np.isfinite(cell).all()):
            raise InputError(f"{name}: numbers that are not finite")
        if cell is not None and not abs(np.linalg.det(cell)) > 0:
            raise InputError(f"{name}: the cell has no volume; open boundaries are marked by a file 'nopbc' in {self.path}")
        types = self.types if part.real_types is None else np.array(part.real_types[number], dtype=np.int64)
        there = types >= 0
        if types.max(initial=-1) >= len(self.model_types):
            raise InputError(f"{name}: atom type {types.max()}, but only {len(self.model_types)} are named")
        return Structure(positions[there], self.model_types[types[there]], cell, name)


def find_systems(folders: Sequence[str | Path], patterns: Sequence[str] | None = None) -> list[Path]:
    """All systems in the folders and below, sorted within each: folders with a type.raw, or those that match one of the
    glob patterns. Raises InputError for a folder without any."""
    found: list[Path] = []
    for folder in map(Path, folders):
        if not folder.is_dir():
            raise InputError(f"training data {folder}: no such folder")
        if patterns is None:
            mine = sorted(path.parent for path in folder.rglob("type.raw"))
        else:
            mine = sorted({path for pattern in patterns for path in folder.rglob(pattern) if (path / "type.raw").is_file()})
        if not mine:
            raise InputError(f"training data {folder}: no system (a folder with type.raw) in it or below")
        found += [path for path in mine if path not in found]
    return found


def systems_of_script(script: str | Path, head: str | None = None) -> list[Path]:
    """Training systems of a DeePMD-kit input script (JSON): a folder or a list of folders, each searched, relative to the script.

    head: the branch of a multi-task script. Raises InputError.
    """
    script = Path(script)
    try:
        content = json.loads(script.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"training script {script}: {error.strerror or error}") from error
    except ValueError as error:
        raise InputError(f"training script {script}: not JSON ({error})") from error
    section = _training_data(content, script, head)
    systems = section.get("systems") if isinstance(section, dict) else None
    systems = [systems] if isinstance(systems, str) else systems
    if not isinstance(systems, list) or not systems or not all(isinstance(s, str) for s in systems):
        raise InputError(f"training script {script}: training_data.systems must be a folder or a list of folders")
    return find_systems([script.parent / s for s in systems], section.get("rglob_patterns"))


def _training_data(content: Any, script: Path, head: str | None) -> Any:
    training = content.get("training") if isinstance(content, dict) else None
    if not isinstance(training, dict):
        raise InputError(f"training script {script}: no section 'training'")
    branches = training.get("data_dict")
    if isinstance(branches, dict):
        if head not in branches:
            raise InputError(f"training script {script}: give one of its branches with --head: {', '.join(branches)}")
        training = branches[head]
    section = training.get("training_data", training)
    if not isinstance(section, dict):
        raise InputError(f"training script {script}: training_data is not a section")
    return section


def open_system(path: str | Path, type_map: Sequence[str]) -> System:
    """Check a system and map its arrays. type_map: the model's element names. Raises InputError."""
    path = Path(path)
    types = _load_types(path / "type.raw")
    model_types = _model_types(path / "type_map.raw", types, type_map)
    folders = sorted(p for p in path.glob("set.*") if p.is_dir())
    if not folders:
        raise InputError(f"training data {path}: no folder set.*")
    open_boundaries = (path / "nopbc").exists()
    return System(path, types, model_types, tuple(_open_set(folder, len(types), open_boundaries) for folder in folders))


def _load_types(path: Path) -> Index:
    try:
        types = np.array([int(word) for word in path.read_text(encoding="utf-8").split()], dtype=np.int64)
    except OSError as error:
        raise InputError(f"training data {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise InputError(f"training data {path}: atom types must be whole numbers ({error})") from error
    if not types.size or types.min() < 0:
        raise InputError(f"training data {path}: one atom type from 0 on for every atom is needed")
    return types


def _model_types(path: Path, types: Index, type_map: Sequence[str]) -> Index:
    """Model type of every type number of a system."""
    if not path.exists():
        if types.max() >= len(type_map):
            raise InputError(
                f"training data {path.parent}: atom type {types.max()}, the model has {len(type_map)} ({' '.join(type_map)})"
            )
        return np.arange(len(type_map))
    names = path.read_text(encoding="utf-8").split()
    if types.max() >= len(names):
        raise InputError(f"training data {path}: {len(names)} names, but type.raw has type {types.max()}")
    used = set(types.tolist())
    for number, name in enumerate(names):
        if name not in type_map and number in used:
            raise InputError(f"training data {path}: element {name} is not in the model ({' '.join(type_map)})")
    return np.array([list(type_map).index(name) if name in type_map else -1 for name in names], dtype=np.int64)


def _open_set(folder: Path, n_atoms: int, open_boundaries: bool) -> Set:
    coord = _map(folder / "coord.npy", 3 * n_atoms, None)
    box = None if open_boundaries else _map(folder / "box.npy", 9, len(coord))
    real = folder / "real_atom_types.npy"
    return Set(folder, coord, box, _map(real, n_atoms, len(coord)) if real.exists() else None)


def _map(path: Path, columns: int, frames: int | None) -> Any:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        hint = "" if path.name != "box.npy" else "; open boundaries are marked by a file 'nopbc' beside type.raw"
        raise InputError(f"training data {path}: cannot be read ({error}){hint}") from error
    if array.dtype.kind not in "fiu":
        raise InputError(f"training data {path}: numbers are needed, not {array.dtype}")
    if array.ndim < 2 or array[:1].size != columns * len(array[:1]) or (frames is not None and len(array) != frames):
        wanted = "any number of" if frames is None else str(frames)
        raise InputError(f"training data {path}: shape {array.shape}; {wanted} frames of {columns} numbers are needed")
    return array.reshape(len(array), -1)


def all_frames(systems: Sequence[System]) -> list[tuple[System, int]]:
    """Every frame of every system, in order."""
    return [(system, number) for system in systems for number in range(system.n_frames)]


def telling_frames(systems: Sequence[System], n_types: int, rcut: float, most_frames: int, most_atoms: int) -> list[Structure]:
    """Frames by what they hold: at most ``most_frames``, and about ``most_atoms`` atoms in all, but at least one frame.

    Of some frames spread over the data first the one with most neighbours within rcut, then, for every type, the one where atoms of
    that type have most of them, then the one with the closest pair, then others at even steps in the number of neighbours.
    """
    frames = all_frames(systems)
    if not frames:
        return []
    spread = np.unique(np.linspace(0, len(frames) - 1, min(LOOKED_AT, len(frames))).round().astype(int))
    looked_at = [system.frame(number) for system, number in (frames[k] for k in spread)]
    contents = np.array([_content(structure, n_types, rcut) for structure in looked_at])
    by_number = np.argsort(-contents[:, 0], kind="stable")
    steps = np.linspace(0, len(by_number) - 1, most_frames).round().astype(int)
    order = [by_number[0], *np.argmax(contents[:, 1:], axis=0), *by_number[steps]]
    chosen: list[Structure] = []
    for k in dict.fromkeys(int(k) for k in order):
        n_atoms = sum(len(structure.types) for structure in chosen) + len(looked_at[k].types)
        if chosen and (len(chosen) == most_frames or n_atoms > most_atoms):
            break
        chosen.append(looked_at[k])
    return chosen


def _content(structure: Structure, n_types: int, rcut: float) -> list[float]:
    """Mean number of neighbours; the same of the atoms of each type; the smallest distance, negative."""
    some = np.arange(len(structure.types))[:CENTRES_LOOKED_AT]
    if not len(some):
        return [0.0] * (n_types + 1) + [-np.inf]
    i, _, d = neighbour_pairs(structure.positions, structure.cell, rcut, some)
    counts = np.bincount(i, minlength=len(some))[some]
    types = structure.types[some]
    by_type = [float(counts[types == a].mean()) if (types == a).any() else 0.0 for a in range(n_types)]
    closest = float(np.sqrt(np.einsum("pc,pc->p", d, d).min())) if len(d) else np.inf
    return [float(counts.mean()), *by_type, -closest]
