# SPDX-License-Identifier: MIT
"""A progress bar on stderr for work that takes longer than two seconds.

Shown where reports are (the logger "pybuild" at INFO) and stderr is a terminal; with `-v` (DEBUG) also in a log, line by line,
and at the end of every stage a line with its time.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator, Sequence
from typing import TypeVar

Item = TypeVar("Item")

PATIENCE = 2.0  # seconds before anything is shown
TERMINAL_INTERVAL, LOG_INTERVAL = 0.2, 2.0  # seconds between two pictures
WIDTH, LINE = 30, 79  # characters


def track(items: Sequence[Item], label: str) -> Iterator[Item]:
    """The items one by one, with a bar."""
    start, bar = time.monotonic(), Progress(label, len(items))
    for number, item in enumerate(items):
        yield item
        bar.update(number + 1)
    bar.close()
    logging.getLogger("pybuild").debug("%s: %d in %.2f s", label, len(items), time.monotonic() - start)


class Progress:
    """Steps done out of a total."""

    def __init__(self, label: str, total: int):
        log = logging.getLogger("pybuild")
        self._label, self._total = label, max(1, total)
        self._terminal = sys.stderr is not None and sys.stderr.isatty()
        is_wanted = log.isEnabledFor(logging.INFO) and (self._terminal or log.isEnabledFor(logging.DEBUG))
        self._active = is_wanted and sys.stderr is not None  # None: closed
        self._start = self._last = time.monotonic()
        self._shown = False

    def update(self, done: int) -> None:
        """Show the state, if it is time to."""
        now = time.monotonic()
        pause = TERMINAL_INTERVAL if self._terminal else LOG_INTERVAL
        if self._active and now - self._start >= PATIENCE and now - self._last >= pause:
            self._last = now
            self._draw(min(done, self._total), now)

    def _draw(self, done: int, now: float) -> None:
        filled = WIDTH * done // self._total
        left = (now - self._start) * (self._total - done) / max(done, 1)
        text = f"{self._label} [{'#' * filled}{'.' * (WIDTH - filled)}] {done}/{self._total}, {left:.0f} s left"
        self._shown = True
        try:
            print(
                f"\r{text:<{LINE}}" if self._terminal else text, end="" if self._terminal else "\n", file=sys.stderr, flush=True
            )
        except OSError:  # nobody looks any more (`2>&1 | head`)
            self._active = self._shown = False

    def close(self) -> None:
        """Wipe the bar away."""
        if self._shown and self._terminal:
            print("\r" + " " * LINE, end="\r", file=sys.stderr, flush=True)
