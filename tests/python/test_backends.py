# SPDX-License-Identifier: MIT
"""The Kokkos backends on the processor against the host evaluator: every trained model, all frames, both precisions."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pybuild import calculator
from pybuild.compress.build import build
from pybuild.errors import InputError
from pybuild.readers import read_model
from pybuild.tablefile.file import to_bytes

pytest.importorskip("pybuild._core", reason="pybuild._core is not built")

THREADS = 2  # of kokkos_openmp: decided by the first evaluator of a process
BACKENDS = ("kokkos_serial", "kokkos_openmp")
MODELS = ("cu-full", "se_e2_a-cu", "se_e2_a-float32", "se_e2_a-resnet_dt-set_davg_zero", "se_e2_a-silu-sigmoid", "se_e2_a-small",
          "se_e2_a-softplus-pair_exclude", "se_e2_a-two_side-exclude", "se_e2_r-small", "water-full",
          "dpa1-strip-attn0")  # fmt: skip

# Double: the same products in another order of summation, some hundred roundings of numbers of order 1 to 10.
SAME_ENERGY = 1e-12  # relative; energies are hundreds of eV an atom, most of it the bias
SAME_FORCE = 1e-11  # eV/angstrom
SAME_VIRIAL = 1e-9  # eV, a sum over all pairs
# Mixed: two roundings to 24 bits of the same sums, each as far from exact arithmetic as test_mixed.py measures and allows.
MIXED_ENERGY, MIXED_FORCE, MIXED_VIRIAL = 4e-6, 4e-5, 4e-6  # eV/atom, eV/angstrom, eV/atom


@functools.cache
def tables_of(folder: Path) -> bytes:
    model = read_model(folder / "model.pth")
    return to_bytes(build(model, model.min_nbor_dist).tables)


def results(folder: Path, backend: str, precision: str) -> list[calculator.Result]:
    """Of the four frames: periodic, displaced, triclinic, open."""
    data = np.load(folder / "reference.npz")
    core = calculator._core()
    model = core.Model.from_bytes(tables_of(folder))
    return [
        calculator.evaluate(model, data[f"positions{k}"], data["types"], data.get(f"cell{k}"), THREADS, precision, backend)
        for k in range(4)
    ]


@pytest.fixture(scope="module")
def of_host():
    """results(folder, "host", precision), once."""
    return functools.cache(lambda folder, precision: results(folder, "host", precision))


@pytest.mark.parametrize("precision", ["double", "mixed"])
@pytest.mark.parametrize("backend", BACKENDS, indirect=True)
@pytest.mark.parametrize("name", MODELS)
def test_equal_to_the_host(shared_models, of_host, name, backend, precision):
    folder = shared_models / name
    for found, expected in zip(results(folder, backend, precision), of_host(folder, precision), strict=True):
        n = len(expected.forces)
        double = precision == "double"
        energy = SAME_ENERGY * abs(expected.energy) if double else MIXED_ENERGY * n
        force, virial = (SAME_FORCE, SAME_VIRIAL) if double else (MIXED_FORCE, MIXED_VIRIAL * n)
        assert found.energy == pytest.approx(expected.energy, rel=0, abs=energy)
        np.testing.assert_allclose(found.forces, expected.forces, rtol=0, atol=force)
        np.testing.assert_allclose(found.virial, expected.virial, rtol=0, atol=virial)
        np.testing.assert_allclose(found.atom_energy, expected.atom_energy, rtol=0, atol=energy)
        np.testing.assert_allclose(found.atom_virial, expected.atom_virial, rtol=0, atol=10 * force)
        assert {**found.overflow, "worst": 0, "crowd": 0} == {**expected.overflow, "worst": 0, "crowd": 0}
        assert found.overflow["worst"]["distance"] == pytest.approx(expected.overflow["worst"]["distance"])


@pytest.mark.parametrize("backend", BACKENDS, indirect=True)
def test_description_and_memory(shared_models, backend):
    core = calculator._core()
    model = core.Model.from_bytes(tables_of(shared_models / "se_e2_a-small"))
    evaluator = core.Evaluator(model, THREADS, backend=backend)
    assert "Kokkos" in evaluator.describe()
    assert evaluator.memory_bytes > 0


@pytest.mark.parametrize("backend", BACKENDS, indirect=True)
def test_scratch_can_be_bounded(shared_models, backend):
    """Smaller chunks: less memory, the same numbers."""
    folder = shared_models / "se_e2_a-small"
    data = np.load(folder / "reference.npz")
    core = calculator._core()
    model = core.Model.from_bytes(tables_of(folder))
    x, box = data["positions0"], data["cell0"]
    pairs = calculator.neighbour_pairs(x, box, model.rcut)
    found, bytes_held = {}, {}
    for bound in (0, 1):
        evaluator = core.Evaluator(model, THREADS, backend=backend, scratch_bytes=bound)
        found[bound] = calculator.evaluate_pairs(evaluator, x, data["types"], box, pairs)
        bytes_held[bound] = evaluator.memory_bytes
    assert bytes_held[1] <= bytes_held[0]
    np.testing.assert_allclose(found[1].forces, found[0].forces, rtol=0, atol=SAME_FORCE)


def test_available_backends(kokkos_core):
    assert kokkos_core.available_backends()[:3] == ("host", *BACKENDS)


def test_absent_backends_are_named(shared_models):
    """The installed module, built as it is by default."""
    core = calculator._core()
    model = core.Model.from_bytes(tables_of(shared_models / "se_e2_a-small"))
    assert core.available_backends()[0] == "host"
    with pytest.raises(InputError, match='backend is "cuda": expected "host" or "kokkos_serial" or "kokkos_openmp" or "gpu"'):
        core.Evaluator(model, backend="cuda")
    if core.available_backends() == ("host",):
        with pytest.raises(InputError, match="DPC_KOKKOS=own"):
            core.Evaluator(model, backend="gpu")


@pytest.mark.parametrize("end", ["", "del evaluator", "del evaluator, model, core"])
def test_clean_exit(shared_models, tmp_path, own_kokkos_build, end):
    """With evaluators alive and gone: Kokkos ends before or after them."""
    (module,) = (own_kokkos_build / "cython_ext").glob("_core*.so")
    (tmp_path / "tables.bin").write_bytes(tables_of(shared_models / "se_e2_a-small"))
    script = (
        "import sys, numpy as np\n"
        "from importlib import machinery, util\n"
        "loader = machinery.ExtensionFileLoader('pybuild._core', sys.argv[1])\n"
        "core = util.module_from_spec(util.spec_from_loader('pybuild._core', loader))\n"
        "loader.exec_module(core)\n"
        "model = core.Model.from_file('tables.bin')\n"
        "evaluator = [core.Evaluator(model, 2, backend=b) for b in ('kokkos_openmp', 'kokkos_serial', 'host')]\n"
        "one = np.zeros(1, dtype=np.int32)\n"
        "for e in evaluator:\n"
        "    e.set_neighbours(np.zeros(2, dtype=np.int32), one, np.array([0, 1]), np.ones(1, dtype=np.int32))\n"
        "    print(e.compute(np.array([[0.0, 0, 0], [0, 0, 1.5]]))[0])\n"
    )
    command, environment = [sys.executable, "-c", script + end, module], {**os.environ, "OMP_NUM_THREADS": "2"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    first, *others = map(float, done.stdout.split())
    np.testing.assert_allclose(others, first, rtol=SAME_ENERGY)
