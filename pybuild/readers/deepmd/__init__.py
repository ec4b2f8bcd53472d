# SPDX-License-Identifier: MIT
"""DeePMD-kit's files: each reader makes DeePMD-kit's tree of the model, of which tree.py makes a description."""
