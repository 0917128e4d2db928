"""Boxes of JPEG 2000 and JPEG XL files: (length, kind, content), one after the other. Source: ISO/IEC 15444-1, annex I."""

from __future__ import annotations

import struct
from collections.abc import Iterator


def boxes(data: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Yield kind, content and the whole of each box. ValueError: one leads out of the data."""
    place = 0
    while place < len(data):
        size, kind, head = int.from_bytes(data[place : place + 4], "big"), data[place + 4 : place + 8], 8
        if size == 1:
            size, head = int.from_bytes(data[place + 8 : place + 16], "big"), 16
        end = len(data) if size == 0 else place + size
        if end > len(data) or end < place + head:
            raise ValueError("a box leads out of the file")
        yield kind, data[place + head : end], data[place:end]
        place = end


def box(kind: bytes, content: bytes) -> bytes:
    """Make a box."""
    if len(content) + 8 < 2**32:
        return struct.pack(">I", len(content) + 8) + kind + content
    return struct.pack(">I", 1) + kind + struct.pack(">Q", len(content) + 16) + content
