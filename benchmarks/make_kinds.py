# SPDX-License-Identifier: MIT
"""Models of several kinds for bench_kinds.py, with nets of the same size, for water; run by the Python of a peer with PyTorch.

    VENV/bin/python benchmarks/make_kinds.py FOLDER      writes NAME.pth for every NAME of DESCRIPTORS that is not there

Weights are as DeePMD-kit begins a training with them, statistics as a training on water finds them, so that nets see the range of
arguments that trained ones do.
"""

import copy
import json
import sys
from pathlib import Path

import numpy as np
import torch
from deepmd.pt.model.model import get_model

SIZE = {"neuron": [25, 50, 100], "seed": 1, "precision": "float64"}
ANGULAR = SIZE | {"rcut": 6.0, "rcut_smth": 0.5, "axis_neuron": 16}
SE_E2_A = ANGULAR | {"type": "se_e2_a", "sel": [46, 92], "type_one_side": True}
SE_E3 = SIZE | {"type": "se_e3", "neuron": [10, 20, 40], "rcut": 4.0, "rcut_smth": 0.5, "sel": [16, 30]}
MIXED = ANGULAR | {"sel": 138, "attn_layer": 0, "tebd_input_mode": "strip", "set_davg_zero": False}
DESCRIPTORS = {
    "se_e2_a": SE_E2_A,
    "se_e2_r": SIZE | {"type": "se_e2_r", "rcut": 6.0, "rcut_smth": 0.5, "sel": [46, 92], "type_one_side": True},
    "se_e3": SE_E3,
    "dpa1": MIXED | {"type": "dpa1", "smooth_type_embedding": False, "set_davg_zero": True},
    "se_atten_v2": ANGULAR | {"type": "se_atten_v2", "sel": 138, "attn_layer": 0, "set_davg_zero": False},
    "hybrid": {"type": "hybrid", "list": [SE_E2_A, SE_E3]},
}
FITTING = {"neuron": [240, 240, 240], "resnet_dt": True, "seed": 2, "precision": "float64"}
# By cut-off, as of trained models of water: mean of s(r), standard deviations of it and of its vector, over all slots.
STATISTICS = {6.0: (0.05, 0.12, 0.08), 4.0: (0.085, 0.2, 0.12)}
CLOSEST = 0.8854  # angstrom, of the example set of water


def with_statistics(model: torch.nn.Module) -> torch.nn.Module:
    """Those of all descriptors; no energy of atoms alone."""
    with torch.no_grad():
        for block in model.modules():
            if not isinstance(getattr(block, "stddev", None), torch.Tensor):
                continue
            mean, radial, angular = STATISTICS[block.rcut]
            block.stddev.fill_(angular)
            block.stddev[..., 0] = radial
            if not getattr(block, "set_davg_zero", False):
                block.mean[..., 0] = mean
    model.min_nbor_dist = torch.tensor(CLOSEST, dtype=torch.float64)
    return model


def main() -> None:
    """The command line."""
    torch.set_num_threads(1)
    folder = Path(sys.argv[1])
    for name, descriptor in DESCRIPTORS.items():
        if (folder / f"{name}.pth").exists():
            continue
        script = {"type_map": ["O", "H"], "descriptor": descriptor, "fitting_net": FITTING}
        model = with_statistics(get_model(copy.deepcopy(script)))
        model.model_def_script = json.dumps(script)
        model.eval()
        torch.jit.save(torch.jit.script(model), folder / f"{name}.pth")
        print(name, np.sum([p.numel() for p in model.parameters()]), "parameters", flush=True)


if __name__ == "__main__":
    main()
