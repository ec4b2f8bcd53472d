# SPDX-License-Identifier: MIT
"""Jumps of a model's energy at the cut-off, which a build warns of; the judge is the NumPy oracle on two atoms."""

import itertools

import numpy as np
import pytest
from kind_models import DATA, KINDS, Makers

from pybuild.cli import main
from pybuild.compress import continuity
from pybuild.compress.truncation import exact_fittings
from pybuild.model.combined import CombinedModel
from pybuild.oracles import reference
from pybuild.readers import read_model

JUMPING = ["options/radial_exclude.pth", "tensorflow/se_a_tebd_v2.pb"]


def jumps(model):
    """By rcut and pair of types, eV."""
    found = {}
    for rcut, (a, b) in itertools.product(
        {d.rcut for d in model.descriptors}, itertools.combinations_with_replacement(range(model.n_types), 2)
    ):
        within, beyond = (
            reference.evaluate(model, [[0, 0, 0], [rcut + side, 0, 0]], [a, b]).energy for side in (-1e-7, 1e-7)
        )
        found[rcut, a, b] = beyond - within
    return found


@pytest.mark.parametrize("file", JUMPING)
def test_the_largest_jump_is_that_of_two_atoms(file):
    model = read_model(DATA / file)
    found = continuity.largest_jump(model, exact_fittings(model))
    expected = jumps(model)
    where = max(expected, key=lambda key: abs(expected[key]))
    assert abs(expected[where]) > 1e-4
    assert (found.rcut, *found.types) == where
    assert found.energy == pytest.approx(expected[where], rel=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_smooth_models_have_none(kind, make_model, make_hybrid, tmp_path):
    made = KINDS[kind](Makers(make_model, make_hybrid, tmp_path))
    for model in made.networks if isinstance(made, CombinedModel) else (made,):
        assert continuity.largest_jump(model, exact_fittings(model)) is None


def test_of_many_types_each_with_itself_and_the_next(make_model, monkeypatch):
    monkeypatch.setattr(continuity, "MOST_TYPES", 2)
    model = read_model(DATA / JUMPING[0])
    assert model.n_types == 3
    assert continuity.largest_jump(model, exact_fittings(model)).energy == pytest.approx(
        max((e for (_, a, b), e in jumps(model).items() if b - a < 2), key=np.abs), rel=1e-6
    )


@pytest.mark.parametrize("file", [*JUMPING, "options/atom_exclude.pth"])
def test_the_build_warns(file, tmp_path, capsys):
    assert main([str(DATA / file), str(tmp_path / "t.bin"), "--min-nbor-dist", "1"]) == 0
    assert ("the model's own energy jumps where a neighbour crosses the cut-off" in capsys.readouterr().out) == (file in JUMPING)
