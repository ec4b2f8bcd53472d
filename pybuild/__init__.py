# SPDX-License-Identifier: MIT
"""Compressor of Deep Potential models, and the evaluator of its table files in Python (calculator.py)."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("dpcompressed")
except PackageNotFoundError:  # a source tree that nobody has installed
    __version__ = "unknown"
