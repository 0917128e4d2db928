"""A second look at pictures that decode to one single value: some decoders give zeros for what they cannot read, without an error."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from unnoise.images.formats import AVIF, JPEG, PNG, WEBP, Format
from unnoise.images.scratch import Scratch

STRIP_ROWS = 256

LARGEST_RATIO = 20
"""Codecs pack a picture of one value at least so many times smaller than its pixels; JPEG packs it least."""

HEADER_BYTES = 4096
"""What files of one value may hold besides, such as tables and tags."""

DECODERS = {PNG: "png_decode", JPEG: "jpeg8_decode", WEBP: "webp_decode", AVIF: "avif_decode"}
"""How imagecodecs calls them."""


def is_constant(pixels: Scratch) -> bool:
    """Whether all values are the same; of most pictures the first rows tell that they are not."""
    first = pixels[0:1][0, 0]
    value = np.ravel(first)[0]
    return all(bool((pixels[top : top + STRIP_ROWS] == value).all()) for top in range(0, pixels.shape[0], STRIP_ROWS))


def holds_more(nbytes: int, encoded_bytes: int) -> bool:
    """Whether so many encoded bytes are too many for `nbytes` of pixels of one value."""
    return encoded_bytes > nbytes / LARGEST_RATIO + HEADER_BYTES


def checked(path: Path, form: Format, pixels: Scratch) -> Scratch:
    """A PNG, JPEG, WebP or AVIF that libvips has decoded. ValueError: all values are the same, which the file contradicts."""
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
