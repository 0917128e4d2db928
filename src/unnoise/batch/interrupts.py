"""Interrupts: signals that ask a program to stop, such as Ctrl-C. No signal is lost, and none leaves work half done.

Python drops an exception that a signal raises inside a library's callback. So these handlers also remember the signal.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

STOP_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
"""Signals that ask a program to stop. Windows lacks the last one."""

CALLBACK_NAMES = ("_log_handler_callback", "_marshal_")
"""How the names of pyvips' functions begin that libvips calls."""


def stop_by_signals() -> None:
    """Turn every signal of `STOP_SIGNALS` into a `KeyboardInterrupt`, so that no work is left half done.

    Signals that are ignored, as under nohup, stay ignored.
    """
    for kind in STOP_SIGNALS:
        if signal.getsignal(kind) is signal.SIG_DFL:
            signal.signal(kind, signal.default_int_handler)


@contextmanager
def kept_interrupts() -> Iterator[Callable[[], None]]:
    """Within this context, Ctrl-C raises `KeyboardInterrupt` as usual, and again from the function that is yielded.

    Call that function from time to time, since a library may have dropped the first exception.

    >>> with kept_interrupts() as check:
    ...     check()
    """
    struck = False

    def strike(number: int, frame: FrameType | None) -> None:
        nonlocal struck
        struck = True
        if not _is_in_callback(frame):  # there it would be dropped, and printed
            raise KeyboardInterrupt

    def check() -> None:
        if struck:
            raise KeyboardInterrupt

    # Only the main thread receives signals. Handlers that others have set stay.
    ours = [kind for kind in STOP_SIGNALS if signal.getsignal(kind) is signal.default_int_handler]
    if threading.current_thread() is not threading.main_thread():
        ours = []
    for kind in ours:
        signal.signal(kind, strike)
    try:
        yield check
        check()
    finally:
        for kind in ours:
            signal.signal(kind, signal.default_int_handler)


def _is_in_callback(frame: FrameType | None) -> bool:
    """Whether a signal came while libvips called one of pyvips' functions."""
    while frame is not None:
        if frame.f_code.co_name.startswith(CALLBACK_NAMES) and "pyvips" in frame.f_code.co_filename:
            return True
        frame = frame.f_back
    return False


@contextmanager
def interruptible() -> Iterator[threading.Event]:
    """Within this context, Ctrl-C and SIGTERM only set an event, so that a step in progress can end and be saved.

    >>> with interruptible() as interrupted:
    ...     interrupted.is_set()
    False
    """
    interrupted = threading.Event()
    if threading.current_thread() is not threading.main_thread():  # only the main thread receives signals
        yield interrupted
        return
    kinds = (signal.SIGINT, signal.SIGTERM)
    before = {kind: signal.signal(kind, lambda *_: interrupted.set()) for kind in kinds}
    try:
        yield interrupted
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)
