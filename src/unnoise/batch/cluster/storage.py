"""Folders on any storage that fsspec reads and writes: local ones, `s3://BUCKET/FOLDER`, and others."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from unnoise.errors import UnnoiseError, UsageError
from unnoise.files.atomic import atomic_write
from unnoise.registry import require

READ_BYTES = 2**20
LINKS = re.compile(r"^([a-z][a-z0-9+.-]+):/+(?=[^/])")
"""The beginning of an address. `pathlib` makes one slash of two. One letter alone is a drive of Windows."""
ATOMIC = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "oss", "memory"})
"""Storage where a file appears when it is whole. Elsewhere it is written under another name, and renamed."""


@dataclass(frozen=True)
class StoredFile:
    """A file as a listing tells of it.

    >>> StoredFile("a/b.png", 10, "10 1700000000.5").name
    'a/b.png'
    """

    name: str
    """Relative to the folder of the storage, with slashes."""
    size: int
    """In bytes."""
    stamp: str
    """Changes with the file: its size, and its checksum or the time of its last change."""


def address_of(path: str | Path) -> str | None:
    """The address that a path was given as; None: it is a local path.

    >>> address_of(Path("s3://bucket/folder")), address_of("photos"), address_of("C:/photos")
    ('s3://bucket/folder', None, None)
    """
    found = LINKS.match(str(path))
    return None if found is None else f"{found[1]}://{str(path)[found.end() :]}"


class Storage:
    """A folder. Names in it are relative and have slashes. It can be sent to other processes.

    Args:
        place: a path, or an address such as `s3://BUCKET/FOLDER`.

    Raises:
        UsageError: nothing can read or write such an address.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     storage = Storage(folder)
    ...     storage.write("a/b.txt", b"text")
    ...     storage.read("a/b.txt"), [file.size for file in storage.files("a")], list(storage.folders("", recursive=True))
    (b'text', [4], ['', 'a'])
    """

    def __init__(self, place: str | Path) -> None:
        self.place = address_of(place) or str(Path(place).absolute())
        core: Any = require("fsspec.core", "--engine ray")
        try:
            self.system, root = core.url_to_fs(self.place)
        except (ImportError, ValueError) as error:
            raise UsageError(f"{self.place} cannot be reached ({error}); install what fsspec needs for it.") from error
        self.root = str(root).rstrip("/")
        protocols = self.system.protocol
        self.protocols = {protocols} if isinstance(protocols, str) else set(protocols)

    def __reduce__(self) -> tuple[Any, ...]:
        return Storage, (self.place,)

    @property
    def is_local(self) -> bool:
        """Whether its files have local paths."""
        return "file" in self.protocols

    def path(self, name: str) -> str:
        """The path of a file as the storage takes it."""
        return f"{self.root}/{name}" if name else self.root

    def shown(self, name: str) -> str:
        """The name of a file for people."""
        return f"{self.place.rstrip('/')}/{name}"

    def exists(self) -> bool:
        """Whether the folder is there. A bucket's folder is there if it holds something."""
        with self._told(""):
            return bool(self.system.exists(self.root))

    def folders(self, name: str, *, recursive: bool) -> Iterator[str]:
        """This folder, and the folders below it, one after the other. Hidden ones are left out."""
        yield name
        if recursive:
            for entry in self._entries(name):
                inner = self._relative(entry["name"])
                if entry["type"] == "directory" and not PurePosixPath(inner).name.startswith("."):
                    yield from self.folders(inner, recursive=True)

    def files(self, name: str) -> list[StoredFile]:
        """The files of a folder, in the order of their names. A folder that is absent has none."""
        found = []
        for entry in self._entries(name):
            if entry["type"] != "file" or not (inner := self._relative(entry["name"])):
                continue
            changed = entry.get("ETag") or entry.get("mtime") or entry.get("LastModified") or entry.get("created") or ""
            size = int(entry.get("size") or 0)
            found.append(StoredFile(inner, size, f"{size} {str(changed).strip(chr(34))}"))
        return sorted(found, key=lambda file: file.name)

    def fetch(self, name: str, folder: Path) -> Path:
        """A local file with the content: the file itself where the storage is local, else a copy in `folder`."""
        if self.is_local:
            return Path(self.path(name))
        copy = folder / PurePosixPath(name).name
        with self._told(name):
            self.system.get_file(self.path(name), str(copy))
        return copy

    def put(self, file: Path, name: str) -> None:
        """Copy a local file into the storage, where it appears as a whole or not at all."""
        if self.is_local:
            with atomic_write(Path(self.path(name))) as temporary, file.open("rb") as source, temporary.open("wb") as made:
                while piece := source.read(READ_BYTES):
                    made.write(piece)
            return
        with self._told(name):
            if self.protocols & ATOMIC:
                self.system.put_file(str(file), self.path(name))
                return
            place = PurePosixPath(self.path(name))
            aside = str(place.with_name(f".{place.name}.part"))
            self.system.makedirs(str(place.parent), exist_ok=True)
            self.system.put_file(str(file), aside)
            self.system.mv(aside, str(place))

    def read(self, name: str) -> bytes | None:
        """The content of a file; None: it is not there."""
        with self._told(name):
            try:
                content: bytes = self.system.cat_file(self.path(name))
                return content
            except FileNotFoundError:
                return None

    def write(self, name: str, content: bytes) -> None:
        """Write a small file as a whole."""
        if self.is_local:
            with atomic_write(Path(self.path(name))) as temporary:
                temporary.write_bytes(content)
            return
        with self._told(name):
            self.system.pipe_file(self.path(name), content)

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        with self._told(name):
            try:
                self.system.rm_file(self.path(name))
            except FileNotFoundError:
                return

    def checksum(self, name: str) -> str | None:
        """SHA-256 of a file's content, in hexadecimal digits; None: it is not there."""
        with self._told(name):
            try:
                with self.system.open(self.path(name), "rb") as file:
                    return _checksum(file)
            except FileNotFoundError:
                return None

    def _entries(self, name: str) -> list[dict[str, Any]]:
        with self._told(name):
            self.system.invalidate_cache()
            try:
                entries: list[dict[str, Any]] = self.system.ls(self.path(name), detail=True)
                return entries
            except (FileNotFoundError, NotADirectoryError):
                return []

    def _relative(self, path: str) -> str:
        return path.removeprefix(self.root).strip("/")

    @contextmanager
    def _told(self, name: str) -> Iterator[None]:
        """Turn what storage raises into one sentence."""
        try:
            yield
        except (UnnoiseError, MemoryError, FileNotFoundError, NotADirectoryError):
            raise
        except Exception as error:  # each library has errors of its own
            said = " ".join(str(error).split()) or type(error).__name__
            raise UnnoiseError(
                f"{self.shown(name)} cannot be used ({said.rstrip('.')}); check its name, your rights and the network."
            ) from error


def checksum_of(file: Path) -> str:
    """SHA-256 of a local file, in hexadecimal digits.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     checksum_of(Path(file.name))[:8]
    'e3b0c442'
    """
    with file.open("rb") as opened:
        return _checksum(opened)


def _checksum(file: Any) -> str:
    digest = hashlib.sha256()
    while piece := file.read(READ_BYTES):
        digest.update(piece)
    return digest.hexdigest()
