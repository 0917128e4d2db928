"""What a PNG file says besides its pixels, as it says it: the chunks around the picture. (PNG, third edition, section 11.3.)"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from unnoise.images import bmff
from unnoise.images.picture import Metadata
from unnoise.images.tags import Data

KEPT = {b"cHRM", b"gAMA", b"iCCP", b"sRGB", b"cICP", b"mDCV", b"cLLI", b"pHYs", b"eXIf", b"tEXt", b"zTXt", b"iTXt", b"tIME"}
"""Chunks that go from PNG to PNG as they are: not those that speak of the way the pixels are stored."""

XMP = b"XML:com.adobe.xmp\0\0\0\0\0"


@dataclass(frozen=True)
class Coding:
    """How a PNG file was made."""

    chunks: bytes
    """Those that are kept, in their order."""
    interlaced: bool


def chunks(data: Data) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and end of each chunk, as far as the data goes."""
    place = 8
    while place + 12 <= len(data):
        end = place + 12 + int.from_bytes(data[place : place + 4], "big")
        yield bytes(data[place + 4 : place + 8]), place, end
        place = end


def coding(data: Data) -> Coding:
    """How this file was made."""
    kept = b"".join(bytes(data[start:end]) for kind, start, end in chunks(data) if kind in KEPT)
    return Coding(kept, bytes(data[28:29]) == b"\1")


def frames(data: Data) -> int:
    """How many pictures follow each other in time; 1: it is no animation."""
    for kind, start, end in chunks(data):
        if kind == b"acTL" and end - start == 20:
            return max(1, int.from_bytes(data[start + 8 : start + 12], "big"))
        if kind == b"IDAT":
            break
    return 1


def resolution(data: Data) -> tuple[float, float] | None:
    """In pixels per millimetre; None: the file does not say."""
    for kind, start, end in chunks(data):
        if kind == b"pHYs" and end - start == 21 and data[start + 16] == 1:
            across, down = struct.unpack(">II", data[start + 8 : start + 16])
            return across / 1000, down / 1000
        if kind == b"IDAT":
            break
    return None


def cicp(data: Data) -> tuple[int, int] | None:
    """Primaries and curve of the colours after ITU-T H.273; None: the file does not say, or they are sRGB's."""
    for kind, start, end in chunks(data):
        if kind == b"cICP" and end - start == 16:
            primaries, curve = data[start + 8], data[start + 9]
            return None if (primaries, curve) == (1, 13) else (primaries, curve)
        if kind == b"IDAT":
            break
    return None


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def header(encoded: Data, metadata: Metadata) -> tuple[bytes, int]:
    """What a file that holds no metadata begins with instead to hold these, and how many of its own bytes that replaces."""
    after = next(start for kind, start, _ in chunks(encoded) if kind == b"IDAT")
    made = b"".join(bytes(encoded[start:end]) for kind, start, end in chunks(encoded) if end <= after and kind not in KEPT)
    if isinstance(metadata.coding, Coding):
        return b"\x89PNG\r\n\x1a\n" + made + metadata.coding.chunks, after
    if metadata.cicp:
        made += chunk(b"cICP", bytes([*metadata.cicp, 0, 1]))  # matrix: red, green and blue as they are; the whole range
    if isinstance(metadata.coding, bmff.Coding):
        light, screen = bmff.brightness(metadata.coding.properties)
        made += (chunk(b"mDCV", screen) if screen else b"") + (chunk(b"cLLI", light) if light else b"")
    if metadata.icc:
        made += chunk(b"iCCP", b"icc\0\0" + zlib.compress(metadata.icc))
    if metadata.resolution:
        made += chunk(b"pHYs", struct.pack(">IIB", *(round(1000 * value) for value in metadata.resolution), 1))
    if metadata.exif:
        made += chunk(b"eXIf", metadata.exif)
    if metadata.xmp:
        made += chunk(b"iTXt", XMP + metadata.xmp)
    return b"\x89PNG\r\n\x1a\n" + made, after
