"""Pixels of TIFF pages that libvips cannot decode exactly: tifffile decodes them, strip by strip or tile by tile."""

from __future__ import annotations

import logging
import math
import struct
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from unnoise.errors import UsageError
from unnoise.files.limits import PIXELS
from unnoise.files.memory import check_memory
from unnoise.images import palette, tags, tiff_packing
from unnoise.images.measured_values import FLOATS
from unnoise.images.picture import Pixels
from unnoise.images.pixels import DTYPES, narrowed, stretched
from unnoise.images.scratch import Scratch
from unnoise.images.tags import Value
from unnoise.images.tiff import Coding
from unnoise.images.tiff_places import Place, single_page

PHOTOMETRICS = {0, 1, 2, 3, 5, 6}
"""White is zero, black is zero, RGB, palette, inks, YCbCr."""

SEGMENT_FACTOR = 3
"""A strip or tile lies in memory decoded, in its row of tiles, and as it is presented."""
BUFFER_BYTES = 2**26
"""Encoded bytes that are read at a time."""


def decode(path: Path, place: Place, coding: Coding) -> Scratch:
    """Decode a page, or a slice of a volume.

    Samples span the whole range of their type. Palettes become RGB. Alpha is last. Errors of tifffile pass through.

    Raises:
        UsageError: the type cannot be that of pixels.
        UnnoiseError: it has more pixels than `limits.PIXELS`.
    """
    import tifffile

    logging.getLogger("tifffile").addHandler(logging.NullHandler())  # or its warnings about damage reach the terminal
    part, alone = place.part, single_page(path, place)
    opened: Any = alone or path
    # numpy is told to be silent because tifffile calculates with damaged tags too
    with alone or nullcontext(), tifffile.TiffFile(opened) as file, np.errstate(all="ignore"):
        page: Any = file.pages[0 if alone else place.page]
        segments = list(zip(page.dataoffsets, page.databytecounts, strict=False))
        size = path.stat().st_size
        if len(segments) != math.prod(page.chunked) or not all(0 < start < start + n <= size for start, n in segments):
            raise ValueError("strips or tiles are missing")  # tifffile would fill their place with zeros
        dtype = _dtype(page, str(path))
        _, depth, height, width, _ = page.shaped
        PIXELS.check(height * width, str(path))
        segment_bytes = (
            math.prod(page.tile or (min(page.rowsperstrip or height, height), width)) * page.samplesperpixel * dtype.itemsize
        )
        check_memory(SEGMENT_FACTOR * segment_bytes, str(path), "save it in strips or tiles of fewer rows")
        if not 0 <= part < depth:
            raise ValueError(f"it has no slice {part}")
        pixels: Scratch | None = None
        for plane, top, rows in _bands(page, part):
            apart = page.planarconfig == 2 and page.samplesperpixel > 1
            channel = coding.order.index(plane) if apart and coding.order else plane
            own = _of_plane(coding, channel, page.samplesperpixel) if apart else coding
            made = presented(rows.astype(dtype, copy=False), own)  # (h, W, C), of one channel if these lie apart
            channels = page.samplesperpixel if apart else made.shape[2]
            if pixels is None:
                pixels = Scratch((height, width) if channels == 1 else (height, width, channels), made.dtype)
            bottom = min(top + made.shape[0], height)
            made = made[: bottom - top]
            if channels == 1:
                pixels[top:bottom] = made[..., 0]
            elif apart:
                strip = pixels[top:bottom].copy()
                strip[..., channel] = made[..., 0]
                pixels[top:bottom] = strip
            else:
                pixels[top:bottom] = made
    if pixels is None:
        raise ValueError("it holds no pixels")
    return pixels


def _dtype(page: Any, name: str) -> np.dtype[Any]:
    """The type of the page's pixels; UsageError: they are of a kind that is no picture's."""
    dtype = page.dtype
    photometric = int(page.photometric)
    kind = f"{page.samplesperpixel} channel{'s' * (page.samplesperpixel > 1)} of {page.bitspersample} bit{'s' * (page.bitspersample > 1)}"
    if photometric not in PHOTOMETRICS:
        raise UsageError(f"{name} is a TIFF of {page.photometric.name} colours, which are not supported; convert it to RGB.")
    if dtype is None or dtype.name not in (*DTYPES, *FLOATS, "bool"):
        sort = {2: "signed integers", 3: "floats", 5: "complex integers", 6: "complex numbers"}.get(
            int(page.sampleformat), "integers"
        )
        raise UsageError(
            f"{name} is a TIFF with {kind}, {sort} that are not supported; convert it to 8 or 16 bits, or to float32."
        )
    if dtype.name == "bool" and page.samplesperpixel > 1 and int(page.planarconfig) == 1:  # no library unpacks them
        if len(page.tags) < _declared_tags(page):  # the depth may be cut off, and one bit is what tifffile then takes
            raise ValueError("its tags cannot be read")
        raise UsageError(f"{name} is a TIFF with {kind} beside each other, which are not supported; convert it to 8 bits.")
    return np.dtype("uint8") if dtype.name == "bool" else np.dtype(dtype.name)


def _declared_tags(page: Any) -> int:
    """The number of tags that the page says it has; tifffile leaves out those that it cannot read."""
    file, form = page.parent.filehandle, page.parent.tiff
    file.seek(page.offset)
    return int(struct.unpack(form.tagnoformat, file.read(form.tagnosize))[0])


def _bands(page: Any, part: int) -> Iterator[tuple[int, int, Pixels]]:
    """Channel (0 where they lie together), first row and pixels (h, W, S) of each row of strips or tiles of slice
    `part`."""
    _, _, height, width, samples = page.shaped
    row: tuple[int, int] | None = None
    band: Pixels | None = None
    page.init_decode()
    for segment, (plane, deep, top, left, _), shape in page.segments(maxworkers=1, buffersize=BUFFER_BYTES):
        if not deep <= part < deep + shape[0]:
            continue
        if segment is None:
            raise ValueError("strips or tiles are missing")
        if row != (plane, top):
            if row is not None and band is not None:
                yield (*row, band)
            row = plane, top
            band = np.zeros((min(shape[1], height - top), width, samples), segment.dtype)
        assert band is not None  # it was made with the row
        segment = tiff_packing.unpacked(segment, page.bitspersample, page.parent.byteorder)
        piece = segment[part - deep, : band.shape[0], : width - left]
        band[: piece.shape[0], left : left + piece.shape[1]] = piece
    if row is not None and band is not None:
        yield (*row, band)


def presented(samples: Pixels, coding: Coding) -> Pixels:
    """Convert samples (H, W, S) of a file to pixels (H, W, C). `stored` is the inverse."""
    if coding.palette:
        return _colours(coding)[np.minimum(samples[..., 0], len(_colours(coding)) - 1)]
    if coding.order and samples.shape[2] == len(coding.order):
        samples = samples[..., coding.order]
    if coding.bits and samples.dtype.kind == "u" and samples.dtype.itemsize <= 2:
        samples = stretched(samples, coding.bits)
    return turned_white(samples, coding)


def turned_white(pixels: Pixels, coding: Coding) -> Pixels:
    """Invert the grey of a file in which white is zero, in either direction. Alpha stays."""
    if coding.photometric != 0 or pixels.dtype.name not in ("uint8", "uint16"):
        return pixels
    turned = pixels.copy()
    turned[..., : pixels.shape[-1] - _alphas(coding)] ^= np.iinfo(pixels.dtype).max
    return turned


def _alphas(coding: Coding) -> int:
    return sum(kind in (1, 2) for kind in coding.extra or ())


def _of_plane(coding: Coding, place: int, channels: int) -> Coding:
    """How one of channels that lie apart is to be presented."""
    alpha = place >= channels - _alphas(coding)
    return replace(coding, order=(), extra=(), photometric=1 if alpha else coding.photometric)


def _colours(coding: Coding) -> Pixels:
    """The palette as colours (N, 3): uint8 where it means 8 bits, else uint16."""
    table = np.frombuffer(coding.palette, "<u2").reshape(3, -1).T
    if (table % 257 == 0).all() or (table % 256 == 0).all():
        return (table >> 8).astype(np.uint8)
    return table.astype(np.uint8 if table.max() < 256 else np.uint16)


def stored(pixels: Pixels, coding: Coding) -> tuple[Pixels, int, dict[int, Value]]:
    """Convert pixels to samples as the file had them.

    Args:
        pixels: (H, W) or (H, W, C).
        coding: that of the source.

    Returns:
        The samples; their bits, if fewer than those of their type; and tags that state this.
    """
    if coding.palette and pixels.ndim == 3 and pixels.shape[2] == 3 and pixels.dtype.kind == "u":
        bits = palette.bits_for(pixels, coding.bits or 8 * (1 + (len(coding.palette) > 6 * 256)))
        found = palette.indexed(pixels, min(2**bits, 65536))
        if found:
            packed = bits if bits == coding.bits else 0
            numbers, colours = found
            scale = 257 if pixels.dtype == np.uint8 else 1
            table = np.zeros((3, 2**bits), "<u2")
            table[:, : len(colours)] = colours.T.astype(np.uint16) * scale
            said = {tags.PHOTOMETRIC: tags.short(3), tags.COLORMAP: Value(3, table.tobytes())}
            return (numbers.astype(bool) if bits == 1 else numbers), packed, said
    samples = pixels.shape[2] if pixels.ndim == 3 else 1
    if samples != coding.samples or coding.photometric is None:
        return pixels, 0, {}
    pixels = turned_white(pixels if pixels.ndim == 3 else pixels[..., None], coding) if coding.photometric == 0 else pixels
    bits = coding.bits if pixels.dtype.kind == "u" and pixels.dtype.itemsize * 8 > coding.bits else 0
    if bits and not (bits == 1 and samples > 1):  # tifffile packs several channels of one bit wrongly
        pixels = narrowed(pixels, bits) if pixels.dtype.itemsize <= 2 else np.minimum(pixels, 2**bits - 1)
        pixels = pixels.astype(bool) if bits == 1 else pixels
    else:
        bits = 0
    if coding.order:
        pixels = pixels[..., np.argsort(coding.order)]
    said = {tags.PHOTOMETRIC: tags.short(coding.photometric)}
    if coding.extra:
        said[tags.EXTRA_SAMPLES] = Value(3, np.array(coding.extra, "<u2").tobytes())
    return pixels[..., 0] if samples == 1 and pixels.ndim == 3 else pixels, bits, said
