"""Radiance HDR (.hdr, .pic) by imagecodecs: linear light in three mantissas and one exponent for each pixel.

The lines of the header stay. Its colors are linear and of any brightness, so each channel is restored by itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unnoise.errors import UsageError
from unnoise.images.picture import Layout, Metadata, Pixels
from unnoise.images.picture_formats import base
from unnoise.images.picture_formats.base import Opened

SIZE = re.compile(rb"^([-+][XY]) (\d+) ([-+][XY]) (\d+)$")
RUNS = b"\2\2"
"""What a row begins with that is packed in runs of each channel."""


@dataclass(frozen=True)
class Coding:
    """The header of a Radiance file."""

    lines: tuple[bytes, ...]
    """All before the empty line."""
    order: tuple[bytes, bytes] = (b"-Y", b"+X")
    """The axes, slowest first, with the direction in which they run."""


def open_file(path: Path) -> Opened:
    """UsageError: its colors are XYZ. ValueError: it is damaged."""
    import imagecodecs

    data = path.read_bytes()
    head, found, rest = data.partition(b"\n\n")
    line, _, body = rest.partition(b"\n")
    match = SIZE.match(line.strip())
    if not found or not match or match[1][1] == match[3][1]:
        raise ValueError("its header names no size")
    if b"32-bit_rle_xyze" in head:
        raise UsageError(f"{path} has colors in XYZ, which are not supported; convert it to RGB with ra_xyze -r.")
    rows, columns = int(match[2]), int(match[4])
    if not rows or not columns:
        raise ValueError("its header names no size")
    plain = b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y %d +X %d\n" % (rows, columns)  # imagecodecs knows no other header
    _check_length(body, rows, columns)
    pixels = imagecodecs.rgbe_decode(plain + body)
    if pixels.shape != (rows, columns, 3):
        raise ValueError("it ends before its last pixel")
    coding = Coding(tuple(head.split(b"\n")), (match[1], match[3]))
    return Opened.of(_turned(pixels, coding.order), Layout("channels"), Metadata(coding=coding))


def _check_length(body: bytes, rows: int, columns: int) -> None:
    """ValueError: the rows end before the last, which imagecodecs would fill up."""
    packed = 8 <= columns < 32768 and body[:2] == RUNS
    if not packed:
        if body[:3] != b"\1\1\1" and len(body) < 4 * rows * columns and b"\1\1\1" not in body:
            raise ValueError("it ends before its last pixel")
        return
    place = 0
    for _ in range(rows):
        if body[place : place + 2] != RUNS:
            raise ValueError("a row does not begin as it should")
        place, left = place + 4, 4 * columns
        while left > 0:
            if place >= len(body):
                raise ValueError("it ends before its last pixel")
            count = body[place]
            place, left = (place + 2, left - (count - 128)) if count > 128 else (place + 1 + count, left - count)
            if count == 0:
                raise ValueError("a run has no length")
    if place > len(body):
        raise ValueError("it ends before its last pixel")


def _turned(pixels: Pixels, order: tuple[bytes, bytes], *, back: bool = False) -> Pixels:
    """As it is seen, with rows from the top and columns from the left; or from there back to the order of the file."""
    slow, fast = order
    flips = [slice(None, None, -1) if sign in (b"+Y", b"-X") else slice(None) for sign in (slow, fast)]
    if back:
        stored = pixels.swapaxes(0, 1) if slow[1:] == b"X" else pixels
        return stored[flips[0], flips[1]]
    seen = pixels[flips[0], flips[1]]
    return seen.swapaxes(0, 1) if slow[1:] == b"X" else seen


class Writer(base.Writer):
    """A Radiance file, with the header of the source if it had one."""

    def add(self, pixels: Pixels, layout: Layout, metadata: Metadata) -> None:
        import imagecodecs

        if pixels.ndim != 3 or pixels.shape[2] != 3:
            raise ValueError("Radiance files have three channels")
        own = metadata.coding if isinstance(metadata.coding, Coding) else Coding((b"#?RADIANCE", b"FORMAT=32-bit_rle_rgbe"))
        stored = np.ascontiguousarray(_turned(np.maximum(pixels, 0), own.order, back=True), np.float32)
        _, _, rest = bytes(imagecodecs.rgbe_encode(stored)).partition(b"\n\n")
        (slow, fast), (rows, columns) = own.order, stored.shape[:2]
        size = b"%s %d %s %d" % (slow, rows, fast, columns)
        self.path.write_bytes(b"\n".join(own.lines) + b"\n\n" + size + b"\n" + rest.partition(b"\n")[2])
