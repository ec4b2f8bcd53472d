# SPDX-License-Identifier: MIT
"""The include and import rules of docs/architecture.md hold, and the check that says so sees breaches."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "check_layers.py"


@pytest.fixture
def check_layers() -> ModuleType:
    spec = importlib.util.spec_from_file_location("check_layers", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_this_repository(check_layers: ModuleType) -> None:
    assert [*check_layers.cxx_breaches(), *check_layers.python_breaches()] == []


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("core/src/x.cpp", '#include "pair.h"'),
        ("core/src/x.cpp", "#include <Python.h>"),
        ("core/src/x.cpp", "#include <cblas.h>"),
        ("core/include/dpc/x.hpp", "#include <mpi.h>"),
        ("core/include/dpc/math/x.hpp", "#include <vector>"),
        ("core/include/dpc/math/x.hpp", '#include "dpc/model.hpp"'),
        ("lammps_plugin/x.cpp", "#include <Python.h>"),
        ("cython_ext/x.hpp", '#include "pair.h"'),
        ("pybuild/x.py", "import torch"),
        ("pybuild/x.py", "from .cli import main"),
        ("pybuild/x.py", "from . import cli"),
        ("pybuild/oracles/x.py", "def f():\n    from ..tablefile.file import read"),
        ("pybuild/readers/x.py", "from ..compress.build import build"),
        ("pybuild/oracles/x.py", "from ..compress import nets"),
        ("pybuild/compress/x.py", "from ..oracles.reference import evaluate"),
        ("pybuild/readers/x.py", "import h5py"),
    ],
)
def test_breach_is_seen(path: str, line: str, check_layers: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / path).write_text(line + "\n")
    monkeypatch.setattr(check_layers, "ROOT", tmp_path)
    breaches = [*check_layers.cxx_breaches(), *check_layers.python_breaches()]
    assert len(breaches) == 1
    assert breaches[0].startswith(path)


def test_architecture_names_every_module(check_layers: ModuleType) -> None:
    text = (check_layers.ROOT / "docs" / "architecture.md").read_text()
    modules = {path.name for path in (check_layers.ROOT / "pybuild").rglob("*.py")} - {"__init__.py"}
    assert sorted(name for name in modules if f"`{name}`" not in text) == []
