"""Formats of pictures that libvips does not read, and films: one module for each, with `open_file` and `Writer`.

Whole files are decoded by imagecodecs, Pillow or netpbmfile. What these leave out (metadata, times of frames) is read
and written here, byte by byte.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import cast

from unnoise.images.picture import Metadata
from unnoise.images.picture_formats.base import Opened, Writer

__all__ = ["FILMS", "MODULES", "Opened", "Writer", "open_file", "writer"]

MODULES = {
    "BMP": "bmp",
    "GIF": "gif",
    "JPEG 2000": "jpeg_2000",
    "JPEG XL": "jpeg_xl",
    "Netpbm": "netpbm",
    "PFM": "netpbm",
    "PSD": "photoshop",
    "Radiance HDR": "radiance",
    "TGA": "tga",
}
"""Name of a format → the module that reads and writes it."""

FILMS = {"AVIF": "avif_film", "PNG": "png_film", "WebP": "webp_film"}
"""Name of a format → the module for its films."""


def open_file(path: Path, module: str) -> Opened:
    """Open a file by one of the modules above.

    Raises:
        UsageError: it holds what is not supported.
        Exception: it is damaged; each library raises its own.
    """
    return cast(Callable[[Path], Opened], import_module(f"{__name__}.{module}").open_file)(path)


def writer(path: Path, name: str, module: str, metadata: Metadata, quality: int | None, lossless: bool | None) -> Writer:
    """Begin a file by one of the modules above.

    Args:
        path: where it is made.
        name: what it will be called, the subject of errors.
        module: one of the modules above.
        metadata: of the first picture.
        quality, lossless: as `images.write` takes them.

    Raises:
        UsageError: this format cannot hold such a picture.
    """
    made = import_module(f"{__name__}.{module}").Writer
    return cast(Callable[[Path, str, Metadata, int | None, bool | None], Writer], made)(path, name, metadata, quality, lossless)
