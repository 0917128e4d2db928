"""JPEG XL by imagecodecs; its boxes and the description of its colors are read and written here.

A lossy file comes back about as large as it was, one without loss without. A lossy file in other colors than sRGB comes
back without loss, since its encoder takes sRGB alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from unnoise.errors import UsageError
from unnoise.images import alpha, jpeg_trailer, vips
from unnoise.images.formats import JXL
from unnoise.images.picture import Layout, Metadata, Pixels
from unnoise.images.picture_formats import base, jpeg_xl_header
from unnoise.images.picture_formats.base import Opened
from unnoise.images.picture_formats.boxes import box, boxes
from unnoise.images.picture_formats.jpeg_xl_header import GREY_SPACE, RGB_SPACE, SRGB_BITS, Header
from unnoise.images.picture_formats.jpeg_xl_profile import profile_within, with_profile
from unnoise.images.pixels import narrowed, stretched
from unnoise.images.quality_match import Sample, sample_of
from unnoise.images.scratch import Scratch
from unnoise.images.tags import upright

CODESTREAM = b"\xff\x0a"
SIGNATURE = box(b"JXL ", b"\r\n\x87\n")
BRAND = box(b"ftyp", b"jxl \0\0\0\0jxl ")
KNOWN = {b"JXL ", b"ftyp", b"jxll", b"jxli", b"jxlc", b"jxlp", b"Exif", b"xml ", b"brob", b"jbrd", b"free", b"skip"}
QUALITY = 90


@dataclass(frozen=True)
class Coding:
    """The encoding of a JPEG XL file."""

    bits: int = 8
    colors: str = SRGB_BITS
    """How the codestream describes them, as `jpeg_xl_header` has them."""
    lossy: bool = False
    boxed: bool = True
    has_profile: bool = False
    """Whether an ICC profile lies in the codestream, in place of such a description."""


def open_file(path: Path) -> Opened:
    """UsageError: channels or profiles that are not supported. ValueError and errors of imagecodecs: it is damaged."""
    import imagecodecs

    data = path.read_bytes()
    parts = [(CODESTREAM, data, data)] if data.startswith(CODESTREAM) else list(boxes(data))
    stream = _stream(parts)
    own = jpeg_xl_header.parse(stream)
    if own.extra or own.alphas > 1:
        what = f"a channel of the kind {own.extra[0]}" if own.extra else f"{own.alphas} channels of transparency"
        raise UsageError(f"{path} has {what}, which is not supported; convert it to TIFF.")
    icc = profile_within(stream, own) if own.icc and not own.lossy else b""
    colors = SRGB_BITS if own.icc else own.colors
    said = dict(_unpacked(parts))
    exif = said.get(b"Exif", b"")
    if exif[:4] not in (b"II*\0", b"MM\0*"):  # some programs leave out the offset before it
        exif = exif[4 + int.from_bytes(exif[:4], "big") :].removeprefix(b"Exif\0\0")
    lossy = own.lossy or b"jbrd" in said
    odd = sorted({kind.decode("latin-1") for kind in said} - {kind.decode() for kind in KNOWN if kind != CODESTREAM})
    coding = Coding(own.bits, colors, lossy, parts[0][0] != CODESTREAM, bool(icc))
    named = jpeg_xl_header.described(colors)
    cicp = None
    if named.get("named") in (1, 9, 11) and named.get("transfer") in (16, 18):
        cicp = {1: 1, 9: 9, 11: 12}[named["named"]], named["transfer"]
    metadata = Metadata(
        upright(exif), said.get(b"xml ", b""), icc or jpeg_xl_header.profile(colors), coding=coding, cicp=cicp,
        left_behind=(f"its boxes {', '.join(odd)}",) if odd else (),
    )  # fmt: skip
    if own.film:
        frames = len(imagecodecs.jpegxl_decode(data))
        return Opened(frames, lambda index: _decoded(data, own, metadata, len(stream), index))
    return Opened(1, lambda _: _decoded(data, own, metadata, len(stream)))


def _stream(parts: list[tuple[bytes, bytes, bytes]]) -> bytes:
    """The codestream, which may lie in several boxes."""
    made = b"".join(
        content if kind in (b"jxlc", CODESTREAM) else content[4:] for kind, content, _ in parts
        if kind in (b"jxlc", b"jxlp", CODESTREAM)
    )  # fmt: skip
    if not made.startswith(CODESTREAM):
        raise ValueError("it holds no codestream")
    return made


def _unpacked(parts: list[tuple[bytes, bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Kind and content of each box but the codestream. ValueError: a packed one is damaged."""
    import imagecodecs

    made = []
    for kind, content, _ in parts:
        if kind == b"brob":
            kind, content = content[:4], bytes(imagecodecs.brotli_decode(content[4:]))
        if kind != CODESTREAM:
            made.append((kind, content))
    return made


def _decoded(
    data: bytes, own: Header, metadata: Metadata, stream_bytes: int, index: int | None = None
) -> tuple[Scratch, Layout, Metadata]:
    import imagecodecs

    pixels = np.asarray(imagecodecs.jpegxl_decode(data, index=index))
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[..., 0]
    if not own.floats and own.bits < 8 * pixels.itemsize:
        pixels = stretched(pixels, own.bits)
    layout = Layout.of(pixels.shape)
    if own.associated and layout.alpha:
        pixels = alpha.straight(pixels)
    stored = Scratch.of(np.ascontiguousarray(pixels))
    lossy = isinstance(metadata.coding, Coding) and metadata.coding.lossy
    if lossy and not own.film and pixels.dtype.kind == "u":
        metadata = Metadata(**{**vars(metadata), "sample": sample_of(stored, layout, JXL, stream_bytes)})
    return stored, layout, metadata


class Writer(base.Writer):
    """A JPEG XL file as the source was; of other sources one without loss, unless a quality is asked for."""

    def add(self, pixels: Pixels, layout: Layout, metadata: Metadata) -> None:
        own = metadata.coding if isinstance(metadata.coding, Coding) else None
        whole = 8 * pixels.itemsize
        bits = own.bits if own and pixels.dtype.kind == "u" and (own.bits > 8) == (whole > 8) else whole
        colors = own.colors if own else SRGB_BITS
        icc = metadata.icc if (own is None or own.has_profile) and not is_srgb(metadata.icc) else b""
        plain = not icc and jpeg_xl_header.described(colors).get("transfer") == 13 and not (own and metadata.icc)
        quality, sample = self.quality, metadata.sample
        if not plain:
            if quality is not None:
                raise ValueError("colors other than sRGB are encoded without loss alone")
            quality = None
        elif quality is None and self.lossless is None and own and own.lossy:
            quality = QUALITY
            if isinstance(sample, Sample) and sample.form is JXL:
                quality = sample.quality(lambda part, _, level: len(_encoded(part, bits, level)))
        stream = _stream_of(_encoded(pixels, bits, quality))
        if icc:
            space = GREY_SPACE if layout.colours == "grey" else RGB_SPACE
            if (icc[16:20] == b"GRAY") != (space == GREY_SPACE):
                raise ValueError("its ICC profile is of other colors than the picture")
            stream = with_profile(stream, jpeg_xl_header.parse(stream), icc, space)
        elif quality is None and not (layout.colours == "grey" and colors == SRGB_BITS):
            stream = jpeg_xl_header.with_colors(stream, colors)
        xmp = jpeg_trailer.without_words(metadata.xmp)
        if own and not own.boxed and not metadata.exif and not xmp and bits <= 12:
            self.path.write_bytes(stream)
            return
        made = SIGNATURE + BRAND + (box(b"jxll", b"\x0a") if bits > 12 else b"")
        if metadata.exif:
            made += box(b"Exif", bytes(4) + metadata.exif)
        if xmp:
            made += box(b"xml ", xmp)
        self.path.write_bytes(made + box(b"jxlc", stream))


def is_srgb(icc: bytes) -> bool:
    """Whether a profile says that it is of sRGB."""
    return b"sRGB" in icc or b"s\0R\0G\0B" in icc or icc == vips.srgb_profile()


def _encoded(pixels: Pixels, bits: int, quality: int | None) -> bytes:
    import imagecodecs

    options: dict[str, Any] = {"lossless": True} if quality is None else {"level": quality, "lossless": False}
    if pixels.dtype.kind == "u":
        pixels = narrowed(pixels, bits) if bits < 8 * pixels.itemsize else pixels
        options["bitspersample"] = bits
    return bytes(imagecodecs.jpegxl_encode(np.ascontiguousarray(pixels), numthreads=1, **options))


def _stream_of(data: bytes) -> bytes:
    return data if data.startswith(CODESTREAM) else _stream(list(boxes(data)))
