"""AVIF files by libavif (imagecodecs). Unlike libvips, it keeps depth, chroma and colour space."""

from __future__ import annotations

from typing import Any

import numpy as np

from unnoise.images import bmff
from unnoise.images.picture import Layout, Metadata, Pixels
from unnoise.images.pixels import narrowed

DEEP_BITS = 12
"""For pictures of 16 bits that were no AVIF."""

SPEED = 6
"""Of 0 … 10; that of libavif's own program."""


def encode(pixels: Pixels, layout: Layout, metadata: Metadata, quality: int, *, lossless: bool = False) -> bytes:
    """Encode uint8 or uint16 pixels (H, W) or (H, W, C) as an AVIF file with all metadata.

    Errors of imagecodecs pass through.
    """
    import imagecodecs

    own = metadata.coding if isinstance(metadata.coding, bmff.Coding) else None
    bits = 8
    if pixels.dtype == np.uint16:
        bits = own.bits if own and own.bits > 8 else DEEP_BITS
        pixels = narrowed(pixels, bits)
    grey = layout.colours == "grey"
    chroma = "400" if grey else own.chroma if own and own.chroma != "400" else "444"
    primaries, transfer, matrix, _ = bmff.nclx_of(metadata)
    if matrix == 0 and chroma != "444":  # red, green and blue as they are cannot be stored at half the size
        matrix = bmff.SRGB[2]
    if lossless:
        chroma, matrix = ("400", matrix) if grey else ("444", 0)
    if grey and not lossless:  # imagecodecs encodes one channel without loss whatever the quality, but not three equal ones
        pixels = pixels[..., [0, 0, 0, 1]] if layout.alpha else np.stack([pixels] * 3, axis=-1)
    options: dict[str, Any] = {"primaries": primaries, "transfer": transfer, "matrix": matrix}
    encoded = imagecodecs.avif_encode(
        np.ascontiguousarray(pixels),
        100 if lossless else quality,
        speed=SPEED,
        bitspersample=bits,
        pixelformat=chroma,
        **options,
    )
    return bmff.completed(
        bytes(encoded),
        exif=metadata.exif,
        xmp=metadata.xmp,
        icc=metadata.icc,
        properties=own.properties if own else b"",
        orientation=metadata.orientation,
    )
