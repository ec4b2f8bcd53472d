# SPDX-License-Identifier: MIT
"""Makes the checkpoints of this folder that DeePMD-kit's training writes itself, of a few steps on random numbers, and what
DeePMD-kit computes with them.

    python make_trained.py DP      DP: DeePMD-kit's command `dp` (3.2, PyTorch)

ema.pt: with the running mean of the weights beside the weights; ema_mean.pt: the checkpoint of that mean; finetuned.pt: trained
further from ema.pt, with the script of a pre-trained model. Results (ATOMS of make_options) are those of `dp test`'s evaluator on
the frozen models, which are not kept.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
RUN = """
import sys, numpy as np
from deepmd.infer import DeepPot
data = np.load(sys.argv[2])
e, f, v, ae, _ = DeepPot(sys.argv[1]).eval(data["x"][None], data["cell"][None], data["types"], atomic=True)
np.savez_compressed(sys.argv[3], positions=data["x"], cell=data["cell"], types=data["types"], energy=e[0, 0], forces=f[0],
                    virial=v[0].reshape(3, 3), atom_energy=ae[0, :, 0])
"""


def training_data(folder: Path) -> Path:
    """Three frames of six atoms with random energies and forces."""
    rng = np.random.default_rng(5)
    (folder / "set.000").mkdir(parents=True)
    (folder / "type.raw").write_text("0 1 1 0 1 1\n")
    (folder / "type_map.raw").write_text("O H\n")
    np.save(folder / "set.000" / "coord.npy", (rng.uniform(0, 4, (3, 6, 3)) + 4.0 * np.arange(6)[:, None] / 6).reshape(3, -1))
    np.save(folder / "set.000" / "box.npy", np.tile(np.diag([5.0, 6.0, 7.0]).reshape(-1), (3, 1)))
    np.save(folder / "set.000" / "energy.npy", rng.normal(0, 1, 3))
    np.save(folder / "set.000" / "force.npy", rng.normal(0, 1, (3, 18)))
    return folder


def script(data: Path, seed: int) -> dict:
    descriptor = {"type": "se_e2_a", "rcut": 4.0, "rcut_smth": 1.0, "sel": [6, 8], "neuron": [2, 4], "axis_neuron": 2}
    fitting = {"neuron": [4, 4], "seed": 3}
    return {
        "model": {"type_map": ["O", "H"], "descriptor": descriptor | {"seed": seed}, "fitting_net": fitting},
        "learning_rate": {"type": "exp", "start_lr": 0.01, "stop_lr": 0.001, "decay_steps": 2},
        "loss": {"type": "ener"},
        "training": {
            "training_data": {"systems": [str(data)], "batch_size": 1},
            "numb_steps": 6, "seed": seed, "disp_freq": 3, "save_freq": 100, "enable_ema": True, "ema_decay": 0.5,
        },
    }  # fmt: skip


def main() -> None:
    dp = sys.argv[1]
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        data = training_data(base / "data")

        def run(*words: str, where: Path) -> None:
            subprocess.run([dp, "--pt", *words], cwd=where, check=True)

        for name, more in (("first", ()), ("second", ("--finetune", str(base / "first" / "model.ckpt-6.pt")))):
            where = base / name
            where.mkdir()
            (where / "input.json").write_text(json.dumps(script(data, len(name))))
            run("train", "input.json", *more, where=where)
        kept = {"ema": "first/model.ckpt-6.pt", "ema_mean": "first/model_ema.ckpt-6.pt", "finetuned": "second/model.ckpt-6.pt"}
        rng = np.random.default_rng(9)
        np.savez(base / "atoms.npz", x=rng.uniform(0, 5, (9, 3)), cell=np.diag([6.0, 6.0, 7.0]), types=np.arange(9) % 3 // 2)
        for name, made in kept.items():
            shutil.copy(base / made, HERE / f"{name}.pt")
            run("freeze", "-c", str(base / made), "-o", f"{name}.pth", where=base)
            python = Path(dp).with_name("python")
            words = [python, "-c", RUN, base / f"{name}.pth", base / "atoms.npz", HERE / f"{name}.npz"]
            subprocess.run([str(word) for word in words], check=True)


if __name__ == "__main__":
    main()
