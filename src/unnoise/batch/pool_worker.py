"""What a worker process of `batch.worker_pool` does: it takes a job, does it, tells how that went, and takes the next."""

from __future__ import annotations

import os
import signal
import sys
import warnings
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from unnoise.batch.interrupts import kept_interrupts, raise_interrupt
from unnoise.batch.recorder import as_sentence
from unnoise.batch.threads import bound_thread_starts
from unnoise.errors import UnnoiseError, UnnoiseWarning
from unnoise.files.atomic import before_rename
from unnoise.files.parent_process import end_with_parent

READY, TILE, WARNS, RENAMES, RESULT, FAILED, MEMORY = "ready", "tile", "warns", "renames", "result", "failed", "memory"
"""What a worker tells: that it can begin; its progress; a warning; that a result is about to get its name, which it waits
for; and of each job that it went well, failed, or ran out of memory."""


def serve(connection: Connection, task: Any, workers: int, threads: int) -> None:
    """Do jobs until there are no more. The arguments are those of the pool."""
    end_with_parent(os.getppid())
    bound_thread_starts()
    # Ctrl-C comes to the pool, which ends its workers by SIGTERM. They then remove what is half written.
    for kind in ("SIGINT", "SIGHUP"):
        if hasattr(signal, kind):
            signal.signal(getattr(signal, kind), signal.SIG_IGN)
    signal.signal(signal.SIGTERM, raise_interrupt)
    try:
        with kept_interrupts() as check, before_rename(_asking(connection)):
            if prepare := getattr(task, "prepare", None):
                prepare(workers, threads)
            connection.send((READY,))
            while (order := connection.recv()) is not None:
                connection.send(_done(connection, task, check, *order))
                check()  # else it would wait for the next order
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # the pool's process was killed
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGTERM)


def _done(
    connection: Connection, task: Callable[..., Any], check: Callable[[], None], job: Any, replace: bool
) -> tuple[Any, ...]:
    """Do one job, and say how it went. `check` raises an interrupt that a library dropped."""

    def on_tile(done: int, tiles: int) -> None:
        check()
        connection.send((TILE, done, tiles))

    def tell(message: Warning | str, category: type[Warning], *rest: Any, **more: Any) -> None:
        if issubclass(category, UnnoiseWarning):
            connection.send((WARNS, str(message)))
        else:
            show(message, category, *rest, **more)

    show = warnings.showwarning
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always", UnnoiseWarning)
            warnings.showwarning = tell
            return RESULT, task(job, replace, on_tile)
    except MemoryError:
        return (MEMORY,)
    except (BrokenPipeError, ConnectionResetError):
        raise
    except Exception as error:  # one bad file must not stop the others
        sentence = as_sentence(job, error)
        return FAILED, type(sentence)(str(sentence))


def _asking(connection: Connection) -> Callable[[Path, Path], None]:
    """Asks the pool before a result gets its name, as the pool's process holds the manifest."""

    def ask(temporary: Path, target: Path) -> None:
        connection.send((RENAMES, temporary, target))
        refusal: UnnoiseError | None = connection.recv()
        if refusal:
            raise refusal

    return ask
