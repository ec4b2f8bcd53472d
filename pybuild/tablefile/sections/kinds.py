# SPDX-License-Identifier: MIT
"""What the sections of each kind of descriptor are; a new kind is one line here."""

from __future__ import annotations

from dataclasses import dataclass

from ...model.descriptor import Argument, Form


@dataclass(frozen=True)
class KindRules:
    """Of one kind."""

    n_bodies: int  # 3: sums over pairs of neighbours, without mean
    std_columns: int
    has_axis: bool  # axis_neuron
    has_padding: bool  # of slots that are counted for all types together
    forms: tuple[Form, ...]  # of the first layer of a fitting net
    excluded_argument: float | None  # where excluded neighbours are looked up; None: they add nothing
    arguments: tuple[Argument, ...]  # of its tables
    shares_slots: bool = False  # always: sel is n_sel for each type; and there may be gates
    most_lmax: int = 1  # the highest degree of its components

    @property
    def has_n_sel(self) -> bool:
        """The number of all slots, which sums are divided by."""
        return self.n_bodies == 2 or self.shares_slots


KINDS = {
    "se_e2_a": KindRules(2, 2, True, True, (Form.DIRECT, Form.SQUARE), None, (Argument.X, Argument.R), most_lmax=4),
    "se_e2_r": KindRules(2, 1, False, True, (Form.DIRECT, Form.LINEAR), 0.0, (Argument.X, Argument.R)),
    "se_e3": KindRules(3, 1, False, False, (Form.DIRECT, Form.LINEAR), None, (Argument.PRODUCT,)),
    "se_e3_tebd": KindRules(3, 1, False, False, (Form.DIRECT, Form.LINEAR), None, (Argument.PRODUCT,), True),
}
