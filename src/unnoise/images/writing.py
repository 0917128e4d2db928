"""Pixels to picture files: whole or not at all, and never over another file unasked."""

from __future__ import annotations

import io
import os
import secrets
import shutil
from pathlib import Path

import numpy as np

from unnoise.errors import UnnoiseError, UsageError
from unnoise.images import vips
from unnoise.images.formats import NPY, Format, format_of
from unnoise.images.picture import Picture
from unnoise.images.pixels import check_array, to_depth


def write(path: str | Path, picture: Picture, *, overwrite: bool = False) -> None:
    """Write `picture` in the format that the suffix of `path` names, with its metadata as far as the format holds it.

    The bit depth stays where the format can hold it. Otherwise values are rounded to the nearest: 16 bits to 8 in JPEG and WebP
    and to 12 in AVIF; floats (clipped to 0..1) to 16 bits in PNG, to 12 in AVIF and to 8 in JPEG and WebP; float16 becomes
    float32 in TIFF. PNG, TIFF, WebP and .npy lose nothing else; JPEG and AVIF are written at quality 95 with full chroma. WebP
    and AVIF hold no grey: read again, a grey picture has three equal channels.

    The file appears under its name only when complete and on the disk: it is written beside, as a hidden file, and renamed.

    Raises:
        UsageError: unknown suffix, a missing folder, a file that exists without `overwrite`, alpha in a format that has none,
            or pixels that are no image.
        UnnoiseError: it could not be encoded or written, for instance onto a full disk. Nothing is left behind.
    """
    path = Path(path)
    form = format_of(path)
    _check_target(path, overwrite)
    data = _encode(path, form, picture)
    try:
        _replace(path.resolve(), data)  # resolved: a link stays a link
    except OSError as error:
        raise UnnoiseError(f"{path} cannot be written: {error.strerror}.") from error


def _check_target(path: Path, overwrite: bool) -> None:
    if path.is_dir():
        raise UsageError(f"{path} is a folder; give the name of a file.")
    if path.exists() and not overwrite:
        raise UsageError(f"{path} exists already; choose another name or ask for overwriting.")
    if not path.parent.is_dir():
        raise UsageError(f"There is no folder {path.parent} to write {path.name} into; create it first.")


def _encode(path: Path, form: Format, picture: Picture) -> bytes:
    pixels = picture.pixels
    check_array(pixels, str(path))
    if pixels.ndim == 3 and pixels.shape[2] in (2, 4) and not form.alpha:
        raise UsageError(f"{path} cannot hold transparency, which {form.name} does not have; write .png or .tif instead.")
    pixels = to_depth(pixels, form.depths, str(path))
    if form is NPY:
        buffer = io.BytesIO()
        np.save(buffer, pixels, allow_pickle=False)
        return buffer.getvalue()
    try:
        return vips.encode(pixels, picture.metadata, form, path.suffix.lower())
    except vips.EncodingError as error:
        raise UnnoiseError(f"{path} cannot be encoded here ({error}); choose another format, such as .png.") from error


def _replace(path: Path, data: bytes) -> None:
    """Put `data` under the name `path` in one step, so that a crash leaves the old file or the new one and nothing between."""
    temporary = path.with_name(f".unnoise-{secrets.token_hex(8)}{path.suffix}")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            shutil.copymode(path, temporary)
        temporary.replace(path)
    except BaseException:  # Ctrl-C too
        temporary.unlink(missing_ok=True)
        raise
