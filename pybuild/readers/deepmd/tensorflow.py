# SPDX-License-Identifier: MIT
"""DeePMD-kit's TensorFlow files: frozen graphs (`.pb`, `.pbtxt`) of versions 0.12 to 3, plain or compressed by DeePMD-kit.

Neither TensorFlow nor DeePMD-kit's operators are needed. Settings come from the graph, which is what DeePMD-kit evaluates; the
training script, where there is one, is asked only for what the graph does not say.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...descriptors.deepmd import Tree, unsupported
from ...errors import InputError, ReadError
from ..files import access as get
from ..files.graphdef import Graph, read_graph
from ..source import Choices
from .refusals import check_modifier, no_descriptor, no_model
from .source import DeepmdSource
from .tensorflow_combined import (
    count_parts,
    frozen_part,
    has_pair_table,
    is_frozen,
    is_table_alone,
    linear_tree,
    part_of,
    script_of_part,
    table_alone,
    takes_neighbours_for_type_0,
    with_pair_table,
)
from .tensorflow_descriptor import WITH_TYPES, Member, descriptor_tree, members
from .tensorflow_nets import layer, narrow_products
from .tensorflow_types import tree_with_types, type_embedding
from .tree_type import is_off

FORMAT, COMPRESSED = "DeePMD-kit TensorFlow graph", "DeePMD-kit TensorFlow graph, compressed by DeePMD-kit"
ENERGIES = ("o_energy", "energy_test")  # the second one before 1.0
MOST_LAYERS = 256
# Words of a training script that change what the graph computes in places that are not looked at.
UNKNOWN_TO_GRAPH = ("tot_ener_zero",)
# Constants, scopes and operations of models of other kinds, and what these are.
OTHER_PROGRAMS = (
    (r"spin_attr/.*", "spin_ener"),
    (r"descrpt_attr_(qm|qmmm)/.*", "pairwise_dprc"),
)
NARROW = (
    "note: trained with mixed_precision: DeePMD-kit multiplies numbers of 16 bits, which rounds forces to about 1e-3 of their "
    "size; the tables are of the weights as they are stored"
)
FIRST_TYPE = (
    "warning: in its pair table every neighbour counts as {}: so DeePMD-kit evaluates a TensorFlow model of se_atten with "
    "use_srtab, in training, too"
)
# Operations of descriptors that there are no tables for.
OTHER_DESCRIPTORS = {"Descrpt": "loc_frame", "DescrptSeAMask": "se_a_mask"}


def read(path: Path, choices: Choices) -> DeepmdSource:
    """Read a graph. Raises ReadError, UnsupportedModel, ModelError; InputError where a choice is missing, or of something that is
    not there."""
    graph = read_graph(path)
    script = _script(graph)
    n_parts = count_parts(graph)
    tree = linear_tree(graph, script, _parts(graph, script, choices, n_parts)) if n_parts else _tree(graph, script, choices)
    nearest = graph.optional("train_attr/min_nbor_dist")
    distance = float(nearest.reshape(-1)[0]) if nearest is not None and nearest.size == 1 and nearest.dtype.kind == "f" else None
    compressed = any(node.op.startswith("TabulateFusion") for node in graph.nodes.values())
    remarks = [NARROW] if narrow_products(graph) else []
    if takes_neighbours_for_type_0(tree):
        remarks.append(FIRST_TYPE.format(tree["type_map"][0]))
    return DeepmdSource(COMPRESSED if compressed else FORMAT, tree, distance, choices.padding_type, remarks)


def _parts(graph: Graph, script: dict[Any, Any], choices: Choices, n: int) -> list[Tree]:
    """Those of a linear model: nets, and pair tables of the same types."""
    frozen = [is_frozen(graph, k) for k in range(n)]
    graphs = [frozen_part(graph, k) if frozen[k] else part_of(graph, k) for k in range(n)]
    nets = {
        k: _tree(g, _script(g) if frozen[k] else script_of_part(script, k), choices)
        for k, g in enumerate(graphs)
        if not is_table_alone(graph, k)
    }
    if not nets:
        raise unsupported("a linear model of pair tables alone", "a net in one of its parts")
    type_map = next(iter(nets.values()))["type_map"]
    return [nets[k] if k in nets else table_alone(g, type_map) for k, g in enumerate(graphs)]


def _tree(graph: Graph, script: dict[Any, Any], choices: Choices) -> Tree:
    """Of a model with one fitting net for each type, and maybe a pair table for short distances."""
    branch = _branch(graph, script, choices.head)
    _refuse_other_models(graph, script, choices)
    energy = next((name for name in ENERGIES if name + branch in graph.nodes), ENERGIES[0])
    energy += branch
    graph.require_whole(energy)
    found = members(graph)
    type_map = _type_map(graph, script, found, choices)
    kinds = _descriptor(found, script)
    tree = {
        "type": "standard",
        "type_map": type_map,
        "neighbour_rule": "per_type",
        "atom_exclude_types": [],
        "pair_exclude_types": [],
        "descriptor": kinds,
        **_energies(graph, branch, energy, script, len(type_map)),
    }
    if not has_pair_table(graph):
        return tree
    rcut = graph.optional("descrpt_attr/rcut")
    return with_pair_table(graph, tree, None if rcut is None or rcut.size != 1 else float(rcut.reshape(-1)[0]))


# What model it is


def _word(graph: Graph, name: str) -> str | None:
    """A constant that is one text."""
    value = graph.optional(name)
    if value is None or value.dtype != object or value.size != 1:
        return None
    return bytes(value.reshape(-1)[0]).decode("utf-8", "replace")


def _script(graph: Graph) -> dict[Any, Any]:
    """The model section of the training script, empty where the file has none."""
    text = _word(graph, "train_attr/training_script")
    if text is None or not text.strip():
        return {}
    try:
        options = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ReadError(f"the training script in the graph is not JSON ({str(error)[:100]}); the file is damaged") from error
    return get.mapping(get.mapping(options, "training_script").get("model", {}), "training_script.model")


def _branch(graph: Graph, script: dict[Any, Any], head: str | None) -> str:
    """The suffix of a branch's fitting net in a file with all branches, "" in any other."""
    nets = script.get("fitting_net_dict")
    if not isinstance(nets, dict) or "o_energy" in graph.nodes:
        if head is not None:
            raise InputError(f"--head {head}: this graph has one model only; leave --head out")
        return ""
    listed = ", ".join(str(name)[:80] for name in nets)
    if head is None:
        raise InputError(f"the graph has several branches: choose one with --head; there are: {listed}")
    if head not in nets:
        raise InputError(f"--head {head}: no such branch; there are: {listed}")
    return f"_{head}"


def _refuse_other_models(graph: Graph, script: dict[Any, Any], choices: Choices) -> None:
    for pattern, kind in OTHER_PROGRAMS:
        if any(re.fullmatch(pattern, name) for name in graph.nodes):
            raise no_model(kind)
    for node in graph.nodes.values():
        if node.op in OTHER_DESCRIPTORS:
            raise no_descriptor(OTHER_DESCRIPTORS[node.op])
    quantised = next((node.op for node in graph.nodes.values() if "Nvnmd" in node.op), None)
    if quantised is not None:
        raise unsupported(
            f"a model for NVNMD hardware (operation {quantised})",
            "its quantised arithmetic; give the model of before `dp train-nvnmd -s s2`",
        )
    kind = _word(graph, "model_attr/model_type") or "ener"
    if kind not in ("ener", "multi_task"):
        raise no_model(kind)
    modifier = _word(graph, "modifier_attr/type")
    check_modifier(modifier is not None, choices.without_modifier)
    if any(name.startswith("attention_layer_") for name in graph.nodes):
        raise unsupported("a descriptor with attention layers", "attention between neighbours, which cannot be tabulated")
    fitting = script.get("fitting_net")
    for name in UNKNOWN_TO_GRAPH:
        if isinstance(fitting, dict) and not is_off(fitting.get(name)):
            raise unsupported(f"option 'fitting_net.{name}'", "a reader that knows this option")


def _type_map(graph: Graph, script: dict[Any, Any], found: list[Member], choices: Choices) -> list[str]:
    """Of the graph, the training script, or the user."""
    n_types = found[0].n_types
    names = (_word(graph, "model_attr/tmap") or "").split()
    if not names and script.get("type_map"):
        names = get.type_names(script["type_map"], "training_script.type_map")
    if names:
        choices.refuse_types(names)
    if choices.types is not None:
        names = list(choices.types)
    if not names:
        raise InputError(
            f"the graph does not name its {n_types} types: say which elements they are, in the order of the training data's "
            f"type_map, with --types (as in --types {','.join('OHCN'[:n_types]) or 'O,H'})"
        )
    if len(names) != n_types or any(member.n_types != n_types for member in found):
        kind = ReadError if choices.types is None else InputError
        raise kind(f"{len(names)} names ({' '.join(names)[:200]}) for {n_types} types")
    return names


def _descriptor(found: list[Member], script: dict[Any, Any]) -> Tree:
    """A descriptor's tree, or that of a hybrid."""
    options = script.get("descriptor")
    if found[0].suffix == "":
        return _one_descriptor(found[0], options if isinstance(options, dict) else None, True)
    listed = options.get("list") if isinstance(options, dict) else None
    parts: list[Any] = [None] * len(found)
    if isinstance(listed, list) and len(listed) == len(found) and all(isinstance(part, dict) for part in listed):
        parts = listed
    trees = [_one_descriptor(member, part, False) for member, part in zip(found, parts, strict=True)]
    return trees[0] if len(trees) == 1 else {"type": "hybrid", "list": trees}


def _one_descriptor(member: Member, options: dict[Any, Any] | None, alone: bool) -> Tree:
    if member.kind in WITH_TYPES:
        return tree_with_types(member, options, alone)
    if member.kind == "se_e2_a" and type_embedding(member.graph) is not None:
        raise unsupported("a type embedding beside descriptor 'se_e2_a'", "one that goes into the descriptor's nets")
    return descriptor_tree(member, options, alone)


# Fitting nets and energies


def _energies(graph: Graph, branch: str, energy: str, script: dict[Any, Any], n_types: int) -> Tree:
    """The parts "fitting" and "@variables" of the tree; energy: the node that has it."""
    options = script.get("fitting_net") if not branch else script["fitting_net_dict"].get(branch[1:])
    shared = options.get("layer_name") if isinstance(options, dict) else None
    mixed = graph.is_constant(f"{_layers(graph, '', branch, shared)[0]}/matrix")
    of_types = [""] if mixed else [f"_type_{t}" for t in range(n_types)]
    scopes = [_layers(graph, of_type, branch, shared) for of_type in of_types]
    needed = set(graph.needed([energy]))
    attributes = f"fitting_attr{branch}/"
    bias = _per_type(graph, f"{attributes}t_bias_atom_e", n_types, 0.0)
    for t in range(n_types):  # energies that version 1 adds by a constant of their own
        bias[t] += _per_type(graph, f"atom_{t}_ener", 1, 0.0)[0]
    nets = [{"layers": _net(graph, net)} for net in scopes]
    types = type_embedding(graph)
    return {
        "@variables": {
            "out_bias": _per_type(graph, "model_attr/model_attr/t_out_bias", n_types, 0.0),
            "out_std": graph.optional("model_attr/model_attr/t_out_std"),
        },
        "fitting": {
            "type": "ener",
            "numb_fparam": _count(graph, f"{attributes}dfparam"),
            "numb_aparam": _count(graph, f"{attributes}daparam"),
            "use_aparam_as_mask": isinstance(options, dict) and not is_off(options.get("use_aparam_as_mask")),
            "dim_case_embd": 0,
            "mixed_types": mixed,
            "vacuum": [_is_evaluated_twice(needed, net) for net in scopes],
            "vacuum_has_types": types is not None,
            "type_embedding": types,
            "nets": {"networks": nets},
            "@variables": {
                "bias_atom_e": bias,
                **{
                    name: graph.optional(f"{attributes}t_{name.replace('inv_std', 'istd')}")
                    for name in ("fparam_avg", "fparam_inv_std", "aparam_avg", "aparam_inv_std")
                },
            },
        },
    }


def _is_evaluated_twice(needed: set[str], scopes: list[str]) -> bool:
    """By its first layer: a second evaluation of a fitting net is that of zeros, which is subtracted. needed: the nodes that its
    energy needs. Nets of other branches or parts and layers of one net that have the same name number theirs in turn."""
    first = re.compile(rf"{re.escape(scopes[0])}(_[0-9]+)?/MatMul")
    return sum(first.fullmatch(name) is not None for name in needed) > scopes.count(scopes[0])


def _layers(graph: Graph, of_type: str, branch: str, shared: Any) -> list[str]:
    """Scopes of the layers of a fitting net, the last one the final layer; those that have a name are all branches'."""
    if shared:
        names = get.type_names(shared, "training_script.fitting_net.layer_name")
        return [f"share_{name}{of_type}" for name in names]
    tail = of_type + branch
    if not graph.is_constant(f"final_layer{tail}/matrix") and any(name.startswith("share_") for name in graph.nodes):
        raise unsupported(
            "a fitting net whose layers have names (layer_name), in a graph without the training script",
            "the script, which says their order",
        )
    hidden: list[str] = []
    while graph.is_constant(f"layer_{len(hidden)}{tail}/matrix"):
        hidden.append(f"layer_{len(hidden)}{tail}")
        if len(hidden) > MOST_LAYERS:
            raise ReadError(f"the fitting net has more than {MOST_LAYERS} layers")
    return [*hidden, f"final_layer{tail}"]


def _net(graph: Graph, scopes: list[str]) -> list[Tree]:
    """A layer but the first one has a skip where it keeps the width, never where it doubles it."""
    layers: list[Tree] = []
    for k, scope in enumerate(scopes):
        last = k == len(scopes) - 1
        widths = graph.constant(f"{scope}/matrix").shape
        residual = not last and k > 0 and widths[:1] == widths[1:]
        layers.append(layer(graph, (f"{scope}/matrix", f"{scope}/bias", f"{scope}/idt"), residual, last))
    return layers


def _per_type(graph: Graph, name: str, n_types: int, default: float) -> NDArray[np.float64]:
    """A constant of one number a type, (N,) or with axes of one."""
    array = graph.optional(name)
    if array is None:
        return np.full(n_types, default)
    if array.size != n_types or array.dtype.kind != "f":
        raise ReadError(f"constant '{name}' has shape {array.shape}, must be one number for each of {n_types} types")
    return array.reshape(-1).astype(np.float64)


def _count(graph: Graph, name: str) -> int:
    array = graph.optional(name)
    if array is None:
        return 0
    if array.size != 1 or array.dtype.kind != "i":
        raise ReadError(f"constant '{name}' is not one integer; the file is damaged")
    return int(array.reshape(-1)[0])
