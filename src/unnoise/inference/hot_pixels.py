"""Hot and dead pixels: single values that stand out further than noise and more sharply than optics allow.

Light from a point falls on several pixels. A value counts as hot where it is far above at least five of its eight
neighbors, and those are hardly above their surroundings. At most two neighbors are brighter: on the flank of a star
three are. Dead pixels are the same downwards. Pixels in the shadow of
others are found in further passes, so a fifth of all pixels may be hot.
"""

from __future__ import annotations

import math
from typing import Any, Literal, get_args

import numpy as np

from unnoise.array_api import array_namespace
from unnoise.errors import UsageError
from unnoise.inference.background import CELL_PIXELS, nth_value, sorted_cells
from unnoise.photometry.array_ops import clip, concat
from unnoise.photometry.array_windows import (
    convert_like,
    extend_edges,
    median_along,
    median_of_valid,
    pad_end,
    places_of,
    repeat_each,
)
from unnoise.regions import RegionSource

HotPixels = Literal["keep", "remove", "auto"]
"""*keep*: hot pixels stay, and change nothing around them. *auto*: those of measurements are removed. *remove*: those
of photographs too."""
LIMIT_SIGMAS = 8.0
"""A value stands out from its neighbors by more than this, in standard deviations of the noise."""
OPTICS_SHARE = 0.15
"""Optics spread at least this share of a pixel's excess to most of its neighbors: a Gaussian of 0.7 pixels gives 0.25."""
PASSES = 6
"""How often pixels are looked for."""
WINDOW_RADIUS_PIXELS = 3
"""Radius of the surroundings, whose median is compared with the neighbors."""
NOISE_QUANTILE, NOISE_SHARE = 0.25, 0.3186 * math.sqrt(2)
"""This quantile of the differences between neighbors is this share of the noise's standard deviation. It is low, since
hot pixels make large differences."""
CHUNK = 2**16
"""Number of candidates that are examined together."""
REACH_PIXELS = PASSES * (WINDOW_RADIUS_PIXELS + 1)


def check_hot_pixels(hot: str) -> None:
    """Check the name of a choice. Raises `UsageError` for another one.

    >>> check_hot_pixels("auto")
    """
    if hot not in get_args(HotPixels):
        raise UsageError(f"Hot pixels can be {', '.join(get_args(HotPixels))}, not '{hot}'; give one of these.")


def smallest_step(view: RegionSource) -> float:
    """The smallest distance between two values of a picture, in sample windows; 0 where all are the same.

    It is one count for counts, and next to nothing for floats.

    >>> smallest_step(RegionSource.of(np.array([[[[0.0, 2.0, 2.0, 6.0]]]])))
    2.0
    """
    windows = view.sample_windows()
    xp = array_namespace(windows[0])
    values = concat([xp.reshape(window, (-1,)) for window in windows])
    levels = xp.unique_values(values[xp.isfinite(values)])  # in rising order
    return float((levels[1:] - levels[:-1]).min()) if len(levels) > 1 else 0.0


def find_hot_pixels(x: Any, valid: Any, step: float) -> Any:
    """Find hot and dead pixels.

    Args:
        x: (P, H, W), finite. The first row is a multiple of `CELL_PIXELS` in the picture.
        valid: (P, H, W) of bool: which pixels may be hot. The others have been filled.
        step: as `smallest_step` gives it.

    Returns:
        (P, H, W) of bool.

    >>> import torch
    >>> x = torch.randn(1, 32, 32, generator=torch.Generator().manual_seed(0))
    >>> x[0, 7, 9] = 100
    >>> find_hot_pixels(x, torch.ones_like(x, dtype=torch.bool), 0.0).nonzero().tolist()
    [[0, 7, 9]]
    """
    xp = array_namespace(x)
    variance = xp.square(_noise(x, valid))
    found = xp.zeros_like(valid)
    for _ in range(PASSES):
        usual = _isolated(x, variance, step)
        new = xp.isfinite(usual) & valid
        if not bool(xp.any(new)):
            break
        found |= new
        x = xp.where(new, usual, x)
    return found


def _noise(x: Any, valid: Any) -> Any:
    """The standard deviation of the noise around each pixel, one value for each square, (P, H, W)."""
    height, width = x.shape[-2:]
    xp = array_namespace(x)
    differences = pad_end(xp.abs(x[..., 1:] - x[..., :-1]), 0, 1, 0)
    cells = sorted_cells(differences, valid & pad_end(valid[..., 1:], 0, 1, False))  # (P, h, w, side²)
    count = xp.isfinite(cells).sum(-1)
    low = nth_value(cells, NOISE_QUANTILE * count) / NOISE_SHARE
    usual = median_of_valid(xp.reshape(low, (1, -1)), xp.reshape(count > 0, (1, -1)))
    low = xp.where(count > 0, low, usual)
    return repeat_each(repeat_each(low, CELL_PIXELS, -2), CELL_PIXELS, -1)[..., :height, :width]


def _isolated(x: Any, variance: Any, step: float) -> Any:
    """The median around each isolated pixel, (P, H, W); NaN for all others."""
    height, width = x.shape[-2:]
    xp = array_namespace(x)
    edged = extend_edges(x, (1, 1), (1, 1))
    shifts = [(down, right) for down in range(3) for right in range(3) if (down, right) != (1, 1)]
    near = xp.stack([edged[:, down : down + height, right : right + width] for down, right in shifts])
    near = xp.sort(near, axis=0)  # (8, P, H, W)
    result = xp.full_like(x, math.nan)
    for sign, other, third in ((1, near[3], near[5]), (-1, near[4], near[2])):
        # The noise of counts is at least that of their mean, and of one more.
        limit = LIMIT_SIGMAS * xp.sqrt(variance + step * (xp.abs(other) + step))
        candidates = places_of((sign * (x - other) > limit) & (sign * (x - third) >= 0))
        for first in range(0, len(candidates), CHUNK):
            planes, rows, columns = candidates[first : first + CHUNK].T
            middle = _local_median(x, planes, rows, columns)
            own, others = x[planes, rows, columns], other[planes, rows, columns]
            excess, spread = sign * (own - middle), sign * (others - middle)
            sharp = (spread < OPTICS_SHARE * excess) & (excess > limit[planes, rows, columns])
            result[planes[sharp], rows[sharp], columns[sharp]] = middle[sharp]
    return result


def _local_median(x: Any, planes: Any, rows: Any, columns: Any) -> Any:
    """The median around single pixels, (n,)."""
    height, width = x.shape[-2:]
    steps = convert_like(np.arange(-WINDOW_RADIUS_PIXELS, WINDOW_RADIUS_PIXELS + 1), rows)
    down = clip(rows[:, None] + steps, 0, height - 1)  # (n, side)
    right = clip(columns[:, None] + steps, 0, width - 1)
    values = x[planes[:, None, None], down[:, :, None], right[:, None, :]]  # (n, side, side)
    return median_along(array_namespace(x).reshape(values, (len(values), len(steps) ** 2)), 1)
