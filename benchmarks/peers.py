# SPDX-License-Identifier: MIT
"""DeePMD-kit as a peer: makes its plain and compressed models and checks that the two agree before either is timed.

A peer is a virtual environment of its own with `deepmd-kit[torch,lmp]` or `deepmd-kit[cpu,lmp]`; nothing of it is
imported here. The PyTorch peer compresses the project's full-size models. The TensorFlow peer trains the same input.json
for a few steps itself, since its speed does not depend on the weights and a converted .pb cannot be compressed properly;
it also has a float32 variant. Models are kept in a cache folder and made again only where they are missing.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
from lammps_run import RunError, System, Variant, forces, thread_environment, venv_program
from machine import package_versions

TRAINING_STEPS = 20
TRAINING_SYSTEMS = {"water-full": "water/data_*", "cu-full": "cu", "alloy5-full": "cu"}
# Compressed against plain, eV/A. Float64 tables agree to 1e-11 where they are right; float32 ones, which the peer also
# builds in float32, to 1e-4. A table that is wrong is off by more than 1e-2.
AGREEMENT = {"double": 1e-6, "float32": 2e-3}


class PeerError(Exception):
    """A peer cannot be timed; the message says why."""


def dp(venv: Path, *arguments: str, folder: Path) -> None:
    """Run the peer's `dp`; PeerError with the end of its output where it fails."""
    environment = {**os.environ, **venv_program(venv).environment, **thread_environment(1)}
    command = [str(venv / "bin" / "dp"), *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-10:])
        raise PeerError(f"dp {' '.join(arguments)} failed:\n{tail}")


def torch_models(venv: Path, system: System, shared: Path, cache: Path) -> list[Variant]:
    """Plain and compressed model of the PyTorch back end, in this order."""
    program = venv_program(venv)
    plain, compressed = (cache / f"{system.model}-{kind}.pth" for kind in ("plain", "compressed"))
    if not plain.exists():
        cache.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(shared / "models" / system.model / "model.pth", plain)
    if not compressed.exists():
        dp(venv, "--pt", "compress", "-i", plain.name, "-o", compressed.name, folder=cache)
    return [
        Variant("PyTorch", "double", f"deepmd {plain}", program),
        Variant("PyTorch compressed", "double", f"deepmd {compressed}", program),
    ]


def tensorflow_input(system: System, precision: str, shared: Path) -> dict:
    """The model's own input.json, for a few steps and in the precision asked for."""
    document = json.loads((shared / "models" / system.model / "input.json").read_text())
    document.pop("_comment", None)
    for section in ("descriptor", "fitting_net"):
        document["model"][section]["precision"] = "float64" if precision == "double" else precision
    systems = sorted(str(path) for path in (shared / "data").glob(TRAINING_SYSTEMS[system.model]))
    if not systems:
        raise PeerError(f"the TensorFlow peer trains its own model and found no data below {shared / 'data'}")
    document["training"]["training_data"]["systems"] = systems
    document["training"].update(numb_steps=TRAINING_STEPS, disp_freq=TRAINING_STEPS)
    document["learning_rate"]["decay_steps"] = TRAINING_STEPS // 4
    return document


def tensorflow_models(venv: Path, system: System, shared: Path, cache: Path) -> list[Variant]:
    """Plain and compressed models of the TensorFlow back end, in double, then in float32."""
    program = venv_program(venv)
    models = []
    for precision in ("double", "float32"):
        stem = f"{system.model}-{precision}"
        plain, compressed = (cache / f"{stem}-{kind}.pb" for kind in ("plain", "compressed"))
        if not (plain.exists() and compressed.exists()):
            folder = cache / f"{stem}-training"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "input.json").write_text(json.dumps(tensorflow_input(system, precision, shared), indent=1))
            dp(venv, "--tf", "train", "input.json", folder=folder)
            dp(venv, "--tf", "freeze", "-o", str(plain), folder=folder)
            dp(venv, "--tf", "compress", "-i", str(plain), "-o", str(compressed), "-t", "input.json", folder=folder)
        suffix = "" if precision == "double" else " float32"
        models.append(Variant("TensorFlow" + suffix, precision, f"deepmd {plain}", program))
        models.append(Variant(f"TensorFlow{suffix} compressed", precision, f"deepmd {compressed}", program))
    return models


def check_agreement(plain: Variant, compressed: Variant, system: System, folder: Path) -> float:
    """Largest force difference (eV/A) of a compressed model to its plain one; PeerError where it is too large."""
    try:
        pair = [forces(model.program, system, model.style, folder) for model in (plain, compressed)]
    except RunError as error:
        raise PeerError(str(error)) from error
    difference = float(np.abs(pair[0] - pair[1]).max())
    if not difference <= AGREEMENT[plain.precision]:
        raise PeerError(
            f"{compressed.label}: forces differ by {difference:.1e} eV/A from its own plain model, "
            f"allowed {AGREEMENT[plain.precision]:.0e}"
        )
    return difference


MAKERS = {
    "torch": (torch_models, ("deepmd-kit", "torch", "lammps")),
    "tf": (tensorflow_models, ("deepmd-kit", "tensorflow-cpu", "tensorflow", "lammps")),
}


def installed_peer(
    kind: str, venv: Path, system: System, shared: Path, cache: Path, scratch: Path
) -> tuple[list[Variant], dict]:
    """All models of one peer that may be timed on `system`, and what to record about them."""
    maker, packages = MAKERS[kind]
    if not (venv / "bin" / "lmp").exists():
        raise PeerError(f"{venv} has no bin/lmp: make it with pip install 'deepmd-kit[…,lmp]' (benchmarks/README.md)")
    models = maker(venv, system, shared, cache / kind)
    differences = {
        compressed.label: check_agreement(plain, compressed, system, scratch)
        for plain, compressed in zip(models[::2], models[1::2], strict=True)
    }
    return models, {"versions": package_versions(venv, packages), "compressed_against_plain_eV_per_A": differences}
