"""Pictures by Pillow whose pixels may be numbers of a palette: how BMP, TGA and GIF share them."""

from __future__ import annotations

from typing import Any

import numpy as np

from unnoise.images import palette
from unnoise.images.picture import Layout, Pixels

MODES = {"1": "L", "L": "L", "LA": "LA", "P": "RGB", "PA": "RGBA", "RGB": "RGB", "RGBA": "RGBA"}
"""Modes of Pillow → those that hold the same colors without a palette."""


def pixels_of(image: Any) -> tuple[Pixels, Layout]:
    """The colors of an image of Pillow. ValueError: its mode is none of `MODES`."""
    if image.mode not in MODES:
        raise ValueError(f"its pixels are of the kind {image.mode}")
    wanted = MODES[image.mode]
    if image.mode == "P" and (image.palette.mode == "RGBA" or "transparency" in image.info):
        wanted = "RGBA"
    pixels = np.array(image.convert(wanted))
    return pixels, Layout.of(pixels.shape)


def image_of(pixels: Pixels, colors: int = 0) -> Any:
    """An image of Pillow.

    Args:
        pixels: uint8, (H, W) or (H, W, 2 to 4).
        colors: the most that a palette may have, if one is wanted; 0: none is.
    """
    from PIL import Image

    found = palette.indexed(pixels, colors) if colors else None
    if found is None:
        return Image.fromarray(np.ascontiguousarray(pixels))
    numbers, table = found
    image = Image.fromarray(numbers, "L")
    table = np.repeat(table, 3, axis=1) if table.shape[1] == 1 else table
    image.putpalette(table.tobytes(), "RGBA" if table.shape[1] == 4 else "RGB")
    return image
