"""HEIC files by pillow-heif (extra `heic`): libvips' wheel holds no HEVC codec."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from unnoise.images import tags
from unnoise.images.picture import Layout, Metadata, Pixels
from unnoise.images.resolution import resolution_of
from unnoise.images.scratch import Scratch
from unnoise.registry import require


@dataclass(frozen=True)
class Coding:
    """How a HEIC file was made."""

    bits: int


def _library() -> Any:
    return require("pillow_heif", "HEIC")


def decode(path: Path) -> tuple[Scratch, Layout, Metadata]:
    """The main picture, turned as the file says; 10 and 12 bits as uint16. Damage raises what pillow-heif raises."""
    library = _library()
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
        coding=Coding(bits),
    )
    return Scratch.of(pixels), Layout.of(pixels.shape), metadata


def encode(pixels: Pixels, layout: Layout, metadata: Metadata, file: BinaryIO) -> None:
    """Write at quality 95 with full chroma: uint8, or uint16 rounded to the source's bits, or to the 10 that most programs show."""
    library = _library()
    mode = {("grey", False): "L", ("rgb", False): "RGB", ("rgb", True): "RGBA", ("grey", True): "LA"}[
        layout.colours, layout.alpha
    ]
    if mode == "LA":
        pixels, mode = pixels[..., [0, 0, 0, 1]], "RGBA"
    options: dict[str, Any] = {}
    if pixels.dtype == np.uint16:
        bits = metadata.coding.bits if isinstance(metadata.coding, Coding) and metadata.coding.bits > 8 else 10
        white = 2**bits - 1
        pixels = ((pixels.astype(np.uint32) * white + 32767) // 65535 << (16 - bits)).astype(np.uint16)
        mode += ";16"
        library.options.SAVE_HDR_TO_12_BIT = bits == 12
    if metadata.exif:
        options["exif"] = metadata.exif
    if metadata.xmp:
        options["xmp"] = metadata.xmp
    if metadata.icc:
        options["icc_profile"] = metadata.icc
    # the block's orientation is written as the format's own turn too
    library.encode(mode, pixels.shape[1::-1], np.ascontiguousarray(pixels).tobytes(), file, quality=95, chroma=444, **options)
