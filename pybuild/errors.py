# SPDX-License-Identifier: MIT
"""Errors that a user can cause, all derived from PybuildError.

The command line prints `str(error)` on one line and exits with code 2. A message says what was
wrong, where, and what to do about it. Anything that is not a PybuildError is a defect of this
package and keeps its traceback.
"""


class PybuildError(Exception):
    """Base of every error that the input (a model, a file, an option) can cause."""


class ReadError(PybuildError):
    """A model file is damaged, truncated, hostile, or not a model file at all."""


class UnsupportedModel(PybuildError):
    """A sound model file uses a feature, named in the message, that is not supported."""


class ModelError(PybuildError):
    """A ModelDescription breaks a rule; the message names the field."""


class FormatError(PybuildError):
    """A table file does not follow docs/tables-format.md."""


class InputError(PybuildError):
    """An option, a structure or a data set given by the user cannot be used."""


def printable(text: str) -> str:
    """Text out of a file, which may be hostile, as it may reach a terminal."""
    return "".join(c if c.isprintable() else "?" for c in text)
