# SPDX-License-Identifier: MIT
"""What a build can be asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeGuard

import numpy as np

from ..errors import InputError
from ..tablefile.tableset import ORDERS

FAR_TOLERANCE = 1e-4  # on forces, eV/A, where pairs are much closer than in the training data
LEAST_TOLERANCE = 1e-15  # eV/A
FORMS = "auto", "folded", "combined", "direct"  # of the first fitting layer


@dataclass(frozen=True)
class Options:
    """Settings of a build; the defaults are those of the command line."""

    step: float | None = None  # of the fine grid, in x; the coarse one has ten times that; None: both by the tolerances
    extrapolate: float = 5.0  # the table ends at this times the upper end of the fine grid
    order: int = 5
    check_frequency: int = 10
    rank: int | str = "auto"  # "auto", "full" or a number of columns
    tolerance: float = 1e-8  # on forces, eV/A
    tolerance_mixed: float = 1e-5  # of what mixed precision evaluates, rounding not included
    form: str = "auto"  # first fitting layer: "auto", "folded" onto columns, or se_e2_a "combined" ones; "direct"

    def validate(self) -> None:
        """Raise InputError, naming the option."""
        if self.order not in ORDERS:
            raise InputError(f"--order must be 3 or 5, not {self.order}")
        if not (_is_whole(self.check_frequency) and 0 < self.check_frequency < 2**31):
            raise InputError(f"--check-frequency must be a positive whole number of steps, not {self.check_frequency}")
        if self.form not in FORMS:
            raise InputError(f"form must be one of {', '.join(FORMS)}, not {self.form}")
        if self.step is not None and not (np.isfinite(self.step) and self.step > 0):
            raise InputError(f"--step must be a positive number, not {self.step}")
        for name, value in (("--tolerance", self.tolerance), ("--tolerance-mixed", self.tolerance_mixed)):
            if not (np.isfinite(value) and value > 0):
                raise InputError(f"{name} must be a positive force in eV/A, not {value}")
            if value < LEAST_TOLERANCE:
                raise InputError(f"{name} {value:g} is below {LEAST_TOLERANCE:g} eV/A: double precision has no such digits")
        if self.rank not in ("auto", "full") and not (_is_whole(self.rank) and self.rank > 0):
            raise InputError(f"--rank must be auto, full or a positive number, not {self.rank}")

    @property
    def tolerances(self) -> dict[str, float]:
        """On the forces of the centres of trials.Goal, eV/A."""
        far = max(self.tolerance, FAR_TOLERANCE)
        return {"double": self.tolerance, "mixed": self.tolerance_mixed, "near": self.tolerance, "far": far}


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)
