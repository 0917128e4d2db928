"""Telling films from still pictures."""

from __future__ import annotations

import mmap
from pathlib import Path

from unnoise.errors import UsageError
from unnoise.images import bmff_tracks, png, vips, webp
from unnoise.images.formats import AVIF, HEIC, PNG, WEBP, Format


def is_film(path: Path, form: Format) -> bool:
    """Whether a file is an animation.

    Raises:
        UsageError: it holds several pictures of which our libraries read the first alone.
        vips.DecodingError: it is damaged.
    """
    if form not in (PNG, AVIF, HEIC, WEBP):
        return False
    with path.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data:
        count = png.frames(data) if form is PNG else webp.frames(data) if form is WEBP else bmff_tracks.frames(data)
    others = vips.pages(path, form) if form is AVIF and count < 2 else 1
    if form is HEIC and count > 1:
        raise UsageError(
            f"{path} is a sequence of {count} pictures in HEIC, which cannot be read; save them as single pictures first, as "
            "with ffmpeg -i sequence.heic picture%03d.png."
        )
    if others > 1:
        raise UsageError(
            f"{path} holds {max(count, others)} pictures, but only the first can be read; save them as single files or as a TIFF "
            "of many pages."
        )
    return count > 1
