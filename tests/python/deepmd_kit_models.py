#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Random models that DeePMD-kit itself makes, in its files and with its results; random_trained.py reads them.

    PYTHON deepmd_kit_models.py BACKEND SEED FIRST COUNT FOLDER     PYTHON: one that has DeePMD-kit with that back end

(3.2.0; TensorFlow also 2.2.11, whose own options are fewer.)


Options are drawn from all that an input script may say of energy models without attention. FOLDER gets of model K its script
K.json; model files K.*; and K.npz, what DeePMD-kit says of three structures (names as in the reference.npz that
model_files.frames reads). Files whose numbers differ by what DeePMD-kit did with them (K-compressed, K-converted) have their own.
Models that DeePMD-kit refuses are left out, with a line that says why. PyTorch: statistics, biases and gains are random numbers;
others: a few steps of a training on made-up forces. Every case has its own random numbers, so that COUNT 1 repeats one.
"""

from __future__ import annotations

import copy
import json
import logging
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

Script = dict[str, Any]

ELEMENTS = ("O", "H", "Cu", "Ni")
WIDTHS = ((4, 8), (1,), (1, 2), (2, 1), (8, 8), (6, 4), (3, 5, 7), (2, 4, 8, 8), (8, 4, 2), (5, 5, 10), (1, 1), (4, 4, 4))
NARROW = ((2, 4), (1,), (3,), (2, 2), (4, 2), (1, 2, 4))  # of three bodies
DOUBLING = ((4, 8), (1, 2), (3, 6), (2, 4, 8), (8, 8))  # what TensorFlow compresses
HIDDEN = ((), (5,), (4, 4), (8, 4), (3, 6), (1,), (1, 1), (2, 4, 8), (6, 6, 6, 6), (7, 3, 5))
SMOOTH = ("tanh", "gelu", "gelu_tf", "relu6", "softplus", "sigmoid", "silu", "linear", "none", "silut", "silut:3.0", "silut:0.4")
PYTORCH_ONLY = ("custom_silu:2.0", "Tanh", "SILU")
OF_THREE = ("se_e3", "se_e3_tebd")
OWN_SLOTS = ("se_e2_a", "se_e2_r", "se_e3", "se_a_ebd_v2")
ATTENTION = ("se_atten", "dpa1", "se_atten_v2")
N_FPARAM, N_APARAM = 2, 1  # of the training data
NEAREST = 1.1  # angstrom, of any two atoms


class Draw:
    """Random numbers of one case."""

    def __init__(self, seed: int, case: int) -> None:
        self.numbers = np.random.default_rng((seed, case))

    def of(self, *choices: Any) -> Any:
        return copy.deepcopy(choices[self.numbers.integers(len(choices))])

    def chance(self, p: float = 0.5) -> bool:
        return bool(self.numbers.random() < p)

    def below(self, n: int) -> int:
        return int(self.numbers.integers(n))

    def pairs(self, n_types: int) -> list[list[int]]:
        return [[self.below(n_types), self.below(n_types)] for _ in range(1 + self.below(2))]


# What a script says of a model.


def descriptor(draw: Draw, kinds: tuple[str, ...], activations: tuple[str, ...], n: int, depth: int = 1) -> Script:
    """Of one of the kinds, or a hybrid of some, with no more than depth hybrids in each other."""
    kind = draw.of(*kinds)
    if kind == "hybrid":
        inner = kinds if depth > 1 else tuple(k for k in kinds if k != "hybrid")
        return {"type": kind, "list": [descriptor(draw, inner, activations, n, depth - 1) for _ in range(1 + draw.below(3))]}
    rcut = draw.of(2.6, 3.0) if kind in OF_THREE else draw.of(3.0, 3.5, 4.1, 4.8)
    widths = list(draw.of(*(NARROW if kind in OF_THREE else WIDTHS)))
    slots = draw.of(60, 60, 60, 60, 4)  # 4: fewer than there are neighbours
    shared = draw.of(2 * slots, [slots] * n)
    found = {
        "type": kind,
        "rcut": rcut,
        "rcut_smth": draw.of(0.0, 0.01, 0.5, 1.8, rcut - 0.4),
        "neuron": widths,
        "activation_function": draw.of(*activations),
        "resnet_dt": draw.chance(),
        "seed": draw.below(10**6),
        "precision": draw.of("default", "float64", "float64", "float64", "float64", "float32"),
        "trainable": draw.chance(),
        "set_davg_zero": draw.chance(),
        "sel": [slots + draw.below(5) for _ in range(n)] if kind in OWN_SLOTS else shared,
    }
    if kind not in OF_THREE:
        found["type_one_side"] = draw.chance()
    if kind not in (*OF_THREE, "se_e2_r"):
        found["axis_neuron"] = min(draw.of(1, 2, widths[-1], max(1, widths[-1] - 1)), widths[-1])
    if n > 1 and draw.chance(0.35):
        found["exclude_types"] = draw.pairs(n)
    if kind in ATTENTION:
        found |= {"attn_layer": 0, "set_davg_zero": draw.chance(0.7)}  # what has another mean depends on the order of the atoms
    if kind in ("se_atten", "dpa1", "se_e3_tebd"):
        found["tebd_input_mode"] = draw.of("concat", "strip")
        found["smooth" if kind == "se_e3_tebd" else "smooth_type_embedding"] = draw.chance()
    return found


def fitting(draw: Draw, activations: tuple[str, ...], n: int) -> Script:
    found = {
        "neuron": list(draw.of(*HIDDEN)),
        "activation_function": draw.of(*activations),
        "resnet_dt": draw.chance(),
        "seed": draw.below(10**6),
        "precision": draw.of("default", "float64", "float64", "float64", "float32"),
    }
    if draw.chance(0.3):
        found["numb_fparam"] = N_FPARAM
    if draw.chance(0.3):
        found["numb_aparam"] = N_APARAM
    if not found.keys() & {"numb_fparam", "numb_aparam"} and draw.chance(0.25):
        found["atom_ener"] = [draw.of(None, -3.0, 0.0) for _ in range(n)]
    return found


def model(draw: Draw, kinds: tuple[str, ...], activations: tuple[str, ...], depth: int = 1) -> Script:
    n = draw.of(1, 2, 2, 3, 4)
    found = {
        "type_map": list(ELEMENTS[:n]),
        "descriptor": descriptor(draw, kinds, activations, n, depth),
        "fitting_net": fitting(draw, activations, n),
    }
    if n > 1 and draw.chance(0.25):
        found["atom_exclude_types"] = [draw.below(n)]
    return found


def members(script: Script) -> Iterator[Script]:
    """The descriptors of a hybrid, or the one that there is."""
    if script["type"] == "hybrid":
        for member in script["list"]:
            yield from members(member)
    else:
        yield script


def torch_model(draw: Draw) -> Script:
    """PyTorch's own options."""
    kinds = ("se_e2_a", "se_e2_r", "se_e3", "se_e3_tebd", "se_atten", "dpa1", "se_atten_v2", "hybrid", "hybrid")
    found = model(draw, kinds, SMOOTH + PYTORCH_ONLY, depth=2)
    n = len(found["type_map"])
    for member in members(found["descriptor"]):
        kind = member["type"]
        member["env_protection"] = draw.of(0.0, 0.0, 0.01, 1e-6, 0.5)
        if kind == "se_e2_r":
            member["type_one_side"] = True
        if kind in (*ATTENTION, "se_e3_tebd"):
            member |= {
                "tebd_dim": draw.of(1, 3, 8, 16),
                "use_econf_tebd": draw.chance(0.3),
                "use_tebd_bias": draw.chance(),
                "concat_output_tebd": draw.chance(),
            }
        if kind in ATTENTION:
            member |= {"scaling_factor": draw.of(1.0, 0.5), "normalize": draw.chance(), "attn_dotr": draw.chance()}
            if draw.chance(0.25):
                member["lmax"] = draw.of(1, 2, 3, 4)
    net = found["fitting_net"]
    if "numb_fparam" in net and draw.chance():
        net["default_fparam"] = draw.numbers.normal(size=N_FPARAM).tolist()
    if "numb_aparam" in net and draw.chance(0.3):
        net["use_aparam_as_mask"] = True
    if draw.chance(0.2):
        net["dim_case_embd"] = 1 + draw.below(3)
    if n > 1 and draw.chance(0.25):
        found["pair_exclude_types"] = draw.pairs(n)
    return found


def exported_model(draw: Draw) -> Script:
    """What the back end pt-expt takes of these."""
    found = torch_model(draw)
    for member in members(found["descriptor"]):
        member |= {"precision": "float64", "activation_function": member["activation_function"].lower()}
        if "tebd_dim" in member and isinstance(member["sel"], list):
            member["sel"] = sum(member["sel"])
    found["fitting_net"]["precision"] = "float64"
    for name in ("default_fparam", "use_aparam_as_mask", "dim_case_embd"):
        found["fitting_net"].pop(name, None)
    return found


def tensorflow_model(draw: Draw) -> Script:
    """TensorFlow's own options, or a linear model of some such."""
    if not draw.chance(0.2):
        return tensorflow_net(draw)
    parts = [tensorflow_net(draw)]
    while len(parts) < 3:
        another = tensorflow_net(draw)
        if another["type_map"] == parts[0]["type_map"]:
            parts.append(another)
    parts = parts[: 2 + draw.below(2)]
    for net in (part["fitting_net"] for part in parts):
        for name in ("numb_fparam", "numb_aparam"):
            net.pop(name, None)
    weights = draw.of("mean", "sum", [0.3, 1.7, -0.5][: len(parts)])
    return {"type": "linear_ener", "type_map": parts[0]["type_map"], "models": parts, "weights": weights}


def tensorflow_net(draw: Draw) -> Script:
    """A type embedding is one of the model."""
    embedded = draw.chance(0.25)
    kinds = (
        ("se_e2_a", "se_a_ebd_v2", "se_atten", "se_atten_v2", "hybrid") if embedded else ("se_e2_a", "se_e2_r", "se_e3", "hybrid")
    )
    found = model(draw, kinds, SMOOTH)
    if embedded:
        found["type_embedding"] = {
            "neuron": list(draw.of((2, 4), (8,), (3,), (1,), (4, 4))),
            "activation_function": draw.of(*SMOOTH),
            "resnet_dt": draw.chance(),
            "seed": 3,
            "use_econf_tebd": draw.chance(0.3),
            "use_tebd_bias": draw.chance(),
            "precision": draw.of("default", "float64"),
        }
    net = found["fitting_net"]
    if draw.chance(0.2):
        net["layer_name"] = [draw.of(f"own_{k}", f"of_type_{k}") for k in range(len(net["neuron"]) + 1)]
    if draw.chance(0.3):  # more of these can be compressed
        for member in members(found["descriptor"]):
            member |= {"neuron": list(draw.of(*DOUBLING)), "resnet_dt": False}
            if "axis_neuron" in member:
                member["axis_neuron"] = min(member["axis_neuron"], member["neuron"][-1])
            member["activation_function"] = draw.of("tanh", "gelu", "relu6", "softplus", "sigmoid")
    return found


def as_in_version_2(draw: Draw, script: Script) -> None:
    """TensorFlow's options of DeePMD-kit 2.2, in the place of the script's."""
    for part in script.get("models", [script]):
        for name in ("atom_exclude_types", "pair_exclude_types"):
            part.pop(name, None)
        sections = [part["fitting_net"], part.get("type_embedding", {}), *members(part["descriptor"])]
        for section in sections:
            if section.get("activation_function", "tanh").split(":")[0] in ("silu", "silut", "linear"):
                section["activation_function"] = draw.of("tanh", "gelu", "relu", "none", "softplus")
            for name in ("use_econf_tebd", "use_tebd_bias"):
                section.pop(name, None)
            stripped = section.pop("tebd_input_mode", None)
            if stripped is not None:
                section["stripped_type_embedding"] = stripped == "strip"


# Structures and results.


def structure(draw: Draw, n_types: int, n_atoms: int, periodic: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Positions (n, 3), types (n,) and a skewed cell (3, 3), angstrom. No two atoms are too close, nor is any to itself."""
    cell = np.diag([7.0] * 3) + np.tril(0.5 * draw.numbers.normal(size=(3, 3)), -1)
    images = np.array(list(np.ndindex(3, 3, 3))) - 1.0 if periodic else np.zeros((1, 3))
    found: list[np.ndarray] = []
    while len(found) < n_atoms:
        new = draw.numbers.random(3) @ cell
        if all(np.linalg.norm(new - old + images @ cell, axis=1).min() > NEAREST for old in found):
            found.append(new)
    return np.array(found), draw.numbers.integers(n_types, size=n_atoms), cell if periodic else None


def questions(draw: Draw, script: Script) -> dict[str, np.ndarray]:
    """Three structures, with what the fitting net wants of each."""
    net, n = script.get("fitting_net", {}), len(script["type_map"])
    asked: dict[str, np.ndarray] = {"type_map": np.array(script["type_map"])}
    if "numb_fparam" in net:
        asked["fparam"] = draw.numbers.normal(size=(1, N_FPARAM))
    for k, (n_atoms, periodic) in enumerate(((18, True), (14, False), (3, False))):
        positions, types, cell = structure(draw, n, n_atoms, periodic)
        asked |= {f"positions{k}": positions, f"types{k}": types} | ({} if cell is None else {f"cell{k}": cell})
        if "numb_aparam" in net:
            given = draw.numbers.normal(size=(1, n_atoms, N_APARAM))
            asked[f"aparam{k}"] = np.where(given > 0, 1.0, 0.0) if net.get("use_aparam_as_mask") else given
    return asked


def answer(file: Path, asked: dict[str, np.ndarray], beside: Path) -> None:
    """DeePMD-kit's energies (eV), forces (eV/A) and virials (eV) by a model file, in beside.npz."""
    from deepmd.infer import DeepPot

    potential = DeepPot(str(file))
    found = dict(asked)
    for k in range(3):
        given = {"fparam": asked.get("fparam"), "aparam": asked.get(f"aparam{k}")}
        cell = asked.get(f"cell{k}")
        energy, forces, virial, *_ = potential.eval(
            asked[f"positions{k}"].reshape(1, -1),
            None if cell is None else cell.reshape(1, -1),
            asked[f"types{k}"].tolist(),
            **{name: value.ravel() for name, value in given.items() if value is not None},
        )
        found |= {f"energy{k}": energy.ravel()[0], f"forces{k}": forces[0], f"virial{k}": virial.reshape(3, 3)}
    np.savez(beside.with_name(beside.name + ".npz"), **found)


# Training.


def training(draw: Draw, script: Script, folder: Path) -> Script:
    """A whole input script, with made-up data in the folder data."""
    data = folder / "data"
    types = np.arange(20) % len(script["type_map"])
    (data / "set.000").mkdir(parents=True)
    np.savetxt(data / "type.raw", types, fmt="%d")
    (data / "type_map.raw").write_text("\n".join(script["type_map"]) + "\n")
    frames = [structure(draw, 1, len(types), True) for _ in range(6)]
    arrays = {
        "coord": np.array([x.ravel() for x, _, _ in frames]),
        "box": np.array([cell.ravel() for _, _, cell in frames]),
        "energy": -3.0 * len(types) + draw.numbers.normal(size=6),
        "force": draw.numbers.normal(size=(6, 3 * len(types))),
        "fparam": draw.numbers.normal(size=(6, N_FPARAM)),
        "aparam": draw.numbers.normal(size=(6, N_APARAM * len(types))),
    }
    for name, array in arrays.items():
        np.save(data / "set.000" / f"{name}.npy", array)
    steps = draw.of(3, 8)
    return {
        "model": script,
        "learning_rate": {"type": "exp", "start_lr": 1e-2, "stop_lr": 1e-4, "decay_steps": 5},
        "loss": {"type": "ener", "start_pref_e": 1, "limit_pref_e": 1, "start_pref_f": 10, "limit_pref_f": 1},
        "training": {
            "training_data": {"systems": [str(data)], "batch_size": 2},
            "numb_steps": steps,
            "seed": 1,
            "disp_freq": 100,
            "save_freq": 100,
        },
    }


def scramble(draw: Draw, network: Any) -> None:
    """What a new model has of zeros and ones becomes random numbers, as a training would leave it."""
    import torch

    def normal(array: Any) -> Any:
        return torch.as_tensor(draw.numbers.normal(size=tuple(array.shape)), dtype=array.dtype)

    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith(".idt"):
                parameter.copy_(1 + 0.2 * normal(parameter))
        for part in network.modules():
            spread = getattr(part, "stddev", None)
            if isinstance(spread, torch.Tensor) and spread.ndim == 3:
                for t in range(len(spread)):
                    spread[t, :, 0] = draw.numbers.uniform(0.1, 0.4)
                    spread[t, :, 1:] = draw.numbers.uniform(0.05, 0.3)
                    if not getattr(part, "set_davg_zero", False):
                        part.mean[t, :, 0] = draw.numbers.uniform(0.0, 0.2)
            for names, middle, width in (
                (("bias_atom_e", "out_bias", "case_embd", "fparam_avg", "aparam_avg"), 0.0, 1.0),
                (("fparam_inv_std", "aparam_inv_std", "adam_degree_gain_raw"), 1.0, 0.5),
            ):
                for array in (getattr(part, name, None) for name in names):
                    if isinstance(array, torch.Tensor):
                        array.copy_(middle + width * normal(array))


# Makers of all files of a case, by back end.


def make_torch(draw: Draw, case: int, stem: Path) -> None:
    import torch
    from deepmd.dpmodel.utils.serialization import save_dp_model
    from deepmd.pt.model.model import get_model
    from deepmd.pt.train.wrapper import ModelWrapper
    from deepmd.utils.argcheck import normalize

    torch.set_num_threads(1)
    script = torch_model(draw)
    whole = {
        "model": script,
        "learning_rate": {"type": "exp", "start_lr": 1e-3, "stop_lr": 1e-6, "decay_steps": 10},
        "loss": {"type": "ener"},
        "training": {"training_data": {"systems": ["none"]}, "numb_steps": 1},
    }
    _write_script(stem, whole)
    section = normalize(copy.deepcopy(whole))["model"]
    network = get_model(copy.deepcopy(section))
    scramble(draw, network)
    network.min_nbor_dist = torch.tensor(NEAREST, dtype=torch.float64)
    network.eval()
    network.model_def_script = json.dumps(section)
    checkpoint = stem.with_name(f"{stem.name}.pt")
    torch.save({"model": ModelWrapper(network, model_params=section).state_dict(), "optimizer": {}}, checkpoint)
    answer(checkpoint, questions(draw, script), stem)
    tree = {"model": network.serialize(), "model_def_script": section, "backend": "PyTorch", "software": "deepmd-kit"}
    least = {"min_nbor_dist": np.array(NEAREST)}
    save_dp_model(f"{stem}{draw.of('.dp', '.yaml')}", tree | {"version": "3.2.0", "@variables": least})
    if case % 3 == 0:  # takes longer than all the rest
        torch.jit.save(torch.jit.script(network), f"{stem}.pth")


def make_exported(draw: Draw, case: int, stem: Path) -> None:
    from deepmd.pt_expt.entrypoints.main import main

    script = exported_model(draw)
    with tempfile.TemporaryDirectory() as scratch:
        _enter(scratch, training(draw, script, Path(scratch)), stem)
        main(["train", "input.json"])
        trained = Path("model.ckpt.pt").resolve()
        asked = questions(draw, script)
        answer(trained, asked, stem)
        if case % 4 == 0:
            main(["freeze", "-c", str(trained), "-o", f"{stem}.pte"])
        trained.rename(f"{stem}.pt")


def make_tensorflow(draw: Draw, case: int, stem: Path) -> None:
    import deepmd

    old = deepmd.__version__.startswith("2.")
    if old:
        from deepmd.entrypoints import compress, freeze
        from deepmd.entrypoints.train import train
        from deepmd.env import tf
    else:
        from deepmd.entrypoints.convert_backend import convert_backend
        from deepmd.tf.entrypoints import compress, freeze
        from deepmd.tf.entrypoints.train import train
        from deepmd.tf.env import tf

    script = tensorflow_model(draw)
    if old:
        as_in_version_2(draw, script)
    fresh = tf.reset_default_graph
    run = {"mpi_log": "master", "log_level": logging.ERROR, "log_path": None}
    with tempfile.TemporaryDirectory() as scratch:
        _enter(scratch, training(draw, script, Path(scratch)), stem)
        fresh()
        train(
            INPUT="input.json", init_model=None, restart=None, output="out.json", init_frz_model=None, finetune=None,
            is_compress=False, skip_neighbor_stat=False, use_pretrain_script=False, **run,
        )  # fmt: skip
        fresh()
        graph = Path(f"{stem}.pb")
        freeze(checkpoint_folder=scratch, output=str(graph))
        fresh()
        asked = questions(draw, script)
        answer(graph, asked, stem)

        def converted() -> None:
            convert_backend(INPUT=str(graph), OUTPUT="converted.dp")  # what an error leaves of it is no model
            shutil.copy("converted.dp", f"{stem}.dp")

        def compressed() -> None:
            compress(
                input=str(graph), output="compressed.pb", extrapolate=5, step=draw.of(0.01, 0.01, 0.05), frequency=-1,
                checkpoint_folder="model-compression", training_script="input.json", **run,
            )  # fmt: skip
            fresh()
            smaller = stem.with_name(f"{stem.name}-compressed")
            shutil.copy("compressed.pb", f"{smaller}.pb")
            answer(Path("compressed.pb"), asked, smaller)

        for also in (compressed,) if old else (converted, compressed):
            fresh()
            _or_say_why(f"{case}, {also.__name__}", also)


def _write_script(stem: Path, script: Script) -> None:
    stem.with_name(f"{stem.name}.json").write_text(json.dumps(script, indent=1))


def _enter(folder: str, script: Script, stem: Path) -> None:
    os.chdir(folder)
    Path("input.json").write_text(json.dumps(script))
    _write_script(stem, script)


def _or_say_why(what: str, do: Callable[[], None]) -> None:
    """DeePMD-kit raises errors of all kinds at options that it does not take."""
    try:
        do()
        print(what, "made", flush=True)
    except Exception as error:
        print(what, "DeePMD-kit:", type(error).__name__, " ".join(str(error).split())[:200], flush=True)


MAKERS = {"pytorch": make_torch, "pt-expt": make_exported, "tensorflow": make_tensorflow}


def main(backend: str, seed: int, first: int, count: int, folder: Path) -> None:
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    folder = folder.resolve()
    for case in range(first, first + count):
        _or_say_why(str(case), lambda case=case: MAKERS[backend](Draw(seed, case), case, folder / str(case)))
        os.chdir(folder)


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:5]), Path(sys.argv[5]))
