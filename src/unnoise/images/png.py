"""Chunks of PNG files: the metadata around the pixels. Source: PNG, third edition, section 11.3."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from unnoise.images import bmff
from unnoise.images.picture import Metadata, Pixels
from unnoise.images.tags import Data

COLOURS = {b"cHRM", b"gAMA", b"iCCP", b"sRGB", b"cICP", b"mDCV", b"cLLI"}
TEXTS = {b"eXIf", b"tEXt", b"zTXt", b"iTXt", b"tIME"}
SCALES = {b"pHYs", b"pCAL", b"sCAL", b"oFFs", b"sTER", b"sPLT"}
KEPT = COLOURS | TEXTS | SCALES
"""Chunks that go from PNG to PNG as they are: not those that speak of the way the pixels are stored. So do unknown ones
whose name says that they may be copied, by a small last letter."""
SAME_COLOURS = {b"sBIT", b"bKGD"}
"""Such as stay where the colours are stored as they were; a number of a colour in a palette is of another palette
then."""

XMP = b"XML:com.adobe.xmp\0\0\0\0\0"


@dataclass(frozen=True)
class Coding:
    """The encoding of a PNG file."""

    chunks: bytes
    """Those that are kept, in their order."""
    interlaced: bool
    bits: int = 8
    """Of a sample, or of a number in the palette."""
    colour_type: int = 2
    """0 grey, 2 RGB, 3 palette, 4 grey with alpha, 6 RGB with alpha."""

    @property
    def palette(self) -> bool:
        return self.colour_type == PALETTE


PALETTE = 3

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunks(data: Data) -> Iterator[tuple[bytes, int, int]]:
    """Yield kind, start and end of each chunk, as far as the data goes."""
    place = 8
    while place + 12 <= len(data):
        end = place + 12 + int.from_bytes(data[place : place + 4], "big")
        yield bytes(data[place + 4 : place + 8]), place, end
        place = end


def coding(data: Data) -> Coding:
    """Read the encoding of a file."""
    wanted = KEPT | ({b"sBIT"} if data[25] == PALETTE else SAME_COLOURS)
    kept = b"".join(bytes(data[start:end]) for kind, start, end in chunks(data) if kind in wanted or _may_be_copied(kind))
    return Coding(kept, bytes(data[28:29]) == b"\1", data[24], data[25])


def _may_be_copied(kind: bytes) -> bool:
    return kind not in SAME_COLOURS | KEPT and kind.isalpha() and kind[:1].islower() and kind[3:].islower()


def frames(data: Data) -> int:
    """Count the pictures of an animation. 1: the file is no animation."""
    for kind, start, end in chunks(data):
        if kind == b"acTL" and end - start == 20:
            return max(1, int.from_bytes(data[start + 8 : start + 12], "big"))
        if kind == b"IDAT":
            break
    return 1


def resolution(data: Data) -> tuple[float, float] | None:
    """Read the resolution in pixels per millimetre. None: the file states none."""
    for kind, start, end in chunks(data):
        if kind == b"pHYs" and end - start == 21 and data[start + 16] == 1:
            across, down = struct.unpack(">II", data[start + 8 : start + 16])
            return across / 1000, down / 1000
        if kind == b"IDAT":
            break
    return None


def cicp(data: Data) -> tuple[int, int] | None:
    """Read primaries and curve of the colours by ITU-T H.273. None: the file states none, or those of sRGB."""
    for kind, start, end in chunks(data):
        if kind == b"cICP" and end - start == 16:
            primaries, curve = data[start + 8], data[start + 9]
            return None if (primaries, curve) == (1, 13) else (primaries, curve)
        if kind == b"IDAT":
            break
    return None


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def indexed(numbers: Pixels, colours: Pixels, bits: int) -> bytes:
    """Encode a picture with a palette.

    Args:
        numbers: (H, W), numbers of colours.
        colours: (N, 3 or 4), of 8 bits, with N ≤ 2 ** `bits`.
        bits: of each number.
    """
    height, width = numbers.shape
    packed = np.unpackbits(numbers[..., None].astype(np.uint8), axis=-1)[..., 8 - bits :].reshape(height, -1)
    rows = np.packbits(packed, axis=-1)
    made = SIGNATURE + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, PALETTE, 0, 0, 0))
    made += chunk(b"PLTE", np.ascontiguousarray(colours[:, :3], np.uint8).tobytes())
    if colours.shape[1] == 4:
        made += chunk(b"tRNS", np.ascontiguousarray(colours[:, 3], np.uint8).tobytes())
    unfiltered = np.concatenate([np.zeros((height, 1), np.uint8), rows], axis=1)  # filter 0 before each row
    return made + chunk(b"IDAT", zlib.compress(unfiltered.tobytes(), 9)) + chunk(b"IEND", b"")


def header(encoded: Data, metadata: Metadata) -> tuple[bytes, int]:
    """Make the beginning of a file that holds metadata.

    Args:
        encoded: a file without metadata.
        metadata: the metadata.

    Returns:
        The new beginning, and the number of bytes of `encoded` that it replaces.
    """
    after = next(start for kind, start, _ in chunks(encoded) if kind == b"IDAT")
    first = bytes(encoded[:33])  # signature, size and kind
    # a palette comes after what is said of colours
    others = b"".join(
        bytes(encoded[start:end])
        for kind, start, end in chunks(encoded)
        if 33 <= start < after and kind not in KEPT | SAME_COLOURS and not _may_be_copied(kind)
    )
    own = metadata.coding
    if isinstance(own, Coding):
        kept = own.chunks
        if encoded[25] != own.colour_type:
            kept = b"".join(
                kept[start - 8 : end - 8] for kind, start, end in chunks(bytes(8) + kept) if kind not in SAME_COLOURS
            )
        return first + kept + others, after
    made = first
    if metadata.cicp:
        made += chunk(b"cICP", bytes([*metadata.cicp, 0, 1]))  # matrix: red, green and blue as they are; the whole range
    if isinstance(metadata.coding, bmff.Coding):
        light, screen = bmff.brightness(metadata.coding.properties)
        made += (chunk(b"mDCV", screen) if screen else b"") + (chunk(b"cLLI", light) if light else b"")
    if metadata.icc:
        made += chunk(b"iCCP", b"icc\0\0" + zlib.compress(metadata.icc))
    made += others
    if metadata.resolution:
        made += chunk(b"pHYs", struct.pack(">IIB", *(round(1000 * value) for value in metadata.resolution), 1))
    if metadata.exif:
        made += chunk(b"eXIf", metadata.exif)
    if metadata.xmp:
        made += chunk(b"iTXt", XMP + metadata.xmp)
    return made, after
