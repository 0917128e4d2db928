"""Picture files to pixels, strictly: a damaged file is an error, never a picture with a grey rest."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from unnoise.errors import UnnoiseError, UsageError
from unnoise.images import tiff, vips
from unnoise.images.formats import FORMATS, NPY, TIFF, Format, format_of, recognise
from unnoise.images.picture import Metadata, Picture, Pixels
from unnoise.images.pixels import check_array


def read(path: str | Path) -> Picture:
    """Read a PNG, JPEG, WebP, TIFF, HEIC, AVIF or .npy file: pixels (H, W) or (H, W, C) in the file's own type and range.

    Pixels come as stored: an EXIF orientation is kept as a tag and not applied (HEIC and AVIF turn within the format itself).
    10 and 12 bits of AVIF come as uint16, 16-bit floats of TIFF as float32.

    Raises:
        UsageError: there is no such file, its suffix is no picture's, or it holds what is not supported for now (CMYK, several
            pages, more than 4 channels, other types of pixel).
        UnnoiseError: it is empty, cut short, damaged or no picture at all, cannot be opened, or pyvips is missing.
    """
    path = Path(path)
    format_of(path)  # only to refuse a foreign suffix: camera raw files, for one, look like TIFFs inside
    data = _bytes(path)
    if not data:
        raise UnnoiseError(f"{path} is empty; get the file again from where it came.")
    form = recognise(data)  # the content decides, as names often err
    if form is None:
        known = ", ".join(form.name for form in FORMATS)
        raise UnnoiseError(
            f"{path} is not a picture although it ends in {path.suffix}; give a file in one of the formats {known}."
        )
    pixels, metadata = _decode(data, form, path)
    return Picture(pixels, metadata, path)


def _bytes(path: Path) -> bytes:
    if path.is_dir():
        raise UsageError(f"{path} is a folder; name a picture file.")
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise UsageError(f"There is no file {path}; check the name.") from error
    except OSError as error:
        raise UnnoiseError(f"{path} cannot be read: {error.strerror}.") from error


def _decode(data: bytes, form: Format, path: Path) -> tuple[Pixels, Metadata]:
    if form is NPY:
        return _decode_npy(data, path), Metadata()
    try:
        return vips.decode(data, form, str(path))
    except vips.DecodingError as error:
        other = _second_opinion(data, path) if form is TIFF else None
        if other is None:
            raise _damaged(path, str(error)) from error
        return other


def _second_opinion(data: bytes, path: Path) -> tuple[Pixels, Metadata] | None:
    try:
        return tiff.decode(data, str(path))
    except UnnoiseError:
        raise
    except Exception as error:  # tifffile and its codecs raise nearly every kind on damaged bytes
        raise _damaged(path, str(error).partition("\n")[0]) from error


def _decode_npy(data: bytes, path: Path) -> Pixels:
    try:
        pixels = np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
    except Exception as error:  # a damaged header makes numpy raise nearly every kind too
        raise _damaged(path, str(error).partition("\n")[0]) from error
    check_array(pixels, str(path))
    return np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("="))


def _damaged(path: Path, reason: str) -> UnnoiseError:
    return UnnoiseError(
        f"{path} cannot be decoded ({reason.rstrip('.')}): it is damaged, cut short or of an unknown kind; get a fresh copy."
    )
