"""Reading picture files strictly: a damaged file is an error, never a picture with a missing part."""

from __future__ import annotations

import math
import mmap
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np

from unnoise.errors import UnnoiseError, UsageError
from unnoise.images import (
    bmff,
    cross_check,
    heic,
    jpeg,
    jpeg_rare,
    picture_formats,
    png,
    raw_linear,
    science,
    tiff,
    tiff_pixels,
    tiff_places,
    vips,
    webp,
    zarr_stacks,
)
from unnoise.images import raw as camera_raw
from unnoise.images.arrays_on_disk import ArrayFrame, Axes
from unnoise.images.claims import check_claim
from unnoise.images.damage import damaged
from unnoise.images.file_array import FileArray
from unnoise.images.formats import (
    AVIF,
    HEIC,
    JPEG,
    NPY,
    PNG,
    RAW,
    TIFF,
    WEBP,
    ZARR,
    Format,
    split_dataset,
)
from unnoise.images.measured_values import FLOATS
from unnoise.images.opening import Regions, Source
from unnoise.images.picture import Layout, Metadata, Picture
from unnoise.images.picture_formats.films import is_film
from unnoise.images.pixels import DTYPES
from unnoise.images.quality_match import Sample, sample_of
from unnoise.images.recognising import recognised
from unnoise.images.science import pairs
from unnoise.images.scratch import Scratch
from unnoise.images.tags import Data, upright

T = TypeVar("T")

Decoded = tuple[Regions, Layout, Metadata]

RawKind = Literal["developed", "linear", "mosaic"]


def read(path: str | Path) -> Picture:
    """Read a file that holds one picture.

    Pixels are as stored: an EXIF orientation stays a tag and is not applied. HEIC and AVIF turn pictures within the
    format itself. AVIF of 10 and 12 bits becomes uint16.

    Returns:
        The picture. Its pixels are (H, W) or (H, W, C), in the type and range of the file.

    Raises:
        UsageError: the file does not exist, its suffix belongs to no picture format, or it holds something that is not
            supported, such as several pictures (`open` reads those).
        UnnoiseError: the file is empty, truncated, damaged or no picture; it cannot be opened; or pyvips is missing.

    >>> import tempfile
    >>> from unnoise import images
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     images.write(f"{folder}/a.png", images.Picture(np.zeros((4, 5, 3), np.uint8)))
    ...     read(f"{folder}/a.png").shape
    (4, 5, 3)
    """
    path = Path(path)
    with open(path) as source:
        if source.outer is not None:
            raise UsageError(
                f"{path} holds {len(source)} pictures, but one is wanted; save the wanted one as a file of its own "
                "(in Python, unnoise.images.open reads them all)."
            )
        return source[0].picture(path)


def open(path: str | Path, *, axes: str | None = None, raw: RawKind = "developed") -> Source:
    """Open a file whose pictures are read by regions. A stack has one frame for each picture.

    Args:
        path: the file; of HDF5 also `FILE:/DATA/SET`, or several with commas between them.
        axes: the meaning of each axis, for .npy and Zarr. Y is rows, X columns, C channels. Any other letter counts
            pictures: 'ZYX', 'TCYX', 'CYX'. None: (H, W) or (H, W, C) with C in 1..4, or what a Zarr says itself.
        raw: how camera raw is read. `developed`: to sRGB. `linear`: the camera's own colors in linear light. `mosaic`:
            the four planes of a Bayer mosaic as frames. The last two refuse other pictures.

    Raises:
        UsageError, UnnoiseError: as `read`, now or when a frame is taken.

    >>> open("none.png")
    Traceback (most recent call last):
    unnoise.errors.UsageError: ...
    """
    path, dataset = split_dataset(pairs.header_of(Path(path)))
    form = recognised(path)
    if raw != "developed":
        return _open_raw(path, form, raw)
    if form is ZARR:
        return _open_zarr(path, axes)
    if form is NPY:
        return _open_npy(path, axes)
    if form.science:
        return _open_science(path, form, axes, dataset)
    if form.name in picture_formats.MODULES:
        return _open_other(path, picture_formats.MODULES[form.name])
    if _by_library(path, partial(is_film, form=form)):
        return _open_other(path, picture_formats.FILMS[form.name])
    decode = partial(DECODERS[form], path)
    if form is not TIFF:
        return Source(path, 1, lambda _: decode(0))
    stack = None
    try:
        places = tiff_places.places(path)
        stack = tiff.stack(path, len(places))
    except (vips.DecodingError, ValueError) as error:
        raise damaged(path, error) from error
    if stack:
        array, letters = stack
        named = "".join(letter for letter in letters if letter not in "YXS")
        return _of_array(path, array, Axes(letters.replace("C", "N")), tiff.describe(path)[0], named)
    count = len(places)
    return Source(path, count, lambda index: _tiff(path, places[index]), None if count == 1 else (count,))


def _open_other(path: Path, module: str) -> Source:
    """A file that one of `images.picture_formats` reads."""
    opened = _by_library(path, partial(picture_formats.open_file, module=module))

    def decode(index: int) -> Decoded:
        return _by_library(path, lambda _: opened.decode(index))

    return Source(path, opened.frames, decode, None if opened.frames == 1 else (opened.frames,))


def _jpeg(path: Path, index: int) -> Decoded:
    with path.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data:
        bits, lossless = jpeg.kind(data)
        if bits == 8 and not lossless:
            return _by_vips(path, JPEG, index)
        coding = jpeg.coding(data)
    pixels, layout, metadata = _by_library(path, partial(jpeg_rare.decode, coding=coding))
    return pixels, layout, replace(metadata, coding=coding, left_behind=coding.left_behind)


def _by_vips(path: Path, form: Format, index: int) -> Decoded:
    try:
        check_claim(path, form)
        pixels, layout, metadata = vips.decode(path, form, str(path), index)
        if form is not WEBP:  # whose frames other decoders do not tell apart
            cross_check.checked(path, form, pixels)
    except (vips.DecodingError, ValueError) as error:
        raise damaged(path, error) from error
    with path.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if form is JPEG:
            made = jpeg.coding(data)
            resolution = metadata.resolution or jpeg.resolution(data)
            metadata = replace(metadata, coding=made, resolution=resolution, left_behind=made.left_behind)
        elif form is PNG:
            resolution = metadata.resolution or png.resolution(data)
            metadata = replace(metadata, coding=png.coding(data), resolution=resolution, cicp=png.cicp(data))
        elif form is AVIF:  # the pixels have been turned
            coding = bmff.coding(data)
            metadata = replace(
                metadata, exif=upright(metadata.exif), cicp=coding.cicp, coding=coding, left_behind=coding.left_behind
            )
            if coding.chroma == "400":
                pixels, layout = _grey(pixels, layout)
        metadata = replace(metadata, sample=_sample(data, pixels, layout, form))
    return pixels, layout, metadata


def _sample(data: Data, pixels: Scratch, layout: Layout, form: Format) -> Sample | None:
    spent = webp.lossy_bytes(data) if form is WEBP else bmff.picture_bytes(data) if form in (AVIF, HEIC) else 0
    return sample_of(pixels, layout, form, spent) if spent else None


def _heic(path: Path) -> Decoded:
    heic.check_library()
    check_claim(path, HEIC)
    pixels, layout, metadata = heic.decode(path)
    with path.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return pixels, layout, replace(metadata, sample=_sample(data, pixels, layout, HEIC))


def _grey(pixels: Scratch, layout: Layout) -> tuple[Scratch, Layout]:
    """Of three equal channels the first, and alpha if there is one."""
    kept = [0, 3] if layout.alpha else [0]
    made = Scratch(pixels.shape[:2] + (2,) * layout.alpha, pixels.dtype)
    for top in range(0, pixels.shape[0], vips.STRIP):
        strip = pixels[top : top + vips.STRIP][..., kept]
        made[top : top + vips.STRIP] = strip if layout.alpha else strip[..., 0]
    pixels.close()
    return made, Layout("grey", layout.alpha)


def _tiff(path: Path, place: tiff_places.Place) -> Decoded:
    metadata, layout, foreign = tiff.describe(path, place.directory)
    metadata = _with_overviews(path, place, metadata)
    coding = metadata.coding if isinstance(metadata.coding, tiff.Coding) else tiff.Coding()
    if not foreign:
        try:
            pixels, seen, _ = vips.decode(path, TIFF, str(path), place.page, tiff_places.single_page(path, place))
        except vips.DecodingError as error:
            raise damaged(path, error) from error
        if not cross_check.is_constant(pixels):
            return pixels, layout or seen, metadata
    try:
        other = tiff_pixels.decode(path, place, coding)
    except UnnoiseError:
        raise
    except Exception as error:  # tifffile and its codecs raise nearly every kind on damaged bytes
        if not foreign and not cross_check.holds_more(pixels.nbytes, coding.encoded_bytes):
            return pixels, layout or seen, metadata
        raise damaged(path, error) from error
    return other, layout or Layout.of(other.shape), metadata


def _with_overviews(path: Path, place: tiff_places.Place, metadata: Metadata) -> Metadata:
    if not isinstance(metadata.coding, tiff.Coding):
        return metadata

    def told(directories: tuple[int, ...]) -> tuple[tuple[int, int, tiff.Coding], ...]:
        found = [tiff.describe(path, directory)[0].coding for directory in directories]
        sizes = tiff_places.sizes(path, directories)
        return tuple((*size, own) for size, own in zip(sizes, found, strict=True) if isinstance(own, tiff.Coding))

    coding = replace(metadata.coding, overviews=told(place.overviews), overviews_below=told(place.below))
    return replace(metadata, coding=coding)


def _by_library(path: Path, decode: Callable[[Path], T]) -> T:
    try:
        return decode(path)
    except UnnoiseError:
        raise
    except Exception as error:  # pillow-heif and rawpy raise many kinds
        raise damaged(path, error) from error


def _open_raw(path: Path, form: Format, kind: RawKind) -> Source:
    if form is not RAW:
        raise UsageError(f"{path} is no camera raw, and DNG is made of nothing else; write .tif or another format instead.")
    if kind == "linear":
        return Source(path, 1, lambda _: _by_library(path, raw_linear.decode))
    planes = _by_library(path, raw_linear.planes)

    def decode(index: int) -> Decoded:
        pixels, metadata = planes[index]
        return Scratch.of(pixels), Layout("grey"), metadata

    return Source(path, len(planes), decode, (len(planes),))


DECODERS: dict[Format, Callable[[Path, int], Decoded]] = {
    TIFF: lambda path, index: _tiff(path, tiff_places.Place(index)),
    HEIC: lambda path, _: _by_library(path, _heic),
    RAW: lambda path, _: _by_library(path, camera_raw.decode),
    JPEG: _jpeg,
    **{form: lambda path, index, form=form: _by_vips(path, form, index) for form in (PNG, WEBP, AVIF)},  # type: ignore[misc]
}
"""Frame `index` of a file of each format."""


def _open_npy(path: Path, letters: str | None) -> Source:
    try:
        array = FileArray.of_npy(path)
    except Exception as error:  # a damaged header makes numpy raise nearly every kind too
        if isinstance(error, ValueError) and "Python objects" in str(error):  # numpy has no other sign of it
            raise UsageError(f"{path} holds Python objects, not numbers; save the numbers as an array of floats.") from error
        raise damaged(path, error) from error
    _check_array(array, path)
    return _of_array(path, array, Axes.of(array.shape, letters, str(path)), Metadata())


def _open_zarr(path: Path, letters: str | None) -> Source:
    try:
        found = zarr_stacks.open_array(path)
    except UnnoiseError:
        raise
    except Exception as error:  # zarr too has many
        raise damaged(path, error) from error
    _check_array(found.array, path)
    axes = Axes.of(found.array.shape, letters or found.letters, str(path))
    return _of_array(path, found.array, axes, Metadata(coding=found))


def _open_science(path: Path, form: Format, letters: str | None, dataset: str | None) -> Source:
    file = science.open_file(path, form.name, letters, dataset)

    def decode(index: int) -> Decoded:
        metadata = Metadata(coding=file, description=b"" if index else file.description)
        return file.frame(index), file.place(index)[0].layout, metadata

    if len(file.volumes) > 1:
        return Source(path, len(file), decode, (len(file),))
    (volume,) = file.volumes
    return Source(path, len(file), decode, volume.axes.outer(volume.array.shape) or None, volume.axes)


def _check_array(array: Any, path: Path) -> None:
    if np.dtype(array.dtype).newbyteorder("=").name not in (*DTYPES, *FLOATS):
        remedy = (
            "save its magnitude, or its real and imaginary parts, as arrays of floats"
            if np.dtype(array.dtype).kind == "c"
            else "convert it to floats or whole numbers, as with array.astype('float32')"
        )
        raise UsageError(f"{path} has values of type {array.dtype}; {remedy}.")
    if 0 in array.shape:
        raise UsageError(f"{path} has the shape {array.shape}, which holds no pixels; give at least one row and one column.")


def _of_array(path: Path, array: Any, axes: Axes, metadata: Metadata, letters: str | None = None) -> Source:
    outer = axes.outer(array.shape)

    def decode(index: int) -> Decoded:
        frame = ArrayFrame(array, axes, index, path)
        return frame, axes.layout(frame.shape), metadata

    return Source(path, math.prod(outer), decode, outer or None, axes, letters)
