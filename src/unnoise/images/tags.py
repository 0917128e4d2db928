"""Directories of tags in TIFF files and EXIF blocks: reading, adding tags, and writing. Source: TIFF 6.0, section 2.

Damage never raises here: a tag or directory that leads out of the data is as if it were not there.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from mmap import mmap
from typing import Literal

Data = bytes | mmap

ByteOrder = Literal["<", ">"]
"""Little-endian or big-endian, as struct and tifffile call them."""

SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""Bytes of one value of each type."""

WORDS = {3: 2, 4: 4, 5: 4, 8: 2, 9: 4, 10: 4, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""Bytes that are turned round between byte orders; others are single bytes."""

EXIF, GPS, INTEROPERABILITY = 34665, 34853, 40965
POINTERS = (EXIF, GPS, INTEROPERABILITY)
"""Tags whose value is the place of another directory that belongs to the metadata."""

ORIENTATION, X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 274, 282, 283, 296
SUBFILE, COLORMAP, PHOTOMETRIC, EXTRA_SAMPLES = 254, 320, 262, 338
DESCRIPTION, XMP, IPTC, PHOTOSHOP, ICC = 270, 700, 33723, 34377, 34675


@dataclass(frozen=True)
class Value:
    """The value of a tag."""

    kind: int
    """The type by its number in TIFF."""
    data: bytes
    """Little-endian."""


Tags = Mapping[int, "Value | Tags"]
"""By number; under `POINTERS` whole directories."""


def short(value: int) -> Value:
    return Value(3, struct.pack("<H", value))


def rational(numerator: int, denominator: int) -> Value:
    return Value(5, struct.pack("<II", numerator, denominator))


@dataclass(frozen=True)
class File:
    """The bytes of a TIFF file or an EXIF block, and the form of its numbers."""

    data: Data
    order: ByteOrder
    big: bool

    @classmethod
    def of(cls, data: Data) -> File | None:
        """None: neither."""
        start = bytes(data[:4])
        kinds: dict[bytes, tuple[ByteOrder, bool]] = {
            b"II*\0": ("<", False),
            b"MM\0*": (">", False),
            b"II+\0": ("<", True),
            b"MM\0+": (">", True),
        }
        return cls(data, *kinds[start]) if start in kinds else None

    @property
    def pointer(self) -> str:
        """How struct calls the place of something in the file."""
        return self.order + ("Q" if self.big else "I")

    @property
    def width(self) -> int:
        """Bytes of a pointer."""
        return 8 if self.big else 4

    @property
    def first(self) -> int:
        """Where the pointer to the first directory lies."""
        return 8 if self.big else 4

    def number(self, place: int, code: str) -> int:
        """0 beyond the end."""
        part = bytes(self.data[place : place + struct.calcsize(code)])
        return int(struct.unpack(code, part)[0]) if len(part) == struct.calcsize(code) else 0

    def entries(self, place: int) -> list[tuple[int, bytes]]:
        """The raw entries of a directory, 12 bytes each (20 in BigTIFF), by the number of their tag."""
        head, size = (8, 20) if self.big else (2, 12)
        begin = place + head
        records = [bytes(self.data[begin + i * size : begin + (i + 1) * size]) for i in range(self.count(place))]
        return [(struct.unpack(self.order + "H", record[:2])[0], record) for record in records]

    def count(self, place: int) -> int:
        """How many entries a directory has, within the data."""
        head, size, code = (8, 20, "Q") if self.big else (2, 12, "H")
        return min(self.number(place, self.order + code), max(0, len(self.data) - place - head) // size)

    def after(self, place: int) -> int:
        """Where the pointer to the directory after this one lies."""
        head, size = (8, 20) if self.big else (2, 12)
        return place + head + size * self.count(place)

    def directories(self) -> Iterator[tuple[int, int]]:
        """Where each directory of the chain lies, and where the pointer to it."""
        pointer, seen = self.first, set[int]()
        while (place := self.number(pointer, self.pointer)) and place not in seen and place < len(self.data):
            seen.add(place)
            yield place, pointer
            pointer = self.after(place)

    def ends(self, last: int) -> bool:
        """Whether the chain of directories ends where it says so, and not by leading out of the data or back into
        itself. `last` is where its last directory lies."""
        pointer = self.after(last)
        return pointer + self.width <= len(self.data) and self.number(pointer, self.pointer) == 0

    def tags(self, place: int, depth: int = 0) -> dict[int, Value | Tags]:
        """All that a directory and those below it say."""
        found: dict[int, Value | Tags] = {}
        for code, record in self.entries(place):
            value = self.value(record)
            if value is None:
                continue
            if code in POINTERS:
                below = int.from_bytes(value.data[:8], "little")
                if depth < 3 and 0 < below < len(self.data):
                    found[code] = self.tags(below, depth + 1)
            else:
                found[code] = value
        return found

    def value(self, record: bytes) -> Value | None:
        """What an entry of `entries` says; None: it leads out of the data."""
        kind = struct.unpack(self.order + "H", record[2:4])[0]
        count = struct.unpack(self.pointer, record[4 : 4 + self.width])[0]
        size = SIZES.get(kind, 0) * count
        inside = record[4 + self.width :]
        if not size:
            return None
        if size <= self.width:
            data = inside[:size]
        else:
            place = struct.unpack(self.pointer, inside)[0]
            data = bytes(self.data[place : place + size])
        return Value(kind, turned(data, kind, self.order)) if len(data) == size else None

    def grown(self, place: int, added: Tags, end: int, following: int, without: Collection[int] = ()) -> bytes:
        """The directory at `place` with tags added or put in the place of others, to lie at `end`; the next one at
        `following`.

        Tags of `without` go if they are not added. Values of tags that stay are not moved.
        """
        kept = {code: record for code, record in self.entries(place) if code not in {*added, *without}}
        return _directory(self, kept, added, end, following)


def build(tags: Tags, order: ByteOrder = "<") -> bytes:
    """Build an EXIF block of tags in a byte order.

    Makers often write tags of bytes in the byte order of their file, so it should stay.
    """
    empty = File(b"", order, False)
    start = b"II*\0" if order == "<" else b"MM\0*"
    return start + struct.pack(order + "I", 8) + _directory(empty, {}, tags, 8, 0)


def block_with(block: bytes, added: Tags) -> bytes:
    """Add tags to an EXIF block. Nothing in it moves."""
    file = File.of(block)
    place = next(file.directories(), (0, 0))[0] if file else 0
    if file is None or not place:
        return build(added)
    padded = block + b"\0" * (len(block) % 2)
    directory = file.grown(place, added, len(padded), file.number(file.after(place), file.pointer))
    return padded[:4] + struct.pack(file.pointer, len(padded)) + padded[8:] + directory


def first(block: Data) -> dict[int, Value | Tags]:
    """Read the tags of the first directory. {}: there is none."""
    file = File.of(block)
    place = next(file.directories(), (0, 0))[0] if file else 0
    return file.tags(place) if file and place else {}


def orientation(block: Data) -> int:
    """Read the EXIF orientation, 1..8. 1: the picture is upright, or the block states none."""
    value = first(block).get(ORIENTATION)
    number = int.from_bytes(value.data[:2], "little") if isinstance(value, Value) else 1
    return number if 1 <= number <= 8 else 1


def upright(block: bytes) -> bytes:
    """Set the orientation of a block to upright, for pixels that were turned. Nothing else changes."""
    file = File.of(block)
    if file is None or orientation(block) == 1:
        return block
    place = next(file.directories())[0]
    index = [code for code, _ in file.entries(place)].index(ORIENTATION)
    at = place + 2 + 12 * index + 8
    return block[:at] + struct.pack(file.order + "H", 1) + block[at + 2 :]


def turned(data: bytes, kind: int, order: str) -> bytes:
    """Convert bytes from `order` to little-endian, or back."""
    word = WORDS.get(kind, 1)
    if order == "<" or word == 1:
        return data
    return b"".join(data[i : i + word][::-1] for i in range(0, len(data), word))


def _directory(file: File, kept: Mapping[int, bytes], added: Tags, place: int, following: int) -> bytes:
    """A directory that lies at `place`: raw entries, and tags with what belongs to them behind it."""
    codes = sorted({*kept, *added})
    head = 8 if file.big else 2
    behind = place + head + (12 + 2 * (file.width - 4)) * len(codes) + file.width
    entries, values = b"", b""
    for code in codes:
        if code in kept:
            entries += kept[code]
            continue
        tag = added[code]
        values += b"\0" * ((behind + len(values)) % 2)
        at = behind + len(values)
        if isinstance(tag, Value):
            kind, count, data = tag.kind, len(tag.data) // SIZES[tag.kind], turned(tag.data, tag.kind, file.order)
        else:
            values += _directory(file, {}, tag, at, 0)
            kind, count, data = 4, 1, struct.pack(file.order + "I", at)
            if file.big:
                kind, data = 16, struct.pack(file.pointer, at)
        if len(data) > file.width:
            values += data
            data = struct.pack(file.pointer, at)
        entries += struct.pack(file.order + "HH", code, kind) + struct.pack(file.pointer, count) + data.ljust(file.width, b"\0")
    number = struct.pack(file.order + ("Q" if file.big else "H"), len(codes))
    return number + entries + struct.pack(file.pointer, following) + values
