# SPDX-License-Identifier: MIT
"""Makes those graphs of this folder that make_graphs.py does not, with DeePMD-kit (3.2.0, TensorFlow back end) and its results:
models as they are after one step of a training on made-up forces. The graphs are whole: nodes of gradients, which make_graphs.py
leaves out, use those of the energy. Of RADIAL_PAIRS there is also the tree that it converts to.

    python make_trained.py DP [NAME ...]       DP: the program dp; run with the Python that has it
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from make_graphs import structure

HERE = Path(__file__).resolve().parent

ANGULAR = {"type": "se_e2_a", "rcut": 3.4, "rcut_smth": 0.5, "sel": [20, 12], "neuron": [3, 6], "axis_neuron": 2, "seed": 1}
RADIAL = {"type": "se_e2_r", "rcut": 4.0, "rcut_smth": 1.0, "sel": [40, 20], "neuron": [4, 8], "seed": 2}
SHARED = {"neuron": [3, 6], "attn_layer": 0, "set_davg_zero": False, "seed": 3}
TYPES = {"type_embedding": {"neuron": [2, 4], "resnet_dt": False, "seed": 1}}
TABLE = {"use_srtab": "table.txt", "smin_alpha": 0.2, "sw_rmin": 1.3, "sw_rmax": 1.9}
RADIAL_PAIRS = "se_e2_r-two_side-exclude"


def model(descriptor, fitting=(), **options):
    """The model's section of a training script."""
    net = {"neuron": [8, 8], "resnet_dt": True, "seed": 1} | dict(fitting)
    return {"type_map": ["A", "B"], "descriptor": descriptor, "fitting_net": net} | options


def linear(weights, *parts):
    return {"type": "linear_ener", "type_map": ["A", "B"], "models": list(parts), "weights": weights}


MODELS = {
    # Slots of each type; the last member does not see the embedding.
    "hybrid-se_a_tebd-se_e2_r": model({"type": "hybrid", "list": [ANGULAR, RADIAL]}, **TYPES),
    # Slots that all types share: a smooth one with fewer than there are neighbours;
    # then one with an axis and an exclusion of its own.
    "hybrid-se_atten-two": model(
        {
            "type": "hybrid",
            "list": [
                SHARED | {"type": "se_atten_v2", "rcut": 3.4, "rcut_smth": 0.5, "sel": 24, "axis_neuron": 2},
                SHARED | {
                    "type": "se_atten", "rcut": 4.0, "rcut_smth": 1.0, "sel": 40, "axis_neuron": 3, "tebd_input_mode": "concat",
                    "exclude_types": [[0, 1]],
                },
            ],
        },
        **TYPES,
    ),
    "table-se_atten": model(
        SHARED | {"type": "se_atten", "rcut": 3.4, "rcut_smth": 0.5, "sel": 24, "axis_neuron": 2}, **TYPES, **TABLE
    ),
    # The threshold by default, and one that most sums of the fitting net are beyond.
    "silut": model(ANGULAR | {"activation_function": "silut"}, {"activation_function": "silut:0.05"}),
    # Layers with names, of the fitting net that all types share.
    "layer_name-se_a_tebd": model(ANGULAR, {"layer_name": ["first", "second", "last"]}, **TYPES),
    # Two layers that are one.
    "layer_name-twice": model(ANGULAR, {"neuron": [12, 12], "layer_name": ["same", "same", "last"], "resnet_dt": False}),
    # A switch of the type embedding that begins at 0, where it has ended.
    "rcut_smth_0-se_atten_v2": model(
        SHARED | {"type": "se_atten_v2", "rcut": 3.4, "rcut_smth": 0.0, "sel": 40, "axis_neuron": 2}, **TYPES
    ),
    # Linear models: a part that is a hybrid, the last one;
    "linear-hybrid": linear("sum", model(RADIAL), model({"type": "hybrid", "list": [ANGULAR, RADIAL | {"rcut": 3.0}]})),
    # a type embedding that a later part without one takes, too;
    "linear-types": linear(
        "mean",
        model(SHARED | {"type": "se_atten", "rcut": 3.4, "rcut_smth": 0.5, "sel": 40, "axis_neuron": 2}, **TYPES),
        model(RADIAL),
    ),
    # parts that share the layers of a fitting net;
    "linear-layer_name": linear(
        "mean", *(model(d, {"layer_name": ["first", "second", "last"]}) for d in (ANGULAR, ANGULAR | {"rcut": 3.0}))
    ),
    # a graph that was frozen before;
    "linear-frozen": linear("sum", model(RADIAL), {"type": "frozen", "model_file": str(HERE / "silut.pb")}),
    # a pair table, that takes every neighbour for one of the first type.
    "linear-table": linear("sum", model(ANGULAR), {"type": "pairtab", "tab_file": "table.txt", "rcut": 3.4, "sel": 40}),
    # softplus is not 0 at 0, as nets of excluded pairs are in a tree.
    RADIAL_PAIRS: model(RADIAL | {"type_one_side": False, "exclude_types": [[0, 1]], "activation_function": "softplus"}),
}  # fmt: skip


# 3.2.0 calls data_stat of a pair table in a linear model with an argument that it does not have.
TRAIN = """
from deepmd.main import main
from deepmd.tf.model.pairtab import PairTabModel
PairTabModel.data_stat = lambda self, data, stat_file_path=None: None
main(["--tf", "train", "--skip-neighbor-stat", "input.json"])
"""


def write_table(path):
    """Of the pairs A-A, A-B, B-B."""
    r = 0.1 * np.arange(1, 36)
    np.savetxt(path, np.stack([r, *((5 + 4 * k) * np.exp(-(1 + 0.3 * k) * r) / r for k in range(3))], axis=1))


def write_data(folder):
    """Two frames of the structures of the other graphs, with energies and forces of nothing."""
    rng = np.random.default_rng(5)
    positions, types, cell = structure(0)
    (folder / "set.000").mkdir(parents=True)
    (folder / "type.raw").write_text("\n".join(map(str, types)) + "\n")
    (folder / "type_map.raw").write_text("A\nB\n")
    coord = positions.reshape(1, -1) + rng.uniform(-0.05, 0.05, (2, positions.size))
    arrays = {"coord": coord, "box": np.tile(cell.reshape(1, 9), (2, 1)), "energy": rng.normal(size=2)}
    for name, values in (arrays | {"force": rng.normal(size=coord.shape)}).items():
        np.save(folder / "set.000" / f"{name}.npy", values)


def trained(dp, section, folder):
    """The frozen graph."""
    script = {
        "model": section,
        "learning_rate": {"type": "exp", "start_lr": 1e-3, "stop_lr": 1e-8, "decay_steps": 100},
        "loss": {"type": "ener"},
        "training": {"training_data": {"systems": ["data"], "batch_size": 1}, "numb_steps": 1, "seed": 1},
    }
    (folder / "input.json").write_text(json.dumps(script))
    subprocess.run([sys.executable, "-c", TRAIN], cwd=folder, check=True)
    subprocess.run([dp, "--tf", "freeze", "-o", "model.pb"], cwd=folder, check=True)
    return folder / "model.pb"


def answers(graph):
    """DeePMD-kit's, of the two structures."""
    from deepmd.infer import DeepPot

    found, evaluator = {}, DeepPot(str(graph))
    for k in range(2):
        positions, types, cell = structure(k)
        said = evaluator.eval(positions.reshape(1, -1), cell.reshape(1, 9), types.tolist(), atomic=True)
        energy, forces, virial, atomic = (np.asarray(part)[0] for part in said[:4])
        found |= {f"positions{k}": positions, f"types{k}": types, f"cell{k}": cell, f"atom_energy{k}": atomic.reshape(-1)}
        found |= {f"forces{k}": forces, f"virial{k}": virial.reshape(3, 3), f"energy{k}": energy}
    return found


def main():
    for name in sys.argv[2:] or MODELS:
        with tempfile.TemporaryDirectory() as work:
            folder = Path(work)
            write_data(folder / "data")
            write_table(folder / "table.txt")
            graph = trained(sys.argv[1], MODELS[name], folder)
            (HERE / f"{name}.pb").write_bytes(graph.read_bytes())
            if name == RADIAL_PAIRS:
                subprocess.run([sys.argv[1], "convert-backend", graph, HERE / f"{name}.dp"], check=True)
            np.savez_compressed(HERE / f"{name}.npz", **answers(graph))


if __name__ == "__main__":
    main()
