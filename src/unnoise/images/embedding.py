"""Embedding metadata in encoded pictures, byte by byte, independent of what the encoder supports."""

from __future__ import annotations

import io
import mmap
import shutil
import struct
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from unnoise.images import avif, bmff, heic, jpeg, jpeg_rare, jpeg_trailer, palette, png, tags, vips, webp
from unnoise.images.formats import AVIF, HEIC, JPEG, PNG, WEBP, Format
from unnoise.images.picture import Layout, Metadata, Pixels
from unnoise.images.quality_match import Sample
from unnoise.images.resolution import tags_of

QUALITY = 95
"""Of AVIF and HEIC where neither the caller nor the source says another."""


def save(
    pixels: Pixels,
    layout: Layout,
    metadata: Metadata,
    form: Format,
    path: Path,
    *,
    quality: int | None = None,
    lossless: bool | None = None,
) -> None:
    """Write a PNG, JPEG, WebP, AVIF or HEIC file. Raises `vips.EncodingError`.

    Args:
        quality: 1..100, for lossy formats. None, with `lossless` None too: as the source, if it has the same format. Else
            JPEG, AVIF and HEIC have quality 95, and WebP is lossless.
    """
    sample = metadata.sample
    if quality is None and lossless is None and isinstance(sample, Sample) and sample.form is form:
        quality = sample.quality(partial(encoded_bytes, metadata, form))
        lossless = quality is None
    if metadata.resolution and form in (WEBP, AVIF, HEIC):
        metadata = _with_resolution(metadata)
    if not isinstance(metadata.coding, jpeg.Coding) or form is not JPEG:
        metadata = replace(metadata, xmp=jpeg_trailer.without_words(metadata.xmp))
    if form is JPEG and isinstance(metadata.coding, jpeg.Coding) and jpeg_rare.is_rare(metadata.coding):
        path.write_bytes(jpeg_rare.encode(pixels, layout, metadata, metadata.coding, quality))
        return
    if form in (AVIF, HEIC):
        encode = avif.encode if form is AVIF else heic.encode
        try:
            path.write_bytes(encode(pixels, layout, metadata, quality or QUALITY, lossless=bool(lossless)))
        except (ValueError, RuntimeError, struct.error) as error:
            raise vips.EncodingError(str(error).partition("\n")[0]) from error
        return
    with tempfile.TemporaryFile(dir=path.parent, prefix=".unnoise-") as bare:
        few = _indexed(pixels, metadata) if form is PNG else None
        if few:
            bare.write(few)
        else:
            vips.encode(pixels, layout, metadata, form, bare, quality)
        bare.flush()
        with path.open("wb") as file, mmap.mmap(bare.fileno(), 0, access=mmap.ACCESS_READ) as encoded:
            if form is WEBP:
                file.write(webp.rebuilt(encoded, metadata))
                return
            header, after = (jpeg if form is JPEG else png).header(encoded, metadata)
            file.write(header)
            bare.seek(after)
            shutil.copyfileobj(bare, file)
            if form is JPEG and isinstance(metadata.coding, jpeg.Coding):
                file.write(metadata.coding.trailer)


def encoded_bytes(metadata: Metadata, form: Format, pixels: Pixels, layout: Layout, quality: int) -> int:
    """Bytes of the colours alone of a file that we would make."""
    bare = Metadata(coding=metadata.coding, cicp=metadata.cicp)
    if form is WEBP:
        made = io.BytesIO()
        with tempfile.TemporaryFile() as file:
            vips.encode(pixels, layout, bare, form, file, quality)
            file.seek(0)
            made.write(file.read())
        return webp.lossy_bytes(made.getvalue())
    return bmff.picture_bytes((avif if form is AVIF else heic).encode(pixels, layout, bare, quality))


def _indexed(pixels: Pixels, metadata: Metadata) -> bytes | None:
    """A PNG with a palette, if the source had one and the colours are few enough, or RGB; None: by libvips."""
    own = metadata.coding
    if not isinstance(own, png.Coding) or not own.palette or own.interlaced or pixels.dtype != np.uint8 or pixels.ndim != 3:
        return None
    if pixels.shape[2] not in (3, 4):
        return None
    bits = palette.bits_for(pixels, own.bits)
    found = palette.indexed(pixels, 2**bits)
    return png.indexed(*found, bits) if found else None


def _with_resolution(metadata: Metadata) -> Metadata:
    """The resolution in EXIF too, for formats that have no other place for it."""
    assert metadata.resolution is not None
    if tags.X_RESOLUTION in tags.first(metadata.exif):
        return metadata
    return replace(metadata, exif=tags.block_with(metadata.exif, tags_of(metadata.resolution)))
