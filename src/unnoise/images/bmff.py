"""Boxes of AVIF and HEIC files: EXIF, byte by byte, in the place of the encoder's own (ISO/IEC 14496-12, 8.11), and films (8.1)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

from unnoise.images.tags import Data

Box = tuple[bytes, int, int]
"""Kind, and where its content starts and ends."""


def put_exif(path: Path, exif: bytes) -> None:
    """Append `exif` and let the file's Exif item point there. ValueError: the file has no such item of a known kind."""
    data = path.read_bytes()
    place, width, extent = _exif_extent(data)
    content = struct.pack(">I", 6) + b"Exif\0\0" + exif  # the number of bytes before TIFF's header, of which none are TIFF's
    begin = len(data) + 8
    with path.open("r+b") as file:
        file.seek(place)
        file.write((begin - extent).to_bytes(width, "big"))
        file.write(len(content).to_bytes(4, "big"))
        file.seek(0, 2)
        file.write(struct.pack(">I", len(content) + 8) + b"mdat" + content)


def frames(data: Data) -> int:
    """How many pictures the longest track of a film holds; 1: it is none."""
    inside = [(0, len(data))]
    for wanted in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsz"):
        inside = [(start, end) for outer in inside for kind, start, end in _boxes(data, *outer) if kind == wanted]
    return max((int.from_bytes(data[start + 8 : start + 12], "big") for start, _ in inside), default=1)


def _boxes(data: Data, place: int, end: int) -> Iterator[Box]:
    while place + 8 <= end:
        size, kind, head = int.from_bytes(data[place : place + 4], "big"), bytes(data[place + 4 : place + 8]), 8
        if size == 1:
            size, head = int.from_bytes(data[place + 8 : place + 16], "big"), 16
        size = max(size or end - place, head)
        yield kind, place + head, place + size
        place += size


def _exif_extent(data: bytes) -> tuple[int, int, int]:
    """Where the Exif item's offset is written, in how many bytes, and from where it counts; its length follows in four."""
    meta = next((start, end) for kind, start, end in _boxes(data, 0, len(data)) if kind == b"meta")
    inside = {kind: (start, end) for kind, start, end in _boxes(data, meta[0] + 4, meta[1])}
    start, end = inside[b"iinf"]
    number = None
    for kind, item, _ in _boxes(data, start + (6 if data[start] == 0 else 8), end):
        wide = data[item] >= 3  # the version says how wide the item's number is
        if kind == b"infe" and data[item + (10 if wide else 8) - 0 : item + (14 if wide else 12)] == b"Exif":
            number = int.from_bytes(data[item + 4 : item + (8 if wide else 6)], "big")
    start, _ = inside[b"iloc"]
    version = data[start]
    offset_width, length_width = data[start + 4] >> 4, data[start + 4] & 15
    base_width, index_width = data[start + 5] >> 4, data[start + 5] & 15 if version else 0
    id_width = 4 if version == 2 else 2
    place = start + 6
    count = int.from_bytes(data[place : place + id_width], "big")
    place += id_width
    for _ in range(count):
        item_number = int.from_bytes(data[place : place + id_width], "big")
        place += id_width
        method = data[place + 1] & 15 if version else 0
        place += (2 if version else 0) + 2
        base = int.from_bytes(data[place : place + base_width], "big")
        place += base_width
        extents = int.from_bytes(data[place : place + 2], "big")
        place += 2 + index_width
        if item_number == number and method == 0 and extents == 1 and length_width == 4 and offset_width:
            return place, offset_width, base
        place += extents * (index_width + offset_width + length_width) - index_width
    raise ValueError("its encoder stores EXIF in an unknown way")
