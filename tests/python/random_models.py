#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Random models and structures: what a build promises and what the compiled evaluator must give, on cases that nobody chose.

    python tests/python/random_models.py --models 300 --seed 1          by hand; test_random_models.py runs a few for the tests
    python tests/python/random_models.py --models 1000 --size small     less of each

Each model (draw_model) is compressed with the default options (small ones: with the tolerance of their size) and evaluated on
structures that the build has not seen (draw_structure). Compared: forces and energies with the trained model's own nets (the
oracle of pybuild), against the promised tolerance; the NumPy oracle of the same tables; numbers of threads, instruction sets
and precisions among each other; sums; derivatives along a random displacement and strain; rotation and order of the atoms;
overflow counts with a plain count. Every disagreement is one line; the last lines say how many and how the errors lie below the
tolerance, by kind. Exit code 1 if there was any. `--first K --models 1` repeats case K of a seed.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import numpy as np
from model_files import load_core

from pybuild import calculator
from pybuild.compress.build import Build, Options, build
from pybuild.compress.trials import within
from pybuild.descriptors.se_e2_a import SeE2A
from pybuild.descriptors.se_e2_r import SeE2R
from pybuild.descriptors.se_e3 import SeE3
from pybuild.descriptors.se_e3_tebd import SeE3Tebd
from pybuild.model.activations import parse
from pybuild.model.description import EnergyFitting, ModelDescription, PairKind, Provenance
from pybuild.model.descriptor import Descriptor
from pybuild.model.net import Layer, Net, Skip
from pybuild.oracles import reference, reference_tables
from pybuild.oracles.parts import switch
from pybuild.structures.structure import Structure
from pybuild.tablefile.file import to_bytes

# Limits, for forces whose largest is S (at least 1 eV/A); energies likewise, with the largest atomic energy added to S.
ROUNDING = 2e-11  # of S: the same numbers summed in another order, some hundred to some thousand of them
MIXED = 1e-4  # of S: single precision has 6e-8, and some hundred such numbers cancel
OVER_REPORT = 20.0  # where the build says that it misses the tolerance: errors on other structures relative to what it reports
KINK = 1e3  # times the tolerance, where an activation of the embedding net has corners that tables cannot follow
DIFFERENCE = 2e-6  # of S n: five-point formula at 2e-4 A
STEP = 2e-4  # of that, angstrom
FIVE_POINTS = {-2: 1 / 12, -1: -8 / 12, 1: 8 / 12, 2: -1 / 12}

SMOOTH = ("tanh", "tanh", "gelu", "softplus", "sigmoid", "silu", "linear")
CORNERED = ("relu", "relu6", "silut:2.0")  # silut: its second derivative jumps
# Descriptors of the models, in turn.
KIND_OF = ("se_e2_a", "se_e3_tebd", "dpa1", "se_e2_r", "hybrid", "se_e3", "se_e2_a", "se_e2_a", "dpa1", "hybrid")
KINDS = ("bulk", "big", "skewed", "tiny", "open", "few", "thin", "pure")
LIKELY = (0.42, 0.05, 0.12, 0.1, 0.1, 0.08, 0.05, 0.08)


@dataclass(frozen=True)
class Size:
    """How large models and structures may be, and the tolerance of their tables."""

    types: tuple[int, ...] = (1, 1, 2, 2, 2, 3, 4, 6)
    types_of_several: tuple[int, ...] = (1, 2, 2, 3)  # of kinds that take longer
    widths: tuple[int, ...] = (1, 2, 3, 5, 8, 16, 17, 31, 32, 48, 64, 100)
    hidden: tuple[int, ...] = (1, 5, 16, 24, 64, 100)
    neighbours: int = 110  # of a centre
    of_three: int = 12  # of a descriptor of three bodies, which sees pairs of them
    atoms: tuple[int, int] = (20, 120)
    many: tuple[int, int] = (350, 100)  # atoms of big structures; with three bodies
    tolerance: float = Options().tolerance


SIZES = {
    "usual": Size(),
    "small": Size(
        (1, 2, 2, 3), (1, 2, 2), (1, 2, 3, 5, 8, 9, 12, 16, 17), (1, 5, 16, 17), 30, 8, (8, 40), (90, 40), tolerance=1e-6
    ),
    "wide": Size((1, 2, 8), (2, 4), (7, 128, 200, 255, 256), (100, 240)),
}


@dataclass(frozen=True)
class Case:
    """A random model and what its training data would have been like."""

    model: ModelDescription
    min_distance: float  # angstrom
    density: float  # atoms per cubic angstrom
    size: Size


@dataclass
class Row:
    """How one structure went."""

    kind: str  # of the structure
    promised: bool  # the tolerance holds for this model and structure
    ratio: float  # force error over tolerance


def draw_net(rng: np.random.Generator, widths: Sequence[int], activations: Sequence[str], energy: bool) -> Net:
    """A net with skips where the widths allow them, and sometimes time steps; one linear output if energy."""
    with_skips, with_idt = rng.random() < 0.7, rng.random() < 0.3
    layers = []
    for index, (n_in, n_out) in enumerate(itertools.pairwise(widths)):
        last = energy and index == len(widths) - 2
        skip = Skip.of_widths(n_in, n_out) if with_skips and not last else Skip.NONE
        weight = rng.normal(0, 0.6 if n_in == 1 else n_in**-0.5, (n_in, n_out))
        idt = rng.uniform(0.05, 0.8, n_out) if with_idt and not last else None
        activation = parse("linear" if last else activations[index % len(activations)])
        layers.append(Layer(weight, rng.normal(0, 0.5, n_out), idt, activation, skip))
    return Net(tuple(layers))


def draw_activations(rng: np.random.Generator) -> list[str]:
    """One for all layers, or three in turn."""
    if rng.random() < 0.1:
        return [str(rng.choice(CORNERED))]
    return [str(name) for name in rng.choice(SMOOTH, 1 if rng.random() < 0.7 else 3)]


def draw_pairs(rng: np.random.Generator, n: int, share: float) -> frozenset[tuple[int, int]]:
    """A symmetric set of pairs of types."""
    chosen = [(a, b) for a in range(n) for b in range(a, n) if rng.random() < share]
    return frozenset([*chosen, *((b, a) for a, b in chosen)])


def draw_model(rng: np.random.Generator, kind: str, size: Size) -> Case:
    """Anything legal, with the statistics that training data of its density would give and forces of some eV/A."""
    n = int(rng.choice(size.types if kind in ("se_e2_a", "se_e2_r", "dpa1") else size.types_of_several))
    rcut, closest = rng.uniform(3.0, 6.5), rng.uniform(0.7, 1.6)
    density = min(rng.uniform(0.1, 0.4) / (4 / 3 * np.pi * closest**3), size.neighbours / (4 / 3 * np.pi * rcut**3))
    kinds = [str(k) for k in rng.choice(sorted(set(KIND_OF) - {"hybrid"}), rng.integers(2, 4))] if kind == "hybrid" else [kind]
    rcuts = [rcut, *(rcut * rng.uniform(0.6, 1.0, len(kinds) - 1))]
    descriptors = tuple(draw_descriptor(rng, k, n, own, density, size) for k, own in zip(kinds, rcuts, strict=True))
    hidden = [int(rng.choice(size.hidden))] * int(rng.integers(0, 4))
    fitting_activations = draw_activations(rng)
    n_in = sum(d.n_out(0) for d in descriptors)
    fits = [draw_net(rng, [n_in, *hidden, 1], fitting_activations, True) for _ in range(n)]
    silent = frozenset(a for a in range(1, n) if rng.random() < 0.08)
    subtracted = frozenset(a for a in range(n) if rng.random() < 0.3)
    fitting = EnergyFitting(tuple(fits), np.arange(n), rng.normal(0, 3, n), subtracted, silent)
    provenance = Provenance("random", "0" * 64, "random_models.py", "float64")
    model = ModelDescription(tuple("ABCDEFGH"[:n]), descriptors, fitting, draw_pairs(rng, n, 0.05), float(closest), provenance)
    sample = pack(rng, n, closest, density, 60, 0.2, True, "sample")
    model = with_some_pairs(model)
    descriptors = tuple(with_statistics(rng, d, n, sample) for d in model.descriptors)
    model = scaled(rng, replace(model, descriptors=descriptors), sample)
    model.validate()
    return Case(model, float(closest), density, size)


def with_some_pairs(model: ModelDescription) -> ModelDescription:
    """Without exclusions where these would leave a descriptor no neighbour of any centre."""
    pairs = [(a, b) for a in model.active_types for b in range(model.n_types)]
    if all(any(d.sel[p[1]] > 0 and p not in d.excluded | model.pair_excluded for p in pairs) for d in model.descriptors):
        return model
    descriptors = tuple(replace(d, excluded=frozenset()) for d in model.descriptors)
    return replace(model, descriptors=descriptors, pair_excluded=frozenset())


def draw_descriptor(rng: np.random.Generator, kind: str, n: int, rcut: float, density: float, size: Size) -> Descriptor:
    """Of n types; without statistics, and what depends on these."""
    three, shared = kind in ("se_e3", "se_e3_tebd"), kind in ("dpa1", "se_e3_tebd")
    if three:
        rcut = min(rcut, float((size.of_three / (4 / 3 * np.pi * density)) ** (1 / 3)))
    crowd = 4 / 3 * np.pi * rcut**3 * density / n
    sel = [0 if n > 1 and rng.random() < 0.12 else int(np.ceil(crowd * rng.uniform(0.6, 2.5))) for _ in range(n)]
    sel[0] = sel[0] or int(np.ceil(crowd))
    n_sel = sum(sel)
    sel = [n_sel] * n if shared else sel
    width = int(rng.choice(size.widths[:6] if three else size.widths))
    inner = (
        [max(1, width // 4), max(1, width // 2)]
        if rng.random() < 0.6
        else [int(w) for w in rng.choice(size.widths[: 5 if three else 9], rng.integers(0, 3))]
    )
    activations = draw_activations(rng)
    nets = [draw_net(rng, [1, *inner, width], activations, False) for _ in range(n * n)]
    net_of = np.tile(np.arange(n), (n, 1)) if rng.random() < 0.5 else np.arange(n * n).reshape(n, n)
    gates = rng.normal(0, 0.4, (n, n, width)) if shared and rng.random() < 0.7 else None
    if three:
        net_of = np.minimum(net_of, net_of.T) if net_of[0, -1] != net_of[-1, -1] else np.zeros((n, n), dtype=int)
        gates = None if gates is None else gates + gates.transpose(1, 0, 2)
    used = np.unique(net_of)
    smooth_from = float(rng.choice([0.0, 0.5, 0.3 * rcut, rng.uniform(0, 0.9) * rcut]))
    make = {"se_e2_r": SeE2R, "se_e3": SeE3, "se_e3_tebd": SeE3Tebd}.get(kind, SeE2A)
    own: dict[str, Any] = {"gates": gates} if shared else {}
    if make is SeE2A:
        own["axis_neuron"] = int(min(width, rng.choice([1, 2, 4, 8, 16])))
    if kind == "dpa1":
        own["padding"] = np.zeros((n, width))
        own["degree_gains"] = rng.normal(0, 0.7, int(rng.choice([0, 0, 1, 2, 3])))
    return make(
        rcut=float(rcut), rcut_smth=min(smooth_from, 0.9 * rcut), env_protection=float(rng.choice([0, 0, 0, 1e-3, 0.1])),
        sel=tuple(sel), n_sel=n_sel, mean=np.zeros(n), std=np.ones((n, 1 if kind == "se_e2_r" else 2)),
        nets=tuple(nets[k] for k in used), net_of=np.searchsorted(used, net_of), excluded=draw_pairs(rng, n, 0.06), **own,
    )  # fmt: skip


def with_statistics(rng: np.random.Generator, d: Descriptor, n_types: int, sample: Structure) -> Descriptor:
    """Mean and standard deviation of the environment rows over all slots, sometimes the mean 0."""
    pairs = reference.find_neighbours(sample.positions, sample.cell, d.rcut)
    distance = np.linalg.norm(pairs.vector, axis=1)
    q = distance + d.env_protection
    size = switch(distance, d.rcut_smth, d.rcut)[0] / q
    angular = (size / q)[:, None] * pairs.vector
    mean, std = np.zeros(n_types), np.full(d.std.shape, 0.1)
    for a in range(n_types):
        mine = sample.types[pairs.centre] == a
        slots = d.n_sel * max(1, int((sample.types == a).sum()))
        mean[a] = size[mine].sum() / slots
        variance = (size[mine] ** 2).sum() / slots - mean[a] ** 2, (angular[mine] ** 2).sum() / 3 / slots
        std[a] = np.maximum(np.sqrt(np.maximum(variance, 0)), 0.01)[: std.shape[1]]  # the trainer's floor
    if rng.random() < 0.3 or (d.padding is not None and d.gates is None):  # or empty slots are not as neighbours at the cutoff
        mean[:] = 0
    d = replace(d, mean=mean, std=std)
    if d.padding is None or d.gates is None:
        return d
    x_pad = d.radial.x_pad
    one_net = replace(d, nets=d.nets[:1], net_of=np.zeros_like(d.net_of))  # empty slots have no type
    return replace(one_net, padding=one_net.nets[0].forward(x_pad[:, None])[0] * x_pad[:, None])


def scaled(rng: np.random.Generator, model: ModelDescription, sample: Structure) -> ModelDescription:
    """The same with forces of 0.5 to 20 eV/A and energies of less than 100 eV an atom."""
    free = reference.evaluate(model, sample.positions, sample.types, sample.cell)
    net_energy = np.abs(free.atom_energy - model.fitting.energy_bias[sample.types])[free.atom_energy != 0].max(initial=1e-12)
    scale = min(10 ** rng.uniform(-0.3, 1.3) / max(np.abs(free.forces).max(initial=0), 1e-12), 100 / net_energy, 1e3)
    nets = [Net((*net.layers[:-1], replace(net.layers[-1], weight=scale * net.layers[-1].weight))) for net in model.fitting.nets]
    return replace(model, fitting=replace(model.fitting, nets=tuple(nets)))


def pack(
    rng: np.random.Generator, n_types: int, closest: float, density: float, n: int, skew: float, periodic: bool, name: str
) -> Structure:
    """At most n atoms at random, no two closer than `closest`."""
    edge = (n / density) ** (1 / 3) * rng.uniform(0.85, 1.15, 3)
    cell = np.diag(np.maximum(edge, closest * 1.01))
    cell[1, 0], cell[2, 0], cell[2, 1] = skew * rng.uniform(-1, 1, 3) * edge[[0, 0, 1]]
    shifts = np.array(list(itertools.product(*[(-2, -1, 0, 1, 2) if periodic else (0,)] * 3))) @ cell
    images = np.linalg.norm(shifts[shifts.any(axis=1)], axis=1)
    x = np.zeros((0, 3))
    for _ in range(30 * n if images.min(initial=np.inf) > closest else 0):
        new = rng.random(3) @ cell
        if (np.linalg.norm(x[:, None] - new + shifts[None], axis=2) > closest).all():
            x = np.vstack([x, new])
        if len(x) == n:
            break
    return Structure(x, rng.integers(0, n_types, len(x)), cell if periodic else None, name)


def draw_structure(rng: np.random.Generator, case: Case) -> Structure:
    """No pair closer than in the training data; its name is the kind."""
    kind, n_types = str(rng.choice(KINDS, p=LIKELY)), case.model.n_types
    many = case.size.many[0 if all(d.n_bodies == 2 for d in case.model.descriptors) else 1]
    numbers = {"big": many, "tiny": int(rng.integers(1, 6)), "few": int(rng.integers(1, 5))}
    n = numbers.get(kind, int(rng.integers(*case.size.atoms)))
    density = case.density * {"thin": 0.2}.get(kind, rng.uniform(0.6, 1.1))
    drawn = pack(
        rng, n_types, 1.0001 * case.min_distance, density, n, 1.0 if kind == "skewed" else 0.2, kind not in ("open", "few"), kind
    )
    if kind == "pure":
        drawn = replace(drawn, types=np.full(len(drawn.types), rng.integers(n_types)))
    return drawn


class Evaluators:
    """The compiled evaluator with some instruction sets, a process each: the choice is made when a program starts; and, where
    there is a build with Kokkos, its evaluator in this one."""

    def __init__(self, isas: Sequence[str], kokkos: ModuleType | None = None) -> None:
        self.isas, self._kokkos = isas, kokkos
        self._pools = {}
        for isa in isas:
            os.environ["DPC_ISA"] = isa
            self._pools[isa] = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))
            self._pools[isa].submit(os.getpid).result()  # starts it now, while the variable says so
            del os.environ["DPC_ISA"]

    def __call__(self, isa: str, tables: Path, jobs: Sequence[tuple[Any, ...]]) -> list[calculator.Result]:
        """jobs: arguments of calculator.evaluate after the model."""
        return self._pools[isa].submit(evaluate_all, str(tables), list(jobs)).result()

    def by_kokkos(self, tables: Path, structure: Structure) -> Iterator[tuple[str, calculator.Result]]:
        """In double and in mixed precision."""
        with mock.patch.object(calculator, "_core", return_value=self._kokkos):
            for precision in ("double", "mixed") if self._kokkos else ():
                atoms = structure.positions, structure.types, structure.cell
                yield precision, calculator.evaluate(tables, *atoms, precision=precision, backend="kokkos_serial")

    def close(self) -> None:
        """End the processes."""
        for pool in self._pools.values():
            pool.shutdown()


def evaluate_all(tables: str, jobs: Sequence[tuple[Any, ...]]) -> list[calculator.Result]:
    """In a process of Evaluators."""
    model = calculator.load(tables)
    return [calculator.evaluate(model, *job) for job in jobs]


Check = Callable[[str, float, float], None]  # what, value, limit


def check_structure(built: Build, case: Case, structure: Structure, tables: Path, run: Evaluators, check: Check) -> Row:
    """All comparisons on one structure."""
    x, types, cell = structure.positions, structure.types, structure.cell
    n, true = max(1, len(x)), reference.evaluate(case.model, x, types, cell)
    S = max(1.0, np.abs(true.forces).max(initial=0))
    size = {"forces": S, "atom_energy": S + np.abs(true.atom_energy).max(initial=0), "virial": S * n * case.model.rcut}
    size["atom_virial"] = size["virial"]

    def same(what: str, found: Any, expected: Any, part: float) -> None:
        for key, scale in size.items():
            check(f"{what}: {key}", np.abs(getattr(found, key) - getattr(expected, key)).max(initial=0), part * scale)

    base = None
    limits = {"double": ROUNDING, "mixed": MIXED * (10 if has_corners(case.model.fitting.nets) else 1)}
    for isa in run.isas:
        jobs = [
            (x, types, cell, threads, precision)
            for threads, precision in ((1, "double"), (2, "double"), (3, "double"), (3, "double"), (2, "mixed"))
        ]
        one, two, three, again, mixed = run(isa, tables, jobs)
        base = base or one
        same(f"{isa} and {run.isas[0]}", one, base, ROUNDING)
        same(f"{isa}, two threads", two, one, ROUNDING)
        same(f"{isa}, three threads", three, one, ROUNDING)
        check(f"{isa}, the same bits again", float(not np.array_equal(three.forces, again.forces)), 0)
        same(f"{isa}, mixed", mixed, one, limits["mixed"])
        check(f"{isa}, sum of the forces", np.abs(one.forces.sum(axis=0)).max(), ROUNDING * S * n)
        check(
            f"{isa}, sum of the virials",
            np.abs(one.atom_virial.sum(axis=0).reshape(3, 3) - one.virial).max(),
            ROUNDING * size["virial"],
        )
        check(f"{isa}, sum of the energies", abs(one.atom_energy.sum() - one.energy), ROUNDING * size["atom_energy"] * n)
    for precision, found in run.by_kokkos(tables, structure):
        same(f"Kokkos, {precision}", found, base, limits[precision])
    same("oracle of the tables", base, reference_tables.evaluate(built.tables, x, types, cell), ROUNDING)
    check("crowded centres", abs(base.overflow["n_over_sel"] - crowded(case.model, structure)), 0)
    check("pairs said to be close", base.overflow["n_close"], 0)
    check_symmetries(case, structure, base, tables, run, check)
    return compare_with_promise(built, case, structure, base, true, S, check)


def compare_with_promise(
    built: Build, case: Case, structure: Structure, found: calculator.Result, true: reference.Result, S: float, check: Check
) -> Row:
    """Forces and energies against the trained model."""
    tolerance, reported = case.size.tolerance, built.measured.double
    cornered, kept = any(has_corners(d.nets) for d in case.model.descriptors), within(reported, tolerance)
    allowed = tolerance if kept else OVER_REPORT * max(reported.force, reported.energy) + 1e-9 * S
    error = np.abs(found.forces - true.forces).max(initial=0)
    limit = KINK * max(allowed, tolerance) if cornered else allowed
    check("forces of the trained model", error, limit)
    check("energies of the trained model", np.abs(found.atom_energy - true.atom_energy).max(initial=0), limit)
    return Row(structure.name, kept and not cornered, float(error / tolerance))


def check_symmetries(
    case: Case, structure: Structure, base: calculator.Result, tables: Path, run: Evaluators, check: Check
) -> None:
    """Derivatives, rotation and order, with the first instruction set."""
    x, types, cell = structure.positions, structure.types, structure.cell
    rng = np.random.default_rng(len(x))
    n, S = max(1, len(x)), max(1.0, np.abs(base.forces).max(initial=0))
    turn, order = np.linalg.qr(rng.normal(size=(3, 3)))[0], rng.permutation(len(x))
    u, g = rng.uniform(-1, 1, x.shape), rng.uniform(-1, 1, (3, 3))
    jobs: list[tuple[Any, ...]] = [(x @ turn, types, None if cell is None else cell @ turn), (x[order], types[order], cell)]
    jobs += [(x + k * STEP * u, types, cell) for k in FIVE_POINTS]
    for k in FIVE_POINTS:
        strain = np.eye(3) + k * STEP / 5 * g
        jobs.append((x @ strain, types, None if cell is None else cell @ strain))
    turned, permuted, *rest = run(run.isas[0], tables, jobs)
    check("rotation", np.abs(turned.forces - base.forces @ turn).max(initial=0), 50 * ROUNDING * S)
    check("order of the atoms", np.abs(permuted.forces - base.forces[order]).max(initial=0), 50 * ROUNDING * S)
    descriptors = case.model.descriptors
    jumps = any(bool(d.excluded) and d.mean.any() for d in descriptors)  # excluded neighbours fill slots as they come
    if jumps or any(has_corners(d.nets) for d in descriptors) or has_corners(case.model.fitting.nets):
        return
    weights = list(FIVE_POINTS.values())
    slope = sum(w * r.energy for w, r in zip(weights, rest[:4], strict=True)) / STEP
    work = sum(w * r.energy for w, r in zip(weights, rest[4:], strict=True)) / (STEP / 5)
    check("forces as a derivative", abs(slope + (base.forces * u).sum()), DIFFERENCE * S * n)
    check("virial as a derivative", abs(work + (base.virial * g).sum()), 10 * DIFFERENCE * S * n)


def has_corners(nets: Any) -> bool:
    """An activation whose derivatives jump."""
    return any(bool(layer.activation.corners) for net in nets for layer in net.layers)


def crowded(model: ModelDescription, structure: Structure) -> int:
    """(centre, type) with more neighbours than sel of some descriptor, those that fill slots; and (centre, descriptor) with more
    of all types than the slots that these share."""
    found: set[tuple[Any, ...]] = set()
    centres = np.isin(structure.types, model.active_types)
    for k, (d, kinds) in enumerate(zip(model.descriptors, model.pair_kinds, strict=True)):
        pairs = reference.find_neighbours(structure.positions, structure.cell, d.rcut)
        count = np.zeros((len(structure.types), model.n_types), dtype=int)
        np.add.at(count, (pairs.centre, structure.types[pairs.neighbour]), 1)
        count[~np.isin(kinds[structure.types], (PairKind.ORDINARY, PairKind.SLOTS)) | ~centres[:, None]] = 0
        if d.shares_slots:
            found |= {(i, "all", k) for i in np.flatnonzero(count.sum(axis=1) > d.n_sel).tolist()}
        else:
            found |= {(i, b) for i, b in np.argwhere(count > d.sel).tolist()}
    return len(found)


def run_case(seed: int, index: int, n_structures: int, run: Evaluators, size: Size) -> tuple[list[str], list[Row]]:
    """Disagreements and rows of one model."""
    rng = np.random.default_rng([seed, index])
    found: list[str] = []

    def check(what: str, value: float, limit: float) -> None:
        if not value <= limit:
            found.append(f"{what}: {value:.2g} > {limit:.2g}")

    case = draw_model(rng, KIND_OF[index % len(KIND_OF)], size)
    built = build(case.model, case.min_distance, Options(tolerance=size.tolerance))
    with tempfile.TemporaryDirectory() as folder:
        tables = Path(folder) / "tables.bin"
        tables.write_bytes(to_bytes(built.tables))
        rows = [check_structure(built, case, draw_structure(rng, case), tables, run, check) for _ in range(n_structures)]
    return found, rows


def run_cases(
    seed: int,
    first: int,
    n_models: int,
    n_structures: int,
    isas: Sequence[str],
    size: str = "usual",
    kokkos: ModuleType | None = None,
) -> Iterator[tuple[int, list[str], list[Row]]]:
    """(index, disagreements, rows) of each model in turn."""
    run = Evaluators(isas, kokkos)
    try:
        for index in range(first, first + n_models):
            yield (index, *run_case(seed, index, n_structures, run, SIZES[size]))
    finally:
        run.close()


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--isa", default="portable,x86_64_v3", help="instruction sets, as for DPC_ISA (default %(default)s)")
    for word, value in (("models", 20), ("structures", 4), ("seed", 1), ("first", 0)):
        parser.add_argument(f"--{word}", type=int, default=value, help="default %(default)s")
    parser.add_argument("--kokkos", type=load_core, metavar="FOLDER", help="that of a build with a Kokkos of its own: cython_ext")
    parser.add_argument("--size", choices=SIZES, default="usual", help="of the models (default %(default)s)")
    options = parser.parse_args()
    n_bad, rows = 0, dict[str, list[Row]]()
    chosen = options.first, options.models, options.structures, options.isa.split(","), options.size, options.kokkos
    for index, found, some in run_cases(options.seed, *chosen):
        n_bad += bool(found)
        rows.setdefault(KIND_OF[index % len(KIND_OF)], []).extend(some)
        for line in found:
            print(f"seed {options.seed} model {index}: {line}", flush=True)
    print(f"{n_bad} of {options.models} models disagree")
    for kind, of_kind in {**rows, "all": [row for some in rows.values() for row in some]}.items():
        ratios = np.array([row.ratio for row in of_kind if row.promised] or [0.0])
        print(
            f"{kind}: {len(of_kind)} unseen structures; force error over tolerance of the {len(ratios)} whose tables promise it: "
            f"median {np.median(ratios):.2g}, largest {ratios.max():.2g}, above one {int((ratios > 1).sum())}, "
            f"above two {int((ratios > 2).sum())}"
        )
    return int(n_bad > 0)


if __name__ == "__main__":
    sys.exit(main())
