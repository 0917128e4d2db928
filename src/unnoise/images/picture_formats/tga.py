"""Truevision TGA by Pillow: grey, palettes and RGB, with alpha, packed in runs or not."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unnoise.images.picture import Layout, Metadata, Pixels
from unnoise.images.picture_formats import base
from unnoise.images.picture_formats.base import Opened
from unnoise.images.picture_formats.indexed import image_of, pixels_of

FOOTER = b"TRUEVISION-XFILE.\0"
HEADER_BYTES = 18


@dataclass(frozen=True)
class Coding:
    """The encoding of a TGA file."""

    packed: bool = False
    palette: bool = False
    orientation: int = -1
    """1: rows run from the top; −1: from the bottom."""
    words: bytes = b""
    """The identification that follows the header."""


def is_tga(start: bytes) -> bool:
    """Whether these bytes can be the header of a TGA file, which has no mark."""
    if len(start) < HEADER_BYTES or start[1] > 1 or start[2] not in (1, 2, 3, 9, 10, 11):
        return False
    return start[16] in (8, 15, 16, 24, 32) and all(start[12:14]) | any(start[12:14]) and any(start[14:16])


def open_file(path: Path) -> Opened:
    """Errors of Pillow: it is damaged."""
    from PIL import Image

    data = path.read_bytes()
    with Image.open(io.BytesIO(data), formats=("TGA",)) as image:
        image.load()
        pixels, layout = pixels_of(image)
        said, palette = dict(image.info), image.mode == "P"
    if layout.alpha and data[16] == 32 and not data[17] & 15:  # the fourth byte is said to mean nothing
        pixels, layout = pixels[..., :3], Layout("rgb")
    extension = int.from_bytes(data[-26:-22], "little") if data[-18:] == FOOTER else 0
    coding = Coding(
        said.get("compression") == "tga_rle", palette, int(said.get("orientation", -1)), bytes(said.get("id_section", b""))
    )
    left = ("the extension area of the TGA file",) if extension else ()
    return Opened.of(pixels, layout, Metadata(coding=coding, left_behind=left))


class Writer(base.Writer):
    """A TGA file as the source was."""

    def add(self, pixels: Pixels, layout: Layout, metadata: Metadata) -> None:
        own = metadata.coding if isinstance(metadata.coding, Coding) else Coding(packed=True)
        options: dict[str, Any] = {"orientation": own.orientation}
        if own.packed:
            options["compression"] = "tga_rle"
        if own.words:
            options["id_section"] = own.words
        indexed = own.palette and layout == Layout("rgb")
        with self.path.open("wb") as file:
            image_of(pixels, 256 if indexed else 0).save(file, "TGA", **options)
