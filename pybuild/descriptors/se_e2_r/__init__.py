# SPDX-License-Identifier: MIT
"""se_e2_r: two-body functions of the distance alone."""

from .descriptor import SeE2R

__all__ = ["SeE2R"]
