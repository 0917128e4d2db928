"""What a format can hold: a picture that it cannot hold is refused, and metadata that it loses are named."""

from __future__ import annotations

from pathlib import Path

from unnoise.errors import UsageError
from unnoise.images import dng
from unnoise.images.formats import AVIF, DNG, HDR, HEIC, JXL, PFM, PNG, PSD, Format
from unnoise.images.picture import Described, Metadata
from unnoise.images.picture_formats import jpeg_xl

HDR_CURVES = {16: "PQ", 18: "HLG"}
"""Curves of ITU-T H.273 by which values mean light far beyond ordinary white."""

LINEAR = (PFM, HDR)
"""Formats that hold linear light, as floats."""


def check_holds(path: Path, form: Format, picture: Described) -> None:
    """Raise `UsageError` for a picture that the file `path` of this format cannot hold."""
    layout, metadata = picture.layout, picture.metadata
    count = picture.shape[2] if len(picture.shape) == 3 else 1
    if form is DNG and not isinstance(metadata.coding, dng.Coding):
        raise UsageError(f"{path} would be a DNG, which is made of camera raw alone; write .tif instead.")
    if layout.alpha and not form.alpha:
        raise UsageError(f"{path} cannot hold transparency, which {form.name} does not have; write .png or .tif instead.")
    says_hdr = form in (AVIF, HEIC, PNG) or (form is JXL and isinstance(metadata.coding, jpeg_xl.Coding))
    if not says_hdr and not form.science and not _is_array(form) and _is_hdr(metadata):
        assert metadata.cicp
        raise UsageError(
            f"{path} would show false colours: the picture is HDR ({HDR_CURVES[metadata.cicp[1]]}), which {form.name} files "
            "cannot say; write .avif, .heic or .png instead."
        )
    if layout.alpha > 1 and not form.stacks:
        raise UsageError(f"{path} cannot hold {layout.alpha} channels of transparency; write .tif instead.")
    if layout.colours == "cmyk" and not form.ink:
        raise UsageError(f"{path} cannot hold CMYK, which {form.name} does not have; write .tif or .jpg instead.")
    if form in LINEAR:
        _check_linear(path, form, picture, count)
    elif layout.colours == "channels" and not form.stacks and form is not PSD and not _is_own(form, metadata):
        raise UsageError(f"{path} cannot hold {count} channels that are no colours; write .tif, .npy or .zarr instead.")


def _is_hdr(metadata: Metadata) -> bool:
    return bool(metadata.cicp and metadata.cicp[1] in HDR_CURVES and not metadata.icc)


def _is_array(form: Format) -> bool:
    return form.name in ("NumPy", "Zarr")


def _check_linear(path: Path, form: Format, picture: Described, count: int) -> None:
    most = (3,) if form is HDR else (1, 3, 4)
    if picture.dtype.kind != "f" or count not in most:
        what = f"{count} channels" if count not in most else f"values of type {picture.dtype}, coded for display"
        raise UsageError(f"{path} cannot hold {what}, as {form.name} holds linear light of colors; write .tif or .png instead.")


def _is_own(form: Format, metadata: Metadata) -> bool:
    """Whether the picture is from a file of the same format, so that its channels are no surprise."""
    return type(metadata.coding).__module__.startswith("unnoise.images.picture_formats.") and form.name in (
        "Netpbm",
        "JPEG 2000",
    )


def lost_by(form: Format, metadata: Metadata) -> list[str]:
    """Metadata that a file of this format cannot hold, by name."""
    if form.science or _is_array(form):
        return []
    there = {"EXIF": metadata.exif, "XMP": metadata.xmp, "ICC profile": metadata.icc}
    lost = [f"its {name}" for name, content in there.items() if content and name not in form.metadata]
    if metadata.film and form.name not in ("PNG", "WebP", "AVIF", "GIF"):
        lost.append("the times of its pictures")
    return lost
