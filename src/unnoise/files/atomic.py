"""Atomic writing: a file is written next to its place and then renamed, so nobody ever sees half of it."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path

from unnoise.errors import UnnoiseError, UsageError
from unnoise.files.paths import refuse_device
from unnoise.files.temporary_names import remove_stale_files, temporary_path

_UMASK = os.umask(0)  # the mask can only be read by setting it
os.umask(_UMASK)
_PERMISSIONS = 0o666 & ~_UMASK

BeforeRename = Callable[[Path, Path], None]
"""Called with the temporary path and the target."""

_before_rename: ContextVar[BeforeRename | None] = ContextVar("before_rename", default=None)


def make_folder(folder: Path) -> None:
    """Make a folder and its parents.

    Raises:
        UsageError: the folder cannot be made, or nothing can be written there.

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     make_folder(Path(folder) / "a" / "b")
    ...     print((Path(folder) / "a" / "b").is_dir())
    True
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UsageError(f"The folder {folder} cannot be written to: {error.strerror or error}; choose another one.") from error


@contextmanager
def before_rename(call: BeforeRename) -> Iterator[None]:
    """Within this context, each `atomic_write` of this thread makes a call just before it renames its file.

    So the caller knows which results are its own, even if Ctrl-C strikes just after the renaming.

    >>> with tempfile.TemporaryDirectory() as folder, before_rename(lambda temporary, target: print(target.name)):
    ...     with atomic_write(Path(folder) / "a.txt") as temporary:
    ...         _ = temporary.write_text("all of it")
    a.txt
    """
    token = _before_rename.set(call)
    try:
        yield
    finally:
        _before_rename.reset(token)


@contextmanager
def atomic_write(target: Path) -> Iterator[Path]:
    """Replace a file or a folder atomically.

    The block writes a file or a folder at the temporary path that it gets. The path lies next to `target` and has its
    suffix. When the block ends, the result replaces `target`. On any error, and on Ctrl-C, the temporary file is
    removed and `target` stays as it was. Temporary files of the same target that a killed process has left are removed.

    Raises:
        UsageError: `target` is a device or a pipe, or cannot be reached.
        UnnoiseError: the folder cannot be made or written to, or the disk is full.

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with atomic_write(Path(folder) / "a.txt") as temporary:
    ...         _ = temporary.write_text("all of it")
    ...     print((Path(folder) / "a.txt").read_text())
    all of it
    """
    refuse_device(target)
    given, target = target, Path(os.path.realpath(target))  # a link stays a link
    temporary = temporary_path(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        remove_stale_files(target)
        yield temporary
        call = _before_rename.get() or (lambda temporary, target: None)
        if temporary.is_dir():
            call(temporary, given)
            _replace_folder(temporary, target)
            return
        # A replaced file keeps its permissions. Some writers make files that only their owner can read.
        temporary.chmod(target.stat().st_mode & 0o777 if target.exists() else _PERMISSIONS)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        call(temporary, given)
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
    """Reserve the disk space for the first `size` bytes of an open file, where the system can.

    A file with holes would take the space later. If the file is then memory-mapped and the disk is full, the process is
    killed.

    Args:
        file: a file descriptor.
        size: in bytes.

    Raises:
        OSError: there is not enough space.

    >>> import tempfile
    >>> with tempfile.TemporaryFile() as file:
    ...     preallocate(file.fileno(), 1000)
    """
    if not hasattr(os, "posix_fallocate"):
        return
    check_room(file, size)
    try:
        os.posix_fallocate(file, 0, size)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):  # these mean that the file system cannot reserve space
            raise


def check_room(file: int, size: int) -> None:
    """Raise `OSError` (ENOSPC) if the disk of an open file has fewer than `size` free bytes.

    >>> with tempfile.TemporaryFile() as file:
    ...     check_room(file.fileno(), 1000)
    """
    if not hasattr(os, "fstatvfs"):
        return
    disk = os.fstatvfs(file)
    if disk.f_blocks > 0 and disk.f_bavail * disk.f_frsize < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _replace_folder(folder: Path, target: Path) -> None:
    """Rename a folder to `target`. An existing folder is moved aside first, and then removed."""
    aside = target.with_name(folder.name + ".old")
    if target.exists():
        target.replace(aside)
    folder.replace(target)
    shutil.rmtree(aside, ignore_errors=True)
