# SPDX-License-Identifier: MIT
"""How LAMMPS finds the plugin, and what it says where the plugin was built for another LAMMPS."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from lammps_runs import Lammps, System, program, setup, static
from plugin_builds import LOADER, PAIR, build_loader, installed_folder, run_bare, running


def test_found_by_plugin_path(lammps: Lammps, water: System, small: Path, plugin_folder: Path) -> None:
    script = setup("water.data", f"dpcompressed {small}") + static()
    assert "energy:" in run_bare(lammps, script, plugin_folder)
    assert "Unrecognized pair style 'dpcompressed'" in run_bare(lammps, script)


def test_plugin_load_and_unload(lammps: Lammps, water: System, small: Path, plugin_folder: Path) -> None:
    script = setup("water.data", f"dpcompressed {small}") + static()
    again = f"plugin load {plugin_folder / LOADER}\n"
    output = run_bare(
        lammps, again + script + "plugin unload pair dpcompressed\nclear\n" + again + script.replace("forces", "again")
    )
    assert output.count("energy:") == 2, output
    assert "compiled for" not in output


def test_link_to_the_loader(lammps: Lammps, water: System, small: Path, plugin_folder: Path) -> None:
    """The pair style is found beside the file that a link points to."""
    (lammps.folder / LOADER).symlink_to(plugin_folder / LOADER)
    assert "energy:" in run_bare(lammps, f"plugin load ./{LOADER}\n" + setup("water.data", f"dpcompressed {small}") + static())


IN_PYTHON = """
from mpi4py import MPI  # opens the MPI of the Python environment
from lammps import lammps

run = lammps(cmdargs=["-log", "none", "-screen", "none"])
run.file("in.lammps")
energy, forces = run.get_thermo("pe"), run.gather_atoms("f", 1, 3)
if MPI.COMM_WORLD.rank == 0:
    print(repr(energy), sum(x * x for x in forces), MPI.COMM_WORLD.size)
"""


@pytest.mark.parametrize("ranks", [1, 2])
def test_lammps_in_python(ranks: int, lammps: Lammps, water: System, small: Path, small_reference: dict) -> None:
    """As docs/lammps.md has it: no variable of the environment says where MPI and the plugin are."""
    pytest.importorskip("mpi4py", reason="mpi4py brings the MPI of LAMMPS as a library")
    (lammps.folder / "in.lammps").write_text(setup("water.data", f"dpcompressed {small}", "* * O H") + "run 0\n")
    (lammps.folder / "run.py").write_text(IN_PYTHON)
    environment = {name: value for name, value in os.environ.items() if name not in ("LAMMPS_PLUGIN_PATH", "LD_LIBRARY_PATH")}
    command = [program("mpirun"), "-n", str(ranks), sys.executable, "run.py"]
    done = subprocess.run(command, cwd=lammps.folder, env=environment, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    energy, squares, size = done.stdout.split()
    assert int(size) == ranks
    np.testing.assert_allclose(float(energy), small_reference["energy0"], rtol=1e-10)
    np.testing.assert_allclose(float(squares), (small_reference["forces0"] ** 2).sum(), rtol=1e-8)


OTHER_PLUGIN = "void lammpsplugin_init(void *lammps, void *handle, void *reg) { (void)lammps; (void)handle; (void)reg; }"


@pytest.mark.parametrize("name", ["aplugin.so", "zplugin.so"])
def test_beside_another_plugin(name: str, lammps: Lammps, water: System, small: Path, plugin_folder: Path) -> None:
    """All plugins have a function of the same name, and LAMMPS opens them so that one stands for all."""
    if shutil.which("gcc") is None:
        pytest.skip("no g++ to build another plugin with")
    (lammps.folder / "other").mkdir()
    (lammps.folder / "other.c").write_text(OTHER_PLUGIN)
    other = lammps.folder / "other" / name
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", other, "other.c"], cwd=lammps.folder, check=True)
    script = setup("water.data", f"dpcompressed {small}") + static()
    for order in ((other, plugin_folder / LOADER), (plugin_folder / LOADER, other)):
        load = "".join(f"plugin load {path}\n" for path in order)
        assert "energy:" in run_bare(lammps, load + script)
    assert "energy:" in run_bare(lammps, script, Path(f"{other.parent}:{plugin_folder}"))


MODULES_OPENED = """
import sys
from lammps import lammps  # puts the installed plugin first
run = lammps(cmdargs=["-log", "none"])
run.commands_string(sys.stdin.read())
print("energy:", run.get_thermo("pe"))
print("opened:", *{line.split()[-1] for line in open("/proc/self/maps") if line.rstrip().endswith("dpcompressed_pair.so")})
"""


@pytest.mark.parametrize("kind", ["fits", "for another LAMMPS", "damaged"])
def test_what_the_user_names_comes_before_what_is_installed(
    kind: str, lammps: Lammps, water: System, small: Path, plugin_folder: Path, tmp_path: Path
) -> None:
    """Where it can be taken. What is wrong with it is said once."""
    named = tmp_path / "named"
    named.mkdir()
    if kind == "for another LAMMPS":
        build_loader(named, 20230802)
    else:
        shutil.copy(plugin_folder / LOADER, named)
    if kind != "damaged":
        shutil.copy(plugin_folder / PAIR, named)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "LAMMPS_PLUGIN_PATH": str(named)}
    script = setup("water.data", f"dpcompressed {small}") + "run 0\n"
    command = [sys.executable, "-c", MODULES_OPENED]
    done = subprocess.run(command, cwd=lammps.folder, env=environment, input=script, text=True, capture_output=True, check=False)
    assert "energy:" in done.stdout, done.stdout + done.stderr
    opened = next(line for line in done.stdout.splitlines() if line.startswith("opened:"))
    installed = installed_folder()
    assert installed is not None
    assert opened == f"opened: {(named if kind == 'fits' else installed) / PAIR}"
    assert done.stdout.count("pair_style dpcompressed is not available") == (0 if kind == "fits" else 1), done.stdout


def test_entry_point_is_cheap() -> None:
    """It runs at every start of lmp: nothing of ours but the module itself may be imported."""
    if importlib.util.find_spec("dpcompressed_lammps") is None:
        pytest.skip("the package is not installed here, only its modules are tested")
    code = "import sys, dpcompressed_lammps as p; p.plugin_folder(); print([m for m in sys.modules if m in ('numpy', 'pybuild')])"
    done = subprocess.run([sys.executable, "-c", code], text=True, capture_output=True, check=True)
    assert done.stdout.strip() == "[]"


def test_other_version_is_named_and_lmp_goes_on(lammps: Lammps, tmp_path: Path) -> None:
    build_loader(tmp_path, 20230802)
    script = "units metal\nregion b block 0 9 0 9 0 9\ncreate_box 1 b\nmass 1 1.0\npair_style zero 3.0\npair_coeff * *\n"
    script += "run 0\nprint 'went on'\n"
    output = run_bare(lammps, script, tmp_path)
    assert output.count("pair_style dpcompressed is not available") == 1, output
    assert "built for LAMMPS 2 Aug 2023" in output
    assert f"this is LAMMPS {running().name}" in output
    assert "went on" in output
    style = run_bare(lammps, "pair_style dpcompressed x\n", tmp_path)
    assert "Unrecognized pair style 'dpcompressed'" in style


def test_damaged_implementation_is_named_and_lmp_goes_on(lammps: Lammps, tmp_path: Path) -> None:
    build_loader(tmp_path)
    output = run_bare(lammps, "print 'went on'\n", tmp_path)
    assert output.count("pair_style dpcompressed is not available") == 1, output
    assert PAIR in output
    assert "went on" in output


def test_plugin_for_kokkos_in_a_lammps_without(lammps: Lammps, tmp_path: Path) -> None:
    build_loader(tmp_path, needs_kokkos=True)
    output = run_bare(lammps, "print 'went on'\n", tmp_path)
    assert output.count("this LAMMPS has no package KOKKOS") == 1, output
    assert "went on" in output


def test_mismatch_is_said_once_under_mpi(tmp_path: Path, lammps: Lammps) -> None:
    build_loader(tmp_path, 20230802)
    lammps.environment["LAMMPS_PLUGIN_PATH"] = str(tmp_path)
    (tmp_path / "in.empty").write_text("print 'went on'\n")
    command = [program("mpirun"), "-n", "2", program("lmp"), "-in", "in.empty", "-log", "none"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "LAMMPS_PLUGIN_PATH": str(tmp_path)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.stdout.count("built for LAMMPS 2 Aug 2023") == 1, done.stdout


def test_modules_need_no_mpi_and_the_loader_no_lammps(plugin_folder: Path) -> None:
    """Another MPI than the host's would be a second MPI in one process; a C++ symbol of LAMMPS would stop another LAMMPS."""
    if shutil.which("readelf") is None or shutil.which("nm") is None:
        pytest.skip("no binutils to look into the modules with")
    for name in (LOADER, PAIR):
        needed = subprocess.run(["readelf", "-d", str(plugin_folder / name)], text=True, capture_output=True, check=True).stdout
        assert "libmpi" not in needed
        assert "liblammps" not in needed
    undefined = subprocess.run(
        ["nm", "-D", "--undefined-only", str(plugin_folder / LOADER)], text=True, capture_output=True, check=True
    ).stdout
    assert "LAMMPS" not in undefined
