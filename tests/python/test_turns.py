# SPDX-License-Identifier: MIT
"""Threads that take turns, and processes that are forked meanwhile."""

import os
import threading

import pytest

from pybuild.turns import Turn


def in_child(work):
    """What work returns in a forked process, 0 to 100."""
    child = os.fork()
    if child == 0:
        os._exit(work())
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def taken(turn):
    """1 if another thread may have left something half done, 10 if that is said again."""
    with turn as first:
        pass
    with turn as second, turn as third:
        return int(first) + 10 * int(second or third)


@pytest.mark.parametrize("is_held", [False, True])
def test_a_process_forked_while_another_thread_has_it(is_held):
    turn, has_it, may_go = Turn(), threading.Event(), threading.Event()

    def hold():
        with turn:
            has_it.set()
            may_go.wait()

    thread = threading.Thread(target=hold)
    if is_held:
        thread.start()
        has_it.wait()
    try:
        assert in_child(lambda: taken(turn)) == int(is_held)
    finally:
        may_go.set()
    if is_held:
        thread.join()
    assert taken(turn) == 0


def test_a_process_forked_by_the_thread_that_has_it():
    turn = Turn()
    with turn:
        assert in_child(lambda: taken(turn)) == 0
