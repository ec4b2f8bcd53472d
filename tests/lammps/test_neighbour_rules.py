# SPDX-License-Identifier: MIT
"""More neighbours than sel: LAMMPS keeps what the trained model keeps, the same atoms on any number of ranks, or all of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from lammps_runs import Array, Lammps, System, on_backends, setup, static

from pybuild.compress.build import build
from pybuild.model.description import ModelDescription
from pybuild.oracles import reference
from pybuild.readers import read_model
from pybuild.tablefile.file import write_tables

FOLDER = Path(__file__).resolve().parents[1] / "data" / "neighbour_rules"
TABLES, SINGLE = 1e-8, 1e-4  # eV/A: the tables' tolerance; mixed precision of forces of some eV/A
RANKS = 1e-10  # eV/A: another order of summation
PATHS = 1e-9  # angstrom, after ten steps
KEPT, ALL = "The trained model keeps the nearest only", "All of them are used"
NAMES = "* * A B C"


def model_of(peer: str) -> ModelDescription:
    """One with all kinds of types, as the back end evaluates it."""
    model = read_model(FOLDER / "exclude.pth")
    if peer == "pytorch":
        return model
    descriptor = dataclasses.replace(model.descriptors[0], exclusion="section")
    return dataclasses.replace(model, descriptors=(descriptor,), neighbour_rule="per_type")


@pytest.fixture(scope="module")
def tables_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[ModelDescription], Path]:
    """The table file of a model, made once for each rule."""
    folder = tmp_path_factory.mktemp("rules")

    def make(model: ModelDescription) -> Path:
        path = folder / f"{model.provenance.file_name}.{model.neighbour_rule}.bin"
        if not path.exists():
            write_tables(path, build(model, model.min_nbor_dist).tables)
        return path

    return make


def atoms_of(data: dict[str, Array]) -> System:
    return System(("X", "X", "X"), data["types"].astype(np.int64) + 1, data["positions"], data["cell"])


@pytest.mark.parametrize("ranks", [1, 2, 4])
@pytest.mark.parametrize("peer", ["pytorch", "tensorflow"])
@on_backends("host", "kokkos_serial", "kk", "kk_host")
def test_forces_of_the_trained_model(lammps: Lammps, tables_of: Callable, peer: str, ranks: int) -> None:
    data = dict(np.load(FOLDER / f"exclude.{peer}.npz"))
    atoms_of(data).write(lammps.folder / "atoms.data")
    model = model_of(peer)
    run = lammps.run(setup("atoms.data", lammps.style(tables_of(model), "overflow warn"), NAMES) + static(), ranks)
    np.testing.assert_allclose(run.dump("forces.dump"), data["forces0"], rtol=0, atol=TABLES)
    assert run.value("energy")[0] == pytest.approx(float(data["energy0"]), abs=TABLES * 27)
    assert any("more neighbours than sel" in line and KEPT in line and "`neighbors all`" in line for line in run.warnings)
    assert "are kept, as in training" in run.output


@pytest.mark.parametrize("words", ["neighbors all", "neighbors trained precision mixed", "neighbors all precision mixed"])
@on_backends("host", "kokkos_serial", "kk", "kk_host")
def test_the_keyword_and_the_precision(lammps: Lammps, tables_of: Callable, words: str) -> None:
    data = dict(np.load(FOLDER / "exclude.pytorch.npz"))
    atoms_of(data).write(lammps.folder / "atoms.data")
    model = model_of("pytorch")
    run = lammps.run(setup("atoms.data", lammps.style(tables_of(model), f"overflow warn {words}"), NAMES) + static(), 2)
    keeps_all = "all" in words
    followed = dataclasses.replace(model, neighbour_rule="all") if keeps_all else model
    expected = reference.evaluate(followed, data["positions"], data["types"].astype(np.int64), data["cell"])
    tolerance = SINGLE if "mixed" in words else TABLES
    np.testing.assert_allclose(run.dump("forces.dump"), expected.forces, rtol=0, atol=tolerance)
    assert np.abs(expected.forces - data["forces0"]).max() > 1e-3 or not keeps_all
    assert any((ALL if keeps_all else KEPT) in line for line in run.warnings)


def test_a_restart_remembers_it(lammps: Lammps, tables_of: Callable) -> None:
    data = dict(np.load(FOLDER / "exclude.pytorch.npz"))
    atoms_of(data).write(lammps.folder / "atoms.data")
    tables = tables_of(model_of("pytorch"))
    for words in ("", "neighbors all"):
        style = lammps.style(tables, f"overflow warn {words}")
        before = lammps.run(setup("atoms.data", style, NAMES) + static() + "write_restart saved\n")
        after = lammps.run("read_restart saved\n" + static("after.dump"))
        np.testing.assert_allclose(after.dump("after.dump"), before.dump("forces.dump"), rtol=0, atol=RANKS)
        assert any((ALL if words else KEPT) in line for line in after.warnings)


def test_other_words(lammps: Lammps, tables_of: Callable) -> None:
    atoms_of(dict(np.load(FOLDER / "exclude.pytorch.npz"))).write(lammps.folder / "atoms.data")
    style = lammps.style(tables_of(model_of("pytorch")), "neighbors some")
    run = lammps.run(setup("atoms.data", style, NAMES), check=False)
    assert "neighbors must be trained or all, not 'some'" in run.errors[0]


def crystal() -> System:
    """A perfect cubic crystal in a cell so small that an atom has several images of another one as neighbours."""
    grid = np.stack(np.meshgrid(*[np.arange(4)] * 3, indexing="ij"), -1).reshape(-1, 3)
    order = np.random.default_rng(3).permutation(len(grid))
    return System(("X", "X", "X"), grid.sum(axis=1)[order] % 3 + 1, 2.1 * grid[order] + 0.3, 8.4 * np.eye(3))


@on_backends("host", "kokkos_serial", "kk", "kk_host")
def test_equally_near_neighbours_on_any_number_of_ranks(lammps: Lammps, tables_of: Callable) -> None:
    """By their IDs, whichever rank owns them: as the reference does by the order of the atoms."""
    model, system = model_of("pytorch"), crystal()
    system.write(lammps.folder / "crystal.data")
    script = setup("crystal.data", lammps.style(tables_of(model), "overflow warn"), NAMES) + static()
    expected = reference.evaluate(model, system.positions, system.types - 1, system.cell).forces
    assert np.abs(expected).max() > 0.01  # of a crystal without truncation they would vanish for many atoms
    for ranks in (1, 2, 4):
        np.testing.assert_allclose(lammps.run(script, ranks).dump("forces.dump"), expected, rtol=0, atol=10 * TABLES)


@on_backends("host", "kk")
def test_a_trajectory_on_any_number_of_ranks(lammps: Lammps, tables_of: Callable) -> None:
    """The kept neighbours change from step to step, between two builds of the list and with them."""
    atoms_of(dict(np.load(FOLDER / "exclude.pytorch.npz"))).write(lammps.folder / "atoms.data")
    script = setup("atoms.data", lammps.style(tables_of(model_of("pytorch")), "overflow warn"), NAMES)
    script += """
velocity all create 300 4711 loop geom
neigh_modify delay 0 every 5 check no
timestep 0.0002
fix nve all nve
dump d all custom 10 {ranks}.dump id xu yu zu
dump_modify d format float %.17g
run 10
"""
    ends = {ranks: lammps.run(script.replace("{ranks}", str(ranks)), ranks).dump(f"{ranks}.dump") for ranks in (1, 2, 4)}
    for ranks in (2, 4):
        np.testing.assert_allclose(ends[ranks], ends[1], rtol=0, atol=PATHS)
