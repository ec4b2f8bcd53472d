# SPDX-License-Identifier: MIT
"""Make the models and reference numbers of this folder: DPA-1 without attention, a few options each.

    python make_dpa1.py          # in an environment with deepmd-kit[torch]==3.2.0; writes *.pth and *.npz here

Weights, statistics (with a mean) and biases are random numbers. Some models have fewer slots than atoms have neighbours. NAME.npz
as in ../neighbour_rules, whose structure this is; empty slots have the type of its first atom.
"""

import copy
import sys
from pathlib import Path

import numpy as np
import torch
from deepmd.pt.model.model import get_model

HERE = Path(__file__).parent
sys.path += [str(HERE.parent / "options"), str(HERE.parent / "neighbour_rules")]

from make_models import frames, pytorch_evaluation  # noqa: E402
from make_options import config, randomise, without_code  # noqa: E402

DESCRIPTOR = {
    "type": "dpa1", "rcut": 4.0, "rcut_smth": 1.0, "sel": 40, "neuron": [4, 8], "axis_neuron": 3, "tebd_dim": 3, "attn_layer": 0,
    "seed": 1,
}  # fmt: skip
ONE, BOTH = {"type_one_side": True}, {"type_one_side": False}
CONCAT = {"tebd_input_mode": "concat", "smooth_type_embedding": False}
STRIP = {"tebd_input_mode": "strip", "smooth_type_embedding": False}
SMOOTH = {"tebd_input_mode": "strip", "smooth_type_embedding": True}
ELEMENTS = {"type_map": ["O", "Cr", "Gd"]}
MODELS = {
    # The first layer has a skip connection around x and the types.
    "concat": ((CONCAT | ONE | {"resnet_dt": True}), {"atom_ener": [-1.5, None, 2.5]}, {}),
    "concat_exclude": (CONCAT | BOTH | {"exclude_types": [[0, 2], [1, 1]], "sel": 11, "env_protection": 0.05}, {}, {}),
    "strip": (STRIP | BOTH | {"exclude_types": [[0, 1]], "use_tebd_bias": True}, {}, {}),
    "strip_tight": (STRIP | ONE | {"sel": 9, "concat_output_tebd": False}, {}, {}),
    "smooth": (SMOOTH | BOTH | {"rcut_smth": 2.0, "sel": 10}, {}, {"pair_exclude_types": [[1, 2]]}),
    "smooth_exclude": (SMOOTH | ONE | {"exclude_types": [[2, 2]]}, {}, {}),
    "electrons": (SMOOTH | BOTH | {"use_econf_tebd": True, "neuron": [3, 6]}, {}, ELEMENTS),
    "lmax2": (CONCAT | BOTH | {"lmax": 2, "exclude_types": [[0, 2]], "sel": 12, "env_protection": 0.05}, {}, {}),
    "lmax3": (STRIP | ONE | {"lmax": 3}, {}, {"pair_exclude_types": [[1, 2]]}),
    "lmax4": (SMOOTH | BOTH | {"lmax": 4, "rcut_smth": 2.0, "exclude_types": [[2, 2]]}, {}, {}),
}


def write(folder, name, script, randomised):
    """NAME.pth and NAME.npz of a model whose numbers randomised(model) makes."""
    model = get_model(copy.deepcopy(script))
    model.eval()
    randomised(model)
    np.savez(folder / f"{name}.npz", **frames(pytorch_evaluation(model)))
    torch.jit.save(torch.jit.script(model), folder / "whole.pth")
    without_code(folder / "whole.pth", folder / f"{name}.pth")
    (folder / "whole.pth").unlink()


def main():
    torch.set_num_threads(1)
    for seed, (name, (descriptor, fitting, of_model)) in enumerate(MODELS.items()):
        script = config({}, fitting) | {"descriptor": DESCRIPTOR | descriptor} | of_model
        write(HERE, name, script, lambda model, seed=seed: randomise(model, seed))


if __name__ == "__main__":
    sys.exit(main())
