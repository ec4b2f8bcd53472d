# SPDX-License-Identifier: MIT
"""se_e2_a: two-body functions times the direction of the neighbour, D = T T[:A]^T."""

from .descriptor import SeE2A

__all__ = ["SeE2A"]
