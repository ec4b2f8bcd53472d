# SPDX-License-Identifier: MIT
"""The words of the command line: options and their checks. What `dp compress` of DeePMD-kit calls an option is its name here, too
(docs/commands.md).
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from typing import Any, NoReturn

from . import __version__

DESCRIPTION = """Compress a trained Deep Potential model into one table file for molecular dynamics.

  python -m pybuild MODEL TABLES            compress; also -i MODEL -o TABLES, and with the word compress before them
  python -m pybuild show MODEL              what a model file holds, and whether it can be compressed
  python -m pybuild info TABLES             what a table file holds
  python -m pybuild verify MODEL TABLES     tables against the uncompressed model
"""

LEVELS = {
    "DEBUG": logging.DEBUG, "3": logging.DEBUG, "INFO": logging.INFO, "2": logging.INFO, "WARNING": logging.WARNING,
    "1": logging.WARNING, "ERROR": logging.ERROR, "0": logging.ERROR,
}  # fmt: skip
UNCHECKED = -1  # DeePMD-kit's word for no overflow checks
DEFAULT_CHECKS = 10  # steps between two reports


def parse(command: str, words: Sequence[str]) -> argparse.Namespace:
    """The options of "compress", "show", "info" or "verify". Ends the program (SystemExit) as argparse does, after --help or a
    wrong word."""
    parser = {"compress": _compress, "show": _show, "info": _info, "verify": _verify}[command]()
    options = parser.parse_args(_with_levels(words))
    if command == "compress":
        _join(parser, options, "model", "input")
        _join(parser, options, "tables", "output")
    return options


def _with_levels(words: Sequence[str]) -> list[str]:
    """A bare -v means DEBUG, whatever follows."""
    found: list[str] = []
    for index, word in enumerate(words):
        following = words[index + 1] if index + 1 < len(words) else ""
        bare = word == "-v" and following.upper() not in LEVELS
        found += ["--log-level", "DEBUG"] if bare or word == "--verbose" else [word]
    return found


def _join(parser: argparse.ArgumentParser, options: argparse.Namespace, position: str, option: str) -> None:
    """A file may be named by its position or by its option, and must be named once."""
    by_position, by_option = getattr(options, position), getattr(options, option)
    if by_position is not None and by_option is not None:
        parser.error(f"{by_position}: what is this file? --{option} {by_option} names the {position} already")
    if by_position is None and by_option is None:
        parser.error(f"the following arguments are required: {position.upper()} (or --{option})")
    setattr(options, position, by_position if by_option is None else by_option)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One line instead of all options."""
        self.exit(2, f"pybuild: error: {' '.join(message.split())}; see {self.prog} --help\n")


def _parser(command: str, description: str) -> argparse.ArgumentParser:
    parser = _Parser(
        prog=f"python -m pybuild{command}", description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "-v",
        "--log-level",
        type=_level,
        default=logging.INFO,
        metavar="LEVEL",
        help="DEBUG (3), INFO (2), WARNING (1) or ERROR (0); -v alone: DEBUG, which also shows progress in a log (INFO)",
    )
    parser.add_argument("-l", "--log-path", metavar="FILE", help="write the report to this file, too (new, or a log of pybuild)")
    parser.add_argument("--version", action="version", version=f"pybuild {__version__}")
    return parser


class _Names(argparse.Action):
    """Names apart by spaces or commas."""

    def __call__(self, parser: Any, namespace: argparse.Namespace, values: Any, option: str | None = None) -> None:
        """One list of them all."""
        names = [name for word in values for name in word.split(",") if name]
        if not names:
            raise argparse.ArgumentError(self, "names no element")
        setattr(namespace, self.dest, names)


def _model_choices(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--head", "--model-branch", metavar="NAME", help="branch of a multi-task model")
    parser.add_argument(
        "--types",
        action=_Names,
        nargs="+",
        metavar="NAME",
        help="elements, in its order, of a model file that does not name them; of a PWMLFF or MatPL model those that it is given "
        "(pair_coeff), on which it depends (all)",
    )
    parser.add_argument(
        "--padding-type", metavar="NAME", help="DPA-1: the element that empty slots had in training, that of the first atom"
    )
    parser.add_argument(
        "--without-modifier", action="store_true", help="take the short-range part alone of a model with a data modifier (DPLR)"
    )


def _kept_types(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--keep-types",
        action=_Names,
        nargs="+",
        metavar="NAME",
        help="the elements that will be simulated, of a model with many (default: all)",
    )


def _compress() -> argparse.ArgumentParser:
    parser = _parser("", DESCRIPTION)
    parser.add_argument("model", metavar="MODEL", nargs="?", help="trained model")
    parser.add_argument("tables", metavar="TABLES", nargs="?", help="table file to write")
    parser.add_argument("-i", "--input", metavar="MODEL", help="the same as the first file")
    parser.add_argument("-o", "--output", metavar="TABLES", help="the same as the second file")
    _what_tables(parser)
    _what_data(parser)
    _without_effect(parser)
    _model_choices(parser)
    _kept_types(parser)
    return parser


def _what_tables(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-s",
        "--step",
        type=float,
        help="step of the fine grid; the coarse one has 10 times that (default: both by the tolerances)",
    )
    parser.add_argument(
        "-e", "--extrapolate", type=float, default=5.0, help="tables end at this times the upper end of the fine grid (5)"
    )
    parser.add_argument(
        "-f",
        "--frequency",
        "--check-frequency",
        type=int,
        default=DEFAULT_CHECKS,
        metavar="N",
        dest="check_frequency",
        help=f"steps between two overflow reports ({DEFAULT_CHECKS}; {UNCHECKED}, of DeePMD-kit, means the same here)",
    )
    order = "order of the polynomials (5; of se_e3 11, in fewer intervals)"
    parser.add_argument("--order", type=int, default=5, choices=(3, 5), help=order)
    parser.add_argument(
        "--rank",
        type=_rank,
        default="auto",
        metavar="K|full|auto",
        help="functions per table: at most K, all, or by the tolerance (auto)",
    )
    parser.add_argument("--tolerance", type=float, default=1e-8, help="on forces, eV/A (1e-8); energies and virials accordingly")
    parser.add_argument(
        "--tolerance-mixed",
        type=float,
        default=1e-5,
        help="the same for what mixed precision leaves out, rounding not included (1e-5)",
    )


def _what_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--min-nbor-dist",
        type=float,
        metavar="R",
        help="smallest neighbour distance of the training data, A (default: the model file's)",
    )
    parser.add_argument("-t", "--training-script", metavar="FILE", help="DeePMD-kit input script whose training data are scanned")
    parser.add_argument(
        "--training-data",
        nargs="+",
        metavar="DIR",
        help="training data to scan: systems, folders of systems, HDF5 files (file.hdf5#/group)",
    )


def _without_effect(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-c", "--checkpoint-folder", metavar="DIR", help="of DeePMD-kit; without effect")
    parser.add_argument(
        "-m",
        "--mpi-log",
        choices=("master", "collect", "workers"),
        default="master",
        help="of DeePMD-kit; without effect, the first rank reports",
    )


def _show() -> argparse.ArgumentParser:
    parser = _parser(" show", "Say what a model file holds, and whether it can be compressed.")
    parser.add_argument("model", metavar="MODEL")
    parser.add_argument("--json", action="store_true", help="the same as JSON")
    _model_choices(parser)
    return parser


def _info() -> argparse.ArgumentParser:
    parser = _parser(" info", "Say what a table file holds.")
    parser.add_argument("tables", metavar="TABLES")
    parser.add_argument("--json", action="store_true", help="the same as JSON")
    return parser


def _verify() -> argparse.ArgumentParser:
    parser = _parser(" verify", "Compare tables with the uncompressed model.")
    parser.add_argument("model", metavar="MODEL")
    parser.add_argument("tables", metavar="TABLES")
    parser.add_argument("--system", metavar="DIR", nargs="+", help="structures: DeePMD-kit systems (default: synthetic ones)")
    parser.add_argument("--tolerance", type=float, help="on forces, eV/A (default: what the tables were built for)")
    _model_choices(parser)
    _kept_types(parser)
    return parser


def _level(text: str) -> int:
    if text.upper() not in LEVELS:
        raise argparse.ArgumentTypeError(f"'{text}' is none of DEBUG, 3, INFO, 2, WARNING, 1, ERROR, 0")
    return LEVELS[text.upper()]


def _rank(text: str) -> int | str:
    if text in ("full", "auto"):
        return text
    try:
        return int(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"'{text}' is neither a number nor full nor auto") from error
