# SPDX-License-Identifier: MIT
"""One thread at a time."""

from __future__ import annotations

import os
import threading


class Turn:
    """A lock that its holder may take again: ``with turn as was_lost``. A process that was forked while another thread held it
    begins with a new one, and was_lost is true once: what that thread was at may be half done."""

    def __init__(self) -> None:
        self._lock, self._process = threading.RLock(), os.getpid()

    def __enter__(self) -> bool:
        was_lost = False
        if self._process != os.getpid():
            was_lost = not self._lock.acquire(blocking=False)
            if was_lost:
                self._lock = threading.RLock()
            else:
                self._lock.release()
            self._process = os.getpid()
        self._lock.acquire()
        return was_lost

    def __exit__(self, *_: object) -> None:
        self._lock.release()
