# SPDX-License-Identifier: MIT
"""Compressor of Deep Potential models, and the evaluator of its table files in Python (calculator.py)."""

from importlib.metadata import PackageNotFoundError, distribution

try:
    _installed = distribution("dpcompressed")
    __version__ = _installed.version
    __path__.append(str(_installed.locate_file("pybuild")))  # Python started in the source tree takes that: _core lies here
except PackageNotFoundError:  # a source tree that nobody has installed
    __version__ = "unknown"
