# SPDX-License-Identifier: MIT
"""The kinds of descriptors, a module each: the equations as the oracles want them."""

from __future__ import annotations

from types import ModuleType

from . import se_e2_a, se_e2_r, se_e3, se_e3_tebd

KINDS: dict[str, ModuleType] = {"se_e2_a": se_e2_a, "se_e2_r": se_e2_r, "se_e3": se_e3, "se_e3_tebd": se_e3_tebd}
