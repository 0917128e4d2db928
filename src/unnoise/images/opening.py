"""Opening picture files for reading by region and by frame. Neither the picture nor the stack has to fit into
memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import numpy as np

from unnoise.files.limits import PIXELS
from unnoise.images import measured_values
from unnoise.images.arrays_on_disk import Axes
from unnoise.images.picture import Layout, Metadata, Picture, Pixels
from unnoise.images.scratch import Window


class Regions(Protocol):
    """Pixels that are read by regions, wherever they lie."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def region(self, rows: slice, columns: slice) -> Pixels: ...
    def __getitem__(self, window: Window) -> Pixels: ...
    def close(self) -> None: ...


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture of an open file. It is read by regions.

    A large picture lies decoded on the disk until the next frame is taken.

    >>> import tempfile
    >>> from unnoise import images
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(f"{folder}/a.npy", np.zeros((40, 50), np.uint8))
    ...     with images.open(f"{folder}/a.npy") as source:
    ...         [(frame.height, frame.width) for frame in source]
    [(40, 50)]
    """

    pixels: Regions
    layout: Layout
    metadata: Metadata
    name: str
    """The file, and which of its frames if there are several: the subject of error messages."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(H, W) or (H, W, C)."""
        return self.pixels.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """In the machine's own byte order."""
        return self.pixels.dtype

    @property
    def height(self) -> int:
        return self.shape[0]

    @property
    def width(self) -> int:
        return self.shape[1]

    @property
    def channels(self) -> int:
        return self.shape[2] if len(self.shape) == 3 else 1

    def region(self, rows: slice, columns: slice) -> Pixels:
        """The pixels there, (rows, columns) or (rows, columns, C), as stored in the file; not to be written to."""
        return self.pixels.region(rows, columns)

    def __getitem__(self, window: Window) -> Pixels:
        """`frame[rows]`, `frame[rows, columns]` or `frame[...]`, with slices alone."""
        return self.pixels[window]

    @property
    def has_floats(self) -> bool:
        """Whether the file holds floats, of which some may be no numbers."""
        return isinstance(self.pixels, measured_values.Filled)

    def original(self, window: Window) -> Pixels:
        """The same, with values that are no numbers, or infinite, as the file has them; regions have them filled in."""
        return self.pixels.original(window) if isinstance(self.pixels, measured_values.Filled) else self.pixels[window]

    def picture(self, path: Path | None = None) -> Picture:
        """The whole of it in memory; values that are no numbers, or infinite, stay so."""
        return Picture(np.ascontiguousarray(self.original(...)), self.metadata, path, self.layout)


class Source:
    """An open picture file: its frames, one after the other.

    Iteration decodes each frame in its turn and frees the one before. A file of one picture has one frame. As a context
    manager it frees everything at the end.

    >>> import tempfile
    >>> from unnoise import images
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(f"{folder}/a.npy", np.zeros((7, 40, 50), np.uint8))
    ...     with images.open(f"{folder}/a.npy", axes="ZYX") as source:
    ...         len(list(source))
    7
    """

    def __init__(
        self,
        path: Path,
        frames: int,
        decode: Callable[[int], tuple[Regions, Layout, Metadata]],
        outer: tuple[int, ...] | None = None,
        axes: Axes | None = None,
        letters: str | None = None,
    ) -> None:
        self.path = path
        self.frames = frames
        self.outer = outer
        """The shape in which the frames are arranged, such as (T, Z); None: a single picture."""
        self.axes = axes
        """Of the array that the file is, for .npy and Zarr."""
        self.letters = letters
        """One letter for each axis of `outer`, where the file names them otherwise than `axes` does."""
        self._decode = decode
        self._last = ExitStack()

    def __len__(self) -> int:
        return self.frames

    def __getitem__(self, index: int) -> Frame:
        """Decode one frame; the one taken before is closed."""
        if not 0 <= index < self.frames:
            raise IndexError(f"{self.path} holds {self.frames} frames, from 0.")
        self.close()
        return self.hold(index, self._last)

    def hold(self, index: int, stack: ExitStack) -> Frame:
        """Decode one frame, which stays open until `stack` is closed."""
        name = str(self.path) if self.outer is None else f"{self.path}, frame {index}"
        pixels, layout, metadata = self._decode(index)
        stack.callback(pixels.close)
        PIXELS.check(math.prod(pixels.shape[:2]), name)  # arrays state a shape and are read later
        pixels, metadata = measured_values.shown(pixels, metadata, name)
        return Frame(pixels, layout, metadata, name)

    def __iter__(self) -> Iterator[Frame]:
        for index in range(self.frames):
            yield self[index]

    def close(self) -> None:
        self._last.close()

    def __enter__(self) -> Source:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
