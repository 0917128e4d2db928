"""Signals that ask a program to stop, such as Ctrl-C: none is lost, and none leaves anything half done.

Python drops an exception that a signal raises within a library's callback into Python. So these handlers remember the signal too.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

STOPPING = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
"""What asks a program to stop; Windows lacks the last."""


def stop_by_signals() -> None:
    """Let every signal of `STOPPING` that would end the process at once be a `KeyboardInterrupt`, so that nothing is left behind half
    done; those that are ignored, as under nohup, stay so."""
    for kind in STOPPING:
        if signal.getsignal(kind) is signal.SIG_DFL:
            signal.signal(kind, signal.default_int_handler)


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
    ours = [kind for kind in STOPPING if signal.getsignal(kind) is signal.default_int_handler]
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


@contextmanager
def interruptible() -> Iterator[threading.Event]:
    """Within it Ctrl-C and SIGTERM set an event and do no more, so that a step in progress can end and be saved."""
    interrupted = threading.Event()
    if threading.current_thread() is not threading.main_thread():  # signals reach the main thread alone
        yield interrupted
        return
    kinds = (signal.SIGINT, signal.SIGTERM)
    before = {kind: signal.signal(kind, lambda *_: interrupted.set()) for kind in kinds}
    try:
        yield interrupted
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)
