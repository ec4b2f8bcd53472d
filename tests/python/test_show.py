# SPDX-License-Identifier: MIT
"""`python -m pybuild show`: what a model file says, and whether it can be compressed."""

import json

from command_line import fails

import pybuild.readers
import pybuild.show
from pybuild.cli import main
from pybuild.readers import read_model


def test_says_what_the_reader_reads(option_models, capsys):
    path = option_models / "atom_exclude.pth"
    assert main(["show", "--json", str(path)]) == 0
    found = json.loads(capsys.readouterr().out)
    model = read_model(path)
    d = model.descriptors[0]
    assert found["types"] == list(model.type_map)
    assert found["descriptors"][0]["kind"] == d.kind
    assert found["descriptors"][0]["sel"] == dict(zip(model.type_map, d.sel, strict=True))
    assert found["descriptors"][0]["embedding"]["widths"] == [layer.weight.shape[1] for layer in d.nets[0].layers]
    assert found["fitting"]["widths"] == [layer.weight.shape[1] for layer in model.fitting.nets[0].layers]
    assert found["fitting"]["energy_bias"] == dict(zip(model.type_map, model.fitting.energy_bias, strict=True))
    assert found["atom_exclude_types"] == [model.type_map[t] for t in sorted(model.fitting.excluded)]
    assert (found["compressible"], found["needs"]) == (True, [])
    assert main(["show", str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert f"types: {' '.join(model.type_map)}" in lines
    assert "compressible: yes" in lines


def test_head(option_models, capsys):
    path = option_models / "two_heads.pt"
    assert main(["show", "--model-branch", "alpha", str(path)]) == 0
    capsys.readouterr()
    assert "alpha, beta" in fails(capsys, "show", path)


def test_says_what_a_build_must_be_given(option_models, capsys, monkeypatch):
    source = pybuild.readers.read_source(option_models / "atom_exclude.pth")
    source.min_nbor_dist = -1.0
    monkeypatch.setattr(pybuild.show, "read_source", lambda path: source)
    found = pybuild.show.show(option_models / "atom_exclude.pth")
    assert (found["compressible"], found["min_nbor_dist"]) == (True, None)
    assert "--min-nbor-dist" in found["needs"][0]


def test_says_why_a_model_cannot_be_compressed(shared_models, capsys):
    path = shared_models.parent / "models-public" / "dk-dpa2-yaml" / "deeppot_dpa.yaml"
    assert main(["show", str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "compressible: no" in lines
    assert any(line.startswith("because: ") and "dpa2" in line for line in lines)


def test_a_file_that_cannot_be_read_is_an_error(tmp_path, capsys):
    (tmp_path / "m").write_text("no model")
    assert "not a model file" in fails(capsys, "show", tmp_path / "m")
