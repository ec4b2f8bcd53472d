# SPDX-License-Identifier: MIT
"""The table file: what is in it (tableset.py), its bytes (container.py, sections/), and how it gets on disk (file.py)."""
