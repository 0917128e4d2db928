"""`strength.blend` for arrays of any size, strip by strip: as `denoise_file` holds a picture and its restoration."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from unnoise import images
from unnoise.inference.strength import CELL, REACH, blend
from unnoise.noise.residual_level import WINDOW_PIXELS, ResidualLevel
from unnoise.photometry.normalization import Levels
from unnoise.regions import sample_windows

Array = NDArray[Any] | images.Frame | images.Scratch

STRIP = 2**20
"""Pixels of a strip, about."""


def blend_arrays(
    noisy: Array,
    restored: NDArray[Any] | images.Scratch,
    strength: float,
    detail: float,
    *,
    layout: images.Layout | None = None,
    group: int = 1,
) -> None:
    """Change `restored` in place to what `strength` and `detail` ask for; (H, W) or (H, W, C) each, wherever they lie.

    `layout` and `group` are those of the channels, as for `images.to_tensor`.

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
    to_tensor = partial(images.to_tensor, layout=layout, group=group, levels=Levels(of="picture"))
    levels = _levels(noisy, restored, to_tensor) if detail > 0 else None
    halo = REACH if levels else 0
    step = -(-max(halo, STRIP // width, 1) // CELL) * CELL  # a strip reads no further than into its neighbours
    waiting: tuple[slice, NDArray[Any]] | None = None  # not written yet: the strip below still reads these rows
    for top in range(0, height, step):
        rows = slice(top, min(top + step, height))
        first = max(rows.start - halo, 0)
        around = slice(first, min(rows.stop + halo, height))
        before, form = to_tensor(noisy[around])
        after, _ = to_tensor(restored[around])
        blended = torch.cat(
            [
                blend(before[n : n + 1], after[n : n + 1], strength, detail, levels[n] if levels else None)
                for n in range(len(before))
            ]
        )
        strip = form.restore(blended)[rows.start - first : rows.stop - first]
        if waiting:
            restored[waiting[0]] = waiting[1]
        waiting = rows, strip
    if waiting:
        restored[waiting[0]] = waiting[1]


def _levels(noisy: Array, restored: Array, to_tensor: Callable[[Any], tuple[Tensor, images.Form]]) -> list[ResidualLevel]:
    """Of each picture that the channels make, measured in windows spread over it, side by side."""
    windows = sample_windows((noisy.shape[0], noisy.shape[1]), WINDOW_PIXELS)
    before, after = (
        torch.cat([to_tensor(array[window])[0] for window in windows], dim=-1) for array in (noisy, restored)
    )  # (B, C, SIDE, windows · SIDE)
    return [ResidualLevel.measure(before[n : n + 1], after[n : n + 1]) for n in range(len(before))]
