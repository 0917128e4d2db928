"""Arrays in a copy of a file, whose values are replaced in place, and packed files (.gz, .bz2)."""

from __future__ import annotations

import bz2
import errno
import gzip
import math
import os
import shutil
import tempfile
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np

from unnoise.errors import UnnoiseError
from unnoise.files.limits import UNPACKED_BYTES
from unnoise.images.damage import damaged
from unnoise.images.file_array import FileArray, Index
from unnoise.images.picture import Pixels

PACKERS: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open}
MAGIC = {b"\x1f\x8b": ".gz", b"BZh": ".bz2"}
BLOCK_BYTES = 2**22


class WritableFileArray(FileArray):
    """A `FileArray` (C order) that is written too: `array[index] = values`."""

    def __setitem__(self, index: tuple[Index, ...], values: Pixels) -> None:
        wanted = [
            range(part, part + 1) if isinstance(part, int) else range(*part.indices(size))
            for part, size in zip(index, self.shape, strict=True)
        ]
        made = np.ascontiguousarray(values, self.dtype).reshape([len(part) for part in wanted])
        if made.size:
            with self.path.open("r+b", buffering=0) as file:
                self._put(file, made, wanted, 0, self.offset)

    def _put(self, file: IO[bytes], made: Pixels, wanted: list[range], axis: int, place: int) -> None:
        part, stride = wanted[axis], self._strides[axis]
        if all(len(later) == size for later, size in zip(wanted[axis + 1 :], self.shape[axis + 1 :], strict=True)):
            file.seek(place + part.start * stride)
            view = memoryview(made.data).cast("B")
            while view:
                view = view[file.write(view) :]
            return
        for i, number in enumerate(part):
            self._put(file, made[i], wanted, axis + 1, place + number * stride)


def copy_bytes(source: Path, target: IO[bytes], start: int = 0, count: int | None = None) -> None:
    """Append `count` bytes of a file from `start` on, or all of them."""
    with source.open("rb") as file:
        file.seek(start)
        left = math.inf if count is None else count
        while left > 0 and (block := file.read(int(min(BLOCK_BYTES, left)))):
            target.write(block)
            left -= len(block)


def packing(path: Path) -> str:
    """'.gz' or '.bz2' by the first bytes of the file, '' if it is not packed."""
    with path.open("rb") as file:
        start = file.read(4)
    return next((suffix for magic, suffix in MAGIC.items() if start.startswith(magic)), "")


def first_bytes(path: Path, count: int) -> bytes:
    """Of what is packed in the file. Damage raises OSError, EOFError or zlib.error."""
    with PACKERS[packing(path)](path, "rb") as file:
        return bytes(file.read(count))


class Unpacked:
    """What is packed in a file, as a temporary file that goes with this object; the file itself if it is not packed."""

    def __init__(self, path: Path) -> None:
        """UnnoiseError: the packing is damaged, or there is no room."""
        self.source = path
        self.path, suffix = path, packing(path)
        if not suffix:
            return
        descriptor, name = tempfile.mkstemp(prefix=".unnoise-")
        self.path = Path(name)
        self._finalizer = weakref.finalize(self, self.path.unlink, missing_ok=True)
        try:
            with os.fdopen(descriptor, "wb") as target, PACKERS[suffix](path, "rb") as source:
                done = 0
                while block := source.read(BLOCK_BYTES):
                    done += len(block)
                    UNPACKED_BYTES.check(done, str(path))
                    target.write(block)
        except UnnoiseError:
            self._finalizer()
            raise
        except Exception as error:  # zlib.error, EOFError, BadGzipFile …
            if isinstance(error, OSError) and error.errno == errno.ENOSPC:
                raise UnnoiseError(
                    f"There is no room in {self.path.parent} to unpack {path}; free some, or set TMPDIR."
                ) from error
            raise damaged(path, error) from error


class Packed:
    """Where a file is made before it is packed into `target`; the target itself if its suffix is of no packing."""

    def __init__(self, target: Path) -> None:
        self.target, self._suffix = target, target.suffix.lower() if target.suffix.lower() in PACKERS else ""
        self.path = target
        if self._suffix:
            descriptor, name = tempfile.mkstemp(prefix=".unnoise-", dir=target.parent)
            os.close(descriptor)
            self.path = Path(name)

    def finish(self) -> None:
        if not self._suffix:
            return
        with self.path.open("rb") as source, self.target.open("wb") as made, self._packer(made) as packer:
            shutil.copyfileobj(source, packer, BLOCK_BYTES)

    def _packer(self, made: IO[bytes]) -> Any:
        if self._suffix == ".bz2":
            return bz2.BZ2File(made, "wb")
        return gzip.GzipFile("", "wb", 6, made, mtime=0)  # neither a name nor a time, so that equal files stay equal

    def close(self) -> None:
        if self._suffix:
            self.path.unlink(missing_ok=True)
