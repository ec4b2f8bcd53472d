# SPDX-License-Identifier: MIT
"""The oracle itself: against DeePMD-kit, against a hand formula, finite differences, symmetries and torch's autograd."""

import dataclasses
import math

import numpy as np
import pytest

from pybuild.descriptors.se_e2_a import SeE2A
from pybuild.errors import InputError
from pybuild.model.activations import parse
from pybuild.model.description import EnergyFitting, ModelDescription, Provenance
from pybuild.model.net import Layer, Net, Skip
from pybuild.oracles import reference
from pybuild.oracles.parts import net_forward
from pybuild.readers import read_model

# Against DeePMD-kit in float64; measured over all models and frames: 4e-14 eV/atom, 2e-14 eV/A, 1.4e-12 eV.
ENERGY_TOLERANCE, FORCE_TOLERANCE, VIRIAL_TOLERANCE = 1e-12, 1e-12, 2e-11
# A model that computes in float32 differs from its own weights evaluated in float64; measured 1.3e-8 eV/atom, 1e-6 eV/A, 5e-6 eV.
FLOAT32_ENERGY, FLOAT32_FORCE, FLOAT32_VIRIAL = 1e-7, 5e-6, 3e-5
FINITE_DIFFERENCE = 1e-7  # five points, 2e-4 A apart: h^4 f^(5) / 30, and rounding of 1e-14 x 50 eV / 2e-4 A
SYMMETRY = 1e-12  # the same sums in another order
TORCH = 2e-13  # the same sums in another order; measured 3e-14 on forces, 1.4e-13 on the virial of 192 atoms

MODELS = [
    "cu-full", "se_e2_a-cu", "se_e2_a-float32", "se_e2_a-resnet_dt-set_davg_zero", "se_e2_a-silu-sigmoid", "se_e2_a-small",
    "se_e2_a-softplus-pair_exclude", "se_e2_a-two_side-exclude", "se_e2_r-small", "water-full",
    "dpa1-concat-attn0", "dpa1-strip-attn0",
]  # fmt: skip
OPTIONS = ["sel_zero", "silut", "relu_protection", "atom_ener", "atom_exclude", "float32_fitting", "compressed"]
RADIAL_OPTIONS = ["radial_exclude", "radial_two_sided", "radial.pt"]


@pytest.mark.parametrize("frame", range(4))
@pytest.mark.parametrize("name", MODELS)
def test_against_deepmd_kit(shared_models, name, frame):
    """Frames: two of the data, one triclinic with atoms displaced, one with open boundaries."""
    model = read_model(shared_models / name / "model.pth")
    data = np.load(shared_models / name / "reference.npz")
    cell = data[f"cell{frame}"] if f"cell{frame}" in data else None
    result = reference.evaluate(model, data[f"positions{frame}"], data["types"], cell)
    single = model.provenance.precision == "float32"
    energy, force, virial = (
        (FLOAT32_ENERGY, FLOAT32_FORCE, FLOAT32_VIRIAL) if single else (ENERGY_TOLERANCE, FORCE_TOLERANCE, VIRIAL_TOLERANCE)
    )
    assert abs(result.energy - data[f"energy{frame}"]) / len(data["types"]) < energy
    np.testing.assert_allclose(result.atom_energy, data[f"atom_energy{frame}"], atol=20 * energy, rtol=0)
    np.testing.assert_allclose(result.forces, data[f"forces{frame}"], atol=force, rtol=0)
    np.testing.assert_allclose(result.virial, data[f"virial{frame}"], atol=virial, rtol=0)


@pytest.mark.parametrize("name", [*OPTIONS, "two_heads.alpha", "two_heads.beta", *RADIAL_OPTIONS])
def test_options_against_deepmd_kit(option_models, name):
    stem, _, head = name.partition(".")
    checkpoint, head = bool(head), None if head == "pt" else head
    model = read_model(option_models / (f"{stem}.pt" if checkpoint else f"{stem}.pth"), head or None)
    data = np.load(option_models / f"{stem}.{head}.npz" if head else option_models / f"{stem}.npz")
    result = reference.evaluate(model, data["positions"], data["types"], data["cell"])
    scale = 1e5 if name == "float32_fitting" else 1.0  # measured 2e-7 eV/atom, 7e-8 eV/A
    np.testing.assert_allclose(result.atom_energy, data["atom_energy"], atol=10 * scale * ENERGY_TOLERANCE, rtol=0)
    np.testing.assert_allclose(result.forces, data["forces"], atol=scale * FORCE_TOLERANCE, rtol=0)
    np.testing.assert_allclose(result.virial, data["virial"], atol=scale * VIRIAL_TOLERANCE, rtol=0)
    transposed = data["atom_virial"].reshape(-1, 3, 3).transpose(0, 2, 1).reshape(-1, 9)  # DeePMD-kit's rows are the force
    np.testing.assert_allclose(result.atom_virial, transposed, atol=scale * VIRIAL_TOLERANCE, rtol=0)


# A dimer by hand


def _dimer_model() -> ModelDescription:
    """One type, G(x) = (tanh(0.5 x + 0.1), tanh(-0.3 x + 0.2)), axis 1, E = 0.7 D_0 - 0.4 D_1 + 0.25 + 3, sel 4."""
    embedding = Net((Layer([[0.5, -0.3]], [0.1, 0.2], None, parse("tanh"), Skip.NONE),))
    fitting = Net((Layer([[0.7], [-0.4]], [0.25], None, parse("linear"), Skip.NONE),))
    descriptor = SeE2A(
        rcut=4.0, rcut_smth=2.0, env_protection=0.0, sel=(4,), n_sel=4, mean=[0.05], std=[[0.2, 0.1]], axis_neuron=1,
        nets=(embedding,), net_of=[[0]], excluded=frozenset(),
    )  # fmt: skip
    energy = EnergyFitting((fitting,), [0], [3.0], frozenset(), frozenset())
    return ModelDescription(("X",), (descriptor,), energy, frozenset(), None, Provenance("none", "0" * 64, "by hand", "float64"))


def _dimer_energy(r: float) -> float:
    """Both atoms see one neighbour and three empty slots."""
    u = min(max((r - 2.0) / 2.0, 0.0), 1.0)
    s = (u**3 * (-6.0 * u**2 + 15.0 * u - 10.0) + 1.0) / r
    x, x_pad = (s - 0.05) / 0.2, -0.05 / 0.2
    g = [math.tanh(0.5 * x + 0.1), math.tanh(-0.3 * x + 0.2)]
    pad = [math.tanh(0.5 * x_pad + 0.1), math.tanh(-0.3 * x_pad + 0.2)]
    radial = [(g[m] * x + 3.0 * pad[m] * x_pad) / 4.0 for m in range(2)]  # column 0 of T
    along = [g[m] * (s / 0.1) / 4.0 for m in range(2)]  # length of the vector part of T
    d = [radial[m] * radial[0] + along[m] * along[0] for m in range(2)]
    return 2.0 * (0.7 * d[0] - 0.4 * d[1] + 0.25 + 3.0)


@pytest.mark.parametrize("r", [1.3, 2.0, 2.7, 3.9, 4.0, 4.5])
def test_dimer_by_hand(r):
    direction = np.array([2.0, -1.0, 2.0]) / 3.0
    result = reference.evaluate(_dimer_model(), [[0.4, 0.1, -0.2], np.array([0.4, 0.1, -0.2]) + r * direction], [0, 0])
    assert result.energy == pytest.approx(_dimer_energy(r), abs=1e-14)
    h = 1e-3
    slope = (8 * (_dimer_energy(r + h) - _dimer_energy(r - h)) - _dimer_energy(r + 2 * h) + _dimer_energy(r - 2 * h)) / (12 * h)
    np.testing.assert_allclose(result.forces[1], -slope * direction, atol=1e-8 if r == 4.0 else 1e-11)  # C2 only at the cutoff
    np.testing.assert_allclose(result.forces[0], -result.forces[1], atol=1e-15)
    np.testing.assert_allclose(result.virial, np.outer(r * direction, result.forces[1]), atol=1e-14)


# Derivatives and symmetries


def _models(make_model, make_tabulated):
    """One model for every branch of the evaluation."""
    return {
        "plain": make_model(1),
        "two-sided": make_model(2, 3, type_one_side=False, activation="silu"),
        "protection": make_model(3, env_protection=0.3),
        "excluded": make_model(4, 3, excluded=frozenset({(0, 2), (2, 0)}), pair_excluded=frozenset({(1, 1)})),
        "sel zero": make_model(5, 3, sel=(12, 0, 12), n_sel=24),
        "sel small": make_model(6, sel=(1, 2), n_sel=3),
        "vacuum": make_model(7, 3, fitting_vacuum_subtracted=frozenset({1}), fitting_excluded=frozenset({2})),
        "smooth kinks": make_model(8, activation="softplus", fitting_activation="gelu", widths=(1, 2, 4, 5)),
        "one type": make_model(9, 1),
        "radial": make_model(10, 3, kind="se_e2_r", type_one_side=False, activation="silu", sel=(12, 0, 12), n_sel=24),
        "radial excluded": make_model(
            11, 3, kind="se_e2_r", env_protection=0.3, excluded=frozenset({(0, 2), (2, 0)}), pair_excluded=frozenset({(1, 1)}),
            exclusion="section", fitting_vacuum_subtracted=frozenset({1}),
        ),
        "absent": make_model(12, 3, excluded=frozenset({(0, 2), (2, 0)}), exclusion="absent", type_one_side=False),
        "at knots": make_tabulated(make_model(13, fitting_activation="gelu:0.07")),
        "radial at knots": make_tabulated(make_model(14, kind="se_e2_r")),
    }  # fmt: skip


CASES = [
    "plain", "two-sided", "protection", "excluded", "sel zero", "sel small", "vacuum", "smooth kinks", "one type",
    "radial", "radial excluded", "absent", "at knots", "radial at knots",
]  # fmt: skip


@pytest.fixture(params=CASES)
def case(request, make_model, make_tabulated, make_structure):
    model = _models(make_model, make_tabulated)[request.param]
    model.validate()
    return model, *make_structure(1, model.n_types)


def _slope(f, h=2e-4):
    return (8 * (f(h) - f(-h)) - f(2 * h) + f(-2 * h)) / (12 * h)


def test_forces_are_the_gradient_of_the_energy(case):
    model, x, types, cell = case
    result = reference.evaluate(model, x, types, cell)
    assert abs(result.forces).max() > 1e-3
    rng = np.random.default_rng(0)
    for _ in range(4):
        direction = rng.normal(size=x.shape)
        slope = _slope(lambda h, d=direction: reference.evaluate(model, x + h * d, types, cell).energy)
        scale = np.abs(result.forces * direction).sum()
        assert slope == pytest.approx(-np.sum(result.forces * direction), abs=FINITE_DIFFERENCE * scale)
    np.testing.assert_allclose(result.forces.sum(axis=0), 0.0, atol=SYMMETRY)


def test_virial_is_the_gradient_with_strain(case):
    model, x, types, cell = case
    result = reference.evaluate(model, x, types, cell)
    for a, b in np.ndindex(3, 3):
        strain = np.zeros((3, 3))
        strain[a, b] = 1.0
        slope = _slope(
            lambda h, e=strain: reference.evaluate(model, x @ (np.eye(3) + h * e), types, cell @ (np.eye(3) + h * e)).energy
        )
        assert slope == pytest.approx(-result.virial[a, b], abs=FINITE_DIFFERENCE * 30)
    np.testing.assert_allclose(result.atom_virial.sum(axis=0).reshape(3, 3), result.virial, atol=SYMMETRY * 10)
    np.testing.assert_allclose(result.virial, result.virial.T, atol=SYMMETRY * 10)


def test_rotation_translation_permutation_wrapping(case):
    model, x, types, cell = case
    result = reference.evaluate(model, x, types, cell)
    rng = np.random.default_rng(3)
    q, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    order = rng.permutation(len(types))
    shift = rng.integers(-3, 4, (len(types), 3)) @ cell + np.array([0.7, -11.0, 3.2])
    moved = reference.evaluate(model, ((x + shift) @ q)[order], types[order], cell @ q)
    assert moved.energy == pytest.approx(result.energy, abs=SYMMETRY * len(types))
    np.testing.assert_allclose(moved.atom_energy, result.atom_energy[order], atol=SYMMETRY * 10)
    np.testing.assert_allclose(moved.forces, (result.forces @ q)[order], atol=SYMMETRY * 10)
    np.testing.assert_allclose(moved.virial, q.T @ result.virial @ q, atol=SYMMETRY * 100)
    tensors = np.einsum("ca,ncd,db->nab", q, result.atom_virial.reshape(-1, 3, 3), q)
    np.testing.assert_allclose(moved.atom_virial.reshape(-1, 3, 3), tensors[order], atol=SYMMETRY * 100)


def test_replicated_cell(case):
    """The cell is 6.6 A wide, the cutoff 4 A: atoms see several images of the same neighbour."""
    model, x, types, cell = case
    once = reference.evaluate(model, x, types, cell)
    twice = reference.evaluate(model, np.concatenate([x, x + cell[0]]), np.tile(types, 2), cell * [[2], [1], [1]])
    np.testing.assert_allclose(twice.forces, np.tile(once.forces, (2, 1)), atol=SYMMETRY * 10)
    assert twice.energy == pytest.approx(2 * once.energy, abs=SYMMETRY * 100)


def test_against_autograd(case):
    pytest.importorskip("torch")
    from pybuild.oracles import reference_torch

    model, x, types, cell = case
    for box in (cell, None):
        result, other = reference.evaluate(model, x, types, box), reference_torch.evaluate(model, x, types, box)
        for field in dataclasses.fields(result):
            a, b = np.asarray(getattr(result, field.name)), np.asarray(getattr(other, field.name))
            np.testing.assert_allclose(a, b, atol=TORCH * max(1.0, np.abs(a).max()), err_msg=field.name)


def test_autograd_on_the_water_model(shared_models):
    pytest.importorskip("torch")
    from pybuild.oracles import reference_torch

    model, data = read_model(shared_models / "water-full" / "model.pth"), np.load(shared_models / "water-full" / "reference.npz")
    arguments = (model, data["positions2"], data["types"], data["cell2"])
    result, other = reference.evaluate(*arguments), reference_torch.evaluate(*arguments)
    np.testing.assert_allclose(result.forces, other.forces, atol=TORCH)
    np.testing.assert_allclose(result.atom_virial, other.atom_virial, atol=10 * TORCH)


# Semantics that are easily got wrong


def test_excluded_neighbours_fill_slots_and_vanished_ones_do_not(make_model):
    """Two atoms, pair (0, 1) excluded: by the descriptor one slot is filled with nothing, by the model it stays empty."""
    plain = make_model(11, 2, sel=(2, 3), n_sel=5)
    pair = frozenset({(0, 1), (1, 0)})
    positions, types = [[0.0, 0.0, 0.0], [1.7, 0.0, 0.0]], [0, 1]

    def energy(moment):
        d = moment @ moment[: plain.descriptors[0].axis_neuron].T
        return net_forward(plain.fitting.nets[0], d.reshape(1, -1))[0][0, 0] + plain.fitting.energy_bias[0]

    d = plain.descriptors[0]
    x_pad = -d.mean[0] / d.std[0, 0]
    pads = [np.outer(net_forward(d.net(0, b), [[x_pad]])[0][0], [x_pad, 0, 0, 0]) for b in (0, 1)]
    by_descriptor = dataclasses.replace(plain, descriptors=(dataclasses.replace(d, excluded=pair),))
    by_model = dataclasses.replace(plain, pair_excluded=pair)
    assert reference.evaluate(by_descriptor, positions, types).atom_energy[0] == pytest.approx(
        energy((2 * pads[0] + 2 * pads[1]) / 5), abs=1e-14
    )
    assert reference.evaluate(by_model, positions, types).atom_energy[0] == pytest.approx(
        energy((2 * pads[0] + 3 * pads[1]) / 5), abs=1e-14
    )


def test_lone_atom_excluded_type_and_no_atoms(make_model):
    model = make_model(12, 2, fitting_excluded=frozenset({1}))
    result = reference.evaluate(model, [[0.0, 0.0, 0.0], [50.0, 0.0, 0.0]], [0, 1])
    assert result.atom_energy[1] == 0.0
    assert result.atom_energy[0] != 0.0
    assert not result.forces.any()
    assert reference.evaluate(model, np.zeros((0, 3)), np.zeros(0, int), np.eye(3)).energy == 0.0


def test_energy_is_smooth_beyond_sel(make_model):
    """A third neighbour that enters a model with sel 2 changes the energy continuously: none is ever dropped."""
    model = make_model(13, 1, sel=(2,), n_sel=2)
    base = np.array([[0.0, 0.0, 0.0], [1.5, 0.0, 0.0], [0.0, 1.6, 0.0]])
    energies = [reference.evaluate(model, np.vstack([base, [0.0, 0.0, z]]), [0] * 4).atom_energy[0] for z in (3.999, 4.0, 4.001)]
    assert energies[0] == pytest.approx(energies[1], abs=1e-8)
    assert energies[1] == energies[2]
    near = reference.evaluate(model, np.vstack([base, [0.0, 0.0, 1.8]]), [0] * 4).atom_energy[0]
    assert abs(near - energies[1]) > 1e-4


@pytest.mark.parametrize(
    ("positions", "types", "cell", "message"),
    [
        ([[0, 0, 0]], [0, 1], None, "shape"),
        ([[0, 0]], [0], None, "shape"),
        ([[0, 0, 0]], [2], None, "types must be"),
        ([[0, 0, 0]], [-1], None, "types must be"),
        ([[0, 0, 0]], [0.0], None, "types must be"),
        ([[0, 0, math.nan]], [0], None, "atom 0 is not finite"),
        ([[0, 0, 0]], [0], np.zeros((3, 3)), "cell"),
        ([[0, 0, 0]], [0], np.eye(2), "cell"),
        ([[1, 1, 1], [0, 0, 0], [1, 1, 1]], [0, 0, 0], None, "atoms 0 and 2 are at the same place"),
    ],
)
def test_bad_input(make_model, positions, types, cell, message):
    with pytest.raises(InputError, match=message):
        reference.evaluate(make_model(), positions, types, cell)
