"""Arrays that lie in a file as they are in memory, read piece by piece.

They are read, not mapped: where a file is cut short while it is mapped, to touch what is gone ends the process.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import numpy as np

from unnoise.images.picture import Pixels

SPAN_BYTES = 2**22
"""Read at once, with what lies between the wanted values."""

Index = int | slice


class FileArray:
    """An array of any shape at an offset in a file: `array[index]` takes a number or a slice for each axis."""

    def __init__(
        self, path: Path, dtype: np.dtype[Any], offset: int, shape: tuple[int, ...], *, fortran_order: bool = False
    ) -> None:
        self.path, self.dtype, self.shape = path, dtype, shape
        self.offset, self._reversed = offset, fortran_order
        sizes = shape[::-1] if fortran_order else shape
        self._strides = [dtype.itemsize * math.prod(sizes[axis + 1 :]) for axis in range(len(sizes))]

    @classmethod
    def of_npy(cls, path: Path) -> FileArray:
        """The array of a .npy file; raises what numpy raises for damage."""
        seen = np.load(path, mmap_mode="r", allow_pickle=False)
        fortran_order = bool(seen.flags.f_contiguous and not seen.flags.c_contiguous)
        return cls(path, seen.dtype, int(seen.offset), seen.shape, fortran_order=fortran_order)

    def __getitem__(self, index: tuple[Index, ...]) -> Pixels:
        """EOFError: the file is shorter now than it was."""
        sizes = self.shape[::-1] if self._reversed else self.shape
        wanted = [
            range(part, part + 1) if isinstance(part, int) else range(*part.indices(size))
            for part, size in zip(index[::-1] if self._reversed else index, sizes, strict=True)
        ]
        lengths = [len(part) for part in wanted]
        if not all(lengths):
            made = np.empty(lengths, self.dtype)
        else:
            with self.path.open("rb", buffering=0) as file:
                last = self.offset + sum(part[-1] * stride for part, stride in zip(wanted, self._strides, strict=True))
                if last + self.dtype.itemsize > os.fstat(file.fileno()).st_size:
                    raise EOFError("it ends before its last value")  # before memory is taken for what is not there
                made = np.empty(lengths, self.dtype)
                self._fill(file, made, wanted, 0, self.offset)
        made = made.T if self._reversed else made
        kept: Pixels = made[tuple(0 if isinstance(part, int) else slice(None) for part in index)]
        return kept

    def _fill(self, file: Any, made: Pixels, wanted: list[range], axis: int, place: int) -> None:
        parts, strides = wanted[axis:], self._strides[axis:]
        first = place + sum(part.start * stride for part, stride in zip(parts, strides, strict=True))
        length = sum((len(part) - 1) * stride for part, stride in zip(parts, strides, strict=True)) + self.dtype.itemsize
        if axis == len(wanted) - 1 or length <= max(SPAN_BYTES, 2 * made.nbytes):
            file.seek(first)
            data = bytearray(length)
            view, got = memoryview(data), 0
            while got < length:
                count = file.readinto(view[got:])
                if not count:
                    raise EOFError("it ends before its last value")
                got += count
            made[...] = np.ndarray(made.shape, self.dtype, data, 0, strides)
            return
        for i, number in enumerate(parts[0]):
            self._fill(file, made[i], wanted, axis + 1, place + number * strides[0])
