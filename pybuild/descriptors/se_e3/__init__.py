# SPDX-License-Identifier: MIT
"""se_e3: functions of the angle between two neighbours and of both distances."""

from .descriptor import SeE3

__all__ = ["SeE3"]
