# SPDX-License-Identifier: MIT
"""Training data and made structures: atoms, neighbours, smallest distances."""
