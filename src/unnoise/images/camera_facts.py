"""What a camera raw file says of its levels, its colours and its exposure, by LibRaw and by the file's own tags."""

from __future__ import annotations

import mmap
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from unnoise.images import cr3, dng, raw, tags
from unnoise.images.dng import Coding
from unnoise.images.picture import Metadata
from unnoise.images.tags import Tags, Value
from unnoise.images.tiff import APART, STRUCTURE

Array = npt.NDArray[np.float64]

SRGB_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
ORIENTATIONS = {0: 1, 3: 3, 5: 8, 6: 6}
"""LibRaw's word for a turn → EXIF's."""
EXPOSURE_TIME = 33434


@dataclass(frozen=True)
class Facts:
    """Levels and white balance of a sensor, by the index of a colour: red, green, blue, second green."""

    black: Array
    white: Array
    gains: Array
    """What each colour is multiplied by so that white is grey."""
    float_scale: float | None = None
    """The brightest value of floats, of white, if it is brighter than that: LibRaw scales by it. None: integers."""
    levels: tuple[tuple[float, ...], float] | None = None
    """Black and white of pixels that were brought to other levels; None: they are as stored."""

    pedestal: int = 0
    """See `dng.Coding`."""

    def with_levels(self, black: tuple[float, ...], white: float, pedestal: int = 0) -> Facts:
        return replace(self, levels=(black, white), pedestal=pedestal)


def of_file(path: Path, file: Any) -> Facts:
    """Ask LibRaw, and a DNG's own tags where LibRaw misreads them: levels of each sample, and the neutral."""
    _, pixels = _dng(path)
    black = np.array(file.black_level_per_channel, np.float64)
    white = np.full(4, float(file.white_level))
    gains = _balance(file.camera_whitebalance, file.daylight_whitebalance)
    first = _first(path)
    if dng.number(pixels, tags.PHOTOMETRIC) == dng.LINEAR_RAW:
        black, white = _of_samples(pixels, dng.BLACK, black), _of_samples(pixels, dng.WHITE, white)
    neutral = _numbers(first.get(dng.NEUTRAL))
    if len(neutral) == 3 and min(neutral) > 0:
        gains = np.array([1 / neutral[0], 1 / neutral[1], 1 / neutral[2], 1 / neutral[1]])
    scale = raw.brightest_of_floats(path) if path.suffix.lower() == ".dng" else None
    if scale is not None:
        black, white = np.zeros(4), np.full(4, file.white_level / scale)
    return Facts(black, np.maximum(white, black + 1), gains, scale)


def metadata(path: Path, file: Any, facts: Facts, whole: bool, *, mosaic: bool, colors: tuple[int, ...] = ()) -> Metadata:
    """What a DNG of this file repeats; see `dng.Coding`.

    Args:
        whole: the pixels are all those of the visible area.
        mosaic: they are a mosaic still.
        colors: of the mosaic's 2 × 2 pixels.
    """
    first, pixels = _dng(path)
    has_colors = file.num_colors == 3
    said = _numbers(first.get(dng.COLOR_MATRIX + 1)) or _numbers(first.get(dng.COLOR_MATRIX))
    matrix = np.array(said).reshape(3, 3) if len(said) == 9 else np.array(file.rgb_xyz_matrix, np.float64)[:3]
    if not matrix.any():
        matrix = np.linalg.inv(SRGB_TO_XYZ)  # LibRaw takes the colours of an unknown camera for those of sRGB
    lost: tuple[str, ...] = ()
    if pixels:
        kept = dng.camera_tags(first)
        area = _numbers(pixels.get(dng.ACTIVE_AREA))
        visible = file.raw_image_visible.shape[:2]
        whole = whole and (not area or (area[2] - area[0], area[3] - area[1]) == visible)
        own, lost = dng.pixel_tags({**first, **pixels}, mosaic=mosaic, whole=whole, levels=mosaic and facts.float_scale is None)
        own = {code: value for code, value in own.items() if code not in kept}
        order = _order(path)
    else:
        shot = tags.first(_exif(path, file))
        kept = {code: value for code, value in shot.items() if code not in STRUCTURE | dng.MOSAIC}
        kept[tags.ORIENTATION] = tags.short(ORIENTATIONS.get(file.sizes.flip, 1))
        own, order = {}, _order(path)
    if has_colors:
        if dng.COLOR_MATRIX not in kept:
            kept[dng.COLOR_MATRIX] = dng.rationals(matrix.ravel(), 10_000, signed=True)
            kept[dng.ILLUMINANT] = tags.short(dng.D65)
        if dng.NEUTRAL not in kept and dng.NEUTRAL_XY not in kept:
            kept[dng.NEUTRAL] = dng.rationals(_neutral(facts))
    if dng.CAMERA_MODEL not in kept:
        model = f"{dng.words(kept.get(271))} {dng.words(kept.get(272))}".strip()
        kept[dng.CAMERA_MODEL] = dng.text(model or "Unknown camera")
    kept |= dng.versions(kept, opcodes=bool(set(dng.OPCODES) & set(own)))
    black, white = facts.levels or (tuple(facts.black[:1]), float(facts.white[0]))
    own |= _levels(own, facts, black, white, colors)
    neutral = tuple(_neutral(facts)) if has_colors else (1.0,)
    to_srgb = _to_srgb(matrix) if has_colors else None
    coding = Coding(kept, own, black, white, facts.pedestal, neutral, to_srgb, byteorder=order)
    exif = {code: value for code, value in kept.items() if code < raw.LAST and code not in APART}
    xmp = kept.get(tags.XMP)
    return Metadata(tags.build(exif), xmp.data if isinstance(xmp, Value) else b"", coding=coding, left_behind=lost)


def of_plane(made: Metadata, number: int, colors: tuple[int, ...], facts: Facts, shape: tuple[int, ...]) -> Metadata:
    """The metadata of one plane of a mosaic with this shape."""
    coding, color = made.coding, colors[number]
    assert isinstance(coding, Coding)
    plane = replace(
        coding,
        black=(float(facts.black[color]),),
        white=float(facts.white[color]),
        neutral=(_neutral(facts)[min(color, 3) % 3 if color < 3 else 1],),
        plane=number,
        mosaic=(shape[0], shape[1]),
        colors=tuple(1 if each == 3 else each for each in colors),
    )
    return replace(made, coding=plane, left_behind=made.left_behind if number == 0 else ())


def _levels(
    own: Tags, facts: Facts, black: tuple[float, ...], white: float, colors: tuple[int, ...]
) -> dict[int, Value | Tags]:
    if not colors:
        return {dng.BLACK: dng.rationals(black, 256), dng.WHITE: dng.longs(round(white))}
    cfa = bytes(1 if color == 3 else color for color in colors)
    found: dict[int, Value | Tags] = {dng.CFA_REPEAT: dng.shorts(2, 2), dng.CFA_PATTERN: Value(1, cfa)}
    if dng.BLACK not in own:
        found |= {dng.BLACK_REPEAT: dng.shorts(2, 2), dng.BLACK: dng.rationals([facts.black[c] for c in colors], 256)}
    if dng.WHITE not in own:
        found[dng.WHITE] = dng.longs(round(facts.white[0]))
    return found


def _neutral(facts: Facts) -> list[float]:
    """What the three colours store for white, the strongest 1."""
    stored = 1 / facts.gains[:3]
    return [float(value) for value in stored / stored.max()]


def _balance(camera: Any, daylight: Any) -> Array:
    for said in (camera, daylight):
        gains = np.array(said, np.float64)
        if (gains[:3] > 0).all():
            gains[3] = gains[3] if gains[3] > 0 else gains[1]
            return gains
    return np.ones(4)


def _to_srgb(matrix: Array) -> tuple[tuple[float, ...], ...]:
    from_srgb = matrix @ SRGB_TO_XYZ
    from_srgb /= from_srgb.sum(1, keepdims=True)  # white is grey after white balance
    made = np.linalg.inv(from_srgb) if abs(np.linalg.det(from_srgb)) > 1e-6 else np.eye(3)
    return tuple(tuple(float(value) for value in row) for row in made)


def _of_samples(pixels: Tags, code: int, usual: Array) -> Array:
    """The level of each sample where the file gives them apart."""
    said = _numbers(pixels.get(code))
    return np.array([*said[:3], said[1]]) if len(said) == 3 == dng.number(pixels, 277) else usual


def _numbers(value: Value | Tags | None) -> list[float]:
    """Whole numbers, fractions and floats of a tag."""
    if not isinstance(value, Value):
        return []
    kinds = {1: "u1", 3: "<u2", 4: "<u4", 5: "<u4", 10: "<i4", 11: "<f4", 12: "<f8"}
    if value.kind not in kinds:
        return []
    found = np.frombuffer(value.data, kinds[value.kind]).astype(np.float64)
    if value.kind in (5, 10):
        found = found[::2] / np.where(found[1::2] == 0, 1, found[1::2])
    return [float(each) for each in found]


def _dng(path: Path) -> tuple[Tags, Tags]:
    """The first directory of a DNG and that of its raw pixels; {} and {}: it is none."""
    with path.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data:
        first = tags.first(data)
        return (first, dng.raw_directory(data)) if dng.VERSION in first else ({}, {})


def _first(path: Path) -> Tags:
    return _dng(path)[0]


def _order(path: Path) -> tags.ByteOrder:
    with path.open("rb") as opened:
        return ">" if opened.read(2) == b"MM" else "<"


def _exif(path: Path, file: Any) -> bytes:
    """Of the file itself where it has the exposure, else of the JPEG inside."""
    with path.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data:
        own = cr3.exif(data) if data[4:8] == b"ftyp" else raw.own_exif(data)
    below = tags.first(own).get(tags.EXIF)
    if isinstance(below, dict) and EXPOSURE_TIME in below:
        return own
    return raw.exif_of_preview(file) or own
