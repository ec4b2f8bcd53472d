# SPDX-License-Identifier: MIT
"""random_trained.py, which needs DeePMD-kit: that it calls right what is right and finds what is not, on a model that is here."""

import shutil

import numpy as np
import pytest
import random_trained
from deepmd_kit_models import Draw, exported_model, tensorflow_model, torch_model
from test_reader_tensorflow import FOLDER

pytest.importorskip("pybuild._core", reason="the compiled evaluator")


def folder_with(tmp_path, **changes):
    """Of case 4: the graph silut.pb, its script and what DeePMD-kit says, with changes."""
    shutil.copy(FOLDER / "silut.pb", tmp_path / "4.pb")
    (tmp_path / "4.json").write_text("{}")
    found = {name: array.squeeze() for name, array in np.load(FOLDER / "silut.npz").items()} | {"type_map": np.array(["A", "B"])}
    np.savez(tmp_path / "4.npz", **found | {name: found[name] + change for name, change in changes.items()})
    return ["--folder", str(tmp_path), "--tables", "2"]


def test_a_model_that_agrees(tmp_path, capsys):
    assert random_trained.main(folder_with(tmp_path)) == 0
    said = capsys.readouterr().out
    assert said.startswith("4.pb agrees: ")
    assert ", tables " in said
    assert said.endswith("1 files: 1 agrees\n")


@pytest.mark.parametrize("name", ["energy0", "forces1", "virial1"])
def test_a_number_that_differs(tmp_path, capsys, name):
    assert random_trained.main(folder_with(tmp_path, **{name: 1e-4})) == 1
    assert "4.pb DIFFERS: " in capsys.readouterr().out


def test_files_that_are_not_read(tmp_path, capsys):
    arguments = folder_with(tmp_path)
    (tmp_path / "4.dp").write_bytes((tmp_path / "4.pb").read_bytes()[:5000])
    assert random_trained.main(arguments) == 1
    assert "2 files: 1 NOT READ, 1 agrees" in capsys.readouterr().out
    (tmp_path / "4.dp").unlink()
    (tmp_path / "4.npz").unlink()
    assert random_trained.main(arguments) == 1, "nothing was looked at"


@pytest.mark.parametrize("draw", [torch_model, exported_model, tensorflow_model])
def test_a_case_is_the_same_each_time(draw):
    first, again, other = (draw(Draw(1, case)) for case in (3, 3, 4))
    assert first == again != other
