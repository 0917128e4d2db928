"""Data after the picture in a JPEG file: gain maps of Ultra HDR, films of motion photos, previews, camera notes.

Sources: CIPA DC-007 (MPF); Android's Ultra HDR and Motion Photo formats, which tell lengths from the end of the file
backwards; ISO 21496-1.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from unnoise.images.tags import ByteOrder, Data

MPF = b"MPF\0"
"""How the segment of offsets to other pictures begins."""

GAIN_MAP = b"urn:iso:std:iso:ts:21496:-1\0"
"""How segments of gain maps begin."""

CONTAINERS = (b"hdrgm:", b"Container:Directory", b"GCamera:MicroVideo", b"GCamera:MotionPhoto", GAIN_MAP)
"""Words before the picture which say that something behind it belongs to it."""
APPLE_GAIN_MAP = b"hdrgainmap"
SAMSUNG = b"SEFT"

_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
"""Any but the zeros and restarts of coded pixels."""

ENTRY_BYTES = 16


def end_of_picture(data: Data) -> int:
    """Find the end of the first picture. Without a picture it is the end of the file."""
    place = 2
    while place + 4 <= len(data):
        if data[place] != 0xFF:
            return len(data)
        marker = data[place + 1]
        if marker == 0xFF:  # padding
            place += 1
            continue
        if marker == 0xD9:
            return place + 2
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
        if marker == 0xDA:
            found = _MARKER.search(data, place)
            if found is None:
                return len(data)
            place = found.start()
    return place + 2 if bytes(data[place : place + 2]) == b"\xff\xd9" else len(data)


def kept(data: Data, segments: bytes) -> tuple[bytes, tuple[str, ...]]:
    """Split what follows the picture: the bytes that are kept, and the names of parts that are left out.

    Args:
        data: the file.
        segments: the segments before the picture.
    """
    trailer = bytes(data[end_of_picture(data) :]).rstrip(b"\0")
    if not trailer:
        return b"", ()
    whole = bytes(data[end_of_picture(data) :])
    if any(words in segments for words in CONTAINERS) or APPLE_GAIN_MAP in whole or whole.endswith(SAMSUNG):
        return whole, ()
    return b"", ("another picture of the file" if trailer.startswith(b"\xff\xd8") else "data behind the picture",)


def moved(segments: bytes, start: int, old_end: int, new_end: int, old_place: int) -> bytes:
    """Correct the offsets of MPF in the segments of a file.

    Args:
        segments: as they stand in the file, from `start` on.
        start: their offset in the new file.
        old_end, new_end: the end of the first picture, before and now.
        old_place: the base of MPF's offsets in the old file.
    """
    made = bytearray(segments)
    at = segments.find(MPF)
    if at < 0:
        return segments
    header = at + 4
    order: ByteOrder = "<" if segments[header : header + 2] == b"II" else ">"
    for place in _entries(segments, header, order):
        offset = struct.unpack_from(order + "I", segments, place + 8)[0]
        if offset == 0:  # the first picture
            struct.pack_into(order + "I", made, place + 4, new_end)
        else:
            struct.pack_into(order + "I", made, place + 8, offset + old_place - old_end + new_end - (start + header))
    return bytes(made)


def place_of_mpf(data: Data) -> int:
    """Find the base of MPF's offsets. 0: the file has no MPF."""
    at = data.find(MPF, 0, 2**20)
    return at + 4 if at > 0 else 0


def _entries(data: bytes, header: int, order: ByteOrder) -> Iterator[int]:
    """Where each picture's entry lies."""
    directory = header + struct.unpack_from(order + "I", data, header + 4)[0]
    for i in range(struct.unpack_from(order + "H", data, directory)[0]):
        code, _, count, value = struct.unpack_from(order + "HHII", data, directory + 2 + 12 * i)
        if code == 0xB002:
            yield from range(header + value, header + value + count, ENTRY_BYTES)


WORDS = [
    rb"\s+xmlns:(?:hdrgm|Container|Item|GContainer|HDRGainMap|apdi|GCamera|MiCamera)\s*=\s*(?:\"[^\"]*\"|'[^']*')",
    rb"\s+(?:hdrgm|HDRGainMap|apdi|GCamera|MiCamera):[\w.-]+\s*=\s*(?:\"[^\"]*\"|'[^']*')",
    rb"<(hdrgm|Container|GContainer|HDRGainMap|apdi|GCamera):([\w.-]+)(?:\s[^>]*)?(?:/>|>.*?</\1:\2>)\s*",
]


def without_words(xmp: bytes) -> bytes:
    """Remove words on gain maps and films from XMP, for a file that holds none."""
    if not any(words in xmp for words in (*CONTAINERS, b"HDRGainMap")):
        return xmp
    for pattern in reversed(WORDS):
        xmp = re.sub(pattern, b"", xmp, flags=re.DOTALL)
    return xmp
