"""Attempts at a command: which files ended the process that worked on them, and which were finished before.

A library can end its process: a damaged file crashes a decoder, another program cuts a mapped file short, or memory runs
out. `unnoise.cli.worker` then begins the command anew in another process, which leaves that file out and names it.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from unnoise.errors import UnnoiseError

REASONS = {
    "SIGBUS": "another program cut it short while it was read, or the disk failed; put it back, and give the same command again",
    "SIGKILL": "memory ran out, or somebody ended the process; close other programs, or give a smaller --tile",
}
OTHER_REASON = "it is damaged, or memory ran out; get a fresh copy, or give a smaller --tile"


class Journal:
    """What a command works on, in an unnamed file that outlives its process.

    >>> journal = Journal()
    >>> journal.note("begin", Path("a.png"))
    >>> journal.note("end", Path("a.png"))
    >>> journal.note("begin", Path("b.png"))
    >>> journal.read()
    ([PosixPath('a.png')], PosixPath('b.png'))
    """

    def __init__(self) -> None:
        if hasattr(os, "memfd_create"):
            self._file = os.memfd_create("unnoise")
        else:
            import tempfile

            with tempfile.TemporaryFile() as file:
                self._file = os.dup(file.fileno())
        self.crashed: dict[Path, str] = {}
        """Files that ended a process, and the names of the signals."""
        self.finished: set[Path] = set()
        """Files that were finished before a process ended."""

    def note(self, event: str, path: Path) -> None:
        """Note that work on a file begins or ends."""
        with suppress(OSError):  # no room: the command goes on, and only cannot be repeated
            os.write(self._file, json.dumps([event, os.fsdecode(path)]).encode() + b"\n")

    def read(self) -> tuple[list[Path], Path | None]:
        """The files that were finished, and the one that is not."""
        finished, present = [], None
        with os.fdopen(os.dup(self._file), "rb") as file:
            file.seek(0)
            for line in file.read().splitlines():
                with suppress(ValueError):
                    event, name = json.loads(line)
                    present = Path(name) if event == "begin" else None
                    finished += [Path(name)] if event == "end" else []
        return finished, present

    def clear(self) -> None:
        """Forget the events."""
        os.ftruncate(self._file, 0)
        os.lseek(self._file, 0, os.SEEK_SET)


journal: Journal | None = None
"""Of this process's command; None: nobody watches it."""


@contextmanager
def working_on(path: Path) -> Iterator[None]:
    """Within this context, a crash of the process is put down to a file.

    Raises:
        UnnoiseError: the file has ended an earlier attempt. The sentence names it.

    >>> with working_on(Path("a.png")):
    ...     pass
    """
    if journal is None:
        yield
        return
    if path in journal.crashed:
        raise crash_error(path, journal.crashed[path])
    journal.note("begin", path)
    try:
        yield
    except BaseException:
        journal.note("failed", path)
        raise
    journal.note("end", path)


def was_finished(path: Path) -> bool:
    """Whether work on a file was finished by an earlier attempt at this command.

    >>> was_finished(Path("a.png"))
    False
    """
    return journal is not None and path in journal.finished


def note_finished(path: Path) -> None:
    """Note that another process has finished work on a file.

    >>> note_finished(Path("a.png"))
    """
    if journal is not None:
        journal.note("end", path)


def crash_error(path: Path, name: str) -> UnnoiseError:
    """The error for a file that ended its process by the signal of this name.

    >>> str(crash_error(Path("a.png"), "SIGBUS")).partition(";")[0]
    'a.png ended the process that read it (SIGBUS): another program cut it short while it was read, or the disk failed'
    """
    return UnnoiseError(f"{path} ended the process that read it ({name}): {REASONS.get(name, OTHER_REASON)}.")


def signal_name(number: int) -> str:
    """The name of a signal.

    >>> signal_name(11)
    'SIGSEGV'
    """
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
