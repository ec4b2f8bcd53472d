# SPDX-License-Identifier: MIT
"""Trained models of TensorFlow, most of them published by others, and published ones of PyTorch and of trees, in LAMMPS: every
frame that there are DeePMD-kit's results of, those with more neighbours than sel among them.

A part of them runs; DPC_EVERY_MODEL=1: all. Larger ones take minutes: docs/tensorflow.md has what tensorflow_models.py found
of them.
"""

from __future__ import annotations

import os
from pathlib import Path

import model_files
import numpy as np
import pytest
import tensorflow_models as models
from lammps_runs import Lammps
from model_runs import through_lammps
from tensorflow_models import Known

OTHERS = [
    Known("models-public/dk-deeppot_sea/deeppot_sea-2024-02.pth"),
    Known("models-public/dk-deeppot_sea/deeppot_sea.pth"),
    Known("models-public/dk-deeppot_sea/deeppot_sea.yaml"),
    Known("models-public/dk-source-frozen/frozen_model.pth"),
    Known("models-public/dk-pt-dp-original/dp-original.pth"),
    Known("models-public/dk-deeppot-dp/deeppot.dp"),
]
FILES = [*(known for known in models.READ if known.small and known.evaluated), *OTHERS]
STEP = 1 if os.environ.get("DPC_EVERY_MODEL") == "1" else 4


@pytest.mark.parametrize("known", FILES[::STEP], ids=lambda known: known.path)
def test_every_frame(lammps: Lammps, shared: Path, known: Known) -> None:
    path = shared / known.path
    if not path.exists():
        pytest.skip(f"no shared model {path}")
    model, tables = known.read(shared), lammps.folder / "tables.bin"
    models.make_tables(shared, known, model, tables)
    frames = model_files.frames(path.parent / "reference.npz", model.type_map)
    results = through_lammps(lammps, tables, model, frames, 1)
    found = [model_files.differences(got, frame) for got, frame in zip(results, frames, strict=True)]
    assert (np.max(found, axis=0) < known.limits).all(), found
