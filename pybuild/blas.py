# SPDX-License-Identifier: MIT
"""One thread in NumPy's linear algebra: sums then have one order, and a build the same bytes wherever and however it runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Hold the BLAS to one thread, whatever it has chosen or the environment says; also a decorator."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1, user_api="blas"):
        yield
