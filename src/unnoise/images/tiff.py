"""TIFF files that libvips cannot decode, by tifffile: 64-bit floats, and compressions that this libvips was built without."""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import Any

import numpy as np

from unnoise.errors import UsageError
from unnoise.images.picture import Layout, Metadata
from unnoise.images.pixels import DTYPES
from unnoise.images.scratch import Scratch

LIBVIPS_COMPRESSIONS = {1, 2, 3, 4, 5, 7, 8, 32773, 32946}
"""None, the fax codes, LZW, JPEG, Deflate, PackBits: when libvips fails on one of these, the file is damaged."""

TAGS = {34675: "icc-profile-data", 700: "xmp-data", 274: "orientation"}


def decode(path: Path, name: str) -> tuple[Scratch, Layout, Metadata] | None:
    """Read the one page of a TIFF, pixels (H, W) or (H, W, C), if it is of a kind that only tifffile knows; None if it is not.

    Damaged bytes raise whatever tifffile raises. UsageError for several pages and for other channels than grey or RGB.
    """
    import tifffile

    logging.getLogger("tifffile").addHandler(logging.NullHandler())  # or its warnings about damage reach the terminal
    with tifffile.TiffFile(path) as file, np.errstate(all="ignore"):  # it calculates with damaged tags too
        page: Any = file.pages[0]
        common = page.dtype is None or page.dtype != np.float64
        if common and int(page.compression) in LIBVIPS_COMPRESSIONS:
            return None
        if len(file.pages) > 1:
            raise UsageError(f"{name} holds {len(file.pages)} pages; save each page as a file of its own.")
        whole = page.dtype is not None and page.dtype.name in DTYPES and page.bitspersample == 8 * page.dtype.itemsize
        if not whole or page.photometric.name not in ("MINISBLACK", "RGB") or page.samplesperpixel > 4 or page.imagedepth > 1:
            kind = f"{page.samplesperpixel} {page.photometric.name} channels of {page.bitspersample} bits"
            raise UsageError(
                f"{name} is a TIFF of {kind}, which is not supported for now; convert it to 8- or 16-bit grey or RGB."
            )
        segments = list(zip(page.dataoffsets, page.databytecounts, strict=False))
        if len(segments) != math.prod(page.chunked) or not all(
            0 < start < start + n <= path.stat().st_size for start, n in segments
        ):
            raise ValueError("strips or tiles are missing")  # tifffile would fill their place with zeros
        pixels = page.asarray()
        if page.samplesperpixel > 1 and page.planarconfig.name == "SEPARATE":
            pixels = np.moveaxis(pixels, 0, -1)  # (H, W, C)
        fields = {key: page.tags[code].value for code, key in TAGS.items() if code in page.tags}
    fields = {key: int(value) if key == "orientation" else bytes(value) for key, value in fields.items()}
    return Scratch.of(np.ascontiguousarray(pixels)), Layout.of(pixels.shape), Metadata(fields)
