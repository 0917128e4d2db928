"""Picture files to pixels, strictly: a damaged file is an error, never a picture with a grey rest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from unnoise.errors import UnnoiseError, UsageError
from unnoise.images import tiff, vips
from unnoise.images.arrays_on_disk import ArrayFrame, Axes
from unnoise.images.formats import FORMATS, NPY, TIFF, WEBP, Format, format_of, recognise
from unnoise.images.opening import Regions, Source
from unnoise.images.picture import Layout, Metadata, Picture
from unnoise.images.pixels import DTYPES

Decoded = tuple[Regions, Layout, Metadata]


def read(path: str | Path) -> Picture:
    """Read a file that holds one picture: pixels (H, W) or (H, W, C) in the file's own type and range.

    Pixels come as stored: an EXIF orientation is kept as a tag and not applied (HEIC and AVIF turn within the format itself).
    10 and 12 bits of AVIF come as uint16, 16-bit floats of TIFF as float32.

    Raises:
        UsageError: there is no such file, its suffix is no picture's, or it holds what is not supported (several pictures, which
            `open` reads; other types of pixel).
        UnnoiseError: it is empty, cut short, damaged or no picture at all, cannot be opened, or pyvips is missing.
    """
    path = Path(path)
    with open(path) as source:
        if source.outer is not None:
            raise UsageError(
                f"{path} holds {len(source)} pages, but one picture is wanted; unnoise.images.open reads them all."
            )
        return source[0].picture(path)


def open(path: str | Path, *, axes: str | None = None) -> Source:
    """Open a file for reading by regions: a picture, or a stack of them as the frames of the source.

    Args:
        path: the file.
        axes: for .npy and Zarr, what each axis is: Y and X, C for channels, any other letter numbers pictures: 'ZYX', 'TCYX', 'CYX'.
            None: (H, W) or (H, W, C) with C in 1..4, or what a Zarr says itself.

    Raises UsageError and UnnoiseError as `read` does, now or when a frame is taken.
    """
    path = Path(path)
    format_of(path)  # only to refuse a foreign suffix: camera raw files, for one, look like TIFFs inside
    start = _start(path)
    if not start:
        raise UnnoiseError(f"{path} is empty; get the file again from where it came.")
    form = recognise(start)  # the content decides, as names often err
    if form is None:
        known = ", ".join(form.name for form in FORMATS)
        raise UnnoiseError(
            f"{path} is not a picture although it ends in {path.suffix}; give a file in one of the formats {known}."
        )
    if form is NPY:
        return _open_npy(path, axes)
    try:
        count = vips.pages(path, form) if form in (TIFF, WEBP) else 1
    except vips.DecodingError as error:
        if form is not TIFF:
            raise _damaged(path, str(error)) from error
        count = 1
    return Source(path, count, _decoder(path, form), None if count == 1 else (count,))


def _start(path: Path) -> bytes:
    if path.is_dir():
        raise UsageError(f"{path} is a folder; name a picture file.")
    try:
        with path.open("rb") as file:
            return file.read(64)
    except FileNotFoundError as error:
        raise UsageError(f"There is no file {path}; check the name.") from error
    except OSError as error:
        raise UnnoiseError(f"{path} cannot be read: {error.strerror}.") from error


def _decoder(path: Path, form: Format) -> Callable[[int], Decoded]:
    def decode(index: int) -> Decoded:
        try:
            return vips.decode(path, form, str(path), index)
        except vips.DecodingError as error:
            other = _second_opinion(path) if form is TIFF else None
            if other is None:
                raise _damaged(path, str(error)) from error
            return other

    return decode


def _second_opinion(path: Path) -> Decoded | None:
    try:
        return tiff.decode(path, str(path))
    except UnnoiseError:
        raise
    except Exception as error:  # tifffile and its codecs raise nearly every kind on damaged bytes
        raise _damaged(path, str(error).partition("\n")[0]) from error


def _open_npy(path: Path, letters: str | None) -> Source:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # a damaged header makes numpy raise nearly every kind too
        raise _damaged(path, str(error).partition("\n")[0]) from error
    if array.dtype.newbyteorder("=").name not in DTYPES:
        raise UsageError(f"{path} has values of type {array.dtype}; convert it to uint8, uint16, or floats in 0..1.")
    if 0 in array.shape:
        raise UsageError(f"{path} has the shape {array.shape}, which holds no pixels; give at least one row and one column.")
    axes = Axes.of(array.shape, letters, str(path))
    outer = axes.outer(array.shape)

    def decode(index: int) -> Decoded:
        frame = ArrayFrame(array, axes, index)
        return frame, Layout.of(frame.shape), Metadata()

    return Source(path, int(np.prod(outer)), decode, outer or None)


def _damaged(path: Path, reason: str) -> UnnoiseError:
    return UnnoiseError(
        f"{path} cannot be decoded ({reason.rstrip('.')}): it is damaged, cut short or of an unknown kind; get a fresh copy."
    )
