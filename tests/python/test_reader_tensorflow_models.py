# SPDX-License-Identifier: MIT
"""Trained TensorFlow models of every version, most of them published by others: read, and right against DeePMD-kit. Their
tables: tests/lammps/test_published.py."""

import pytest
import tensorflow_models as models

from pybuild.errors import UnsupportedModel
from pybuild.readers import read_model


@pytest.fixture(scope="module")
def folder(shared):
    for name in ("models-tf", "models-public"):
        if not (shared / name).is_dir():
            pytest.skip(f"no shared models in {shared / name}")
    return shared


@pytest.mark.parametrize("known", models.READ, ids=lambda known: known.path)
def test_the_reference(folder, known):
    found = models.oracle_errors(folder, known, known.read(folder))
    assert (found < known.limits).all(), found


@pytest.mark.parametrize("path", models.REFUSED)
def test_refused_by_name(folder, path):
    with pytest.raises(UnsupportedModel, match=models.REFUSED[path]):
        read_model(folder / path)


@pytest.mark.parametrize("name", ["dk-deeppot/deeppot", "dk-pt-se_e2_a/se_e2_a"])
def test_both_forms(folder, name):
    binary, text = (read_model(folder / "models-public" / f"{name}{ending}") for ending in (".pb", ".pbtxt"))
    nets = ((*model.descriptors[0].nets, *model.fitting.nets) for model in (binary, text))
    for a, b in zip(*nets, strict=True):
        assert all((x.weight == y.weight).all() for x, y in zip(a.layers, b.layers, strict=True))
