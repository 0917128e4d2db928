"""`strength.blend` for arrays of any size, strip by strip: as `denoise_file` holds a picture and its restoration."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unnoise import images
from unnoise.images.scratch import Window
from unnoise.inference.strength import REACH, blend
from unnoise.noise.residual_level import ResidualLevel

Array = NDArray[Any] | images.Frame | images.Scratch

STRIP = 2**20
"""Pixels of a strip, about."""
SIDE = 352
"""Side of the windows in which the noise of larger pictures is measured, in pixels; at most nine of them."""


def blend_arrays(
    noisy: Array, restored: NDArray[Any] | images.Scratch, strength: float, detail: float, layout: images.Layout | None = None
) -> None:
    """Change `restored` in place to what `strength` and `detail` ask for; (H, W) or (H, W, C) each, wherever they lie.

    `layout` is that of the channels, as for `images.to_tensor`; they are blended together.

    Raises:
        UsageError: for shares that are not within 0..1.
    """
    if strength == 1 and detail == 0:
        return
    if strength == 0:
        step = STRIP // noisy.shape[1] + 1
        for top in range(0, noisy.shape[0], step):
            restored[top : top + step] = noisy[top : top + step]
        return
    height, width = noisy.shape[:2]
    level = _level(noisy, restored, layout) if detail > 0 else None
    halo = REACH if level else 0
    step = max(1, halo, STRIP // width)  # a strip reads no further than into its neighbours
    waiting: tuple[slice, NDArray[Any]] | None = None  # not written yet: the strip below still reads these rows
    for top in range(0, height, step):
        rows = slice(top, min(top + step, height))
        first = max(rows.start - halo, 0)
        around = slice(first, min(rows.stop + halo, height))
        before, form = together(noisy, around, layout)
        after, _ = together(restored, around, layout)
        strip = form.restore(blend(before, after, strength, detail, level))[rows.start - first : rows.stop - first]
        if waiting:
            restored[waiting[0]] = waiting[1]
        waiting = rows, strip
    if waiting:
        restored[waiting[0]] = waiting[1]


def together(array: Array, place: Window, layout: images.Layout | None) -> tuple[Tensor, images.Form]:
    """A part as a tensor, with all channels side by side whatever they are: (1, C, h, w)."""
    channels = array.shape[2] if len(array.shape) == 3 else 1
    return images.to_tensor(array[place], layout=layout, group=channels - (layout.alpha if layout else 0))


def _level(noisy: Array, restored: Array, layout: images.Layout | None) -> ResidualLevel:
    """Measured in windows spread over the picture, side by side."""
    places = [(rows, columns) for rows in _spread(noisy.shape[0]) for columns in _spread(noisy.shape[1])]
    before, after = (
        torch.cat([together(array, place, layout)[0] for place in places], dim=-1) for array in (noisy, restored)
    )  # (1, C, SIDE, windows · SIDE)
    return ResidualLevel.measure(before, after)


def _spread(length: int) -> list[slice]:
    count, side = min(3, max(1, length // SIDE)), min(SIDE, length)
    return [slice(start, start + side) for start in np.linspace(0, length - side, 2 * count + 1)[1::2].astype(int).tolist()]
