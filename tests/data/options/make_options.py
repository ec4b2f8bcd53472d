# SPDX-License-Identifier: MIT
"""Make the models of this folder with DeePMD-kit (3.2.0, PyTorch back end): untrained nets, one option each.

    python make_options.py            # in an environment with deepmd-kit[torch]; writes *.pth, *.pt and *.npz here

Weights, statistics and biases are random numbers (seeded) of a realistic size. Frozen models are stored without their code
entries, which no reader needs. NAME.npz: types (n,), positions (n, 3), cell (3, 3), and what DeePMD-kit computes for them:
energy, atom_energy (n,), forces (n, 3), virial (3, 3), atom_virial (n, 9).
"""

import copy
import sys
import zipfile
from pathlib import Path

import numpy as np
import torch
from deepmd.pt.model.model import get_model
from deepmd.pt.train.wrapper import ModelWrapper
from deepmd.pt.utils.multi_task import preprocess_shared_params

HERE = Path(__file__).parent
DESCRIPTOR = {
    "type": "se_e2_a", "rcut": 4.0, "rcut_smth": 1.0, "sel": [16, 16, 16], "neuron": [4, 8], "axis_neuron": 3,
    "type_one_side": True, "seed": 1,
}  # fmt: skip
RADIAL = {
    "type": "se_e2_r", "rcut": 4.0, "rcut_smth": 1.0, "sel": [16, 16, 16], "neuron": [4, 8], "type_one_side": True, "seed": 1,
}  # fmt: skip
FITTING = {"type": "ener", "neuron": [6, 6], "resnet_dt": True, "seed": 2}


def config(descriptor=None, fitting=None, **model):
    """The model section of an input script."""
    types = ["A", "B", "C"]
    return {"type_map": types, "descriptor": DESCRIPTOR | (descriptor or {}), "fitting_net": FITTING | (fitting or {})} | model


OPTIONS = {
    "sel_zero": config({"sel": [16, 0, 16], "type_one_side": False}),
    "silut": config(
        {"activation_function": "silut:0.7", "neuron": [1, 2, 6], "resnet_dt": True}, {"activation_function": "custom_silu:0.2"}
    ),
    "relu_protection": config(
        {"activation_function": "relu", "env_protection": 0.05, "precision": "float64"},
        {"activation_function": "relu6", "neuron": [8, 16, 5]},
    ),
    "atom_ener": config(
        {"exclude_types": [[0, 2]]}, {"atom_ener": [-1.5, None, 2.5], "activation_function": "linear", "resnet_dt": False}
    ),
    "atom_exclude": config(
        {"activation_function": "none"}, {"activation_function": "gelu_tf"}, atom_exclude_types=[1], pair_exclude_types=[[1, 2]]
    ),
    "float32_fitting": config({"exclude_types": [[1, 1]], "type_one_side": False}, {"precision": "float32"}),
    "compressed": config({"neuron": [2, 4]}),
    "radial_exclude": config(fitting={"atom_ener": [-1.5, None, 2.5]})
    | {"descriptor": RADIAL | {"exclude_types": [[0, 2], [1, 1]], "env_protection": 0.05}},
    # This back end has a net per neighbour type all the same.
    "radial_two_sided": config(pair_exclude_types=[[1, 2]])
    | {"descriptor": RADIAL | {"type_one_side": False, "resnet_dt": True}},
}
RADIAL_CHECKPOINT = config() | {"descriptor": RADIAL | {"exclude_types": [[2, 2]], "activation_function": "softplus"}}
TWO_HEADS = {
    "shared_dict": {"types": ["A", "B", "C"], "shared": DESCRIPTOR | {"activation_function": "sigmoid", "axis_neuron": 1}},
    "model_dict": {
        "alpha": {"type_map": "types", "descriptor": "shared", "fitting_net": FITTING | {"neuron": [6]}},
        "beta": {
            "type_map": "types",
            "descriptor": "shared",
            "fitting_net": FITTING | {"seed": 5, "neuron": [4], "activation_function": "softplus"},
        },
    },
}


def randomise(model, seed):
    """Statistics, biases and idt as a training would leave them; embedding weights of order one."""
    rng = np.random.default_rng(seed)
    atomic = model.atomic_model
    names = ("sea", "se_atten")
    block = next((getattr(atomic.descriptor, n) for n in names if hasattr(atomic.descriptor, n)), atomic.descriptor)
    n_types, _, n_components = block.mean.shape
    mean, std = np.zeros((n_types, 1, n_components)), np.zeros((n_types, 1, n_components))
    mean[:, 0, 0] = rng.uniform(0.02, 0.08, n_types)
    std[:, 0, 0] = rng.uniform(0.1, 0.2, n_types)
    if n_components > 1:
        std[:, 0, 1:] = rng.uniform(0.08, 0.15, (n_types, 1))
    with torch.no_grad():
        block.mean.copy_(torch.as_tensor(np.tile(mean, (1, block.mean.shape[1], 1))))
        block.stddev.copy_(torch.as_tensor(np.tile(std, (1, block.mean.shape[1], 1))))
        atomic.out_bias.copy_(torch.as_tensor(rng.uniform(-3.0, 3.0, (1, n_types, 1))))
        atomic.fitting_net.bias_atom_e.copy_(torch.as_tensor(rng.uniform(-1.0, 1.0, (n_types, 1))))
        for name, parameter in model.named_parameters():
            if name.endswith("idt"):
                parameter.copy_(torch.as_tensor(rng.uniform(0.05, 0.9, parameter.shape)))
            elif name.endswith("degree_gain_raw"):
                signs = rng.choice([-1.0, 1.0], parameter.shape)
                parameter.copy_(torch.as_tensor(signs * rng.uniform(0.4, 1.0, parameter.shape)))
            elif name.endswith(("matrix", "bias")):
                parameter.copy_(torch.as_tensor(rng.normal(0.0, 0.6, parameter.shape)))
    model.min_nbor_dist = torch.tensor(1.1, dtype=torch.float64)


def structure(n_types):
    """27 atoms, no two closer than 1.2, in a triclinic cell that is smaller than two cutoffs."""
    rng = np.random.default_rng(8)
    cell = np.array([[6.6, 0.0, 0.0], [0.9, 6.3, 0.0], [-0.7, 0.5, 6.9]])
    grid = (np.stack(np.meshgrid(*[np.arange(3)] * 3, indexing="ij"), -1).reshape(-1, 3) + 0.5) / 3.0
    return grid @ cell + rng.uniform(-0.3, 0.3, (27, 3)), rng.permutation(np.arange(27) % n_types), cell


def evaluate(model, path):
    positions, types, cell = structure(len(model.get_type_map()))
    coord = torch.tensor(positions[None], dtype=torch.float64, requires_grad=True)
    out = model(coord, torch.tensor(types[None]), box=torch.tensor(cell.reshape(1, 9)), do_atomic_virial=True)
    out = {key: value.detach().numpy()[0] for key, value in out.items()}
    np.savez(
        path, types=types, positions=positions, cell=cell, energy=out["energy"][0], atom_energy=out["atom_energy"][:, 0],
        forces=out["force"], virial=out["virial"].reshape(3, 3), atom_virial=out["atom_virial"].reshape(-1, 9),
    )  # fmt: skip


def without_code(source, target):
    """Copy an archive's data, uncompressed, with a fixed date."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in sorted(old.namelist()):
            if name.split("/", 1)[1].startswith(("data/", "data.pkl", "byteorder")):
                new.writestr(zipfile.ZipInfo(name), old.read(name))


def main():
    torch.set_num_threads(1)
    for seed, (name, options) in enumerate(OPTIONS.items()):
        model = get_model(copy.deepcopy(options))
        model.eval()
        randomise(model, seed)
        evaluate(model, HERE / f"{name}.npz")
        if name == "compressed":
            model.enable_compression(5, 1.0, 10.0, -1)
        torch.jit.save(torch.jit.script(model), HERE / "whole.pth")
        without_code(HERE / "whole.pth", HERE / f"{name}.pth")
        (HERE / "whole.pth").unlink()
    model = get_model(copy.deepcopy(RADIAL_CHECKPOINT))
    model.eval()
    randomise(model, 30)
    evaluate(model, HERE / "radial.npz")
    state = ModelWrapper(model, model_params=copy.deepcopy(RADIAL_CHECKPOINT)).state_dict()
    torch.save({"model": state, "optimizer": {}}, HERE / "radial.pt")
    params, links = preprocess_shared_params(copy.deepcopy(TWO_HEADS))
    models = {head: get_model(copy.deepcopy(branch)) for head, branch in params["model_dict"].items()}
    wrapper = ModelWrapper(models, model_params=params)
    wrapper.share_params(links, dict.fromkeys(models, 0.5), resume=True)
    wrapper.eval()
    for seed, model in enumerate(models.values()):
        randomise(model, 20 + seed)
    for head, model in models.items():  # after all heads, which share the descriptor
        evaluate(model, HERE / f"two_heads.{head}.npz")
    torch.save({"model": wrapper.state_dict(), "optimizer": {}}, HERE / "two_heads.pt")


if __name__ == "__main__":
    sys.exit(main())
