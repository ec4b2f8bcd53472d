#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Make the models and reference numbers of this folder: se_e3_tebd, and hybrids of descriptors whose slots are for neighbours of
any type with each other and with those that have slots for each type.

    python make_mixed_types.py          # in an environment with deepmd-kit[torch]==3.2.0; writes *.pth and *.npz here

As ../dpa1/make_dpa1.py.
"""

import sys
from pathlib import Path

import torch

HERE = Path(__file__).parent
sys.path += [str(HERE.parent / name) for name in ("options", "neighbour_rules", "dpa1")]

from make_dpa1 import BOTH, CONCAT, ONE, SMOOTH, write  # noqa: E402
from make_dpa1 import DESCRIPTOR as DPA1  # noqa: E402
from make_hybrids import config, randomise  # noqa: E402
from make_options import DESCRIPTOR, RADIAL  # noqa: E402

THREE = {"type": "se_e3_tebd", "rcut": 3.0, "rcut_smth": 0.8, "sel": 20, "neuron": [4, 8], "tebd_dim": 3, "seed": 1}
STRIP = {"tebd_input_mode": "strip"}
SHORT = {"rcut": 3.0, "rcut_smth": 0.5}
EQUAL = {"type": "se_e3", "rcut": 3.2, "rcut_smth": 1.0, "sel": [14, 14, 14], "neuron": [3, 6], "seed": 1}
MODELS = {
    "concat": config(
        THREE
        | {"tebd_input_mode": "concat", "sel": 8, "exclude_types": [[0, 2], [1, 1]], "env_protection": 0.05, "neuron": [3, 6, 6]}
        | {"resnet_dt": True, "use_tebd_bias": True}
    ),
    "strip": config(THREE | STRIP | {"smooth": False, "concat_output_tebd": False, "exclude_types": [[0, 1]]}),
    # The first layer has a skip connection around the sums and the types.
    "smooth": config(THREE | STRIP | {"rcut_smth": 2.0, "tebd_dim": 2, "sel": 9}, neuron=[10, 10])
    | {"pair_exclude_types": [[1, 2]]},
    "smooth_exclude": config(THREE | STRIP | {"exclude_types": [[2, 2]], "env_protection": 0.05}),
    "hybrid_a": config(DPA1 | SMOOTH | BOTH | SHORT, DESCRIPTOR),
    "hybrid_concat": config(RADIAL | SHORT, DPA1 | CONCAT | ONE | {"exclude_types": [[0, 1]]}),
    "hybrid_three_bodies": config(EQUAL, THREE | STRIP | SHORT),
    # More neighbours than slots: of one list of all, and of each member.
    "hybrid_tight": config(DPA1 | SMOOTH | BOTH | SHORT | {"sel": 7}, DESCRIPTOR | {"sel": [7, 5, 4]})
    | {"pair_exclude_types": [[0, 1]]},
    "hybrid_all_tight": config(DPA1 | SMOOTH | BOTH | {"sel": 12}, THREE | STRIP | SHORT | {"sel": 8}),
    "hybrid_few": config(DPA1 | SMOOTH | ONE | {"sel": 10}, DESCRIPTOR | SHORT | {"sel": [3, 2, 3]}),
}


def main():
    torch.set_num_threads(1)
    for seed, (name, script) in enumerate(MODELS.items()):
        members = script["descriptor"]["list"]
        script = script | ({"descriptor": members[0]} if len(members) == 1 else {})
        write(HERE, name, script, lambda model, seed=seed: randomise(model, seed))


if __name__ == "__main__":
    sys.exit(main())
