"""Palettes: pictures whose pixels are the numbers of colours in a table."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from unnoise.images.picture import Pixels

LARGEST = 256
"""Colours that are made of more."""
LARGEST_BITS = 8


def bits_for(pixels: Pixels, bits: int) -> int:
    """How many bits the number of a colour needs: `bits`, or 8 where a picture (H, W, C) has more colours than that.

    >>> few = np.zeros((4, 4, 3), np.uint8)
    >>> bits_for(few, 1), bits_for(few + np.arange(4, dtype=np.uint8)[:, None], 1)
    (1, 8)
    """
    return bits if bits >= LARGEST_BITS or len(np.unique(_keys(pixels))) <= 2**bits else LARGEST_BITS


def indexed(pixels: Pixels, limit: int) -> tuple[Pixels, Pixels] | None:
    """Convert a picture to numbers of colours.

    A picture with few colours is exact. RGB with more colours gets the nearest colours of a median cut. There is no
    dithering, because it would be noise.

    Args:
        pixels: (H, W, C) or (H, W).
        limit: the largest number of colours N.

    Returns:
        Numbers (H, W) and colours (N, C). None: there are more colours, and the picture is not RGB of 8 bits.
    """
    height, width = pixels.shape[:2]
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    found, numbers = np.unique(_keys(pixels), return_inverse=True)
    if len(found) <= limit:
        step = np.uint64(pixels.dtype.itemsize * 8)
        mask = np.uint64(np.iinfo(pixels.dtype).max)
        shifts = [step * np.uint64(channels - 1 - channel) for channel in range(channels)]
        colours = np.stack([found >> shift & mask for shift in shifts], axis=-1).astype(pixels.dtype)
        return numbers.reshape(height, width).astype(np.uint8 if limit <= 256 else np.uint16), colours
    if channels != 3 or pixels.dtype != np.uint8:
        return None
    from PIL import Image

    quantized = Image.fromarray(np.ascontiguousarray(pixels)).quantize(
        min(limit, LARGEST), Image.Quantize.MEDIANCUT, kmeans=1, dither=Image.Dither.NONE
    )
    table = np.array(quantized.getpalette(), np.uint8).reshape(-1, 3)
    numbers = np.asarray(quantized)
    return numbers, table[: int(numbers.max()) + 1]


def _keys(pixels: Pixels) -> NDArray[np.uint64]:
    """One number for each colour, (H, W)."""
    height, width = pixels.shape[:2]
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    keys = np.zeros((height, width), np.uint64)
    step = np.uint64(pixels.dtype.itemsize * 8)
    for channel in range(channels):
        keys = keys << step | pixels.reshape(height, width, channels)[..., channel].astype(np.uint64)
    return keys
