#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Make the hybrid_*.pth of this folder with DeePMD-kit (3.2.0, PyTorch back end): models of several descriptors, and one with
parameters of all kinds. As make_options.py, whose functions it uses; NAME.npz of the last one has fparam and aparam as well.
"""

import copy

import numpy as np
import torch
from deepmd.pt.model.model import get_model
from make_options import DESCRIPTOR, FITTING, HERE, RADIAL, structure, without_code

SHORT = {"rcut": 3.0, "rcut_smth": 0.5, "neuron": [3, 6], "axis_neuron": 2, "sel": [8, 8, 8]}


def config(*members, **fitting):
    """The model section of an input script."""
    descriptor = {"type": "hybrid", "list": list(members)}
    return {"type_map": ["A", "B", "C"], "descriptor": descriptor, "fitting_net": FITTING | fitting}


MODELS = {
    "hybrid_a_r": config(DESCRIPTOR, RADIAL | {"exclude_types": [[0, 2]]}),
    "hybrid_three": config(
        DESCRIPTOR | SHORT | {"type_one_side": False},
        {"type": "hybrid", "list": [RADIAL, DESCRIPTOR | {"env_protection": 0.05, "exclude_types": [[1, 1]]}]},
    ),
    # More neighbours than sel, for one list of all and for each member.
    "hybrid_tight": config(DESCRIPTOR | {"sel": [7, 5, 6]}, RADIAL | {"sel": [5, 7, 4]}, DESCRIPTOR | SHORT | {"sel": [3, 2, 3]})
    | {"pair_exclude_types": [[0, 1]]},
    "parameters": config(
        DESCRIPTOR, numb_fparam=2, numb_aparam=1, dim_case_embd=3, default_fparam=[0.3, -1.2]
    ) | {"descriptor": DESCRIPTOR},
}  # fmt: skip


def randomise(model, seed):
    """Statistics, biases and idt as a training would leave them; embedding weights of order one."""
    rng = np.random.default_rng(seed)
    atomic, net = model.atomic_model, model.atomic_model.fitting_net
    with torch.no_grad():
        for name, buffer in atomic.descriptor.named_buffers():
            n_types, n_components = buffer.shape[0], buffer.shape[-1]
            values = np.zeros((n_types, 1, n_components))
            if name.endswith("mean"):
                values[:, 0, 0] = rng.uniform(0.02, 0.08, n_types)
            elif name.endswith("stddev"):
                values[:, 0] = rng.uniform(0.08, 0.15, (n_types, 1))
                values[:, 0, 0] = rng.uniform(0.1, 0.2, n_types)
            else:
                continue
            buffer.copy_(torch.as_tensor(np.tile(values, (1, buffer.shape[1], 1))))
        atomic.out_bias.copy_(torch.as_tensor(rng.uniform(-3.0, 3.0, tuple(atomic.out_bias.shape))))
        net.bias_atom_e.copy_(torch.as_tensor(rng.uniform(-1.0, 1.0, tuple(net.bias_atom_e.shape))))
        for name in ("fparam_avg", "fparam_inv_std", "aparam_avg", "aparam_inv_std", "case_embd"):
            if getattr(net, name) is not None:
                buffer = getattr(net, name)
                buffer.copy_(torch.as_tensor(rng.uniform(0.5, 2.0, tuple(buffer.shape))))
        for name, parameter in model.named_parameters():
            if name.endswith("idt"):
                parameter.copy_(torch.as_tensor(rng.uniform(0.05, 0.9, parameter.shape)))
            elif name.endswith(("matrix", "bias")):
                parameter.copy_(torch.as_tensor(rng.normal(0.0, 0.6, parameter.shape)))
    model.min_nbor_dist = torch.tensor(1.1, dtype=torch.float64)


def evaluate(model, path, parameters):
    positions, types, cell = structure(3)
    coord = torch.tensor(positions[None], dtype=torch.float64, requires_grad=True)
    given = {name: torch.tensor(value[None]) for name, value in parameters.items()}
    out = model(coord, torch.tensor(types[None]), box=torch.tensor(cell.reshape(1, 9)), do_atomic_virial=True, **given)
    out = {key: value.detach().numpy()[0] for key, value in out.items()}
    np.savez(
        path, types=types, positions=positions, cell=cell, energy=out["energy"][0], atom_energy=out["atom_energy"][:, 0],
        forces=out["force"], virial=out["virial"].reshape(3, 3), atom_virial=out["atom_virial"].reshape(-1, 9), **parameters,
    )  # fmt: skip


def main():
    torch.set_num_threads(1)
    for seed, (name, options) in enumerate(MODELS.items(), 60):
        model = get_model(copy.deepcopy(options))
        model.eval()
        randomise(model, seed)
        rng = np.random.default_rng(seed)
        parameters = {"fparam": rng.normal(size=2), "aparam": rng.normal(size=(27, 1))} if name == "parameters" else {}
        evaluate(model, HERE / f"{name}.npz", parameters)
        torch.jit.save(torch.jit.script(model), HERE / "whole.pth")
        without_code(HERE / "whole.pth", HERE / f"{name}.pth")
        (HERE / "whole.pth").unlink()


if __name__ == "__main__":
    main()
