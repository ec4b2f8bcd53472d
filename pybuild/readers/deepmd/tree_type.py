# SPDX-License-Identifier: MIT
"""DeePMD-kit's tree of a model: what it holds, of which types, and what an absent key means (docs/deepmd-tree.md).

Each reader of a DeePMD-kit file makes such a tree, as nested dictionaries, lists and arrays, and `checked` makes it whole: every
key is there and of its type, what has no effect on a trained model is gone, and equal models have equal trees. A key that is not
listed here is refused by its name, unless it is switched off: an option that changes what a model computes must not pass unseen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Set
from typing import Any, NamedTuple

import numpy as np

from ...descriptors.deepmd import Tree, unsupported
from ...errors import ModelError, ReadError
from ...model.activations import parse
from ..files import access as get
from .refusals import no_descriptor, no_fitting, no_model

OFF: tuple[Any, ...] = (None, False, 0, "", "None", "none", {})
MAX_DEPTH = 8  # of a descriptor in a hybrid one, of a model in a linear one

Read = Callable[[Any, str], Any]  # (value, its place in the tree) -> the value in its form; raises ReadError, UnsupportedModel


class Key(NamedTuple):
    """`default`: what a file means that does not have the key, or has null there; NEEDED where it must be there."""

    read: Read
    default: Any = "needed"


NEEDED = Key._field_defaults["default"]


def is_off(value: Any) -> bool:
    """Whether an option's value switches it off; a list of nothing does, too."""
    if isinstance(value, list) and all(item is None for item in value):
        return True
    return not isinstance(value, np.ndarray) and any(value is off or value == off for off in OFF)


def record(keys: Mapping[str, Key], ignored: Set[str] = frozenset()) -> Read:
    """A dictionary with these keys; the ignored ones may be there and are left out."""

    def read(value: Any, where: str) -> Tree:
        tree = get.mapping(value, where)
        for name, other in tree.items():
            if name not in keys and name not in ignored and not is_off(other):
                raise unsupported(f"'{where}.{str(name)[:80]}' in the model", "a reader that knows this option")
        return {name: _value(tree, name, key, where) for name, key in keys.items()}

    return read


def _value(tree: Tree, name: str, key: Key, where: str) -> Any:
    if tree.get(name) is None and key.default is not NEEDED:
        return key.default() if callable(key.default) else key.default
    return key.read(get.member(tree, name, where), f"{where}.{name}")


def list_of(item: Read) -> Read:
    """A list of such."""
    return lambda value, where: [item(v, f"{where}[{i}]") for i, v in enumerate(get.sequence(value, where))]


def array(value: Any, where: str) -> np.ndarray:
    """Numbers of float64 or float32."""
    if not isinstance(value, np.ndarray):
        raise ReadError(f"{where} is not an array; the file is damaged or of an unknown version")
    if value.dtype not in (np.float64, np.float32):
        name = "bfloat16" if value.dtype.kind == "V" else value.dtype.name  # HDF5 has no name for it
        raise unsupported(f"{where} with numbers of type {name}", "float32 or float64")
    return value


def vector(value: Any, where: str) -> np.ndarray:
    """The same in one dimension, whatever the file's."""
    return array(value, where).reshape(-1)


def _pairs(value: Any, where: str) -> list[tuple[int, int]]:
    """Each pair once, the smaller type first."""
    return sorted({(min(pair), max(pair)) for pair in get.type_pairs(value, where)})


def _types(value: Any, where: str) -> list[int]:
    return sorted(set(get.integers(value, where)))


def _activation(value: Any, where: str) -> str:
    """Of several names of one function the same; null means linear."""
    try:
        activation = parse(None if value is None else get.text(value, where))
    except ModelError as error:
        raise ModelError(f"{where}: {error}") from error
    return (
        f"{activation.name}:{activation.parameter!r}" if activation.parameter or activation.name == "silut" else activation.name
    )


def _sel(value: Any, where: str) -> list[int]:
    return [get.integer(value, where)] if isinstance(value, int) else get.integers(value, where)


def _mixed_sel(value: Any, where: str) -> list[int]:
    """One number of slots for all types."""
    return [sum(_sel(value, where))]


def _vacuum(value: Any, where: str) -> list[bool]:
    flags = [get.flag(v, where) for v in get.sequence(value, where)]
    return flags if any(flags) else []


def vacuum_flags(atom_ener: list[Any] | None) -> list[bool]:
    """fitting["vacuum"] of an input script's atom_ener: types with an energy given."""
    return [energy is not None for energy in atom_ener or []]


def parts_by_list(models: list[Tree]) -> list[Tree]:
    """Parts of a model as DeePMD-kit's back ends that share its NumPy code (dpmodel, JAX, TensorFlow 2, the exportable PyTorch)
    evaluate them where a list of neighbours is what they take: without the parts' own energies of types (out_bias) and
    exclusions, and of no more than sel neighbours. A switch moves forces by what such an energy is."""
    found = []
    for model in models:
        variables = dict(model.get("@variables") or {})
        if isinstance(variables.get("out_bias"), np.ndarray):
            variables["out_bias"] = np.zeros_like(variables["out_bias"])
        rule = {"neighbour_rule": "total"} if model.get("neighbour_rule") == "all" else {}
        found.append(model | rule | {"@variables": variables, "atom_exclude_types": [], "pair_exclude_types": []})
    return found


def refuse_shorter_lists(model: Tree) -> None:
    """UnsupportedModel for pairs that a model of these back ends excludes, where descriptors or pair tables have lists of
    different lengths: excluded neighbours are left out after the longest one is cut off, before a shorter one of all types."""
    lists = list(_lists(model)) if model.get("pair_exclude_types") else []
    longest = max((slots for slots, _ in lists), default=0)
    if any(shared and slots < longest for slots, shared in lists):
        raise unsupported(
            "pair_exclude_types of a model whose descriptors or parts have different numbers of slots (sel), in a file of "
            "DeePMD-kit's exportable PyTorch, dpmodel, JAX or TensorFlow 2,",
            "the order in which these leave out excluded neighbours and those beyond sel; train with the same sel for all, or "
            "with exclude_types of the descriptors",
        )


def _lists(tree: Tree) -> Iterator[tuple[float, bool]]:
    """Slots of each descriptor and pair table that does not take all neighbours, and whether they are for all types together."""
    if tree.get("neighbour_rule") == "all":
        return
    for key in ("models", "list"):
        for member in get.sequence(tree.get(key) or [], key):
            yield from _lists(get.mapping(member, key))
    if "descriptor" in tree:
        yield from _lists(get.mapping(tree["descriptor"], "descriptor"))
    if "sel" in tree:
        sel = tree["sel"] if isinstance(tree["sel"], list) else [tree["sel"]]
        kind = descriptor_type(tree.get("type", "standard"), "type")
        yield sum(get.number(n, "sel") for n in sel), kind in ("pairtab", "dpa1", "se_e3_tebd")


def _one_of(*names: str) -> Read:
    def read(value: Any, where: str) -> str:
        if value not in names:
            raise ReadError(f"{where} is {value!r:.40}, must be one of {', '.join(names)}")
        return str(value)

    return read


def _weights(value: Any, where: str) -> Any:
    """ "mean", "sum" or a number for each model."""
    return value if isinstance(value, str) else [get.number(v, where) for v in get.sequence(value, where)]


NOTES = {"@class", "@version", "precision", "trainable", "type_map", "ntypes", "neuron", "resnet_dt", "activation_function"}

LAYER = record(
    {
        "activation_function": Key(_activation, "linear"),
        "resnet": Key(get.flag),
        "@variables": Key(record({"w": Key(array), "b": Key(vector, None), "idt": Key(vector, None)})),
    },
    NOTES | {"bias", "use_timestep"},
)
NETWORK = record({"layers": Key(list_of(LAYER))}, NOTES | {"in_dim", "out_dim", "bias", "bias_out"})
TABLE = record({"table": Key(record({"coef": Key(array), "info": Key(vector), "symmetric": Key(get.flag, False)}))})


def _network_or_table(value: Any, where: str) -> Tree | None:
    """A net, the table that a compressed model has instead, or null where a pair of types has none."""
    if value is None:
        return None
    return (TABLE if "table" in get.mapping(value, where) else NETWORK)(value, where)


NETWORKS = record({"ndim": Key(get.integer), "networks": Key(list_of(_network_or_table))}, NOTES | {"network_type"})
FITTING_NETWORKS = record({"networks": Key(list_of(NETWORK))}, NOTES | {"network_type", "ndim"})
TYPE_EMBEDDING = record(
    {
        "padding": Key(get.flag, True),
        "use_econf_tebd": Key(get.flag, False),
        "econf_tebd": Key(array, None),
        "embedding": Key(NETWORK),
    },
    NOTES | {"use_tebd_bias"},
)


def _type_embedding(value: Any, where: str) -> Tree | None:
    return None if value is None else TYPE_EMBEDDING(value, where)


DESCRIPTOR_NOTES = NOTES | {"type", "set_davg_zero", "compress"}
EVERY_DESCRIPTOR = {
    "rcut": Key(get.number),
    "rcut_smth": Key(get.number),
    "env_protection": Key(get.number, 0.0),
    "env_mat": Key(record({}, {"rcut", "rcut_smth", "protection"}), dict),
    "exclude_types": Key(_pairs, list),
    "exclusion": Key(_one_of("slots", "section", "absent"), "slots"),
    "n_sel": Key(get.integer, 0),
    "embeddings": Key(NETWORKS),
}
STATISTICS = {"davg": Key(array), "dstd": Key(array)}
PER_TYPE = EVERY_DESCRIPTOR | {"sel": Key(_sel), "@variables": Key(record(STATISTICS))}
WITH_TYPE_EMBEDDING = EVERY_DESCRIPTOR | {
    "sel": Key(_mixed_sel),
    "tebd_input_mode": Key(_one_of("concat", "strip")),
    "concat_output_tebd": Key(get.flag),
    "embeddings_strip": Key(NETWORKS, None),
    "type_embedding": Key(TYPE_EMBEDDING),
}
EMBEDDING_NOTES = DESCRIPTOR_NOTES | {"tebd_dim", "use_econf_tebd", "use_tebd_bias"}
ATTENTION_NOTES = EMBEDDING_NOTES | {
    "attn", "attn_dotr", "attn_mask", "scaling_factor", "normalize", "temperature", "trainable_ln", "ln_eps", "attention_layers",
}  # fmt: skip

DESCRIPTORS = {
    "se_e2_a": record(PER_TYPE | {"axis_neuron": Key(get.integer)}, DESCRIPTOR_NOTES | {"type_one_side"}),
    "se_e2_r": record(PER_TYPE, DESCRIPTOR_NOTES | {"type_one_side"}),
    "se_e3": record(PER_TYPE, DESCRIPTOR_NOTES),
    "se_e3_tebd": record(WITH_TYPE_EMBEDDING | {"smooth": Key(get.flag), "@variables": Key(record(STATISTICS))}, EMBEDDING_NOTES),
    "dpa1": record(
        WITH_TYPE_EMBEDDING
        | {
            "axis_neuron": Key(get.integer),
            "type_one_side": Key(get.flag),
            "smooth_type_embedding": Key(get.flag),
            "attn_layer": Key(get.integer),
            "lmax": Key(get.integer, 1),
            "padding_type": Key(get.integer, None),
            "sections": Key(get.integers, None),
            "type_factors": Key(array, None),
            "switch_radius": Key(get.number, None),
            "@variables": Key(record(STATISTICS | {"degree_gain_raw": Key(array, None)})),
        },
        ATTENTION_NOTES,
    ),
}
DESCRIPTOR_ALIASES = {
    "se_a": "se_e2_a", "se_r": "se_e2_r", "se_t": "se_e3", "se_at": "se_e3", "se_a_3be": "se_e3", "se_t_tebd": "se_e3_tebd",
    "se_atten": "dpa1", "se_atten_v2": "dpa1",
}  # fmt: skip
V2 = {"tebd_input_mode": "strip", "smooth_type_embedding": True}  # what makes a dpa1 of se_atten_v2


def descriptor_type(value: Any, where: str) -> str:
    """Of several names of one kind the first."""
    name = get.text(value, where)
    return DESCRIPTOR_ALIASES.get(name, name)


def _descriptor_kind(tree: Tree, where: str) -> str:
    kind = descriptor_type(get.member(tree, "type", where), f"{where}.type")
    if kind != "hybrid" and kind not in DESCRIPTORS:
        raise no_descriptor(kind)
    return kind


def _descriptor(value: Any, where: str) -> Tree:
    tree = get.mapping(value, where)
    kind = _descriptor_kind(tree, where)
    if kind == "hybrid":
        return {"type": kind} | record({"list": Key(list_of(_nested(_descriptor)))}, DESCRIPTOR_NOTES)(tree, where)
    return {"type": kind} | DESCRIPTORS[kind](tree | (V2 if tree["type"] == "se_atten_v2" else {}), where)


def check_depth(where: str) -> None:
    """Raise ReadError for a place inside more lists than any model has."""
    if where.count("[") > MAX_DEPTH:
        raise ReadError(f"{where[:80]} is nested too deeply; the file is damaged")


def _nested(read: Read) -> Read:
    def checked_depth(value: Any, where: str) -> Any:
        check_depth(where)
        return read(value, where)

    return checked_depth


INPUT_STATISTICS = ("case_embd", "fparam_avg", "fparam_inv_std", "aparam_avg", "aparam_inv_std")
ENERGY_FITTING = record(
    {
        "mixed_types": Key(get.flag),
        "vacuum": Key(_vacuum, list),
        "vacuum_has_types": Key(get.flag, False),
        "type_embedding": Key(_type_embedding, None),
        "exclude_types": Key(_types, list),
        "numb_fparam": Key(get.integer, 0),
        "numb_aparam": Key(get.integer, 0),
        "dim_case_embd": Key(get.integer, 0),
        "default_fparam": Key(list_of(get.number), None),
        "use_aparam_as_mask": Key(get.flag, False),
        "nets": Key(FITTING_NETWORKS),
        "@variables": Key(record({"bias_atom_e": Key(array)} | dict.fromkeys(INPUT_STATISTICS, Key(array, None)))),
    },
    NOTES | {"type", "var_name", "dim_descrpt", "dim_out", "rcond", "atom_ener", "embedding_width"},
)


def _fitting_kind(tree: Tree, where: str) -> str:
    kind = get.text(tree.get("type", "ener"), f"{where}.type")
    if kind != "ener":
        raise no_fitting(kind)
    return kind


def _fitting(value: Any, where: str) -> Tree:
    tree = get.mapping(value, where)
    return {"type": _fitting_kind(tree, where)} | ENERGY_FITTING(tree, where)


PAIR_TABLE = record(
    {
        "rcut": Key(get.number),
        "@variables": Key(record({"tab_info": Key(array), "tab_data": Key(vector)}, {"vdata"})),
    },
    {"@class", "@version", "rmin", "rmax", "hh", "ntypes", "nspline"},
)
LEAST_SUM = 1e-20  # of the weights of a switch, in PyTorch
MODEL_NOTES = {"@class", "@version", "type", "rcond", "preset_out_bias", "data_stat_protect"}
EVERY_MODEL = {
    "type_map": Key(get.type_names),
    "atom_exclude_types": Key(_types, list),
    "pair_exclude_types": Key(_pairs, list),
    "@variables": Key(record({"out_bias": Key(array), "out_std": Key(array, None)})),
}
RULE = {"neighbour_rule": Key(_one_of("total", "per_type", "all"), "total")}


def _models(value: Any, where: str) -> list[Tree]:
    return list_of(_nested(_model))(value, where)


MODELS = {
    "standard": record(EVERY_MODEL | RULE | {"descriptor": Key(_descriptor), "fitting": Key(_fitting)}, MODEL_NOTES),
    "pairtab": record(EVERY_MODEL | RULE | {"rcut": Key(get.number), "sel": Key(_sel), "tab": Key(PAIR_TABLE)}, MODEL_NOTES),
    "linear_ener": record(EVERY_MODEL | {"models": Key(_models), "weights": Key(_weights)}, MODEL_NOTES),
    "zbl": record(
        EVERY_MODEL
        | {"models": Key(_models), "weights": Key(_weights, "mean")}
        | {key: Key(get.number) for key in ("sw_rmin", "sw_rmax", "smin_alpha")}
        | {"least_sum": Key(get.number, LEAST_SUM)},
        MODEL_NOTES,
    ),
}
MODEL_ALIASES = {"ener": "standard", "linear": "linear_ener"}


def _model_kind(tree: Tree, where: str) -> str:
    name = get.text(tree.get("type", "standard"), f"{where}.type")
    kind = MODEL_ALIASES.get(name, name)
    if kind not in MODELS:
        raise no_model(kind)
    return kind


def _model(value: Any, where: str) -> Tree:
    tree = get.mapping(value, where)
    kind = _model_kind(tree, where)
    made = {"type": kind} | MODELS[kind](tree, where)
    if kind == "standard":
        _settle(made)
    return made


def refuse_other_kinds(model: Tree) -> None:
    """Raise UnsupportedModel for a model, descriptor or fitting net that trees are not made of, before more of it is read."""
    if _model_kind(model, "model") == "standard":
        _fitting_kind(get.mapping(get.member(model, "fitting", "model"), "model.fitting"), "model.fitting")
        _descriptor_kind(get.mapping(get.member(model, "descriptor", "model"), "model.descriptor"), "model.descriptor")


def _settle(model: Tree) -> None:
    """With one type, one-sided and two-sided, mixed and not, are the same."""
    if len(model["type_map"]) == 1:
        model["fitting"]["mixed_types"] = True
        for descriptor in members(model["descriptor"]):
            if descriptor["type"] in ("se_e2_a", "se_e2_r"):
                descriptor["embeddings"]["ndim"] = 1


def members(descriptor: Tree) -> list[Tree]:
    """The descriptors of a hybrid one, at any depth; the descriptor itself otherwise."""
    if descriptor["type"] != "hybrid":
        return [descriptor]
    return [inner for member in descriptor["list"] for inner in members(member)]


def checked(model: Tree) -> Tree:
    """A whole tree of what a reader found. Raises ReadError for what is missing or of another type, UnsupportedModel for a model,
    a descriptor, a fitting net or an option that is not known."""
    return _model(model, "model")
