# SPDX-License-Identifier: MIT
"""Containers and encodings of model files, whoever wrote them."""
