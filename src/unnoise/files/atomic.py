"""Writing a file so that nobody ever sees half of it: beside its place first, then renamed into it."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from unnoise.errors import UnnoiseError, UsageError
from unnoise.files.paths import refuse_device
from unnoise.files.temporary_names import remove_stale_files, temporary_path

_UMASK = os.umask(0)  # it can only be read by setting it
os.umask(_UMASK)
_PERMISSIONS = 0o666 & ~_UMASK


def make_folder(folder: Path) -> None:
    """Make a folder and its parents. Raises `UsageError` when that cannot be done or nothing can be written there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UsageError(f"The folder {folder} cannot be written to: {error.strerror or error}; choose another one.") from error


@contextmanager
def atomic_write(target: Path) -> Iterator[Path]:
    """Give a temporary path beside `target`, with its suffix; the file or folder written there replaces `target` when the block ends.

    On any error, and on Ctrl-C, the temporary file is removed and `target` stays as it was. What a process that was killed left
    of the same target is removed.

    Raises:
        UsageError: `target` is a device or a pipe, which the file would replace, or cannot be reached.
        UnnoiseError: when the folder cannot be made or written to, or the disk is full.
    """
    refuse_device(target)
    target = Path(os.path.realpath(target))  # a link stays a link
    temporary = temporary_path(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        remove_stale_files(target)
        yield temporary
        if temporary.is_dir():
            _replace_folder(temporary, target)
            return
        # a replaced file keeps its permissions; some writers make new ones that their owner alone can read
        temporary.chmod(target.stat().st_mode & 0o777 if target.exists() else _PERMISSIONS)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(target)
    except OSError as error:
        raise UnnoiseError(
            f"{target} cannot be written: {error.strerror or error}; choose another place or free some space."
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink()
        shutil.rmtree(temporary, ignore_errors=True)


def preallocate(file: int, size: int) -> None:
    """Take the room for the first `size` bytes of an open file now, where the system can. OSError: there is none.

    A file with holes would take it when they are filled, and where that is done through a map of it a full disk ends the process.
    """
    if not hasattr(os, "posix_fallocate"):
        return
    disk = os.fstatvfs(file)
    if disk.f_blocks > 0 and disk.f_bavail * disk.f_frsize < size:  # or others would find the disk full for a while
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    try:
        os.posix_fallocate(file, 0, size)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):  # which say that this file system cannot do so
            raise


def _replace_folder(folder: Path, target: Path) -> None:
    """Rename a folder; the one of that name is put aside first and then removed."""
    aside = target.with_name(folder.name + ".old")
    if target.exists():
        target.replace(aside)
    folder.replace(target)
    shutil.rmtree(aside, ignore_errors=True)
