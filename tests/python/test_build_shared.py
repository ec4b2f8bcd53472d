# SPDX-License-Identifier: MIT
"""Builds of trained models: the default tolerance on frames the build never saw, and `--rank full` against the peer's
own tables."""

import functools

import numpy as np
import pytest

from pybuild.compress import square
from pybuild.compress.build import Options, build
from pybuild.compress.stored import columns_of
from pybuild.oracles import reference, reference_tables
from pybuild.readers import read_model

# The promise of the default options, on frames with up to 200 atoms.
FORCE, ENERGY, VIRIAL = 1e-8, 1e-9, 1e-6
FORCE_MIXED = 1e-5
# Against DeePMD-kit's compressed model, order 5 and step 0.01 on both sides. Its range differs (all four components of
# the statistics
# count in its PyTorch back end), its gelu has a slightly wrong second derivative.
PEER_FORCE = {"tanh": 1e-10, "gelu": 1e-7}
PEER_ENERGY = {"tanh": 1e-10, "gelu": 1e-6}  # eV, of 192 atoms: rounding of -6e4 eV; measured with gelu 3e-7

MODELS = [
    "cu-full", "se_e2_a-cu", "se_e2_a-float32", "se_e2_a-resnet_dt-set_davg_zero", "se_e2_a-silu-sigmoid", "se_e2_a-small",
    "se_e2_a-softplus-pair_exclude", "se_e2_a-two_side-exclude", "water-full",
]  # fmt: skip
PEERS = {name: "tanh" for name in MODELS if "float32" not in name and "resnet_dt" not in name} | {
    "se_e2_a-two_side-exclude": "gelu"
}


@functools.cache
def built(folder):
    """A model and its tables with the default options."""
    model = read_model(folder / "model.pth")
    return model, build(model, model.min_nbor_dist).tables


def frames(data):
    """(positions, types, cell, energy, forces, virial) of every frame of a reference."""
    for k in range(4):
        cell = data[f"cell{k}"] if f"cell{k}" in data else None
        yield data[f"positions{k}"], data["types"], cell, data[f"energy{k}"], data[f"forces{k}"], data[f"virial{k}"]


@pytest.mark.parametrize("name", MODELS)
def test_default_tolerance(shared_models, name):
    """Two frames of the data, one triclinic with atoms displaced and pairs closer than the training data, one with
    open boundaries."""
    model, tables = built(shared_models / name)
    for positions, types, cell, energy, forces, virial in frames(np.load(shared_models / name / "reference.npz")):
        if model.provenance.precision == "float32":  # the reference computed in float32
            exact = reference.evaluate(model, positions, types, cell)
            energy, forces, virial = exact.energy, exact.forces, exact.virial
        got = reference_tables.evaluate(tables, positions, types, cell)
        assert abs(got.energy - energy) / len(types) < ENERGY
        np.testing.assert_allclose(got.forces, forces, atol=FORCE, rtol=0)
        np.testing.assert_allclose(got.virial, virial, atol=VIRIAL, rtol=0)


@pytest.mark.parametrize("name", PEERS)
def test_full_rank_reproduces_the_peer(shared_models, name):
    data = np.load(shared_models / name / "reference.npz")
    model = read_model(shared_models / name / "model.pth")
    tables = build(model, model.min_nbor_dist, Options(rank="full", step=0.01)).tables
    got = reference_tables.evaluate(tables, data["positions0"], data["types"], data["cell0"])
    np.testing.assert_allclose(got.forces, data["dp_compress_forces0"], atol=PEER_FORCE[PEERS[name]], rtol=0)
    assert abs(got.energy - data["dp_compress_energy0"]) < PEER_ENERGY[PEERS[name]]


def in_use(tables):
    """Of centres without a closer pair in double precision: products by centre type, and columns by table."""
    products, ranks = [], {}
    for a, f in enumerate(fitting.inputs[0] for fitting in tables.fittings):
        row_end = f.row_end if f.row_end_double is None else f.row_end_double
        products.append(int((row_end - np.arange(len(row_end))).sum()))
        for b, k in columns_of(f, "double").tolist():
            t = int(tables.descriptors[0].pair_table[a, b])
            ranks[t] = max(ranks.get(t, 0), k + 1)
    return products, ranks


def test_the_full_water_model_is_small(shared_models):
    """What makes it fast: about 20 of 100 functions and a quarter of the 1600 inputs of the first layer, tables that fit the
    second-level cache."""
    _, tables = built(shared_models / "water-full")
    products, ranks = in_use(tables)
    assert all(rank <= 24 for rank in ranks.values())
    assert all(n <= 440 for n in products)
    assert sum(table.coef.nbytes for table in tables.tables) <= 0.6e6


def test_a_table_just_above_a_pack_is_narrowed(shared_models, monkeypatch):
    """Columns that begin a pack of 8 channels are given up for others' products: 24 and 24, not 25 and 26."""
    model, options = read_model(shared_models / "water-full" / "model.pth"), Options(tolerance=3e-9, form="folded")
    narrow = build(model, model.min_nbor_dist, options).tables
    monkeypatch.setattr(square, "FEW", 2 * square.DOUBLE_PACK)  # no remainder is as small
    wide = build(model, model.min_nbor_dist, options).tables
    (products, ranks), (products_wide, ranks_wide) = in_use(narrow), in_use(wide)
    packs, packs_wide = (sum(-(-r // square.DOUBLE_PACK) for r in of.values()) for of in (ranks, ranks_wide))
    assert packs == packs_wide - 2
    assert sum(products) < 1.2 * sum(products_wide)


def test_steps_that_are_the_limit_do_not_cost_products(shared_models):
    """The judge finds the error of the steps; keeping more of what does not help would only be slower."""
    model, tables = built(shared_models / "water-full")
    coarse = build(model, model.min_nbor_dist, Options(step=0.5))
    assert coarse.measured.double.force > 1e-7
    assert in_use(coarse.tables) == in_use(tables)


def test_steps_for_many_pairs_near_the_cut_off(shared):
    """A published net that is steep where pairs enter the cut-off of 8 A: steps chosen by the force of single pairs leave
    4e-8 eV/A and 3e-8 eV/atom."""
    path = shared / "models-public" / "hpcai-cu-f32all"
    if not path.exists():
        pytest.skip(f"no shared model in {path}")
    model, frames = read_model(path / "graph.pb", types=("Cu",)), np.load(path / "reference.npz")
    result = build(model, 2.18)
    assert result.measured.double.force < FORCE
    assert result.measured.double.energy < 2 * ENERGY
    structure = frames["positions2"], frames["types"].astype(np.int64), None
    exact, got = reference.evaluate(model, *structure), reference_tables.evaluate(result.tables, *structure)
    np.testing.assert_allclose(got.forces, exact.forces, rtol=0, atol=FORCE)


@pytest.mark.parametrize("distance", [1.6, 1.6754])
def test_steps_of_a_net_that_is_wild_below_what_is_looked_up(distance, shared):
    """A published net that changes by 1e5 a unit below the argument of neighbours at the cut-off of 6 A, and is steep there."""
    path = shared / "models-public" / "lithium-hybrid" / "lithium_pth.pth"
    if not path.exists():
        pytest.skip(f"no shared model in {path}")
    result = build(read_model(path), distance)
    assert result.measured.double.force < FORCE
    assert result.measured.mixed.force < FORCE_MIXED
    assert all(len(table.coef) < 10_000 for table in result.tables.tables)
