# SPDX-License-Identifier: MIT
"""A slice of random_models.py: models and structures that nobody chose. By hand with more: see there."""

from __future__ import annotations

import pytest
import random_models

pytest.importorskip("pybuild._core", reason="pybuild._core is not built")

SEED, MODELS, STRUCTURES = 20, 6, 3


def test_random_models_keep_every_promise() -> None:
    found, rows = [], []
    for index, lines, some in random_models.run_cases(SEED, 0, MODELS, STRUCTURES, ["portable", "x86_64_v2"]):
        found += [f"model {index}: {line}" for line in lines]
        rows += some
    assert found == []
    assert sum(row.promised for row in rows) >= MODELS  # enough of them are smooth and kept
    assert max(row.ratio for row in rows if row.promised) < 1
