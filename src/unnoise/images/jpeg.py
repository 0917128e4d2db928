"""Segments of JPEG files: metadata, quality and chroma subsampling. Source: ITU T.81, annex B."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from unnoise.images import jpeg_trailer, tags
from unnoise.images.picture import Metadata
from unnoise.images.resolution import resolution_of
from unnoise.images.tags import Data

NOT_KEPT: tuple[tuple[int, bytes], ...] = (
    (0xE2, jpeg_trailer.MPF),
    (0xE8, b"SPIFF\0"),
    (0xEB, b"JP"),
    (0xEE, b"Adobe"),
)
"""Of the segments of applications those that do not go from JPEG to JPEG: they speak of the coding, of other pictures
behind, or sign the file (C2PA). All others do: EXIF, profiles, thermal values, notes of cameras."""

COMMENT = 0xFE

LARGEST = 65533
"""Bytes that a segment holds."""

LUMINANCE = np.array(
    # ITU T.81, table K.1, in the zigzag order of files
    [16, 11, 12, 14, 12, 10, 16, 14, 13, 14, 18, 17, 16, 19, 24, 40, 26, 24, 22, 22, 24, 49, 35, 37, 29, 40, 58, 51, 61, 60, 57, 51,
     56, 55, 64, 72, 92, 78, 64, 68, 87, 69, 55, 56, 80, 109, 81, 87, 95, 98, 103, 104, 103, 62, 77, 113, 121, 112, 100, 120, 92,
     101, 103, 99]
)  # fmt: skip


@dataclass(frozen=True)
class Coding:
    """The encoding of a JPEG file."""

    segments: bytes
    """Those that are kept, in their order."""
    quality: int
    """1 … 100 after the IJG's scale, the nearest to the file's own steps of luminance."""
    subsampled: bool
    """Chroma at half the size both ways (4:2:0); all else is written with full chroma."""
    progressive: bool
    bits: int = 8
    """Of a sample; vips reads 8 alone."""
    lossless: bool = False
    """Lossless in the sense of the first JPEG standard (SOF3), as medical devices write it."""
    trailer: bytes = field(default=b"", repr=False)
    """What belongs to the picture and follows it, such as a gain map."""
    old_end: int = field(default=0, compare=False)
    """Where the picture ended."""
    old_place: int = field(default=0, compare=False)
    """Where the offsets of MPF counted from."""
    left_behind: tuple[str, ...] = ()
    """What follows the picture and does not go along."""


def segments(data: Data) -> Iterator[tuple[int, bytes]]:
    """Yield marker and content of each segment before the first scan, as far as the data goes."""
    place = 2
    while place + 4 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if marker == 0xFF:  # padding
            place += 1
            continue
        if marker == 0xDA:
            return
        size = int.from_bytes(data[place + 2 : place + 4], "big")
        yield marker, bytes(data[place + 4 : place + 2 + size])
        place += 2 + size


def coding(data: Data) -> Coding:
    """Read the encoding of a file."""
    kept, quality, subsampled, progressive = b"", 95, False, False
    every = b"".join(content for marker, content in segments(data) if marker in (0xE1, 0xE2))
    trailer, left_behind = jpeg_trailer.kept(data, every)
    for marker, content in segments(data):
        pictures = trailer and marker == 0xE2 and content.startswith(jpeg_trailer.MPF)
        own = 0xE0 <= marker <= 0xEF and not any(marker == code and content.startswith(start) for code, start in NOT_KEPT)
        if own or marker == COMMENT or pictures:
            kept += segment(marker, content)
        elif marker == 0xDB:
            quality = _quality(content) or quality
        elif marker in (0xC0, 0xC1, 0xC2):
            progressive = marker == 0xC2
            subsampled = len(content) >= 15 and content[5] == 3 and content[7] == 0x22 and content[10] == content[13] == 0x11
    end = jpeg_trailer.end_of_picture(data)
    place = jpeg_trailer.place_of_mpf(data) if trailer else 0
    bits, lossless = kind(data)
    return Coding(kept, quality, subsampled, progressive, bits, lossless, trailer, end, place, left_behind)


def kind(data: Data) -> tuple[int, bool]:
    """Read the bits of a sample, and whether the picture is lossless (SOF3)."""
    for marker, content in segments(data):
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC) and content:
            return content[0], marker == 0xC3
    return 8, False


def metadata(data: Data) -> Metadata:
    """Read the metadata in the segments."""
    found: dict[bytes, bytes] = {}
    profile = b""
    for _, content in segments(data):
        for start in (b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0", b"Photoshop 3.0\0"):
            if content.startswith(start):
                found.setdefault(start, content.removeprefix(start))
        if content.startswith(b"ICC_PROFILE\0"):
            profile += content[14:]
    exif = found.get(b"Exif\0\0", b"")
    return Metadata(
        exif,
        found.get(b"http://ns.adobe.com/xap/1.0/\0", b""),
        profile,
        found.get(b"Photoshop 3.0\0", b""),
        resolution_of(tags.first(exif)) or resolution(data),
    )


def _quality(tables: bytes) -> int | None:
    """The IJG quality whose table of luminance is nearest; None: there is no such table in this segment."""
    place = 0
    while place < len(tables):
        wide, number = tables[place] >> 4, tables[place] & 15
        steps = np.frombuffer(tables[place + 1 : place + 65 + 64 * bool(wide)], ">u2" if wide else "u1").astype(int)
        if number == 0 and len(steps) == 64:
            qualities = np.arange(1, 101)
            scales = np.where(qualities < 50, 5000 // qualities, 200 - 2 * qualities)
            standard = np.clip((LUMINANCE * scales[:, None] + 50) // 100, 1, 255)  # (100, 64)
            return int(qualities[np.abs(standard - steps).sum(1).argmin()])
        place += 65 + 64 * bool(wide)
    return None


def segment(marker: int, content: bytes) -> bytes:
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(content) + 2) + content


LENGTHS = {1: 25.4, 2: 10.0}
"""Millimetres of JFIF's units; 0 means that there is none."""


def _jfif(resolution: tuple[float, float] | None) -> bytes:
    """The segment that says what pixels are and how large, in whole dots per inch or per centimetre: whichever is
    nearer."""
    unit, across, down = 0, 1, 1
    if resolution:
        errors = {
            unit: sum(abs(length * value - round(length * value)) / length for value in resolution)
            for unit, length in LENGTHS.items()
        }
        unit = min(errors, key=lambda unit: errors[unit])
        across, down = (min(65535, max(1, round(LENGTHS[unit] * value))) for value in resolution)
    return segment(0xE0, struct.pack(">5sHBHHBB", b"JFIF\0", 0x0102, unit, across, down, 0, 0))


def resolution(data: Data) -> tuple[float, float] | None:
    """Read the resolution that JFIF states, in pixels per millimetre. None: it states none."""
    jfif = next((content for marker, content in segments(data) if marker == 0xE0 and content.startswith(b"JFIF\0")), b"")
    if len(jfif) < 12 or jfif[7] not in LENGTHS:
        return None
    across, down = struct.unpack(">HH", jfif[8:12])
    return (across / LENGTHS[jfif[7]], down / LENGTHS[jfif[7]]) if across and down else None


def header(encoded: Data, metadata: Metadata) -> tuple[bytes, int]:
    """Make the beginning of a file that holds metadata.

    EXIF and XMP larger than a segment are left out. ICC profiles are cut into several segments.

    Args:
        encoded: a file without metadata.
        metadata: the metadata.

    Returns:
        The new beginning, and the number of bytes of `encoded` that it replaces.
    """
    own = metadata.coding
    if isinstance(own, Coding):
        end = len(own.segments) + len(encoded)
        return b"\xff\xd8" + jpeg_trailer.moved(own.segments, 2, own.old_end, end, own.old_place), 2
    ink = any(marker == 0xEE for marker, _ in segments(encoded))  # JFIF knows no CMYK
    made = b"\xff\xd8" + (b"" if ink else _jfif(metadata.resolution))
    for marker, start, content in (
        (0xE1, b"Exif\0\0", metadata.exif),
        (0xE1, b"http://ns.adobe.com/xap/1.0/\0", jpeg_trailer.without_words(metadata.xmp)),
        (0xED, b"Photoshop 3.0\0", metadata.iptc),
    ):
        if content and len(start) + len(content) <= LARGEST:
            made += segment(marker, start + content)
    room = LARGEST - 14
    parts = [metadata.icc[i : i + room] for i in range(0, len(metadata.icc), room)]
    for number, part in enumerate(parts, 1):
        made += segment(0xE2, b"ICC_PROFILE\0" + bytes([number, len(parts)]) + part)
    return made, 2
