"""GIF by libvips, frame by frame: written by Pillow with a palette for each frame, inside blocks that we copy.

Comments, XMP and other blocks of applications stay. So do the times of frames and the number of repetitions.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from unnoise.images import vips
from unnoise.images.formats import GIF
from unnoise.images.picture import Film, Layout, Metadata, Pixels
from unnoise.images.picture_formats import base
from unnoise.images.picture_formats.base import Opened
from unnoise.images.picture_formats.indexed import image_of
from unnoise.images.scratch import Scratch

CONTROL, PLAIN_TEXT, COMMENT, APPLICATION = 0xF9, 0x01, 0xFE, 0xFF
IMAGE, EXTENSION, TRAILER = 0x2C, 0x21, 0x3B
LOOPS = (b"NETSCAPE2.0", b"ANIMEXTS1.0")
XMP = b"XMP DataXMP"
XMP_TRAILER_BYTES = 257
"""Behind XMP, so that programs that look for the lengths of sub-blocks find the end."""
COLORS = 256


@dataclass(frozen=True)
class Coding:
    """The blocks of a GIF that are kept as they are."""

    blocks: bytes = b""


def open_file(path: Path) -> Opened:
    """vips.DecodingError and ValueError: it is damaged."""
    data = path.read_bytes()
    frames, metadata = _described(data)
    if frames != vips.pages(path, GIF):
        raise ValueError("its pictures cannot all be found")

    def decode(index: int) -> tuple[Scratch, Layout, Metadata]:
        pixels, layout, _ = vips.decode(path, GIF, str(path), index)
        return pixels, layout, metadata

    return Opened(frames, decode)


def _described(data: bytes) -> tuple[int, Metadata]:
    """The number of pictures, and what the blocks say."""
    kept, xmp, seconds, loops, wait, texts = b"", b"", [], None, Fraction(0), False
    for kind, start, end in _blocks(data):
        if kind == IMAGE:
            seconds.append(wait)
            wait = Fraction(0)
        elif kind == CONTROL:
            wait = Fraction(int.from_bytes(data[start + 4 : start + 6], "little"), 100)
        elif kind == PLAIN_TEXT:
            texts = True
        elif kind == APPLICATION and data[start + 3 : start + 14] in LOOPS:
            loops = int.from_bytes(data[start + 16 : start + 18], "little")
        else:
            kept += data[start:end]
            if kind == APPLICATION and data[start + 3 : start + 14] == XMP:
                xmp = data[start + 14 : end - 1 - XMP_TRAILER_BYTES]
    film = Film(tuple(seconds), 1 if loops is None else loops + (loops > 0)) if len(seconds) > 1 else None
    left = ("text drawn over the picture (GIF's plain text)",) if texts else ()
    return len(seconds), Metadata(xmp=xmp, coding=Coding(kept), film=film, left_behind=left)


def _blocks(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Kind, start and end of each block behind the header. ValueError: they lead out of the data."""
    place = 13 + (3 << (data[10] & 7) + 1 if data[10] & 0x80 else 0)
    while place < len(data):
        start, kind = place, data[place]
        if kind == TRAILER:
            return
        if kind == EXTENSION and place + 2 < len(data):
            kind, place = data[place + 1], place + 2
        elif kind == IMAGE and place + 10 < len(data):
            place += 11 + (3 << (data[place + 9] & 7) + 1 if data[place + 9] & 0x80 else 0)
        else:
            raise ValueError("a block has an unknown kind")
        while place < len(data) and data[place]:
            place += 1 + data[place]
        place += 1
        yield kind, start, min(place, len(data))
    raise ValueError("it ends before its last picture does")


class Writer(base.Writer):
    """A GIF of one or many pictures, each with its own palette and as large as the whole."""

    _added = 0

    def add(self, pixels: Pixels, layout: Layout, metadata: Metadata) -> None:
        film = metadata.film
        colors, shown = _colors(pixels, layout)
        made = io.BytesIO()
        image = image_of(colors, COLORS - 1 if shown is not None else COLORS)
        clear = None
        if shown is not None:
            numbers = np.array(image)
            clear = int(numbers.max()) + 1
            numbers[~shown] = clear
            table = [*image.getpalette()[: 3 * clear], 0, 0, 0]
            image = image_of(numbers)
            image.putpalette(table)
        image.save(made, "GIF", optimize=False, interlace=0)
        data = made.getvalue()
        place = next(start for kind, start, _ in _blocks(data) if kind == IMAGE)
        bits = data[10] & 7
        table_bytes = data[13 : 13 + (3 << bits + 1)]
        wait = round(100 * film.seconds[self._added]) if film else 0
        with self.path.open("ab") as file:
            if not self._added:
                file.write(b"GIF89a" + data[6:10] + b"\0\0\0")  # no palette for all
                if film and film.loops != 1:
                    repeats = max(0, film.loops - 1)
                    file.write(b"\x21\xff\x0bNETSCAPE2.0\x03\x01" + struct.pack("<H", min(repeats, 65535)) + b"\0")
                file.write(metadata.coding.blocks if isinstance(metadata.coding, Coding) else _xmp_block(metadata.xmp))
            if film or clear is not None:  # keep nothing of the frame before, where this one is transparent
                flags = (8 if film else 0) | (clear is not None)
                file.write(b"\x21\xf9\x04" + struct.pack("<BHB", flags, min(wait, 65535), clear or 0) + b"\0")
            file.write(data[place : place + 9] + bytes([0x80 | bits]) + table_bytes)
            end = len(data) - 1
            file.write(data[place + 10 + (3 << (data[place + 9] & 7) + 1 if data[place + 9] & 0x80 else 0) : end])
        self._added += 1

    def finish(self) -> None:
        with self.path.open("ab") as file:
            file.write(bytes([TRAILER]))


def _colors(pixels: Pixels, layout: Layout) -> tuple[Pixels, Pixels | None]:
    """The colors, and where the picture is not transparent; None: nowhere."""
    if pixels.ndim == 2:
        return pixels, None
    colors = pixels[..., :3] if layout.colours == "rgb" else pixels[..., 0]
    if not layout.alpha:
        return colors, None
    shown = pixels[..., -1] >= 128
    return np.where(shown[..., None] if colors.ndim == 3 else shown, colors, 0).astype(np.uint8), shown


def _xmp_block(xmp: bytes) -> bytes:
    if not xmp:
        return b""
    trailer = b"\1" + bytes(range(255, -1, -1))
    return b"\x21\xff\x0b" + XMP + xmp + trailer + b"\0"
