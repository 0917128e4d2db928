"""EXIF of Canon's CR3 files, which keep its directories in boxes of ISO/IEC 14496-12: CMT1 to CMT4.

Source: https://github.com/lclevy/canon_cr3, a description of the format.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from unnoise.images import tags
from unnoise.images.tags import Data, Tags, Value

CANON = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")
MAKER_NOTE = 37500


def exif(data: Data) -> bytes:
    """The four directories as one EXIF block; empty: there is none."""
    blocks: dict[bytes, bytes] = {}
    for kind, start, end in _boxes(data, 0, len(data)):
        if kind == b"moov":
            for kind, begin, stop in _boxes(data, start, end):
                if kind == b"uuid" and data[begin : begin + 16] == CANON:
                    blocks = {name: bytes(data[a:b]) for name, a, b in _boxes(data, begin + 16, stop)}
    found: dict[int, Value | Tags] = dict(tags.first(blocks.get(b"CMT1", b"")))
    below: dict[int, Value | Tags] = dict(tags.first(blocks.get(b"CMT2", b"")))
    if b"CMT3" in blocks:
        below[MAKER_NOTE] = Value(7, blocks[b"CMT3"])
    if below:
        found[tags.EXIF] = below
    if place := tags.first(blocks.get(b"CMT4", b"")):
        found[tags.GPS] = place
    return tags.build(found) if found else b""


def _boxes(data: Data, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, and where the content starts and ends; what leads out of the data ends the list."""
    while start + 8 <= end:
        size, kind = struct.unpack(">I4s", data[start : start + 8])
        head = 8
        if size == 1 and start + 16 <= end:
            size, head = struct.unpack(">Q", data[start + 8 : start + 16])[0], 16
        size = size or end - start
        if size < head or start + size > end:
            return
        yield kind, start + head, start + size
        start += size
