# SPDX-License-Identifier: MIT
"""Writes docs/model-files.md: every model file of a folder of models with references, read and compared, or refused and why.

    python docs/make_model_table.py SHARED   the folder that holds models, models-tf and models-public; pybuild is installed

Each file with a `reference.npz` beside it: the model itself by the NumPy oracle, and its tables by the compiled evaluator,
against the numbers of the program that trained it; largest differences over all frames, in eV/atom, eV/A and eV.
"""

from __future__ import annotations

import argparse
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pybuild import calculator
from pybuild.compress.build import Options
from pybuild.compress.combined import compress
from pybuild.errors import PybuildError
from pybuild.model.combined import AnyModel, CombinedModel
from pybuild.model.kept_types import keep_types
from pybuild.oracles import combined
from pybuild.readers import describe, read_source
from pybuild.structures.neighbours import neighbour_pairs
from pybuild.tablefile.file import write_tables

DOCS = Path(__file__).resolve().parent
FOLDERS = ("models", "models-tf", "models-public")
ENDINGS = {".pth", ".pt", ".dp", ".yaml", ".pb", ".pbtxt", ".ckpt"}
NEAREST = 3.0  # angstrom; within it the closest pair of a frame is looked for


class Frame(NamedTuple):
    """A structure and what the program that trained the model says of it."""

    positions: Any
    types: Any
    cell: Any
    parameters: dict[str, Any]
    energy: float
    forces: Any
    virial: Any


def frames(path: Path, type_map: tuple[str, ...]) -> list[Frame]:
    """Those of a reference.npz, the one with more neighbours than sel among them; types by the model's own order."""
    data = np.load(path)
    names = data["type_map"].tolist()
    order = [type_map.index(name) if name in type_map else -1 for name in names] if set(names) & set(type_map) else None
    found = []
    for prefix, suffix in [*(("", str(k)) for k in range(10)), ("overflow_", "")]:
        if f"{prefix}positions{suffix}" not in data:
            continue
        types = data["overflow_types" if prefix else "types"].astype(np.int64)
        given = {"fparam": data.get("fparam"), "aparam": data.get(f"aparam{suffix}")}
        found.append(
            Frame(
                data[f"{prefix}positions{suffix}"],
                types if order is None else np.array(order)[types],
                data.get(f"{prefix}cell{suffix}"),
                {name: value.reshape(-1) if name == "fparam" else value[0] for name, value in given.items() if value is not None},
                float(data[f"{prefix}energy{suffix}"]),
                data[f"{prefix}forces{suffix}"],
                data[f"{prefix}virial{suffix}"],
            )
        )
    return found


def differences(got: Any, frame: Frame) -> np.ndarray:
    """Energy per atom, largest force component, largest virial component."""
    energy = abs(got.energy - frame.energy) / len(frame.types)
    return np.array([energy, np.abs(got.forces - frame.forces).max(), np.abs(got.virial - frame.virial).max()])


def nearest(found: list[Frame]) -> float:
    """The closest pair of all frames, angstrom."""
    distances = [np.linalg.norm(neighbour_pairs(f.positions, f.cell, NEAREST)[2], axis=1) for f in found]
    return float(min(d.min() for d in distances if len(d)))


def kinds_of(model: AnyModel) -> str:
    """Of its descriptors, part by part."""
    if not isinstance(model, CombinedModel):
        return " + ".join(d.kind for d in model.descriptors)
    nets = [kinds_of(part) for part in model.networks]
    return ", ".join([*nets, *["pair table"] * (len(model.parts) - len(nets))])


def entry(path: Path, folder: Path) -> list[str]:
    """A row of the table."""
    name = f"`{path.relative_to(folder)}`"
    try:
        source = read_source(path)
        model = describe(path, source)
    except PybuildError as error:
        return [name, "", f"refused: {shortened(str(error), path)}", "", ""]
    kinds = kinds_of(model)
    known = path.parent / "reference.npz"
    if not known.exists() or "type_map" not in np.load(known):  # PWMLFF's have another form: tests/python/test_pwmlff.py
        return [name, source.format, f"{kinds}: read", "", ""]
    if not isinstance(model, CombinedModel) and all(d.shares_slots for d in model.descriptors):  # of many elements those of the frames
        data, n_types = np.load(known), model.n_types
        model = keep_types(model, sorted({data["type_map"][t] for key in data if key.endswith("types") for t in data[key]}))
        kinds += f", {' '.join(model.type_map)} of {n_types} types" if model.n_types < n_types else ""
    found = frames(known, model.type_map)
    exact = np.max([differences(combined.evaluate(model, *f[:3], **f.parameters), f) for f in found], axis=0)
    with tempfile.TemporaryDirectory() as place:
        tables = Path(place) / "t.bin"
        smallest = min(nearest(found), model.min_nbor_dist or np.inf)
        write_tables(tables, compress(model, smallest, Options()).tables)
        built = np.max([differences(calculator.evaluate(tables, *f[:3], **f.parameters), f) for f in found], axis=0)
    errors = [" ".join(f"{x:.0e}" for x in part) for part in (exact, built)]
    return [name, source.format, f"{kinds}, {len(found)} frames", *errors]


def shortened(text: str, path: Path) -> str:
    """A refusal without the path, and without what is supported instead."""
    text = text.removeprefix(f"{path}: ").split(". Supported:")[0]
    return re.sub(r"\s+", " ", text).replace("|", r"\|")


def rows(shared: Path) -> Iterator[list[str]]:
    for folder in FOLDERS:
        for path in sorted((shared / folder).rglob("*")):
            if path.suffix in ENDINGS:
                row = entry(path, shared / folder)
                print(*row, sep=" | ", flush=True)
                yield row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path)
    found = list(rows(parser.parse_args().shared))
    read = sum(not row[2].startswith("refused") for row in found)
    lines = [
        "# Model files that were tried",
        "",
        f"Made by `make_model_table.py`: {len(found)} files, {read} read, {len(found) - read} refused by name. Differences are",
        "the largest over all frames, atoms and components, against the program that trained the model: energy, eV/atom; forces,",
        "eV/A; virial, eV. Tables are built with the default tolerance and the smallest distance of file and frames.",
        "",
        "| file | format | model | the model itself | its tables |",
        "|---|---|---|---|---|",
        *(f"| {' | '.join(row)} |" for row in found),
    ]
    (DOCS / "model-files.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
