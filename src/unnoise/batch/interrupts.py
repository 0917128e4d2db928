"""Interrupts: signals that ask a program to stop, such as Ctrl-C. No signal is lost, and none leaves work half done.

Python drops an exception that a signal raises inside a library's callback. So these handlers also remember the signal.
"""

from __future__ import annotations

import _thread
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType

from unnoise.batch.threads import begin_thread

STOP_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
"""Signals that ask a program to stop. Windows lacks the last one."""

CALLBACK_NAMES = ("_log_handler_callback", "_marshal_")
"""How the names of pyvips' functions begin that libvips calls."""
AGAIN_SECONDS = 0.01
"""How long after a signal within such a function it comes again."""


def stop_by_signals(kinds: Iterable[int] = STOP_SIGNALS) -> None:
    """Turn signals into a `KeyboardInterrupt`, so that no work is left half done.

    Signals that are ignored, as under nohup, stay ignored, and handlers of others stay.
    """
    for kind in kinds:
        if signal.getsignal(kind) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(kind, raise_interrupt)


def raise_interrupt(number: int, frame: FrameType | None) -> None:
    """Raise `KeyboardInterrupt`: a handler for `signal.signal`.

    Within a callback, where it would be dropped and printed, nothing is raised; the signal comes again a moment later.
    """
    if not _is_in_callback(frame):
        raise KeyboardInterrupt

    def strike_again() -> None:
        time.sleep(AGAIN_SECONDS)
        if hasattr(signal, "pthread_kill"):
            signal.pthread_kill(threading.main_thread().ident or 0, number)  # which also ends a wait
        else:
            _thread.interrupt_main(signal.Signals(number))

    begin_thread(strike_again)


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
        if not _is_in_callback(frame):  # `check` raises it soon
            raise KeyboardInterrupt

    def check() -> None:
        if struck:
            raise KeyboardInterrupt

    # Only the main thread receives signals. Handlers that others have set stay.
    before = {kind: signal.getsignal(kind) for kind in STOP_SIGNALS}
    ours = [kind for kind, handler in before.items() if handler in (signal.default_int_handler, raise_interrupt)]
    if threading.current_thread() is not threading.main_thread():
        ours = []
    for kind in ours:
        signal.signal(kind, strike)
    try:
        yield check
        check()
    finally:
        for kind in ours:
            signal.signal(kind, before[kind])


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
