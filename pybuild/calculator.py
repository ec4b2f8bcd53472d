# SPDX-License-Identifier: MIT
"""Evaluate a tables.bin from Python: `evaluate` on arrays, `DPCompressed` as an ASE calculator.

Both run the compiled evaluator (pybuild._core), the one that LAMMPS runs: on the processor, or with `backend` in a build with
Kokkos wherever that computes (pybuild._core.available_backends). Lengths in angstrom, energies in eV.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import InputError, PybuildError
from .neighbours import neighbour_pairs

try:
    from ase.calculators.calculator import Calculator, all_changes
except ImportError:  # without ASE the arrays interface still works; DPCompressed says what is missing
    Calculator = object
    all_changes = []

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Result:
    """Of one structure of n atoms."""

    energy: float  # eV
    atom_energy: Array  # (n,) eV
    forces: Array  # (n, 3) eV/angstrom
    virial: Array  # (3, 3) eV, sum of d_a f_b over pairs: LAMMPS' sign
    atom_virial: Array  # (n, 9) eV, xx xy xz yx yy yz zx zy zz, assigned to the neighbour of each pair
    overflow: dict[str, Any]  # pairs outside the training data, see _core.Evaluator.overflow


def load(path: str | os.PathLike[str]) -> Any:
    """The compiled Model of a tables.bin. Raises FormatError or ModelError."""
    return _core().Model.from_file(path)


def evaluate(
    model: Any,
    positions: ArrayLike,
    types: ArrayLike,
    cell: ArrayLike | None = None,
    n_threads: int = 1,
    precision: str = "double",
    backend: str = "host",
) -> Result:
    """Energy, forces and virial of one structure.

    model: a path of a tables.bin or what `load` returned; positions (n, 3); types (n,) indices into the model's type map;
    cell (3, 3) rows a, b, c, periodic in all directions, or None for open boundaries; precision "double" or "mixed" (tables,
    descriptor and fitting net in single precision); backend "host", or in a build with Kokkos "kokkos_serial", "kokkos_openmp"
    or "gpu".
    """
    if isinstance(model, (str, os.PathLike)):
        model = load(model)
    x = np.ascontiguousarray(positions, dtype=np.float64)
    box = None if cell is None else np.asarray(cell, dtype=np.float64)
    i, j, d = neighbour_pairs(x, box, model.rcut)
    return evaluate_pairs(_core().Evaluator(model, n_threads, precision, backend), x, types, box, (i, j, d))


def evaluate_pairs(
    evaluator: Any, x: Array, types: ArrayLike, cell: Array | None, pairs: tuple[Any, Any, Array]
) -> Result:
    """The same with a full neighbour list i (p,), j (p,), d (p, 3) = r_j - r_i of the image meant, in any order.

    Periodic images become atoms of their own for the evaluator; what it gives them is added to the atoms they are images of.
    """
    model_types = np.ascontiguousarray(types, dtype=np.int32)
    n = len(x)
    if model_types.shape != (n,):
        raise InputError(f"types has shape {model_types.shape}, positions has shape {x.shape}: expected (n,) and (n, 3)")
    order = np.argsort(pairs[0], kind="stable")
    i, j, d = (np.asarray(array)[order] for array in pairs)
    index, owner, points = _with_image_atoms(x, cell, i, j, d)
    first = np.zeros(n + 1, dtype=np.int64)
    np.cumsum(np.bincount(i, minlength=n), out=first[1:])
    evaluator.set_neighbours(
        np.ascontiguousarray(model_types[owner]),
        np.arange(n, dtype=np.int32),
        first,
        np.ascontiguousarray(index, dtype=np.int32),
    )
    energy, atom_energy, forces, virial, atom_virial = evaluator.compute(points)
    return Result(
        energy, atom_energy[:n], _fold(forces, owner, n), virial, _fold(atom_virial, owner, n), evaluator.overflow
    )


class DPCompressed(Calculator):
    """ASE calculator: energy, energies, forces, stress, stresses of a tables.bin. Needs ase and vesin.

    tables: path; n_threads: OpenMP threads; precision: "double" or "mixed"; overflow: "stop" raises InputError for a pair beyond
    the table, "warn" only warns; a pair closer than the training data is warned of in both; backend as in `evaluate`.
    """

    implemented_properties: Sequence[str] = ["energy", "free_energy", "energies", "forces", "stress", "stresses"]

    def __init__(
        self,
        tables: str | os.PathLike[str],
        n_threads: int = 1,
        overflow: str = "stop",
        precision: str = "double",
        backend: str = "host",
        **kwargs: Any,
    ):
        if Calculator is object:
            raise PybuildError("the ASE calculator needs ase and vesin: pip install 'dpcompressed[ase]'")
        if overflow not in ("stop", "warn"):
            raise InputError(f'overflow is "{overflow}": expected "stop" or "warn"')
        super().__init__(**kwargs)
        self.model = load(tables)
        self.evaluator = _core().Evaluator(self.model, n_threads, precision, backend)
        self.overflow = overflow

    def calculate(
        self, atoms: Any = None, properties: Sequence[str] = ("energy",), system_changes: Sequence[str] = all_changes
    ) -> None:
        """Evaluate self.atoms; the neighbour list is vesin's."""
        from vesin import NeighborList

        super().calculate(atoms, properties, system_changes)
        x = np.ascontiguousarray(self.atoms.get_positions())
        cell = np.asarray(self.atoms.cell.complete())
        pairs = NeighborList(cutoff=self.model.rcut, full_list=True).compute(
            points=x, box=cell if self.atoms.pbc.any() else np.zeros((3, 3)), periodic=self.atoms.pbc, quantities="ijD"
        )
        result = evaluate_pairs(self.evaluator, x, self._types(), cell if self.atoms.pbc.any() else None, pairs)
        self._report(result.overflow)
        self.results = {
            "energy": result.energy,
            "free_energy": result.energy,
            "energies": result.atom_energy,
            "forces": result.forces,
        }
        if self.atoms.pbc.all():
            self._add_stress(result)

    def _types(self) -> NDArray[np.int32]:
        index = {name: k for k, name in enumerate(self.model.type_map)}
        missing = sorted(set(self.atoms.get_chemical_symbols()) - set(index))
        if missing:
            raise InputError(f"the model has no {', '.join(missing)}; it has {' '.join(self.model.type_map)}")
        return np.array([index[symbol] for symbol in self.atoms.get_chemical_symbols()], dtype=np.int32)

    def _add_stress(self, result: Result) -> None:
        from ase.stress import full_3x3_to_voigt_6_stress

        volume = self.atoms.get_volume()
        atom_virial = result.atom_virial.reshape(-1, 3, 3)
        self.results["stress"] = full_3x3_to_voigt_6_stress(-result.virial / volume)
        self.results["stresses"] = np.array([full_3x3_to_voigt_6_stress(-v / volume) for v in atom_virial])

    def _report(self, overflow: dict[str, Any]) -> None:
        import warnings

        if overflow["n_close"] == 0 and overflow["n_beyond"] == 0:
            return
        worst = overflow["worst"]
        names = self.model.type_map
        text = (
            f"{overflow['n_close']} pairs closer than the training data, {overflow['n_beyond']} beyond the table; the worst: "
            f"{names[worst['type_i']]}-{names[worst['type_j']]} at {worst['distance']:.4f} angstrom (training data from "
            f"{worst['limit']:.4f}, table from {worst['table_limit']:.4f})"
        )
        if overflow["n_beyond"] > 0 and self.overflow == "stop":
            raise InputError(text)
        warnings.warn(text, stacklevel=3)


def _with_image_atoms(
    x: Array, cell: Array | None, i: NDArray[Any], j: NDArray[Any], d: Array
) -> tuple[NDArray[Any], NDArray[Any], Array]:
    """Index of every neighbour among atoms and images, the atom each of those belongs to, and their positions."""
    n = len(x)
    if cell is None:
        return j, np.arange(n), x
    shift = np.rint(np.linalg.solve(cell.T, (d - (x[j] - x[i])).T).T).astype(np.int64)
    is_image = np.any(shift != 0, axis=1)
    images, which = np.unique(np.column_stack([j[is_image], shift[is_image]]), axis=0, return_inverse=True)
    index = np.array(j, dtype=np.int64)
    index[is_image] = n + which.ravel()
    owner = np.concatenate([np.arange(n), images[:, 0]]).astype(np.int64)
    points = np.concatenate([x, x[images[:, 0].astype(np.int64)] + images[:, 1:] @ cell])
    return index, owner, np.ascontiguousarray(points)


def _fold(values: Array, owner: NDArray[Any], n: int) -> Array:
    folded = np.zeros((n, values.shape[1]))
    np.add.at(folded, owner, values)
    return folded


def _core() -> Any:
    try:
        from . import _core as core
    except ImportError as error:
        raise PybuildError(f"the compiled part pybuild._core is missing ({error}): install with `pip install .`") from error
    return core
