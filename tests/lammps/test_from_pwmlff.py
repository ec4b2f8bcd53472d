# SPDX-License-Identifier: MIT
"""docs/from-pwmlff.md: the commands of its tables run, and input lines give the energy of the model, evaluated slot by slot."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from lammps_runs import Array, Lammps, System, setup, static
from pwmlff_files import Archive, Model, checkpoint_root, energies, random_pwmlff, script_root

from pybuild.cli import main

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "from-pwmlff.md").read_text()
COMMANDS = re.findall(r"^\| (.*?) \| `python -m pybuild (.*?)` \|$", PAGE, re.MULTILINE)
STYLES = re.findall(r"^\| `pair_style (matpl.*?)` \| `pair_style dpcompressed (.*?)` \|$", PAGE, re.MULTILINE)
COEFFICIENTS = re.findall(r"^\| `pair_coeff \* \* ([\d ]+)` \| `pair_coeff \* \* ([A-Z][A-Za-z ]*)` \|$", PAGE, re.MULTILINE)
NUMBERS = {"O": 8, "H": 1}
TOLERANCE = 1e-6  # eV/atom: of order 3 with a step of 0.01


@dataclass(frozen=True)
class Files:
    """A model in every form that the page names, the tables of the page's commands, and atoms with their energies."""

    folder: Path
    model: Model
    positions: Array
    numbers: Array
    cell: Array

    def energy(self, passed: tuple[int, ...] = (8, 1), numbers: Array | None = None) -> float:
        """Of the model given the elements passed; numbers: other atoms in the places."""
        z = self.numbers if numbers is None else numbers
        return float(energies(self.model, self.positions, z, self.cell, passed).sum())

    def system(self, names: list[str]) -> System:
        """LAMMPS' types by the names in pair_coeff; where an element has two types, its atoms are of both in turn."""
        places = {name: [k + 1 for k, other in enumerate(names) if other == name] for name in names}
        symbols = ["O" if number == 8 else "H" for number in self.numbers.tolist()]
        types = [places[name][k % len(places[name])] for k, name in enumerate(symbols)]
        return System(tuple(names), np.array(types), self.positions, self.cell)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("page")
    model = random_pwmlff(7, numbers=(8, 1))
    for name, make, compressed in (
        ("dp_model.ckpt", checkpoint_root, False), ("cmp_dp_model.ckpt", checkpoint_root, True),
        ("jit_dp.pt", script_root, False), ("jit_cmp_dp.pt", script_root, True),
    ):  # fmt: skip
        archive = Archive()
        archive.write(folder / name, make(model, archive, compressed))
    rng = np.random.default_rng(3)
    cell = np.array([[6.0, 0.0, 0.0], [0.9, 6.3, 0.0], [-0.6, 0.5, 5.7]])
    grid = np.stack(np.meshgrid(*[np.arange(3)] * 3, indexing="ij"), -1).reshape(-1, 3)[:14]
    positions = ((grid + 0.5) / 3 + rng.uniform(-0.05, 0.05, (14, 3))) @ cell
    return Files(folder, model, positions, np.array([8, 1])[rng.permutation(np.arange(14) % 2)], cell)


def tables(files: Files, name: str) -> Path:
    """A file that a line of LAMMPS names."""
    path = files.folder / f"of-{name}"
    if not path.exists():
        assert main([str(files.folder / "dp_model.ckpt"), str(path)]) == 0
    return path


def energy_of(lammps: Lammps, files: Files, style: str, names: list[str]) -> float:
    system = files.system(names)
    system.write(lammps.folder / "atoms.data")
    run = lammps.run(setup("atoms.data", lammps.style(style), f"* * {' '.join(names)}") + static())
    return float(run.value("energy")[0])


def test_there_are_lines() -> None:
    assert [len(lines) for lines in (COMMANDS, STYLES, COEFFICIENTS)] == [7, 4, 3]


@pytest.mark.parametrize("words", [here for _, here in COMMANDS])
def test_a_command(lammps: Lammps, files: Files, monkeypatch: pytest.MonkeyPatch, words: str) -> None:
    monkeypatch.chdir(files.folder)
    assert main(shlex.split(words)) == 0
    made = files.folder / shlex.split(words)[1]
    if "--types" in words:
        oxygen = np.full(len(files.numbers), 8)
        system = System(("O",), np.ones(len(oxygen), dtype=np.int64), files.positions, files.cell)
        system.write(lammps.folder / "atoms.data")
        run = lammps.run(setup("atoms.data", lammps.style(made), "* * O") + static())
        found, expected = float(run.value("energy")[0]), files.energy((8,), oxygen)
    else:
        found, expected = energy_of(lammps, files, str(made), ["O", "H"]), files.energy()
    assert abs(found - expected) < TOLERANCE * len(files.numbers)


def test_the_letters_say_what_the_commands_are() -> None:
    """-d and -o of a line on the left are --step and --order on the right."""
    pairs = [(re.search(r"-d (\S+) -o (\d)", there), here) for there, here in COMMANDS]
    found = [(letters, here) for letters, here in pairs if letters]
    assert len(found) == 2
    for letters, here in found:
        assert f"--step {letters[1]} --order {letters[2]} " in here


@pytest.mark.parametrize(("there", "here"), STYLES)
def test_a_pair_style(lammps: Lammps, files: Files, there: str, here: str) -> None:
    words = re.sub(r"(\w+\.bin)", lambda match: str(tables(files, match[1])), here)
    assert there.count(".pt") == words.count(".bin")
    assert there.partition(" out_")[2] == here.partition(" out_")[2]
    assert abs(energy_of(lammps, files, words, ["O", "H"]) - files.energy()) < TOLERANCE * len(files.numbers)
    assert (lammps.folder / "model_devi.out").exists() == (words.count(".bin") > 1)


@pytest.mark.parametrize(("there", "here"), COEFFICIENTS)
def test_pair_coeff(lammps: Lammps, files: Files, there: str, here: str) -> None:
    names = here.split()
    assert [NUMBERS[name] for name in names] == [int(word) for word in there.split()]
    found = energy_of(lammps, files, str(tables(files, "tables.bin")), names)
    assert abs(found - files.energy()) < TOLERANCE * len(files.numbers)
