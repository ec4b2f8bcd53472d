# SPDX-License-Identifier: MIT
"""What gives the same bits: two runs of one program, a run that is restarted; docs/lammps.md, Determinism."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from lammps_runs import Lammps, Run, System, on_backends, setup

CLOSE = 1e-9  # eV/angstrom after some steps: sums in another order, which the motion makes larger
MOVE = """
neigh_modify every 10 delay 0 check no
fix nve all nve
timestep 0.0005
"""
DUMP = """
dump d all custom 1 {} id x y z vx vy vz fx fy fz
dump_modify d format float %.17g
"""


def start(lammps: Lammps, small: Path, words: str = "") -> str:
    script = setup("water.data", lammps.style(small, f"overflow warn {words}"), "* * O H")
    return script + "velocity all create 400 17 loop geom\n"


def bits(run: Run, name: str) -> list[bytes]:
    """Of every frame, sorted by ID."""
    return [frame.tobytes() for frame in run.dumps(name)]


@pytest.mark.parametrize("precision", ["double", "mixed"])
@pytest.mark.parametrize("ranks", [1, 2])
@on_backends("host", "kokkos_serial", "kokkos_openmp-2", "kk", "kk_host")
def test_two_runs_of_one_program(precision: str, ranks: int, lammps: Lammps, water: System, small: Path) -> None:
    script = start(lammps, small, f"precision {precision}") + MOVE
    frames = [bits(lammps.run(script + DUMP.format(name) + "run 25\n", ranks), name) for name in ("first.dump", "second.dump")]
    assert frames[0] == frames[1]
    assert frames[0][0] != frames[0][25]


@pytest.mark.parametrize("ranks", [1, 2])
def test_two_threads_twice(ranks: int, lammps: Lammps, water: System, small: Path) -> None:
    lammps.environment["OMP_NUM_THREADS"] = "2"
    script = start(lammps, small) + MOVE
    frames = [bits(lammps.run(script + DUMP.format(name) + "run 25\n", ranks), name) for name in ("first.dump", "second.dump")]
    assert frames[0] == frames[1]


@pytest.mark.parametrize(("threads", "ranks"), [("2", 1), ("1", 2), ("1", 4)])
def test_other_threads_and_ranks_change_the_order_of_sums_only(
    threads: str, ranks: int, lammps: Lammps, water: System, small: Path
) -> None:
    script = start(lammps, small) + MOVE
    one = lammps.run(script + DUMP.format("one.dump") + "run 5\n").dump("one.dump")
    lammps.environment["OMP_NUM_THREADS"] = threads
    other = lammps.run(script + DUMP.format("other.dump") + "run 5\n", ranks).dump("other.dump")
    np.testing.assert_allclose(other, one, rtol=0, atol=CLOSE)


class TestRestart:
    """Written at step 20, where the run that goes on builds its list, too."""

    SAVE = "restart 20 saved.*\n"
    GO_ON = "read_restart saved.20\n"

    def frames(self, lammps: Lammps, small: Path, ranks: int, sort: str, words: str = "", last: int = 35) -> tuple[Run, Run]:
        """The uninterrupted run, and the one from its restart file, from step 20 on."""
        modify = f"atom_modify sort {sort}\n"
        begin = start(lammps, small, words).replace("read_data", modify + "read_data")
        whole = lammps.run(begin + MOVE + self.SAVE + DUMP.format("whole.dump") + f"run {last}\n", ranks)
        again = lammps.run(self.GO_ON + modify + MOVE + DUMP.format("again.dump") + f"run {last - 20}\n", ranks)
        return whole, again

    @pytest.mark.parametrize(
        ("precision", "threads", "ranks"),
        [("double", "1", 1), ("double", "1", 2), ("double", "2", 1), ("double", "2", 2), ("mixed", "1", 1), ("mixed", "2", 2)],
    )
    @pytest.mark.parametrize("sort", ["0 0.0", "20 2.0"])
    def test_the_same_bits_where_atoms_keep_their_order(
        self, sort: str, precision: str, threads: str, ranks: int, lammps: Lammps, water: System, small: Path
    ) -> None:
        """LAMMPS sorts atoms in space when a run starts. It must not, or do it at that step anyway."""
        lammps.environment["OMP_NUM_THREADS"] = threads
        whole, again = self.frames(lammps, small, ranks, sort, f"precision {precision}")
        assert bits(whole, "whole.dump")[20:] == bits(again, "again.dump")

    @pytest.mark.parametrize("ranks", [1, 2])
    def test_else_the_order_of_atoms_is_another(self, ranks: int, lammps: Lammps, water: System, small: Path) -> None:
        """The default: sorted every 1000 steps, and where a run starts. Sums come out in another order."""
        whole, again = self.frames(lammps, small, ranks, "1000 2.0")
        assert bits(whole, "whole.dump")[20:] != bits(again, "again.dump")
        np.testing.assert_allclose(again.dump("again.dump"), whole.dump("whole.dump"), rtol=0, atol=CLOSE)
