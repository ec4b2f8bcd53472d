# SPDX-License-Identifier: MIT
"""`python -m pybuild show`: what a model file says, and whether it can be compressed."""

import json

import pytest
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


DPA1 = {"kind": "dpa1", "attn_layer": 0}
CONCAT = {"tebd_input_mode": "concat", "smooth_type_embedding": False}
STRIP = {"tebd_input_mode": "strip", "smooth_type_embedding": False}
SMOOTH = {"tebd_input_mode": "strip", "smooth_type_embedding": True}
ONE, BOTH = {"type_one_side": True}, {"type_one_side": False}
ELECTRONS = {"type_embedding": {"use_econf_tebd": True, "nets": 1, "widths": [3], "activation": "linear", "resnet_dt": False}}
# What the input scripts say: make_dpa1.py, make_mixed_types.py, make_graphs.py, make_options.py.
WORDS = {
    "dpa1/concat.pth": [DPA1 | CONCAT | ONE | {"sel": [40], "concat_output_tebd": True}],
    "dpa1/concat_exclude.pth": [DPA1 | CONCAT | BOTH | {"exclude_types": ["A-C", "B-B"]}],
    "dpa1/strip_tight.pth": [DPA1 | STRIP | ONE | {"concat_output_tebd": False}],
    "dpa1/electrons.pth": [DPA1 | SMOOTH | BOTH | ELECTRONS],
    "mixed_types/strip.pth": [
        {"kind": "se_e3_tebd", "tebd_input_mode": "strip", "smooth": False, "concat_output_tebd": False, "exclude_types": ["A-B"]}
    ],
    "mixed_types/hybrid_concat.pth": [
        {"kind": "se_e2_r", "type_one_side": True},
        DPA1 | CONCAT | ONE | {"exclude_types": ["A-B"]},
    ],
    "tensorflow/se_atten-concat-one_side-exclude.pb": [DPA1 | CONCAT | ONE | {"exclude_types": ["O-O"]}],
    "tensorflow/se_atten_v2.pb": [DPA1 | SMOOTH | BOTH],
    "tensorflow/se_e2_a-two_side-exclude.pb": [{"kind": "se_e2_a", "exclude_types": ["O-O"]} | BOTH],
    "tensorflow/se_e2_r-one_side-exclude.pb": [{"kind": "se_e2_r"} | ONE],
}  # fmt: skip


@pytest.mark.parametrize("name", WORDS)
def test_words_of_the_input_script(option_models, name):
    found = pybuild.show.show(option_models.parent / name)
    assert [dict(d, **known) for d, known in zip(found["descriptors"], WORDS[name], strict=True)] == found["descriptors"]


def test_models_of_several_parts(option_models, capsys):
    zbl = pybuild.show.show(option_models.parent / "combined" / "zbl.pth")
    assert (zbl["model"], zbl["sw_rmin"], zbl["sw_rmax"], zbl["pair_exclude_types"]) == ("zbl", 1.1, 2.1, ["A-C"])
    path = option_models.parent / "combined" / "linear_table.pth"
    linear = pybuild.show.show(path)
    assert linear["weights"] == [0.7, -1.3]
    table = {"model": "pairtab", "types": ["D", "C", "B", "A"], "rcut": 3.5, "sel": [8]}
    assert linear["models"][1] == table | {"table": pytest.approx({"from": 0.4, "step": 0.1, "intervals": 49})}
    assert main(["show", str(path)]) == 0
    assert "  table: from 0.4, step 0.1, intervals 49" in capsys.readouterr().out.splitlines()


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
