"""JPEG files that libvips cannot read, with more than 8 bits or lossless: imagecodecs decodes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from unnoise.images import jpeg, jpeg_trailer
from unnoise.images.picture import Layout, Metadata, Pixels
from unnoise.images.pixels import narrowed, stretched
from unnoise.images.scratch import Scratch


def is_rare(coding: jpeg.Coding) -> bool:
    """Whether libvips can neither read nor write such a file."""
    return coding.bits != 8 or coding.lossless


def decode(path: Path, coding: jpeg.Coding) -> tuple[Scratch, Layout, Metadata]:
    """Decode pixels over the whole range of uint8 or uint16. Errors of imagecodecs pass through."""
    import imagecodecs

    data = path.read_bytes()
    end = jpeg_trailer.end_of_picture(data)
    if data[end - 2 : end] != b"\xff\xd9":  # imagecodecs would fill up what is missing
        raise ValueError("it ends before its last pixel")
    pixels = imagecodecs.jpeg8_decode(data)
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[..., 0]
    if coding.bits < 8 * pixels.itemsize:
        pixels = stretched(pixels, coding.bits)
    layout = Layout("cmyk") if pixels.ndim == 3 and pixels.shape[2] == 4 else Layout.of(pixels.shape)
    return Scratch.of(np.ascontiguousarray(pixels)), layout, jpeg.metadata(data)


def encode(pixels: Pixels, layout: Layout, metadata: Metadata, coding: jpeg.Coding, quality: int | None) -> bytes:
    """Encode a file with the bits of the source, lossless if the source was."""
    import imagecodecs

    if coding.bits < 8 * pixels.itemsize:
        pixels = narrowed(pixels, coding.bits)
    options: dict[str, Any] = {"bitspersample": coding.bits}
    if coding.lossless:
        options["lossless"] = True
    elif layout.colours == "rgb":
        options["subsampling"] = "420" if coding.subsampled else "444"
    encoded = bytes(imagecodecs.jpeg8_encode(np.ascontiguousarray(pixels), level=quality or coding.quality, **options))
    bare = encoded[:2] + b"".join(
        jpeg.segment(marker, content) for marker, content in jpeg.segments(encoded) if not 0xE0 <= marker <= 0xED
    )
    place = 2
    for _, content in jpeg.segments(encoded):
        place += 4 + len(content)
    header, after = jpeg.header(encoded, metadata)
    return header + bare[after:] + encoded[place:] + coding.trailer
