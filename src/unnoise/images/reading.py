"""Picture files to pixels, strictly: a damaged file is an error, never a picture with a grey rest."""

from __future__ import annotations

import math
import mmap
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from unnoise.errors import UnnoiseError, UsageError
from unnoise.files.paths import path_kind, refuse_device
from unnoise.images import bmff, heic, jpeg, png, raw, tiff, vips, zarr_stacks
from unnoise.images.arrays_on_disk import ArrayFrame, Axes
from unnoise.images.damage import damaged
from unnoise.images.formats import AVIF, FORMATS, HEIC, JPEG, NPY, PNG, RAW, TIFF, WEBP, ZARR, Format, format_of, recognise
from unnoise.images.opening import Regions, Source
from unnoise.images.picture import Layout, Metadata, Picture
from unnoise.images.pixels import DTYPES
from unnoise.images.tags import upright

Decoded = tuple[Regions, Layout, Metadata]


def read(path: str | Path) -> Picture:
    """Read a file that holds one picture: pixels (H, W) or (H, W, C) in the file's own type and range.

    Pixels come as stored: an EXIF orientation is kept as a tag and not applied (HEIC and AVIF turn within the format itself).
    10 and 12 bits of AVIF come as uint16.

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
    form = _recognised(path)
    if form is ZARR:
        return _open_zarr(path, axes)
    if form is NPY:
        return _open_npy(path, axes)
    _refuse_films(path, form)
    decode = partial(DECODERS[form], path)
    if form not in (TIFF, WEBP):
        return Source(path, 1, lambda _: decode(0))
    stack = None
    try:
        count = tiff.pages(path) if form is TIFF else vips.pages(path, form)
        if form is TIFF:
            stack = tiff.stack(path, count)
    except (vips.DecodingError, ValueError) as error:
        raise damaged(path, str(error)) from error
    if stack:
        array, letters = stack
        return _of_array(path, array, Axes(letters.replace("C", "N")), tiff.describe(path, 0)[0])
    return Source(path, count, decode, None if count == 1 else (count,))


def _recognised(path: Path) -> Format:
    named = format_of(path)
    refuse_device(path)  # or a pipe that nobody writes to would be waited for
    if path_kind(path) == "folder":
        if named is ZARR:
            return ZARR
        raise UsageError(f"{path} is a folder; name a picture file.")
    start = _start(path)
    if not start:
        raise UnnoiseError(f"{path} is empty; get the file again from where it came.")
    if named is RAW:  # many look like TIFFs inside
        return RAW
    form = recognise(start)  # the content decides, as names often err
    if form is None:
        known = ", ".join(form.name for form in FORMATS)
        raise UnnoiseError(
            f"{path} is not a picture although it ends in {path.suffix}; give a file in one of the formats {known}."
        )
    return form


def _start(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(64)
    except FileNotFoundError as error:
        raise UsageError(f"There is no file {path}; check the name.") from error
    except OSError as error:
        raise UnnoiseError(f"{path} cannot be read: {error.strerror}.") from error


def _refuse_films(path: Path, form: Format) -> None:
    """Of these formats our libraries decode the first picture alone and say nothing of the others."""
    if form not in (PNG, AVIF, HEIC):
        return
    with path.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data:
        count = png.frames(data) if form is PNG else bmff.frames(data)
    if form is AVIF and count < 2:
        try:
            count = vips.pages(path, form)
        except vips.DecodingError as error:
            raise damaged(path, str(error)) from error
    if count > 1:
        raise UsageError(
            f"{path} holds {count} pictures, of which only the first can be read; save them as single files or as a TIFF of many pages."
        )


def _by_vips(path: Path, form: Format, index: int) -> Decoded:
    try:
        pixels, layout, metadata = vips.decode(path, form, str(path), index)
    except vips.DecodingError as error:
        raise damaged(path, str(error)) from error
    with path.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if form is JPEG:
            metadata = replace(metadata, coding=jpeg.coding(data), resolution=metadata.resolution or jpeg.resolution(data))
        elif form is PNG:
            metadata = replace(metadata, coding=png.coding(data), resolution=metadata.resolution or png.resolution(data))
        elif form is AVIF:  # the pixels have been turned
            metadata = replace(metadata, exif=upright(metadata.exif))
    return pixels, layout, metadata


def _tiff(path: Path, index: int) -> Decoded:
    metadata, layout, foreign = tiff.describe(path, index)
    other = None
    reason = ""
    if not foreign:
        try:
            pixels, seen, _ = vips.decode(path, TIFF, str(path), index)
            return pixels, layout or seen, metadata
        except vips.DecodingError as error:
            reason = str(error)
    try:
        other = tiff.decode(path, str(path), index, foreign=foreign)
    except UnnoiseError:
        raise
    except Exception as error:  # tifffile and its codecs raise nearly every kind on damaged bytes
        raise damaged(path, str(error)) from error
    if other is None:
        raise damaged(path, reason)
    if len(other.shape) not in (2, 3):
        raise damaged(path, f"pixels of shape {other.shape}")
    return other, layout or Layout.of(other.shape), metadata


def _by_library(path: Path, library: ModuleType, _: int) -> Decoded:
    try:
        return library.decode(path)
    except UnnoiseError:
        raise
    except Exception as error:  # of which pillow-heif and rawpy have many kinds
        raise damaged(path, str(error) or type(error).__name__) from error


DECODERS: dict[Format, Callable[[Path, int], Decoded]] = {
    TIFF: _tiff,
    HEIC: lambda path, index: _by_library(path, heic, index),
    RAW: lambda path, index: _by_library(path, raw, index),
    **{form: lambda path, index, form=form: _by_vips(path, form, index) for form in (PNG, JPEG, WEBP, AVIF)},  # type: ignore[misc]
}
"""Frame `index` of a file of each format."""


def _open_npy(path: Path, letters: str | None) -> Source:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # a damaged header makes numpy raise nearly every kind too
        raise damaged(path, str(error)) from error
    _check_array(array, path)
    return _of_array(path, array, Axes.of(array.shape, letters, str(path)), Metadata())


def _open_zarr(path: Path, letters: str | None) -> Source:
    try:
        found = zarr_stacks.open_array(path)
    except UnnoiseError:
        raise
    except Exception as error:  # zarr too has many
        raise damaged(path, str(error)) from error
    _check_array(found.array, path)
    axes = Axes.of(found.array.shape, letters or found.letters, str(path))
    return _of_array(path, found.array, axes, Metadata(coding=found))


def _check_array(array: Any, path: Path) -> None:
    if np.dtype(array.dtype).newbyteorder("=").name not in DTYPES:
        raise UsageError(f"{path} has values of type {array.dtype}; convert it to uint8, uint16, or floats in 0..1.")
    if 0 in array.shape:
        raise UsageError(f"{path} has the shape {array.shape}, which holds no pixels; give at least one row and one column.")


def _of_array(path: Path, array: Any, axes: Axes, metadata: Metadata) -> Source:
    outer = axes.outer(array.shape)

    def decode(index: int) -> Decoded:
        frame = ArrayFrame(array, axes, index, path)
        return frame, axes.layout(frame.shape), metadata

    return Source(path, math.prod(outer), decode, outer or None, axes)
