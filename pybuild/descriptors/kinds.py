# SPDX-License-Identifier: MIT
"""The kinds that there are, by DeePMD-kit's name."""

from __future__ import annotations

from .deepmd import DeepmdKind
from .se_e2_a.deepmd import DEEPMD as SE_E2_A
from .se_e2_r.deepmd import DEEPMD as SE_E2_R

DEEPMD_KINDS: dict[str, DeepmdKind] = {kind.name: kind for kind in (SE_E2_A, SE_E2_R)}
