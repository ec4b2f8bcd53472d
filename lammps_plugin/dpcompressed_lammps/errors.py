# SPDX-License-Identifier: GPL-2.0-only


class CannotBuild(Exception):
    """What was wrong and what to do, for the user."""
