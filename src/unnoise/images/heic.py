"""HEIC files by pillow-heif (extra `heic`), since the wheel of libvips has no HEVC codec."""

from __future__ import annotations

import io
import mmap
from pathlib import Path
from typing import Any

import numpy as np

from unnoise.images import bmff, tags
from unnoise.images.picture import Layout, Metadata, Pixels
from unnoise.images.pixels import narrowed
from unnoise.images.resolution import resolution_of
from unnoise.images.scratch import Scratch
from unnoise.registry import require


def check_library() -> None:
    """Raise `UnnoiseError` with the name of the extra, unless HEIC can be decoded."""
    _library()


def _library() -> Any:
    return require("pillow_heif", "HEIC")


def decode(path: Path) -> tuple[Scratch, Layout, Metadata]:
    """Decode the main picture, turned as the file says. 10 and 12 bits become uint16. Errors of pillow-heif pass through."""
    library = _library()
    with path.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data:
        coding = bmff.coding(data)
    picture: Any = library.open_heif(path, convert_hdr_to_8bit=False)
    pixels = np.array(picture)  # (H, W) or (H, W, C)
    bits = int(picture.info.get("bit_depth", 8))
    if pixels.dtype == np.uint16:
        pixels |= pixels >> bits  # zeros were left below, and white was not 65535
    said = picture.info
    exif = bytes(said.get("exif") or b"").removeprefix(b"Exif\0\0")
    metadata = Metadata(
        tags.upright(exif),
        bytes(said.get("xmp") or b""),
        bytes(said.get("icc_profile") or b""),
        resolution=resolution_of(tags.first(exif)),
        cicp=coding.cicp,
        coding=coding,
        left_behind=coding.left_behind,
    )
    return Scratch.of(pixels), Layout.of(pixels.shape), metadata


def encode(pixels: Pixels, layout: Layout, metadata: Metadata, quality: int, *, lossless: bool = False) -> bytes:
    """Encode uint8 pixels, or uint16 pixels rounded to the source's bits. Without a source it takes 10 bits, which most
    programs show.
    """
    library = _library()
    own = metadata.coding if isinstance(metadata.coding, bmff.Coding) else None
    mode = {("grey", 0): "L", ("rgb", 0): "RGB", ("rgb", 1): "RGBA", ("grey", 1): "LA"}[layout.colours, layout.alpha]
    options: dict[str, Any] = {}
    if pixels.dtype == np.uint16:
        bits = own.bits if own and own.bits > 8 else 10
        pixels = (narrowed(pixels, bits) << (16 - bits)).astype(np.uint16)
        mode += ";16"
        library.options.SAVE_HDR_TO_12_BIT = bits == 12
    if metadata.exif:
        options["exif"] = metadata.exif
    if metadata.xmp:
        options["xmp"] = metadata.xmp
    if metadata.icc:
        options["icc_profile"] = metadata.icc
    chroma = own.chroma if own and own.chroma != "400" else "444"
    nclx = bmff.nclx_of(metadata)
    if nclx[2] == 0 and chroma != "444":  # red, green and blue as they are cannot be stored at half the size
        nclx = (*nclx[:2], bmff.SRGB[2], nclx[3])
    if lossless:
        chroma, nclx = "444", (*nclx[:2], 0, 1)
    names = ("color_primaries", "transfer_characteristics", "matrix_coefficients", "full_range_flag")
    options |= dict(zip(names, nclx, strict=True))
    made = io.BytesIO()
    # the block's orientation is written as the format's own turn too
    library.encode(
        mode,
        pixels.shape[1::-1],
        np.ascontiguousarray(pixels).tobytes(),
        made,
        quality=-1 if lossless else quality,
        chroma=chroma,
        **options,
    )
    return bmff.put_properties(made.getvalue(), own.properties if own else b"")
