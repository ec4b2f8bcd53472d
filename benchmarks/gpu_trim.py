# SPDX-License-Identifier: MIT
"""Cuts a LAMMPS source tree down to what a run with dpcompressed/kk needs: 4 MB, and a third of the files to compile.

    python benchmarks/gpu_trim.py LAMMPS OUTPUT.tar.gz

Kept are all files of src/ that are no style, the styles of STYLES, and whatever these include, directly or not; of the
packages only KOKKOS and PLUGIN.
"""

from __future__ import annotations

import argparse
import re
import tarfile
from collections.abc import Iterable
from pathlib import Path

# Kinds of styles, as the names of files begin; what an input of the benchmarks and tests names is in STYLES.
KINDS = "angle atom_vec bond compute dihedral dump fix improper kspace min npair nstencil pair region"
STYLES = {
    "atom_vec": "atomic hybrid",
    "compute": "centroid_stress_atom ke pe pe_atom pressure reduce stress_atom temp thermo",
    "dump": "atom custom",
    "fix": "deform momentum nh nph npt nve nvt store store_atom",
    "min": "cg",
    "npair": "bin copy full half halffull skip trim",
    "nstencil": "bin full half",
    "pair": "hybrid hybrid_overlay lj_cut zero",
    "region": "block",
}
CMAKE_FILES = ("cmake", "src/STUBS", "src/PLUGIN", "src/fmt", "LICENSE", "README")
INCLUDE = re.compile(rb'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)


def is_wanted(name: str) -> bool:
    """A file (without ending) that is no style, or one of STYLES; the base class of a kind is no style."""
    kind = next((k for k in sorted(KINDS.split(), key=len, reverse=True) if name.startswith(k + "_")), None)
    if kind is None:
        return True
    style = name[len(kind) + 1 :].removesuffix("_kokkos")
    names = STYLES.get(kind, "").split()
    # The variants of neighbour lists are many small files named after what they do.
    return style == "kokkos" or (style.split("_")[0] in names if kind in ("npair", "nstencil") else style in names)


def with_included(files: Iterable[Path], folders: list[Path]) -> set[Path]:
    """The files, what they include, and the sources that belong to included headers."""
    found: set[Path] = set()
    waiting = set(files)
    while waiting:
        path = waiting.pop()
        found.add(path)
        names = {Path(name.decode()) for name in INCLUDE.findall(path.read_bytes())}
        names |= {Path(path.with_suffix(ending).name) for ending in (".h", ".cpp")}
        for name in names:
            waiting |= {place for folder in folders if (place := folder / name).is_file() and place not in found}
    return found


def main() -> None:
    """Write the archive, folder lammps/, and say how much is left."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("lammps", type=Path)
    parser.add_argument("output", type=Path)
    chosen = parser.parse_args()
    source = chosen.lammps / "src"
    folders = [source, source / "KOKKOS"]
    every = [path for folder in folders for path in folder.iterdir() if path.suffix in (".cpp", ".h")]
    kept = with_included((path for path in every if is_wanted(path.stem)), folders)
    with tarfile.open(chosen.output, "w:gz") as archive:
        for path in sorted(kept):
            archive.add(path, Path("lammps") / path.relative_to(chosen.lammps))
        for name in CMAKE_FILES:
            archive.add(chosen.lammps / name, Path("lammps") / name)
    print(f"{len(kept)} of {len(every)} files of LAMMPS, {sum(p.suffix == '.cpp' for p in kept)} to compile")


if __name__ == "__main__":
    main()
