# SPDX-License-Identifier: MIT
"""PWMLFF's and MatPL's files of Deep Potential models."""
