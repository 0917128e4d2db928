"""Scratch pixels of a picture in progress: in memory if they are few, else in a hidden temporary file."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterable
from pathlib import Path
from types import EllipsisType, TracebackType
from typing import Any

import numpy as np

from unnoise.errors import UnnoiseError
from unnoise.files.atomic import check_room
from unnoise.files.limits import STRIP_BYTES
from unnoise.images.picture import Pixels

IN_MEMORY = 2**26
"""Bytes of the largest picture that is kept in memory."""

GONE = "Pixels that were put aside on the disk are gone; is another program clearing temporary files?"

Window = slice | tuple[slice, slice] | EllipsisType
"""Rows, rows and columns, or all."""


class Scratch:
    """A picture (H, W) or (H, W, C) that is read and written by regions: `pixels[rows, columns]`, with slices alone.

    A large picture lies in a file without a name. The file ends with the picture, and with the process. Its regions are
    read and written, not mapped. So they do not count as memory of the process.

    >>> pixels = Scratch((40, 50), "uint8")
    >>> pixels[0:2, 0:50] = np.ones((2, 50), np.uint8)
    >>> int(pixels.array().sum())
    100
    """

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any] | str, folder: Path | None = None) -> None:
        """Make a black picture; in `folder`, or where the system keeps temporary files, if it is large."""
        self.shape, self.dtype = shape, np.dtype(dtype)
        self.nbytes = math.prod(shape) * self.dtype.itemsize
        self._file = None
        if self.nbytes <= IN_MEMORY:
            self._array: Pixels = np.zeros(shape, self.dtype)
            return
        try:
            self._file = tempfile.TemporaryFile(dir=folder, prefix=".unnoise-")  # noqa: SIM115 (closed by `close`)
            self._file.truncate(self.nbytes)
            check_room(self._file.fileno(), self.nbytes)  # before hours of work
        except OSError as error:
            place = folder or tempfile.gettempdir()
            raise UnnoiseError(
                f"There is no room for {self.nbytes / 2**30:.1f} GiB of pixels in {place} ({error.strerror}); "
                "free some, or name another place in TMPDIR."
            ) from error

    @classmethod
    def of(cls, pixels: Pixels) -> Scratch:
        """An array as it is, not copied."""
        made = cls.__new__(cls)
        made.shape, made.dtype, made.nbytes, made._file, made._array = pixels.shape, pixels.dtype, pixels.nbytes, None, pixels
        return made

    def region(self, rows: slice, columns: slice) -> Pixels:
        """The pixels there, (rows, columns) or (rows, columns, C)."""
        return self[rows, columns]

    def __getitem__(self, window: Window) -> Pixels:
        rows, columns = self._bounds(window)
        if self._file is None:
            return self._array[rows, columns]
        height = max(0, rows.stop - rows.start)
        if self._is_narrow(height, columns):
            return self._narrow(rows, columns)
        strip = np.empty((height, *self.shape[1:]), self.dtype)  # (rows, W[, C])
        self._file.seek(rows.start * self._row)
        if height and self._file.readinto(strip.data.cast("B")) != strip.nbytes:
            raise UnnoiseError(GONE)
        return strip[:, columns]

    def __setitem__(self, window: Window, pixels: Pixels) -> None:
        rows, columns = self._bounds(window)
        if self._file is None:
            self._array[rows, columns] = pixels
            return
        if rows.start >= rows.stop or columns.start >= columns.stop:
            return
        if self._is_narrow(rows.stop - rows.start, columns):
            self._write_narrow(rows, columns, pixels)
            return
        if columns != slice(0, self.shape[1]):
            strip = self[rows, :]
            strip[:, columns] = pixels
            pixels = strip
        values = np.ascontiguousarray(np.broadcast_to(pixels, (rows.stop - rows.start, *self.shape[1:])), self.dtype)
        self._write([(rows.start * self._row, values)])

    def array(self) -> Pixels:
        """All pixels as an array; those of a large picture are mapped, not read."""
        if self._file is None:
            return self._array
        return np.memmap(self._file, self.dtype, "r+", shape=self.shape)

    def close(self) -> None:
        """Give the room back."""
        if self._file is not None:
            self._file.close()

    def __enter__(self) -> Scratch:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @property
    def _row(self) -> int:
        """Bytes of a row."""
        return self.nbytes // self.shape[0]

    def _is_narrow(self, height: int, columns: slice) -> bool:
        """Whether whole rows would be much more than the columns. Then each row is read by itself."""
        width = columns.stop - columns.start
        return self._row * height > STRIP_BYTES and 4 * width < self.shape[1]

    def _narrow(self, rows: slice, columns: slice) -> Pixels:
        made = np.empty((rows.stop - rows.start, max(0, columns.stop - columns.start), *self.shape[2:]), self.dtype)
        if not made.size or self._file is None:
            return made
        for row, part in zip(range(rows.start, rows.stop), made, strict=True):
            self._file.seek(row * self._row + columns.start * self._pixel)
            if self._file.readinto(part.data.cast("B")) != part.nbytes:
                raise UnnoiseError(GONE)
        return made

    def _write_narrow(self, rows: slice, columns: slice, pixels: Pixels) -> None:
        shape = (rows.stop - rows.start, columns.stop - columns.start, *self.shape[2:])
        values = np.ascontiguousarray(np.broadcast_to(pixels, shape), self.dtype)
        start = rows.start * self._row + columns.start * self._pixel
        self._write((start + number * self._row, part) for number, part in enumerate(values))

    def _write(self, parts: Iterable[tuple[int, Pixels]]) -> None:
        assert self._file is not None
        try:
            for place, values in parts:
                self._file.seek(place)
                self._file.write(values.data.cast("B"))
            self._file.flush()
        except OSError as error:
            raise UnnoiseError(f"Pixels cannot be put aside on the disk: {error.strerror}; free some space.") from error

    @property
    def _pixel(self) -> int:
        """Bytes of a pixel."""
        return self._row // self.shape[1]

    def _bounds(self, window: Window) -> tuple[slice, slice]:
        rows, columns = window if isinstance(window, tuple) else (slice(None) if window is ... else window, slice(None))
        return slice(*rows.indices(self.shape[0])[:2]), slice(*columns.indices(self.shape[1])[:2])
