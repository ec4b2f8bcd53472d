# SPDX-License-Identifier: MIT
"""Which systems of training data there are: in folders and below, in HDF5 files, and in the input script of a training.

Symbolic links are followed; a system that is reached twice counts once. Nothing that was asked for is left out in silence.
"""

from __future__ import annotations

import glob
import json
import logging
import os
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from ..errors import InputError
from .data_places import Folder, Place, groups_below, open_group

log = logging.getLogger("pybuild")


def find_systems(places: Sequence[str | Path], patterns: Sequence[str] | None = None) -> list[Place]:
    """All systems in the places and below, sorted within each: what has a type.raw, and fits one of the glob patterns if given.

    places: folders, HDF5 files (file.hdf5, file.hdf5#/group), or glob patterns of such. Raises InputError for one without any.
    """
    found: dict[Any, Place] = {}
    for place in places:
        mine = [system for one in _expanded(str(place)) for system in _systems_in(one, patterns)]
        if not mine:
            if any(Path(one, "data.mdb").is_file() for one in _expanded(str(place))):
                raise InputError(f"training data {place}: LMDB databases are not read; give --min-nbor-dist R (angstrom) instead")
            wanted = "" if patterns is None else f" that fits {' or '.join(patterns)}"
            raise InputError(f"training data {place}: no system (a folder with type.raw){wanted} in it or below")
        for system in mine:
            found.setdefault(system.identity, system)
    return list(found.values())


def _expanded(place: str) -> list[str]:
    """A place that is there, or what fits it as a glob pattern."""
    file, hash_sign, group = place.partition("#")
    if os.path.exists(place):
        return [place]
    names = [file] if os.path.exists(file) else sorted(glob.glob(file, recursive=True))
    there = [name for name in names if os.path.exists(name)]
    if not there:
        link = f", the link leads to {os.readlink(file)}" if os.path.islink(file) else ""
        raise InputError(f"training data {place}: no such folder or file{link}")
    for name in names:
        if name not in there:
            _say_skipped(Path(name))
    return [name + hash_sign + group for name in there]


def _say_skipped(link: Path) -> None:
    log.info("note: training data %s: the link leads nowhere (%s); skipped", link, os.readlink(link))


def _systems_in(place: str, patterns: Sequence[str] | None) -> list[Place]:
    file, _, group = (place, "", "") if os.path.exists(place) else place.partition("#")
    top: Place
    if os.path.isdir(file) and not group:
        top = Folder(Path(file))
        below: Iterator[Place] = (Folder(path) for path in folders_below(top.path))
    else:
        top = open_group(Path(file), group)
        below = groups_below(top)
    systems = [p for p in below if p.has("type.raw")]
    return systems if patterns is None else [s for s in systems if any(_fits(top, s, pattern) for pattern in patterns)]


def folders_below(top: Path) -> list[Path]:
    """The folder and all below it, sorted; first what is there without links, then behind each link what was not met yet.

    A linked folder itself is always listed, so that its name can fit a pattern; what is below it only once, so that links in a
    circle end. Raises InputError for a folder that cannot be read.
    """
    links: list[Path] = []
    met: set[tuple[int, int]] = set()
    found = _walk(top, met, links)
    while links:
        links.sort()
        link = links.pop(0)
        if link.is_dir():
            found += _walk(link, met, links)
        elif not link.exists():
            _say_skipped(link)
    return sorted(found)


def _walk(top: Path, met: set[tuple[int, int]], links: list[Path]) -> list[Path]:
    """Folders from ``top`` down without going through links, which are added to ``links``."""
    found = []
    waiting = [top]
    while waiting:
        folder = waiting.pop()
        found.append(folder)
        try:
            status = folder.stat()
            if (status.st_dev, status.st_ino) in met:
                continue
            met.add((status.st_dev, status.st_ino))
            with os.scandir(folder) as entries:
                children = [(Path(entry), entry.is_symlink(), entry.is_dir(follow_symlinks=False)) for entry in entries]
        except OSError as error:
            raise InputError(f"training data {folder}: {error.strerror or error}") from error
        links += [path for path, is_link, _ in children if is_link]
        waiting += [path for path, _, is_folder in children if is_folder]
    return found


def _fits(top: Place, system: Place, pattern: str) -> bool:
    """Whether the end of the system's path below ``top`` fits the pattern, "**" being any number of folders."""
    if isinstance(top, Folder):
        parts = system.path.relative_to(top.path).parts if isinstance(system, Folder) else ()
    else:
        parts = tuple(part for part in str(system).removeprefix(str(top)).split("/") if part)
    return bool(parts) and _fits_parts(parts, ("**", *Path(pattern).parts))


def _fits_parts(parts: tuple[str, ...], patterns: tuple[str, ...]) -> bool:
    if not patterns:
        return not parts
    if patterns[0] == "**":
        return any(_fits_parts(parts[k:], patterns[1:]) for k in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], patterns[0]) and _fits_parts(parts[1:], patterns[1:])


def systems_of_script(script: str | Path, head: str | None = None) -> list[Place]:
    """Training systems of a DeePMD-kit input script (JSON or YAML): a place or a list of places, each searched.

    Relative to the script or, where that is not there, to the current folder. head: the branch of a multi-task script. Raises
    InputError.
    """
    script = Path(script)
    section = _training_data(_load(script), script, head)
    systems = section.get("systems")
    systems = [systems] if isinstance(systems, str) else systems
    if not isinstance(systems, list) or not systems or not all(isinstance(s, str) for s in systems):
        raise InputError(f"training script {script}: training_data.systems must be a folder or a list of folders")
    patterns = section.get("rglob_patterns")
    if patterns is not None and not (isinstance(patterns, list) and patterns and all(isinstance(p, str) for p in patterns)):
        raise InputError(f"training script {script}: training_data.rglob_patterns must be a list of patterns")
    return find_systems([_beside(script, system) for system in systems], patterns)


def _beside(script: Path, place: str) -> str:
    """The place as seen from the script, else from the current folder, as DeePMD-kit does."""
    near = str(script.parent / place)
    here, there = _is_there(place), _is_there(near)
    if here and there and os.path.realpath(place) != os.path.realpath(near):
        log.info("note: %s of %s: the one beside the script is taken, not the one in the current folder", place, script)
    return near if there or not here else place


def _is_there(place: str) -> bool:
    file = place.partition("#")[0]
    return os.path.exists(place) or os.path.exists(file) or bool(glob.glob(file, recursive=True))


def _load(script: Path) -> Any:
    try:
        text = script.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"training script {script}: {error.strerror or error}") from error
    except ValueError as error:
        raise InputError(f"training script {script}: not a text ({error})") from error
    if script.suffix.lower() in (".yaml", ".yml"):
        return _load_yaml(text, script)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"training script {script}: not JSON ({error}); YAML is told by the ending .yaml") from error


def _load_yaml(text: str, script: Path) -> Any:
    try:
        import yaml
    except ImportError as error:
        raise InputError(
            f"training script {script}: YAML needs PyYAML: pip install pyyaml (extra 'yaml' of this package), or name the data "
            "with --training-data"
        ) from error
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"training script {script}: not YAML ({error})") from error


def _training_data(content: Any, script: Path, head: str | None) -> dict[str, Any]:
    training = content.get("training") if isinstance(content, dict) else None
    if not isinstance(training, dict):
        raise InputError(f"training script {script}: no section 'training'")
    branches = training.get("data_dict")
    if isinstance(branches, dict):
        if head not in branches:
            raise InputError(f"training script {script}: give one of its branches with --head: {', '.join(map(str, branches))}")
        training = branches[head]
    section = training.get("training_data", training) if isinstance(training, dict) else None
    if not isinstance(section, dict):
        raise InputError(f"training script {script}: training_data is not a section")
    return section
