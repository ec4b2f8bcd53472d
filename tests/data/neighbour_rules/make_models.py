# SPDX-License-Identifier: MIT
"""Make the models and reference numbers of this folder: se_e2_a with fewer slots than the atoms have neighbours.

Needs DeePMD-kit 3.2.0, its two back ends in environments of their own:

    python make_models.py pytorch FOLDER       (pip install 'deepmd-kit[torch]==3.2.0')
    python make_models.py tensorflow FOLDER    (pip install 'deepmd-kit[cpu]==3.2.0')

The first writes NAME.pth (random weights; no code, so no text of others), NAME.pytorch.npz, and FOLDER/NAME.dp, which the second
converts (dp convert-backend) and evaluates: NAME.tensorflow.npz. Each npz holds two frames of the same atoms, the second one in
open space: types, positions, cell, energy, atom_energy, forces, virial (LAMMPS' sign), atom_virial, the last five with a 0 or 1
behind.
"""

import copy
import json
import subprocess
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "options"))

# Of the 20 to 30 neighbours within 4 A, 6 to 12 are of each type.
MODELS = {
    "plain": {"sel": [9, 7, 8]},
    "tight": {"sel": [4, 12, 3], "type_one_side": False},
    "exclude": {"sel": [9, 6, 8], "exclude_types": [[0, 1], [2, 2]], "type_one_side": False},
    "pair_exclude": {"sel": [8, 0, 9], "pair_exclude_types": [[0, 2]]},
}
WITHOUT_TENSORFLOW = {"pair_exclude"}  # it takes no sel of 0


def structure():
    """(positions, types, cell) of 27 atoms, no two closer than 1.2 A, in a triclinic cell smaller than two cutoffs."""
    rng = np.random.default_rng(3)
    cell = np.array([[6.6, 0.0, 0.0], [0.9, 6.3, 0.0], [-0.7, 0.5, 6.9]])
    grid = (np.stack(np.meshgrid(*[np.arange(3)] * 3, indexing="ij"), -1).reshape(-1, 3) + 0.5) / 3.0
    return grid @ cell + rng.uniform(-0.3, 0.3, (27, 3)), rng.permutation(np.arange(27) % 3), cell


def frames(evaluate):
    """What an npz holds. evaluate(positions, types, cell or None) -> energy, atom_energy, forces, virial, atom_virial."""
    positions, types, cell = structure()
    found = {"positions": positions, "types": types, "cell": cell}
    for k, box in enumerate((cell, None)):
        results = evaluate(positions, types, box)
        for name, value in zip(("energy", "atom_energy", "forces", "virial", "atom_virial"), results, strict=True):
            found[f"{name}{k}"] = value
    return found


def pytorch_evaluation(model):
    """For frames."""
    import torch

    def evaluate(positions, types, cell):
        coord = torch.tensor(positions[None], dtype=torch.float64, requires_grad=True)
        box = None if cell is None else torch.tensor(cell.reshape(1, 9))
        out = model(coord, torch.tensor(types[None]), box=box, do_atomic_virial=True)
        out = {key: value.detach().numpy()[0] for key, value in out.items()}
        virial, atom_virial = out["virial"].reshape(3, 3), out["atom_virial"].reshape(-1, 9)
        return out["energy"][0], out["atom_energy"][:, 0], out["force"], virial, atom_virial

    return evaluate


def make_pytorch(folder):
    import torch
    from deepmd.pt.model.model import get_model
    from make_options import config, randomise, without_code

    torch.set_num_threads(1)
    for seed, (name, options) in enumerate(MODELS.items()):
        excluded = {key: value for key, value in options.items() if key == "pair_exclude_types"}
        descriptor = {key: value for key, value in options.items() if key not in excluded}
        script = config(descriptor, **excluded)
        model = get_model(copy.deepcopy(script))
        model.eval()
        randomise(model, seed)

        np.savez(HERE / f"{name}.pytorch.npz", **frames(pytorch_evaluation(model)))
        model.model_def_script = json.dumps(script)
        torch.jit.save(torch.jit.script(model), folder / f"{name}.pth")
        without_code(folder / f"{name}.pth", HERE / f"{name}.pth")
        subprocess.run(["dp", "convert-backend", folder / f"{name}.pth", folder / f"{name}.dp"], check=True)


def make_tensorflow(folder):
    from deepmd.infer import DeepPot

    for name in (name for name in MODELS if name not in WITHOUT_TENSORFLOW):
        subprocess.run(["dp", "convert-backend", folder / f"{name}.dp", folder / f"{name}.pb"], check=True)
        potential = DeepPot(str(folder / f"{name}.pb"))

        def evaluate(positions, types, cell, potential=potential):
            box = None if cell is None else cell.reshape(1, 9)
            energy, forces, virial, atom_energy, atom_virial = potential.eval(positions.reshape(1, -1), box, types, atomic=True)
            return energy[0, 0], atom_energy[0, :, 0], forces[0], virial.reshape(3, 3), atom_virial[0]

        np.savez(HERE / f"{name}.tensorflow.npz", **frames(evaluate))


def main():
    {"pytorch": make_pytorch, "tensorflow": make_tensorflow}[sys.argv[1]](Path(sys.argv[2]))


if __name__ == "__main__":
    sys.exit(main())
