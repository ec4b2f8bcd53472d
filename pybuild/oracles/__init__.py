# SPDX-License-Identifier: MIT
"""Slow and obvious evaluations that the compressor and the compiled evaluators are checked against."""
