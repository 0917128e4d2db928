"""Camera raw files, developed by LibRaw (extra `raw`) to 16-bit sRGB. They are read but never written."""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Any

import numpy as np

from unnoise.images import jpeg, tags, vips
from unnoise.images.picture import Layout, Metadata
from unnoise.images.scratch import Scratch
from unnoise.images.tags import Value
from unnoise.images.tiff import APART, STRUCTURE
from unnoise.registry import require

SRGB_GAMMA = (2.4, 12.92)
"""LibRaw's words for sRGB's curve: its power, and the slope of the line near black."""

WHITE_LEVEL = 50717
RAW_PHOTOMETRICS = {32803, 34892}
"""Mosaics, and pixels that each have all colours."""

LAST = 50000
"""Tags from this number on speak of the raw pixels (DNG) or are a maker's own."""


def decode(path: Path) -> tuple[Scratch, Layout, Metadata]:
    """Develop a raw file: the camera's white balance, no brightening, 16 bits, upright. Errors of rawpy pass through.

    EXIF is that of the embedded JPEG, else of the file's own first directory.
    """
    rawpy = require("rawpy", "Camera raw")
    try:
        with path.open("rb") as opened, rawpy.imread(opened) as file:  # rawpy takes no name that is not UTF-8
            pixels = file.postprocess(
                output_bps=16,
                use_camera_wb=True,
                no_auto_bright=True,
                adjust_maximum_thr=0.0,  # or white would be the brightest pixel of each picture
                gamma=SRGB_GAMMA,
                output_color=rawpy.ColorSpace.sRGB,
                bright=_brightness(path) if path.suffix.lower() == ".dng" else 1.0,
            )
            exif = _exif(file, rawpy) or _own_exif(path)
    except (rawpy.LibRawError, rawpy.NotSupportedError) as error:  # the reason comes as bytes, or not
        said = error.args[0] if error.args else ""
        raise ValueError(said.decode() if isinstance(said, bytes) else str(said)) from error
    if pixels.shape[2] == 1:  # a camera without colours
        pixels = np.ascontiguousarray(pixels[..., 0])
    layout = Layout.of(pixels.shape)
    profile = vips.srgb_profile() if layout.colours == "rgb" else b""
    return Scratch.of(pixels), layout, Metadata(tags.upright(exif), _xmp(path), profile)


def _brightness(path: Path) -> float:
    """By how much LibRaw makes float pixels too dark: it scales them by the brightest of them, such as a hot pixel, not
    by white."""
    import tifffile

    try:
        with tifffile.TiffFile(path) as file:
            pages = [page for top in file.pages for page in (top, *(top.pages or ()))]
            for page in pages:
                if page.photometric in RAW_PHOTOMETRICS and page.dtype is not None and page.dtype.kind == "f":
                    said = page.tags.get(WHITE_LEVEL)
                    white = float(np.max(said.value)) if said else 1.0
                    return float(np.nanmax(page.asarray())) / white
    except Exception:  # what LibRaw can read although tifffile cannot
        return 1.0
    return 1.0


def _exif(file: Any, rawpy: Any) -> bytes:
    try:
        inside = file.extract_thumb()
    except rawpy.LibRawError:  # there is none, or of a kind that LibRaw does not know
        return b""
    if inside.format is not rawpy.ThumbFormat.JPEG:
        return b""
    found = (content for marker, content in jpeg.segments(inside.data) if marker == 0xE1 and content.startswith(b"Exif\0\0"))
    return next(found, b"").removeprefix(b"Exif\0\0")


MOSAIC = frozenset({33421, 33422, 37398, 37399, 41730})
"""Tags that speak of the colours of a mosaic, which the developed picture is not."""


def _first(path: Path) -> tags.Tags:
    with path.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return tags.first(data)


def _xmp(path: Path) -> bytes:
    """What stands in the file itself; DNG alone."""
    value = _first(path).get(tags.XMP)
    return value.data if isinstance(value, Value) else b""


def _own_exif(path: Path) -> bytes:
    said = _first(path)
    kept = {code: value for code, value in said.items() if code < LAST and code not in STRUCTURE | APART | MOSAIC}
    return tags.build(kept) if kept else b""
