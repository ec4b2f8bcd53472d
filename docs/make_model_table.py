# SPDX-License-Identifier: MIT
"""Writes docs/model-files.md: every model file of a folder of models with references, read and compared, or refused and why.

    python docs/make_model_table.py SHARED [--kokkos FOLDER]

SHARED: the folder that holds models, models-tf and models-public; FOLDER: cython_ext of a build with a Kokkos of its own. The
installed package is compared, with its LAMMPS; tests/lammps/model_runs.py says how. A difference that is larger than that allows is
said at the end, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import functools
import pickle
import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

DOCS = Path(__file__).resolve().parent
sys.path += [str(DOCS.parent / "tests" / folder) for folder in ("python", "lammps")]

import model_files  # noqa: E402
from lammps_runs import Lammps  # noqa: E402
from model_runs import Compared, beyond, compare, shown  # noqa: E402

from pybuild.errors import PybuildError  # noqa: E402
from pybuild.model.combined import AnyModel, CombinedModel  # noqa: E402
from pybuild.model.description import Provenance  # noqa: E402

ANY = Provenance("", "0" * 64, "", "")  # in the place of a file's: tables do not depend on it
COLUMNS = ("oracle", "tables", "ase", "lammps", "mixed", "kokkos")
HEAD = "| file | format | model | the model itself | tables, Python | ASE | LAMMPS | mixed | Kokkos |"
TEXT = """\
Made by `make_model_table.py`: {all} files, {read} read, {refused} refused by name. Differences are the largest over all frames,
atoms and components, frames with more neighbours than `sel` among them: energy, eV/atom; forces, eV/A; virial, eV. *The model itself*: the
NumPy oracle against the program that trained the model. Then its tables, built with the default tolerance and the smallest distance of file
and frames, against the model itself: by the compiled evaluator from Python, by the ASE calculator, by LAMMPS on 1, 2 and 4 ranks (the
worst). *mixed*: forces in mixed precision against double, *Kokkos*: the Kokkos evaluator on a processor against the host's, both over 1 or the
frame's largest force. Options are given where a file does not say something itself (`OPTIONS` of tests/python/model_files.py).

The numbers of `deeppot-r.yaml` and `fparam_aparam.yaml` are PyTorch's of models that TensorFlow trained: it has another rule for
se_e2_r, and another constant in gelu; ours are TensorFlow's. Models in single precision differ by what their programs round. Of
PWMLFF's frames those with all elements of the model count here, the others in tests/python/test_pwmlff.py.
"""


def kinds_of(model: AnyModel) -> str:
    """Of its descriptors, part by part."""
    if not isinstance(model, CombinedModel):
        return " + ".join(d.kind for d in model.descriptors)
    nets = [kinds_of(part) for part in model.networks]
    return ", ".join([*nets, *["pair table"] * (len(model.parts) - len(nets))])


def entry(path: Path, folder: Path, kokkos: ModuleType | None, wrong: list[str]) -> list[str]:
    """A row of the table; adds to `wrong`."""
    name, empty = f"`{path.relative_to(folder)}`", [""] * len(COLUMNS)
    try:
        kind, model = model_files.read(path)
    except PybuildError as error:
        return [name, "", f"refused: {shortened(str(error), path)}", *empty]
    known = model_files.reference_of(path)
    if known is None:
        return [name, kind, f"{kinds_of(model)}: read", *empty]
    n_frames, types = len(model_files.frames(known, model.type_map)), " ".join(model.type_map)
    found = compared(pickle.dumps(replace(model, provenance=ANY)), known, kokkos)
    wrong.extend(f"{name}: {what}" for what in beyond(found, path.name, model.provenance.precision))
    texts = shown(found)
    return [name, kind, f"{kinds_of(model)}; {types}; {n_frames} frames", *(texts[column] for column in COLUMNS)]


@functools.cache
def compared(model: bytes, known: Path, kokkos: ModuleType | None) -> Compared:
    """A pickled model, which several files may hold, with its reference."""
    with tempfile.TemporaryDirectory() as place:
        return compare(pickle.loads(model), known, Lammps(Path(place)), kokkos)


def shortened(text: str, path: Path) -> str:
    """A refusal without the path, and without what is supported instead."""
    text = text.removeprefix(f"{path}: ").split(". Supported:")[0]
    return re.sub(r"\s+", " ", text).replace("|", r"\|")


def rows(shared: Path, kokkos: ModuleType | None, wrong: list[str]) -> Iterator[list[str]]:
    for path in model_files.files(shared):
        folder = next(shared / name for name in model_files.FOLDERS if (shared / name) in path.parents)
        row = entry(path, folder, kokkos, wrong)
        print(*row, sep=" | ", flush=True)
        yield row


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path)
    parser.add_argument("--kokkos", type=model_files.load_core, metavar="FOLDER")
    chosen = parser.parse_args()
    wrong: list[str] = []
    found = list(rows(chosen.shared, chosen.kokkos, wrong))
    read = sum(not row[2].startswith("refused") for row in found)
    text = TEXT.format(all=len(found), read=read, refused=len(found) - read)
    lines = [
        "# Model files that were tried",
        "",
        text,
        HEAD,
        "|" + "---|" * (3 + len(COLUMNS)),
        *(f"| {' | '.join(row)} |" for row in found),
    ]
    (DOCS / "model-files.md").write_text("\n".join(lines) + "\n")
    print(*wrong, sep="\n")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
