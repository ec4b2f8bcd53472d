# SPDX-License-Identifier: MIT
"""The command line: `python -m pybuild MODEL TABLES`, and its commands `show MODEL`, `info TABLES` and `verify MODEL TABLES`.

Exit codes: 0 done; 1 verify found errors outside the tolerance; 2 bad input, a wrong option, no memory, no room for the report,
with one line on stderr that says what was wrong and what to do; 130 interrupted. A table file is written whole or not at all.
"""

from __future__ import annotations

import argparse
import io
import json
import logging
import os
import shlex
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext, redirect_stderr
from pathlib import Path
from typing import Any, TypeVar

from .arguments import DEFAULT_CHECKS, UNCHECKED, parse
from .errors import InputError, PybuildError
from .outputs import check_log, check_target, reporting, silence
from .ranks import communicator, speaks
from .structures.length_checks import check_smallest, too_close

Result = TypeVar("Result")
log = logging.getLogger("pybuild")

OUT_OF_MEMORY = "error: not enough memory ({}); use a machine with more, or fewer training data"
MANY_TYPES = 20  # every pair of them may have a table of its own, and structures to be measured on
INTERRUPTED = 130  # exit code of a program that Ctrl-C ends
HEARD = 0.5  # seconds that a launcher of several ranks has to pass on what one has said, before it is told to end all
ROUNDING = 1e-3  # of a smallest distance, relative: two programs may have found it in different precision
FRAMES, ATOMS = 6, 600  # of the training data, that the accuracy is measured on


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    log.setLevel(logging.INFO if speaks() else logging.CRITICAL)
    try:
        code = _run(words)
    except PybuildError as error:
        code = _end(2, f"error: {error}")
    except MemoryError as error:
        code = _end(2, OUT_OF_MEMORY.format(str(error) or "none left"))
    except KeyboardInterrupt:
        code = _end(INTERRUPTED, "interrupted")
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        silence(sys.stdout)
    except OSError as error:
        silence(sys.stdout)
        code = code or _end(2, f"error: the report cannot be written to standard output: {error.strerror or error}")
    try:
        if sys.stderr is not None:
            sys.stderr.flush()
    except OSError:  # nobody can be told but by the exit code, which the interpreter would change if it failed at this again
        silence(sys.stderr)
    return code


def _run(words: list[str]) -> int:
    named = bool(words) and words[0] in COMMANDS
    name = words[0] if named else "compress"
    options = _parse(name, words[1:] if named else words)
    if isinstance(options, int):
        return options
    quiet = name == "compress" and not speaks()  # the others share no work: every process has a report of its own
    with reporting(logging.CRITICAL if quiet else options.log_level, options.log_path, shlex.join(words)):
        return COMMANDS[name](options)


def _parse(command: str, words: list[str]) -> argparse.Namespace | int:
    """The options; or the exit code of a run that ends here: --help, or a wrong option, which argparse has said."""
    with nullcontext() if speaks() else redirect_stderr(io.StringIO()):
        try:
            return parse(command, words)
        except SystemExit as done:
            return int(done.code or 0)
        except OSError:  # what was wrong cannot be written, which newer versions of argparse hide
            return 2


def _check_log(o: argparse.Namespace) -> None:
    if o.log_path is not None:
        named = {"the table file": "tables", "the model": "model", "the input script": "training_script"}
        check_log(o.log_path, {what: getattr(o, option, None) or "" for what, option in named.items()})


def _end(code: int, text: str, every_rank: bool = False) -> int:
    """Say the last line of a run that failed, where this rank speaks."""
    if every_rank or log.level != logging.CRITICAL:
        try:
            print(f"pybuild: {' '.join(text.split())}", file=sys.stderr, flush=True)
        except OSError:  # nobody can be told but by the exit code
            silence(sys.stderr)
    return code


def _compress(o: argparse.Namespace) -> int:
    comm = communicator()
    first = comm is None or comm.Get_rank() == 0
    log.setLevel(o.log_level if first else logging.CRITICAL)
    try:
        _compress_on_rank(o, comm, first)
    except PybuildError:  # all ranks have it
        raise
    except BaseException as error:
        if comm is not None:
            code = _last_words(error)
            time.sleep(HEARD)
            comm.Abort(code)  # the others may wait for this one
            os._exit(code)  # where Abort comes back
        raise
    return 0


def _last_words(error: BaseException) -> int:
    """Exit code of an error that this rank alone knows of, said here."""
    if isinstance(error, KeyboardInterrupt):
        return _end(INTERRUPTED, "interrupted")
    if isinstance(error, MemoryError):
        return _end(2, OUT_OF_MEMORY.format(str(error) or "none left"), every_rank=True)
    traceback.print_exc()
    return 1


def _compress_on_rank(o: argparse.Namespace, comm: Any | None, first: bool) -> None:
    """The scan of the training data is shared by all ranks; the rest is done by the first one."""
    from .structures import min_distance

    model, systems, options = _together(comm, lambda: _inputs(o))
    distances = min_distance.scan(systems, model.n_types, model.rcut, comm) if systems else None
    smallest, source = _smallest_distance(o, model, distances)
    check_smallest(smallest, model.rcut, source)
    if first:
        _build_and_write(o, options, model, systems, distances, smallest, source)


def _together(comm: Any | None, work: Callable[[], Result]) -> Result:
    """The result of work that every rank does by itself. Where one fails all do, so that none waits for another."""
    if comm is None:
        return work()
    result: Result | None = None
    problem: PybuildError | None = None
    try:
        result = work()
    except PybuildError as error:
        problem = error
    for found in comm.allgather(problem):
        if found is not None:
            raise found
    assert result is not None
    return result


def _inputs(o: argparse.Namespace) -> tuple[Any, list[Any], Any]:
    """Model, systems and options, with all checks that need no computing."""
    from .readers import can_leave_types_out, is_model, read_model

    _check_log(o)
    _say_what_has_no_effect(o)
    options = _options(o)
    given = {"the model": o.model, "the input script": o.training_script or "", "the log": o.log_path or ""}
    check_target(o.tables, given, is_model)
    model = read_model(o.model, **_choices(o), keep_types=o.keep_types)
    if model.n_types >= MANY_TYPES and o.keep_types is None and can_leave_types_out(model):
        remark = "note: tables of all %d types take long; --keep-types NAME ... builds those that will be simulated"
        log.info(remark, model.n_types)
    if o.min_nbor_dist is not None:
        check_smallest(o.min_nbor_dist, model.rcut, "--min-nbor-dist")
    return model, _training_systems(o, model.type_map), options


def _choices(o: argparse.Namespace) -> dict[str, Any]:
    """What read_model takes beside the file."""
    return {"head": o.head, "types": o.types, "without_modifier": o.without_modifier, "padding_type": o.padding_type}


def _say_what_has_no_effect(o: argparse.Namespace) -> None:
    """Options of `dp compress` that command lines have and that mean nothing here."""
    if o.checkpoint_folder is not None:
        log.info("note: -c %s: without effect, no checkpoint is written on the way", o.checkpoint_folder)
    if o.mpi_log != "master":
        log.info("note: -m %s: without effect, the first rank reports for all", o.mpi_log)
    if o.check_frequency == UNCHECKED:
        log.info("note: -f %d: overflow is counted all the same, and reported every %d steps", UNCHECKED, DEFAULT_CHECKS)


def _options(o: argparse.Namespace) -> Any:
    from .compress.build import Options

    names = ("step", "extrapolate", "order", "rank", "tolerance", "tolerance_mixed")
    frequency = DEFAULT_CHECKS if o.check_frequency == UNCHECKED else o.check_frequency
    options = Options(check_frequency=frequency, **{name: getattr(o, name) for name in names})
    options.validate()
    return options


def _training_systems(o: argparse.Namespace, type_map: Sequence[str]) -> list[Any]:
    from .structures.data import open_system
    from .structures.data_search import find_systems, systems_of_script

    places = find_systems(o.training_data) if o.training_data else []
    if o.training_script:
        places += systems_of_script(o.training_script, o.head)
    different = {place.identity: place for place in places}
    return [open_system(place, type_map) for place in different.values()]


def _smallest_distance(o: argparse.Namespace, model: Any, distances: Any) -> tuple[float, str]:
    """From the option, else the smaller one of the model file's and the training data's; and where it is from."""
    if o.min_nbor_dist is not None:
        if model.min_nbor_dist is not None and model.min_nbor_dist != o.min_nbor_dist:
            log.info("smallest distance: %g A as asked for, not the model file's %g A", o.min_nbor_dist, model.min_nbor_dist)
        return float(o.min_nbor_dist), "--min-nbor-dist"
    known = [] if model.min_nbor_dist is None else [(model.min_nbor_dist, "of the model file")]
    if distances is not None:
        known.append((distances.overall, distances.closest.text(model.type_map)))
    if not known:
        raise InputError(
            f"{o.model}: the file does not say how close atoms came in the training data; give --min-nbor-dist R (angstrom), "
            "--training-data DIR or -t input.json"
        )
    return min(known)


def _build_and_write(
    o: argparse.Namespace, options: Any, model: Any, systems: list[Any], distances: Any, smallest: float, source: str
) -> None:
    from .compress.combined import compress
    from .structures.data import telling_frames
    from .tablefile.file import write_tables

    structures = telling_frames(systems, model.n_types, model.rcut, FRAMES, ATOMS)
    by_pair = None if distances is None else distances.by_pair_or(smallest)
    result = compress(model, smallest, options, by_pair, structures)
    write_tables(o.tables, result.tables)
    log.info(
        "%s: %s, %s; smallest distance %.4f A", Path(o.model).name, model.provenance.format, " ".join(model.type_map), smallest
    )
    for line in (*model.remarks, *_data_lines(o, model, distances, smallest, source), *result.lines):
        log.log(logging.WARNING if line.startswith("warning:") else logging.INFO, "%s", line)
    log.info("%s: %.1f MB", o.tables, Path(o.tables).stat().st_size / 1e6)


def _data_lines(o: argparse.Namespace, model: Any, distances: Any, smallest: float, source: str) -> Iterator[str]:
    """What was read of the training data, and warnings of distances that cannot be."""
    if distances is not None:
        yield (
            f"training data: {distances.n_systems} systems, {distances.n_frames} frames, {distances.n_atoms} atoms; closest, "
            f"{distances.overall:.4f} A: {distances.closest.text(model.type_map)}"
        )
        if distances.overall < smallest:
            yield (
                f"warning: the training data have pairs closer ({distances.overall:.4g} A) than the smallest distance of "
                f"{smallest:.4g} A ({source}): the tolerance is for pairs beyond that"
            )
        trained = None if o.keep_types else model.min_nbor_dist  # of all types
        if trained is not None and distances.overall > trained * (1 + ROUNDING):
            yield (
                f"warning: the model was trained with pairs {trained:.4g} A apart, the training data given have none closer than "
                f"{distances.overall:.4g} A: they are not all of its training data; a simulation will report pairs of types that "
                "come closer than in them"
            )
    found = [] if distances is None else [(distances.overall, distances.closest.text(model.type_map))]
    for distance, where in dict.fromkeys([(smallest, source), *found]):
        if warning := too_close(distance, where):
            yield warning


def _show(o: argparse.Namespace) -> int:
    from .show import show, show_lines

    _check_log(o)
    found = show(o.model, **_choices(o))
    _print([json.dumps(found, indent=2)] if o.json else show_lines(found))
    return 0


def _info(o: argparse.Namespace) -> int:
    from .info import info, info_lines
    from .tablefile.file import list_sections, read_tables

    _check_log(o)
    tables = read_tables(o.tables)
    _print([json.dumps(info(tables), indent=2)] if o.json else info_lines(tables))
    for section in [] if o.json else list_sections(o.tables):
        log.debug(
            "%-30s %-4s %-20s %10d bytes at %d", section.name, section.dtype, section.shape, section.n_bytes, section.offset
        )
    return 0


def _print(lines: list[str]) -> None:
    """What a command is for, whatever the level of the log."""
    log.setLevel(min(log.level, logging.INFO))
    for line in lines:
        log.info("%s", line)


def _verify(o: argparse.Namespace) -> int:
    from .verify import verify

    _check_log(o)
    return 0 if verify(o.model, o.tables, o.system, o.tolerance, **_choices(o), keep_types=o.keep_types) else 1


COMMANDS = {"compress": _compress, "show": _show, "info": _info, "verify": _verify}
