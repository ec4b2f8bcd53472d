# SPDX-License-Identifier: MIT
"""A small model of every kind that can be compressed, as smooth functions: what a test of all kinds goes through.

Weights are random. Where a trained model jumps at the cut-off, by the nearest of too many neighbours, excluded ones that fill
slots, or empty slots that are other than neighbours far away, the one here keeps all, excludes none, or has no mean.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import combined_models
import numpy as np
from pwmlff_files import Archive, checkpoint_root, random_pwmlff

from pybuild.model.combined import AnyModel
from pybuild.model.description import ModelDescription, Parameters
from pybuild.model.net import Layer, Net, Skip
from pybuild.readers import read_model
from pybuild.readers.pwmlff.elements import DEFAULT_PROPERTIES, property_vectors

DATA = Path(__file__).resolve().parents[1] / "data"
FPARAM = np.array([0.9, 305.0])
PARAMETERS = Parameters([0.5, 300.0], [2.0, 0.1], [-0.2], [0.7], [1.0, 0.0, -1.0], default_fparam=[0.4, 310.0])


@dataclasses.dataclass(frozen=True)
class Makers:
    """Of random models: the fixtures make_model and make_hybrid; folder: for files."""

    model: Callable[..., ModelDescription]
    hybrid: Callable[..., ModelDescription]
    folder: Path


def with_parameters(model: ModelDescription, parameters: Parameters, seed: int = 0) -> ModelDescription:
    """The model with nets that take parameters, too."""
    rng, n = np.random.default_rng(seed), parameters.n_inputs
    nets = []
    for net in model.fitting.nets:
        first = net.layers[0]
        weight = np.vstack([first.weight, rng.normal(size=(n, first.weight.shape[1]))])
        nets.append(Net((Layer(weight, first.bias, first.idt, first.activation, Skip.NONE), *net.layers[1:])))
    fitting = dataclasses.replace(model.fitting, nets=tuple(nets), parameters=parameters)
    return dataclasses.replace(model, fitting=fitting)


def smooth(model: ModelDescription, keep_mean: bool = True) -> ModelDescription:
    """Without jumps. keep_mean: empty slots are as neighbours at the cut-off are, whatever the mean."""
    descriptors = []
    for d in model.descriptors:
        changes: dict[str, Any] = {"excluded": frozenset()}
        if not keep_mean:
            changes["mean"] = np.zeros_like(d.mean)
            changes |= {"padding": np.zeros_like(d.padding)} if getattr(d, "padding", None) is not None else {}
        descriptors.append(dataclasses.replace(d, **changes))
    made = dataclasses.replace(model, descriptors=tuple(descriptors), neighbour_rule="all", pair_excluded=frozenset())
    made.validate()
    return made


def file(name: str, keep_mean: bool = True, **options: Any) -> Callable[[Makers], AnyModel]:
    """A model of DeePMD-kit's, of tests/data."""
    return lambda make: smooth(read_model(DATA / name, **options), keep_mean)


def pwmlff(make: Makers) -> AnyModel:
    numbers = (8, 1)
    typed = {"vectors": property_vectors(numbers, DEFAULT_PROPERTIES), "properties": DEFAULT_PROPERTIES}
    archive = Archive("<f8", True)
    path = archive.write(make.folder / "pwmlff.ckpt", checkpoint_root(random_pwmlff(3, numbers, **typed), archive))
    return read_model(path)


ANGULAR, RADIAL, THREE = {"widths": (1, 6, 12)}, {"kind": "se_e2_r", "widths": (1, 4, 8)}, {"kind": "se_e3", "widths": (1, 4, 8)}
SHORT = {"rcut": 3.0, "rcut_smth": 1.0}
KINDS: dict[str, Callable[[Makers], AnyModel]] = {
    "se_e2_a": lambda make: make.model(0, **ANGULAR),
    "se_e2_a two-sided": lambda make: make.model(1, type_one_side=False, activation="gelu", env_protection=0.1),
    "se_e2_r": lambda make: make.model(2, **RADIAL),
    "se_e3": lambda make: make.model(9, **THREE),
    "se_e3_tebd strip smooth": file("mixed_types/smooth.pth"),
    "se_e3_tebd strip": file("mixed_types/strip.pth"),
    "se_e3_tebd concat": file("mixed_types/concat.pth"),
    "dpa1 strip smooth": file("dpa1/smooth.pth"),
    "dpa1 strip": file("dpa1/strip.pth", keep_mean=False, padding_type="A"),
    "dpa1 concat": file("dpa1/concat.pth", keep_mean=False, padding_type="A"),
    "se_atten_v2 TensorFlow": file("tensorflow/se_atten_v2.pb", keep_mean=False),
    "se_e2_a type embedding TensorFlow": file("tensorflow/se_a_tebd-concat.pb"),
    "se_a_tebd_v2 TensorFlow": file("tensorflow/se_a_tebd_v2.pb", keep_mean=False),
    "hybrid": lambda make: make.hybrid(2, members=[dict(ANGULAR), RADIAL | SHORT, THREE | SHORT]),
    "hybrid of shared slots": file("mixed_types/hybrid_three_bodies.pth"),
    "parameters": lambda make: with_parameters(make.model(3, **ANGULAR), PARAMETERS),
    "PWMLFF type embedding": pwmlff,
    "linear": lambda make: combined_models.combined([make.model(0), make.model(1, **RADIAL, **SHORT)]),
    "pair table": lambda make: combined_models.combined([combined_models.pair_table(3)]),
    "zbl": lambda make: combined_models.switched(make.model(0), combined_models.pair_table(1)),
    "zbl with parameters": lambda make: combined_models.switched(
        with_parameters(make.model(3), PARAMETERS), combined_models.pair_table(1)
    ),
}
