# SPDX-License-Identifier: MIT
"""Types of NumPy arrays that all parts share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
IntArray = NDArray[np.int32]
BoolArray = NDArray[np.bool_]
Index = NDArray[np.int64]
