"""The single pictures of files and arrays: frames of stacks, and channels that are no colors each by itself.

Training, adapting and inspecting look at pictures one by one. Here a stack becomes such pictures, one frame at a time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np

from unnoise.errors import UnnoiseError, UsageError
from unnoise.images.arrays_on_disk import ArrayFrame, Axes
from unnoise.images.formats import NPY
from unnoise.images.opening import Frame, Source
from unnoise.images.picture import Layout, Metadata, Pixels
from unnoise.images.reading import open as open_file
from unnoise.regions import sample_windows

SEPARATE = "channels", "cmyk"
"""Layouts whose channels are single pictures."""
MANY_PIXELS = 2**25
WINDOW_PIXELS = 1024


@dataclass(frozen=True, eq=False)
class SinglePicture:
    """One picture of a file or array, whole and in memory."""

    pixels: Pixels
    """(H, W), or (H, W, 3) of a color picture; without alpha."""
    name: str
    """The subject of error messages: the file, its frame and its channel."""
    colours: str
    """What the channels are, as in `Layout.colours`."""
    stored: str
    """The type of the values in the file, such as 'int16'."""
    frame: int = 0
    """The number of its frame in the file."""
    channel: int | None = None
    """The number of its channel. None: the picture is grey or of colors."""
    whole: tuple[int, int] | None = None
    """Height and width of the picture, where `pixels` are only windows of it, joined. None: they are all of it."""


def open_stack(source: str | Path | Pixels, *, axes: str | None = None, name: str = "The array") -> Source:
    """Open a file or an array as the frames that it consists of.

    Args:
        source: a picture file, or an array (H, W), (H, W, C) or (N, H, W, C) with C in 1..4, or of any shape with
            `axes`.
        axes: as `images.open` takes them, one letter for each axis of an array or of a .npy or Zarr file.
        name: the subject of error messages about an array.

    Raises:
        UsageError, UnnoiseError: as `images.open`; also for axes that do not fit.

    >>> len(open_stack(np.zeros((5, 8, 9), np.uint16), axes="TYX"))
    5
    """
    if not isinstance(source, np.ndarray):
        path = Path(source)
        return open_file(path, axes=axes or _usual_axes_of_file(path))
    if source.dtype.kind not in "uif" or source.dtype.itemsize > 8:
        raise UsageError(f"{name} holds {source.dtype}; expected whole numbers or floats.")
    if 0 in source.shape:
        raise UsageError(f"{name} has the shape {source.shape}, which holds no pixels; give at least one row and column.")
    letters = Axes.of(source.shape, axes or _usual_axes(source.shape), name)
    outer = letters.outer(source.shape)

    def decode(index: int) -> tuple[ArrayFrame, Layout, Metadata]:
        frame = ArrayFrame(source, letters, index, Path(name))
        return frame, letters.layout(frame.shape), Metadata()

    return Source(Path(name), math.prod(outer), decode, outer or None, letters)


def split_channels(frame: Frame) -> list[tuple[int | None, Callable[[slice, slice], Pixels]]]:
    """How to read the single pictures of a frame by region.

    Returns:
        For each picture the number of its channel, or None, and a function from rows and columns to pixels: (rows,
        columns), or (rows, columns, 3) of colors, without alpha.
    """
    layout = frame.layout
    colours = frame.channels - layout.alpha

    def together(rows: slice, columns: slice) -> Pixels:
        part = frame.region(rows, columns)
        if part.ndim == 3:
            part = part[..., :colours] if colours > 1 else part[..., 0]
        return part

    if layout.colours not in SEPARATE:
        return [(None, together)]

    def one(channel: int) -> Callable[[slice, slice], Pixels]:
        def read(rows: slice, columns: slice) -> Pixels:
            part = frame.region(rows, columns)
            return part[..., channel] if part.ndim == 3 else part

        return read

    return [(channel, one(channel)) for channel in range(colours)]


def pictures_of(frame: Frame, number: int = 0, *, in_windows: bool = False) -> Iterator[SinglePicture]:
    """The single pictures of a frame, the `number`-th of its file.

    Args:
        frame, number: the frame.
        in_windows: of a picture with more than `MANY_PIXELS` take at most nine windows, spread evenly, and join them.
            They start at multiples of 8 pixels, so that JPEG's grid goes on in the joined picture.
    """
    size = frame.height, frame.width
    is_large = in_windows and math.prod(size) > MANY_PIXELS
    windows = (
        sample_windows(size, WINDOW_PIXELS, 8, overlapping=False) if is_large else [(slice(0, size[0]), slice(0, size[1]))]
    )
    for channel, read in split_channels(frame):
        name = frame.name if channel is None else f"{frame.name}, channel {channel}"
        lines = [list(line) for _, line in groupby(windows, lambda window: window[0].start)]  # of one height each
        pixels = np.concatenate([np.concatenate([read(*window) for window in line], axis=1) for line in lines])
        if frame.layout.colours == "channels" and pixels.dtype == np.uint8:
            pixels = pixels.astype(np.float32)  # else eight bits of grey would pass for a photograph
        stored = frame.metadata.stored or frame.dtype.name
        yield SinglePicture(pixels, name, frame.layout.colours, stored, number, channel, size if is_large else None)


def spread(count: int, most: int) -> list[int]:
    """At most `most` numbers below `count`, spread evenly.

    >>> spread(10, 3), spread(2, 5)
    ([1, 5, 8], [0, 1])
    """
    wanted = min(count, most)
    return [(2 * place + 1) * count // (2 * wanted) for place in range(wanted)]


def sample_pictures(
    sources: Sequence[str | Path | Pixels],
    most: int,
    *,
    axes: str | None = None,
    on_error: Callable[[UnnoiseError], None] = lambda error: None,
) -> Iterator[SinglePicture]:
    """At most `most` frames, spread evenly over the sources and over the frames of each; all channels of a frame.

    Args:
        sources: files and arrays, as `open_stack` takes them.
        most: frames in all.
        axes: as `open_stack` takes them.
        on_error: called with the error of a source that cannot be read. It is left out.

    >>> [one.frame for one in sample_pictures([np.zeros((9, 8, 8), np.uint16)], 3, axes="TYX")]
    [1, 4, 7]
    """
    chosen = spread(len(sources), most)
    for place in chosen:
        source = sources[place]
        name = f"Array {place}" if isinstance(source, np.ndarray) else str(source)
        try:
            with open_stack(source, axes=axes, name=name) as stack:
                for number in spread(len(stack), max(1, most // len(chosen))):
                    yield from pictures_of(stack[number], number)
        except UnnoiseError as error:
            on_error(error)


def _usual_axes(shape: tuple[int, ...]) -> str | None:
    """(N, H, W, C) counts as several pictures."""
    return "NYXS" if len(shape) == 4 and shape[3] <= 4 else None


def _usual_axes_of_file(path: Path) -> str | None:
    if path.suffix.lower() not in NPY.suffixes:
        return None
    try:
        return _usual_axes(np.load(path, mmap_mode="r", allow_pickle=False).shape)
    except Exception:  # a damaged header raises many kinds of error; opening says it properly
        return None
