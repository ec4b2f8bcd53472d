# SPDX-License-Identifier: MIT
"""TensorFlow graphs of several models: `linear_ener`, whose parts, nets or pair tables, have names of their own, and a net with a
pair table for short distances (`use_srtab`).
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...descriptors.deepmd import Tree, unsupported
from ...errors import ReadError
from ...model.combined import MOST_PARTS
from ..files import access as get
from ..files.graphdef import Graph
from .tree_type import members

PART = re.compile(r"_model([0-9]{1,3})(?=$|/|_)")  # in the names of a part's scopes
DESCRIPTOR = re.compile(r"descrpt_attr_model([0-9]{1,3})(?:_[0-9]+)?/")  # of a hybrid each member has one
ENERGY = re.compile(r"o_energy_model([0-9]{1,3})$")
EMBEDDING = re.compile(r"type_embed_net_model[0-9]{1,3}/")
NAMES = "model_attr/tmap"
FROZEN = "load_model{}/"  # scope of a part that was frozen before
ATTRIBUTE = re.compile(r"[a-z]+_attr/")
SWITCH, PAIRS = "SoftMinSwitch", "PairTab"  # operations
TABLE = "model_attr/t_tab_"


def count_parts(graph: Graph) -> int:
    """Models of a linear one; 0: the graph is of one model. Raises UnsupportedModel for a part that is none of a known kind."""
    with_descriptor, with_energy = (
        {match.group(1) for name in graph.nodes for match in [pattern.match(name)] if match} for pattern in (DESCRIPTOR, ENERGY)
    )
    found = with_descriptor | with_energy
    count = len(found)
    if count > MOST_PARTS or found != {str(k) for k in range(count)}:
        raise ReadError(f"the graph has the parts {' '.join(sorted(found))[:100]} of a linear model; it is damaged")
    for k in sorted(map(int, found - with_descriptor)):
        if not (is_table_alone(graph, k) or is_frozen(graph, k)):
            raise unsupported(f"a linear model of TensorFlow whose part {k} has no descriptor", "parts of nets and pair tables")
    return count


def is_frozen(graph: Graph, k: int) -> bool:
    """Whether part k of a linear model is a graph that was frozen before it."""
    return any(name.startswith(FROZEN.format(k)) for name in graph.nodes)


def is_table_alone(graph: Graph, k: int) -> bool:
    """Whether part k of a linear model is a pair table without a net."""
    described = (match.group(1) for name in graph.nodes for match in [DESCRIPTOR.match(name)] if match)
    return graph.is_constant(f"model_attr_model{k}/t_tab_info") and str(k) not in described


def frozen_part(graph: Graph, k: int) -> Graph:
    """That graph, without what nothing computes with: the names of its types are those of the one around it. What it takes of
    that one, positions and types of atoms, has no inputs in it."""
    scope = FROZEN.format(k)
    own = [node for name, node in graph.nodes.items() if name.startswith(scope)]
    around = {i for node in own for i in node.inputs if not i.startswith(scope)}
    found = {name: replace(graph.nodes[name], inputs=()) for name in (*around, NAMES) if name in graph.nodes}
    for node in own:
        name = node.name.removeprefix(scope)
        found[name] = replace(node, name=name, inputs=tuple(i.removeprefix(scope) for i in node.inputs))
    part = Graph(found)
    if count_parts(part):
        raise unsupported(f"a linear model of TensorFlow whose part {k} is a linear model", "its parts in one list")
    return part


def part_of(graph: Graph, k: int) -> Graph:
    """The graph of part k of a linear model, with the names that a model of its own has."""

    def renamed(name: str) -> str:
        return PART.sub("", name)

    mine = [name for name in graph.nodes if PART.search(name) and _is_of_part(name, k)]
    # Operations without a scope are those of one part or another: of this one what its own nodes need. Attributes are all parts'.
    needed = set(graph.needed(mine))
    # The first part that has a type embedding lends it to all that follow.
    lent = {name for name in needed if name in graph.nodes and EMBEDDING.match(name) and not _is_of_part(name, k)}

    def is_own(name: str) -> bool:
        return name in lent or _is_of_part(name, k)

    own = {renamed(name): graph.nodes[name] for name in (*mine, *lent)}
    common = {
        name: node for name, node in graph.nodes.items() if not PART.search(name) and (name in needed or ATTRIBUTE.match(name))
    }
    return Graph(
        {
            name: replace(node, name=name, inputs=tuple(renamed(i) for i in node.inputs if is_own(i)))
            for name, node in (common | own).items()
        }
    )


def _is_of_part(name: str, k: int) -> bool:
    """Whether a name has no other part's number."""
    return all(match.group(1) == str(k) for match in PART.finditer(name))


def weights_of(graph: Graph, script: dict[Any, Any], n: int) -> Any:
    """Of the parts: as the training script has them, or the only nameless constant of so many numbers."""
    if script.get("weights") is not None:
        return script["weights"]
    nameless = map(graph.constant, graph.nameless_constants())
    found = [array for array in nameless if array.shape == (n,) and array.dtype.kind == "f"]
    if len(found) != 1:
        raise ReadError(f"the graph has {len(found)} constants that could be the weights of its {n} models, must have one")
    return [float(w) for w in found[0]]


def has_pair_table(graph: Graph) -> bool:
    """Of a net with a pair table for short distances."""
    return graph.is_constant(f"{TABLE}info")


def with_pair_table(graph: Graph, tree: Tree, nominal_rcut: float | None) -> Tree:
    """The tree of such a model; tree: that of its net, nominal_rcut: of the neighbour list, angstrom.

    The bias of the fitting net is added to the table's energies, unless the script said otherwise; numbers of the switch are
    float32, and so is their difference. DeePMD-kit's operation knows a neighbour's type by its slot: where all types share the
    slots (se_atten) it takes every neighbour for one of type 0.
    """
    switch = _only(graph, SWITCH)
    alpha, rmin, rmax = (_number(switch.number(name), switch.name) for name in ("alpha", "rmin", "rmax"))
    # The energies of the table are subtracted from those of the net as they come, or after something was added.
    adds_bias = not any(user.op == "Sub" for user in graph.users.get(_only(graph, PAIRS).name, []))
    n_types = len(tree["type_map"])
    bias = np.asarray(tree["fitting"]["@variables"]["bias_atom_e"], dtype=np.float64)
    widest = max(members(tree["descriptor"]), key=lambda d: float(d["rcut"]))
    exclusions = {key: tree[key] for key in ("type_map", "atom_exclude_types", "pair_exclude_types")}
    rcut = widest["rcut"] if nominal_rcut is None else nominal_rcut
    sel = widest.get("sections") or widest["sel"]  # one number: of se_atten
    none = np.zeros((1, n_types, 1))
    return exclusions | {
        "type": "zbl",
        "@variables": {"out_bias": none},
        "models": [tree, _table(graph, exclusions, rcut, sel, bias.reshape(1, n_types, 1) if adds_bias else none)],
        "sw_rmin": rmin,
        "sw_rmax": rmin + float(np.float32(rmax) - np.float32(rmin)),
        "smin_alpha": alpha,
        "least_sum": 0.0,
    }


def table_alone(graph: Graph, type_map: list[str]) -> Tree:
    """A part of a linear model that is a pair table, whose neighbours are in one row for all types."""
    pairs = _only(graph, PAIRS)
    rows = next((graph.nodes[name] for name in pairs.inputs if name in graph.nodes and graph.nodes[name].number("rcut_r")), pairs)
    sel = pairs.integers("sel_a")
    if not sel:
        raise ReadError(f"node '{pairs.name}' lacks the slots of the pair table (sel_a); the file is damaged")
    exclusions = {"type_map": type_map, "atom_exclude_types": [], "pair_exclude_types": []}
    none = np.zeros((1, len(type_map), 1))
    return _table(graph, exclusions, _number(rows.number("rcut_r"), rows.name), sel[0] if len(sel) == 1 else sel, none)


def _table(graph: Graph, exclusions: Tree, rcut: float, sel: int | list[int], out_bias: NDArray[np.float64]) -> Tree:
    """sel: slots of each type, or of all together."""
    n_types, data, shared = len(exclusions["type_map"]), _array(graph, "data").reshape(-1), isinstance(sel, int)
    if shared and data.size % n_types**2 == 0:  # another size is refused where the table is made
        data = np.repeat(data.reshape(n_types, n_types, -1)[:, :1], n_types, axis=1).reshape(-1)
    return exclusions | {
        "type": "pairtab",
        "rcut": rcut,
        "sel": sel,
        "neighbour_rule": "total" if shared else "per_type",
        "@variables": {"out_bias": out_bias},
        "tab": {"rcut": rcut, "@variables": {"tab_info": _array(graph, "info"), "tab_data": data}},
    }


def takes_neighbours_for_type_0(tree: Tree) -> bool:
    """Whether that happens in a pair table of a model of more types than that one."""
    tables = (part for part in tree.get("models", []) if part["type"] == "pairtab")
    return len(tree["type_map"]) > 1 and any(table["neighbour_rule"] == "total" for table in tables)


def linear_tree(graph: Graph, script: dict[Any, Any], models: list[Tree]) -> Tree:
    """Of a linear model from those of its parts. TensorFlow numbers the types once, for all of them."""
    type_map = models[0]["type_map"]
    for k, part in enumerate(models):
        if part["type_map"] != type_map:
            raise unsupported(
                f"a linear model whose part {k} has the types {' '.join(part['type_map'])}, part 0 {' '.join(type_map)} "
                "(TensorFlow gives both the numbers of part 0)",
                "the same types in the same order for all parts",
            )
    return {
        "type": "linear_ener",
        "type_map": type_map,
        "atom_exclude_types": [],
        "pair_exclude_types": [],
        "@variables": {"out_bias": np.zeros((1, len(type_map), 1))},
        "models": models,
        "weights": weights_of(graph, script, len(models)),
    }


def script_of_part(script: dict[Any, Any], k: int) -> dict[Any, Any]:
    """Part k of the model section of the training script, empty where there is none."""
    models = script.get("models")
    if not isinstance(models, list) or k >= len(models):
        return {}
    return get.mapping(models[k], f"training_script.model.models[{k}]")


def _only(graph: Graph, op: str) -> Any:
    found = [node for node in graph.nodes.values() if node.op == op]
    if len(found) != 1:
        raise ReadError(f"the graph has {len(found)} operations {op}, a model with a pair table must have one; it is damaged")
    return found[0]


def _number(value: float | None, node: str) -> float:
    if value is None:
        raise ReadError(f"node '{node}' lacks a number of the pair table; the file is damaged or of an unknown version")
    return value


def _array(graph: Graph, name: str) -> NDArray[np.float64]:
    array = graph.constant(f"{TABLE}{name}")
    if array.dtype.kind != "f":
        raise ReadError(f"constant '{TABLE}{name}' is not of numbers; the file is damaged")
    return array.astype(np.float64)
