# SPDX-License-Identifier: MIT
"""Makes the graphs of this folder from trained models of the kinds that tests need, and their results.

    python make_graphs.py MODELS EVALUATOR

MODELS: a folder with a folder for each of NAMES, with a frozen model.pb of the DeePMD-kit that NAMES says; EVALUATOR: a Python
file that evaluates such graphs (Pb, derive, pairs, energy), which gives DeePMD-kit's energies to the last bit. Of each graph the
nodes stay that the energy needs and the constants that are read by name; weights and other numbers are as they were. Of models
with a type embedding the energies with another mean (MEAN) are there, too: what trained ones have may be 0.

v2.1-se_e2_r-exclude.pb is of DeePMD-kit 2.1.5 and TensorFlow 2.10 with its own results, random weights after four steps on made
structures; of its nodes only the attributes that are read are left, and no shapes.
"""

import importlib.util
import sys
import tempfile
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "python"))
import graph_writer  # noqa: E402

NAMES = {  # DeePMD-kit and TensorFlow
    "v1.3-se_a": "1.3.3, 2.4.4",
    "se_e2_a-two_side-exclude": "3.2.0, 2.21",
    "se_e2_r-one_side-exclude": "3.2.0, 2.21",
    "se_e2_a-float32": "3.2.0, 2.21",
    "se_atten_v2": "3.2.0, 2.21",
    "se_atten-concat-one_side-exclude": "3.2.0, 2.21",
    "se_a_tebd-concat": "3.2.0, 2.21",
    "se_a_tebd_v2": "3.2.0, 2.21",
}
MEAN = (0.03, 0.11)  # of s(r), by centre type
KEPT = ("train_attr/", "model_attr/", "fitting_attr/", "descrpt_attr/", "model_type")


def stripped(nodes):
    """What o_energy needs, and the constants of the scopes KEPT."""
    by_name, waiting, kept = {node["name"]: node for node in nodes}, ["o_energy"], set()
    while waiting:
        name = waiting.pop().partition(":")[0].removeprefix("^")
        if name not in kept:
            kept.add(name)
            waiting += by_name[name]["inputs"]
    return [node for node in nodes if node["name"] in kept or (node["op"] == "Const" and node["name"].startswith(KEPT))]


def structure(seed):
    """(positions, types, cell): 27 atoms of two types about 1.6 A apart."""
    rng = np.random.default_rng(seed)
    cell = 4.8 * np.array([[1.0, 0.0, 0.0], [0.15, 0.95, 0.0], [-0.1, 0.08, 1.05]])
    grid = (np.stack(np.meshgrid(*[np.arange(3)] * 3, indexing="ij"), -1).reshape(-1, 3) + 0.5) / 3
    return grid @ cell + rng.uniform(-0.2, 0.2, (27, 3)), rng.permutation(np.arange(27) % 3 // 2), cell


def other_mean_energy(evaluator, path, model, atoms, rcut):
    """Atomic energies with MEAN."""
    positions, types, cell = atoms
    with tempfile.NamedTemporaryFile(suffix=".pb") as file:
        Path(file.name).write_bytes(graph_writer.encode(graph_writer.with_mean(graph_writer.parse(path.read_bytes()), MEAN)))
        return evaluator.energy(evaluator.Pb(file.name), model, types, evaluator.pairs(positions, cell, rcut + 1e-3))


def main():
    models, script = Path(sys.argv[1]), Path(sys.argv[2])
    spec = importlib.util.spec_from_file_location("evaluator", script)
    evaluator = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(evaluator)
    for name in NAMES:
        path = HERE / f"{name}.pb"
        path.write_bytes(graph_writer.encode(stripped(graph_writer.parse((models / name / "model.pb").read_bytes()))))
        graph = evaluator.Pb(path)
        model, rcut = evaluator.derive(graph), float(graph.get("descrpt_attr/rcut"))
        found = {}
        for k in range(2):
            positions, types, cell = structure(k)
            energy = evaluator.energy(graph, model, types, evaluator.pairs(positions, cell, rcut + 1e-3))
            found |= {f"positions{k}": positions, f"types{k}": types, f"cell{k}": cell, f"atom_energy{k}": energy}
            if graph.get("type_embed_net/matrix_1") is not None:
                found[f"mean_atom_energy{k}"] = other_mean_energy(evaluator, path, model, structure(k), rcut)
        np.savez_compressed(HERE / f"{name}.npz", **found)


if __name__ == "__main__":
    main()
