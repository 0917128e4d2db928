"""Decoding and encoding by libvips, with its errors as one sentence. Only this module imports pyvips."""

from __future__ import annotations

import atexit
import contextlib
import errno
import os
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from unnoise.errors import UnnoiseError, UsageError
from unnoise.files.limits import PIXELS, STRIP_BYTES
from unnoise.images import jpeg, palette, png, tags
from unnoise.images.formats import AVIF, JPEG, PNG, WEBP, Format
from unnoise.images.picture import Layout, Metadata, Pixels
from unnoise.images.pixels import narrowed, stretched
from unnoise.images.resolution import resolution_of
from unnoise.images.scratch import Scratch
from unnoise.images.single_page import SinglePage

DTYPES_OF = {"uchar": "uint8", "ushort": "uint16", "float": "float32", "double": "float64"}
"""What libvips calls the types of pixel, and what numpy does."""
FORMATS_OF = {dtype: form for form, dtype in DTYPES_OF.items()}

STRIP = 128
"""Rows that are decoded at a time."""

COLOURS = {"b-w", "grey16", "srgb", "rgb16", "rgb", "scrgb", "multiband"}
"""How libvips calls grey and RGB; all else (CMYK, Lab, XYZ …) has other channels."""


class DecodingError(Exception):
    """libvips cannot decode the bytes. The message is the reason alone; the caller makes a sentence of it."""


class EncodingError(Exception):
    """libvips cannot encode the picture. The message is the reason alone."""


@lru_cache(maxsize=1)
def libvips() -> Any:
    """Return the module pyvips, without its messages and cache. Raises `UnnoiseError` where it is not installed."""
    os.environ.setdefault("VIPS_WARNING", "0")  # its mere presence keeps start-up warnings off the terminal
    try:
        import pyvips
    except Exception as error:  # pyvips is there and libvips is not, or the two do not fit: these have errors of many kinds
        raise UnnoiseError(
            "PNG, JPEG, WebP, TIFF and HEIF files need pyvips with libvips, which is not installed; "
            'install it with: pip install "pyvips[binary]" (.npy files work without).'
        ) from error
    _silence_glib(pyvips)
    pyvips.cache_set_max(0)  # it would hold the bytes of the last hundred files, and no operation here is ever repeated
    return pyvips


def _silence_glib(pyvips: Any) -> None:
    """Send what GLib says of absurd sizes in damaged headers where pyvips sends the rest: to its logger, not to the
    terminal."""
    domain, critical_and_warning = b"GLib-GObject", 1 << 3 | 1 << 4
    with contextlib.suppress(AttributeError):  # names that pyvips does not promise
        handler = pyvips.glib_lib.g_log_set_handler(domain, critical_and_warning, pyvips._log_handler_cb, pyvips.ffi.NULL)
        atexit.register(pyvips.glib_lib.g_log_remove_handler, domain, handler)


def srgb_profile() -> bytes:
    """Return an ICC profile of sRGB."""
    return bytes(libvips().Image.profile_load("srgb"))


def decode(
    path: Path, form: Format, name: str, page: int = 0, alone: SinglePage | None = None
) -> tuple[Scratch, Layout, Metadata]:
    """Decode a file, or one of its pages. `alone` holds this page alone, and is closed.

    Returns:
        The pixels as stored, in the file's own type; the meaning of the channels; and the metadata.

    Raises:
        DecodingError: the file is damaged or truncated.
        UsageError: the type of the pixels is unknown.
        UnnoiseError: it has more pixels than `limits.PIXELS`.
    """
    with alone or contextlib.nullcontext():
        source = _custom_source(alone) if alone else None
        return _decoded(path, form, name, source, {"page": page} if page and not alone else {})


def _custom_source(file: BinaryIO | SinglePage) -> Any:
    source = libvips().SourceCustom()
    source.on_read(file.read)
    source.on_seek(file.seek)
    return source


def _decoded(path: Path, form: Format, name: str, source: Any, options: dict[str, int]) -> tuple[Scratch, Layout, Metadata]:
    pyvips = libvips()
    try:
        image = _opened(pyvips, path, form, source, **options)
        PIXELS.check(image.width * image.height, name)
        layout = _layout(image, name)
        dtype = DTYPES_OF.get(image.format)
        if dtype is None:
            raise UsageError(f"{name} has values of type {image.format}; convert it to 8 or 16 bits, or floats in 0..1.")
        shape = (image.height, image.width) if image.bands == 1 else (image.height, image.width, image.bands)
        pixels = Scratch(shape, dtype)
        bits = int(image.get("bits-per-sample")) if form is AVIF and image.format == "ushort" else 0
        region = pyvips.Region.new(image)
        most = max(1, min(STRIP, STRIP_BYTES * image.height // max(1, pixels.nbytes)))
        for top in range(0, image.height, most):
            rows = min(most, image.height - top)
            strip = np.frombuffer(region.fetch(0, top, image.width, rows), dtype).reshape(rows, *shape[1:])
            pixels[top : top + rows] = _full_range(strip, bits) if bits else strip
        metadata = _metadata(image)
    except pyvips.Error as error:
        raise DecodingError(_reason(error)) from error
    except UnicodeDecodeError as error:  # pyvips takes all names and texts that libvips found for UTF-8
        raise DecodingError("its metadata is not valid text") from error
    return pixels, layout, metadata


def _opened(pyvips: Any, path: Path, form: Format, source: Any = None, **options: Any) -> Any:
    with contextlib.suppress(AttributeError):  # a name that pyvips does not promise
        pyvips.vips_lib.vips_error_clear()  # what it said of other files
    if source is None:
        with path.open("rb") as file:  # which it duplicates; pyvips takes no name that is not UTF-8
            source = pyvips.Source.new_from_descriptor(file.fileno())
    # `error` also refuses files that end too early, which libvips would otherwise fill up with grey
    return getattr(pyvips.Image, f"{form.codec}load_source")(source, access="sequential", fail_on="error", **options)


def _metadata(image: Any) -> Metadata:
    def blob(name: str) -> bytes:
        return bytes(image.get(name)) if image.get_typeof(name) else b""

    exif = blob("exif-data").removeprefix(b"Exif\0\0")
    # not libvips' own resolution, which is 72 dots per inch where it does not know
    return Metadata(
        exif,
        blob("xmp-data"),
        blob("icc-profile-data"),
        blob("iptc-data").removeprefix(b"Photoshop 3.0\0"),
        resolution_of(tags.first(exif)),
    )


def pages(path: Path, form: Format) -> int:
    """Count the pictures of a file. Raises `DecodingError`."""
    pyvips = libvips()
    try:
        image = _opened(pyvips, path, form)
        return int(image.get("n-pages")) if image.get_typeof("n-pages") else 1
    except pyvips.Error as error:
        raise DecodingError(_reason(error)) from error
    except UnicodeDecodeError as error:
        raise DecodingError("its metadata is not valid text") from error


def encode(
    pixels: Pixels, layout: Layout, metadata: Metadata, form: Format, file: BinaryIO, quality: int | None = None
) -> None:
    """Write a PNG, JPEG or WebP file without metadata but the resolution. Mapped memory is not copied.

    Args:
        quality: for JPEG and WebP. None: WebP is lossless. JPEG has the quality and chroma of `metadata.coding`, if that is
            of a JPEG; else 95 and full chroma.

    Raises:
        EncodingError: libvips cannot encode the picture.
        OSError: the disk is full.
    """
    pyvips = libvips()
    options: dict[str, Any] = {"keep": "none"}
    own = metadata.coding
    if form is PNG:
        made_png = own if isinstance(own, png.Coding) else None
        options |= {"interlace": bool(made_png and made_png.interlaced), "filter": "all"}  # a third smaller than "none"
        if made_png and pixels.dtype == np.uint8 and made_png.palette and layout.colours == "rgb":
            bits = palette.bits_for(pixels, made_png.bits)
            options |= {"palette": True, "bitdepth": bits, "Q": 100, "dither": 0.0, "filter": "none"}
        elif made_png and made_png.bits < 8 and layout == Layout("grey") and pixels.dtype == np.uint8:
            options |= {"bitdepth": made_png.bits, "filter": "none"}
            pixels = stretched(narrowed(pixels, made_png.bits), made_png.bits)  # libvips takes the upper bits, not the nearest
    elif form is JPEG:
        made = own if isinstance(own, jpeg.Coding) else None
        options |= {
            "Q": quality or (made.quality if made else 95),
            "subsample_mode": "on" if made and made.subsampled else "off",
        }
        options["interlace"] = bool(made and made.progressive)
    elif form is WEBP:
        options |= {"Q": quality} if quality else {"lossless": True}
        options["exact"] = True  # keep the colours under transparent pixels
    try:
        image = _image(pyvips, pixels, layout, metadata)
        getattr(image, f"{form.codec}save_target")(pyvips.Target.new_to_descriptor(file.fileno()), **options)
    except pyvips.Error as error:
        _raise_if_disk(error)
        raise EncodingError(_reason(error)) from error


def shrunk(pixels: Pixels, height: int, width: int) -> Pixels:
    """Shrink a picture (H, W) or (H, W, C). Each pixel becomes the mean of those that it covers."""
    pyvips = libvips()
    array = np.ascontiguousarray(pixels)
    bands = array.shape[2] if array.ndim == 3 else 1
    wide = array if array.dtype.name in FORMATS_OF else array.astype(np.float32)
    image = pyvips.Image.new_from_memory(wide, array.shape[1], array.shape[0], bands, FORMATS_OF[wide.dtype.name])
    smaller = image.shrink(array.shape[1] / width, array.shape[0] / height, ceil=True)
    smaller = smaller.embed(0, 0, width, height, extend="copy").numpy()  # to the very size, where that was rounded
    made: Pixels = np.asarray(smaller, array.dtype).reshape(height, width, *array.shape[2:])
    return made


def _raise_if_disk(error: Any) -> None:
    """Raise the OSError that libvips' message tells of, if that is why a file cannot be written."""
    for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO):
        if os.strerror(number) in str(error.detail):
            raise OSError(number, os.strerror(number)) from error


def _image(pyvips: Any, pixels: Pixels, layout: Layout, metadata: Metadata) -> Any:
    deep = pixels.dtype == np.uint16
    interpretation = {"grey": "grey16" if deep else "b-w", "rgb": "rgb16" if deep else "srgb", "cmyk": "cmyk"}[layout.colours]
    bands = pixels.shape[2] if pixels.ndim == 3 else 1
    image = pyvips.Image.new_from_memory(pixels, pixels.shape[1], pixels.shape[0], bands, FORMATS_OF[pixels.dtype.name])
    image = image.copy(interpretation=interpretation)
    if metadata.resolution is not None:
        image = image.copy(xres=metadata.resolution[0], yres=metadata.resolution[1])
    return image


def _layout(image: Any, name: str) -> Layout:
    """What the channels of an image of libvips are; UsageError for what has no black and white, such as Lab."""
    interpretation, bands = str(image.interpretation), int(image.bands)
    if interpretation == "cmyk":
        return Layout("cmyk", bands > 4)
    if interpretation not in COLOURS:
        raise UsageError(
            f"{name} is a {interpretation.upper()} picture, which is neither grey, RGB nor CMYK; convert it to RGB."
        )
    return Layout("channels") if bands > 4 else Layout.of((image.height, image.width, bands))


def _full_range(pixels: Pixels, bits: int) -> Pixels:
    """libvips shifts 10 or 12 bits up to 16 and leaves zeros below, so that white is not 65535: repeat the upper bits
    there."""
    filled: Pixels = pixels | (pixels >> bits)
    return filled


def _reason(error: Any) -> str:
    """The last line of libvips' message that says something: older ones may be of files read before."""
    idle = ("bad seek", "load error")
    lines = [line.strip() for line in str(error.detail).splitlines()]
    lines = [line for line in lines if line and not any(words in line for words in idle)]
    if not lines:
        return ""
    speaker, _, text = lines[-1].partition(": ")
    return text if text and " " not in speaker else lines[-1]
