# SPDX-License-Identifier: MIT
"""se_e3_tebd: se_e3 whose functions depend on the types of the two neighbours through their embeddings."""

from .descriptor import SeE3Tebd

__all__ = ["SeE3Tebd"]
