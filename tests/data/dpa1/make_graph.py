# SPDX-License-Identifier: MIT
"""Make graph.pte and graph.npz of this folder: an exported program of DPA-1, which takes all neighbours inside the cut-off.

    python make_graph.py         # in an environment with deepmd-kit[torch]==3.2.0

As make_dpa1.py; of the program only its tree and notes are kept. Atoms have more neighbours than slots.
"""

import copy
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import torch
from deepmd.infer import DeepPot
from deepmd.pt.model.model import get_model
from deepmd.pt_expt.utils.serialization import deserialize_to_file

HERE = Path(__file__).parent
sys.path += [str(HERE.parent / "options"), str(HERE.parent / "neighbour_rules"), str(HERE)]

from make_dpa1 import BOTH, DESCRIPTOR, SMOOTH  # noqa: E402
from make_models import frames  # noqa: E402
from make_options import config, randomise  # noqa: E402

OPTIONS = {"sel": 9, "exclude_types": [[0, 1]], "neuron": [3, 6], "set_davg_zero": True}


def main():
    torch.set_num_threads(1)
    script = config({}, {}) | {"descriptor": DESCRIPTOR | SMOOTH | BOTH | OPTIONS, "pair_exclude_types": [[1, 2]]}
    model = get_model(copy.deepcopy(script))
    model.eval()
    randomise(model, 21)
    model.atomic_model.descriptor.se_atten.mean.zero_()
    with tempfile.TemporaryDirectory() as folder:
        whole = str(Path(folder) / "whole.pte")
        data = {"model": model.serialize(), "model_def_script": script, "min_nbor_dist": 1.1}
        deserialize_to_file(whole, data, do_atomic_virial=True, lower_kind="graph")
        potential = DeepPot(whole)

        def evaluate(positions, types, cell):
            box = None if cell is None else cell.reshape(1, 9)
            energy, forces, virial, atom_energy, atom_virial = potential.eval(positions.reshape(1, -1), box, types, atomic=True)
            return energy[0, 0], atom_energy[0, :, 0], forces[0], virial.reshape(3, 3), atom_virial[0]

        np.savez(HERE / "graph.npz", **frames(evaluate))
        with zipfile.ZipFile(whole) as program, zipfile.ZipFile(HERE / "graph.pte", "w") as kept:
            for name in (name for name in program.namelist() if "/extra/" in name):
                kept.writestr(name, program.read(name))


if __name__ == "__main__":
    sys.exit(main())
