# SPDX-License-Identifier: MIT
"""The kinds of descriptors, a folder each: description, rules, physics, and how DeePMD-kit's tree maps to it."""
