# SPDX-License-Identifier: GPL-2.0-only
"""What `build --kokkos` adds: which Kokkos, which compiler, and what is missing for them; docs/kokkos.md."""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dpcompressed_lammps.errors import CannotBuild

ARCHITECTURES = {"cuda": "AMPERE80 (A100), ADA89 (L40), HOPPER90 (H100, H200)", "hip": "AMD_GFX90A (MI200), AMD_GFX942 (MI300)"}
COMPILERS = {
    "cuda": ("nvcc", "CUDA 12 or 13, e.g. export PATH=/usr/local/cuda/bin:$PATH"),
    "hip": ("hipcc", "ROCm, e.g. export PATH=/opt/rocm/bin:$PATH"),
}
LISTERS = {  # fail where there is no GPU; of NVIDIA's, "9.0" a line
    "cuda": ("nvidia-smi", "--query-gpu=compute_cap", "--format=csv,noheader"),
    "hip": ("rocminfo",),
}
CUDA13 = Path("cmake") / "kokkos_cuda13.hpp"
# The number of the GPU that Kokkos was built for.
OF_KOKKOS = r"Kokkos_CUDA_ARCHITECTURES (\d+)"
OF_LAMMPS = r"^Kokkos_ARCH_(?:MAXWELL|PASCAL|VOLTA|TURING|AMPERE|ADA|HOPPER|BLACKWELL)(\d+):\w+=(?i:on|yes|true|y|1)$"


@dataclass(frozen=True)
class Kokkos:
    options: tuple[str, ...] = ()  # of the plugin's configuration; none: without Kokkos
    source: Path | None = None  # compiled first
    source_options: tuple[str, ...] = ()


def find_kokkos(options: argparse.Namespace, plugin_source: Path) -> Kokkos:
    """All that the options ask for and this machine lacks is said at once."""
    device = "cuda" if options.cuda else "hip" if options.hip else None
    kind = options.kokkos or ("own" if device else None)
    if kind is None:
        _refuse_stray_words(options)
        return Kokkos()
    missing = _missing_compilers(device)
    if kind == "lammps":
        found = _of_lammps(options, device, missing)
    else:
        found = _own(options, device, plugin_source, missing)
    if missing:
        raise CannotBuild("the plugin cannot be compiled with Kokkos; what is missing: " + "; ".join(missing))
    return found


def _refuse_stray_words(options: argparse.Namespace) -> None:
    for word in ("kokkos_root", "kokkos_source", "gpu_arch", "build_dir"):
        if getattr(options, word):
            raise CannotBuild(f"--{word.replace('_', '-')} goes with --kokkos, --cuda or --hip.")


def _missing_compilers(device: str | None) -> list[str]:
    if device is None:
        return []
    compiler, advice = COMPILERS[device]
    return [] if shutil.which(compiler) else [f"{compiler} ({advice})"]


def _of_lammps(options: argparse.Namespace, device: str | None, missing: list[str]) -> Kokkos:
    """The Kokkos inside a LAMMPS that was built from source: headers and flags come from there."""
    if options.kokkos_root or options.kokkos_source or options.gpu_arch:
        raise CannotBuild(
            "--kokkos lammps takes Kokkos and its devices from LAMMPS: --kokkos-root, --kokkos-source, --gpu-arch go with own."
        )
    if options.source_dir is None:
        missing.append(
            "the source tree of LAMMPS, --source-dir DIR (an installed LAMMPS lacks the headers of its package KOKKOS)"
        )
        return Kokkos()
    build = options.build_dir or options.source_dir / "build"
    if not (build / "CMakeCache.txt").exists():
        missing.append(f"the folder where LAMMPS was built with CMake, --build-dir DIR ({build} has no CMakeCache.txt)")
    words = ["-DDPC_KOKKOS=lammps", f"-DLAMMPS_BUILD_DIR={build.resolve()}"]
    compiler = _compiler(device, options.source_dir / "lib" / "kokkos", missing)
    return Kokkos((*words, *compiler, *_flags(device, _written(build / "CMakeCache.txt", OF_LAMMPS))))


def _own(options: argparse.Namespace, device: str | None, plugin_source: Path, missing: list[str]) -> Kokkos:
    """A Kokkos that becomes part of the plugin: one that is installed, or its source, compiled here."""
    if options.build_dir:
        raise CannotBuild("--build-dir goes with --kokkos lammps.")
    if options.kokkos_root:
        if not any(options.kokkos_root.glob("lib*/cmake/Kokkos/KokkosConfig.cmake")):
            missing.append(f"an installed Kokkos in --kokkos-root {options.kokkos_root} (it has no lib/cmake/Kokkos)")
        root = options.kokkos_root.resolve()
        number = next((_written(file, OF_KOKKOS) for file in root.glob("lib*/cmake/Kokkos/KokkosConfigCommon.cmake")), None)
        compiler = (*_compiler(device, root, missing), *_flags(device, number))
        return Kokkos(("-DDPC_KOKKOS=own", f"-DKokkos_ROOT={root}", *compiler))
    source = options.kokkos_source
    if source is None or not (source / "core" / "src" / "Kokkos_Core.hpp").exists():
        given = f" ({source} is none)" if source else ""
        missing.append(
            f"the source of Kokkos 4.5 to 5, --kokkos-source DIR{given}, e.g. lib/kokkos of a LAMMPS source tree or "
            "git clone -b 4.7.01 https://github.com/kokkos/kokkos; or an installed one, --kokkos-root DIR"
        )
        return Kokkos()
    source = source.resolve()
    here = _said(LISTERS[device]) if device and not options.gpu_arch else ""
    if device and here is None:
        missing.append(f"the architecture of the GPU, --gpu-arch NAME, as there is none here to ask: {ARCHITECTURES[device]}")
    number = _number(options.gpu_arch or here or "")
    compiler = _compiler(device, source, missing)
    words = ["-DCMAKE_BUILD_TYPE=Release", "-DCMAKE_POSITION_INDEPENDENT_CODE=ON", "-DBUILD_SHARED_LIBS=OFF"]
    words += ["-DKokkos_ENABLE_SERIAL=ON", f"-DKokkos_ENABLE_{device.upper() if device else 'OPENMP'}=ON", *compiler]
    words += [f"-DKokkos_ARCH_{options.gpu_arch}=ON"] if options.gpu_arch else []
    words += [] if device else ["-DKokkos_ARCH_NATIVE=ON"]
    words += ["-DKokkos_ENABLE_ROCTHRUST=OFF"] if device == "hip" else []  # its sorting is not needed, nor there with every ROCm
    words += _flags(device, number, f"-include {plugin_source / CUDA13}")
    return Kokkos(("-DDPC_KOKKOS=own", *compiler, *_flags(device, number)), source, tuple(words))


def _compiler(device: str | None, kokkos: Path, missing: list[str]) -> tuple[str, ...]:
    """nvcc by way of the script that comes with Kokkos."""
    if device is None:
        return ()
    if device == "hip":
        return ("-DCMAKE_CXX_COMPILER=hipcc",)
    wrapper = kokkos / "bin" / "nvcc_wrapper"
    if not wrapper.exists():
        missing.append(f"{wrapper}, which a Kokkos with CUDA has")
    return (f"-DCMAKE_CXX_COMPILER={wrapper.resolve()}",)


def _flags(device: str | None, number: str | None, *others: str) -> tuple[str, ...]:
    """nvcc_wrapper compiles for a GPU of its own choice where it is told none, which a newer CUDA does not know: then CMake's
    very first test of the compiler fails. number: of the GPU, 90 for HOPPER90; Kokkos says the same later."""
    flags = [*others, *([f"-arch=sm_{number}"] if number else [])] if device == "cuda" else []
    return (f"-DCMAKE_CXX_FLAGS={' '.join(flags)}",) if flags else ()


def _number(name: str) -> str | None:
    """HOPPER90, or 9.0 -> 90"""
    found = re.search(r"(\d+)\.?(\d*)$", name.split("\n", 1)[0].strip())
    return "".join(found.groups()) if found else None


def _written(file: Path, pattern: str) -> str | None:
    found = re.search(pattern, file.read_text(), re.MULTILINE) if file.exists() else None
    return found[1] if found else None


def _said(command: Sequence[str]) -> str | None:
    """None: there is no such program, or it failed."""
    if shutil.which(command[0]) is None:
        return None
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    return done.stdout if done.returncode == 0 else None


def compile_kokkos(
    kokkos: Kokkos, scratch: Path, cmake: Sequence[str], jobs: int, run: Callable[[Sequence[str | Path]], None]
) -> tuple[str, ...]:
    """Installs it in the scratch folder. Options of the plugin's configuration. cmake: with its generator."""
    if kokkos.source is None:
        return kokkos.options
    print(f"compiling Kokkos from {kokkos.source} (some minutes) ...", flush=True)
    tree, prefix = scratch / "kokkos-tree", scratch / "kokkos"
    run([*cmake, "-S", kokkos.source, "-B", tree, f"-DCMAKE_INSTALL_PREFIX={prefix}", *kokkos.source_options])
    run([cmake[0], "--build", tree, "--parallel", str(jobs), "--target", "install"])
    return (*kokkos.options, f"-DKokkos_ROOT={prefix}")


def add_options(build: argparse.ArgumentParser) -> None:
    group = build.add_argument_group("with Kokkos", "for GPUs (docs/kokkos.md)")
    group.add_argument(
        "--kokkos", choices=("lammps", "own"), help="pair_style dpcompressed/kk for a LAMMPS with KOKKOS, or `device gpu` for any"
    )
    device = group.add_mutually_exclusive_group()
    device.add_argument("--cuda", action="store_true", help="for NVIDIA GPUs; alone with --kokkos own")
    device.add_argument("--hip", action="store_true", help="for AMD GPUs; the same")
    group.add_argument("--kokkos-source", type=Path, metavar="DIR", help="with own: a source tree of Kokkos, compiled first")
    group.add_argument("--kokkos-root", type=Path, metavar="DIR", help="with own: where Kokkos is installed")
    group.add_argument(
        "--gpu-arch", metavar="NAME", help="with --kokkos-source: HOPPER90, AMD_GFX942, ... (default: the GPU here)"
    )
    group.add_argument("--build-dir", type=Path, metavar="DIR", help="with lammps: where LAMMPS was built (SOURCE/build)")
