# SPDX-License-Identifier: MIT
"""What is said at the end of a run: neighbours, closest pairs and overflow counts against NumPy; stages with `timer full`."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from lammps_runs import Array, Lammps, Run, System, after_a_failure, on_backends, setup

from pybuild.model.combined import CombinedModel
from pybuild.readers import read_model

PRINTED = 6e-6  # relative: six digits
HEAD = re.compile(
    r"^pair_style dpcompressed: summary of this run with (\S+), (\d+) evaluations, neighbours counted in (\d+) of them"
)
NEIGHBOURS = re.compile(r"^  neighbours (\w+)-(\w+): mean (\S+), most (\d+)(?:, sel (\d+))?$")
CLOSEST = re.compile(r"^  closest (\w+)-(\w+): (\S+) angstrom, training data (\S+)$")
OVERFLOW = re.compile(r"^  overflow(?: of (\S+))?: (\d+) closer than the training data, (\d+) beyond the tables, (\d+) times")
TIME = re.compile(r"^  time of ([a-z ]+): (\S+) s(?:, slowest rank (\S+))?$")
STAGES = ["neighbour list", "pairs", "descriptor", "fitting net", "forces"]


def found(run: Run, line: re.Pattern[str]) -> list[tuple[str, ...]]:
    """Groups of the lines that fit."""
    return [match.groups() for match in map(line.match, run.output.splitlines()) if match]


def distances(positions: Array, box: float) -> Array:
    """(n, n, 27) angstrom between atoms and images; an atom and itself: infinity."""
    images = np.stack(np.meshgrid(*[[-box, 0, box]] * 3, indexing="ij"), -1).reshape(-1, 3)
    r = np.linalg.norm(positions[None, :, None] + images[None, None] - positions[:, None, None], axis=-1)
    r[r == 0] = np.inf
    return r


MOVE = """
velocity all create 600 17 loop geom
fix nve all nve
timestep 0.0005
dump d all custom 1 frames.dump id x y z
dump_modify d format float %.17g
"""


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("name", ["se_e2_a-small", "dpa1-strip-attn0", "hybrid-a_e3", "zbl-dpa1", "se_e3_tebd-strip"])
@on_backends("host", "kokkos_serial", "kk", "kk_host")
def test_against_all_distances(
    ranks: int, name: str, lammps: Lammps, water: System, tables: Callable[[str], Path], shared: Path
) -> None:
    """Slots by type, slots for all types, several descriptors, and of several parts the net, once; in the steps of the checks."""
    model = read_model(shared / "models" / name / "model.pth")
    elements = [model.type_map[t] for t in (0, 1)]
    script = setup("water.data", lammps.style(tables(name), "check 5 overflow warn"), "* * " + " ".join(elements))
    run = lammps.run(script + MOVE + "run 20\n", ranks)
    assert found(run, HEAD) == [(str(tables(name)), "21", "5")]

    every = [distances(frame, water.cell[0, 0]) for frame in run.dumps("frames.dump")]
    frames = every[::5]
    descriptors = (model.parts[0] if isinstance(model, CombinedModel) else model).descriptors
    rcut = max(d.rcut for d in descriptors)
    is_shared = len(descriptors) == 1 and descriptors[0].shares_slots
    expected = []
    for a in (1, 2):
        counts = {}
        for b in (1, 2):
            inside = [(r[water.types == a][:, water.types == b] < rcut).sum((1, 2)) for r in frames]
            counts[elements[b - 1]] = np.concatenate(inside)
        if is_shared:
            counts["all"] = counts[elements[0]] + counts[elements[1]]
        expected += [(elements[a - 1], b, n.mean(), n.max()) for b, n in counts.items()]
    lines = found(run, NEIGHBOURS)
    assert [(a, b) for a, b, *_ in lines] == [(a, b) for a, b, *_ in expected]
    for (*_, mean, most, sel), (_, b, expected_mean, expected_most) in zip(lines, expected, strict=True):
        assert float(mean) == pytest.approx(expected_mean, rel=PRINTED)
        assert int(most) == expected_most
        if len(descriptors) > 1 or is_shared != (b == "all"):
            assert sel is None
        else:
            assert int(sel) == descriptors[0].sel[0 if is_shared else model.type_map.index(b)]

    pairs = [(0, 0), (0, 1), (1, 1)]
    closest = found(run, CLOSEST)
    assert [(a, b) for a, b, *_ in closest] == [(elements[a], elements[b]) for a, b in pairs]
    for (*_, distance, known), (a, b) in zip(closest, pairs, strict=True):
        of_steps = [r[water.types == a + 1][:, water.types == b + 1].min() for r in every]
        if min(of_steps) >= model.min_nbor_dist:
            assert float(distance) == pytest.approx(min(of_steps[::5]), rel=PRINTED)
        else:  # the overflow reports may know a closer one of the steps between
            assert min(of_steps) * (1 - PRINTED) <= float(distance) <= min(of_steps[::5]) * (1 + PRINTED)
        assert float(known) == pytest.approx(model.min_nbor_dist, rel=PRINTED)
    assert found(run, TIME) == []


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("name", ["se_e2_a-small", "hybrid-a_e3"])
@on_backends("host", "kokkos_serial", "kk", "kk_host")
def test_more_neighbours_than_are_kept(
    ranks: int, name: str, lammps: Lammps, water: System, tables: Callable[[str], Path]
) -> None:
    """Denser water, with more neighbours than sel: all inside the cutoff are counted, of several descriptors as well."""
    edge = 0.9 * water.cell[0, 0]
    dense = replace(water, positions=0.9 * water.positions % edge, cell=0.9 * water.cell)
    dense.write(lammps.folder / "dense.data")
    run = lammps.run(setup("dense.data", lammps.style(tables(name), "overflow warn"), "* * O H") + "run 0\n", ranks)
    inside = distances(dense.positions, edge) < 5.0
    counts = {a + b: inside[water.types == i][:, water.types == j].sum((1, 2)) for i, a in ((1, "O"), (2, "H"))
              for j, b in ((1, "O"), (2, "H"))}  # fmt: skip
    assert counts["HH"].max() > 48, "sel of both"
    lines = found(run, NEIGHBOURS)
    assert [a + b for a, b, *_ in lines] == list(counts)
    for a, b, mean, most, _ in lines:
        assert float(mean) == pytest.approx(counts[a + b].mean(), rel=PRINTED)
        assert int(most) == counts[a + b].max()


@on_backends("host", "kokkos_serial", "kk")
def test_centres_that_are_all_pair_table(lammps: Lammps, tables: Callable[[str], Path]) -> None:
    """The net is not evaluated for the two atoms at 0.15 A; they count. The times are of both parts."""
    positions = np.array([[6.0, 6, 6], [6.0, 6, 6.15], [18.0, 18, 6], [18.0, 18, 9]])
    System(("O", "H"), np.array([1, 2, 1, 2]), positions, np.diag([24.0] * 3)).write(lammps.folder / "pair.data")
    script = setup("pair.data", lammps.style(tables("zbl-dpa1"), "overflow warn"), "* * O H")
    run = lammps.run("timer full\n" + script + "run 0\n")
    of_each = [(a, b, "1", "1") for a, b in (("O", "H"), ("O", "all"), ("H", "O"), ("H", "all"))]
    assert [line[:4] for line in found(run, NEIGHBOURS)] == of_each
    assert [line[:3] for line in found(run, CLOSEST)] == [("O", "H", "0.15")]
    assert [stage for stage, *_ in found(run, TIME)] == [*STAGES, "switch of parts"]


@pytest.mark.parametrize("ranks", [1, 2])
@on_backends("host", "kk")
def test_counts_of_all_steps_and_every_run(ranks: int, lammps: Lammps, small: Path) -> None:
    """Checks at the first and the last step only; the closest pair of the steps between is known from the overflow counts."""
    positions = np.array([[6.0, 6, 11.0], [6.8, 6, 13.0], [18.0, 18, 6.0], [18.0, 18, 7.0]])
    System(("O", "H"), np.array([1, 2, 1, 2]), positions, np.diag([24.0] * 3)).write(lammps.folder / "pair.data")
    script = setup("pair.data", lammps.style(small, "check 1000 overflow warn"), "* * O H")
    pass_by = "group one id 1\nfix 1 one move linear 0 0 2.0 units box\ntimestep 0.1\n"
    run = lammps.run(f"processors 1 1 {ranks}\n" + script + pass_by + "run 20\nrun 5\n", ranks)
    assert [(evaluations, counted) for _, evaluations, counted in found(run, HEAD)] == [("21", "2"), ("6", "2")]
    apart = np.hypot(0.8, 2.0 - 0.2 * np.arange(26))
    close = [2 * int((apart[steps] < limit).sum()) for steps in (slice(0, 21), slice(20, 26))
             for limit in [float(found(run, CLOSEST)[0][3])]]  # fmt: skip
    assert close[0] > 0
    assert [int(n) for _, n, _, _ in found(run, OVERFLOW)] == close
    assert float(found(run, CLOSEST)[0][2]) == pytest.approx(0.8, rel=PRINTED)


@pytest.mark.parametrize("ranks", [1, 2])
@on_backends("host", "kokkos_serial", "kk")
def test_stages_with_timer_full(ranks: int, lammps: Lammps, water: System, tables: Callable[[str], Path]) -> None:
    files = " ".join(str(tables(name)) for name in ("se_e2_a-small", "se_e2_r-small"))
    script = setup("water.data", lammps.style(files, "out_freq 2 overflow warn"), "* * O H")
    run = lammps.run("timer full\n" + script + "fix nve all nve\nrun 4\ntimer normal\nrun 4\n", ranks)
    times = found(run, TIME)
    assert [stage for stage, *_ in times] == [*STAGES, "model deviation"], "of the first run alone"
    assert all(float(mean) > 0 for _, mean, _ in times)
    if ranks > 1:
        assert all(float(slowest) >= float(mean) for _, mean, slowest in times)
    assert len(found(run, OVERFLOW)) == 4, "two models, two runs"


def test_a_run_that_failed_is_not_of_the_next(lammps: Lammps, water: System, small: Path) -> None:
    script = setup("water.data", f"dpcompressed {small} check 1 overflow warn", "* * O H")
    script += 'fix nve all nve\nvariable third equal "step == 3"\nfix stop all halt 1 v_third > 0 error hard\n'
    lines = after_a_failure(lammps, script, "run 10", 'run.command("unfix stop")\nrun.command("run 1")\n')
    heads = [match.groups()[1:] for match in map(HEAD.match, lines) if match]
    assert heads == [("2", "2")]


def test_it_can_be_switched_off(lammps: Lammps, water: System, small: Path) -> None:
    """`summary no` goes into the restart file."""
    script = setup("water.data", lammps.style(small, "summary no"), "* * O H")
    assert found(lammps.run(script + "run 0\nwrite_restart saved\n"), HEAD) == []
    assert found(lammps.run("read_restart saved\nrun 0\n"), HEAD) == []
    assert len(found(lammps.run(f"read_restart saved\npair_style dpcompressed {small}\nrun 0\n"), HEAD)) == 1
