"""Telling the format of a file. The content decides, as names often err."""

from __future__ import annotations

import zlib
from pathlib import Path

from unnoise.errors import UnnoiseError, UsageError
from unnoise.files.paths import path_kind, refuse_device
from unnoise.images import other_kinds
from unnoise.images.damage import damaged
from unnoise.images.formats import (
    CAMERA_SUFFIXES,
    DICOM,
    FORMATS,
    MRC,
    RAW,
    TGA,
    TIFF,
    ZARR,
    Format,
    format_of,
    is_picture,
    recognise,
    suffix_of,
)
from unnoise.images.picture_formats import tga
from unnoise.images.science import file_copy, pairs

START_BYTES = 512
"""By which formats are told apart."""


def recognised(path: Path) -> Format:
    """Tell the format of a file by its first bytes, and by its suffix where these say nothing.

    Raises:
        UsageError: there is no such file, or neither bytes nor suffix are those of a picture.
        UnnoiseError: the file is empty, cannot be read, or is no picture although its suffix says so.
    """
    refuse_device(path)  # or a pipe that nobody writes to would be waited for
    suffix = path.suffix.lower()
    if path_kind(path) == "folder":
        if suffix in ZARR.suffixes:
            return ZARR
        format_of(path)
        raise UsageError(f"{path} is a folder; name a picture file.")
    if path_kind(path) is None and not is_picture(path):
        format_of(path)
    start = _start(path)
    if not start:
        if not is_picture(path):
            format_of(path)
        raise UnnoiseError(f"{path} is empty; get the file again from where it came.")
    if suffix in CAMERA_SUFFIXES:  # many look like TIFFs inside
        return RAW
    form = recognise(start)  # the content decides, as names often err
    if form is None and suffix in TGA.suffixes and tga.is_tga(start):
        form = TGA
    if form is None:  # neither MRC before 2000 nor DICOM of old archives has a mark
        form = next((each for each in (MRC, DICOM) if suffix_of(path).lower() in each.suffixes), None)
    if form is DICOM and suffix in TIFF.suffixes and start[:2] in (b"II", b"MM"):  # it is both, and named as a TIFF
        form = TIFF
    if form is None:
        if pairs.is_named_as_pair(path) and pairs.is_analyze(start):
            raise UsageError(
                f"{path} is of Analyze 7.5, which does not say how the head lies; convert it to NIfTI, as nibabel does with "
                "nibabel.save(nibabel.load('a.img'), 'a.nii')."
            )
        if start.startswith((b"CDF\1", b"CDF\2", b"CDF\5")):
            raise UsageError(f"{path} is NetCDF 3, which cannot be read; convert it to NetCDF 4, as with nccopy -k nc4.")
        if not is_picture(path):
            format_of(path)
        other = other_kinds.kind_of(start)
        if other:
            raise UnnoiseError(
                f"{path} ends in {path.suffix} but is {other}, which is not supported; convert it to PNG or TIFF."
            )
        known = ", ".join(form.name for form in FORMATS)
        raise UnnoiseError(
            f"{path} is not a picture although it ends in {path.suffix}; give a file in one of the formats {known}."
        )
    return form


def _start(path: Path) -> bytes:
    has_packings = is_picture(path) or pairs.is_named_as_pair(path)
    try:
        with path.open("rb") as file:
            start = file.read(START_BYTES)
        return file_copy.first_bytes(path, START_BYTES) if has_packings and file_copy.packing(path) else start
    except FileNotFoundError as error:
        raise UsageError(f"There is no file {path}; check the name.") from error
    except OSError as error:
        if error.strerror is None:  # gzip's own
            raise damaged(path, error) from error
        raise UnnoiseError(f"{path} cannot be read: {error.strerror}.") from error
    except (EOFError, zlib.error) as error:
        raise damaged(path, error) from error
