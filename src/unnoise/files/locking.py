"""Locks on folders: one run at a time writes into a folder. The system releases a lock when its process ends or is
killed."""

from __future__ import annotations

import errno
import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import filelock

from unnoise.errors import UnnoiseError

LOCK_NAME = ".unnoise.lock"
"""The file that is locked, in the folder. It holds the process and the machine, and is removed at the end."""
WAIT_SECONDS = 0.5
"""How long a lock is waited for. A run that is just ending gives it back within this time."""
READ_ONLY = (errno.EACCES, errno.EPERM, errno.EROFS)
"""Errors of a folder into which nobody can write here. It needs no lock."""


class FolderInUseError(UnnoiseError):
    """Another run writes into the folder.

    >>> issubclass(FolderInUseError, UnnoiseError)
    True
    """


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Within this context, no other run can lock the folder. A folder that cannot be written to is not locked.

    Args:
        folder: exists.

    Raises:
        FolderInUseError: another run has locked it. The sentence names its process and machine.
        UnnoiseError: the file system has no locks.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, locked(Path(folder)):
    ...     with locked(Path(folder)):
    ...         pass
    Traceback (most recent call last):
    unnoise.files.locking.FolderInUseError: Another run of unnoise writes into ... (process ... on ...); wait ...
    """
    path = folder / LOCK_NAME
    lock = _acquired(path)
    if lock is None:
        yield
        return
    try:
        with suppress(OSError):  # without it, others cannot tell who holds the lock
            path.write_text(json.dumps({"process": os.getpid(), "machine": platform.node()}), encoding="utf-8")
        yield
    finally:
        with suppress(OSError):  # while it is locked, as it may be another run's a moment later; Windows cannot
            path.unlink()
        lock.release()
        if os.name == "nt":
            with suppress(OSError):
                path.unlink()


def check_unlocked(folder: Path) -> None:
    """Raise `FolderInUseError` if another run has locked a folder. The folder need not exist.

    >>> check_unlocked(Path("no such folder"))
    """
    if (folder / LOCK_NAME).exists():
        with locked(folder):
            pass


def _acquired(path: Path) -> filelock.BaseFileLock | None:
    """The lock, held; None: its folder cannot be written to."""
    lock = filelock.FileLock(path)
    try:
        lock.acquire(timeout=WAIT_SECONDS)
    except filelock.Timeout as error:
        raise FolderInUseError(
            f"Another run of unnoise writes into {path.parent} ({_holder(path)}); wait until it has ended, or choose another folder."
        ) from error
    except OSError as error:
        if error.errno in READ_ONLY:
            return None
        raise UnnoiseError(
            f"The folder {path.parent} cannot be locked: {error.strerror or error}; choose a folder on another disk."
        ) from error
    return lock


def _holder(path: Path) -> str:
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
        return f"process {int(held['process'])} on {str(held['machine'])[:99]}"
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return "its process is not known"
