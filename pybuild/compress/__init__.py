# SPDX-License-Identifier: MIT
"""From a ModelDescription to a TableSet."""
