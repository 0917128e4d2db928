"""A second check of pictures that decode to a single value, since some decoders return zeros for damaged data, without
an error."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from unnoise.images.formats import AVIF, JPEG, PNG, WEBP, Format
from unnoise.images.scratch import Scratch

STRIP_ROWS = 256

LARGEST_RATIO = 20
"""Least ratio by which codecs compress a picture of one value. JPEG has the smallest ratio."""

HEADER_BYTES = 4096
"""Most bytes of tables and tags in a file of one value."""

DECODERS = {PNG: "png_decode", JPEG: "jpeg8_decode", WEBP: "webp_decode", AVIF: "avif_decode"}
"""Format → the name of its decoder in imagecodecs."""


def is_constant(pixels: Scratch) -> bool:
    """Whether all values are the same. For most pictures the first rows show that they are not."""
    first = pixels[0:1][0, 0]
    value = np.ravel(first)[0]
    return all(bool((pixels[top : top + STRIP_ROWS] == value).all()) for top in range(0, pixels.shape[0], STRIP_ROWS))


def holds_more(nbytes: int, encoded_bytes: int) -> bool:
    """Whether `encoded_bytes` are too many for pixels of one value with `nbytes` bytes."""
    return encoded_bytes > nbytes / LARGEST_RATIO + HEADER_BYTES


def checked(path: Path, form: Format, pixels: Scratch) -> Scratch:
    """Check a PNG, JPEG, WebP or AVIF that libvips decoded.

    Raises:
        ValueError: all values are the same, but the file has too many bytes for that.
    """
    if not is_constant(pixels) or not holds_more(pixels.nbytes, path.stat().st_size):
        return pixels
    import imagecodecs

    decode: Callable[[bytes], np.ndarray] = getattr(imagecodecs, DECODERS[form])
    try:
        other = decode(path.read_bytes())
    except Exception as error:  # each codec has its own
        raise ValueError("all pixels came out the same, though the file holds far more") from error
    if other.min() != other.max():
        raise ValueError("all pixels came out the same, though another decoder finds a picture")
    return pixels
