"""Threads whose start never waits."""

from __future__ import annotations

import _thread
import threading
from collections.abc import Callable


def begin_thread(call: Callable[[], object]) -> threading.Event:
    """Run a function in a thread that does not keep the program from ending.

    `threading.Thread.start` waits until the new thread runs: forever, if that one finds no memory for its first objects
    (https://github.com/python/cpython/issues/140746). This returns at once.

    Returns:
        Set when the function has ended. It may never be set, so wait for it with a bound.

    Raises:
        RuntimeError: the system has no room for another thread.

    >>> begin_thread(lambda: None).wait(10)
    True
    """
    ended = threading.Event()

    def run() -> None:
        try:
            call()
        finally:
            ended.set()

    _thread.start_new_thread(run, ())
    return ended
