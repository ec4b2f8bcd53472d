# SPDX-License-Identifier: MIT
"""Makes v2.2-layer_name.pb with DeePMD-kit 2.2: a graph of two branches whose fitting nets share layers that have names, one of
them with the energies of isolated atoms (atom_ener); and what DeePMD-kit says of each branch.

    python make_united.py DP       DP: the program dp of 2.2.11; run with the Python that has it
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from make_trained import ANGULAR, HERE, answers, write_data

NAME = "v2.2-layer_name"
NET = {"neuron": [8, 8], "resnet_dt": False}
BRANCHES = {
    "one": NET | {"layer_name": ["first", "second", "third"], "seed": 2, "atom_ener": [-1.0, None]},
    "two": NET | {"layer_name": ["first", "second", "fourth"], "seed": 7},
}


def main():
    script = {
        "model": {"type_map": ["A", "B"], "descriptor": ANGULAR, "fitting_net_dict": BRANCHES},
        "learning_rate": {"type": "exp", "start_lr": 1e-3, "stop_lr": 1e-8, "decay_steps": 100},
        "loss_dict": {name: {"type": "ener"} for name in BRANCHES},
        "training": {
            "data_dict": {name: {"training_data": {"systems": ["data"], "batch_size": 1}} for name in BRANCHES},
            "fitting_weight": dict.fromkeys(BRANCHES, 0.5),
            "numb_steps": 4,
            "seed": 1,
        },
    }
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        write_data(folder / "data")
        (folder / "input.json").write_text(json.dumps(script))
        for words in ("train --skip-neighbor-stat input.json", "freeze -o m.pb", "freeze --united-model -o u.pb"):
            subprocess.run([sys.argv[1], *words.split()], cwd=folder, check=True)
        (HERE / f"{NAME}.pb").write_bytes((folder / "u.pb").read_bytes())
        for branch in BRANCHES:
            np.savez_compressed(HERE / f"{NAME}-{branch}.npz", **answers(folder / f"m_{branch}.pb"))


if __name__ == "__main__":
    main()
