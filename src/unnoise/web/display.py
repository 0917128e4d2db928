"""Pictures as a browser can show them: 8 bits, red, green and blue, of a size that a page can hold."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unnoise import images
from unnoise.images.opening import Frame
from unnoise.regions import Region
from unnoise.web.orientation import turned

OVERVIEW_PIXELS = 1400
"""Longest side of a whole picture on the page."""
STRIP_ROWS = 512
"""Rows that are read at a time, so that large pictures take little memory."""
LOWEST, HIGHEST = 0.5, 99.8
"""Percentiles of a measurement that are shown black and white."""
RESIDUAL_GAIN = 4
"""What was taken away is shown this many times as strong, around grey."""

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Display:
    """How the values of a picture become brightness on the screen. Results are shown as their noisy pictures are.

    >>> Display(0, 100).to_bytes(np.array([[0.0, 50.0, 200.0]]))[0, :, 0]
    array([  0, 128, 255], dtype=uint8)
    """

    low: float
    high: float
    colours: str = "grey"
    alpha: int = 0

    def to_bytes(self, pixels: NDArray[Any]) -> Bytes:
        """(H, W) or (H, W, C) in stored values → (H, W, 3)."""
        planes = pixels[..., None] if pixels.ndim == 2 else pixels[..., : pixels.shape[2] - self.alpha]
        scaled = (np.nan_to_num(planes.astype(np.float32)) - self.low) / max(self.high - self.low, 1e-12)
        if self.colours == "cmyk":
            scaled = (1 - scaled[..., :3]) * (1 - scaled[..., 3:4])
        shown = np.floor(np.clip(scaled[..., :3], 0, 1) * 255 + 0.5).astype(np.uint8)
        return shown if shown.shape[2] == 3 else np.repeat(shown[..., :1], 3, axis=2)


@dataclass(frozen=True)
class Overview:
    """A whole picture, made smaller, and what else the page must know of it."""

    pixels: Bytes
    """(h, w, 3), turned as the picture is shown."""
    height: int
    width: int
    """Of the picture itself, as it is stored."""
    frames: int
    display: Display
    orientation: int = 1
    """EXIF's, 1..8."""


def overview(path: Path, display: Display | None = None) -> Overview:
    """Read a picture file, the first picture of a stack, as a small one.

    Args:
        path: the file.
        display: how its values are shown; None: found from the picture.

    Raises:
        UsageError, UnnoiseError: as `images.open`.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(f"{folder}/a.npy", np.zeros((2800, 10, 3), np.uint8))
    ...     overview(Path(f"{folder}/a.npy")).pixels.shape
    (1400, 5, 3)
    """
    with images.open(path) as source:
        frame = source[0]
        small = _small(frame)
        display = display or _display_of(frame, small)
        orientation = frame.metadata.orientation
        shown = turned(display.to_bytes(small), orientation)
        return Overview(shown, frame.height, frame.width, len(source), display, orientation)


def region_of(path: Path, rows: slice, columns: slice) -> tuple[NDArray[Any], bool]:
    """The stored pixels of a part of the first picture, and whether three channels are colors.

    Raises:
        UsageError, UnnoiseError: as `images.open`.
    """
    with images.open(path) as source:
        frame = source[0]
        return np.array(frame.region(rows, columns)), frame.layout.colours != "channels"


def place(height: int, width: int, across: float, down: float, side: int) -> Region:
    """The rows and columns of a square around a place, moved so that it lies in the picture.

    Args:
        height, width: of the picture.
        across, down: 0..1.
        side: of the square; less where the picture is smaller.

    >>> place(100, 200, 0.0, 0.5, 40)
    (slice(30, 70, None), slice(0, 40, None))
    """

    def interval(length: int, share: float) -> slice:
        size = min(side, length)
        start = min(max(0, round(share * length - size / 2)), length - size)
        return slice(start, start + size)

    return interval(height, down), interval(width, across)


def enlarged(pixels: Bytes, side: int) -> Bytes:
    """Each pixel as a square block, so that the longer side has at least about `side` pixels.

    >>> enlarged(np.zeros((2, 4, 3), np.uint8), 8).shape
    (4, 8, 3)
    """
    factor = max(1, round(side / max(pixels.shape[:2])))
    return pixels.repeat(factor, axis=0).repeat(factor, axis=1)


def residual(noisy: Bytes, restored: Bytes) -> Bytes:
    """What was taken away, `RESIDUAL_GAIN` times as strong, around grey."""
    return np.clip((noisy.astype(np.int16) - restored) * RESIDUAL_GAIN + 128, 0, 255).astype(np.uint8)


def _small(frame: Frame) -> NDArray[Any]:
    """Means over squares of whole pixels; the last rows and columns that fill none are left out."""
    factor = max(1, -(-max(frame.height, frame.width) // OVERVIEW_PIXELS))
    tall, wide = max(1, frame.height // factor), max(1, frame.width // factor)
    if factor == 1:
        return np.array(frame.region(slice(0, frame.height), slice(0, frame.width)))
    vertical, horizontal = min(factor, frame.height), min(factor, frame.width)
    strips = []
    step = max(1, STRIP_ROWS // vertical) * vertical
    for top in range(0, tall * vertical, step):
        rows = slice(top, min(top + step, tall * vertical))
        strips.append(_block_means(frame.region(rows, slice(0, wide * horizontal)), vertical, horizontal))
    return np.concatenate(strips)


def _block_means(pixels: NDArray[Any], tall: int, wide: int) -> NDArray[np.float32]:
    """(h · tall, w · wide, …) → (h, w, …). Sums of whole rows: nine times as fast as numpy's mean over two axes."""
    rows = np.zeros((pixels.shape[0] // tall, *pixels.shape[1:]), np.float32)
    for number in range(tall):
        rows += pixels[number::tall]
    means = np.zeros((rows.shape[0], rows.shape[1] // wide, *rows.shape[2:]), np.float32)
    for number in range(wide):
        means += rows[:, number::wide]
    means /= tall * wide
    return means


def _display_of(frame: Frame, small: NDArray[Any]) -> Display:
    """Photographs span their type. Grey pictures of 16 bits or more, floats and channels span what is in them."""
    layout = frame.layout
    is_photograph = layout.colours in ("rgb", "cmyk") or frame.dtype == np.uint8
    if is_photograph and frame.dtype.kind == "u":
        return Display(0, float(np.iinfo(frame.dtype).max), layout.colours, layout.alpha)
    if is_photograph and frame.dtype.kind == "f":
        return Display(0, 1, layout.colours, layout.alpha)
    values = small[np.isfinite(small)] if small.dtype.kind == "f" else small
    low, high = np.percentile(values, (LOWEST, HIGHEST)) if values.size else (0, 1)
    return Display(float(low), float(high), layout.colours, layout.alpha)
