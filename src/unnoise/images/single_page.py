"""One page of a TIFF as a TIFF of its own, without a copy.

Decoders walk the chain of pages from the first one, and libvips to its end, each time a page is opened. A file of 3,000
pages takes an hour that way. Here they see the file with two pointers changed: the first page is the wanted one, and no
page follows it."""

from __future__ import annotations

import io
import os
import struct
from pathlib import Path
from typing import Any

from unnoise.images.tags import File


class SinglePage(io.RawIOBase):
    """The bytes of a TIFF file in which the directory at `place` is the only one.

    Args:
        path: the file.
        place: where the directory lies, in bytes from the start.
        form: the file's byte order and the width of its pointers.

    >>> import tempfile
    >>> from unnoise.images.tags import build, short
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "a.tif"
    ...     _ = path.write_bytes(build({256: short(7)}))
    ...     with SinglePage(path, 8, File.of(path.read_bytes())) as page:
    ...         page.read() == path.read_bytes()
    True
    """

    def __init__(self, path: Path, place: int, form: File) -> None:
        super().__init__()
        width = form.width
        self._changed = [(form.first, struct.pack(form.pointer, place)), (form.after(place), bytes(width))]
        self._file = path.open("rb", buffering=0)
        self.size = os.fstat(self._file.fileno()).st_size

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        start = self._file.tell()
        count = self._file.readinto(view)
        for place, changed in self._changed:
            first, last = max(start, place), min(start + count, place + len(changed))
            if first < last:
                view[first - start : last - start] = changed[first - place : last - place]
        return count

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()
