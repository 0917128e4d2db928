"""Steps on NumPy arrays side by side: NumPy lets other threads run while it computes, but uses one core alone."""

from __future__ import annotations

import ctypes
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from array_api_compat import is_numpy_array

In = TypeVar("In")
Out = TypeVar("Out")


def thread_count() -> int:
    """How many threads a runtime gets: as OMP_NUM_THREADS says, else one for each core that the process may use.

    >>> thread_count() >= 1
    True
    """
    asked = os.environ.get("OMP_NUM_THREADS", "")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return int(asked) if asked.isdecimal() and int(asked) > 0 else cores


def in_order(call: Callable[[In], Out], items: Iterable[In], like: Any) -> Iterator[Out]:
    """The results of a function for each item, in order. Several are computed at a time where arrays are NumPy's.

    Items are taken from the caller's thread, at most one more than there are threads ahead of the results. So results are the
    same with any number of threads, if no item depends on what is done with the results of the two before it.

    Args:
        call: changes nothing that another call or the caller uses.
        items: what it is called with.
        like: an array of the kind that is computed with; other kinds have threads of their own.

    >>> list(in_order(lambda x: x * 2, [1, 2, 3], like=None))
    [2, 4, 6]
    """
    threads = thread_count() if is_numpy_array(like) else 1
    if threads == 1:
        yield from map(call, items)
        return
    waiting: deque[Future[Out]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                waiting.append(_begun(pool, call, item))
                if len(waiting) > threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:  # what nobody wants any more is not begun
            for future in waiting:
                future.cancel()


def _begun(pool: ThreadPoolExecutor, call: Callable[[In], Out], item: In) -> Future[Out]:
    try:
        return pool.submit(call, item)
    except RuntimeError:  # the system has no room for another thread
        done: Future[Out] = Future()
        done.set_result(call(item))
        return done


@contextmanager
def one_thread_a_product() -> Iterator[None]:
    """Within this context NumPy multiplies matrices in the thread that asks for it.

    Its library, OpenBLAS, shares even small products among threads, which then wait for work at full speed: the bound took seven
    times the processor time. With another library nothing changes.

    >>> with one_thread_a_product():
    ...     float((np.ones((2, 2)) @ np.ones((2, 2))).sum())
    8.0
    """
    found = _openblas()
    if found is None:
        yield
        return
    get, set_ = found
    with _users.lock:
        if _users.count == 0:
            _users.threads_before = get()
            set_(1)
        _users.count += 1
    try:
        yield
    finally:
        with _users.lock:
            _users.count -= 1
            if _users.count == 0:
                set_(_users.threads_before)


class _Users:
    """Who is within `one_thread_a_product`: several threads may be."""

    lock = threading.Lock()
    count = 0
    threads_before = 1


_users = _Users()


@cache
def _openblas() -> tuple[Callable[[], int], Callable[[int], None]] | None:
    """What tells and sets the number of threads of the OpenBLAS that NumPy's wheels bring; None: it is another library."""
    for path in (Path(np.__file__).parents[1] / "numpy.libs").glob("*openblas*"):
        library = ctypes.CDLL(str(path))  # NumPy has loaded it already
        for ending in ("64_", ""):
            names = (f"scipy_openblas_{what}_num_threads{ending}" for what in ("get", "set"))
            get, set_ = (getattr(library, name, None) for name in names)
            if get is not None and set_ is not None:
                return get, set_
    return None
