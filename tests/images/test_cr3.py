"""EXIF of CR3 files, of boxes made by hand."""

from __future__ import annotations

import struct

from unnoise.images import cr3, tags


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def made() -> bytes:
    blocks = {
        b"CMT1": tags.build({271: tags.Value(2, b"Canon\0")}),
        b"CMT2": tags.build({33434: tags.rational(1, 60)}),
        b"CMT3": b"II*\0maker",
        b"CMT4": tags.build({29: tags.Value(2, b"2024:05:06\0")}),
    }
    inside = box(b"uuid", cr3.CANON + b"".join(box(*item) for item in blocks.items()))
    return box(b"ftyp", b"crx \0\0\0\1") + box(b"moov", inside) + box(b"mdat", b"pixels")


def test_the_four_directories_become_one_block() -> None:
    found = tags.first(cr3.exif(made()))
    assert found[271] == tags.Value(2, b"Canon\0")
    below, place = found[tags.EXIF], found[tags.GPS]
    assert isinstance(below, dict)
    assert isinstance(place, dict)
    assert below[33434] == tags.rational(1, 60)
    assert below[cr3.MAKER_NOTE] == tags.Value(7, b"II*\0maker")
    assert place[29] == tags.Value(2, b"2024:05:06\0")


def test_damage_gives_what_is_there() -> None:
    data = made()
    assert cr3.exif(b"") == b""
    for length in range(0, len(data), 7):
        cr3.exif(data[:length])
    assert cr3.exif(data.replace(cr3.CANON, bytes(16))) == b""
