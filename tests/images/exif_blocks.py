"""EXIF blocks made by hand, with parts that are easily lost: a maker note, GPS, a thumbnail, both byte orders."""

from __future__ import annotations

import struct

NOTE = b"Maker\0\1\2" + bytes(range(256))


def exif_block(order: str = "<", orientation: int = 1) -> bytes:
    """Directories: picture, EXIF, GPS, thumbnail. Their values lie where no program of ours would put them."""
    start = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 40)
    gap = b"here lies something odd".ljust(32, b".")  # 8 … 40

    def entry(code: int, kind: int, count: int, value: bytes) -> bytes:
        return struct.pack(order + "HHI", code, kind, count) + value.ljust(4, b"\0")

    def directory(entries: list[bytes], following: int = 0) -> bytes:
        return struct.pack(order + "H", len(entries)) + b"".join(entries) + struct.pack(order + "I", following)

    def at(place: int) -> bytes:
        return struct.pack(order + "I", place)

    def short(value: int) -> bytes:
        return struct.pack(order + "H", value)

    main = directory(
        [
            entry(271, 2, 7, at(400)),
            entry(274, 3, 1, short(orientation)),
            entry(282, 5, 1, at(408)),
            entry(283, 5, 1, at(408)),
            entry(296, 3, 1, short(2)),
            entry(34665, 4, 1, at(150)),
            entry(34853, 4, 1, at(220)),
        ],
        250,
    )
    exif = directory([entry(33434, 5, 1, at(416)), entry(34855, 3, 1, short(6400)), entry(37500, 7, len(NOTE), at(424))])
    gps = directory([entry(1, 2, 2, b"N\0")])
    thumbnail = directory([entry(513, 4, 1, at(424 + len(NOTE))), entry(514, 4, 1, at(11))])
    block = bytearray(start + gap + main)
    for place, part in ((150, exif), (220, gps), (250, thumbnail)):
        block = bytearray(block.ljust(place, b"\0")) + part
    rational = struct.pack(order + "II", 300, 1) + struct.pack(order + "II", 1, 125)
    return bytes(block.ljust(400, b"\0")) + b"Camera\0\0" + rational + NOTE + b"a thumbnail"
