# SPDX-License-Identifier: MIT
"""The descriptor of a TensorFlow graph as DeePMD-kit's tree: everything from the graph, whichever version wrote it.

Constants lie in scopes: `filter_type_all` for a net per neighbour type, `filter_type_I` (0.12: `DS_layer_type_I`) for a net per
pair of types, each with the suffix of the member of a hybrid. A model that was compressed has tables instead of nets.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...descriptors.deepmd import Tree, unsupported
from ...errors import ReadError
from ..files import access as get
from ..files.graphdef import Graph, Node
from .tensorflow_nets import layer

ANGULAR = ("ProdEnvMatA", "DescrptSeA", "DescrptNorot", "ProdEnvMatAMix")
RADIAL = ("ProdEnvMatR", "DescrptSeR")
MIXED = "ProdEnvMatAMix"
WITH_TYPES = ("se_atten", "se_e2_a with type embedding")  # kinds that tensorflow_types.py reads
TABLE = "TabulateFusion"
MOST_LAYERS = 64
THROUGH = ("Reshape", "Identity", "Cast")  # between a section of the environment and what is looked up


@dataclass(frozen=True)
class Member:
    """A descriptor in the graph: where its numbers are, and the operation that makes its environment."""

    graph: Graph
    suffix: str  # "", or "_k" of member k of a hybrid
    mean: str  # constant of the statistics
    std: str
    op: Node
    radial: bool
    sel: list[int]
    n_types: int

    @property
    def n_components(self) -> int:
        return 1 if self.radial else 4

    @property
    def shared(self) -> str:
        """Scope of nets that all centres have in common."""
        return f"filter_type_all{self.suffix}"

    def scope(self, centre: int) -> str:
        """That of a centre type's own nets."""
        return f"filter_type_{centre}{self.suffix}"

    @cached_property
    def _followers(self) -> frozenset[str]:
        """Nodes that take something of its environment."""
        found: set[str] = set()
        waiting = [self.op.name]
        while waiting:
            new = [node.name for node in self.graph.users.get(waiting.pop(), []) if node.name not in found]
            found.update(new)
            waiting += new
        return frozenset(found)

    def has(self, name: str) -> bool:
        """Whether a node that is in no scope may be this descriptor's: in a hybrid, if its environment goes into it."""
        return not self.suffix or name in self._followers

    @cached_property
    def kind(self) -> str:
        """By the operation and the number of indices in the names of the matrices."""
        if self.op.op == MIXED:
            return WITH_TYPES[0]
        if self.radial:
            return "se_e2_r"
        pattern = re.compile(rf"{re.escape(self.shared)}/matrix_1((?:_[0-9]+)*)(_two_side_ebd|_one_side_ebd)?")
        found = [match for match in map(pattern.fullmatch, self.graph.nodes) if match]
        types = any(match.group(1) == "" or match.group(2) for match in found)
        if types or self.graph.is_constant(f"{self.shared}/embedding_lookup/params_0"):
            return WITH_TYPES[1]
        three = any(match.group(1).count("_") == 2 for match in found)
        return "se_e3" if three or any(n.op == f"{TABLE}SeT" for n in table_ops(self, self.shared)) else "se_e2_a"


def members(graph: Graph) -> list[Member]:
    """The descriptors of the model, in their order."""
    found = [_member(graph, "", "t_avg", "t_std")] if graph.is_constant("t_avg") else []  # before 1.0: at the root
    places = (re.fullmatch(r"descrpt_attr(_[0-9]{1,4})?/t_avg", name) for name in graph.nodes)
    for suffix in sorted((m.group(1) or "" for m in places if m), key=lambda s: int(s[1:] or -1)):
        place = f"descrpt_attr{suffix}/"
        found.append(_member(graph, suffix, place + "t_avg", place + "t_std"))
    if not found:
        raise ReadError("the graph has no statistics of a descriptor (descrpt_attr/t_avg); it is no DeePMD-kit model, or damaged")
    return found


def _member(graph: Graph, suffix: str, mean: str, std: str) -> Member:
    ops = [n for source in (f"{mean}/read", mean) for n in graph.users.get(source, []) if n.op in (*ANGULAR, *RADIAL)]
    if not ops:
        names = sorted({n.op for source in (f"{mean}/read", mean) for n in graph.users.get(source, [])} - {"Identity"})
        raise unsupported(f"a descriptor by the operation {', '.join(names)[:200] or 'none'}", "tables of its own")
    op, radial = ops[0], ops[0].op in RADIAL
    sel = op.integers("sel" if radial else "sel_a")
    others = [] if radial else op.integers("sel_r") or []
    statistics = graph.constant(mean)
    if sel is None or any(s < 0 for s in sel) or statistics.ndim != 2 or len(sel) not in (1, len(statistics)):
        raise ReadError(f"node '{op.name}' has no sel that goes with '{mean}' of shape {statistics.shape}; it is damaged")
    if any(others):
        raise unsupported(
            f"a descriptor with slots for distances alone (sel_r {others})", "both kinds of slots in one descriptor"
        )
    return Member(graph, suffix, mean, std, op, radial, sel, len(statistics))


def descriptor_tree(member: Member, script: dict[Any, Any] | None, alone: bool) -> Tree:
    """Of se_e2_a, se_e2_r or se_e3. script: its part of the training script, where there is one; alone: not in a hybrid."""
    networks, ndim = _networks(member)
    return common_tree(member, _excluded(member, networks, ndim, script, alone)) | {
        "type": member.kind,
        "exclusion": "section" if ndim == 1 and not _by_centre(member) else "absent",
        "embeddings": {"ndim": ndim, "networks": networks},
    }


def _by_centre(member: Member) -> bool:
    """Whether nets that all centres share are applied centre by centre, without those of excluded pairs: up to version 2.1, where
    the second centre type has the scope filter_type_all_1."""
    pattern = re.compile(rf"{re.escape(member.shared)}_[0-9]{{1,9}}/(Slice|{TABLE}).*")
    return any(pattern.fullmatch(name) and member.has(name) for name in member.graph.nodes)


def common_tree(member: Member, excluded: list[tuple[int, int]]) -> Tree:
    """What all kinds have; excluded: pairs of types."""
    rcut, rcut_smth = _cutoff(member)
    original = member.graph.optional(f"descrpt_attr{member.suffix}/original_sel")
    if original is not None and original.dtype.kind != "i":
        raise ReadError(f"constant 'descrpt_attr{member.suffix}/original_sel' is not made of integers; the file is damaged")
    return {
        "rcut": rcut,
        "rcut_smth": rcut_smth,
        "sel": member.sel,
        "n_sel": sum(member.sel) if original is None else int(original.astype(np.int64).sum()),
        **({"axis_neuron": _axis(member)} if member.kind not in ("se_e2_r", "se_e3") else {}),
        "env_protection": 0.0,
        "exclude_types": excluded,
        "@variables": {"davg": _statistics(member, member.mean), "dstd": _statistics(member, member.std)},
    }


def _cutoff(member: Member) -> tuple[float, float]:
    """(rcut, rcut_smth) in angstrom.

    Both are float32 in the graph, and so is their difference, the width of the switch: rcut here is rcut_smth plus that width,
    and the switch is the trained one to the last bit. This rcut and the nominal one differ by rounding; beyond either the switch
    is 0 and a neighbour adds exactly what an empty slot adds, so it does not matter which of them ends the search.
    """
    names = ("rcut", "rcut_smth") if member.radial else ("rcut_r", "rcut_r_smth")
    outer, inner = (member.op.number(name) for name in names)
    if outer is None or inner is None:
        raise ReadError(f"node '{member.op.name}' has no cut-off; the file is damaged or of an unknown version")
    return inner + float(np.float32(outer) - np.float32(inner)), inner


def _axis(member: Member) -> int:
    """The columns of T that the first factor has: the size of a slice, in no scope where all types share the slots."""
    scopes = [member.shared, *(s for a in range(member.n_types) for s in (member.scope(a), f"DS_layer_type_{a}"))]
    within = "" if member.op.op == MIXED else f"({'|'.join(map(re.escape, scopes))})/"
    pattern, found = re.compile(rf"{within}Slice(_[0-9]+)?/size"), set()
    for name in member.graph.nodes:
        if pattern.fullmatch(name) and member.graph.is_constant(name) and member.has(name.removesuffix("/size")):
            size = member.graph.constant(name)
            if size.shape == (3,) and size.dtype.kind == "i" and tuple(size[:2]) == (-1, -1):
                found.add(int(size[2]))
    if len(found) != 1:
        raise ReadError(
            f"the graph has {len(found)} sizes of axis_neuron (a slice of the last axis), must have one; the file is damaged or "
            "of an unknown version"
        )
    return found.pop()


def _statistics(member: Member, name: str) -> NDArray[Any]:
    array, shape = member.graph.constant(name), (member.n_types, sum(member.sel), member.n_components)
    if array.size != shape[0] * shape[1] * shape[2] or array.dtype.kind != "f":
        raise ReadError(f"constant '{name}' has shape {array.shape}, not one for {shape[0]} types and {shape[1]} slots")
    return array.reshape(shape)


# Nets and tables


def _networks(member: Member) -> tuple[list[Tree | None], int]:
    """The nets in DeePMD-kit's order, and how many types each depends on; None where a pair of types is left out."""
    n = member.n_types
    if member.kind == "se_e3":
        pairs = [(a, b) for b in range(n) for a in range(n)]
        tables = _tables(member, member.shared)
        order = {pair: k for k, pair in enumerate((a, b) for a in range(n) for b in range(a, n))}
        return [_net(member, member.shared, f"_{a}_{b}", tables.get(order.get((a, b), -1))) for a, b in pairs], 2
    if any(name.startswith(f"{member.shared}/") for name in member.graph.nodes):
        tables = _tables_of_all_centres(member)
        return [_net(member, member.shared, f"_{b}", tables.get(b)) for b in range(n)], 1
    scopes = [member.scope(a) for a in range(n)]
    if not any(name.startswith(f"{scope}/") for name in member.graph.nodes for scope in scopes):
        scopes = [f"DS_layer_type_{a}" for a in range(n)]
    by_centre = [_tables(member, scope) for scope in scopes]
    return [_net(member, scopes[a], f"_{b}", by_centre[a].get(b)) for b in range(n) for a in range(n)], 2


def _net(member: Member, scope: str, which: str, table: Tree | None) -> Tree | None:
    """A net of a scope; without any the table, which may be missing, too."""
    return net_of_scope(member.graph, scope, which) or table


def net_of_scope(graph: Graph, scope: str, which: str) -> Tree | None:
    """Layers 1, 2, ... of a net in a scope; which: the end of their names; None where there are none."""
    layers: list[Tree] = []
    while graph.is_constant(f"{scope}/matrix_{len(layers) + 1}{which}"):
        if len(layers) == MOST_LAYERS:
            raise ReadError(f"the net in '{scope}' has more than {MOST_LAYERS} layers")
        names = tuple(f"{scope}/{part}_{len(layers) + 1}{which}" for part in ("matrix", "bias", "idt"))
        layers.append(layer(graph, (names[0], names[1], names[2]), residual=True))
    return {"layers": layers} if layers else None


def table_ops(member: Member, scope: str) -> list[Node]:
    """The look-ups in tables of a scope, in the order in which they were made."""
    found = [
        (int(match.group(1) or 0), node)
        for node in member.graph.nodes.values()
        if node.op.startswith(TABLE)
        and not node.op.endswith("Grad")
        and (match := re.fullmatch(rf"{re.escape(scope)}/{TABLE}[A-Za-z]*(?:_([0-9]{{1,9}}))?", node.name))
    ]
    return [node for _, node in sorted(found, key=lambda item: item[0])]


def _tables(member: Member, scope: str) -> dict[int, Tree]:
    """Neighbour type (three-body: place in the order) -> table of a compressed model."""
    return _tables_of(member, scope, table_ops(member, scope))


def _tables_of(member: Member, scope: str, ops: Sequence[Node]) -> dict[int, Tree]:
    """The same of the look-ups in it."""
    tables: dict[int, Tree] = {}
    for place, op in enumerate(ops):
        which = place if op.op.endswith("SeT") else _section(member, op)
        if which is None:
            continue
        if which in tables:
            raise ReadError(f"'{scope}' has two tables for neighbours of type {which}; the file is damaged")
        tables[which] = table_of(member.graph, op, op.op.endswith("SeT"))
    return tables


def _tables_of_all_centres(member: Member) -> dict[int, Tree]:
    """Neighbour type -> table that all centres have in common. Up to version 2.1 exclusions are left out centre by centre: then
    the look-ups of the second centre type are in a scope filter_type_all_1, and so on."""
    pattern = re.compile(rf"({re.escape(member.shared)}(?:_[0-9]{{1,9}})?)/{TABLE}[A-Za-z]*(?:_[0-9]{{1,9}})?")
    ops: dict[str, list[Node]] = {}  # by scope
    for name, node in member.graph.nodes.items():
        match = pattern.fullmatch(name) if node.op.startswith(TABLE) and not node.op.endswith("Grad") else None
        if match and member.has(name):
            ops.setdefault(match.group(1), []).append(node)
    tables: dict[int, Tree] = {}
    for scope in sorted(ops):
        for which, found in _tables_of(member, scope, ops[scope]).items():
            known = tables.setdefault(which, found)["table"]
            if not all(np.array_equal(known[key], found["table"][key]) for key in ("coef", "info")):
                raise ReadError(f"the graph has two tables for neighbours of type {which}; the file is damaged")
    return tables


def table_of(graph: Graph, op: Node, symmetric: bool) -> Tree:
    """That of a look-up; symmetric: of three bodies."""
    if len(op.inputs) < 3:
        raise ReadError(f"node '{op.name}' has {len(op.inputs)} inputs; the file is damaged")
    coef, info = (graph.constant(name) for name in op.inputs[:2])
    return {"table": {"coef": coef, "info": info, "symmetric": symmetric}}


def _section(member: Member, op: Node) -> int | None:
    """The neighbour type whose slots a look-up is for, by where its slice of the environment begins; None for one of no slots."""
    node = member.graph.nodes.get(op.inputs[-1] if member.radial else op.inputs[3] if len(op.inputs) > 3 else "")
    for _ in range(8):
        if node is None or node.op not in THROUGH or not node.inputs:
            break
        node = member.graph.nodes.get(node.inputs[0])
    if node is None or node.op != "Slice" or len(node.inputs) < 2:
        raise ReadError(f"node '{op.name}' looks up no section of the neighbours; the file is damaged or of an unknown version")
    begin = member.graph.constant(node.inputs[1])
    size = member.graph.optional(node.inputs[2]) if len(node.inputs) > 2 else None
    if size is not None and size.shape == (2,) and size[1] == 0:
        return None
    starts = np.cumsum([0, *member.sel[:-1]]) * member.n_components
    for b, start in enumerate(starts.tolist()):
        if begin.shape == (2,) and int(begin[1]) == start and member.sel[b]:
            return b
    raise ReadError(f"node '{op.name}' looks up neighbours from {begin.tolist()} on, where no section begins")


# Exclusions


def _excluded(
    member: Member, networks: list[Tree | None], ndim: int, script: dict[Any, Any] | None, alone: bool
) -> list[tuple[int, int]]:
    """Pairs of types that the descriptor excludes: with a net per pair those without one, otherwise by the mask or the script."""
    n = member.n_types
    if ndim == 2:
        if all(net is None for net in networks):
            raise ReadError("the graph has no embedding nets; the file is damaged or of an unknown version")
        missing = [(a, b) for b in range(n) for a in range(n) if networks[a + b * n] is None and member.sel[b]]
        single = [(a, b) for a, b in missing if networks[b + a * n] is not None and member.sel[a]]
        if member.kind == "se_e3":
            return []
        if single:
            raise ReadError("the graph has the embedding net of types {} {} but not the reverse".format(*single[0][::-1]))
        for a in range(n):
            if all((a, b) in missing or not member.sel[b] for b in range(n)):
                raise unsupported(f"a descriptor that excludes all neighbours of type {a}", "a constant energy for its atoms")
        return missing
    for b, net in enumerate(networks):
        if net is None and member.sel[b]:
            raise ReadError(f"the graph has no embedding net of neighbours of type {b}; the file is damaged")
    return excluded_by_words(member, script, alone)


def excluded_by_words(member: Member, script: dict[Any, Any] | None, alone: bool) -> list[tuple[int, int]]:
    """Those of the script or, without one, of the mask; alone: not in a hybrid. The script's do nothing in graphs of up to
    version 2.1 without a mask of se_e2_r, unless nets are applied centre by centre, and of kinds with a type embedding."""
    words = get.type_pairs((script or {}).get("exclude_types") or [], "training_script, exclude_types")
    if script is not None and not words:
        return []
    masks = [mask for name in member.graph.nameless_constants() if (mask := _mask_of(member, name)) is not None]
    if script is not None:
        heeds_words = member.kind not in WITH_TYPES and (not member.radial or _by_centre(member))
        return words if masks or heeds_words else []
    if len(masks) > 1 or (masks and not alone):
        raise unsupported("a hybrid without training script whose members exclude pairs of types", "knowing which member does")
    return [(int(a), int(b)) for mask in masks for a, b in np.argwhere(mask == 0)]


def _mask_of(member: Member, name: str) -> NDArray[Any] | None:
    """A nameless constant (N, N) of zeros and ones, not of ones alone; with shared slots (N, N + 1), the last for empty ones."""
    value = member.graph.constant(name)
    shape = (member.n_types, member.n_types + (member.op.op == MIXED))
    legal = value.shape == shape and value.dtype.kind == "f" and set(np.unique(value)) <= {0.0, 1.0}
    return value if legal and (value == 0).any() else None
