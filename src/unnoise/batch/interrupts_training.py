"""Ctrl-C and SIGTERM end a run after the step in progress, with its checkpoint written."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def interruptible() -> Iterator[threading.Event]:
    """Turn Ctrl-C and SIGTERM into an event, so that the step in progress ends and its checkpoint is written."""
    interrupted = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield interrupted
        return
    kinds = (signal.SIGINT, signal.SIGTERM)
    before = {kind: signal.signal(kind, lambda *_: interrupted.set()) for kind in kinds}
    try:
        yield interrupted
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)
