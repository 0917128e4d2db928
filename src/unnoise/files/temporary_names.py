"""Names of files while they are written, and the removal of those whose process was killed meanwhile."""

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
"""Bytes of a target's name that go into the temporary one's: some file systems end at 143."""

TEMPORARY_NAME = re.compile(r"\.(?P<stem>.+)\.(?P<process>\d{1,9})-(?P<place>[0-9a-f]{8})\.part(?P<suffix>\..*)?", re.DOTALL)


def temporary_path(target: Path) -> Path:
    """Where this process writes what will replace `target`: hidden, and with its suffix."""
    return target.with_name(f".{_stem(target)}.{os.getpid()}-{_machine_id()}.part{target.suffix}")


def remove_stale_files(target: Path) -> None:
    """Remove what processes that are gone have left of `target`; only those are told that count their processes as this one does."""
    for name in _temporary_files_in(target.parent):
        found = TEMPORARY_NAME.fullmatch(name)
        if not found or found["stem"] != _stem(target) or found["place"] != _machine_id() or _is_running(int(found["process"])):
            continue
        suffix = found["suffix"] or ""
        # an old folder that was put aside is the only copy until the new one is in its place
        if suffix == target.suffix or (suffix == f"{target.suffix}.old" and target.exists()):
            with suppress(OSError):
                (target.parent / name).unlink()
            shutil.rmtree(target.parent / name, ignore_errors=True)


@lru_cache(maxsize=64)
def _temporary_files_in(folder: Path) -> list[str]:
    """Looked for once: to list a folder of many pictures for each of them takes long, and who is killed later is not our past."""
    with suppress(OSError):
        return [name for name in os.listdir(folder) if TEMPORARY_NAME.fullmatch(name)]  # noqa: PTH208 - not one Path for each
    return []


def _is_running(process: int) -> bool:
    """Whether another process of this number is there; what our own number left is of an earlier process that had it."""
    import psutil

    return process != os.getpid() and psutil.pid_exists(process)


def _stem(target: Path) -> str:
    """The target's name without suffix, and if it is too long its beginning and a sum that tells it from others."""
    stem = target.stem
    if len(os.fsencode(stem)) <= MAX_STEM_BYTES:
        return stem
    mark = f"~{zlib.crc32(os.fsencode(stem)):08x}"
    while len(os.fsencode(stem)) > MAX_STEM_BYTES - len(mark):
        stem = stem[:-1]  # whole characters
    return stem + mark


@lru_cache(maxsize=1)
def _machine_id() -> str:
    """Tells machines, and on Linux containers, from one another: they may share a folder and each have a process of the same number."""
    name = platform.node()
    with suppress(OSError):
        name += str(Path("/proc/self/ns/pid").readlink())
    return f"{zlib.crc32(os.fsencode(name)):08x}"
