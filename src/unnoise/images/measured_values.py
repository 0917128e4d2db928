"""Converts stored values that networks cannot take: integers of other types become floats, and missing values are
filled.

`shown` wraps what is read. What is written goes back: rounded to the type of the file, and missing where it was
missing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from unnoise.errors import UsageError
from unnoise.images.picture import Metadata, Pixels
from unnoise.images.scratch import Window

FLOATS = {
    "int8": "float32",
    "int16": "float32",
    "int32": "float64",
    "uint32": "float64",
    "int64": "float64",
    "uint64": "float64",
}
"""Types of whole numbers beside uint8 and uint16, and the floats that hold them exactly."""

LARGEST = 2**53
"""Whole numbers up to this are exact in float64."""

RADII = (1, 3, 7, 15, 31)
"""A missing value is the mean of those in the smallest window around it, of these radii, that holds any."""


class _Regions(Protocol):
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def region(self, rows: slice, columns: slice) -> Pixels: ...
    def __getitem__(self, window: Window) -> Pixels: ...
    def close(self) -> None: ...


def shown(pixels: Any, metadata: Metadata, name: str) -> tuple[Any, Metadata]:
    """Convert pixels to those that a network takes. The metadata record the type in the file."""
    if pixels.dtype.name in FLOATS:
        return WholeNumbers(pixels, name), replace(metadata, stored=pixels.dtype.name)
    return (Filled(pixels) if pixels.dtype.kind == "f" else pixels), metadata


def whole(values: Pixels, dtype: np.dtype[Any]) -> Pixels:
    """Round floats to the nearest integers of a type, and clip them to its range."""
    ends = np.iinfo(dtype)
    rounded = np.rint(values.astype(np.float64))
    inside = (rounded > float(ends.min)) & (rounded < float(ends.max))
    made: Pixels = np.where(inside, rounded, 0).astype(dtype)
    made[rounded >= float(ends.max)] = ends.max
    made[rounded <= float(ends.min)] = ends.min
    return made


class WholeNumbers:
    """Regions of whole numbers as floats."""

    def __init__(self, pixels: _Regions, name: str) -> None:
        self.pixels, self.name, self.shape = pixels, name, pixels.shape
        self.dtype = np.dtype(FLOATS[pixels.dtype.name])

    def region(self, rows: slice, columns: slice) -> Pixels:
        """As floats. UsageError: they are too large for these."""
        part = self.pixels.region(rows, columns)
        if part.dtype.itemsize == 8 and part.size and max(int(part.max()), -int(part.min())) > LARGEST:
            raise UsageError(f"{self.name} has whole numbers beyond {LARGEST}, which floats do not hold; divide them first.")
        made: Pixels = part.astype(self.dtype)
        return made

    def __getitem__(self, window: Window) -> Pixels:
        return self.region(*_pair(window))

    def close(self) -> None:
        self.pixels.close()


class Filled:
    """Regions of floats. Values that are NaN or infinite are replaced by means of their neighbours."""

    def __init__(self, pixels: _Regions) -> None:
        self.pixels, self.shape, self.dtype = pixels, pixels.shape, pixels.dtype
        self._usual: float | None = None

    def region(self, rows: slice, columns: slice) -> Pixels:
        """Finite everywhere; wherever it begins and ends, each value is the same."""
        part = self.pixels.region(rows, columns)
        if np.isfinite(part).all():
            return part
        rows, columns = (slice(*cut.indices(size)[:2]) for cut, size in zip((rows, columns), self.shape, strict=False))
        top, left = max(0, rows.start - RADII[-1]), max(0, columns.start - RADII[-1])
        around = self.pixels.region(slice(top, rows.stop + RADII[-1]), slice(left, columns.stop + RADII[-1]))
        planes = around.reshape(*around.shape[:2], -1)
        made = np.stack([self._filled(planes[..., channel]) for channel in range(planes.shape[2])], axis=-1)
        kept: Pixels = made.reshape(around.shape)[rows.start - top :, columns.start - left :][: part.shape[0], : part.shape[1]]
        return kept

    def __getitem__(self, window: Window) -> Pixels:
        return self.region(*_pair(window))

    def original(self, window: Window) -> Pixels:
        """As the file has them."""
        return self.pixels[window]

    def close(self) -> None:
        self.pixels.close()

    def _filled(self, plane: Pixels) -> Pixels:
        there = np.isfinite(plane)
        made: Pixels = np.where(there, plane, 0)
        values, counts = _sums(made.astype(np.float64)), _sums(there.astype(np.float64))
        missing = ~there
        for radius in RADII:
            if not missing.any():
                return made
            total, count = _window(values, radius), _window(counts, radius)
            now = missing & (count > 0.5)
            made[now] = total[now] / count[now]
            missing &= ~now
        made[missing] = self._mean()
        return made

    def _mean(self) -> float:
        """Of all values that are there; 0 if none is."""
        if self._usual is None:
            total, count = 0.0, 0
            for row in range(0, self.shape[0], 256):
                strip = self.pixels.region(slice(row, row + 256), slice(None))
                strip = strip[np.isfinite(strip)]
                total, count = total + float(strip.sum(dtype=np.float64)), count + strip.size
            self._usual = total / count if count else 0.0
        return self._usual


def _sums(plane: Pixels) -> Pixels:
    """Of all values above and to the left: (H, W) gives (H + 1, W + 1)."""
    made = np.zeros((plane.shape[0] + 1, plane.shape[1] + 1))
    made[1:, 1:] = plane.cumsum(0).cumsum(1)
    return made


def _window(sums: Pixels, radius: int) -> Pixels:
    """Sums of the windows around each value."""
    height, width = sums.shape[0] - 1, sums.shape[1] - 1
    rows, columns = np.arange(height), np.arange(width)
    top, bottom = np.maximum(rows - radius, 0), np.minimum(rows + radius + 1, height)
    left, right = np.maximum(columns - radius, 0), np.minimum(columns + radius + 1, width)
    made: Pixels = sums[bottom][:, right] - sums[top][:, right] - sums[bottom][:, left] + sums[top][:, left]
    return made


def _pair(window: Window) -> tuple[slice, slice]:
    if isinstance(window, tuple):
        return window
    return (slice(None), slice(None)) if window is ... else (window, slice(None))
