# SPDX-License-Identifier: MIT
"""Readers fed with files that atheris (libFuzzer) finds: what reaches new lines of the readers is kept and changed further.

    pip install atheris; cd tests && python python/fuzz_guided.py FORMAT [--inputs 100000] [--seed 1]

FORMAT: pb, pbtxt, json, yaml, pt2; or the pickle in a sound archive: pth, ckpt (DeePMD-kit), jit, pwmlff. Begins with the small
files of fuzz_readers.py, and demands the same: a valid model or one PybuildError, in bounded time. HDF5 (.dp) is not here: what
is read of it is the tree of json, and libhdf5 itself crashes.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["pybuild"]):
    from fuzz_readers import CHECKPOINT, HEAD, SMALL, Fuzz

LONGEST = 4  # times the file that it begins with
PICKLE = "/data.pkl"


def archive_with(path: Path, source: Path, pickled: bytes) -> None:
    """The torch archive source with another pickle, sound otherwise."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as new:
        for name in old.namelist():
            new.writestr(name, pickled if name.endswith(PICKLE) else old.read(name))


def pickle_of(path: Path) -> bytes:
    with zipfile.ZipFile(path) as archive:
        return archive.read(next(name for name in archive.namelist() if name.endswith(PICKLE)))


def feeds(fuzz: Fuzz) -> dict[str, tuple[bytes, Callable[[bytes], str]]]:
    """By format: a sound input, and what feeds one."""

    def in_archive(source: Path, head: str | None) -> Callable[[bytes], str]:
        def feed(data: bytes) -> str:
            archive_with(fuzz.path, source, data)
            return fuzz.read_file(head)

        return feed

    found: dict[str, tuple[bytes, Callable[[bytes], str]]] = {
        name: (text, fuzz.read_bytes) for name, text in fuzz.texts.items() if name != "dp"
    }
    marked = b"# @class @version\n"
    found["yaml"] = (fuzz.texts["yaml"], lambda data: fuzz.read_bytes(marked + data))
    for name, source, head in (("pth", SMALL, None), ("ckpt", CHECKPOINT, HEAD)):
        found[name] = (pickle_of(source), in_archive(source, head))
    for name, kind in (("jit", "jit-types"), ("pwmlff", "ckpt-types")):
        archive, pickled = fuzz.pwmlff[kind]
        source = fuzz.path.with_name(name)
        archive.write_pickled(source, pickled)
        found[name] = (pickled, in_archive(source, None))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("format")
    parser.add_argument("--inputs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    fuzz = Fuzz(folder, arguments.seed)
    known = feeds(fuzz)
    if arguments.format not in known:
        raise SystemExit(f"no format '{arguments.format}'; known: {', '.join(known)}")
    begin, feed = known[arguments.format]
    corpus = folder / "corpus"
    corpus.mkdir()
    (corpus / "sound").write_bytes(begin)

    def one(data: bytes) -> None:
        fuzz.counts[feed(data)] += 1
        if sum(fuzz.counts.values()) % 1000 == 0:
            print(dict(fuzz.counts), f"slowest {fuzz.slowest:.2f} s", flush=True)

    os.chdir(folder)  # where libFuzzer leaves the input that broke a reader
    options = [f"-runs={arguments.inputs}", f"-max_len={LONGEST * len(begin)}", f"-seed={arguments.seed}", "-timeout=60"]
    atheris.Setup([sys.argv[0], *options, str(corpus)], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
