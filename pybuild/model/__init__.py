# SPDX-License-Identifier: MIT
"""A trained model as this package knows it, whoever trained it."""
