"""`strength.blend` for arrays of any size, strip by strip: as `denoise_file` holds a picture and its restoration."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from unnoise import images
from unnoise.inference.strength import REACH, blend
from unnoise.noise.residual_level import ResidualLevel

Array = NDArray[Any]

STRIP = 2**20
"""Pixels of a strip, about."""
SIDE = 352
"""Side of the windows in which the noise of larger pictures is measured, in pixels; at most nine of them."""


def blend_arrays(noisy: Array, restored: Array, strength: float, detail: float) -> None:
    """Change `restored` in place to what `strength` and `detail` ask for; (H, W) or (H, W, C) each, as `images.to_tensor` takes them.

    Raises:
        UsageError: for shares that are not within 0..1.
    """
    if strength == 1 and detail == 0:
        return
    if strength == 0:
        restored[...] = noisy
        return
    height, width = noisy.shape[:2]
    level = _level(noisy, restored) if detail > 0 else None
    halo = REACH if level else 0
    step = max(1, halo, STRIP // width)  # a strip reads no further than into its neighbours
    waiting: tuple[slice, Array] | None = None  # not written yet: the strip below still reads these rows
    for top in range(0, height, step):
        rows = slice(top, min(top + step, height))
        first = max(rows.start - halo, 0)
        around = slice(first, min(rows.stop + halo, height))
        before, form = images.to_tensor(noisy[around])
        after, _ = images.to_tensor(restored[around])
        strip = form.restore(blend(before, after, strength, detail, level))[rows.start - first : rows.stop - first]
        if waiting:
            restored[waiting[0]] = waiting[1]
        waiting = rows, strip
    if waiting:
        restored[waiting[0]] = waiting[1]


def _level(noisy: Array, restored: Array) -> ResidualLevel:
    """Measured in windows spread over the picture, side by side."""
    places = [(rows, columns) for rows in _spread(noisy.shape[0]) for columns in _spread(noisy.shape[1])]
    before, after = (
        torch.cat([images.to_tensor(array[place])[0] for place in places], dim=-1) for array in (noisy, restored)
    )  # (1, C, SIDE, windows · SIDE)
    return ResidualLevel.measure(before, after)


def _spread(length: int) -> list[slice]:
    count, side = min(3, max(1, length // SIDE)), min(SIDE, length)
    return [slice(start, start + side) for start in np.linspace(0, length - side, 2 * count + 1)[1::2].astype(int).tolist()]
