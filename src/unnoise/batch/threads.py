"""Threads whose start does not wait for ever.

`threading.Thread.start` waits until the new thread runs: forever, if that one finds no memory for its first objects
(https://github.com/python/cpython/issues/140746).
"""

from __future__ import annotations

import _thread
import threading
from collections.abc import Callable

START_SECONDS = 120.0
"""A thread that does not run by then will never. Much other work delays one by seconds."""
NO_THREAD = "can't start new thread"
"""What Python says where the system has no room for a thread."""
BOUNDED = "is_bounded"
"""What marks a start that has its bound already."""


def begin_thread(call: Callable[[], object]) -> threading.Event:
    """Run a function in a thread that does not keep the program from ending. This returns at once.

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


def bound_thread_starts(seconds: float | None = None) -> None:
    """Let each start of a thread in this process wait so long at most. Libraries start threads too: pools, bars, timers.

    After that time, by default `START_SECONDS`, `Thread.start` raises `RuntimeError`, as where the system has no room for a
    thread. This is for processes of our own, as it changes `threading.Thread`.

    >>> callable(bound_thread_starts)  # tests/batch/test_threads.py calls it in a process of its own
    True
    """
    start, most = threading.Thread.start, START_SECONDS if seconds is None else seconds
    if hasattr(start, BOUNDED):
        return

    def bounded(thread: threading.Thread) -> None:
        if isinstance(getattr(thread, "_started", None), threading.Event) and not thread._started.is_set():  # type: ignore[attr-defined]
            thread._started = _Started(most)  # type: ignore[attr-defined]
        try:
            start(thread)
        except _NeverStartedError:
            getattr(threading, "_limbo", {}).pop(thread, None)  # where Python keeps threads on the way
            raise RuntimeError(NO_THREAD) from None

    setattr(bounded, BOUNDED, True)
    threading.Thread.start = bounded  # type: ignore


class _NeverStartedError(Exception):
    """A thread did not run in time."""


class _Started(threading.Event):
    """Whether a thread runs. Waiting for it has a bound."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    def wait(self, timeout: float | None = None) -> bool:
        if timeout is None and not super().wait(self._seconds):
            raise _NeverStartedError
        return super().wait(timeout)
