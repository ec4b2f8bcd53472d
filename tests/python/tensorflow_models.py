# SPDX-License-Identifier: MIT
"""Trained TensorFlow models with DeePMD-kit's results: which there are, how they are read, how far the numbers may be apart.

python tensorflow_models.py SHARED      the table of docs/tensorflow.md, by the NumPy oracle and by tables through the compiled
                                        evaluator, both against DeePMD-kit's results in SHARED/models-tf and SHARED/models-public
"""

from __future__ import annotations

import functools
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import model_files
import numpy as np

from pybuild import calculator
from pybuild.compress.build import build
from pybuild.errors import PybuildError
from pybuild.model.combined import AnyModel
from pybuild.oracles import combined
from pybuild.readers import read_model
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
    limits: tuple[float, float, float] = DOUBLE
    small: bool = True  # its tables are made in seconds
    evaluated: bool = True  # its tables are compared here, too

    def read(self, shared: Path) -> AnyModel:
        return model_files.read(shared / self.path)[1]


READ = [
    Known("models-tf/v1.3-se_a/model.pb"),
    Known("models-tf/v1.3-se_a/model-converted.pb"),
    Known("models-tf/v2.1-se_e2_a/model.pb"),
    Known("models-tf/v2.2-se_e2_a/model.pb"),
    Known("models-tf/v2.2-multitask-two/model.pb"),
    Known("models-tf/v2.2-multitask-two/model-united.pb"),
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
    Known("models-public/hpcai-cu-f32net/graph-original-baseline.pb", limits=LARGE_SINGLE, small=False),
    Known("models-public/hpcai-cu-f32all/graph.pb", limits=LARGE_SINGLE, small=False),
    Known("models-public/dpgen-ch4/frozen_model.pb"),
    Known("models-public/dpdispatcher-sn/graph.pb", small=False),
    Known("models-public/dk-deeppot/deeppot.pbtxt"),
    Known("models-public/dk-deeppot-r/deeppot-r.pbtxt"),
    Known("models-public/dk-sea_012/sea_012.pbtxt"),
    Known("models-public/dk-pt-se_e2_a/se_e2_a.pbtxt"),
    Known("models-public/dk-lrmodel/lrmodel.pbtxt"),
    Known("models-public/dk-se_atten_no_atten_1/se_atten_no_atten_1.pbtxt"),
    Known("models-public/dk-virtual_type/virtual_type.pbtxt"),
    Known("models-public/dk-se_e2_a_tebd/se_e2_a_tebd.pbtxt"),
    Known("models-public/pfd-kit-atten_v2/frozen_model.pb", small=False),
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

def errors(shared: Path, known: Known, evaluate: Callable[..., Any], model: AnyModel) -> np.ndarray:
    """The largest of energy (eV/atom), force (eV/A) and virial (eV) over the frames, of evaluate(positions, types, cell, ..)."""
    found = model_files.frames((shared / known.path).parent / "reference.npz", model.type_map)
    return np.max([model_files.differences(evaluate(*frame.structure, **frame.parameters), frame) for frame in found], axis=0)


def oracle_errors(shared: Path, known: Known, model: AnyModel) -> np.ndarray:
    return errors(shared, known, functools.partial(combined.evaluate, model), model)


def make_tables(shared: Path, known: Known, model: AnyModel, path: Path) -> None:
    """For the distances of the frames."""
    near = model_files.nearest(model_files.frames((shared / known.path).parent / "reference.npz", model.type_map))
    write_tables(path, build(model, near).tables)


def table_errors(shared: Path, known: Known, model: AnyModel, path: Path) -> np.ndarray:
    """Of tables through the compiled evaluator."""
    make_tables(shared, known, model, path)
    return errors(shared, known, functools.partial(calculator.evaluate, path), model)


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
