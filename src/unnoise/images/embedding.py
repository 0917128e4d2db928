"""Encoded pictures with their metadata byte by byte: the encoder gets none, or not its last word, and we put them in."""

from __future__ import annotations

import mmap
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from unnoise.images import bmff, heic, jpeg, png, tags, vips, webp
from unnoise.images.formats import AVIF, HEIC, JPEG, WEBP, Format
from unnoise.images.picture import Layout, Metadata, Pixels
from unnoise.images.resolution import tags_of


def save(pixels: Pixels, layout: Layout, metadata: Metadata, form: Format, path: Path) -> None:
    """Write a PNG, JPEG, WebP, AVIF or HEIC. Raises vips.EncodingError."""
    if metadata.resolution and form in (WEBP, AVIF, HEIC):
        metadata = _with_resolution(metadata)
    with tempfile.TemporaryFile(dir=path.parent, prefix=".unnoise-") as bare:
        if form is HEIC:
            try:
                heic.encode(pixels, layout, metadata, bare)
            except (ValueError, RuntimeError) as error:
                raise vips.EncodingError(str(error).partition("\n")[0]) from error
        else:
            vips.encode(pixels, layout, metadata, form, bare)
        bare.flush()
        with path.open("wb") as file, mmap.mmap(bare.fileno(), 0, access=mmap.ACCESS_READ) as encoded:
            if form is WEBP:
                file.write(webp.rebuilt(encoded, metadata))
                return
            header, after = b"", 0
            if form not in (AVIF, HEIC):
                header, after = (jpeg if form is JPEG else png).header(encoded, metadata)
            file.write(header)
            bare.seek(after)
            shutil.copyfileobj(bare, file)
    if form is AVIF and metadata.exif:
        try:
            bmff.put_exif(path, metadata.exif)
        except (ValueError, KeyError, StopIteration) as error:
            raise vips.EncodingError("its encoder stores EXIF in an unknown way") from error


def _with_resolution(metadata: Metadata) -> Metadata:
    """The resolution in EXIF too, for formats that have no other place for it."""
    assert metadata.resolution is not None
    if tags.X_RESOLUTION in tags.first(metadata.exif):
        return metadata
    return replace(metadata, exif=tags.block_with(metadata.exif, tags_of(metadata.resolution)))
