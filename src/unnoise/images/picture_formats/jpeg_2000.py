"""JPEG 2000 (.jp2, .j2k …) by imagecodecs; its boxes are read and written here.

Profile, resolution, EXIF, XMP, IPTC and other boxes stay. A reversible file comes back reversible, another one about
as large as it was.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unnoise.errors import UsageError
from unnoise.images.formats import JP2
from unnoise.images.picture import Layout, Metadata, Pixels
from unnoise.images.picture_formats import base
from unnoise.images.picture_formats.base import Opened
from unnoise.images.picture_formats.boxes import box, boxes
from unnoise.images.pixels import narrowed, stretched
from unnoise.images.quality_match import Sample, sample_of
from unnoise.images.scratch import Scratch

SIGNATURE = box(b"jP  ", b"\r\n\x87\n")
BRAND = box(b"ftyp", b"jp2 \0\0\0\0jp2 ")
CODESTREAM = b"\xff\x4f\xff\x51"
EXIF_UUID, XMP_UUID, IPTC_UUID = (
    b"JpgTiffExif->JP2",
    bytes.fromhex("be7acfcb97a942e89c71999491e3afac"),
    bytes.fromhex("33c7a4d2b81d4723a0baf1a3e097ad38"),
)
COD, SOT = 0xFF52, 0xFF90
REVERSIBLE = 1
SRGB, GREY, YCC, CMYK = 16, 17, 18, 12
RESOLUTION_OF_CAPTURE = b"resc"
DB_OF_QUALITY_0, DB_PER_QUALITY = 20.0, 0.4
"""What `--quality` means: 0 is 20 dB, 100 is 60 dB of PSNR, the scale by which OpenJPEG encodes."""


@dataclass(frozen=True)
class Coding:
    """The encoding of a JPEG 2000 file."""

    bits: int = 8
    reversible: bool = True
    boxed: bool = True
    """False: a bare codestream."""
    extra: bytes = b""
    """Boxes behind the header that are kept as they are."""
    header: bytes = b""
    """Boxes of the header that are kept: colors and resolution."""


def open_file(path: Path) -> Opened:
    """UsageError: signed samples, or samples of several sizes. ValueError and errors of imagecodecs: it is damaged."""
    import imagecodecs

    data = path.read_bytes()
    boxed = not data.startswith(CODESTREAM)
    parts = list(boxes(data)) if boxed else []
    streams = [content for kind, content, _ in parts if kind == b"jp2c"] if boxed else [data]
    if len(streams) != 1:
        raise UsageError(f"{path} holds {len(streams)} pictures, which are not supported; save them as single files.")
    signed, bits = _samples(streams[0])
    if signed or len(bits) > 1:
        what = "signed samples" if signed else f"samples of {', '.join(map(str, sorted(bits)))} bits beside each other"
        raise UsageError(f"{path} has {what}, which are not supported; convert it to TIFF.")
    if not streams[0].rstrip(b"\0").endswith(b"\xff\xd9"):
        raise ValueError("it ends before its last pixel")
    header = list(boxes(next((content for kind, content, _ in parts if kind == b"jp2h"), b"")))
    depth = bits.pop()
    if depth > 16:
        raise UsageError(f"{path} has samples of {depth} bits, which are not supported; convert it to TIFF.")
    pixels = np.asarray(imagecodecs.jpeg2k_decode(data))
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[..., 0]
    if depth < 8 * pixels.itemsize:
        pixels = stretched(pixels, depth)
    layout, kept = _layout(pixels, header), b""
    for kind, content, whole in header:
        if (kind == b"colr" and not (content[0] == 1 and int.from_bytes(content[3:7], "big") == YCC)) or kind == b"res ":
            kept += whole
    extra = b"".join(whole for kind, _, whole in parts if kind in (b"uuid", b"xml ", b"uinf"))
    odd = sorted(
        {kind.decode("latin-1") for kind, _, _ in parts} - {"jP  ", "ftyp", "jp2h", "jp2c", "uuid", "xml ", "uinf", "free"}
    )
    coding = Coding(depth, _is_reversible(streams[0]), boxed, extra, kept)
    uuids = {content[:16]: content[16:] for kind, content, _ in parts if kind == b"uuid"}
    exif = uuids.get(EXIF_UUID, b"").removeprefix(b"Exif\0\0")
    iptc = uuids.get(IPTC_UUID, b"")
    icc = next((content[3:] for kind, content, _ in header if kind == b"colr" and content[0] == 2), b"")
    sample = None if coding.reversible else sample_of(Scratch.of(pixels), layout, JP2, len(streams[0]))
    metadata = Metadata(
        exif,
        uuids.get(XMP_UUID, b""),
        icc,
        b"8BIM" + struct.pack(">HHI", 1028, 0, len(iptc)) + iptc + b"\0" * (len(iptc) % 2) if iptc else b"",
        _resolution(header),
        coding,
        left_behind=(f"its boxes {', '.join(odd)}",) if odd else (),
        sample=sample,
    )
    return Opened.of(pixels, layout, metadata)


def _samples(stream: bytes) -> tuple[bool, set[int]]:
    """Whether any is signed, and their bits. ValueError: there is no such header."""
    if not stream.startswith(CODESTREAM) or len(stream) < 45:
        raise ValueError("its codestream does not begin as it should")
    count = int.from_bytes(stream[40:42], "big")
    sizes = stream[42 : 42 + 3 * count : 3]
    if len(sizes) < count or not count:
        raise ValueError("it ends within its header")
    return any(size & 0x80 for size in sizes), {(size & 0x7F) + 1 for size in sizes}


def _is_reversible(stream: bytes) -> bool:
    """Whether the wavelet is the one of whole numbers, which loses nothing."""
    place = 2
    while place + 4 <= len(stream):
        marker, length = struct.unpack(">HH", stream[place : place + 4])
        if marker == COD:
            return stream[place + 13] == REVERSIBLE
        if marker == SOT:
            break
        place += 2 + length
    return False


def _layout(pixels: Pixels, header: list[tuple[bytes, bytes, bytes]]) -> Layout:
    """By the channel definitions, where there are any."""
    count = pixels.shape[2] if pixels.ndim == 3 else 1
    defined = next((content for kind, content, _ in header if kind == b"cdef"), b"")
    kinds = [int.from_bytes(defined[at + 2 : at + 4], "big") for at in range(2, len(defined) - 5, 6)]
    space = next((int.from_bytes(c[3:7], "big") for kind, c, _ in header if kind == b"colr" and c[0] == 1), 0)
    if space == CMYK:
        return Layout("cmyk", int(count > 4))
    if kinds and count in (2, 4) and 1 not in kinds and 2 not in kinds:
        return Layout("channels")
    return Layout.of(pixels.shape)


def _resolution(header: list[tuple[bytes, bytes, bytes]]) -> tuple[float, float] | None:
    for kind, content, _ in header:
        if kind == b"res ":
            for _, said, _ in boxes(content):
                above_y, below_y, above_x, below_x, power_y, power_x = struct.unpack(">HHHHbb", said[:10])
                if below_x and below_y and above_x and above_y:
                    return above_x / below_x * 10.0**power_x / 1000, above_y / below_y * 10.0**power_y / 1000
    return None


class Writer(base.Writer):
    """A JPEG 2000 file as the source was; of other sources a reversible one, unless a quality is asked for."""

    def add(self, pixels: Pixels, layout: Layout, metadata: Metadata) -> None:
        own = metadata.coding if isinstance(metadata.coding, Coding) else None
        bits = own.bits if own and (own.bits > 8) == (pixels.dtype == np.uint16) else 8 * pixels.itemsize
        quality, sample = self.quality, metadata.sample
        if quality is None and self.lossless is None and isinstance(sample, Sample) and sample.form is JP2:
            quality = sample.quality(lambda part, _, level: len(_stream(part, bits, level)))
        stream = _stream(pixels, bits, quality)
        boxed = own.boxed if own else self.path.suffix.lower() not in (".j2k", ".j2c", ".jpc")
        if not boxed:
            self.path.write_bytes(stream)
            return
        height, width = pixels.shape[:2]
        count = pixels.shape[2] if pixels.ndim == 3 else 1
        header = box(b"ihdr", struct.pack(">IIHBBBB", height, width, count, bits - 1, 7, 0, 0))
        header += (own.header if own else b"") or _said(layout, metadata)
        if b"colr" not in header:
            header += _color(layout, metadata)
        if layout.alpha:
            colors = count - layout.alpha
            rows = [(i, 0, i + 1) for i in range(colors)] + [(i, 1, 0) for i in range(colors, count)]
            header += box(b"cdef", struct.pack(">H", count) + b"".join(struct.pack(">HHH", *row) for row in rows))
        extra = own.extra if own else _extra(metadata)
        self.path.write_bytes(SIGNATURE + BRAND + box(b"jp2h", header) + extra + box(b"jp2c", stream))


def _stream(pixels: Pixels, bits: int, quality: int | None) -> bytes:
    """A codestream; `quality` None: nothing is lost."""
    import imagecodecs

    stored = np.ascontiguousarray(narrowed(pixels, bits) if bits < 8 * pixels.itemsize else pixels)
    options = {"reversible": True} if quality is None else {"level": round(DB_OF_QUALITY_0 + DB_PER_QUALITY * quality)}
    return bytes(imagecodecs.jpeg2k_encode(stored, codecformat="j2k", bitspersample=bits, **options))


def _color(layout: Layout, metadata: Metadata) -> bytes:
    if metadata.icc:
        return box(b"colr", b"\2\0\0" + metadata.icc)
    space = {"grey": GREY, "cmyk": CMYK}.get(layout.colours, SRGB)
    return box(b"colr", b"\1\0\0" + struct.pack(">I", space))


def _said(layout: Layout, metadata: Metadata) -> bytes:
    """Colors and resolution of a picture from another format."""
    made = _color(layout, metadata)
    if metadata.resolution:
        across, down = (min(65535, round(1000 * value)) for value in metadata.resolution)
        made += box(b"res ", box(RESOLUTION_OF_CAPTURE, struct.pack(">HHHHbb", down, 1, across, 1, 0, 0)))
    return made


def _extra(metadata: Metadata) -> bytes:
    parts = {EXIF_UUID: metadata.exif, XMP_UUID: metadata.xmp}
    return b"".join(box(b"uuid", name + content) for name, content in parts.items() if content)
