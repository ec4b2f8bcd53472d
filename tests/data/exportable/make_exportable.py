# SPDX-License-Identifier: MIT
"""Make the checkpoints and reference numbers of this folder: DeePMD-kit's exportable PyTorch back end (dp --pt-expt train).

    python make_exportable.py         # in an environment with deepmd-kit[torch]==3.2.0; writes *.pt and *.npz here

Models of random numbers as in ../options, made with the other PyTorch back end, converted as `dp convert-backend` does, and
stored as training does. NAME.npz as in ../neighbour_rules, by DeePMD-kit's DeepPot of the checkpoint; of "radial" it is checked
that what `dp --pt-expt freeze` makes of it gives the same.
"""

import copy
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from deepmd.infer import DeepPot
from deepmd.pt.model.model import get_model
from deepmd.pt_expt.model.model import BaseModel
from deepmd.pt_expt.train.wrapper import ModelWrapper

HERE = Path(__file__).parent
sys.path += [str(HERE.parent / name) for name in ("combined", "options", "neighbour_rules", "dpa1", "mixed_types")]

import make_combined  # noqa: E402
from make_dpa1 import BOTH, CONCAT, SMOOTH  # noqa: E402
from make_dpa1 import DESCRIPTOR as DPA1  # noqa: E402
from make_hybrids import randomise as randomise_members  # noqa: E402
from make_mixed_types import STRIP, THREE  # noqa: E402
from make_models import frames  # noqa: E402
from make_options import RADIAL, config, randomise  # noqa: E402

ZERO = {"set_davg_zero": True}
V2 = {"type": "se_atten_v2", "sel": 9, "use_econf_tebd": True, "use_tebd_bias": True, "type_one_side": True}
MODELS = {
    "two_sided": config(
        {"type_one_side": False, "exclude_types": [[0, 2]], "resnet_dt": True, "env_protection": 0.05, "sel": [9, 7, 8]},
        {"atom_ener": [-1.5, None, 2.5], "activation_function": "gelu"},
        pair_exclude_types=[[1, 2]],
        atom_exclude_types=[1],
    ),
    "radial": config() | {"descriptor": RADIAL | {"neuron": [3, 6]}},
    "dpa1": config() | {"descriptor": DPA1 | SMOOTH | BOTH | ZERO | {"sel": 9, "exclude_types": [[0, 1]], "lmax": 2}},
    "electrons": config(type_map=["O", "Cr", "Gd"]) | {"descriptor": DPA1 | V2 | ZERO},
    "hybrid": config()
    | {
        "descriptor": {
            "type": "hybrid",
            "list": [
                DPA1 | CONCAT | BOTH | ZERO | {"sel": 12, "use_econf_tebd": False},
                THREE | STRIP | {"sel": 8, "rcut": 3.0},
                {"type": "se_e3", "rcut": 3.0, "rcut_smth": 0.8, "sel": [3, 3, 3], "neuron": [2, 4], "seed": 3},
            ],
        }
    },
}


def evaluation(path):
    potential = DeepPot(str(path))

    def evaluate(positions, types, cell):
        box = None if cell is None else cell.reshape(1, 9)
        energy, forces, virial, atom_energy, atom_virial = potential.eval(positions.reshape(1, -1), box, types, atomic=True)
        return energy[0, 0], atom_energy[0, :, 0], forces[0], virial.reshape(3, 3), atom_virial[0]

    return evaluate


def store(name, model, script, kept=None):
    """As training does, and the numbers of its evaluation; kept: the script in the file afterwards."""
    made = BaseModel.deserialize(model.serialize())
    made.min_nbor_dist = 1.1
    path = HERE / f"{name}.pt"
    torch.save({"model": ModelWrapper(made, model_params=script).state_dict(), "optimizer": {}}, path)
    found = frames(evaluation(path))
    np.savez(HERE / f"{name}.npz", **found)
    if kept is not None:
        torch.save({"model": ModelWrapper(made, model_params=kept).state_dict(), "optimizer": {}}, path)
    return path, found


def zero_means(model):
    for key, buffer in model.named_buffers():
        if key.endswith("se_atten.mean"):
            buffer.zero_()


def combined_models(folder):
    """Models of several parts (../combined): by a list of neighbours "zbl", the same numbers as there, and a pair table beside a
    net of its own types; by a graph two nets."""
    scripts = make_combined.scripts(folder)
    types, table = make_combined.TYPES, {"type": "pairtab", "tab_file": str(folder / "three.txt"), "rcut": 3.5, "sel": 8}
    beside = make_combined.linear([make_combined.net({"sel": 12} | BOTH, [*types[1:], types[0], "D"]), table], [0.7, -1.3])
    chosen = {"zbl": scripts["zbl"], "linear_mean": scripts["linear_mean"], "linear_beside": beside}
    for name, script in chosen.items():
        without_paths = copy.deepcopy(script)  # DeepPot looks for the pair tables by them
        model = make_combined.random_model(without_paths, list(scripts).index(name) if name in scripts else 20)
        if name == "linear_mean":
            zero_means(model)
        yield name, model, script, without_paths


def main():
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        for of_parts in combined_models(Path(name)):
            store(*of_parts)
    for seed, (name, script) in enumerate(MODELS.items()):
        model = get_model(copy.deepcopy(script))
        (randomise_members if name == "hybrid" else randomise)(model, 40 + seed)
        zero_means(model)
        path, found = store(name, model, script)
        if name == "radial":
            with tempfile.TemporaryDirectory() as folder:
                frozen = Path(folder) / "frozen.pte"
                subprocess.run(["dp", "--pt-expt", "freeze", "-c", path, "-o", frozen], check=True)
                of_frozen = frames(evaluation(frozen))  # without atomic virials
                for key, value in ((key, value) for key, value in of_frozen.items() if not key.startswith("atom_virial")):
                    np.testing.assert_allclose(value, found[key], rtol=0, atol=1e-12)


if __name__ == "__main__":
    sys.exit(main())
