#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Random models that DeePMD-kit makes, through the readers: what they give against DeePMD-kit's own numbers.

    python tests/python/random_trained.py --python /venv/bin/python --backend tensorflow --models 50 --seed 1
    python tests/python/random_trained.py --folder FOLDER       files that deepmd_kit_models.py has made already
    python tests/python/random_trained.py ... --tables 10       of every tenth case the tables, too

PYTHON has DeePMD-kit; deepmd_kit_models.py makes the files there. Of every file one line: how far the model itself (the NumPy
oracle) and its tables (the compiled evaluator, promised 1e-8 eV/A) are from DeePMD-kit, or the feature that is refused by name.
Exit code 1 where numbers differ by more than double precision leaves, or a file that DeePMD-kit wrote is called damaged.
Not among the tests: DeePMD-kit is too large to install for each run of them. test_random_trained.py shows that it finds faults.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from deepmd_kit_models import MAKERS, NEAREST
from model_files import ENDINGS, Frame, differences, frames

from pybuild import calculator
from pybuild.compress.build import Options
from pybuild.compress.combined import compress
from pybuild.errors import InputError, PybuildError, UnsupportedModel
from pybuild.model.combined import AnyModel
from pybuild.oracles import combined
from pybuild.readers import read_model
from pybuild.tablefile.file import write_tables

MAKER = Path(__file__).with_name("deepmd_kit_models.py")
# Of the largest force: a sum of some thousand numbers in another order; single precision in the model. Tables: of 1 eV/A.
ROUNDING, SINGLE, TABLES = 1e-9, 1e-3, 1e-8
LEAST = 1e-13  # eV/A, where all forces are next to nothing
AGREES, DIFFERS, REFUSED, DAMAGED = "agrees", "DIFFERS", "refused", "NOT READ"


def made(python: str, backend: str, seed: int, first: int, count: int, folder: Path) -> None:
    """Files of some cases; what DeePMD-kit refuses is said on stdout."""
    one = dict.fromkeys(("OMP_NUM_THREADS", "DP_INTRA_OP_PARALLELISM_THREADS", "DP_INTER_OP_PARALLELISM_THREADS"), "1")
    command = [python, MAKER, backend, str(seed), str(first), str(count), folder]
    subprocess.run(command, env=os.environ | one | {"TF_CPP_MIN_LOG_LEVEL": "3"}, check=True)


def cases(folder: Path) -> Iterator[tuple[Path, Path]]:
    """(model file, what DeePMD-kit says of it)."""
    for known in sorted(folder.glob("*.npz"), key=lambda path: (len(path.stem), path.stem)):
        files = sorted(folder.glob(f"{known.stem}.*"))
        yield from ((path, known) for path in files if path.suffix in {*ENDINGS, ".pte", ".pt2", ".hlo"})


def checked(path: Path, known: Path, with_tables: bool) -> tuple[str, str]:
    """Outcome and a line about it."""
    try:
        model = read_model(path)
    except UnsupportedModel as error:
        return REFUSED, str(error).removeprefix(f"{path}: ")
    except PybuildError as error:
        return DAMAGED, str(error)
    script = path.with_name(f"{number_of(path)}.json").read_text()
    asked = frames(known, model.type_map)
    if '"use_aparam_as_mask": true' in script:  # asked for, but not used
        asked = [replace(frame, parameters={k: v for k, v in frame.parameters.items() if k != "aparam"}) for frame in asked]
    size = max(np.abs(frame.forces).max() for frame in asked)
    precision = SINGLE if '"float32"' in script else ROUNDING
    rounding = precision * size + LEAST
    # eV/atom, beside energies of some eV; eV/A; eV
    limits = np.array([max(rounding, precision), rounding, 100 * rounding])
    found = np.max(
        [differences(combined.evaluate(model, *frame.structure, **frame.parameters), frame) for frame in asked], axis=0
    )
    wrong, line = not (found < limits).all(), f"forces up to {size:.1e} eV/A, model {_shown(found)}"
    if with_tables and not wrong:
        try:
            by_tables = zip(_by_tables(model, asked), asked, strict=True)
            found = np.max([differences(result, frame) for result, frame in by_tables], axis=0)
        except InputError as error:  # tables with corners in them, of which the file does not say where
            return REFUSED, f"{line}, no tables: {error}"
        wrong = not found[1] < rounding + TABLES * max(1.0, size)
        line += f", tables {_shown(found)}"
    return DIFFERS if wrong else AGREES, line


def _shown(numbers: np.ndarray) -> str:
    """Of energy, forces and virial."""
    return " ".join(f"{number:.0e}" for number in numbers)


def number_of(path: Path) -> int:
    """Of the case that a file is of: 7 of 7.pb, 7-compressed.pb."""
    return int(path.stem.partition("-")[0])


def _by_tables(model: AnyModel, asked: list[Frame]) -> Iterator[calculator.Result]:
    with tempfile.TemporaryDirectory() as folder:
        tables = Path(folder) / "tables.bin"
        write_tables(tables, compress(model, NEAREST, Options()).tables)
        loaded = calculator.load(tables)
        for frame in asked:
            yield calculator.evaluate(loaded, *frame.structure, **frame.parameters)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", help="a Python that has DeePMD-kit")
    parser.add_argument("--backend", choices=sorted(MAKERS), default="pytorch")
    parser.add_argument("--models", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="where the files are, or are to be made with --python")
    parser.add_argument("--tables", type=int, default=0, metavar="N", help="tables of every Nth case (default: of none)")
    o = parser.parse_args(arguments)
    if o.python is None and o.folder is None:
        parser.error("give --python, which makes files, or --folder with files that are there")
    with tempfile.TemporaryDirectory() as scratch:
        folder = o.folder or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        if o.python is not None:
            made(o.python, o.backend, o.seed, o.first, o.models, folder)
        outcomes: Counter[str] = Counter()
        for path, known in cases(folder):
            outcome, line = checked(path, known, o.tables > 0 and number_of(path) % o.tables == 0)
            outcomes[outcome] += 1
            print(path.name, f"{outcome}:", line, flush=True)
    print(f"{outcomes.total()} files:", ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items())))
    return 1 if outcomes[DIFFERS] or outcomes[DAMAGED] or not outcomes[AGREES] else 0


if __name__ == "__main__":
    sys.exit(main())
