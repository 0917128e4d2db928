"""Boxes of AVIF and HEIC files: reads facts about the picture, and adds metadata that encoders leave out.

Source: ISO/IEC 14496-12 and 23008-12.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from unnoise.images.picture import Metadata
from unnoise.images.tags import Data

Box = tuple[bytes, int, int]
"""Kind, and where its content starts and ends."""

KEPT = (b"clli", b"mdcv", b"pasp", b"cclv", b"amve")
"""Properties of the picture that go from file to file as they are: brightness of content and of the screen, shape of
pixels."""

SRGB = (1, 13, 6, 1)
"""Primaries, curve and matrix of ordinary pictures, after ITU-T H.273; the whole range of values."""

XMP_TYPE = b"application/rdf+xml"


@dataclass(frozen=True)
class Coding:
    """The encoding of the picture in an AVIF or HEIC file."""

    bits: int = 8
    chroma: str = "444"
    """444, 422 or 420: how finely colour is stored; 400: grey."""
    nclx: tuple[int, int, int, int] | None = None
    """Primaries, transfer, matrix (ITU-T H.273), and whether the range is full (1); None: the file does not say."""
    properties: bytes = b""
    """Boxes of `KEPT`."""
    left_behind: tuple[str, ...] = ()
    """Other pictures in the file, by what they are."""

    @property
    def cicp(self) -> tuple[int, int] | None:
        """Primaries and curve, where they are not those of any picture; see `Metadata.cicp`."""
        return None if self.nclx is None or self.nclx[:2] in ((1, 13), (2, 2)) else self.nclx[:2]


def coding(data: Data) -> Coding:
    """Read the encoding of the main picture. What is not found has its usual value."""
    try:
        meta = _meta(data)
        own = meta.properties_of(meta.primary)
    except (ValueError, IndexError, struct.error):
        return Coding()
    config = next((c for k, c in own + meta.properties if k in (b"av1C", b"hvcC")), b"").ljust(18, b"\0")
    kind = next((k for k, _ in own + meta.properties if k in (b"av1C", b"hvcC")), b"")
    bits, chroma = 8, "444"
    if kind == b"av1C":
        flags = config[2]
        bits = 8 + 2 * (flags >> 6 & 1) + 2 * (flags >> 5 & 1 & flags >> 6)
        chroma = "400" if flags >> 4 & 1 else {0: "444", 2: "422", 3: "420"}.get(flags >> 2 & 3, "444")
    elif kind == b"hvcC":
        bits, chroma = 8 + (config[17] & 7), {0: "400", 1: "420", 2: "422", 3: "444"}[config[16] & 3]
    nclx = None
    for kind, content in own:
        if kind == b"colr" and content[:4] == b"nclx" and len(content) >= 11:
            nclx = (*struct.unpack(">HHH", content[4:10]), content[10] >> 7)
    kept = b"".join(_box(kind, content) for kind, content in own if kind in KEPT)
    return Coding(bits, chroma, nclx, kept, meta.others())


def nclx_of(metadata: Metadata) -> tuple[int, int, int, int]:
    """Return the colour numbers for a file with this metadata. The encoder decides about the matrix."""
    own = metadata.coding if isinstance(metadata.coding, Coding) else None
    if own and own.nclx:
        return own.nclx
    if metadata.cicp:
        return (*metadata.cicp, 9 if metadata.cicp[0] == 9 else SRGB[2], 1)
    return SRGB


def brightness(properties: bytes) -> tuple[bytes, bytes]:
    """Convert the boxes clli and mdcv to the content of PNG's cLLI and mDCV. Empty: the box is absent."""
    found = dict(_list(properties))
    light = b"".join(
        struct.pack(">I", 10_000 * value) for value in struct.unpack(">HH", found.get(b"clli", b"")[:4] or bytes(4))
    )
    screen = found.get(b"mdcv", b"")  # green, blue, red; PNG has them as red, green, blue
    return light if b"clli" in found else b"", screen[8:12] + screen[:8] + screen[12:24]


def picture_bytes(data: Data) -> int:
    """Count the bytes of the colours of the main picture. 0: unknown."""
    try:
        meta = _meta(data)
        parts = {meta.primary}  # a grid, and the tiles that it is made of
        parts |= {to for kind, source, found in meta.references if kind == b"dimg" and source in parts for to in found}
        return sum(length for item in meta.items() if item.number in parts for _, length in item.extents)
    except (ValueError, IndexError, struct.error):
        return 0


def completed(
    data: bytes, *, exif: bytes = b"", xmp: bytes = b"", icc: bytes = b"", properties: bytes = b"", orientation: int = 1
) -> bytes:
    """Add metadata to a file of one picture that has none.

    Raises:
        ValueError: its encoder stores pictures in an unknown way.
    """
    meta = _meta(data)
    added = [_box(kind, data_) for kind, data_ in _list(properties)]
    if icc:
        added.append(_box(b"colr", b"prof" + icc))
    turn, mirror = TURNS[orientation]
    essential = len(added)
    if turn:
        added.append(_box(b"irot", bytes([turn])))
    if mirror is not None:
        added.append(_box(b"imir", bytes([mirror])))
    items: list[tuple[bytes, bytes]] = []  # what the item is, and its bytes
    if exif:  # before it, how many bytes come before TIFF's header
        items.append((b"Exif\0", struct.pack(">I", 6) + b"Exif\0\0" + exif))
    if xmp:
        items.append((b"mime\0" + XMP_TYPE + b"\0", xmp))
    return meta.grown(data, added, essential, items)


TURNS: dict[int, tuple[int, int | None]] = {
    1: (0, None), 2: (0, 1), 3: (2, None), 4: (0, 0), 5: (1, 0), 6: (3, None), 7: (3, 0), 8: (1, None),
}  # fmt: skip
"""Of EXIF's orientations: quarter turns to the left (irot), then a mirror (imir; 0: top and bottom change, 1: left and
right)."""


def put_properties(data: bytes, properties: bytes) -> bytes:
    """Add boxes to the properties of the main picture. Raises `ValueError` as `completed` does."""
    added = [_box(kind, content) for kind, content in _list(properties)]
    return _meta(data).grown(data, added, len(added), []) if added else data


def largest_picture(data: Data) -> tuple[int, int, bool]:
    """Width and height of the largest picture that an AVIF or HEIC file states, and whether one has more than 8 bits."""
    properties = _meta(data).properties
    sizes = [
        (int.from_bytes(said[4:8], "big"), int.from_bytes(said[8:12], "big")) for kind, said in properties if kind == b"ispe"
    ]
    is_deep = any(kind == b"pixi" and max(said[5:], default=8) > 8 for kind, said in properties)
    return (*max(sizes, key=math.prod, default=(0, 0)), is_deep)


def boxes(data: Data, place: int, end: int) -> Iterator[Box]:
    """The boxes that lie between two places, one after the other."""
    while place + 8 <= end:
        size, kind, head = int.from_bytes(data[place : place + 4], "big"), bytes(data[place + 4 : place + 8]), 8
        if size == 1:
            size, head = int.from_bytes(data[place + 8 : place + 16], "big"), 16
        size = max(size or end - place, head)
        yield kind, place + head, place + size
        place += size


def _list(data: Data, place: int = 0) -> list[tuple[bytes, bytes]]:
    return [(kind, bytes(data[start:end])) for kind, start, end in boxes(data, place, len(data))]


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content) + 8) + kind + content


class _Reader:
    """Numbers one after the other."""

    def __init__(self, data: bytes, place: int = 0) -> None:
        self.data, self.place = data, place

    def number(self, width: int) -> int:
        part = self.data[self.place : self.place + width]
        if len(part) < width:
            raise ValueError("a box ends too early")
        self.place += width
        return int.from_bytes(part, "big")


@dataclass
class _Item:
    number: int
    method: int
    """How its place is told: 0: in the file; 1: in the meta box itself."""
    extents: list[tuple[int, int]] = field(default_factory=list)
    """Place and length."""


@dataclass
class _Meta:
    """The box that says what pictures a file holds."""

    start: int
    end: int
    """Of the whole box in the file."""
    children: list[tuple[bytes, bytes]]

    def child(self, kind: bytes) -> bytes:
        return next((content for found, content in self.children if found == kind), b"")

    @property
    def primary(self) -> int:
        content = self.child(b"pitm")
        return _Reader(content, 4).number(2 if content[:1] == b"\0" else 4)

    @property
    def properties(self) -> list[tuple[bytes, bytes]]:
        return next((_list(content) for kind, content in _list(self.child(b"iprp")) if kind == b"ipco"), [])

    @property
    def associations(self) -> dict[int, list[tuple[bool, int]]]:
        """Of each item its properties: if a reader must know it, and its number from 1."""
        made: dict[int, list[tuple[bool, int]]] = {}
        for kind, content in _list(self.child(b"iprp")):
            if kind != b"ipma":
                continue
            reader = _Reader(content, 4)
            wide, large = content[0] > 0, bool(content[3] & 1)
            for _ in range(reader.number(4)):
                found = made.setdefault(reader.number(4 if wide else 2), [])
                for _ in range(reader.number(1)):
                    value = reader.number(2 if large else 1)
                    top = 0x8000 if large else 0x80
                    found.append((bool(value & top), value & (top - 1)))
        return made

    def properties_of(self, item: int) -> list[tuple[bytes, bytes]]:
        every = self.properties
        return [every[number - 1] for _, number in self.associations.get(item, []) if 0 < number <= len(every)]

    @property
    def kinds(self) -> dict[int, bytes]:
        """What each item is: hvc1, av01, grid, Exif, mime …"""
        content = self.child(b"iinf")
        made = {}
        for kind, entry in _list(content, 6 if content[:1] == b"\0" else 8):
            if kind == b"infe":
                wide = entry[0] >= 3
                made[int.from_bytes(entry[4 : 8 if wide else 6], "big")] = entry[10 if wide else 8 :][:4]
        return made

    @property
    def references(self) -> list[tuple[bytes, int, list[int]]]:
        """Kind of each reference, from which item, and to which."""
        content = self.child(b"iref")
        width = 2 if content[:1] == b"\0" else 4
        made = []
        for kind, entry in _list(content, 4):
            reader = _Reader(entry)
            source = reader.number(width)
            made.append((kind, source, [reader.number(width) for _ in range(reader.number(2))]))
        return made

    def others(self) -> tuple[str, ...]:
        """What other pictures the file holds, but for thumbnails, which would show the noise: depth, gain maps and the
        like."""
        found: dict[str, None] = {}
        for kind, source, _ in self.references:
            if kind == b"auxl":
                says = b"".join(content for name, content in self.properties_of(source) if name == b"auxC").lower()
                for words, name in AUXILIARY.items():
                    if words in says:
                        if name:
                            found[name] = None
                        break
                else:
                    found["an auxiliary picture"] = None
        if b"tmap" in self.kinds.values():
            found["a gain map"] = None
        if count := len(self._pictures_beside()):
            found["another picture" if count == 1 else f"{count} other pictures"] = None
        return tuple(found)

    def _pictures_beside(self) -> list[int]:
        """Items that are pictures of their own beside the main one, as in collections: no tiles, no thumbnails."""
        parts = {to for kind, _, found in self.references if kind == b"dimg" for to in found}
        helpers = {source for kind, source, _ in self.references if kind in (b"auxl", b"thmb")}
        own = {number for number, kind in self.kinds.items() if kind in PICTURES}
        return sorted(own - parts - helpers - {self.primary})

    def items(self) -> list[_Item]:
        content = self.child(b"iloc")
        if not content:
            raise ValueError("it does not say where its pictures are")
        version = content[0]
        offset, length = content[4] >> 4, content[4] & 15
        base_width, index = content[5] >> 4, content[5] & 15 if version else 0
        reader, wide = _Reader(content, 6), 4 if version == 2 else 2
        made = []
        for _ in range(reader.number(wide)):
            item = _Item(reader.number(wide), reader.number(2) & 15 if version else 0)
            reader.number(2)
            base = reader.number(base_width)
            for _ in range(reader.number(2)):
                reader.number(index)
                item.extents.append((base + reader.number(offset), reader.number(length)))
            made.append(item)
        return made

    def grown(self, data: bytes, added: Sequence[bytes], essential: int, new: Sequence[tuple[bytes, bytes]]) -> bytes:
        """The file with properties of the main picture, from `essential` on such as readers must know, and with items
        of its own."""
        items, primary, version = self.items(), self.primary, self.child(b"iinf")[:1]
        if version != b"\0" or any(item.number > 65000 for item in items):
            raise ValueError("its encoder stores pictures in an unknown way")
        first = max(item.number for item in items) + 1
        numbers = list(range(first, first + len(new)))
        items += [_Item(number, 0, [(0, len(content))]) for number, (_, content) in zip(numbers, new, strict=True)]
        count = len(self.properties)
        made = []
        for kind, content in [*self.children, *([] if self.child(b"iref") or not new else [(b"iref", bytes(4))])]:
            if kind == b"iinf":
                content = content[:4] + struct.pack(">H", int.from_bytes(content[4:6], "big") + len(new)) + content[6:]
                for number, (what, _) in zip(numbers, new, strict=True):
                    content += _box(b"infe", b"\2\0\0\0" + struct.pack(">HH", number, 0) + what)
            elif kind == b"iref":
                content += b"".join(_box(b"cdsc", struct.pack(">HHH", number, 1, primary)) for number in numbers)
            elif kind == b"iprp" and added:
                inside = {name: part for name, part in _list(content) if name != b"ipma"}
                inside[b"ipco"] += b"".join(added)
                associations = self.associations
                associations.setdefault(primary, []).extend((i >= essential, count + 1 + i) for i in range(len(added)))
                inside[b"ipma"] = _ipma(associations)
                content = b"".join(_box(name, part) for name, part in inside.items())
            made.append((kind, content))
        size = 12 + sum(8 + (len(_iloc(items)) if kind == b"iloc" else len(content)) for kind, content in made)
        growth = size - (self.end - self.start)
        place = len(data) + growth + 8  # behind the old end, in a box of media
        for item in items:
            if item.number in numbers:
                item.extents = [(place, item.extents[0][1])]
                place += item.extents[0][1]
            elif item.method == 0:
                item.extents = [(at + growth if at >= self.end else at, length) for at, length in item.extents]
        body = b"".join(_box(kind, _iloc(items) if kind == b"iloc" else content) for kind, content in made)
        whole = _box(b"meta", data[self.start + 8 : self.start + 12] + body)
        tail = _box(b"mdat", b"".join(content for _, content in new)) if new else b""
        return data[: self.start] + whole + data[self.end :] + tail


PICTURES = (b"hvc1", b"hev1", b"av01", b"avc1", b"jpeg", b"j2k1", b"unci", b"grid", b"iovl", b"iden")
"""Kinds of items that show a picture."""

AUXILIARY = {
    b"alpha": "",
    b"auxid:1": "",
    b"auxid:2": "a depth map",
    b"depth": "a depth map",
    b"disparity": "a depth map",
    b"gainmap": "a gain map",
    b"matte": "a matte",
}
"""Words in the type of an auxiliary picture, and what it is; alpha is read with the picture."""


def _ipma(associations: dict[int, list[tuple[bool, int]]]) -> bytes:
    made = b"\0\0\0\1" + struct.pack(">I", len(associations))
    for item, found in sorted(associations.items()):
        made += struct.pack(">HB", item, len(found))
        made += b"".join(struct.pack(">H", (0x8000 if must else 0) | number) for must, number in found)
    return made


def _iloc(items: Sequence[_Item]) -> bytes:
    made = b"\1\0\0\0\x44\0" + struct.pack(">H", len(items))
    for item in items:
        made += struct.pack(">HHHH", item.number, item.method, 0, len(item.extents))
        made += b"".join(struct.pack(">II", at, length) for at, length in item.extents)
    return made


def _meta(data: Data) -> _Meta:
    for kind, start, end in boxes(data, 0, len(data)):
        if kind == b"meta":
            if end > len(data) or data[start - 4 : start] != b"meta":
                break
            return _Meta(start - 8, end, _list(bytes(data[start:end]), 4))
    raise ValueError("it has no box that says what it holds")
