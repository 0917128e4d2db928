"""DNG files: which of a camera raw file's tags go into a DNG that we write, and which no longer hold there.

Source: Adobe, "Digital Negative (DNG) Specification", version 1.7.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from types import MappingProxyType

from unnoise.images import tags
from unnoise.images.tags import ByteOrder, Data, File, Tags, Value
from unnoise.images.tiff import STRUCTURE

VERSION, BACKWARD_VERSION, CAMERA_MODEL = 50706, 50707, 50708
BLACK_REPEAT, BLACK, WHITE = 50713, 50714, 50717
BLACK_LEVELS = frozenset({BLACK_REPEAT, BLACK, 50715, 50716, WHITE})
"""BlackLevel of each sample, row and column, and WhiteLevel."""
COLOR_MATRIX, NEUTRAL, NEUTRAL_XY, ILLUMINANT = 50721, 50728, 50729, 50778
ACTIVE_AREA = 50829
CROP = frozenset({50718, 50719, 50720, 51125})
"""DefaultScale, DefaultCropOrigin, DefaultCropSize, DefaultUserCrop: relative to the active area."""
OPCODES = 51008, 51009, 51022
"""Corrections that a developer applies: to the stored values, to the mosaic in linear light, and to the colours."""
CFA_REPEAT, CFA_PATTERN, CFA_COLORS, CFA_LAYOUT = 33421, 33422, 50710, 50711
MOSAIC = frozenset({CFA_REPEAT, CFA_PATTERN, CFA_COLORS, CFA_LAYOUT, 50733, 37398, 37399, 41730})
"""Tags that speak of the colours of a mosaic."""
PHOTOMETRICS = {32803, 34892}
"""Mosaics, and pixels that each have all colours."""
LINEAR_RAW, CFA = 34892, 32803
D65 = 21

DROPPED = frozenset(
    {50712, ACTIVE_AREA, 50830, 50974, 50975, 52547, 52553, 52554, 52555}  # tables, areas, interleaving, JPEG XL
    | {50781, 50972, 51111, 50828, 50973, 51041, 51089, 51090, 51091, 52550}  # digests, the original file, noise, sizes
    | {50966, 50967, 50968, 50969, 50970, 50971}  # old previews
    | {51177, 51178, 51179, 51180, 51181, 52526, 52528, 52536}  # depth and masks
)
"""What speaks of how the old pixels were stored, of their digests and noise, and of other pictures in the file."""

FIRST_TAG = 50706
"""Tags from here on are those of DNG."""


@dataclass(frozen=True)
class Coding:
    """What a camera raw file says that a DNG of it repeats, and what the stored values mean."""

    tags: Tags = field(default_factory=lambda: MappingProxyType({}))
    """Of the first directory: EXIF, XMP, and the camera's colours."""
    raw_tags: Tags = field(default_factory=lambda: MappingProxyType({}))
    """Of the directory of the raw pixels: their levels, crop, mosaic and corrections."""
    black: tuple[float, ...] = (0.0,)
    """The stored value without light: one for all, or one for each channel."""
    white: float = 65535.0
    """The stored value at which the sensor saturates."""
    pedestal: int = 0
    """What was added to all values so that noise below black is kept. A DNG is written without it: rawspeed, and so
    darktable, takes black for 0 in pixels that have all colours."""
    neutral: tuple[float, ...] = (1.0,)
    """What each channel stores for white, as a share of the strongest: the camera's white balance turned round."""
    to_srgb: tuple[tuple[float, ...], ...] | None = None
    """From white-balanced camera colours to linear sRGB, for the preview; None: the camera sees no colours."""
    plane: int | None = None
    """Which of the four planes of a mosaic these pixels are, from left to right and top to bottom; None: they are no
    plane."""
    mosaic: tuple[int, int] | None = None
    """Height and width of the mosaic that the planes make up."""
    colors: tuple[int, ...] = ()
    """0 red, 1 green or 2 blue: of each plane."""
    byteorder: ByteOrder = "<"


def directories(data: Data) -> list[dict[int, Value | Tags]]:
    """All directories of a TIFF: the chain, and those that SubIFDs names below each; []: it is no TIFF."""
    file = File.of(data)
    if file is None:
        return []
    found = []
    for place, _ in file.directories():
        own = file.tags(place)
        found.append(own)
        below = own.get(330)
        if isinstance(below, Value):
            size = tags.SIZES[below.kind]
            parts = (int.from_bytes(below.data[i : i + size], "little") for i in range(0, len(below.data), size))
            found += [file.tags(part) for part in parts if 0 < part < len(data)]
    return found


def number(found: Tags, code: int, usual: int = 0) -> int:
    """The first whole number that a tag says."""
    value = found.get(code)
    return int.from_bytes(value.data[: tags.SIZES[value.kind]], "little") if isinstance(value, Value) else usual


def raw_directory(data: Data) -> dict[int, Value | Tags]:
    """The directory of the raw pixels of a DNG; {}: there is none."""
    raw = [each for each in directories(data) if number(each, tags.PHOTOMETRIC) in PHOTOMETRICS]
    return max(raw, key=lambda each: number(each, 256) * number(each, 257), default={})


def camera_tags(first: Tags) -> dict[int, Value | Tags]:
    """Of the first directory of a DNG: what its result repeats."""
    gone = STRUCTURE | MOSAIC | BLACK_LEVELS | CROP | set(OPCODES) | DROPPED
    return {code: value for code, value in first.items() if code not in gone}


def pixel_tags(raw: Tags, *, mosaic: bool, whole: bool, levels: bool) -> tuple[dict[int, Value | Tags], tuple[str, ...]]:
    """Of the directory of raw pixels: what its result repeats, and by name what it cannot.

    Args:
        raw: the directory, and what the first one says of the pixels.
        mosaic: the result is a mosaic too.
        whole: the pixels of the result are those of the active area.
        levels: the result has the same levels of black and white.
    """
    first, second, third = OPCODES
    kept = {code for code in raw if code >= FIRST_TAG} - DROPPED - MOSAIC - BLACK_LEVELS - CROP - {first, second, third}
    if levels:
        kept |= BLACK_LEVELS
    if whole:
        kept |= CROP | {third}
        if mosaic or number(raw, tags.PHOTOMETRIC) == LINEAR_RAW:
            kept |= {second}
    if mosaic:
        kept |= MOSAIC
    result = {code: value for code, value in raw.items() if code in kept}
    names = {second: "the correction of the mosaic (OpcodeList2)", third: "the correction of the lens (OpcodeList3)"}
    lost = tuple(name for code, name in names.items() if code in raw and code not in result)
    return result, lost


def text(words: str) -> Value:
    return Value(2, words.encode("utf-8", "replace") + b"\0")


def words(value: Value | Tags | None) -> str:
    """What a tag of text says."""
    return value.data.partition(b"\0")[0].decode("utf-8", "replace").strip() if isinstance(value, Value) else ""


def rationals(values: Iterable[float], denominator: int = 1_000_000, *, signed: bool = False) -> Value:
    """Fractions of this denominator, nearest to `values`.

    >>> rationals([0.5], 10).data.hex(" ")
    '05 00 00 00 0a 00 00 00'
    """
    pairs = [part for value in values for part in (round(value * denominator), denominator)]
    return Value(10 if signed else 5, struct.pack(f"<{len(pairs)}{'i' if signed else 'I'}", *pairs))


def longs(*values: int) -> Value:
    return Value(4, struct.pack(f"<{len(values)}I", *values))


def shorts(*values: int) -> Value:
    return Value(3, struct.pack(f"<{len(values)}H", *values))


def versions(kept: Tags, *, opcodes: bool) -> dict[int, Value | Tags]:
    """DNGVersion and the oldest version whose readers suffice."""
    return {
        VERSION: kept.get(VERSION, Value(1, b"\1\4\0\0")),
        BACKWARD_VERSION: Value(1, b"\1\3\0\0" if opcodes else b"\1\1\0\0"),
    }
