# SPDX-License-Identifier: MIT
"""Trained models of PWMLFF and MatPL in LAMMPS and ASE, against the results of these programs: every file, every frame."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import model_files
import numpy as np
import pytest
from lammps_runs import Array, Lammps, System, evaluate_frames, on_backends, setup, static

from pybuild import calculator
from pybuild.cli import main
from pybuild.structures.neighbours import neighbour_pairs

ENERGY_PER_ATOM, FORCE, VIRIAL = 1e-9, 1e-8, 1e-6
MIXED_FORCE = 1e-4
UPPER = np.triu_indices(3)  # PWMLFF copies the lower triangle


@dataclass(frozen=True)
class Frame:
    """A structure and what the program says of it: eV, eV/A, eV."""

    system: System
    energy: float
    forces: Array
    virial: Array


@dataclass(frozen=True)
class Known:
    """A file that is read for the elements given."""

    path: str
    names: tuple[str, ...]

    @property
    def label(self) -> str:
        return f"{Path(self.path).parent.name}-{Path(self.path).stem}-{''.join(self.names)}"


COPPER = ("a_cu", "v_cu_fit_no_dt", "v_cu_float32", "v_cu_numpy2", "v_cu_small_neigh")
FILES = [
    *(Known(f"models/pwmlff/{name}/dp_model.ckpt", ("Cu",)) for name in COPPER),
    Known("models/pwmlff/a_cu/cmp_o3.ckpt", ("Cu",)),
    *(Known(f"models/pwmlff/{name}/dp_model.ckpt", names) for name in ("b_oh", "c_oh_typeemb") for names in (("O", "H"), ("O",))),
    Known("models-public/matpl-hfo2-jit/jit_dp.pt", ("O", "Hf")),
    Known("models-public/matpl-si-jit/0_torch_script_module.pt", ("Si",)),
]


def frames_of(shared: Path, known: Known) -> list[Frame]:
    """Those of the elements given. A checkpoint's types in LAMMPS are in the order of these, a TorchScript model's in another."""
    data = dict(np.load((shared / known.path).parent / "reference.npz"))
    if "nframes" not in data:
        types, names = len(known.names) - data["types"], known.names[::-1]
        systems = [System(names, types, data[f"positions{k}"], data.get(f"cell{k}")) for k in range(3)]
        return [Frame(s, float(data[f"energy{k}"]), data[f"forces{k}"], data[f"virial{k}"]) for k, s in enumerate(systems)]
    found = model_files.frames((shared / known.path).parent / "reference.npz", known.names)
    return [Frame(System(known.names, f.types + 1, f.positions, f.cell), f.energy, f.forces, f.virial) for f in found]


@pytest.fixture(scope="module")
def tables_of(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Known], Path]:
    """The tables of a file by the command, made once, for the distances of its frames: some are closer than in the training."""
    folder = tmp_path_factory.mktemp("pwmlff")

    def make(known: Known) -> Path:
        path = folder / f"{known.label}.bin"
        if not path.exists():
            atoms = [frame.system for frame in frames_of(shared, known)]
            nearest = min(np.linalg.norm(neighbour_pairs(s.positions, s.cell, 3.5)[2], axis=1).min() for s in atoms)
            words = ["--types", ",".join(known.names), "--min-nbor-dist", f"{0.999 * nearest:.4f}"]
            assert main([str(shared / known.path), str(path), *words]) == 0
        return path

    return make


@pytest.fixture(scope="module")
def everything(shared: Path, tables_of: Callable[[Known], Path]) -> list[tuple[str, Path, Frame]]:
    """Every frame with its name and the tables of its file."""
    if not (shared / "models-public").is_dir():
        pytest.skip(f"no shared models in {shared / 'models-public'}")
    return [
        (f"{known.label}, frame {k}", tables_of(known), frame)
        for known in FILES
        for k, frame in enumerate(frames_of(shared, known))
    ]


def assert_agrees(label: str, energy: float, forces: Array, virial: Array, expected: Frame) -> None:
    assert abs(energy - expected.energy) < ENERGY_PER_ATOM * len(forces), label
    np.testing.assert_allclose(forces, expected.forces, rtol=0, atol=FORCE, err_msg=label)
    np.testing.assert_allclose(virial[UPPER], expected.virial[UPPER], rtol=0, atol=VIRIAL, err_msg=label)


@on_backends("host", "kk")
def test_every_reference_in_lammps(lammps: Lammps, everything: list[tuple[str, Path, Frame]]) -> None:
    labels, tables, frames = zip(*everything, strict=True)
    assert len(frames) == 6 * 3 + 2 * 6 + 2 * 3
    found = evaluate_frames(lammps, [frame.system for frame in frames], tables, ranks=2)
    for label, (energy, forces, virial), expected in zip(labels, found, frames, strict=True):
        assert_agrees(label, energy, forces, virial, expected)


def test_every_reference_in_ase(everything: list[tuple[str, Path, Frame]]) -> None:
    """The virial of the calculator is its stress; of open structures it has none."""
    ase = pytest.importorskip("ase")
    pytest.importorskip("vesin")
    for label, tables, frame in everything:
        system = frame.system
        symbols = [system.names[t - 1] for t in system.types]
        periodic = system.cell is not None
        atoms = ase.Atoms(symbols, positions=system.positions, cell=system.cell, pbc=periodic)
        atoms.calc = calculator.DPCompressed(tables, overflow="warn")
        virial = -atoms.get_volume() * atoms.get_stress(voigt=False) if periodic else frame.virial
        assert_agrees(label, atoms.get_potential_energy(), atoms.get_forces(), virial, frame)


def test_mixed_precision(everything: list[tuple[str, Path, Frame]]) -> None:
    for label, tables, frame in everything:
        system = frame.system
        kinds = [calculator.load(tables).type_map.index(name) for name in system.names]
        found = calculator.evaluate(
            tables, system.positions, np.array(kinds)[system.types - 1], system.cell, precision="mixed"
        )
        np.testing.assert_allclose(found.forces, frame.forces, rtol=0, atol=MIXED_FORCE, err_msg=label)


def test_fewer_elements_than_the_tables_are_for(shared: Path, lammps: Lammps, tables_of: Callable[[Known], Path]) -> None:
    """Their number divides the sum over neighbours: said once, with the way to the other model."""
    both, alone = (known for known in FILES if "b_oh" in known.path)
    (oxygen,) = frames_of(shared, alone)
    oxygen.system.write(lammps.folder / "o.data")
    replace(oxygen.system, names=("O", "H")).write(lammps.folder / "oh.data")

    def said(atoms: str, elements: str, tables: Path) -> tuple[list[str], float]:
        run = lammps.run(setup(atoms, lammps.style(tables, "overflow warn"), elements) + static() + "run 0\n")
        return [line for line in run.warnings if "elements" in line], run.value("energy")[0]

    assert said("oh.data", "* * O H", tables_of(both))[0] == []
    warnings, other = said("o.data", "* * O", tables_of(both))
    assert len(warnings) == 1
    assert "has 1 (O) of the 2 elements (O H) that the tables were built for" in warnings[0]
    assert warnings[0].endswith("--types O")
    assert abs(other - oxygen.energy) > 1.0
    warnings, found = said("o.data", "* * O", tables_of(alone))
    assert warnings == []
    assert abs(found - oxygen.energy) < ENERGY_PER_ATOM * len(oxygen.forces)
