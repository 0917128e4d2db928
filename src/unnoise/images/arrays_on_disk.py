"""Arrays in files (.npy and Zarr) as pictures or stacks of pictures. The axes decide which it is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from unnoise.errors import UnnoiseError, UsageError
from unnoise.images.damage import damaged
from unnoise.images.picture import Layout, Pixels
from unnoise.images.scratch import Window

INSIDE = "YXCS"
"""The axes of one picture, in the order of its pixels."""


@dataclass(frozen=True)
class Axes:
    """The meaning of each axis of an array, one letter for each: 'YX', 'YXS', 'ZYX', 'TCYX'.

    Y and X are rows and columns. C counts channels that are measurements. S counts the samples of a color, and alpha.
    Any other letter counts pictures.

    >>> Axes.of((7, 40, 50), "ZYX", "The stack").outer((7, 40, 50))
    (7,)
    """

    letters: str

    @classmethod
    def of(cls, shape: tuple[int, ...], letters: str | None, name: str) -> Axes:
        """As given, else (H, W) or (H, W, S) with S in 1..4; UsageError for what does not fit `shape`."""
        if letters is None:
            if len(shape) == 2 or (len(shape) == 3 and shape[2] <= 4):
                return cls("YXS"[: len(shape)])
            raise UsageError(
                f"{name} has the shape {shape}, which may mean many things; say which axis is what, as --axes ZYX or axes='ZYX' "
                "(C for channels, Y and X for rows and columns, other letters for pictures one after the other)."
            )
        letters = letters.upper()
        if len(letters) != len(shape) or not are_axes(letters):
            raise UsageError(
                f"The axes '{letters}' do not fit {name} of shape {shape}; give one letter each, Y and X among them, and C or S."
            )
        return cls(letters)

    @classmethod
    def plain(cls, outer: int, frame: int) -> Axes:
        """For a stack with `outer` axes that number pictures and pictures with `frame` axes."""
        return cls("TZABDEFGHIJK"[:outer] + "YXC"[:frame])

    @property
    def inside(self) -> str:
        """Those of one picture, as the array has them."""
        return "".join(letter for letter in self.letters if letter in INSIDE)

    @property
    def order(self) -> list[int]:
        """Where rows, columns and channels are among `inside`."""
        return sorted(range(len(self.inside)), key=lambda i: INSIDE.index(self.inside[i]))

    def outer(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """How many pictures along each axis that numbers them; () for a single picture."""
        return tuple(size for size, letter in zip(shape, self.letters, strict=True) if letter not in INSIDE)

    def frame(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of one picture, (H, W) or (H, W, C)."""
        inside = [size for size, letter in zip(shape, self.letters, strict=True) if letter in INSIDE]
        return tuple(inside[i] for i in self.order)

    def whole(self, outer: tuple[int, ...], frame: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of the array of all pictures."""
        sizes, numbers = dict(zip((self.inside[i] for i in self.order), frame, strict=True)), iter(outer)
        return tuple(sizes[letter] if letter in INSIDE else next(numbers) for letter in self.letters)

    def layout(self, frame: tuple[int, ...]) -> Layout:
        """What the channels of one picture are."""
        return Layout("channels") if "C" in self.letters else Layout.of(frame)


def are_axes(letters: str) -> bool:
    """Whether letters can name the axes of any array: each once, Y and X among them, and not both C and S.

    >>> [are_axes(letters) for letters in ("ZYX", "yxs", "QQ", "YX2", "CYXS")]
    [True, True, False, False, False]
    """
    found = set(letters.upper())
    plain = letters.isascii() and letters.isalpha() and len(found) == len(letters)
    return plain and {"Y", "X"} <= found and not {"C", "S"} <= found


def check_axes(letters: str | None) -> None:
    """Raise `UsageError` for letters that can name the axes of no array. None: nothing was said of them."""
    if letters is not None and not are_axes(letters):
        raise UsageError(f"The axes '{letters}' name no picture; give one letter for each axis, Y and X among them, as in ZYX.")


class ArrayFrame:
    """One picture of an array on the disk. It is read and written by regions.

    >>> frame = ArrayFrame(np.zeros((7, 40, 50), np.uint8), Axes("ZYX"), 3, Path("a.npy"))
    >>> frame.region(slice(0, 4), slice(0, 5)).shape
    (4, 5)
    """

    def __init__(self, array: Any, axes: Axes, index: int, path: Path) -> None:
        self.array, self.axes, self.path = array, axes, path
        outer = axes.outer(array.shape)
        self.place: tuple[int, ...] = tuple(int(i) for i in np.unravel_index(index, outer)) if outer else ()
        self.shape, self.dtype = axes.frame(array.shape), np.dtype(array.dtype).newbyteorder("=")
        self.nbytes = math.prod(self.shape) * self.dtype.itemsize

    def region(self, rows: slice, columns: slice) -> Pixels:
        """The pixels there, (rows, columns) or (rows, columns, C). UnnoiseError: they are damaged, which Zarr finds
        only now."""
        try:
            part = np.asarray(self.array[self._window(rows, columns)])
        except (MemoryError, UnnoiseError):
            raise
        except Exception as error:  # each of zarr's codecs has its own
            raise damaged(self.path, error) from error
        return part.transpose(self.axes.order).astype(self.dtype, copy=False)

    def __getitem__(self, window: Window) -> Pixels:
        return self.region(*_pair(window))

    def __setitem__(self, window: Window, pixels: Pixels) -> None:
        self.array[self._window(*_pair(window))] = np.asarray(pixels).transpose(np.argsort(self.axes.order))

    def close(self) -> None:
        """Nothing to give back."""

    def _window(self, rows: slice, columns: slice) -> tuple[int | slice, ...]:
        place = iter(self.place)
        inside = {"Y": rows, "X": columns, "C": slice(None), "S": slice(None)}
        return tuple(inside[letter] if letter in inside else next(place) for letter in self.axes.letters)


def _pair(window: Window) -> tuple[slice, slice]:
    if isinstance(window, tuple):
        return window
    return (slice(None), slice(None)) if window is ... else (window, slice(None))
