# SPDX-License-Identifier: MIT
"""Make the models and reference numbers of this folder: several models in one, and nets with pair tables.

    python make_combined.py      # in an environment with deepmd-kit[torch]==3.2.0; writes *.pth, *.pt and *.npz here

Weights, statistics and biases are random numbers. NAME.npz as in ../neighbour_rules, whose structure this is: atoms are 1.2 to
2.5 A apart. Some models have fewer slots than atoms have neighbours.
"""

import copy
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from deepmd.pt.model.model import get_model
from deepmd.pt.train.wrapper import ModelWrapper

HERE = Path(__file__).parent
sys.path += [str(HERE.parent / name) for name in ("options", "neighbour_rules", "dpa1")]

from make_dpa1 import BOTH, DESCRIPTOR, ONE, SMOOTH  # noqa: E402
from make_models import frames, pytorch_evaluation  # noqa: E402
from make_options import FITTING, randomise, without_code  # noqa: E402

TYPES = ["A", "B", "C"]
FOUR = ["D", "C", "B", "A"]
SHORT = {"rcut": 3.0, "rcut_smth": 0.8, "sel": 7, "neuron": [3, 6], "axis_neuron": 2}
SWITCH = {"sw_rmin": 1.1, "sw_rmax": 2.1}


def net(changes, types=None):
    return {"descriptor": DESCRIPTOR | SMOOTH | changes, "fitting_net": FITTING} | ({"type_map": types} if types else {})


def linear(models, weights, **changes):
    return {"type": "linear_ener", "type_map": TYPES, "models": models, "weights": weights} | changes


def table_text(path, n_types, first, step, n):
    """Repulsive energies, a column for each pair of types."""
    r = first + step * np.arange(n)
    columns = [(30 + 11 * k) * np.exp(-(1.5 + 0.2 * k) * r) / r for k in range(n_types * (n_types + 1) // 2)]
    np.savetxt(path, np.stack([r, *columns], axis=1))


def scripts(folder):
    """Of the models by name, in the order of their seeds; pair tables are written to the folder."""
    table_text(folder / "three.txt", 3, 0.3, 0.05, 66)  # ends at 3.55, made longer by DeePMD-kit
    table_text(folder / "four.txt", 4, 0.4, 0.1, 50)
    table = {"type": "pairtab", "tab_file": str(folder / "four.txt"), "rcut": 3.5, "sel": 8, "type_map": FOUR}
    zbl = net({"sel": 9} | BOTH, TYPES) | SWITCH | {"use_srtab": str(folder / "three.txt")}
    short = {"type": "pairtab", "tab_file": str(folder / "three.txt"), "rcut": 4.0, "sel": 20}
    # Parts with one descriptor; one of them says that it is a pair table, too, which DeePMD-kit ignores.
    parts = [{"descriptor": "d", "fitting_net": "f"}, short | {"descriptor": "d:0", "fitting_net": FITTING | {"neuron": [4]}}]
    shared = linear(parts, "mean", shared_dict={"d": DESCRIPTOR | SMOOTH | BOTH | {"sel": 12}, "f": FITTING})
    exclusions = {"pair_exclude_types": [[1, 2]], "atom_exclude_types": [2]}
    return {
        "linear_mean": linear([net(BOTH), net(SHORT | ONE)], "mean", **exclusions),
        "linear_sum": linear([net({"sel": 11} | ONE), net(SHORT | BOTH)], "sum"),
        "linear_table": linear([net({"sel": 12} | BOTH, ["C", "D", "A", "B"]), table], [0.7, -1.3]),
        "zbl": zbl | {"pair_exclude_types": [[0, 2]]},
        "zbl_checkpoint": zbl | {"smin_alpha": 0.3, "atom_exclude_types": [1]},
        "linear_tables": linear([short, short | {"tab_file": str(folder / "four.txt"), "type_map": FOUR}], [0.5, 2.0]),
        "linear_shared": shared,
        "linear_shared_checkpoint": shared,
    }


def main():
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for seed, (name, script) in enumerate(scripts(folder).items()):
            make(name, script, seed, folder)


class Part:
    """A part of a model as make_options.randomise wants it."""

    def __init__(self, atomic):
        self.atomic_model, self.named_parameters = atomic, atomic.named_parameters


def random_model(script, seed):
    """Of random numbers; the script is left without paths of the machine."""
    model = get_model(copy.deepcopy(script))
    model.eval()
    rng = np.random.default_rng(100 + seed)
    for k, part in enumerate(model.atomic_model.models):
        if hasattr(part, "descriptor"):
            randomise(Part(part), 10 * seed + k)
        else:
            part.tab_file = Path(part.tab_file).name  # no path of the machine that made it
            part.out_bias.copy_(torch.as_tensor(rng.uniform(-2.0, 2.0, part.out_bias.shape)))
    model.atomic_model.out_bias.copy_(torch.as_tensor(rng.uniform(-2.0, 2.0, model.atomic_model.out_bias.shape)))
    for section in (script, *script.get("models", [])):  # no path of the machine that made it
        section |= {key: Path(section[key]).name for key in ("use_srtab", "tab_file") if key in section}
    if "use_srtab" in script or "shared_dict" in script:
        model.model_def_script = json.dumps(script)
    model.min_nbor_dist = torch.tensor(1.1, dtype=torch.float64)
    return model


def make(name, script, seed, folder):
    model = random_model(script, seed)
    np.savez(HERE / f"{name}.npz", **frames(pytorch_evaluation(model)))
    if name.endswith("checkpoint"):
        state = ModelWrapper(model, model_params=copy.deepcopy(script)).state_dict()
        torch.save({"model": state, "optimizer": {}}, HERE / f"{name}.pt")
        return
    torch.jit.save(torch.jit.script(model), folder / "whole.pth")
    without_code(folder / "whole.pth", HERE / f"{name}.pth")


if __name__ == "__main__":
    sys.exit(main())
