"""Encoded bytes to pixels and back by libvips, with its errors brought to one sentence. The only module that knows pyvips."""

from __future__ import annotations

import atexit
import contextlib
import os
from functools import lru_cache
from typing import Any

import numpy as np

from unnoise.errors import UnnoiseError, UsageError
from unnoise.images.formats import HEIF, JPEG, TIFF, WEBP, Format
from unnoise.images.picture import Metadata, Pixels
from unnoise.images.pixels import check_array

COLOURS = {"b-w", "grey16", "srgb", "rgb16", "rgb", "scrgb", "multiband"}
"""How libvips calls grey and RGB; all else (CMYK, Lab, XYZ …) has other channels."""

CARRIED = {"icc-profile-data", "xmp-data", "iptc-data", "orientation", "resolution-unit"}
"""Metadata fields that go from file to file, besides those of EXIF."""


class DecodingError(Exception):
    """libvips gave up on the bytes; the message is its reason alone, for the caller to put into a sentence."""


class EncodingError(Exception):
    """libvips cannot make such a file; the message is its reason alone."""


@lru_cache(maxsize=1)
def libvips() -> Any:
    """The module pyvips, silenced and without its cache; UnnoiseError with the remedy where it is not installed."""
    os.environ.setdefault("VIPS_WARNING", "0")  # its mere presence keeps start-up warnings off the terminal
    try:
        import pyvips
    except (ImportError, OSError) as error:  # OSError: pyvips is there, the library libvips is not
        raise UnnoiseError(
            "PNG, JPEG, WebP, TIFF and HEIF files need pyvips with libvips, which is not installed; "
            'install it with: pip install "pyvips[binary]" (.npy files work without).'
        ) from error
    _silence_glib(pyvips)
    pyvips.cache_set_max(0)  # it would hold the bytes of the last hundred files, and no operation here is ever repeated
    return pyvips


def _silence_glib(pyvips: Any) -> None:
    """Send what GLib says of absurd sizes in damaged headers where pyvips sends the rest: to its logger, not to the terminal."""
    domain, critical_and_warning = b"GLib-GObject", 1 << 3 | 1 << 4
    with contextlib.suppress(AttributeError):  # names that pyvips does not promise
        handler = pyvips.glib_lib.g_log_set_handler(domain, critical_and_warning, pyvips._log_handler_cb, pyvips.ffi.NULL)
        atexit.register(pyvips.glib_lib.g_log_remove_handler, domain, handler)


def decode(data: bytes, form: Format, name: str) -> tuple[Pixels, Metadata]:
    """Read the bytes of a whole file: pixels (H, W) or (H, W, C) in the file's own type, as stored, and metadata.

    Raises DecodingError for damaged or cut bytes, UsageError for what is no single grey or RGB picture of a known type.
    """
    pyvips = libvips()
    try:
        # `error` also refuses files that end too early, which libvips would otherwise fill up with grey
        image = getattr(pyvips.Image, f"{form.codec}load_buffer")(data, access="sequential", fail_on="error")
        _check_header(image, form, name)
        pixels = np.asarray(image.numpy()).reshape(image.height, image.width, image.bands)
        if form is HEIF and image.format == "ushort":
            pixels = _full_range(pixels, int(image.get("bits-per-sample")))
        fields = {key: image.get(key) for key in image.get_fields() if key in CARRIED or key.startswith("exif-")}
    except pyvips.Error as error:
        raise DecodingError(_reason(error)) from error
    except UnicodeDecodeError as error:  # pyvips takes all names and texts that libvips found for UTF-8
        raise DecodingError("its metadata is not valid text") from error
    if image.bands == 1:
        pixels = pixels[..., 0]  # (H, W)
    check_array(pixels, name)
    return pixels, Metadata(fields, (image.xres, image.yres))


def encode(pixels: Pixels, metadata: Metadata, form: Format, suffix: str) -> bytes:
    """The bytes of a file of `form` that holds `pixels`, which must be of one of its depths.

    JPEG and AVIF lose a little (quality 95, full chroma), PNG, TIFF and WebP nothing. Raises EncodingError.
    """
    pyvips = libvips()
    options: dict[str, Any] = {}
    if form is JPEG:
        options = {"Q": 95, "subsample_mode": "off"}
    elif form is WEBP:
        options = {"lossless": True, "exact": True}  # exact: keep the colours under transparent pixels
    elif form is TIFF:
        options = {"compression": "deflate", "predictor": "float" if pixels.dtype.kind == "f" else "horizontal"}
        options["bigtiff"] = pixels.nbytes > 2**31  # classic TIFF ends at 4 GiB, and compression cannot be relied upon
    elif form is HEIF:
        options = {"compression": "av1" if suffix == ".avif" else "hevc", "Q": 95, "subsample_mode": "off"}
        if pixels.dtype == np.uint16:
            options["bitdepth"] = 12
            # libvips drops the lowest 4 bits: hand it 12 bits already rounded, in their place
            pixels = (((pixels.astype(np.uint32) * 4095 + 32767) // 65535) << 4).astype(np.uint16)
    try:
        image = _image(pyvips, pixels, metadata)
        return bytes(getattr(image, f"{form.codec}save_buffer")(**options))
    except pyvips.Error as error:
        raise EncodingError(_reason(error)) from error


def _image(pyvips: Any, pixels: Pixels, metadata: Metadata) -> Any:
    grey = pixels.ndim == 2 or pixels.shape[2] < 3
    deep = pixels.dtype == np.uint16
    interpretation = ("grey16" if deep else "b-w") if grey else ("rgb16" if deep else "srgb")
    image = pyvips.Image.new_from_array(pixels, interpretation=interpretation)
    if metadata.resolution is not None:
        image = image.copy(xres=metadata.resolution[0], yres=metadata.resolution[1])
    types = {
        bytes: pyvips.GValue.blob_type,
        str: pyvips.GValue.refstr_type,
        int: pyvips.GValue.gint_type,
        float: pyvips.GValue.gdouble_type,
    }
    for key, value in metadata.fields.items():
        image.set_type(types[type(value)], key, value)
    return image


def _check_header(image: Any, form: Format, name: str) -> None:
    """Refuse what cannot be denoised before its pixels are decoded."""
    if form in (TIFF, WEBP) and image.get_typeof("n-pages") and image.get("n-pages") > 1:
        raise UsageError(f"{name} holds {image.get('n-pages')} pages; save each page as a file of its own.")
    if image.interpretation not in COLOURS:
        colours = str(image.interpretation).upper()
        raise UsageError(
            f"{name} is a {colours} picture, but only grey and RGB are supported for now; convert it to RGB first."
        )
    if image.bands > 4:
        raise UsageError(
            f"{name} has {image.bands} channels, but only grey and RGB, each with or without alpha, are supported for now."
        )


def _full_range(pixels: Pixels, bits: int) -> Pixels:
    """libvips shifts 10 or 12 bits up to 16 and leaves zeros below, so that white is not 65535: repeat the upper bits there."""
    filled: Pixels = pixels | (pixels >> bits)
    return filled


def _reason(error: Any) -> str:
    """The last line of libvips' message that says something: older ones may be of files read before."""
    idle = ("bad seek", "load error")
    lines = [line.strip() for line in str(error.detail).splitlines()]
    lines = [line for line in lines if line and not any(words in line for words in idle)]
    if not lines:
        return "no reason given"
    speaker, _, text = lines[-1].partition(": ")
    return text if text and " " not in speaker else lines[-1]
