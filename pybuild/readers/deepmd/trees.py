# SPDX-License-Identifier: MIT
"""Files that hold DeePMD-kit's tree as it is: `.dp` and `.hlo` (HDF5), `.yaml`, `.json`, and `.pt2`, `.pte` (JSON in a zip file).

`dp convert-backend` writes them from any model. Each holds the back end that trained the model. Where that is TensorFlow, the
model is evaluated by its rules (docs/deepmd-tree.md), whatever DeePMD-kit makes of the file; every other back end follows
PyTorch's, which are also those of DeePMD-kit where it runs such a file itself.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ...descriptors.deepmd import Tree, unsupported
from ...errors import InputError, ReadError, UnsupportedModel
from ...model.activations import GELU_CUBIC
from ..files import access as get
from ..files import hdf5
from ..files.text_tree import MAX_DEPTH, decode, loads_json, loads_yaml
from ..files.zip_archive import ZipArchive
from ..source import Choices
from .options import has_modifier
from .refusals import check_modifier
from .source import DeepmdSource
from .tree_type import descriptor_type, is_off, parts_by_list, refuse_other_kinds, refuse_shorter_lists, vacuum_flags

GELU_TF = f"gelu:{float(np.float32(GELU_CUBIC))!r}"
PACKAGED_TREE, PACKAGED_NOTES = "/extra/model.json", "/extra/metadata.json"
NO_TABLE = (
    "warning: trained with a pair table (use_srtab), which is not in this file: DeePMD-kit's conversion leaves it out; the "
    "tables are of the net alone, as DeePMD-kit evaluates the file; give the graph (.pb)"
)
LIST = "nlist"  # what such a program takes: of no more than sel neighbours
GRAPHS = ("graph", "dpa1_canonical")  # what such a program takes, where it takes no list of so many neighbours
WITH_CODE_OF_THEIR_OWN = ("PyTorch", "TensorFlow")  # back ends whose code is not shared with dpmodel (parts_by_list)
VARIABLES = "@variables"
TYPES = ("float64", "float32", "float16", "int64", "int32", "bool")

Arrays = Callable[[Any, str], Any]  # (what stands under "@variables", its place) -> an array


def read_hdf5(path: Path, choices: Choices) -> DeepmdSource:
    """A `.dp` or `.hlo` file."""
    return source_of_contents(hdf5.read(path, "json"), choices)


def source_of_contents(contents: hdf5.Contents, choices: Choices) -> DeepmdSource:
    """Of such a file: its text and datasets."""

    def dataset(value: Any, where: str) -> Any:
        name = get.text(value, where).removeprefix("/")
        if name not in contents.arrays:
            raise ReadError(f"{where} is the dataset '{name[:80]}', which is not in the file; the file is damaged")
        return contents.arrays[name]

    return _source(loads_json(decode(contents.text)), dataset, choices, "file (HDF5)")


def read_text(path: Path, choices: Choices) -> DeepmdSource:
    """A `.yaml` or `.json` file."""
    text = decode(path.read_bytes())
    is_json = text.lstrip().startswith("{")
    return _source(loads_json(text) if is_json else loads_yaml(text), _written_out, choices, "JSON" if is_json else "YAML")


def read_package(path: Path, choices: Choices) -> DeepmdSource:
    """A `.pt2` or `.pte` file; the program in it is not looked at."""
    with ZipArchive(path) as archive:
        names = archive.names(PACKAGED_TREE)
        if len(names) != 1:
            raise UnsupportedModel(
                "is an exported torch program (.pt2, .pte) without the tree of its model (extra/model.json): not supported; "
                "DeePMD-kit writes one with `dp --pt-expt freeze`"
            )
        text = decode(archive.entry(names[0]))
        notes = [get.mapping(loads_json(decode(archive.entry(name))), "metadata") for name in archive.names(PACKAGED_NOTES)]
    kinds = [get.text(note.get("lower_input_kind", LIST), "metadata.lower_input_kind") for note in notes]
    for kind in kinds:
        if kind not in (LIST, *GRAPHS):
            raise unsupported(f"an exported program of the kind '{kind[:80]}'", "the file that it was exported from")
    keeps_all = any(kind in GRAPHS for kind in kinds)
    return _source(loads_json(text), _written_out, choices, "exported program", keeps_all)


def _source(root: Any, arrays: Arrays, choices: Choices, what: str, keeps_all: bool = False) -> DeepmdSource:
    """keeps_all: the program takes a graph of all neighbours inside the cut-off, whatever sel says."""
    top = get.mapping(root, "the file's tree")
    if choices.head is not None:
        raise InputError(f"--head {choices.head}: a file of one model has no heads; leave --head out")
    choices.refuse_types()
    backend = get.text(top.get("backend") or "dpmodel", "backend")
    script = top.get("model_def_script")
    check_modifier(isinstance(script, dict) and has_modifier(script), choices.without_modifier)
    model = get.mapping(get.member(top, "model", ""), "model")
    refuse_other_kinds(model)
    model = _with_arrays(model, arrays, "model", 0)
    lost = model.get("type", "standard") == "standard" and isinstance(script, dict) and not is_off(script.get("use_srtab"))
    _set_rules(model, backend, keeps_all)
    if backend not in WITH_CODE_OF_THEIR_OWN:
        refuse_shorter_lists(model)
    remarks = [NO_TABLE] if lost else []
    return DeepmdSource(f"DeePMD-kit {what} of {backend}", model, _nearest(top, arrays), choices.padding_type, remarks)


def _with_arrays(value: Any, arrays: Arrays, where: str, depth: int) -> Any:
    """The tree with arrays in place."""
    if depth > MAX_DEPTH:
        raise ReadError(f"is nested more than {MAX_DEPTH} deep; the file is damaged")
    if isinstance(value, list):
        return [_with_arrays(v, arrays, f"{where}[{i}]", depth + 1) for i, v in enumerate(value)] if _has_parts(value) else value
    if not isinstance(value, dict):
        return value
    return {
        key: _variables(v, arrays, f"{where}.{key}")
        if key == VARIABLES
        else _with_arrays(v, arrays, f"{where}.{str(key)[:80]}", depth + 1)
        for key, v in value.items()
    }


def _has_parts(value: list[Any]) -> bool:
    return any(isinstance(v, (dict, list)) for v in value)


def _variables(value: Any, arrays: Arrays, where: str) -> Tree:
    """Each an array or null. Tables of a compressed model are lists of such: the nets beside them are what is read."""
    found = {key: v for key, v in get.mapping(value, where).items() if key not in COMPRESSED}
    return {key: None if v is None else arrays(v, f"{where}.{str(key)[:80]}") for key, v in found.items()}


COMPRESSED = {"compress_data", "compress_info", "type_embd_data"}


def _written_out(value: Any, where: str) -> Any:
    """An array as nested lists, alone or in a dictionary that names its type."""
    name = "float64"
    if isinstance(value, dict):
        name = get.text(value.get("dtype", name), f"{where}.dtype")
        value = get.member(value, "value", where)
    if name not in TYPES:
        raise unsupported(f"{where} with numbers of type {name[:40]}", "float32 or float64")
    shape = _shape(value, where)
    flat = value
    for length in shape[1:]:
        if any(not isinstance(row, list) or len(row) != length for row in flat):
            raise _ragged(where)
        flat = [v for row in flat for v in row]
    numbers = flat if shape else [value]
    if any(isinstance(v, bool) or not isinstance(v, (int, float)) for v in numbers) and name != "bool":
        raise ReadError(f"{where} holds something else than numbers; the file is damaged")
    try:
        return np.array(numbers, dtype=name).reshape(shape)
    except (ValueError, OverflowError, TypeError) as error:
        raise _ragged(where) from error


def _ragged(where: str) -> ReadError:
    return ReadError(f"{where} is not a rectangular array of numbers; the file is damaged")


def _shape(value: Any, where: str) -> tuple[int, ...]:
    shape = []
    while isinstance(value, list):
        shape.append(len(value))
        if len(shape) > 16:
            raise _ragged(where)
        value = value[0] if value else None
    return tuple(shape)


def _nearest(top: Tree, arrays: Arrays) -> float | None:
    """min_nbor_dist: one place or another, by the back end that wrote the file."""
    for holder in (top, top.get("constants"), top.get(VARIABLES)):
        value = holder.get("min_nbor_dist") if isinstance(holder, dict) else None
        if value is not None:
            if holder is top.get(VARIABLES):
                array = np.asarray(arrays(value, "min_nbor_dist")).reshape(-1)
                if array.size != 1 or array.dtype.kind not in "fiu":
                    raise ReadError(f"min_nbor_dist: {array.size} numbers of type {array.dtype}, must be one real number")
                value = float(array[0])
            return get.number(value, "min_nbor_dist")
    return None


def _set_rules(model: Tree, backend: str, keeps_all: bool) -> None:
    """Our own keys of the tree, of a model and those in it."""
    if "models" in model:
        inner = [get.mapping(part, "model.models") for part in get.sequence(model["models"], "model.models")]
        for part in inner:
            _set_rules(part, backend, keeps_all)
        whole = keeps_all or backend in WITH_CODE_OF_THEIR_OWN
        model["models"] = inner if whole else parts_by_list(inner)
        if model.get("type") == "zbl" and backend != "PyTorch":
            model["least_sum"] = 0.0
    tensorflow = backend == "TensorFlow"
    n_types = len(get.sequence(model.get("type_map") or [], "model.type_map"))
    variables = model.setdefault(VARIABLES, {"out_bias": np.zeros((1, n_types, 1))})  # @version 1
    if not tensorflow:
        variables["out_std"] = None
    if isinstance(model.get("descriptor"), dict):
        model["neighbour_rule"] = "per_type" if tensorflow else "all" if keeps_all else "total"
        if tensorflow:
            _set_descriptor_rules(model["descriptor"], n_types)
            _round_gelu(model)
    if isinstance(model.get("fitting"), dict):
        energies = model["fitting"].get("atom_ener")
        model["fitting"]["vacuum"] = vacuum_flags(get.sequence(energies or [], "model.fitting.atom_ener"))
        model["fitting"]["vacuum_has_types"] = tensorflow and _has_types(model.get("descriptor"))
        if tensorflow:
            _set_skips(get.mapping(model["fitting"].get("nets") or {}, "model.fitting.nets"))


def _set_skips(nets: Tree) -> None:
    """TensorFlow's fitting nets have skips around layers, but the first, that keep the width; the conversion writes PyTorch's,
    with time steps that were never trained."""
    where = "model.fitting.nets"
    for net in get.sequence(nets.get("networks") or [], where):
        for k, layer in enumerate(get.sequence(get.mapping(net, where).get("layers") or [], where)):
            variables = get.mapping(get.mapping(layer, where).get(VARIABLES) or {}, where)
            weight = variables.get("w")
            if k == 0 or (isinstance(weight, np.ndarray) and weight.shape[:1] != weight.shape[1:]):
                layer["resnet"], variables["idt"] = False, None


def _has_types(descriptor: Any) -> bool:
    """Of slots that all types share."""
    return isinstance(descriptor, dict) and descriptor_type(descriptor.get("type"), "model.descriptor.type") == "dpa1"


def _round_gelu(tree: Any) -> None:
    """TensorFlow's gelu_tf has its constant rounded to float32, and its gelu has not."""
    for value in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        _round_gelu(value)
    if isinstance(tree, dict) and str(tree.get("activation_function")).lower() == "gelu_tf":
        tree["activation_function"] = GELU_TF


def _set_descriptor_rules(descriptor: Tree, n_types: int) -> None:
    """TensorFlow's: excluded sections vanish, with a net for each pair of types their slots, too; slots that all types share have
    the zero embedding where they are empty; radii are float32 numbers, as is their difference."""
    if isinstance(descriptor.get("list"), list):
        for inner in descriptor["list"]:
            _set_descriptor_rules(get.mapping(inner, "model.descriptor.list"), n_types)
        return
    if not is_off(descriptor.get("smooth_type_embedding")) or descriptor.get("type") == "se_atten_v2":
        raise unsupported(
            "a smooth type embedding that TensorFlow trained, in another file than TensorFlow's,",
            "TensorFlow's own switch, which is not that of the file's tree; give the .pb",
        )
    if _has_types(descriptor):
        descriptor["padding_type"] = n_types
    else:
        nets = get.mapping(descriptor.get("embeddings") or {}, "model.descriptor.embeddings")
        descriptor["exclusion"] = "absent" if nets.get("ndim") == 2 else "section"
    if {"rcut", "rcut_smth"} <= descriptor.keys():
        outer, inner = (np.float32(get.number(descriptor[key], f"model.descriptor.{key}")) for key in ("rcut", "rcut_smth"))
        descriptor |= {"rcut": float(inner) + float(outer - inner), "rcut_smth": float(inner)}
