"""Stamps of files: they tell cheaply whether a file, or a folder that counts as one, has changed."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path


def stamp(path: Path) -> list[int] | None:
    """What tells whether something at a path has changed, without reading its content.

    Returns:
        Of a file: its size in bytes, and the time of its last change in nanoseconds. Of a folder, such as a Zarr: the
        size of all files in it, and a checksum of their names, sizes and times. None: nothing is there.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "chunk").write_bytes(b"1234")
    ...     before = stamp(Path(folder))
    ...     (Path(folder) / "chunk").unlink()
    ...     before == stamp(Path(folder)), stamp(Path(folder) / "chunk")
    (False, None)
    """
    try:
        status = path.stat()
    except (OSError, ValueError):  # ValueError: a zero byte in the name
        return None
    if not path.is_dir():
        return [status.st_size, status.st_mtime_ns]
    files = sorted(_files_in(path))
    checksum = hashlib.blake2b(digest_size=8)
    for name, size, time in files:
        checksum.update(os.fsencode(name) + f"\0{size} {time}\n".encode())
    return [sum(size for _, size, _ in files), int.from_bytes(checksum.digest())]


def content_digest(path: Path) -> str | None:
    """What tells whether the content of a file, or of all files in a folder, has changed. A copy has the same one.

    Returns:
        Hexadecimal digits. None: nothing is there.

    Raises:
        OSError: the content cannot be read.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     one, other = Path(folder) / "one", Path(folder) / "other"
    ...     _ = one.write_bytes(b"1234"), other.write_bytes(b"1234")
    ...     content_digest(one) == content_digest(other), content_digest(one) == content_digest(Path(folder))
    (True, False)
    """
    if not path.exists():
        return None
    digest = hashlib.blake2b(digest_size=16)
    folder = path.is_dir()
    for name in sorted(name for name, _, _ in _files_in(path)) if folder else [""]:
        with (path / name if folder else path).open("rb") as file:
            content = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16))
        digest.update(os.fsencode(name) + b"\0" + content.digest())
    return digest.hexdigest()


def _files_in(folder: Path) -> list[tuple[str, int, int]]:
    """Name, size and time of each file in a folder and the folders in it. Names are relative to the folder."""
    found = []
    waiting = [(str(folder), "")]
    while waiting:
        place, inside = waiting.pop()
        with suppress(OSError), os.scandir(place) as entries:  # a folder may vanish meanwhile, and then counts as changed
            for entry in entries:
                name = f"{inside}{entry.name}"
                if entry.is_dir(follow_symlinks=False):
                    waiting.append((entry.path, f"{name}/"))
                    continue
                with suppress(OSError):
                    status = entry.stat()
                    found.append((name, status.st_size, status.st_mtime_ns))
    return found
