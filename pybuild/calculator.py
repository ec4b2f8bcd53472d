# SPDX-License-Identifier: MIT
"""Evaluate a tables.bin from Python: `evaluate` on arrays, `DPCompressed` as an ASE calculator.

Both run the compiled evaluator (pybuild._core), the one that LAMMPS runs: on the processor, or with `backend` in a build with
Kokkos wherever that computes (pybuild._core.available_backends). Lengths in angstrom, energies in eV.
"""

from __future__ import annotations

import copy
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arrays import Array, checked_parameters, real_array
from .errors import InputError, PybuildError
from .structures.images import ImageList, list_with_images, shifts_of
from .structures.neighbours import image_reach, neighbour_pairs
from .turns import Turn

try:
    from ase.calculators.calculator import Calculator, all_changes
except ImportError:  # without ASE the arrays interface still works; DPCompressed says what is missing
    Calculator = object
    all_changes = []


OF_EVALUATOR = ("n_threads", "precision", "backend", "neighbors", "device")  # words for _make_evaluator
NO_FPARAM, NO_APARAM = np.zeros(0), np.zeros((0, 0))
# angstrom that a list reaches beyond the cutoff, so that it serves for some steps: until an atom has gone half as far
SKIN = 0.5
DUMMY = "X"  # ASE's symbol of atoms that are none
MOST_THREADS = 4096
ANY_GPU, LAST_GPU = -1, 2**31 - 1  # for the evaluator
SMALLEST_VOLUME = 1e-6  # cubic angstrom, of an open cell vector in the plane of the others: nothing to relate a stress to
# angstrom: beyond, positions have lost digits that forces need; a list by cells has more of them than can be counted; and, where
# another direction is periodic, more than anybody waits for
FARTHEST, LONGEST, LONGEST_OPEN = 1e7, 1e5, 1e4


@dataclass(frozen=True)
class Result:
    """Of one structure of n atoms."""

    energy: float  # eV
    atom_energy: Array  # (n,) eV
    forces: Array  # (n, 3) eV/angstrom
    virial: Array  # (3, 3) eV, sum of d_a f_b over pairs: LAMMPS' sign
    atom_virial: Array  # (n, 9) eV, xx xy xz yx yy yz zx zy zz, assigned to the neighbour of each pair
    overflow: dict[str, Any]  # pairs outside the training data, see _core.Evaluator.overflow
    fparam_gradient: Array  # (n_fparam,) eV, derivatives of the energy along the frame parameters


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
    neighbors: str = "trained",
    fparam: ArrayLike | None = None,
    aparam: ArrayLike | None = None,
    device: int | None = None,
) -> Result:
    """Energy, forces and virial of one structure.

    model: a path of a tables.bin or what `load` returned; positions (n, 3); types (n,) indices into the model's type map,
    negative: not part of the model; cell (3, 3) rows a, b, c, periodic in all directions, or None for open boundaries; precision
    "double" or "mixed" (tables, descriptor and fitting net in single precision); backend "host", or in a build with Kokkos
    "kokkos_serial", "kokkos_openmp" or "gpu"; neighbors: where an atom has more than sel, "trained" keeps those that the trained
    model keeps, "all" all of them, smoothly; fparam (n_fparam,), aparam (n, n_aparam): frame and atomic parameters of a
    model that takes some; device, with backend "gpu": which GPU, from 0 as the driver counts those that the process sees
    (CUDA_VISIBLE_DEVICES, HIP_VISIBLE_DEVICES), None: the one in use, or the first. A process computes on one GPU and refuses
    others from then on.

    Pairs beyond the table are no error here: they, pairs closer than the training data and atoms with more neighbours than sel
    are counted in Result.overflow. Raises FormatError or ModelError for a file that is no sound table file; InputError for arrays
    of other shapes or with numbers that are not finite, types that the model lacks, atoms in one place or 1e7 A away, a cell
    without a volume, words and parameters that are not those above.
    """
    if isinstance(model, (str, os.PathLike)):
        model = load(model)
    elif not isinstance(model, _core().Model):
        raise InputError(f"model is of the type {type(model).__name__}: give the path of a table file, or what load() returned")
    x = _real_array("positions", positions, (None, 3))
    farthest = np.abs(x).max(initial=0.0)
    if farthest > FARTHEST:
        raise InputError(f"atoms lie up to {farthest:.3g} A from the origin; no more than {FARTHEST:g} A can be evaluated")
    box = None if cell is None else _real_array("cell", cell, (3, 3))
    i, j, d = neighbour_pairs(x, box, model.rcut)
    parameters = _parameters(model, len(x), fparam, aparam)
    evaluator = _make_evaluator(model, n_threads, precision, backend, neighbors, device)
    return evaluate_pairs(evaluator, x, types, box, (i, j, d), parameters)


def evaluate_pairs(
    evaluator: Any,
    x: Array,
    types: ArrayLike,
    cell: Array | None,
    pairs: tuple[Any, Any, Array],
    parameters: tuple[Array, Array] = (NO_FPARAM, NO_APARAM),
) -> Result:
    """The same with a full neighbour list i (p,), j (p,), d (p, 3) = r_j - r_i of the image meant, in any order.

    Periodic images become atoms of their own for the evaluator; what it gives them is added to the atoms they are images of.
    parameters: fparam (n_fparam,) and aparam (n, n_aparam).
    """
    i, j, d = pairs
    model_types = _model_types(types, len(x), len(evaluator.model.type_map))
    images = list_with_images(x, cell, i, j, None if cell is None else shifts_of(x, cell, i, j, d))
    _take_list(evaluator, model_types, images)
    return _compute(evaluator, x, images, parameters)


def _take_list(evaluator: Any, model_types: NDArray[np.int32], images: ImageList) -> None:
    centres = np.arange(images.n, dtype=np.int32)
    evaluator.set_neighbours(model_types[images.owner], centres, images.first, images.neighbours, images.owner)


def _compute(
    evaluator: Any, x: Array, images: ImageList, parameters: tuple[Array, Array], with_atom_virial: bool = True
) -> Result:
    fparam, aparam = parameters
    of_images = np.ascontiguousarray(aparam[images.owner]) if aparam.size else aparam
    gradient = np.zeros(evaluator.model.n_fparam)
    energy, atom_energy, forces, virial, atom_virial = evaluator.compute(
        images.points(x), with_atom_virial, fparam, of_images, gradient
    )
    folded = images.fold(atom_virial) if with_atom_virial else np.zeros((0, 9))
    return Result(energy, atom_energy[: images.n], images.fold(forces), virial, folded, evaluator.overflow, gradient)


def _make_evaluator(model: Any, n_threads: int, precision: str, backend: str, neighbors: str, device: int | None) -> Any:
    number = _number_of_gpu(device)
    if number is not None and backend != "gpu":
        raise InputError(
            f'device is {number}, the number of a GPU, but backend is "{backend}": set backend="gpu", or device=None'
        )
    return _core().Evaluator(
        model, _number_of_threads(n_threads), precision, backend, ANY_GPU if number is None else number, neighbors=neighbors
    )


def _parameters(model: Any, n: int, fparam: ArrayLike | None, aparam: ArrayLike | None) -> tuple[Array, Array]:
    """Frame (n_fparam,) and atomic (n, n_aparam) parameters for n atoms. Raises InputError unless they are what a model takes."""
    frame = checked_parameters("fparam", model.default_fparam if fparam is None else fparam, (model.n_fparam,))
    return np.ascontiguousarray(frame), np.ascontiguousarray(checked_parameters("aparam", aparam, (n, model.n_aparam)))


def _is_whole(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def _number_of_threads(value: Any) -> int:
    if not _is_whole(value) or not 1 <= value <= MOST_THREADS:
        raise InputError(f"n_threads is {value!r}: expected a whole number of at least 1 and at most {MOST_THREADS}")
    return int(value)


def _number_of_gpu(value: Any) -> int | None:
    """Whether there is a GPU of this number, the evaluator says."""
    if value is not None and not (_is_whole(value) and 0 <= value <= LAST_GPU):
        raise InputError(f"device is {value!r}: expected the number of a GPU, 0, 1, ..., or None for the one in use")
    return None if value is None else int(value)


def _real_array(word: str, values: ArrayLike, shape: tuple[int | None, int]) -> Array:
    array = real_array(word, values)
    if array.size == 0 and shape[0] is None:
        return np.zeros((0, 3))
    if array.ndim != 2 or any(want not in (None, have) for want, have in zip(shape, array.shape, strict=True)):
        raise InputError(f"{word} has shape {array.shape}, expected ({'n' if shape[0] is None else shape[0]}, {shape[1]})")
    if not np.isfinite(array).all():
        raise InputError(f"{word}: not all numbers are finite")
    return array


def _model_types(types: ArrayLike, n: int, n_types: int) -> NDArray[np.int32]:
    array = np.asarray(types)
    if array.size == 0:
        array = array.astype(np.int32)
    if array.shape != (n,):
        raise InputError(f"types has shape {array.shape}, positions has shape ({n}, 3): expected (n,) and (n, 3)")
    if array.dtype.kind not in "iu":
        raise InputError(f"types are of the type {array.dtype}: expected integers, 0 to {n_types - 1}")
    if n and not array.max() < n_types:
        raise InputError(f"atom type {array.max()}, but the model has {n_types} types, numbered from 0")
    return np.maximum(array.astype(np.int64), -1).astype(np.int32)


def _extent_of_open(x: Array, cell: Array, pbc: NDArray[np.bool_]) -> float:
    """Largest distance along an axis between atoms, periodic directions left out, angstrom."""
    if not len(x) or pbc.all():
        return 0.0
    along = cell[pbc]
    open_part = x - x @ np.linalg.pinv(along) @ along if len(along) else x
    return float(np.ptp(open_part, axis=0).max())


class DPCompressed(Calculator):
    """ASE calculator: energy, energies, forces, stress, stresses of a tables.bin, and fparam_gradient: the energy's derivatives
    along the frame parameters of models that have them. Needs ase and vesin.

    tables: path; n_threads: OpenMP threads; precision: "double" or "mixed"; overflow: "stop" raises InputError for a pair beyond
    the table, "warn" only warns; a pair closer than the training data is warned of in both, more neighbours than sel once;
    backend, neighbors, fparam, aparam and device as in `evaluate`. `set` changes any of them but the tables. A copy shares the
    tables; a pickle holds their path and checksum, and whoever loads it reads the file again. Atoms X (ASE's dummies) are not
    part of a model that has no type X. Threads may share a calculator: it serves one after the other.

    stress, where some directions are periodic: the components along these, per volume of the cell (that of a direction without a
    cell vector: 1 angstrom); those along or mixed with the other directions are zero. No stress where none is, or the cell has no
    volume.
    """

    implemented_properties: Sequence[str] = ["energy", "free_energy", "energies", "forces", "stress", "stresses"]
    default_parameters: Mapping[str, Any] = {
        "n_threads": 1, "overflow": "stop", "precision": "double", "backend": "host", "neighbors": "trained",
        "fparam": None, "aparam": None, "device": None,
    }  # fmt: skip

    def __init__(
        self,
        tables: str | os.PathLike[str],
        n_threads: int = 1,
        overflow: str = "stop",
        precision: str = "double",
        backend: str = "host",
        neighbors: str = "trained",
        fparam: ArrayLike | None = None,
        aparam: ArrayLike | None = None,
        device: int | None = None,
        **unknown: Any,
    ):
        if Calculator is object:
            raise PybuildError("the ASE calculator needs ase and vesin: pip install 'dpcompressed[ase]'")
        known = {"n_threads": n_threads, "overflow": overflow, "precision": precision, "backend": backend, "neighbors": neighbors}
        words = {**unknown, **known, "fparam": fparam, "aparam": aparam, "device": device}
        self._check(words)
        self.path = os.path.abspath(os.fspath(tables))
        self.model = load(self.path)
        self.evaluator: Any = None
        self._vesin: Any = None
        self._built_for: Any = None
        self._images: Any = None
        self._fparam_gradient: Array | None = None
        self._crowd_was_said = self._fork_was_said = False
        self._turn = Turn()  # atoms and results belong to one thread at a time
        super().__init__(**words)  # calls set

    def set(self, **words: Any) -> dict[str, Any]:
        """Change parameters; returns those that changed. What they make different is made anew."""
        self._check(words)
        with self._exclusive():
            wanted = {**self.parameters, **words}
            if self.evaluator is None or any(wanted[w] != self.parameters[w] for w in OF_EVALUATOR):
                self._start(self.model, wanted)
            # Their arrays may change: the comparison with what was set before needs copies.
            changed = super().set(**{word: copy.deepcopy(value) for word, value in words.items()})
            if changed:
                self.reset()
            return copy.deepcopy(changed)

    def get_property(self, name: str, atoms: Any = None, allow_calculation: bool = True) -> Any:
        """A number of atoms."""
        with self._exclusive():
            return super().get_property(name, atoms, allow_calculation)

    def calculate_properties(self, atoms: Any, properties: Any) -> Any:
        """Several of them: with `get_property` what all of ASE's ways to a number go through."""
        with self._exclusive():
            return super().calculate_properties(atoms, properties)

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        with self._turn as was_lost:
            if was_lost:  # another thread had it when this process was forked
                self.results: dict[str, Any] = {}
                self._forget_list()
            yield

    @property
    def overflow(self) -> str:
        """What happens beyond the table, "stop" or "warn"; `set(overflow=...)` changes it."""
        return self.parameters["overflow"]

    @property
    def fparam_gradient(self) -> Array | None:
        """(n_fparam,) eV. Belongs to `results`, where ASE allows of its own names alone; None where these are of no structure."""
        return self._fparam_gradient if self.results else None

    def _check(self, words: Mapping[str, Any]) -> None:
        known = self.default_parameters
        expected = {
            "overflow": ("stop", "warn"),
            "precision": ("double", "mixed"),
            "backend": _core().available_backends(),
            "neighbors": ("trained", "all"),
        }
        for word, value in words.items():
            if word not in known:
                raise InputError(f'unknown word "{word}": known are {", ".join(known)}')
            if word == "n_threads":
                _number_of_threads(value)
            if word == "device":
                _number_of_gpu(value)
            if word in expected and not (isinstance(value, str) and value in expected[word]):
                raise InputError(f'{word} is "{value}": expected ' + " or ".join(f'"{name}"' for name in expected[word]))

    def calculate(
        self, atoms: Any = None, properties: Sequence[str] = ("energy",), system_changes: Sequence[str] = all_changes
    ) -> None:
        """Evaluate self.atoms."""
        with self._exclusive():
            self._calculate(atoms, properties, system_changes)

    def _calculate(self, atoms: Any, properties: Sequence[str], system_changes: Sequence[str]) -> None:
        self.results = {}  # an error below must not leave those of other atoms
        super().calculate(atoms, properties, system_changes)
        x = np.ascontiguousarray(self.atoms.get_positions())
        if not np.isfinite(x).all():
            raise InputError("the positions are not finite")
        parameters = _parameters(self.model, len(x), self.parameters["fparam"], self.parameters["aparam"])
        result = _compute(self.evaluator, x, self._list_of(x), parameters, with_atom_virial="stresses" in properties)
        self._report_threads()
        self._report(result.overflow)
        self.results = {
            "energy": result.energy,
            "free_energy": result.energy,
            "energies": result.atom_energy,
            "forces": result.forces,
        }
        self._fparam_gradient = result.fparam_gradient
        if self.atoms.pbc.any():
            self._add_stress(result)

    def _list_of(self, x: Array) -> ImageList:
        """The neighbours of self.atoms: those of the last step while no atom has gone far enough to miss one. Made by vesin."""
        from vesin import NeighborList

        built, atoms = self._built_for, self.atoms
        fits = (
            built is not None
            and np.array_equal(built.numbers, atoms.numbers)
            and np.array_equal(built.pbc, atoms.pbc)
            and np.array_equal(built.cell.array, atoms.cell.array)
            and ((x - built.positions) ** 2).sum(axis=1).max(initial=0) <= (SKIN / 2) ** 2
        )
        if not fits:
            self._forget_list()
            cell = self._checked_cell(x)
            if self._vesin is None:  # kept for its memory, which its arrays are views of
                self._vesin = NeighborList(cutoff=self.model.rcut + SKIN, full_list=True)
            i, j, shift = self._vesin.compute(
                points=x, box=np.zeros((3, 3)) if cell is None else cell, periodic=atoms.pbc, quantities="ijS", copy=False
            )
            images = list_with_images(x, cell, i, j, shift)
            _take_list(self.evaluator, self._types(), images)
            self._built_for, self._images = atoms.copy(), images
        return self._images

    def _checked_cell(self, x: Array) -> Array | None:
        """The periodic vectors of self.atoms, completed, None where no direction is periodic. Raises InputError where a list of
        neighbours cannot be made, or would not mean what its user thinks."""
        from ase.cell import Cell

        atoms = self.atoms
        cell, pbc = np.asarray(atoms.cell.array, dtype=np.float64), np.asarray(atoms.pbc, dtype=bool)
        if pbc.any() and not np.isfinite(cell).all():
            raise InputError("the cell is not finite")
        lengths = np.linalg.norm(cell, axis=1)
        if (lengths[pbc] == 0).any():
            raise InputError(
                f"pbc is {pbc.tolist()}, but the cell has no vector {int(np.argmax(pbc & (lengths == 0)))}: set both or none"
            )
        farthest, longest, extent = np.abs(x).max(initial=0.0), lengths[pbc].max(initial=0.0), _extent_of_open(x, cell, pbc)
        most = LONGEST_OPEN if pbc.any() and not pbc.all() else LONGEST
        if farthest > FARTHEST or longest > LONGEST or extent > most:
            raise InputError(
                f"atoms lie up to {farthest:.3g} A from the origin and over {max(longest, extent):.3g} A; no more than "
                f"{FARTHEST:g} and {most:g} A can be evaluated (wrap() brings periodic atoms back): are lengths in angstrom?"
            )
        if not pbc.any():
            return None
        image_reach(cell, self.model.rcut + SKIN, pbc.tolist())  # refuses cells that are too thin
        return np.asarray(Cell(cell * pbc[:, None]).complete())

    def _forget_list(self) -> None:
        self._built_for, self._images = None, None

    def _types(self) -> NDArray[np.int32]:
        index = {DUMMY: -1} | {name: k for k, name in enumerate(self.model.type_map)}
        symbols = self.atoms.get_chemical_symbols()
        missing = sorted(set(symbols) - set(index))
        if missing:
            raise InputError(f"the model has no {', '.join(missing)}; it has {' '.join(self.model.type_map)}")
        return np.array([index[symbol] for symbol in symbols], dtype=np.int32)

    def _add_stress(self, result: Result) -> None:
        from ase.stress import full_3x3_to_voigt_6_stress

        along = np.asarray(self.atoms.cell)[self.atoms.pbc]
        project = np.linalg.pinv(along) @ along  # onto the directions along the periodic cell vectors
        volume = self.atoms.cell.complete().volume
        if volume < SMALLEST_VOLUME:
            return
        self.results["stress"] = full_3x3_to_voigt_6_stress(-project @ result.virial @ project / volume)
        if len(result.atom_virial):
            stresses = -project @ result.atom_virial.reshape(-1, 3, 3) @ project / volume
            self.results["stresses"] = np.array([full_3x3_to_voigt_6_stress(s) for s in stresses])

    def _report_threads(self) -> None:
        n = self.parameters["n_threads"]
        if self.parameters["backend"] == "host" and not self._fork_was_said and _core().team_size(n) < n:
            self._fork_was_said = True  # first: a warning may be an error
            warnings.warn(
                "one thread computes: this process was forked from one that has computed with several. Start workers by spawn "
                "(multiprocessing.get_context) where they shall have threads",
                stacklevel=4,
            )

    def _report(self, overflow: dict[str, Any]) -> None:
        names = self.model.type_map
        if overflow["n_close"] > 0 or overflow["n_beyond"] > 0:
            worst = overflow["worst"]
            text = (
                f"{overflow['n_close']} pairs closer than the training data, {overflow['n_beyond']} beyond the table; the worst: "
                f"{names[worst['type_i']]}-{names[worst['type_j']]} at {worst['distance']:.4f} angstrom (training data from "
                f"{worst['limit']:.4f}, table from {worst['table_limit']:.4f})"
            )
            if overflow["n_beyond"] > 0 and self.overflow == "stop":
                raise InputError(text)
            warnings.warn(text, stacklevel=4)
        if overflow["n_over_sel"] > 0 and not self._crowd_was_said:
            self._crowd_was_said = True
            crowd = overflow["crowd"]
            of_type = f"{names[crowd['type_j']]} " if crowd["type_j"] >= 0 else ""  # of all types where these share the slots
            warnings.warn(
                f"more neighbours than sel: atom {crowd['i']} ({names[crowd['type_i']]}) has {crowd['count']} "
                f"{of_type}neighbours within the cutoff, sel is {crowd['sel']}; {overflow['n_over_sel']} such "
                f"cases. {self.evaluator.advice}. A calculator says this once",
                stacklevel=4,
            )

    def __deepcopy__(self, memo: dict[int, Any]) -> DPCompressed:
        new = type(self).__new__(type(self))
        memo[id(self)] = new
        new.__dict__.update(copy.deepcopy(self._portable_state(), memo))
        new._turn, new._fork_was_said = Turn(), False
        new._start(self.model, new.parameters)
        return new

    def __getstate__(self) -> dict[str, Any]:
        return {**self._portable_state(), "checksum": self.model.checksum}

    def __setstate__(self, state: dict[str, Any]) -> None:
        checksum = state.pop("checksum")
        self.__dict__.update(state)
        self._turn, self._fork_was_said = Turn(), False
        model = load(self.path)
        if model.checksum != checksum:
            raise InputError(f"{self.path} is another file than when this calculator was stored: its size or checksum changed")
        self._start(model, self.parameters)

    def _portable_state(self) -> dict[str, Any]:
        """All but what is compiled, and the list that belongs to it."""
        left = ("model", "evaluator", "_vesin", "_built_for", "_images", "_turn", "_fork_was_said")
        with self._exclusive():  # another thread may go on then, which changes these two
            kept = {name: value for name, value in self.__dict__.items() if name not in left}
            return {**kept, "parameters": copy.deepcopy(self.parameters), "results": dict(self.results)}

    def _start(self, model: Any, words: Mapping[str, Any]) -> None:
        self.model = model
        self.evaluator = _make_evaluator(model, *(words[word] for word in OF_EVALUATOR))
        self._vesin = None
        self._forget_list()


def _core() -> Any:
    try:
        from . import _core as core  # type: ignore[attr-defined]  # compiled
    except ImportError as error:
        raise PybuildError(f"the compiled part pybuild._core is missing ({error}): install with `pip install .`") from error
    return core
