# SPDX-License-Identifier: MIT
"""Trained models of TensorFlow, most of them published by others, and published ones of PyTorch and of trees, in LAMMPS: every
frame that there are DeePMD-kit's results of, those with more neighbours than sel among them. Larger models take minutes:
docs/tensorflow.md has what tensorflow_models.py found of them."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest
import tensorflow_models as models
from lammps_runs import Array, Lammps, System, evaluate_frames
from tensorflow_models import Known

OTHERS = [
    Known("models-public/dk-deeppot_sea/deeppot_sea-2024-02.pth"),
    Known("models-public/dk-deeppot_sea/deeppot_sea.pth"),
    Known("models-public/dk-deeppot_sea/deeppot_sea.yaml"),
    Known("models-public/dk-source-frozen/frozen_model.pth"),
    Known("models-public/dk-pt-dp-original/dp-original.pth"),
    Known("models-public/dk-deeppot-dp/deeppot.dp"),
]


class Totals(NamedTuple):
    """Of a frame: eV, eV/A, eV."""

    energy: float
    forces: Array
    virial: Array


FILES = [*(known for known in models.READ if known.small and known.evaluated), *OTHERS]


@pytest.mark.parametrize("known", FILES, ids=lambda known: known.path)
def test_every_frame(lammps: Lammps, shared: Path, known: Known) -> None:
    if not (shared / known.path).exists():
        pytest.skip(f"no shared model {shared / known.path}")
    model, tables = known.read(shared), lammps.folder / "tables.bin"
    models.make_tables(shared, known, model, tables)
    systems = [System(model.type_map, types + 1, positions, cell) for positions, types, cell, *_ in models.frames(shared, known)]
    found = models.errors((Totals(*numbers) for numbers in evaluate_frames(lammps, systems, tables)), shared, known)
    assert (found < known.limits).all(), found
