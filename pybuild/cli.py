# SPDX-License-Identifier: MIT
"""The command line: `python -m pybuild MODEL TABLES`, `python -m pybuild info TABLES`, `python -m pybuild verify MODEL TABLES`.

Exit codes: 0 done; 1 verify found errors outside the tolerance; 2 bad input, with one line on stderr that says what was wrong and
what to do. A table file is written whole or not at all.
"""

from __future__ import annotations

import argparse
import logging
import math
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from .errors import InputError, PybuildError

log = logging.getLogger("pybuild")

FRAMES, ATOMS = 6, 600  # of the training data, that the accuracy is measured on

DESCRIPTION = """Compress a trained Deep Potential model into one table file for molecular dynamics.

  python -m pybuild MODEL TABLES            compress
  python -m pybuild info TABLES             what a table file holds
  python -m pybuild verify MODEL TABLES     tables against the uncompressed model
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    command = {"info": _info, "verify": _verify}.get(words[0] if words else "", _compress)
    parser = {_info: _info_parser, _verify: _verify_parser, _compress: _compress_parser}[command]()
    options = parser.parse_args(words if command is _compress else words[1:])
    try:
        with _logging(options.verbose, options.log_path):
            return command(options)
    except PybuildError as error:
        print(f"pybuild: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the interpreter flushes once more at exit
        return 0


class _Stdout(logging.StreamHandler):
    """Like its base, but a reader that has gone away (`| head`) ends the program instead of being complained about."""

    def handleError(self, record: logging.LogRecord) -> None:
        raise  # the exception being handled


@contextmanager
def _logging(verbose: bool, path: str | None) -> Iterator[None]:
    """Reports go to stdout, and to a file where one is named."""
    handlers: list[logging.Handler] = [_Stdout(sys.stdout)]
    try:
        if path is not None:
            handlers.append(logging.FileHandler(path, mode="w", encoding="utf-8"))
    except OSError as error:
        raise InputError(f"--log-path {path}: {error.strerror or error}") from error
    log.setLevel(logging.DEBUG if verbose else logging.INFO)
    for handler in handlers:
        log.addHandler(handler)
    try:
        yield
    finally:
        for handler in handlers:
            log.removeHandler(handler)
            handler.close()


def _common(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("-v", "--verbose", action="store_true", help="say more, show progress also in a log")
    parser.add_argument("-l", "--log-path", metavar="FILE", help="write the report to this file, too")
    return parser


def _compress_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pybuild", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", metavar="MODEL", help="trained model")
    parser.add_argument("tables", metavar="TABLES", help="table file to write")
    parser.add_argument(
        "-s", "--step", type=float, help="step of the fine grid; the coarse one has 10 times that (default: both by the tolerances)"
    )
    parser.add_argument(
        "-e", "--extrapolate", type=float, default=5.0, help="tables end at this times the upper end of the fine grid (5)"
    )
    parser.add_argument(
        "-f", "--check-frequency", type=int, default=10, metavar="N", help="steps between two overflow reports (10)"
    )
    parser.add_argument("-o", "--order", type=int, default=5, choices=(3, 5), help="order of the polynomials (5)")
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
    parser.add_argument(
        "--min-nbor-dist",
        type=float,
        metavar="R",
        help="smallest neighbour distance of the training data, A (default: the model file's)",
    )
    parser.add_argument("-t", "--training-script", metavar="FILE", help="DeePMD-kit input script whose training data are scanned")
    parser.add_argument(
        "--training-data", nargs="+", metavar="DIR", help="training data: systems, or folders of systems, to scan"
    )
    parser.add_argument("--head", help="branch of a multi-task model")
    return _common(parser)


def _info_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pybuild info", description="Say what a table file holds.")
    parser.add_argument("tables", metavar="TABLES")
    return _common(parser)


def _verify_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pybuild verify", description="Compare tables with the uncompressed model.")
    parser.add_argument("model", metavar="MODEL")
    parser.add_argument("tables", metavar="TABLES")
    parser.add_argument("--system", metavar="DIR", nargs="+", help="structures: DeePMD-kit systems (default: synthetic ones)")
    parser.add_argument("--tolerance", type=float, help="on forces, eV/A (default: what the tables were built for)")
    parser.add_argument("--head", help="branch of a multi-task model")
    return _common(parser)


def _rank(text: str) -> int | str:
    if text in ("full", "auto"):
        return text
    try:
        return int(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"'{text}' is neither a number nor full nor auto") from error


def _compress(o: argparse.Namespace) -> int:
    from . import min_distance

    comm = min_distance.communicator()
    first = comm is None or comm.Get_rank() == 0
    if not first:
        log.setLevel(logging.CRITICAL)
    try:
        _compress_on_rank(o, comm, first)
    except PybuildError:
        if first:
            raise
        return 2  # the first rank says it
    return 0


def _compress_on_rank(o: argparse.Namespace, comm: Any | None, first: bool) -> None:
    """The scan of the training data is shared by all ranks; the rest is done by the first one."""
    from . import min_distance
    from .readers import read_model

    options = _options(o)
    _check_target(o.model, o.tables)
    model = read_model(o.model, o.head)
    systems = _training_systems(o, model.type_map)
    distances = min_distance.scan(systems, model.n_types, model.descriptor.rcut, comm) if systems else None
    smallest = _smallest_distance(o, model, distances)
    if first:
        _build_and_write(o, options, model, systems, distances, smallest)


def _options(o: argparse.Namespace) -> Any:
    from .build import Options

    names = ("step", "extrapolate", "order", "check_frequency", "rank", "tolerance", "tolerance_mixed")
    options = Options(**{name: getattr(o, name) for name in names})
    options.validate()
    return options


def _check_target(model: str, tables: str) -> None:
    target = Path(tables)
    if not target.parent.is_dir():
        raise InputError(f"{tables}: the folder {target.parent} does not exist")
    if target.exists() and Path(model).exists() and target.samefile(model):
        raise InputError(f"{tables}: is the model itself; give another name for the table file")


def _training_systems(o: argparse.Namespace, type_map: Sequence[str]) -> list[Any]:
    from .data import find_systems, open_system, systems_of_script

    paths: list[Path] = []
    if o.training_data:
        paths += find_systems(o.training_data)
    if o.training_script:
        paths += [p for p in systems_of_script(o.training_script, o.head) if p not in paths]
    return [open_system(path, type_map) for path in paths]


def _smallest_distance(o: argparse.Namespace, model: Any, distances: Any) -> float:
    """From the option, else the smaller one of the model file's and the training data's."""
    if o.min_nbor_dist is not None:
        if not (math.isfinite(o.min_nbor_dist) and o.min_nbor_dist > 0):
            raise InputError(f"--min-nbor-dist must be a positive length in angstrom, not {o.min_nbor_dist}")
        if model.min_nbor_dist is not None and model.min_nbor_dist != o.min_nbor_dist:
            log.info("smallest distance: %g A as asked for, not the model file's %g A", o.min_nbor_dist, model.min_nbor_dist)
        return float(o.min_nbor_dist)
    known = [d for d in (model.min_nbor_dist, None if distances is None else distances.overall) if d is not None]
    if not known:
        raise InputError(
            f"{o.model}: the file does not say how close atoms came in the training data; give --min-nbor-dist R (angstrom), "
            "--training-data DIR or -t input.json"
        )
    return min(known)


def _build_and_write(
    o: argparse.Namespace, options: Any, model: Any, systems: list[Any], distances: Any, smallest: float
) -> None:
    from .accuracy import provenance, report_lines, table_reports
    from .build import build
    from .data import telling_frames
    from .tables_file import write_tables

    structures = telling_frames(systems, model.n_types, model.descriptor.rcut, FRAMES, ATOMS)
    by_pair = None if distances is None else distances.by_pair
    result = build(model, smallest, options, by_pair, structures)
    reports = table_reports(result)
    record = provenance(model, result, reports, options, smallest)
    write_tables(o.tables, replace(result.tables, provenance=record))
    log.info(
        "%s: %s, %s; smallest distance %.4f A", Path(o.model).name, model.provenance.format, " ".join(model.type_map), smallest
    )
    for line in report_lines(result, reports, options):
        log.info("%s", line)
    log.info("%s: %.1f MB", o.tables, Path(o.tables).stat().st_size / 1e6)


def _info(o: argparse.Namespace) -> int:
    from .info import info_lines
    from .tables_file import list_sections, read_tables

    for line in info_lines(read_tables(o.tables)):
        log.info("%s", line)
    for section in list_sections(o.tables):
        log.debug(
            "%-30s %-4s %-20s %10d bytes at %d", section.name, section.dtype, section.shape, section.n_bytes, section.offset
        )
    return 0


def _verify(o: argparse.Namespace) -> int:
    from .verify import verify

    return 0 if verify(o.model, o.tables, o.system, o.tolerance, o.head) else 1
