"""Running a command in a worker process, so that no crash of a library is a crash of the command.

The worker is forked before any library is loaded, which takes a millisecond. If a file ends it, the command begins anew
without that file. Signals are handed on, and the worker ends with its parent.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType
from typing import NoReturn

from unnoise.batch.interrupts import STOP_SIGNALS
from unnoise.files import attempts
from unnoise.files.parent_process import end_with_parent

COMMANDS = {"denoise", "inspect", "train", "evaluate", "quantize", "import", "export", "data", "benchmark", "doctor"}
"""Commands that read files or compute."""
SWITCH = "UNNOISE_WORKER"
"""The environment variable that runs commands in one process, for debuggers: 'off'."""


def run_in_worker() -> None:
    """Return in a worker process; the process that calls ends with the worker's exit status.

    It also returns, without a worker, where none can be made: on Windows, after torch was loaded, beside other threads.
    """
    if not _is_wanted():
        return
    journal = attempts.Journal()
    while True:
        sys.stdout.flush()
        sys.stderr.flush()
        parent = os.getpid()
        worker = os.fork()
        if worker == 0:
            _begin(parent)
            attempts.journal = journal
            return
        status = _wait(worker)
        if not os.WIFSIGNALED(status):
            sys.exit(os.WEXITSTATUS(status))
        number = os.WTERMSIG(status)
        if number in STOP_SIGNALS:
            _end_by(number)
        name = attempts.signal_name(number)
        finished, present = journal.read()
        journal.finished |= set(finished)
        journal.clear()
        if present is None or present in journal.crashed:
            sys.exit(_complain(name))
        journal.crashed[present] = name


def _is_wanted() -> bool:
    return (
        hasattr(os, "fork")
        and len(sys.argv) > 1
        and sys.argv[1] in COMMANDS
        and "torch" not in sys.modules  # its threads do not live on in a fork
        and threading.active_count() == 1
        and os.environ.get(SWITCH) != "off"
    )


def _begin(parent: int) -> None:
    """In the worker: a process group of its own, so that Ctrl-C comes once, and an end with the parent."""
    os.setpgid(0, 0)
    end_with_parent(parent)


def _wait(worker: int) -> int:
    """Wait for the worker, and hand on signals. Those that are ignored, as under nohup, stay ignored."""

    def hand_on(number: int, frame: FrameType | None) -> None:
        os.kill(worker, number)

    def stop(number: int, frame: FrameType | None) -> None:  # Ctrl-Z
        os.kill(worker, signal.SIGSTOP)
        os.kill(os.getpid(), signal.SIGSTOP)
        os.kill(worker, signal.SIGCONT)

    before = {}
    for number in [*STOP_SIGNALS, signal.SIGTSTP, signal.SIGWINCH]:
        if signal.getsignal(number) != signal.SIG_IGN:
            before[number] = signal.signal(number, stop if number == signal.SIGTSTP else hand_on)
    try:
        return os.waitpid(worker, 0)[1]
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_by(number: int) -> NoReturn:
    """End as the worker did, so that a shell sees the same."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    sys.exit(128 + number)


def _complain(name: str) -> int:
    """One sentence about a crash that no file explains; the exit status."""
    reason = (
        "most likely since memory ran out; close other programs, raise the limit (ulimit), or give a smaller picture or --tile"
    )
    print(f"unnoise: The command was ended by {name}, {reason}.", file=sys.stderr)
    return 1
