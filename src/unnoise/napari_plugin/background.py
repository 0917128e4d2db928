"""Long work beside a window that stays alive: its progress in percent, and how it is stopped."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")
PERCENT = 100
LOOK_SECONDS = 0.1
"""Between two looks at whether the work was stopped."""

Tell = Callable[[float], None]
"""Takes the share that is done, 0..1."""


class StoppedError(Exception):
    """Nobody wants the result any more."""


def stepwise(work: Callable[[Tell], T]) -> Generator[None, None, T]:
    """Do work in a thread, and yield once for each percent that is done, so `PERCENT` times in all.

    Args:
        work: gets a function that it must call with its share now and then. When the generator is closed, that function
            raises `StoppedError` in the work's thread.

    Raises:
        Whatever the work raises.

    >>> def half(tell):
    ...     tell(0.5)
    ...     return "done"
    >>> steps = stepwise(half)
    >>> sum(1 for _ in steps)
    100
    """
    shares: queue.Queue[float] = queue.Queue()
    stopped = threading.Event()
    outcome: dict[str, Any] = {}

    def tell(share: float) -> None:
        if stopped.is_set():
            raise StoppedError
        shares.put(share)

    def run() -> None:
        try:
            outcome["result"] = work(tell)
        except BaseException as error:  # it is raised again where the result is awaited
            outcome["error"] = error

    thread = threading.Thread(target=run, daemon=True, name="unnoise")
    thread.start()
    told = 0
    try:
        while thread.is_alive() or not shares.empty():
            with suppress(queue.Empty):
                reached = int(PERCENT * min(1.0, shares.get(timeout=LOOK_SECONDS)))
                for _ in range(told, reached):
                    yield
                told = max(told, reached)
        if error := outcome.get("error"):
            raise error
        for _ in range(told, PERCENT):
            yield
    finally:
        stopped.set()  # nobody waits for the thread: it may be at a tile that takes seconds
    return outcome["result"]


def start(work: Callable[[], Generator[None, None, T]], title: str, on_result: Callable[[T], None]) -> Any:
    """Run steps in napari's own worker thread with a progress bar; where there is no window, here and now.

    Args:
        work: makes the steps, such as those of `stepwise`.
        title: beside the progress bar.
        on_result: is called in the window's own thread.

    Returns:
        napari's worker, whose `quit` stops the work; None: it is done.

    >>> start(lambda: stepwise(lambda tell: 3), "Counting", print)
    3
    """
    if not _has_window():
        on_result(_drained(work()))
        return None
    from napari.qt.threading import create_worker

    made = work()

    def steps() -> Generator[None, None, T]:  # create_worker looks whether a function has a yield
        return (yield from made)

    # A worker that quits leaves its generator open, and so the work would go on.
    return create_worker(
        steps,  # type: ignore[arg-type]  # it takes every function
        _progress={"total": PERCENT, "desc": title},
        _connect={"returned": on_result, "finished": made.close},
    )


def _drained(steps: Generator[None, None, T]) -> T:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def _has_window() -> bool:
    try:
        from qtpy.QtWidgets import QApplication
    except Exception:  # no qtpy, or no Qt for it
        return False
    return QApplication.instance() is not None
