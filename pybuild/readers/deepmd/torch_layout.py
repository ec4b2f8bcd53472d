# SPDX-License-Identifier: MIT
"""How DeePMD-kit's PyTorch back ends name the parts of a model, in frozen models and checkpoints alike."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...descriptors.deepmd import Tree, unsupported


@dataclass(frozen=True)
class Option:
    """A key of the tree: what it is called in an object of the model, and in the input script with its default there."""

    name: str  # in the script
    default: Any
    attribute: str = ""  # of the object, where it is called otherwise

    def __post_init__(self) -> None:
        object.__setattr__(self, "attribute", self.attribute or self.name)


@dataclass(frozen=True)
class Layout:
    """`block`: the object, or part of the tensors' names, inside the descriptor that holds its numbers; "" where itself does."""

    kind: str  # type in the tree
    block: str
    options: Mapping[str, Option] = field(default_factory=dict)  # by key of the tree, beside what all kinds have
    statistics: Mapping[str, str] = field(default_factory=dict)  # further arrays: key of "@variables" -> name in the block
    type_embedding: bool = False


AXIS = {"axis_neuron": Option("axis_neuron", 4)}
TYPE_EMBEDDING = {
    "tebd_input_mode": Option("tebd_input_mode", "concat"),
    "concat_output_tebd": Option("concat_output_tebd", True),
}
DPA1 = Layout(
    "dpa1",
    "se_atten",
    AXIS
    | TYPE_EMBEDDING
    | {
        "type_one_side": Option("type_one_side", False),
        "smooth_type_embedding": Option("smooth_type_embedding", True, "smooth"),
        "attn_layer": Option("attn_layer", 2),
        "lmax": Option("lmax", 1),
    },
    {"degree_gain_raw": "adam_degree_gain_raw"},
    type_embedding=True,
)
LAYOUTS = {
    "se_e2_a": Layout("se_e2_a", "sea", AXIS),
    "se_e2_r": Layout("se_e2_r", ""),
    "se_e3": Layout("se_e3", "seat"),
    "se_e3_tebd": Layout("se_e3_tebd", "se_ttebd", TYPE_EMBEDDING | {"smooth": Option("smooth", True)}, type_embedding=True),
    "dpa1": DPA1,
}
FITTING_INPUTS = ("numb_fparam", "numb_aparam", "dim_case_embd", "default_fparam", "use_aparam_as_mask")
FITTING_ARRAYS = ("case_embd", "fparam_avg", "fparam_inv_std", "aparam_avg", "aparam_inv_std")
CLASSES = {
    "DescrptSeA": "se_e2_a", "DescrptSeR": "se_e2_r", "DescrptSeT": "se_e3", "DescrptSeTTebd": "se_e3_tebd",
    "DescrptDPA1": "dpa1", "DescrptSeAttenV2": "dpa1", "DescrptHybrid": "hybrid", "DescrptDPA2": "dpa2", "DescrptDPA3": "dpa3",
}  # fmt: skip


# Names of tensors of the exportable back end (dp --pt-expt), and of the same ones in the other.
EXPORTABLE = (
    (r"^original_model\.", ""),  # of a compiled training
    (r"\._module_networks\.", ".networks."),
    (r"\.embeddings(_strip)?\.networks\.", r".filter_layers\1.networks."),
    (r"\.nets\.networks\.", ".filter_layers.networks."),
    (r"\.type_embedding\.embedding_net\.", ".type_embedding.embedding.embedding_net."),
    (r"\.w$", ".matrix"),
    (r"\.b$", ".bias"),
    (r"\.davg$", ".mean"),
    (r"\.dstd$", ".stddev"),
    (r"^_min_nbor_dist$", "min_nbor_dist"),
)


def name_of_exportable(name: str) -> str:
    """What the other PyTorch back end calls a tensor of the exportable one."""
    for pattern, replacement in EXPORTABLE:
        name = re.sub(pattern, replacement, name)
    return name


def dimension(kind: str, n_networks: int, n_types: int) -> int:
    """`ndim` of the embedding nets: on how many types each depends. One-sided or not is said by their number, whatever a script
    says. Raises UnsupportedModel for a se_e2_r with a net per pair of types: PyTorch makes none and evaluates N of them only."""
    if kind not in ("se_e2_a", "se_e2_r"):
        return 2 if kind == "se_e3" else 0
    two_sided = n_networks != n_types
    if two_sided and kind == "se_e2_r":
        raise unsupported(
            "a PyTorch file of a two-sided se_e2_r (a net per pair of types, as TensorFlow trains them), of which DeePMD-kit's "
            "PyTorch back end ignores the centre's type,",
            "a file whose numbers are beyond doubt: the TensorFlow model, or train with type_one_side true",
        )
    return 2 if two_sided else 1


def networks(kind: str, nets: list[Tree], n_types: int) -> Tree:
    """Embedding nets as a collection of the tree."""
    return {"ndim": dimension(kind, len(nets), n_types), "networks": nets}
