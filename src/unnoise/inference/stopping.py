"""Ctrl-C that is not lost: where it strikes within a library's callback into Python, Python drops the exception."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def kept_interrupts() -> Iterator[Callable[[], None]]:
    """Within it Ctrl-C raises `KeyboardInterrupt` as ever, and once more from the function given, to be called now and then."""
    struck = False

    def strike(number: int, frame: FrameType | None) -> None:
        nonlocal struck
        struck = True
        raise KeyboardInterrupt

    def check() -> None:
        if struck:
            raise KeyboardInterrupt

    # Signals reach the main thread alone; one who handles them in another way goes on doing so.
    before = signal.getsignal(signal.SIGINT)
    ours = threading.current_thread() is threading.main_thread() and before is signal.default_int_handler
    if ours:
        signal.signal(signal.SIGINT, strike)
    try:
        yield check
        check()
    finally:
        if ours:
            signal.signal(signal.SIGINT, before)
