# SPDX-License-Identifier: MIT
"""A progress bar on stderr for work that takes longer than two seconds. Silent where stderr is not a terminal, unless asked for."""

from __future__ import annotations

import sys
import time
from types import TracebackType

PATIENCE = 2.0  # seconds before anything is shown
INTERVAL = 0.2  # seconds between two pictures
WIDTH = 30  # characters


class Progress:
    """``with Progress("tables", 12) as p: ... p.update(k)``, k = steps done."""

    def __init__(self, label: str, total: int, verbose: bool = False):
        self._label, self._total = label, max(1, total)
        self._terminal = sys.stderr.isatty()
        self._active = self._terminal or verbose
        self._start = self._last = time.monotonic()
        self._shown = False

    def __enter__(self) -> Progress:
        return self

    def update(self, done: int) -> None:
        """Show the state, at most every INTERVAL seconds (ten times as rarely in a log)."""
        now = time.monotonic()
        pause = INTERVAL if self._terminal else 10 * INTERVAL
        if not self._active or now - self._start < PATIENCE or now - self._last < pause:
            return
        self._last = now
        self._draw(min(done, self._total), now)

    def _draw(self, done: int, now: float) -> None:
        filled = WIDTH * done // self._total
        left = (now - self._start) * (self._total - done) / max(done, 1)
        bar = "#" * filled + "." * (WIDTH - filled)
        text = f"{self._label} [{bar}] {done}/{self._total}, {left:.0f} s left"
        self._shown = True
        sys.stderr.write(f"\r{text:<79}" if self._terminal else text + "\n")
        sys.stderr.flush()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._shown and self._terminal:
            sys.stderr.write("\r" + " " * 79 + "\r")
            sys.stderr.flush()
