# SPDX-License-Identifier: MIT
"""Training data in DeePMD-kit's layout: a system is a folder, or a group of an HDF5 file, with type.raw, type_map.raw and
set.*/coord.npy, box.npy.

A file `nopbc` means open boundaries. Only positions, cells and types are read; energies and forces need not be there.
Systems of mixed composition (set.*/real_atom_types.npy, -1 for no atom) are understood; their type.raw counts the atoms only.
Arrays may be float32 or float64. data_search.py finds the systems.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays import Index
from ..errors import InputError
from .data_places import Folder, Place
from .neighbours import neighbour_pairs
from .structure import Structure

LOOKED_AT, CENTRES_LOOKED_AT = 120, 64  # frames, and atoms of each, whose neighbours are counted
DENSEST = 20  # atoms per cubic angstrom; water has 0.1, hydrogen at 10 g/cm3 has 6; lengths in nm are 1000 times the number

log = logging.getLogger("pybuild")


@dataclass(frozen=True)
class Set:
    """One set.*, its arrays mapped, not loaded: coord (frames, 3 n), box (frames, 9) or None, types (frames, n) or None,
    parameters of frames and atoms (frames, n_fparam) and (frames, n n_aparam) or None."""

    path: Place
    coord: Any
    box: Any | None
    real_types: Any | None
    fparam: Any | None
    aparam: Any | None


@dataclass(frozen=True)
class System:
    """Frames with the same number of atoms; types (n,); names and model type of each of its type numbers, -1 for a name that the
    model lacks."""

    path: Place
    types: Index
    names: tuple[str, ...]
    model_types: Index
    sets: tuple[Set, ...]

    @property
    def n_frames(self) -> int:
        return sum(len(s.coord) for s in self.sets)

    def frame(self, number: int) -> Structure:
        """A frame by its number, over all sets in order."""
        for part in self.sets:
            if number < len(part.coord):
                try:
                    return self._frame(part, number)
                except OSError as error:
                    raise InputError(f"training data {part.path}, frame {number}: cannot be read ({error})") from error
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
        types = self.types if part.real_types is None else np.array(part.real_types[number], dtype=np.int64).reshape(-1)
        there = types >= 0
        volume = np.inf if cell is None else abs(np.linalg.det(cell))
        if there.sum() > DENSEST * volume:
            raise InputError(f"{name}: {there.sum()} atoms in {volume:.3g} cubic angstrom are denser than any matter: in nm?")
        fparam = _numbers(part.fparam, number, f"{name}: fparam.npy")
        aparam = _numbers(part.aparam, number, f"{name}: aparam.npy")
        of_atoms = None if aparam is None else aparam.reshape(len(types), -1)[there]
        return Structure(positions[there], self._in_model(types[there], name), cell, name, fparam, of_atoms)

    def _in_model(self, types: Index, name: str) -> Index:
        """The model's types. Raises InputError for one that is not named or that the model does not have."""
        if types.max(initial=-1) >= len(self.model_types):
            raise InputError(f"{name}: atom type {types.max()}, but only {len(self.model_types)} are named")
        found = self.model_types[types]
        if found.min(initial=0) < 0:
            foreign = self.names[types[int(np.argmin(found))]]
            raise InputError(f"{name}: has atoms of element {foreign}, which is not in the model")
        return found


def open_system(place: str | Path | Place, type_map: Sequence[str]) -> System:
    """Check a system and map its arrays. type_map: the model's element names. Raises InputError."""
    place = Folder(Path(place)) if isinstance(place, (str, Path)) else place
    types = _load_types(place)
    sets = place.sets()
    if not sets:
        raise InputError(f"training data {place}: no folder set.*{_raw_hint(place)}")
    open_boundaries = place.has("nopbc")
    parts = [_open_set(part, len(types), open_boundaries) for part in sets]
    for part in parts:
        if not len(part.coord):
            log.info("note: training data %s: no frames in it; skipped", part.path)
    parts = [part for part in parts if len(part.coord)]
    mixed = all(part.real_types is not None for part in parts)
    names, model_types = _model_types(place, None if mixed else types, type_map)
    return System(place, types, names, model_types, tuple(parts))


def _raw_hint(place: Place) -> str:
    """DeePMD-kit's older layout, which its training does not read either."""
    if not place.has("coord.raw"):
        return ""
    return "; coord.raw is there: make sets of it with DeePMD-kit's raw_to_set.sh (as for training)"


def _load_types(place: Place) -> Index:
    words = place.words("type.raw")
    try:
        types = np.array([int(word) for word in words], dtype=np.int64)
    except (ValueError, OverflowError) as error:
        raise InputError(f"training data {place}/type.raw: atom types must be whole numbers ({error})") from error
    if not types.size or types.min() < 0:
        raise InputError(f"training data {place}/type.raw: one atom type from 0 on for every atom is needed")
    return types


def _model_types(place: Place, types: Index | None, type_map: Sequence[str]) -> tuple[tuple[str, ...], Index]:
    """Names of a system's type numbers, and the model type of each, -1 for names that the model does not have.

    types: those in use; None where every frame has its own (checked then).
    """
    if not place.has("type_map.raw"):
        if types is not None and types.max() >= len(type_map):
            raise InputError(
                f"training data {place}: atom type {types.max()}, the model has {len(type_map)} ({' '.join(type_map)})"
            )
        return tuple(type_map), np.arange(len(type_map))
    names = place.words("type_map.raw")
    if types is not None and types.max() >= len(names):
        raise InputError(f"training data {place}/type_map.raw: {len(names)} names, but type.raw has type {types.max()}")
    used = set() if types is None else set(types.tolist())
    for number, name in enumerate(names):
        if name not in type_map and number in used:
            raise InputError(f"training data {place}: element {name} is not in the model ({' '.join(type_map)})")
    numbers = [list(type_map).index(name) if name in type_map else -1 for name in names]
    return tuple(names), np.array(numbers, dtype=np.int64)


def _open_set(place: Place, n_atoms: int, open_boundaries: bool) -> Set:
    coord = _checked(place, "coord.npy", 3 * n_atoms, None)
    box = None if open_boundaries else _checked(place, "box.npy", 9, len(coord))
    real = _checked(place, "real_atom_types.npy", n_atoms, len(coord)) if place.has("real_atom_types.npy") else None
    fparam, aparam = (_parameters(place, name, n, len(coord)) for name, n in (("fparam.npy", 1), ("aparam.npy", n_atoms)))
    return Set(place, coord, box, real, fparam, aparam)


def _parameters(place: Place, name: str, n: int, frames: int) -> Any | None:
    """An array of (frames, a multiple of n), None where there is no such file."""
    if not place.has(name):
        return None
    shape = place.array(name).shape
    per_one, rest = divmod(prod(shape[1:]), n)
    if not per_one or rest:
        of = "numbers for each frame" if n == 1 else f"numbers for each of {n} atoms of each frame"
        raise InputError(f"training data {place}/{name}: shape {shape}; {of} are needed")
    return _checked(place, name, per_one * n, frames)


def _numbers(array: Any | None, frame: int, name: str) -> Any | None:
    """Those of a frame, in a row. Raises InputError for some that are not finite."""
    if array is None:
        return None
    values = np.array(array[frame], dtype=np.float64).reshape(-1)
    if not np.isfinite(values).all():
        raise InputError(f"{name} has numbers that are not finite")
    return values


def _checked(place: Place, name: str, columns: int, frames: int | None) -> Any:
    """An array of (frames, columns); the other axes may be split further."""
    try:
        array = place.array(name)
    except InputError as error:
        hint = "" if name != "box.npy" else "; open boundaries are marked by a file 'nopbc' beside type.raw"
        raise InputError(f"{error}{hint}") from error
    if array.dtype.kind not in "fiu":
        raise InputError(f"training data {place}/{name}: numbers are needed, not {array.dtype}")
    is_list = array.ndim == 1 and columns == 1
    fits = (array.ndim > 1 or is_list) and prod(array.shape[1:]) == columns
    if not fits or (frames is not None and len(array) != frames):
        wanted = "any number of" if frames is None else str(frames)
        raise InputError(f"training data {place}/{name}: shape {array.shape}; {wanted} frames of {columns} numbers are needed")
    return array


def all_frames(systems: Sequence[System]) -> list[tuple[System, int]]:
    """Every frame of every system, in order."""
    return [(system, number) for system in systems for number in range(system.n_frames)]


def telling_frames(systems: Sequence[System], n_types: int, rcut: float, most_frames: int, most_atoms: int) -> list[Structure]:
    """Frames by what they hold: at most ``most_frames``, and about ``most_atoms`` atoms in all, but at least one frame.

    Of some frames spread over the data first the one with most neighbours within rcut, then, for every type, the one where
    atoms of
    that type have most of them, then the one with the closest pair, then others at even steps in the number of neighbours.
    """
    frames = all_frames(systems)
    if not frames:
        return []
    spread = np.linspace(0, len(frames) - 1, min(LOOKED_AT, len(frames))).round().astype(int)
    first_of_each = [0, *np.cumsum([system.n_frames for system in systems])[:-1]]
    spread = np.unique([*spread, *(k for k in first_of_each[:LOOKED_AT] if k < len(frames))])
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
