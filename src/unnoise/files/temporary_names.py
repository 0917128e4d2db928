"""Names of files while they are written, and the removal of files whose process was killed."""

from __future__ import annotations

import os
import platform
import re
import shutil
import zlib
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

MAX_STEM_BYTES = 99
"""Bytes of a target's name that a temporary name keeps. Some file systems limit names to 143 bytes."""

TEMPORARY_NAME = re.compile(r"\.(?P<stem>.+)\.(?P<process>\d{1,9})-(?P<place>[0-9a-f]{8})\.part(?P<suffix>\..*)?", re.DOTALL)


def temporary_path(target: Path, process: int | None = None) -> Path:
    """Where a process writes the file that will replace `target`. The name is hidden, and has the suffix of `target`.

    Args:
        target: the file's place.
        process: its number; None: this process.

    >>> path = temporary_path(Path("photo.png"))
    >>> path.name.startswith(".photo."), path.suffix
    (True, '.png')
    """
    return target.with_name(f".{_stem(target)}.{process or os.getpid()}-{_machine_id()}.part{target.suffix}")


def remove_stale_files(target: Path) -> None:
    """Remove temporary files of `target` whose process has ended.

    Only names with the mark of this machine or container are considered, because others count their processes
    separately.

    >>> remove_stale_files(Path("none.png"))
    """
    for name in _temporary_files_in(target.parent):
        found = TEMPORARY_NAME.fullmatch(name)
        if not found or found["stem"] != _stem(target) or found["place"] != _machine_id() or _is_running(int(found["process"])):
            continue
        suffix = found["suffix"] or ""
        # A folder that was moved aside is the only copy until the new one is in its place.
        if suffix == target.suffix or (suffix == f"{target.suffix}.old" and target.exists()):
            with suppress(OSError):
                (target.parent / name).unlink()
            shutil.rmtree(target.parent / name, ignore_errors=True)


def remove_stale_files_in(folder: Path) -> None:
    """Remove all temporary files in a folder whose process on this machine has ended, whatever was to come of them. This
    is for folders whose files have new names each time.

    >>> remove_stale_files_in(Path("none"))
    """
    _temporary_files_in.cache_clear()
    for name in _temporary_files_in(folder):
        found = TEMPORARY_NAME.fullmatch(name)
        if found and found["place"] == _machine_id() and not _is_running(int(found["process"])):
            with suppress(OSError):
                (folder / name).unlink()


def remove_file_of(process: int, target: Path) -> None:
    """Remove the temporary file of `target` that a process of this machine left when it was killed.

    >>> remove_file_of(1, Path("none.png"))
    """
    left = temporary_path(target, process)
    with suppress(OSError):
        left.unlink()
    shutil.rmtree(left, ignore_errors=True)


@lru_cache(maxsize=64)
def _temporary_files_in(folder: Path) -> list[str]:
    """Names in a folder. It is listed once, because a long list takes long, and later files are not from an earlier
    process."""
    with suppress(OSError):
        return [name for name in os.listdir(folder) if TEMPORARY_NAME.fullmatch(name)]  # noqa: PTH208 - not one Path for each
    return []


def _is_running(process: int) -> bool:
    """Whether another process with this number is running. A file with our own number is from an earlier process."""
    import psutil

    return process != os.getpid() and psutil.pid_exists(process)


def _stem(target: Path) -> str:
    """The target's name without its suffix. A long name is cut, and gets a checksum that tells it from others."""
    stem = target.stem
    if len(os.fsencode(stem)) <= MAX_STEM_BYTES:
        return stem
    mark = f"~{zlib.crc32(os.fsencode(stem)):08x}"
    while len(os.fsencode(stem)) > MAX_STEM_BYTES - len(mark):
        stem = stem[:-1]  # whole characters
    return stem + mark


@lru_cache(maxsize=1)
def _machine_id() -> str:
    """A mark of this machine, and on Linux of this container.

    Several of them can share a folder and have processes with the same number.
    """
    name = platform.node()
    with suppress(OSError):
        name += str(Path("/proc/self/ns/pid").readlink())
    return f"{zlib.crc32(os.fsencode(name)):08x}"
