# SPDX-License-Identifier: MIT
"""Domain decomposition: ranks without atoms, atoms without neighbours, atoms that change ranks, threads, partitions."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from lammps_runs import SINGLE, Array, Lammps, System, mpi_folder, on_backends, program, setup, static
from plugin_builds import PLUGIN_SOURCE, folder_in_package

from pybuild.oracles import reference as oracle
from pybuild.readers import read_model

FORCE = 1e-8  # eV/angstrom, as in test_reference.py
ENERGY = 1e-9  # eV per atom
# 100 steps: sums in another order differ by 1e-14 of a force at first; chaos multiplies it by less than 1e4 in 50 fs.
TRAJECTORY = 1e-9  # angstrom
THREADS = 1e-11  # eV/angstrom: blocks of atoms are summed in another order


@pytest.fixture(scope="module")
def model(shared: Path) -> oracle.ModelDescription:
    return read_model(shared / "models" / "se_e2_a-small" / "model.pth")


@pytest.mark.parametrize("ranks", [1, 2, 4])
@on_backends("host", "kokkos_openmp", "kk", "kk_host")
def test_ranks_without_atoms(ranks: int, lammps: Lammps, small: Path, model: oracle.ModelDescription) -> None:
    """One molecule in the corner of a box that is cut into slabs."""
    positions = np.array([[1.0, 1.0, 1.0], [1.9, 1.2, 1.0], [0.8, 1.9, 1.3]])
    system = System(("O", "H"), np.array([1, 2, 2]), positions, np.diag([60.0, 20.0, 20.0]))
    system.write(lammps.folder / "one.data")
    run = lammps.run(f"processors {ranks} 1 1\n" + setup("one.data", lammps.style(small, "overflow warn")) + static(), ranks)
    expected = oracle.evaluate(model, positions, system.types - 1, system.cell)
    assert abs(run.value("energy")[0] - expected.energy) < 3 * ENERGY
    np.testing.assert_allclose(run.dump("forces.dump"), expected.forces, rtol=0, atol=FORCE)


@pytest.mark.parametrize("ranks", [1, 2])
@on_backends("host", "kokkos_serial", "kk", "kk_host")
def test_lone_atoms(ranks: int, lammps: Lammps, small: Path, model: oracle.ModelDescription) -> None:
    """No neighbours at all: the energy of the empty environment, no force."""
    positions = np.array([[5.0, 5.0, 5.0], [35.0, 5.0, 5.0]])
    System(("O", "H"), np.array([1, 2]), positions, np.diag([60.0, 30.0, 30.0])).write(lammps.folder / "lone.data")
    run = lammps.run(setup("lone.data", lammps.style(small)) + static(), ranks)
    expected = oracle.evaluate(model, positions, np.array([0, 1]))
    assert abs(run.value("energy")[0] - expected.energy) < 2 * ENERGY
    np.testing.assert_array_equal(run.dump("forces.dump"), np.zeros((2, 3)))


@on_backends(*SINGLE)
def test_no_atoms(lammps: Lammps, small: Path) -> None:
    script = f"""
units metal
region box block 0 20 0 20 0 20
create_box 2 box
mass * 1.0
pair_style dpcompressed {small}
pair_coeff * * O H
{static()}"""
    assert lammps.run(script, ranks=2).value("energy")[0] == 0


@on_backends("host", "kokkos_serial", "kk", "kk_host")
def test_atoms_migrate_between_ranks(lammps: Lammps, water: System, small: Path) -> None:
    script = setup("water.data", lammps.style(small, "overflow warn"), "* * O H")
    script += """
velocity all create 1500 4711 loop geom
neighbor 0.5 bin
neigh_modify delay 0 every 1 check yes
timestep 0.0005
fix nve all nve
compute owner all property/atom proc
dump d all custom 100 {ranks}.dump id xu yu zu c_owner
dump_modify d format float %.17g
run 100
"""
    frames = {}
    for ranks in (1, 2, 4):
        frames[ranks] = lammps.run(script.replace("{ranks}", str(ranks)), ranks).dumps(f"{ranks}.dump")
    for ranks in (2, 4):
        first, last = frames[ranks]
        assert np.any(first[:, 3] != last[:, 3]), "no atom changed its rank"
        np.testing.assert_allclose(last[:, :3], frames[1][-1][:, :3], rtol=0, atol=TRAJECTORY)


def test_threads(lammps: Lammps, water: System, small: Path, small_reference: dict) -> None:
    script = setup("water.data", lammps.style(small)) + static()
    single = lammps.run(script).dump("forces.dump")
    lammps.environment["OMP_NUM_THREADS"] = "3"
    run = lammps.run(script)
    assert "3 threads" in run.output
    np.testing.assert_allclose(run.dump("forces.dump"), single, rtol=0, atol=THREADS)
    np.testing.assert_allclose(single, small_reference["forces0"], rtol=0, atol=FORCE)


def test_partitions_are_independent(
    lammps: Lammps, water: System, small: Path, tables: Callable[[str], Path], reference: Callable[[str], dict[str, Array]]
) -> None:
    """Two worlds with models and overflow settings of their own: nothing may use the communicator of both."""
    other = "se_e2_a-silu-sigmoid"
    script = f"variable w world first second\nvariable file world {small} {tables(other)}\n"
    script += setup("water.data", "dpcompressed ${file}") + static("${w}.dump")
    run = lammps.run(script, ranks=3, arguments=("-partition", "1", "2", "-plog", "none", "-pscreen", "none"))
    np.testing.assert_allclose(run.dump("first.dump"), reference("se_e2_a-small")["forces0"], rtol=0, atol=FORCE)
    np.testing.assert_allclose(run.dump("second.dump"), reference(other)["forces0"], rtol=0, atol=FORCE)


@on_backends("host", "kk")
def test_tens_of_thousands_of_atoms(lammps: Lammps, water: System, small: Path, small_reference: dict) -> None:
    """Copies of a cell have its energy and forces."""
    extremes = " ".join(f"$(c_{mode}[{k}]:%.17g)" for mode in ("most", "least") for k in (1, 2, 3))
    script = setup("water.data", lammps.style(small, "overflow warn summary no"), "* * O H")
    script = script.replace("pair_style", "replicate 6 6 5\npair_style") + f"""
compute most all reduce max fx fy fz
compute least all reduce min fx fy fz
thermo_style custom step pe c_most[1] c_least[1]
run 0
print "energy: $(pe:%.17g)"
print "extremes: {extremes}"
"""
    run = lammps.run(script, ranks=2)
    assert "34560 atoms" in run.output
    forces = small_reference["forces0"]
    assert abs(run.value("energy")[0] / 180 - small_reference["energy0"]) < ENERGY * len(water)
    np.testing.assert_allclose(run.value("extremes"), [*forces.max(0), *forces.min(0)], rtol=0, atol=FORCE)


COUNT = """
#include <cstdio>
#include "node_rank.hpp"
int main(int n, char** words) {
    MPI_Init(&n, &words);
    int rank = 0;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    std::printf("rank %d: %d\\n", rank, dpcompressed::node_rank(MPI_COMM_WORLD));
    MPI_Finalize();
}
"""


@pytest.mark.parametrize(("two_computers", "places"), [("0", [0, 1, 2, 3]), ("1", [0, 0, 1, 1])])
def test_ranks_are_counted_on_each_computer(two_computers: str, places: list[int], tmp_path: Path) -> None:
    """The GPU of a rank is that of its place on its computer. MPICH can take odd and even ranks for those of two computers."""
    if shutil.which("g++") is None:
        pytest.skip("no g++ to compile with")
    (tmp_path / "count.cpp").write_text(COUNT)
    headers = ["-I", str(folder_in_package("mpich", "mpi.h")), "-I", str(PLUGIN_SOURCE)]
    library = next(str(file) for file in Path(mpi_folder()).glob("libmpi.so*"))
    command = ["g++", "-std=c++17", *headers, "count.cpp", library, f"-Wl,-rpath,{mpi_folder()}", "-o", "count"]
    subprocess.run(command, cwd=tmp_path, check=True)
    environment = {**os.environ, "MPIR_CVAR_ODD_EVEN_CLIQUES": two_computers}
    command = [program("mpirun"), "-n", "4", "./count"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, text=True, stdout=subprocess.PIPE, check=True)
    assert sorted(done.stdout.splitlines()) == [f"rank {rank}: {place}" for rank, place in enumerate(places)]
