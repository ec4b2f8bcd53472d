# SPDX-License-Identifier: MIT
"""The neighbour search against a comparison of all atoms with all images."""

import itertools

import numpy as np
import pytest

from pybuild.errors import InputError
from pybuild.structures import neighbours
from pybuild.structures.neighbours import cell_heights, neighbour_pairs

TRICLINIC = np.array([[7.0, 0.0, 0.0], [2.0, 6.0, 0.0], [1.0, -1.0, 5.0]])


@pytest.fixture(params=["all", "cells"])
def _search(request, monkeypatch):
    """Of few atoms all points are looked at, of many those in the cells around."""
    if request.param == "cells":
        monkeypatch.setattr(neighbours, "FEW_CANDIDATES", 0)


def all_pairs(positions, cell, cutoff):
    """(i, j, d) rows by brute force over images -4 .. 4."""
    rows = []
    shifts = itertools.product(range(-4, 5), repeat=3) if cell is not None else [(0, 0, 0)]
    for shift in shifts:
        moved = positions + (np.array(shift) @ cell if cell is not None else 0.0)
        d = moved[None] - positions[:, None]
        near = np.linalg.norm(d, axis=2) <= cutoff
        if shift == (0, 0, 0):
            np.fill_diagonal(near, False)
        rows += [(i, j, *d[i, j]) for i, j in np.argwhere(near)]
    return np.array(sorted(rows))


@pytest.mark.usefixtures("_search")
@pytest.mark.parametrize("cutoff", [1.5, 4.0, 9.3])  # smaller and larger than the cell
@pytest.mark.parametrize("cell", [None, TRICLINIC, np.diag([6.0, 30.0, 5.0])])
def test_against_brute_force(cell, cutoff):
    box = TRICLINIC if cell is None else cell
    positions = (np.random.default_rng(4).uniform(-1, 2, (15, 3))) @ box  # atoms outside the cell, too
    i, j, d = neighbour_pairs(positions, cell, cutoff)
    expected = (
        all_pairs(positions - np.floor(np.linalg.solve(box.T, positions.T).T) @ box, cell, cutoff)
        if cell is not None
        else (all_pairs(positions, cell, cutoff))
    )
    got = np.array(sorted(zip(i, j, *d.T, strict=True)))
    assert len(got) == len(expected)
    if len(got):
        np.testing.assert_array_equal(got[:, :2], expected[:, :2])
        np.testing.assert_allclose(np.sort(np.linalg.norm(got[:, 2:], axis=1)), np.sort(np.linalg.norm(expected[:, 2:], axis=1)))
        np.testing.assert_allclose(got[:, 2:].sum(axis=0), expected[:, 2:].sum(axis=0), atol=1e-9)
    assert np.all(np.diff(i) >= 0)


@pytest.mark.usefixtures("_search")
def test_an_atom_sees_its_own_images():
    i, j, d = neighbour_pairs(np.zeros((1, 3)), np.eye(3) * 2.0, 2.0)
    assert len(i) == 6
    assert not i.any()
    assert not j.any()
    np.testing.assert_allclose(np.linalg.norm(d, axis=1), 2.0)


@pytest.mark.usefixtures("_search")
def test_only_some_centres():
    positions = np.random.default_rng(4).uniform(0, 1, (15, 3)) @ TRICLINIC
    i, j, d = neighbour_pairs(positions, TRICLINIC, 4.0)
    chosen = np.array([2, 7, 11])
    i2, j2, d2 = neighbour_pairs(positions, TRICLINIC, 4.0, chosen)
    mine = np.isin(i, chosen)
    np.testing.assert_array_equal(i2, i[mine])
    np.testing.assert_array_equal(j2, j[mine])
    np.testing.assert_array_equal(d2, d[mine])


def test_atoms_far_apart_and_no_atoms():
    positions = np.array([[0.0, 0.0, 0.0], [1e7, 0.0, 0.0], [1e7 + 1.0, 0.0, 0.0]])
    i, j, _ = neighbour_pairs(positions, None, 2.0)
    np.testing.assert_array_equal([i, j], [[1, 2], [2, 1]])
    assert len(neighbour_pairs(np.empty((0, 3)), None, 2.0)[0]) == 0


def test_bad_input():
    with pytest.raises(InputError, match="not finite"):
        neighbour_pairs(np.array([[np.nan, 0, 0]]), None, 2.0)
    with pytest.raises(InputError, match="no volume"):
        cell_heights(np.zeros((3, 3)))
    with pytest.raises(InputError, match="no volume"):
        neighbour_pairs(np.zeros((1, 3)), np.diag([np.nan, 5.0, 5.0]), 2.0)
