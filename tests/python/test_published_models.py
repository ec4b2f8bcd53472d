# SPDX-License-Identifier: MIT
"""Models that others published, of every layout that DeePMD-kit's PyTorch files have had, and of MatPL: read, and right against
the program that they are of. TensorFlow's are in test_reader_tensorflow_models.py, tables of both in
tests/lammps/test_published.py and test_pwmlff.py."""

import numpy as np
import pytest

from pybuild.errors import UnsupportedModel
from pybuild.oracles import reference
from pybuild.readers import read_model
from pybuild.structures.structure import Structure

# Per atom, force component and virial component; DeePMD-kit's own back ends differ by 1e-14 of the energy.
ENERGY, FORCE, VIRIAL = 1e-9, 1e-8, 1e-6

READ = [
    "dk-deeppot_sea/deeppot_sea-2024-02.pth",  # descriptor.* and fitting_net.* without atomic_model
    "dk-deeppot_sea/deeppot_sea.pth",  # no type_one_side in the script, no min_nbor_dist
    "dk-source-frozen/frozen_model.pth",
    "dk-pt-dp-original/dp-original.pth",
    "matpl-hfo2-jit/jit_dp.pt",
    "matpl-si-jit/0_torch_script_module.pt",
]
REFUSED = {
    "dk-deepdipole_pt/deepdipole_pt.pth": "a model of type 'dipole'",
    "dk-dpa1-state/dpa1.pth": "holds weights alone .of an attention descriptor, dpa1.",
    "dptech-hybrid-denoise/model_1000.pt": "a model without fitting net .denoising.",
}
# dk-deeppot_sea-cuda by its own forward(), "cuda:0" in its code replaced by "cpu", on the frames of dk-deeppot_sea: energy, eV,
# and root of the sum of squared force components, eV/A.
CUDA_ARCHIVE = [
    (-9828.314013773996, 3.9608306695386366),
    (-9827.572006100905, 5.236345890269032),
    (-9820.626846473817, 2.973275933178918),
]


@pytest.fixture(scope="module")
def published(shared):
    """The folder of the models."""
    folder = shared / "models-public"
    if not folder.is_dir():
        pytest.skip(f"no shared models in {folder}")
    return folder


def frames(path, model):
    """(structure, energy, forces, virial) of the frames where no atom has more neighbours than sel: DeePMD-kit drops some."""
    data = np.load(path)
    found = []
    for k in range(3):
        if (data[f"max_neighbors{k}"] <= model.descriptors[0].sel).all():
            cell = data.get(f"cell{k}")
            structure = Structure(data[f"positions{k}"], data["types"].astype(np.int64), cell, f"frame {k}")
            found.append((structure, data[f"energy{k}"], data[f"forces{k}"], data[f"virial{k}"]))
    assert found
    return found


def assert_agrees(got, energy, forces, virial, name):
    assert abs(got.energy - float(energy)) < ENERGY * len(forces), name
    np.testing.assert_allclose(got.forces, forces, rtol=0, atol=FORCE, err_msg=name)
    np.testing.assert_allclose(got.virial, virial, rtol=0, atol=VIRIAL, err_msg=name)


@pytest.mark.parametrize("name", [*READ, "lithium-hybrid/lithium_pth.pth"])
def test_the_reference(published, name):
    model = read_model(published / name)
    for structure, *expected in frames((published / name).parent / "reference.npz", model):
        assert_agrees(reference.evaluate(model, structure.positions, structure.types, structure.cell), *expected, structure.name)


def test_an_archive_frozen_on_a_gpu(published):
    """The first layout of all: distinguish_types instead of mixed_types, no script, no masks, tensors on cuda:0."""
    model = read_model(published / "dk-deeppot_sea-cuda" / "deeppot_sea.pth")
    assert model.descriptors[0].net_of.tolist() == [[0, 1], [0, 1]]
    assert model.min_nbor_dist is None
    data = np.load(published / "dk-deeppot_sea" / "reference.npz")
    for k, (energy, force) in enumerate(CUDA_ARCHIVE):
        got = reference.evaluate(model, data[f"positions{k}"], data["types"], data.get(f"cell{k}"))
        assert abs(got.energy - energy) < ENERGY * len(data["types"])
        assert abs(np.linalg.norm(got.forces) - force) < FORCE


@pytest.mark.parametrize("name", REFUSED)
def test_refused_by_name(published, name):
    with pytest.raises(UnsupportedModel, match=REFUSED[name]):
        read_model(published / name)
