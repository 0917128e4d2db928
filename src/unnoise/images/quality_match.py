"""Estimating the quality of a lossy file: the quality at which our encoder makes as many bytes from the same pixels.

AVIF, HEIC and WebP do not say it, and each encoder has a scale of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from unnoise.images.formats import Format
from unnoise.images.picture import Layout, Pixels
from unnoise.images.scratch import Scratch

TILE, TILES = 128, 2
"""Side in pixels of the tiles by which a large picture is judged, and their number along each axis."""

LOWEST_QUALITY, BEST_QUALITY = 10, 100

LOSSLESS_RATIO = 1.25
"""A file counts as lossless if it is this many times larger than ours of the best quality."""


@dataclass(frozen=True, eq=False)
class Sample:
    """Pixels of a lossy file, and the bytes that it spends on each."""

    form: Format
    pixels: Pixels
    layout: Layout
    bytes_per_pixel: float

    def quality(self, encoded_bytes: Callable[[Pixels, Layout, int], int]) -> int | None:
        """The quality at which `encoded_bytes` of our encoder are nearest to the file's; None: the file was made
        without loss."""
        target = self.bytes_per_pixel * self.pixels.shape[0] * self.pixels.shape[1]
        low, high = LOWEST_QUALITY, BEST_QUALITY
        if target > LOSSLESS_RATIO * encoded_bytes(self.pixels, self.layout, high):
            return None
        while high - low > 1:  # more quality, more bytes
            middle = (low + high) // 2
            if encoded_bytes(self.pixels, self.layout, middle) < target:
                low = middle
            else:
                high = middle
        return high


def sample_of(pixels: Scratch, layout: Layout, form: Format, picture_bytes: int) -> Sample:
    """Take a sample of a decoded file that spends `picture_bytes` on its colours. Alpha is left out."""
    height, width = pixels.shape[:2]
    rows, columns = (_starts(size) for size in (height, width))
    tiles = [[pixels[top : top + TILE, left : left + TILE] for left in columns] for top in rows]
    if height <= TILE * TILES and width <= TILE * TILES:
        tiles = [[pixels[...]]]
    whole = np.concatenate([np.concatenate(row, axis=1) for row in tiles], axis=0)
    colours = {"grey": 1, "rgb": 3}.get(layout.colours, 3)
    if whole.ndim == 3:
        whole = whole[..., :colours] if colours > 1 else whole[..., 0]
    return Sample(form, np.ascontiguousarray(whole), Layout(layout.colours), picture_bytes / (height * width))


def _starts(size: int) -> list[int]:
    if size <= TILE:
        return [0]
    count = min(TILES, size // TILE)
    return [round(i * (size - TILE) / max(1, count - 1)) for i in range(count)]
