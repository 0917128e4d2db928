"""Photoshop's PSD and PSB, flattened: the merged picture is read and written, and layers stay behind.

Resources (EXIF, XMP, profile, IPTC, resolution, guides …) stay byte by byte, but for thumbnails. Source: Adobe
Photoshop File Formats Specification, 2019.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from unnoise.errors import UsageError
from unnoise.images.palette import indexed
from unnoise.images.picture import Layout, Metadata, Pixels
from unnoise.images.picture_formats import base
from unnoise.images.picture_formats.base import Opened

BITMAP, GREY, PALETTE, RGB, CMYK, MULTICHANNEL, DUOTONE, LAB = 0, 1, 2, 3, 4, 7, 8, 9
COLORS: dict[int, tuple[Any, int]] = {
    BITMAP: ("grey", 1), GREY: ("grey", 1), DUOTONE: ("grey", 1), PALETTE: ("rgb", 1), RGB: ("rgb", 3), CMYK: ("cmyk", 4),
    MULTICHANNEL: ("channels", 0),
}  # fmt: skip
"""Mode → what its channels are, and how many of them are colors."""

RESOLUTION, VERSION, EXIF, XMP, ICC = 1005, 1057, 1058, 1060, 1039
THUMBNAILS = (1033, 1036)
TRANSPARENT_INDEX, LAYERS_STATE, LAYERS_GROUPS, LAYER_IDS, GROUPS_ENABLED = 1047, 1024, 1026, 1069, 1072
OF_LAYERS = (LAYERS_STATE, LAYERS_GROUPS, LAYER_IDS, GROUPS_ENABLED)
HEADER_BYTES = 26
FIXED_POINT = 65536
MILLIMETRES_PER_INCH = 25.4
MOST_EXPANSION = 64
"""Bytes that one byte of runs can become."""


@dataclass(frozen=True)
class Coding:
    """All of a Photoshop file but its pixels and layers."""

    version: int = 1
    """1: PSD; 2: PSB, which may be larger."""
    mode: int = RGB
    bits: int = 8
    table: bytes = b""
    """The colors of a palette, or how a duotone is printed."""
    resources: bytes = b""
    transparent: bool = False
    """Whether the first channel beyond the colors is transparency, and not merely a saved selection."""


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data, self.place = data, HEADER_BYTES

    def block(self, code: str = ">I") -> bytes:
        """What follows its own length. ValueError: it leads out of the data."""
        size = struct.calcsize(code)
        (count,) = struct.unpack(code, self.data[self.place : self.place + size].ljust(size, b"\xff"))
        start = self.place + size
        self.place = start + count
        if self.place > len(self.data):
            raise ValueError("it ends before its pixels")
        return self.data[start : self.place]


def open_file(path: Path) -> Opened:
    """UsageError: Lab colors, or no merged picture. ValueError: it is damaged."""
    data = path.read_bytes()
    version, channels, height, width, bits, mode = struct.unpack(">4xH6xHIIHH", data[:HEADER_BYTES])
    if version not in (1, 2) or bits not in (1, 8, 16, 32) or not 0 < channels <= 56 or not height or not width:
        raise ValueError("its header is none of Photoshop's")
    if mode not in COLORS:
        what = "Lab colors" if mode == LAB else f"colors of mode {mode}"
        raise UsageError(f"{path} has {what}, which are neither gray, RGB nor CMYK; convert it to RGB.")
    reader = _Reader(data)
    table, resources = reader.block(), reader.block()
    layers = reader.block(">I" if version == 1 else ">Q")
    found = {number: content for number, content, _ in _resources(resources)}
    if layers and len(found.get(VERSION, b"")) > 4 and not found[VERSION][4]:
        raise UsageError(f"{path} holds layers but no merged picture; save it with maximal compatibility.")
    planes = _planes(data[reader.place :], version, channels, height, width, bits)
    count, transparent = _layer_count(layers, version)
    coding = Coding(version, mode, bits, table, resources, transparent)
    pixels, layout = _colors(planes, coding, found)
    metadata = Metadata(
        found.get(EXIF, b""),
        found.get(XMP, b""),
        found.get(ICC, b""),
        _iptc(resources),
        _resolution(found),
        coding,
        left_behind=("its layers",) if count else (),
    )
    return Opened.of(pixels, layout, metadata)


def _resources(block: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Number, content, and the whole, of each image resource."""
    place = 0
    while place + 12 <= len(block):
        number, name = struct.unpack(">HB", block[place + 4 : place + 7])
        start = place + 6 + 1 + name + (name + 1) % 2
        if start + 4 > len(block):
            return
        size = int.from_bytes(block[start : start + 4], "big")
        end = start + 4 + size + size % 2
        yield number, block[start + 4 : start + 4 + size], block[place:end]
        place = end


def _iptc(resources: bytes) -> bytes:
    """The resources as JPEG and TIFF hold them, without what other fields of the metadata hold."""
    others = (EXIF, XMP, ICC, RESOLUTION, VERSION, *THUMBNAILS, *OF_LAYERS)
    return b"".join(whole for number, _, whole in _resources(resources) if number == 1028 and number not in others)


def _resolution(found: dict[int, bytes]) -> tuple[float, float] | None:
    content = found.get(RESOLUTION, b"")
    if len(content) < 16:
        return None
    across, down = (int.from_bytes(content[at : at + 4], "big") / FIXED_POINT for at in (0, 8))
    return (across / MILLIMETRES_PER_INCH, down / MILLIMETRES_PER_INCH) if across and down else None


def _layer_count(layers: bytes, version: int) -> tuple[int, bool]:
    """How many layers there are, and whether the first extra channel of the merged picture is its transparency."""
    head = 4 if version == 1 else 8
    size = int.from_bytes(layers[:head], "big")
    if size >= 2:
        count = int.from_bytes(layers[head : head + 2], "big", signed=True)
        return abs(count), count < 0
    place = head + size  # 16 and 32 bits: behind, under a key of their own
    for key in (b"Lr16", b"Lr32", b"Layr"):
        at = layers.find(b"8BIM" + key, place)
        if at >= 0:
            start = at + 8 + (4 if version == 1 else 8)
            count = int.from_bytes(layers[start : start + 2], "big", signed=True)
            return abs(count), count < 0
    return 0, b"8BIMMt16" in layers or b"8BIMMt32" in layers or b"8BIMMtrn" in layers


def _planes(data: bytes, version: int, channels: int, height: int, width: int, bits: int) -> Pixels:
    """The merged picture, (C, H, W). ValueError: it is cut short."""
    import imagecodecs

    kind, body = int.from_bytes(data[:2], "big"), data[2:]
    row = -(-width * bits // 8)
    whole = channels * height * row
    if kind == 1:
        size = 2 * version
        lengths = np.frombuffer(body[: channels * height * size], f">u{size}").astype(np.int64)
        if len(lengths) < channels * height or len(body) < channels * height * size + int(lengths.sum()):
            raise ValueError("it ends before its last pixel")
        ends = np.cumsum(lengths) + channels * height * size
        if row > MOST_EXPANSION * int(lengths.min()):
            raise ValueError("a row ends before its last pixel")
        rows = [bytes(imagecodecs.packbits_decode(body[end - length : end])) for end, length in zip(ends, lengths, strict=True)]
        if any(len(part) < row for part in rows):
            raise ValueError("a row ends before its last pixel")
        raw = b"".join(part[:row] for part in rows)
    elif kind in (2, 3):
        raw = zlib.decompressobj().decompress(body, whole + 1)  # a few kB can hold gigabytes
    elif kind == 0:
        raw = body[:whole]
    else:
        raise ValueError(f"its pixels are packed in an unknown way ({kind})")
    if len(raw) < whole:
        raise ValueError("it ends before its last pixel")
    if bits == 1:
        packed = np.frombuffer(raw[:whole], np.uint8).reshape(channels, height, row)
        return np.where(np.unpackbits(packed, axis=-1)[..., :width], 0, 255).astype(np.uint8)  # 1 is black
    stored = np.frombuffer(raw[:whole], {8: "u1", 16: ">u2", 32: ">f4"}[bits]).reshape(channels, height, width)
    if kind == 3:
        raise ValueError("its pixels are stored as differences, which no merged picture is")
    return stored.astype({8: np.uint8, 16: np.uint16, 32: np.float32}[bits])


def _colors(planes: Pixels, own: Coding, found: dict[int, bytes]) -> tuple[Pixels, Layout]:
    """The picture (H, W[, C]). Channels beyond the colors that are no transparency are mere channels."""
    kind, count = COLORS[own.mode]
    if own.mode == PALETTE:
        colors = np.frombuffer(own.table[:768].ljust(768, b"\0"), np.uint8).reshape(3, 256).T
        pixels = colors[planes[0]]
        return pixels, Layout("rgb")
    if kind == "cmyk":
        planes = np.concatenate([np.iinfo(planes.dtype).max - planes[:4], planes[4:]])  # Photoshop stores 0 for full ink
    pixels = np.moveaxis(planes, 0, -1)
    extra = planes.shape[0] - count
    if planes.shape[0] == 1:
        return pixels[..., 0], Layout(kind)
    if kind == "channels" or extra > 1 or (extra == 1 and not own.transparent):
        return pixels, Layout("channels")
    return pixels, Layout(kind, extra)


class Writer(base.Writer):
    """A flattened file, packed in runs."""

    def add(self, pixels: Pixels, layout: Layout, metadata: Metadata) -> None:
        own = metadata.coding if isinstance(metadata.coding, Coding) else _made(layout, metadata)
        mode, bits, table = own.mode, 8 * pixels.dtype.itemsize, own.table
        if mode == PALETTE:
            numbers, colors = indexed(pixels, 256) or (None, None)
            if numbers is None or colors is None:
                raise ValueError("a palette holds no such colors")
            table = np.pad(colors, ((0, 256 - len(colors)), (0, 0))).T.tobytes() + own.table[768:]
            planes = numbers[None]
        else:
            planes = np.moveaxis(pixels, -1, 0) if pixels.ndim == 3 else pixels[None]
        if mode == CMYK:
            planes = np.concatenate([np.iinfo(planes.dtype).max - planes[:4], planes[4:]])
        if mode == BITMAP:
            planes, bits = np.packbits(planes < 128, axis=-1), 1
        head = struct.pack(
            ">4sH6xHIIHH", b"8BPS", own.version, planes.shape[0], pixels.shape[0], pixels.shape[1], bits, mode
        )  # fmt: skip
        resources = b"".join(
            whole for number, _, whole in _resources(own.resources) if number not in (*THUMBNAILS, *OF_LAYERS, VERSION)
        )
        layers = _no_layers(own.transparent, bits)
        size = ">I" if own.version == 1 else ">Q"
        with self.path.open("wb") as file:
            file.write(head + _block(table) + _block(resources) + struct.pack(size, len(layers)) + layers)
            file.write(_packed(planes.astype(planes.dtype.newbyteorder(">")), own.version))


def _block(content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + content


def _no_layers(transparent: bool, bits: int) -> bytes:
    """What says that the extra channel is transparency although there are no layers."""
    if not transparent:
        return b""
    key = {16: b"Mt16", 32: b"Mt32"}.get(bits, b"Mtrn")
    return struct.pack(">II", 0, 0) + b"8BIM" + key + struct.pack(">I", 0)


def _packed(planes: Pixels, version: int) -> bytes:
    """Rows in runs; as they are where runs would be longer than their length can say."""
    import imagecodecs

    rows = [bytes(imagecodecs.packbits_encode(row.tobytes())) for plane in planes for row in plane]
    if version == 1 and max(map(len, rows)) > 65535:
        return b"\0\0" + planes.tobytes()
    return b"\0\1" + np.array([len(row) for row in rows], f">u{2 * version}").tobytes() + b"".join(rows)


def _made(layout: Layout, metadata: Metadata) -> Coding:
    """For a picture from another format."""
    mode = {"grey": GREY, "rgb": RGB, "cmyk": CMYK, "channels": MULTICHANNEL}[layout.colours]
    parts = {EXIF: metadata.exif, XMP: metadata.xmp, ICC: metadata.icc}
    if metadata.resolution:
        across, down = (round(value * MILLIMETRES_PER_INCH * FIXED_POINT) for value in metadata.resolution)
        parts[RESOLUTION] = struct.pack(">IHHIHH", across, 1, 1, down, 1, 1)
    resources = b"".join(
        b"8BIM" + struct.pack(">HHI", number, 0, len(content)) + content + b"\0" * (len(content) % 2)
        for number, content in parts.items()
        if content
    )
    return Coding(1, mode, 8, b"", resources + metadata.iptc, bool(layout.alpha))
