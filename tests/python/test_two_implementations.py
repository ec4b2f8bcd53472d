# SPDX-License-Identifier: MIT
"""The compressor's physics and the oracle's, which share no code: the same numbers on random models and structures."""

import dataclasses

import numpy as np
import pytest

from pybuild.compress.environment import Neighbourhoods, find_pairs
from pybuild.compress.truncation import evaluate_exactly
from pybuild.oracles import reference
from pybuild.structures.structure import Structure

SAME = 1e-12  # the same sums in another order, relative to the largest number
BOTH = frozenset({(0, 1), (1, 0)})


def exactly(model, structure):
    positions, types, cell = structure
    return evaluate_exactly(model, Neighbourhoods.of(model, Structure(positions, types, cell), np.arange(len(types))))


def assert_same(got, expected):
    scale = 1.0 + np.abs(expected.forces).max()
    assert got.energy == pytest.approx(np.array([expected.energy]), rel=SAME, abs=SAME)
    np.testing.assert_allclose(got.forces, expected.forces, rtol=0, atol=SAME * scale)
    np.testing.assert_allclose(got.virial, expected.virial[None], rtol=0, atol=SAME * (scale + np.abs(expected.virial).max()))


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("kind", ["se_e2_a", "se_e2_r"])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"type_one_side": False, "env_protection": 0.3},
        {"activation": "silut:0.4", "fitting_activation": "gelu", "sel": (3, 4)},  # more neighbours than sel
        {"excluded": BOTH},
        {"excluded": BOTH, "exclusion": "section", "type_one_side": False},
        {"excluded": BOTH, "exclusion": "absent", "net_of": [[0, -1], [-1, 3]], "type_one_side": False},
        {"fitting_activation": "gelu:0.07", "activation": "gelu:0.05"},
        {"fitting_activation": "gelu_erf", "activation": "gelu_erf"},
        {"pair_excluded": BOTH, "excluded": frozenset({(1, 1)})},
        {"sel": (0, 9), "fitting_excluded": frozenset({0})},
        {"fitting_vacuum_subtracted": frozenset({1})},
    ],
    ids=str,
)
def test_energies_forces_and_virials(make_model, make_structure, changes, kind, seed):
    model = make_model(seed, kind=kind, **changes)
    model.validate()
    for structure in (make_structure(seed), (*make_structure(seed)[:2], None)):
        expected = reference.evaluate(model, *structure)
        assert np.abs(expected.forces).max() > 1e-3  # something to compare
        assert_same(exactly(model, structure).exact, expected)


@pytest.mark.parametrize("kind", ["se_e2_a", "se_e2_r"])
def test_functions_at_knots(make_model, make_tabulated, make_structure, kind):
    model, structure = make_tabulated(make_model(5, kind=kind)), make_structure(5)
    model.validate()
    assert_same(exactly(model, structure).exact, reference.evaluate(model, *structure))


@pytest.mark.parametrize("kind", ["se_e2_a", "se_e2_r", "se_e3"])
def test_several_structures_at_once(make_model, make_structure, kind):
    """The second has atoms of one type alone, the third is open."""
    model = make_model(3, kind=kind)
    model.validate()
    first, second, third = (make_structure(seed) for seed in range(3))
    all_of_them = [first, (second[0], 0 * second[1], second[2]), (*third[:2], None)]
    parts = [Neighbourhoods.of(model, Structure(*mine), np.arange(len(mine[1]))) for mine in all_of_them]
    case = evaluate_exactly(model, Neighbourhoods.merged(parts))
    start = 0
    for k, structure in enumerate(all_of_them):
        n, expected = len(structure[1]), reference.evaluate(model, *structure)
        found = dataclasses.replace(
            case.exact,
            energy=case.exact.energy[k : k + 1],
            forces=case.exact.forces[start : start + n],
            virial=case.exact.virial[k : k + 1],
        )
        assert_same(found, expected)
        assert case.env.n_centres[k] == n
        start += n
    assert start == case.env.n_atoms


def test_neighbours(make_model, make_structure):
    """The linked cells find what the comparison of all with all finds."""
    model = make_model()
    positions, types, cell = make_structure(3)
    found = find_pairs(Structure(positions, types, cell), model)
    i, j, d = (array[found.taken[0]] for array in (found.i, found.j, found.d))
    pairs = reference.find_neighbours(positions, cell, model.descriptors[0].rcut)
    got, expected = (np.column_stack(columns) for columns in ((i, j, d), (pairs.centre, pairs.neighbour, pairs.vector)))
    order = [np.lexsort(np.round(rows, 9).T) for rows in (got, expected)]
    np.testing.assert_allclose(got[order[0]], expected[order[1]], rtol=0, atol=SAME)


def test_the_switch_function_and_its_slope(make_model):
    from pybuild.oracles.parts import switch

    d = make_model(rcut_smth=1.5).descriptors[0]
    r = np.linspace(0.1, 5.0, 300)
    for got, expected in zip(d.radial.switch(r), switch(r, d.rcut_smth, d.rcut), strict=True):
        np.testing.assert_allclose(got, expected, rtol=0, atol=SAME)


def test_derivatives_of_the_nets(make_model):
    """Forward along x in the compressor, in reverse in the oracle."""
    from pybuild.compress.nets import derivatives_along
    from pybuild.oracles.parts import net_forward, net_reverse

    net = make_model(4, widths=(1, 3, 6, 12), activation="softplus").descriptors[0].nets[0]
    x = np.linspace(-1, 4, 9)
    value, slope, _ = derivatives_along(net, x)
    expected, tape = net_forward(net, x[:, None])
    np.testing.assert_allclose(value, expected, rtol=0, atol=SAME)
    for k in range(12):
        d_out = np.zeros((9, 12))
        d_out[:, k] = 1.0
        np.testing.assert_allclose(slope[:, k], net_reverse(tape, d_out)[:, 0], rtol=0, atol=SAME)


def test_a_change_of_one_is_seen(make_model, make_structure):
    model, structure = make_model(), make_structure()
    d = model.descriptors[0]
    other = dataclasses.replace(model, descriptors=(dataclasses.replace(d, mean=d.mean + 1e-6),))
    with pytest.raises(AssertionError):
        assert_same(exactly(other, structure).exact, reference.evaluate(model, *structure))
