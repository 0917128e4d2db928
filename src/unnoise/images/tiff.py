"""TIFF files: the metadata of each page, byte by byte."""

from __future__ import annotations

import logging
import math
import mmap
import struct
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from unnoise.images import tags, tiff_places
from unnoise.images.claims import check_packed
from unnoise.images.damage import damaged
from unnoise.images.file_array import FileArray
from unnoise.images.picture import Layout, Metadata
from unnoise.images.resolution import resolution_of
from unnoise.images.tags import File, Tags, Value

LIBVIPS_COMPRESSIONS = {1, 2, 3, 4, 5, 7, 8, 32773, 32946}
"""None, the fax codes, LZW, JPEG, Deflate, PackBits. libvips gives zeros for tiles in any other, without an error."""

COMPRESSIONS = {1: None, 5: "lzw", 8: "zlib", 32946: "zlib", 32773: "packbits", 34925: "lzma", 50000: "zstd"}
"""Those that lose nothing, which stay as they are; from others we write Deflate."""

OLD_JPEG = 6
"""libvips reads its strips alone."""

LIBVIPS_TYPES = {(1, 1), (8, 1), (16, 1), (32, 3)}
"""Bits of a sample and SampleFormat (1: unsigned, 3: float) that libvips reads as they are."""

LIBVIPS_PHOTOMETRICS = {0, 1, 2, 5, 6}
"""Grey (0: white is zero), RGB, inks, YCbCr."""

STRUCTURE = frozenset(
    {
        254,
        255,
        256,
        257,
        258,
        259,
        262,
        263,
        264,
        265,
        266,
        273,
        277,
        278,
        279,
        280,
        281,
        284,
        288,
        289,
        290,
        291,
        292,
        293,
        317,
    }
    | {320, 321, 322, 323, 324, 325, 330, 332, 333, 334, 336, 338, 339, 340, 341, 342, 343, 344, 345, 346, 347}
    | {512, 513, 514, 515, 517, 518, 519, 520, 521, 529, 530, 531, 532, 559, 32995, 32996, 32997, 32998, 37724}
)
"""Tags that speak of how the pixels are stored, of pages below, or hold other versions of them, such as Photoshop's
layers."""

METAMORPH = frozenset({33628, 33629, 33630, 33631})
"""Tags of MetaMorph, whose values are longer than they say and point into the file."""

GDAL_NODATA = 42113
"""The value of missing pixels in a GeoTIFF, as text."""

APART = frozenset([tags.XMP, tags.IPTC, tags.PHOTOSHOP, tags.ICC])
"""Tags whose content other formats keep outside of EXIF."""


@dataclass(frozen=True)
class Coding:
    """The encoding of a page of a TIFF."""

    tags: Tags = field(default_factory=lambda: MappingProxyType({}))
    """All that do not speak of storage, with the directories of EXIF and GPS."""
    compression: str | None = "zlib"
    predictor: bool = True
    tile: tuple[int, int] | None = None
    rows: int | None = None
    """Of a strip."""
    planar: bool = False
    """The channels lie one after the other."""
    extra: tuple[int, ...] | None = None
    """What the channels beyond the colours are: 0 unspecified, 1 alpha that colours were multiplied by, 2 alpha."""
    byteorder: Literal["<", ">"] = "<"
    photometric: int | None = None
    """TIFF's PhotometricInterpretation; None: what is usual for the channels."""
    samples: int = 0
    """Of a pixel in the file."""
    bits: int = 0
    """Bits of a sample in the file where they do not fill our type; 0: they do."""
    palette: bytes = b""
    """ColorMap, little-endian; empty: colours stand in the pixels themselves."""
    order: tuple[int, ...] = ()
    """Where each of our channels is in the file; (): in the same order."""
    encoded_bytes: int = field(default=0, compare=False)
    """Of the strips or tiles; 0: they are not compressed."""
    overviews: tuple[tuple[int, int, Coding], ...] = ()
    """Height and width of pages that show the same picture smaller, and how they were made."""
    overviews_below: tuple[tuple[int, int, Coding], ...] = ()
    """The same, where they are no pages of their own but lie below this one (SubIFDs)."""


def describe(path: Path, place: int = 0) -> tuple[Metadata, Layout | None, bool]:
    """Read the tags of one page.

    libvips cannot decode every page. It returns zeros for tiles that its codecs do not know. It widens 16-bit floats and
    misreads planar channels. It divides colours by an associated alpha, which loses information.

    Args:
        path: the file.
        place: where the directory of the page lies, as in `Place`; 0: the first one.

    Returns:
        The metadata; the meaning of the channels (None: colours that are decoded to RGB); and whether libvips must not
        decode the page.
    """
    with path.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data:
        file = File.of(data)
        place = place or (next(file.directories(), (0, 0))[0] if file else 0)
        if file is None or not place:
            return Metadata(), None, False
        found = file.tags(place)
        has_others = len(tiff_places.overviews_below(file, place)) < len(tiff_places.below(file, place))
    own = {code: value for code, value in found.items() if code not in STRUCTURE | METAMORPH}
    exif = {code: value for code, value in own.items() if code not in APART}
    numbers = {code: _numbers(value) for code, value in found.items() if isinstance(value, Value)}

    def number(code: int, usual: int) -> int:
        return (numbers.get(code) or (usual,))[0]

    def blob(code: int) -> bytes:
        """As it stands in the file."""
        value = found.get(code)
        return tags.turned(value.data, value.kind, file.order) if isinstance(value, Value) else b""

    photometric, samples, compression, bits = number(262, 1), number(277, 1), number(259, 1), number(258, 1)
    bits_of_page = number(256, 0) * number(257, 0) * sum((numbers.get(258) or (1,))[:samples])
    counts = numbers.get(279) or numbers.get(325) or ()
    try:  # colors of fewer pixels (YCbCr) take fewer bytes
        check_packed(bits_of_page, compression if photometric != 6 else 0, counts)
    except ValueError as error:
        raise damaged(path, error) from error
    iptc = blob(tags.PHOTOSHOP) or (blob(tags.IPTC) and _resource(0x0404, blob(tags.IPTC)))
    extra = tuple(numbers.get(338, ()))
    layout, order = _layout(photometric, samples, extra, inks=number(332, 1) == 1)
    for code in (tags.SUBFILE, *((332, 333, 334, 336) if photometric == 5 else ())):
        if code in found:
            own[code] = found[code]
    palette = found.get(tags.COLORMAP) if photometric == 3 else None
    coding = Coding(
        own,
        COMPRESSIONS.get(compression, "zlib"),
        number(317, 1) > 1 or compression not in COMPRESSIONS,
        (number(323, 0), number(322, 0)) if number(322, 1) % 16 == number(323, 1) % 16 == 0 else None,
        number(278, 0) or None,
        number(284, 1) == 2,
        extra,
        file.order,
        None if photometric in (3, 6) else photometric,
        samples,
        bits if bits not in (8, 16, 32, 64) else 0,
        palette.data if isinstance(palette, Value) else b"",
        order,
        0 if compression == 1 else sum(counts),
    )
    metadata = Metadata(
        tags.build(exif, file.order) if exif else b"", blob(tags.XMP), blob(tags.ICC), iptc, resolution_of(found), coding,
        left_behind=(
            *(["the values of MetaMorph (UIC tags)"] if METAMORPH & set(found) else []),
            *(["other pictures below its page (SubIFDs)"] if has_others else []),
        ),
        nodata=_declared(blob(GDAL_NODATA)),
    )  # fmt: skip
    by_libvips = (
        (compression in LIBVIPS_COMPRESSIONS or (compression == OLD_JPEG and 322 not in found))
        and photometric in LIBVIPS_PHOTOMETRICS
        and (bits, number(339, 1)) in LIBVIPS_TYPES
    )
    odd = (
        1 in extra
        or bool(order)
        or (photometric == 0 and (samples > 1 or bits > 8))
        or (coding.planar and samples > 1)
        or (compression == 7 and (samples not in (1, 3) or 322 in found))  # libvips reads grey tiles of 16 x 16 wrongly
        or number(32997, 1) > 1
        or (bits == 1 and samples > 1)  # of which libvips says that they are damaged
    )
    return metadata, layout, odd or not by_libvips


def _layout(photometric: int, samples: int, extra: tuple[int, ...], *, inks: bool) -> tuple[Layout | None, tuple[int, ...]]:
    """From TIFF's PhotometricInterpretation, SamplesPerPixel, ExtraSamples and InkSet; where each channel lies, if
    alpha moves last."""
    named: dict[int, tuple[Any, int]] = {0: ("grey", 1), 1: ("grey", 1), 2: ("rgb", 3), 3: ("rgb", 1), 5: ("cmyk", 4)}
    if photometric not in named:
        return None, ()
    colours, count = named[photometric]
    if not inks:
        colours, count = "channels", samples - len(extra)
    if samples == count:
        return Layout(colours), ()
    first = samples - len(extra)
    alphas = tuple(first + i for i, kind in enumerate(extra) if kind in (1, 2) and first + i >= 0)
    if not alphas and samples == count + 1 and colours == "rgb":
        alphas = (samples - 1,)  # many programs leave the alpha of RGB unspecified
    others = tuple(i for i in range(samples) if i not in alphas)
    order = (*others, *alphas) if alphas != tuple(range(len(others), samples)) else ()
    return Layout(colours if len(others) == count else "channels", len(alphas)), order


def _numbers(value: Value) -> tuple[int, ...]:
    """Whole numbers of a tag; (): it holds others, or too many to be of use."""
    codes = {1: "B", 3: "H", 4: "I", 16: "Q"}
    count = len(value.data) // tags.SIZES[value.kind]
    return struct.unpack(f"<{count}{codes[value.kind]}", value.data) if value.kind in codes and count < 1000 else ()


def _declared(text: bytes) -> float | None:
    """The number that GDAL's tag states; None: there is no tag, or it states no number. NaN is missing without it."""
    try:
        value = float(text.rstrip(b"\0").decode("ascii"))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _resource(number: int, content: bytes) -> bytes:
    """One of Photoshop's image resources."""
    return b"8BIM" + struct.pack(">HHI", number, 0, len(content)) + content + b"\0" * (len(content) % 2)


def stack(path: Path, pages: int) -> tuple[Any, str] | None:
    """Open a stack behind a single page, as ImageJ and tifffile write it.

    Returns:
        The array as it lies in the file, (…, H, W[, C]), and its axes. None: the file holds no such stack.

    Raises:
        ValueError: the file is too short for the pictures that it states.
    """
    import tifffile

    if pages != 1:
        return None
    logging.getLogger("tifffile").addHandler(logging.NullHandler())
    try:
        with tifffile.TiffFile(path) as file:
            page, series = file.pages[0], file.series[0]
            end, size, kind = page.dataoffsets[0], path.stat().st_size, series.dtype.newbyteorder(file.byteorder)
            # such pictures are never compressed and nothing follows them; else the words are of a stack that the page was taken from
            promised = _promised(file) if file.is_stk or (page.is_final and page.offset < end) else 1
            place, shape, axes = series.dataoffset, series.shape, str(series.axes)
            alone = series.size == math.prod(page.shape)
            end += promised * page.nbytes
    except Exception:  # damage, which the decoder will report
        return None
    if promised > 1 and end > size:
        raise ValueError(f"it speaks of {promised} pictures and ends before the last of them does")
    if promised == 1 or place is None or alone or not {*"YX"} <= {*axes}:
        return None
    return FileArray(path, kind, place, shape), axes


def _promised(file: Any) -> int:
    """How many pictures of the first page's size a file's description speaks of."""
    page = file.pages[0]
    if file.is_stk:  # MetaMorph: each plane has an entry in the tag UIC2
        return max(1, int(page.tags[33629].count))
    if file.is_imagej:
        apart = page.samplesperpixel if page.planarconfig == 2 else 1  # Bio-Formats counts each sample
        return max(1, int(file.imagej_metadata.get("images", 1)) // apart)
    if file.is_shaped and file.shaped_metadata[0].get("truncated"):
        return max(1, math.prod(file.shaped_metadata[0]["shape"]) // math.prod(page.shape))
    return 1
