"""Arrays in files, .npy and Zarr, as pictures or stacks of pictures, told apart by their axes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from unnoise.errors import UsageError
from unnoise.images.picture import Pixels
from unnoise.images.scratch import Window


@dataclass(frozen=True)
class Axes:
    """Which axis of an array is what: 'YX', 'YXC', 'ZYX', 'TCYX' … Y and X are a picture's, C its channels; others number pictures."""

    letters: str

    @classmethod
    def of(cls, shape: tuple[int, ...], letters: str | None, name: str) -> Axes:
        """As given, else (H, W) or (H, W, C) with C in 1..4; UsageError for what does not fit `shape`."""
        if letters is None:
            if len(shape) == 2 or (len(shape) == 3 and shape[2] <= 4):
                return cls("YXC"[: len(shape)])
            raise UsageError(
                f"{name} has the shape {shape}, which may mean many things; say which axis is what, for instance axes='ZYX' "
                "(C for channels, Y and X for rows and columns, other letters for pictures one after the other)."
            )
        letters = letters.upper().replace("S", "C")
        if len(letters) != len(shape) or len(set(letters)) != len(letters) or not {"Y", "X"} <= set(letters):
            raise UsageError(
                f"The axes '{letters}' do not fit {name} of shape {shape}; give one letter each, Y and X among them."
            )
        return cls(letters)

    def outer(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """How many pictures along each axis that numbers them; () for a single picture."""
        return tuple(size for size, letter in zip(shape, self.letters, strict=True) if letter not in "YXC")

    def frame(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of one picture, (H, W) or (H, W, C)."""
        return tuple(shape[self.letters.index(letter)] for letter in "YXC" if letter in self.letters)


class ArrayFrame:
    """One picture of an array that lies on the disk, read and written by regions."""

    def __init__(self, array: Any, axes: Axes, index: int) -> None:
        self.array, self.axes = array, axes
        outer = axes.outer(array.shape)
        self.place: tuple[int, ...] = tuple(int(i) for i in np.unravel_index(index, outer)) if outer else ()
        self.shape, self.dtype = axes.frame(array.shape), np.dtype(array.dtype).newbyteorder("=")
        self.nbytes = math.prod(self.shape) * self.dtype.itemsize

    def region(self, rows: slice, columns: slice) -> Pixels:
        """The pixels there, (rows, columns) or (rows, columns, C)."""
        inside = "".join(letter for letter in self.axes.letters if letter in "YXC")
        part = np.asarray(self.array[self._window(rows, columns)])
        return part.transpose([inside.index(letter) for letter in "YXC" if letter in inside]).astype(self.dtype, copy=False)

    def __getitem__(self, window: Window) -> Pixels:
        return self.region(*_pair(window))

    def __setitem__(self, window: Window, pixels: Pixels) -> None:
        inside = "".join(letter for letter in self.axes.letters if letter in "YXC")
        own = [letter for letter in "YXC" if letter in inside]
        self.array[self._window(*_pair(window))] = np.asarray(pixels).transpose([own.index(letter) for letter in inside])

    def close(self) -> None:
        """Nothing to give back."""

    def _window(self, rows: slice, columns: slice) -> tuple[int | slice, ...]:
        place = iter(self.place)
        inside = {"Y": rows, "X": columns, "C": slice(None)}
        return tuple(inside[letter] if letter in inside else next(place) for letter in self.axes.letters)


def _pair(window: Window) -> tuple[slice, slice]:
    if isinstance(window, tuple):
        return window
    return (slice(None), slice(None)) if window is ... else (window, slice(None))
