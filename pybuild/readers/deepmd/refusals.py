# SPDX-License-Identifier: MIT
"""What is refused by its name, whatever kind of file says it: the one list of names and of what each would need."""

from __future__ import annotations

from ...descriptors.deepmd import Tree, unsupported
from ...descriptors.kinds import MAKERS
from ...errors import InputError, UnsupportedModel

MESSAGES = "message passing between atoms, which cannot be tabulated"
NO_ENERGY = "energies and forces, which such a model does not have"
DESCRIPTOR_NEEDS = {
    "loc_frame": "an evaluator of its own; train with se_e2_a",
    "se_a_mask": "an evaluator of its own; train with se_e2_a",
    "se_a_ebd_v2": "tables with a type embedding; train with se_e2_a",
    "se_uni": MESSAGES,
    **dict.fromkeys(("dpa2", "dpa3", "dpa4"), MESSAGES),
}
MODEL_NEEDS = {
    "spin_ener": "virtual atoms for spins",
    "pairtab": "a net beside it (linear_ener, use_srtab), as in every model that DeePMD-kit trains; LAMMPS has pair_style table",
    "pairwise_dprc": "the two models of DPRC, for atoms in and out of the quantum region",
    **dict.fromkeys(("dipole", "polar", "dos", "property", "population"), NO_ENERGY),
}
FITTING_NEEDS = "the fitting net 'ener', whose energy has forces for derivatives"


def no_model(kind: str) -> UnsupportedModel:
    """The error for a type of model that there is no evaluator for."""
    return unsupported(f"a model of type '{kind}'", MODEL_NEEDS.get(kind, "an evaluator of its own"))


def no_descriptor(kind: str) -> UnsupportedModel:
    """The error for a descriptor that there are no tables for."""
    return unsupported(f"descriptor '{kind}'", DESCRIPTOR_NEEDS.get(kind, "tables of its own"))


def no_fitting(kind: str) -> UnsupportedModel:
    """The error for a fitting net that gives no energies, or forces that are no derivatives of them."""
    return unsupported(f"fitting net '{kind}'", FITTING_NEEDS)


def with_modifier() -> UnsupportedModel:
    """The error for a model whose energy is not that of its net alone, unless a user takes that one."""
    return unsupported(
        "a model with a data modifier (DPLR: a long-range part added to the net's energy)",
        "the modifier's own evaluator; --without-modifier takes the short-range part alone",
    )


def check_modifier(there: bool, without_modifier: bool) -> None:
    """Of a file, and what a user says of it. Raises UnsupportedModel, InputError."""
    if there and not without_modifier:
        raise with_modifier()
    if without_modifier and not there:
        raise InputError("--without-modifier: this file has no data modifier; leave it out")


def refuse_unknown(model: Tree) -> None:
    """Raise UnsupportedModel for a checked tree (tree_type.py) of a model with nets of a kind without evaluator: the one place
    that decides it."""
    _refuse_descriptor(model["descriptor"])


def _refuse_descriptor(descriptor: Tree) -> None:
    if descriptor["type"] == "hybrid":
        for member in descriptor["list"]:
            _refuse_descriptor(member)
    elif descriptor["type"] not in MAKERS:
        raise no_descriptor(descriptor["type"])
