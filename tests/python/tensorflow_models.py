# SPDX-License-Identifier: MIT
"""Trained TensorFlow models with DeePMD-kit's results: which there are, how they are read, how far the numbers may be apart.

python tensorflow_models.py SHARED      the table of docs/tensorflow.md, by the NumPy oracle and by tables through the compiled
                                        evaluator, both against DeePMD-kit's results in SHARED/models-tf and SHARED/models-public
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pybuild import calculator
from pybuild.compress.build import build
from pybuild.errors import PybuildError
from pybuild.model.description import ModelDescription
from pybuild.oracles import reference
from pybuild.readers import read_model
from pybuild.structures.neighbours import neighbour_pairs
from pybuild.tablefile.file import write_tables

# eV/atom, eV/A, eV
DOUBLE = (1e-9, 1e-8, 1e-6)
SINGLE = (1e-6, 1e-4, 1e-3)  # float32 nets: what DeePMD-kit's arithmetic rounds
# 2048 inputs, 240 neurons and sums over 512 slots in float32 arithmetic: its own rounding, which double precision does not have.
LARGE_SINGLE = (2e-5, 1e-4, 1e-2)


@dataclass(frozen=True)
class Known:
    """A file that is read: what has to be said of it, and how good its numbers are."""

    path: str
    types: tuple[str, ...] | None = None
    head: str | None = None
    without_modifier: bool = False
    keep: tuple[str, ...] | None = None  # of many elements those of the reference, in the model's order
    limits: tuple[float, float, float] = DOUBLE
    small: bool = True  # its tables are made in seconds
    evaluated: bool = True  # its tables are compared here, too

    def read(self, shared: Path) -> ModelDescription:
        return read_model(shared / self.path, self.head, self.types, self.without_modifier, keep_types=self.keep)


READ = [
    Known("models-tf/v1.3-se_a/model.pb"),
    Known("models-tf/v1.3-se_a/model-converted.pb"),
    Known("models-tf/v2.1-se_e2_a/model.pb"),
    Known("models-tf/v2.2-se_e2_a/model.pb"),
    Known("models-tf/v2.2-multitask-two/model.pb"),
    Known("models-tf/v2.2-multitask-two/model-united.pb", head="two"),
    Known("models-tf/se_e2_a-small/model.pb"),
    Known("models-tf/se_e2_a-small/model-compressed.pb"),
    Known("models-tf/se_e2_a-two_side/model.pb"),
    Known("models-tf/se_e2_a-two_side-exclude/model.pb"),
    Known("models-tf/se_e2_a-two_side-exclude/model-compressed.pb"),
    Known("models-tf/se_e2_a-one_side-exclude-set_davg_zero/model.pb"),
    Known("models-tf/se_e2_a-resnet_dt/model.pb"),
    Known("models-tf/se_e2_a-float32/model.pb", limits=SINGLE),
    Known("models-tf/se_e2_a-atom_ener/model.pb"),
    Known("models-tf/se_e2_a-layer_name/model.pb"),
    Known("models-tf/se_e2_a-cu/model.pb"),
    Known("models-tf/se_e2_r-two_side/model.pb"),
    Known("models-tf/se_e2_r-one_side-exclude/model.pb"),
    Known("models-tf/se_atten-concat/model.pb"),
    Known("models-tf/se_atten-concat-one_side-exclude/model.pb"),
    Known("models-tf/se_atten-strip/model.pb"),
    Known("models-tf/se_atten-strip/model-compressed.pb"),
    Known("models-tf/se_atten_v2/model.pb"),
    Known("models-tf/v2.2-se_atten_v2/model.pb"),
    Known("models-tf/se_a_tebd-concat/model.pb"),
    Known("models-tf/se_a_tebd-concat-one_side/model.pb"),
    Known("models-tf/se_a_tebd_v2/model.pb"),
    Known("models-tf/se_a_tebd_v2/model-compressed.pb"),
    Known("models-tf/se_a_tebd_v2-one_side/model.pb"),
    Known("models-tf/water-full/model.pb", small=False),
    Known("models-tf/se_e3-small/model.pb", evaluated=False),
    Known("models-tf/se_e3-small/model-compressed.pb", evaluated=False),
    Known("models-tf/hybrid-a_e3/model.pb", evaluated=False),
    Known("models-tf/hybrid-a_r/model.pb", evaluated=False),
    Known("models-tf/hybrid-activations/model.pb", evaluated=False),
    Known("models-tf/v2.1-hybrid-a_r/model.pb", evaluated=False),
    Known("models-tf/se_e2_a-fparam_aparam/model.pb", evaluated=False),
    Known("models-public/lithium-hybrid/lithium_dp0.pb", evaluated=False),
    Known("models-public/dk-fparam_aparam/fparam_aparam.pbtxt", evaluated=False),
    Known("models-public/csi-si/frozen_model_1.pb"),
    Known("models-public/csi-si/frozen_model_1_compressed.pb"),
    Known("models-public/hpcai-cu-f32net/graph-original-baseline.pb", types=("Cu",), limits=LARGE_SINGLE, small=False),
    Known("models-public/hpcai-cu-f32all/graph.pb", types=("Cu",), limits=LARGE_SINGLE, small=False),
    Known("models-public/dpgen-ch4/frozen_model.pb", types=("H", "C")),
    Known("models-public/dpdispatcher-sn/graph.pb", small=False),
    Known("models-public/dk-deeppot/deeppot.pbtxt"),
    Known("models-public/dk-deeppot-r/deeppot-r.pbtxt"),
    Known("models-public/dk-sea_012/sea_012.pbtxt", types=("O", "H")),
    Known("models-public/dk-pt-se_e2_a/se_e2_a.pbtxt"),
    Known("models-public/dk-lrmodel/lrmodel.pbtxt", without_modifier=True),
    Known("models-public/dk-se_atten_no_atten_1/se_atten_no_atten_1.pbtxt"),
    Known("models-public/dk-virtual_type/virtual_type.pbtxt"),
    Known("models-public/dk-se_e2_a_tebd/se_e2_a_tebd.pbtxt"),
    Known("models-public/pfd-kit-atten_v2/frozen_model.pb", keep=("Li", "P", "S", "Cl"), small=False),
]
REFUSED = {
    "models-tf/se_atten-strip-smooth-exclude/model.pb": "energies change where atoms are turned",
    "models-public/openmm-lw_pimd/lw_pimd.v1.pb": "descriptor 'loc_frame'",
    "models-public/dk-deepspin/deepspin.pbtxt": "type 'spin_ener'",
    "models-public/dk-deepdipole/deepdipole.pbtxt": "type 'dipole'",
    "models-public/dk-deeppolar/deeppolar.pbtxt": "type 'polar'",
    "models-public/dk-pairwise_dprc/pairwise_dprc.pbtxt": "type 'pairwise_dprc'",
    "models-public/dk-dp4mask/dp4mask.pbtxt": "descriptor 'se_a_mask'",
}

Frame = tuple[np.ndarray, np.ndarray, np.ndarray | None, float, np.ndarray, np.ndarray]


def frames(shared: Path, known: Known) -> Iterator[Frame]:
    """(positions, types, cell, energy, forces, virial), those with more neighbours than sel among them."""
    data = np.load((shared / known.path).parent / "reference.npz")
    keys = [("", str(k)) for k in range(4) if f"positions{k}" in data]
    keys += [("overflow_", "")] if "overflow_positions" in data else []
    for before, after in keys:
        types = data["overflow_types"] if before else data["types"]
        if known.keep:
            types = np.array([known.keep.index(data["type_map"][t]) for t in types])
        cell, energy, forces, virial = (data.get(f"{before}{key}{after}") for key in ("cell", "energy", "forces", "virial"))
        yield data[f"{before}positions{after}"], types.astype(np.int64), cell, float(energy), forces, virial


def errors(results: Iterator, shared: Path, known: Known) -> np.ndarray:
    """The largest of energy (eV/atom), force (eV/A) and virial (eV) over the frames."""
    worst = np.zeros(3)
    for found, (_, types, _, energy, forces, virial) in zip(results, frames(shared, known), strict=True):
        apart = abs(found.energy - energy) / len(types), np.abs(found.forces - forces).max(), np.abs(found.virial - virial).max()
        worst = np.maximum(worst, apart)
    return worst


def parameters(shared: Path, known: Known, frame: int, n_atoms: int) -> dict[str, np.ndarray]:
    """fparam and aparam of a frame, of models that take some."""
    data = np.load((shared / known.path).parent / "reference.npz")
    if "fparam" not in data:
        return {}
    return {"fparam": data["fparam"].reshape(-1), "aparam": data[f"aparam{frame}"].reshape(n_atoms, -1)}


def oracle_errors(shared: Path, known: Known, model: ModelDescription) -> np.ndarray:
    found = (
        reference.evaluate(model, x, t, cell, **parameters(shared, known, k, len(t)))
        for k, (x, t, cell, *_) in enumerate(frames(shared, known))
    )
    return errors(found, shared, known)


def make_tables(shared: Path, known: Known, model: ModelDescription, path: Path) -> None:
    """For the distances of the frames."""
    near = min(np.linalg.norm(neighbour_pairs(x, cell, 3.5)[2], axis=1).min() for x, _, cell, *_ in frames(shared, known))
    write_tables(path, build(model, float(near)).tables)


def table_errors(shared: Path, known: Known, model: ModelDescription, path: Path) -> np.ndarray:
    """Of tables through the compiled evaluator."""
    make_tables(shared, known, model, path)
    return errors((calculator.evaluate(path, x, t, cell) for x, t, cell, *_ in frames(shared, known)), shared, known)


def main() -> None:
    shared = Path(sys.argv[1])
    print(
        "| file | precision | nets: energy, eV/atom | force, eV/A | virial, eV | tables: energy | force | virial |\n|"
        + "---|" * 8
    )
    with tempfile.TemporaryDirectory() as folder:
        for known in READ:
            model = known.read(shared)
            numbers = list(oracle_errors(shared, known, model))
            if known.evaluated:
                numbers += list(table_errors(shared, known, model, Path(folder) / "tables.bin"))
            words = [known.path.partition("/")[2], model.provenance.precision, *(f"{n:.0e}" for n in numbers)]
            print(f"| {' | '.join(words)} |", flush=True)
    for path in REFUSED:
        try:
            read_model(shared / path)
        except PybuildError as error:
            print(f"| {path.partition('/')[2]} | {str(error).partition(': ')[2].partition(';')[0]} |" + " |" * 6)


if __name__ == "__main__":
    main()
