"""Camera raw files, developed by LibRaw (extra `raw`) to 16-bit sRGB."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
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
MOST_PAGES = 100
"""Of a DNG that are looked at. One page of a damaged file may be its own successor, which tifffile follows for ever."""

LAST = 50000
"""Tags from this number on speak of the raw pixels (DNG) or are a maker's own."""


def decode(path: Path) -> tuple[Scratch, Layout, Metadata]:
    """Develop a raw file: the camera's white balance, no brightening, 16 bits, upright. Errors of rawpy pass through.

    EXIF is that of the embedded JPEG, else of the file's own first directory.
    """
    rawpy = require("rawpy", "Camera raw")
    # rawpy takes no name that is not UTF-8
    with in_words(rawpy), path.open("rb") as opened, rawpy.imread(opened) as file:
        pixels = file.postprocess(
            output_bps=16,
            use_camera_wb=True,
            no_auto_bright=True,
            adjust_maximum_thr=0.0,  # or white would be the brightest pixel of each picture
            gamma=SRGB_GAMMA,
            output_color=rawpy.ColorSpace.sRGB,
            bright=(brightest_of_floats(path) or 1.0) if path.suffix.lower() == ".dng" else 1.0,
        )
        exif = exif_of_preview(file) or _own_exif(path)
    if pixels.shape[2] == 1:  # a camera without colours
        pixels = np.ascontiguousarray(pixels[..., 0])
    layout = Layout.of(pixels.shape)
    profile = vips.srgb_profile() if layout.colours == "rgb" else b""
    return Scratch.of(pixels), layout, Metadata(tags.upright(exif), _xmp(path), profile)


@contextmanager
def in_words(rawpy: Any) -> Iterator[None]:
    """Turn LibRaw's errors into a `ValueError` with its reason, which comes as bytes, or not."""
    try:
        yield
    except (rawpy.LibRawError, rawpy.NotSupportedError) as error:
        said = error.args[0] if error.args else ""
        raise ValueError(said.decode() if isinstance(said, bytes) else str(said)) from error


def brightest_of_floats(path: Path) -> float | None:
    """The brightest of a DNG's float pixels, such as a hot pixel, as a multiple of white, at least 1; None: it holds integers.

    LibRaw scales by it and not by white where it is brighter, which makes all others too dark.
    """
    import tifffile

    try:
        with tifffile.TiffFile(path) as file:
            tops = list(islice(file.pages, MOST_PAGES))
            pages: list[Any] = [page for top in tops for page in (top, *islice(top.pages or (), MOST_PAGES))]
            for page in pages:
                if page.photometric in RAW_PHOTOMETRICS and page.dtype is not None and page.dtype.kind == "f":
                    said = page.tags.get(WHITE_LEVEL)
                    white = float(np.max(said.value)) if said else 1.0
                    return max(1.0, float(np.nanmax(page.asarray(maxworkers=1))) / white)
    except Exception:  # what LibRaw can read although tifffile cannot
        return None
    return None


def exif_of_preview(file: Any) -> bytes:
    """EXIF of the JPEG that cameras put inside; empty: there is none."""
    import rawpy

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
    with path.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return own_exif(data)


LIKE_TIFF: dict[bytes, tags.ByteOrder] = {b"IIRO": "<", b"IIRS": "<", b"IIU\0": "<", b"MMOR": ">"}
"""First bytes of raw files of Olympus and Panasonic, which are TIFFs in all else."""


def own_exif(data: tags.Data) -> bytes:
    """What the first directory of a raw file says of the shot; empty: it has none."""
    order = LIKE_TIFF.get(bytes(data[:4]))
    if order:
        file = tags.File(data, order, False)
        place = next(file.directories(), (0, 0))[0]
        said = file.tags(place) if place else {}
    else:
        said = tags.first(data)
    kept = {code: value for code, value in said.items() if code < LAST and code not in STRUCTURE | APART | MOSAIC}
    return tags.build(kept) if kept else b""
