"""Windows bitmaps: read by Pillow, written by Pillow and imagecodecs. The resolution stays, and an ICC profile is read."""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unnoise.errors import UsageError
from unnoise.images import palette
from unnoise.images.picture import Layout, Metadata, Pixels
from unnoise.images.picture_formats import base
from unnoise.images.picture_formats.base import Opened
from unnoise.images.picture_formats.indexed import image_of, pixels_of
from unnoise.images.pixels import narrowed, stretched

COMPRESSED = {4: "JPEG", 5: "PNG", 11: "CMYK", 12: "CMYK", 13: "CMYK"}
EMBEDDED_PROFILE = b"DEBM"
V5_HEADER_BYTES = 124
FILE_HEADER_BYTES = 14
RESOLUTION_PLACE = 38


@dataclass(frozen=True)
class Coding:
    """The encoding of a bitmap."""

    bits: int = 24
    """Of a pixel."""
    top_down: bool = False


def open_file(path: Path) -> Opened:
    """ValueError and errors of Pillow: it is damaged. UsageError: it holds a file of another format."""
    from PIL import Image

    data = path.read_bytes()
    header = int.from_bytes(data[14:18], "little")
    bits, compression, height = 24, 0, 1
    if header >= 40:
        height = struct.unpack("<i", data[22:26])[0]
        bits, compression = struct.unpack("<HI", data[28:34])
    elif header == 12:  # of OS/2
        bits = int.from_bytes(data[24:26], "little")
    if compression in COMPRESSED:
        raise UsageError(f"{path} is a bitmap with {COMPRESSED[compression]} inside, which is not supported; save it as PNG.")
    with Image.open(io.BytesIO(data), formats=("BMP",)) as image:
        image.load()
        pixels, layout = pixels_of(image)
        if image.mode == "P" and _are_grey(pixels):
            pixels, layout = pixels[..., 0], Layout("grey")
    across, down = struct.unpack("<ii", data[38:46]) if header >= 40 else (0, 0)
    resolution = (across / 1000, down / 1000) if across > 0 and down > 0 else None
    return Opened.of(
        pixels, layout, Metadata(icc=_profile(data, header), resolution=resolution, coding=Coding(bits, height < 0))
    )


def _are_grey(pixels: Pixels) -> bool:
    return pixels.shape[2] == 3 and bool((pixels[..., :1] == pixels).all())


def _profile(data: bytes, header: int) -> bytes:
    if header < V5_HEADER_BYTES or data[70:74] != EMBEDDED_PROFILE:
        return b""
    place, size = struct.unpack("<II", data[126:134])
    return data[FILE_HEADER_BYTES + place : FILE_HEADER_BYTES + place + size]


class Writer(base.Writer):
    """A bitmap with as many bits as the source had; runs (RLE) become plain pixels."""

    def add(self, pixels: Pixels, layout: Layout, metadata: Metadata) -> None:
        import imagecodecs

        own = metadata.coding if isinstance(metadata.coding, Coding) else Coding()
        if layout == Layout("grey", 1):
            pixels = np.concatenate([np.repeat(pixels[..., :1], 3, axis=-1), pixels[..., 1:]], axis=-1)
        made = io.BytesIO()
        if layout == Layout("grey") and own.bits == 1:
            image_of(stretched(narrowed(pixels, 1), 1)).convert("1").save(made, "BMP")
        elif layout == Layout("rgb") and own.bits <= 8:
            image_of(pixels, 2 ** palette.bits_for(pixels, own.bits)).save(made, "BMP")
        else:
            made.write(imagecodecs.bmp_encode(np.ascontiguousarray(pixels)))
        across, down = (round(1000 * value) for value in metadata.resolution or (0, 0))
        made.seek(RESOLUTION_PLACE)
        made.write(struct.pack("<ii", across, down))
        self.path.write_bytes(made.getvalue())
