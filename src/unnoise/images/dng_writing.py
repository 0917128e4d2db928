"""Writing DNG files: raw pixels below a preview that shows them developed."""

from __future__ import annotations

import mmap
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from unnoise.images import dng, tags
from unnoise.images.dng import Coding
from unnoise.images.picture import Pixels
from unnoise.images.scratch import Scratch
from unnoise.images.tags import File, Value
from unnoise.images.tiff_places import SUBDIRECTORIES

TILE_PIXELS = 256
"""Side of the tiles, each compressed without loss (JPEG of 1993)."""
PREVIEW_QUALITY = 85
STRIP_ROWS = 256
BRIGHT_SHARE = 0.01
"""Share of the preview's values that may reach white; raw pictures are often dark."""
MAX_BRIGHTENING = 8.0
COLOR_SPACE, GREY, SRGB = 50970, 1, 2
"""PreviewColorSpace, and its values for grey of gamma 2.2 and for sRGB."""
UNWANTED = frozenset({282, 283, 296, 530, 532})
"""Tags that tifffile adds though they say nothing: a resolution of 1, and sampling of colours that are not YCbCr."""

Light = npt.NDArray[np.float32]


class Writer:
    """One DNG file: a picture of all colours is added as it is, a mosaic plane by plane."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._mosaic: Scratch | None = None
        self._lights: dict[int, Light] = {}

    def add(self, pixels: Pixels, coding: Coding) -> None:
        """Take pixels, uint16: (H, W, 3), (H, W), or a plane of a mosaic. The last plane completes the file."""
        if coding.plane is None or coding.mosaic is None:
            preview = _developed(_halved(lambda rows: _light(pixels[rows], coding), pixels.shape[:2]), coding)
            self._write(*_without_pedestal(pixels, coding), preview, dng.LINEAR_RAW)
            return
        if self._mosaic is None:
            self._mosaic = Scratch(coding.mosaic, "uint16", self._path.parent)
        row, column = divmod(coding.plane, 2)
        array = self._mosaic.array()
        array[row::2, column::2] = pixels
        self._lights[coding.plane] = _light(pixels, coding)
        if len(self._lights) == 4:
            height, width = (side // 2 for side in coding.mosaic)
            colors: dict[int, list[Light]] = {}
            for plane, light in self._lights.items():
                colors.setdefault(coding.colors[plane], []).append(light[:height, :width])
            preview = np.stack([np.mean(colors[color], axis=0) for color in range(3)], axis=-1)
            self._write(array, coding, _developed(preview, coding), dng.CFA)

    def close(self) -> None:
        if self._mosaic is not None:
            self._mosaic.close()

    def _write(self, pixels: Pixels, coding: Coding, preview: Pixels, photometric: int) -> None:
        import tifffile

        height = preview.shape[0]
        # LibRaw and dcraw misread tiles that are larger than the picture
        sides = [min(TILE_PIXELS, side // 16 * 16) for side in pixels.shape[:2]]
        tile = (sides[0], sides[1]) if min(sides) else None
        with tifffile.TiffWriter(self._path, bigtiff=False, byteorder=coding.byteorder) as file:
            common: dict[str, Any] = {"metadata": None, "software": False}
            file.write(
                preview,
                photometric="rgb" if preview.ndim == 3 else "minisblack",
                compression="jpeg",
                compressionargs={"level": PREVIEW_QUALITY},
                subsampling=(2, 2) if preview.ndim == 3 else None,
                rowsperstrip=height,
                subfiletype=1,
                subifds=1,
                **common,
            )
            file.write(
                np.ascontiguousarray(pixels),
                photometric="rgb" if pixels.ndim == 3 else "minisblack",
                compression="jpeg" if tile else None,
                compressionargs={"lossless": True, "bitspersample": 16} if tile else None,
                tile=tile,
                subfiletype=0,
                **common,
            )
        own = {**coding.raw_tags, tags.PHOTOMETRIC: tags.short(photometric)}
        own.setdefault(50719, dng.longs(0, 0))
        own.setdefault(50720, dng.longs(pixels.shape[1], pixels.shape[0]))
        first = {**coding.tags, COLOR_SPACE: dng.longs(SRGB if preview.ndim == 3 else GREY)}
        self._grow(first, own)

    def _grow(self, first: dict[int, Any], below: dict[int, Any]) -> None:
        """Give both directories their tags."""
        with self._path.open("r+b") as opened:
            with mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data:
                file = File.of(data)
                assert file is not None  # we wrote it
                place = file.number(file.first, file.pointer)
                pointer = file.tags(place)[SUBDIRECTORIES]
                assert isinstance(pointer, Value)
                end = len(data) + len(data) % 2
                raw = file.grown(int.from_bytes(pointer.data[:4], "little"), below, end, 0, UNWANTED)
                main_end = end + len(raw) + len(raw) % 2
                main = file.grown(place, {**first, SUBDIRECTORIES: dng.longs(end)}, main_end, 0, UNWANTED - {530, 532})
                head, packed = file.first, tags.turned(dng.longs(main_end).data, 4, file.order)
            for where, content in ((end, raw), (main_end, main), (head, packed)):
                opened.seek(where)
                opened.write(content)


def _without_pedestal(pixels: Pixels, coding: Coding) -> tuple[Pixels, Coding]:
    """Pixels whose black is 0, and what a DNG says of them. What lies below black is cut off, as developers do."""
    if not coding.pedestal:
        return pixels, coding
    made = np.empty(pixels.shape, np.uint16)
    for top in range(0, len(pixels), STRIP_ROWS):
        rows = slice(top, top + STRIP_ROWS)
        np.subtract(np.maximum(pixels[rows], coding.pedestal), coding.pedestal, out=made[rows])
    levels = {dng.BLACK: dng.rationals((0,), 256), dng.WHITE: dng.longs(round(coding.white) - coding.pedestal)}
    return made, replace(coding, raw_tags={**coding.raw_tags, **levels})


def _light(pixels: Pixels, coding: Coding) -> Light:
    """White-balanced light, white 1, of values (…) or (…, 3)."""
    black = np.array(coding.black if pixels.ndim == 3 else coding.black[0], np.float32)
    gains = 1 / np.array(coding.neutral if pixels.ndim == 3 else coding.neutral[0], np.float32)
    made: Light = np.clip((pixels - black) * (gains / (np.float32(coding.white) - black)), 0, 1)
    return made


def _halved(light: Callable[[slice], Light], size: tuple[int, int]) -> Light:
    """Means of 2 × 2 pixels."""
    height, width = (max(side // 2, 1) * min(side, 2) for side in size)
    strips = []
    for top in range(0, height, STRIP_ROWS):
        part = light(slice(top, min(top + STRIP_ROWS, height)))[:, :width]
        down, right = min(size[0], 2), min(size[1], 2)
        strips.append(part.reshape(part.shape[0] // down, down, width // right, right, *part.shape[2:]).mean((1, 3)))
    return np.concatenate(strips)


def _developed(light: Light, coding: Coding) -> Pixels:
    """The preview, uint8: sRGB's colours and curve, brightened until one value of a hundred is white."""
    if coding.to_srgb is not None and light.ndim == 3:
        light = np.clip(light @ np.array(coding.to_srgb, np.float32).T, 0, None)
    bright = float(np.quantile(light, 1 - BRIGHT_SHARE))
    light = np.clip(light * min(max(1 / bright if bright > 0 else 1.0, 1.0), MAX_BRIGHTENING), 0, 1)
    curve = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    made: Pixels = np.rint(255 * curve).astype(np.uint8)
    return made
