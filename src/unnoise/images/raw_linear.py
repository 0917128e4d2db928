"""Camera raw as linear light: camera colours before white balance and curve, or the planes of the mosaic itself.

LibRaw decodes and demosaics (extra `raw`). The demosaicing sees white-balanced values with a pedestal, so that colours
meet at edges and noise below black is kept. Both are taken back afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from unnoise.errors import UsageError
from unnoise.images import camera_facts, raw
from unnoise.images.camera_facts import Facts
from unnoise.images.picture import Layout, Metadata, Pixels
from unnoise.images.scratch import Scratch
from unnoise.registry import require

BLACK_STORED = 2048
"""Black of the linear pixels, of 65535: noise below black is kept down to here until they are written."""
WHITE_STORED = 65535
PEDESTAL = 0.05
"""Of white: what is added before demosaicing, so that LibRaw cuts no noise off."""
STRIP_ROWS = 256


def decode(path: Path) -> tuple[Scratch, Layout, Metadata]:
    """Linear camera colours (H, W, 3), or (H, W) of a camera without colours, uint16, as they are stored: not turned.

    `Metadata.coding` is a `dng.Coding` with the levels of black and white. Damage raises what rawpy raises. UsageError:
    the sensor has colours other than red, green and blue.
    """
    with _opened(path) as (file, rawpy):
        stored = file.raw_image_visible
        facts = camera_facts.of_file(path, file)
        if file.num_colors not in (1, 3):
            colors = file.color_desc.decode("ascii", "replace")
            raise UsageError(
                f"{path} has a sensor of the colours {colors}; linear DNG takes red, green and blue, so write .tif."
            )
        if stored.ndim == 2 and file.num_colors == 3:
            pixels = _demosaiced(file, rawpy, facts)
            facts = facts.with_levels((BLACK_STORED,), WHITE_STORED, BLACK_STORED)
        else:
            pixels, facts = _of_all_colors(stored, file.num_colors, facts)
        metadata = camera_facts.metadata(path, file, facts, pixels.shape[:2] == stored.shape[:2], mosaic=False)
    return Scratch.of(pixels), Layout("rgb" if pixels.ndim == 3 else "grey"), metadata


def planes(path: Path) -> list[tuple[Pixels, Metadata]]:
    """The four planes of a Bayer mosaic, (⌈H / 2⌉, ⌈W / 2⌉) or one less, uint16, from left to right and top to bottom.

    UsageError: there is no mosaic of 2 × 2 pixels.
    """
    with _opened(path) as (file, _):
        stored = file.raw_image_visible
        pattern = None if stored.ndim == 3 or file.num_colors == 1 else file.raw_pattern
        if pattern is None or pattern.shape != (2, 2) or file.num_colors != 3:
            kind = (
                "no mosaic"
                if pattern is None or file.num_colors != 3
                else f"a mosaic of {' × '.join(map(str, pattern.shape))} pixels"
            )
            raise UsageError(f"{path} has {kind}, but --mosaic takes Bayer mosaics; leave it out for a linear DNG.")
        facts = camera_facts.of_file(path, file)
        colors = tuple(int(c) for c in file.raw_colors_visible[:2, :2].ravel())
        metadata = camera_facts.metadata(path, file, facts, True, mosaic=True, colors=colors)
        whole = stored.copy()
    return [
        (whole[number // 2 :: 2, number % 2 :: 2], camera_facts.of_plane(metadata, number, colors, facts, whole.shape))
        for number in range(4)
    ]


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, Any]]:
    rawpy = require("rawpy", "Camera raw")
    with raw.in_words(rawpy), path.open("rb") as opened, rawpy.imread(opened) as file:
        yield file, rawpy


def _demosaiced(file: Any, rawpy: Any, facts: Facts) -> Pixels:
    """Camera colours (H, W, 3) with black at `BLACK_STORED` and white at `WHITE_STORED`."""
    stored, colors = file.raw_image_visible, file.raw_colors_visible
    gains = facts.gains / facts.gains.max()  # none above 1, so that nothing is cut off at white
    scale = 65535 / (1 + PEDESTAL) / (facts.white - facts.black)
    factor, offset = gains * scale, 65535 * PEDESTAL / (1 + PEDESTAL) - gains * scale * facts.black
    for top in range(0, stored.shape[0], STRIP_ROWS):
        rows = slice(top, top + STRIP_ROWS)
        which = colors[rows]
        values = stored[rows] * factor[which].astype(np.float32) + offset[which].astype(np.float32)
        stored[rows] = np.clip(np.rint(values), 0, 65535)
    pixels = file.postprocess(
        output_color=rawpy.ColorSpace.raw,
        output_bps=16,
        gamma=(1, 1),
        user_wb=[1.0] * 4,
        user_black=0,
        user_cblack=[0] * 4,
        user_sat=65535,
        adjust_maximum_thr=0.0,
        no_auto_bright=True,
        user_flip=0,
    )
    span = WHITE_STORED - BLACK_STORED
    factor = (span * (1 + PEDESTAL) / 65535 / gains[:3]).astype(np.float32)
    offset = (BLACK_STORED - span * PEDESTAL / gains[:3]).astype(np.float32)
    for top in range(0, pixels.shape[0], STRIP_ROWS):
        rows = slice(top, top + STRIP_ROWS)
        pixels[rows] = np.clip(np.rint(pixels[rows] * factor + offset), 0, 65535)
    return pixels


def _of_all_colors(stored: Pixels, count: int, facts: Facts) -> tuple[Pixels, Facts]:
    """Pixels that each have all colours, as they are stored if all channels have the same levels."""
    pixels = stored[..., :count] if stored.ndim == 3 else stored
    if pixels.ndim == 3 and count == 1:
        pixels = pixels[..., 0]
    black, white = facts.black[:count], facts.white[:count]
    if np.ptp(black) == np.ptp(white) == 0 and not facts.float_scale:
        return pixels.copy(), facts.with_levels((float(black[0]),), float(white[0]))
    # one black and one white for all: LibRaw misreads others
    largest = facts.float_scale or 1.0
    top = BLACK_STORED + (WHITE_STORED - BLACK_STORED) / largest
    made = np.empty(pixels.shape, np.uint16)
    levels = (black, white) if pixels.ndim == 3 else (black[0], white[0])
    for row in range(0, len(pixels), STRIP_ROWS):
        rows = slice(row, row + STRIP_ROWS)
        light = (pixels[rows] - levels[0]) / (levels[1] - levels[0])
        made[rows] = np.clip(np.rint(BLACK_STORED + light * (top - BLACK_STORED)), 0, 65535)
    return made, facts.with_levels((BLACK_STORED,), round(top), BLACK_STORED if pixels.ndim == 3 else 0)
