"""Camera raw files, developed by LibRaw (extra `raw`) to 16-bit sRGB; they are read and never written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from unnoise.images import jpeg, tags, vips
from unnoise.images.picture import Layout, Metadata
from unnoise.images.scratch import Scratch
from unnoise.images.tiff import APART, STRUCTURE
from unnoise.registry import require

SRGB_GAMMA = (2.4, 12.92)
"""LibRaw's words for sRGB's curve: its power, and the slope of the line near black."""

LAST = 50000
"""Tags from this number on speak of the raw pixels (DNG) or are a maker's own."""


def decode(path: Path) -> tuple[Scratch, Layout, Metadata]:
    """Develop: the camera's white balance, no brightening, 16 bits, upright. Damage raises what rawpy raises.

    EXIF is that of the JPEG that cameras put inside, else of the file's own first directory.
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
            )
            exif = _exif(file, rawpy) or _own_exif(path)
    except rawpy.LibRawError as error:  # its reason comes as bytes
        raise ValueError(error.args[0].decode() if error.args else "LibRaw gives no reason") from error
    return Scratch.of(pixels), Layout("rgb"), Metadata(tags.upright(exif), icc=vips.srgb_profile())


def _exif(file: Any, rawpy: Any) -> bytes:
    try:
        inside = file.extract_thumb()
    except rawpy.LibRawError:  # there is none, or of a kind that LibRaw does not know
        return b""
    if inside.format is not rawpy.ThumbFormat.JPEG:
        return b""
    found = (content for marker, content in jpeg.segments(inside.data) if marker == 0xE1 and content.startswith(b"Exif\0\0"))
    return next(found, b"").removeprefix(b"Exif\0\0")


def _own_exif(path: Path) -> bytes:
    said = tags.first(path.read_bytes())
    kept = {code: value for code, value in said.items() if code < LAST and code not in STRUCTURE | APART}
    return tags.build(kept) if kept else b""
