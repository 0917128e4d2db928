"""Hot and dead pixels: single values that stand out further than noise and more sharply than optics allow.

Light from a point falls on several pixels. A value counts as hot where it is far above at least five of its eight
neighbors, and those are hardly above their surroundings. At most two neighbors are brighter: on the flank of a star
three are. Dead pixels are the same downwards. Pixels in the shadow of
others are found in further passes, so a fifth of all pixels may be hot.
"""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from unnoise.errors import UsageError
from unnoise.inference.background import CELL_PIXELS, nth_value, sorted_cells
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

    >>> smallest_step(RegionSource.of(torch.tensor([[[[0.0, 2.0, 2.0, 6.0]]]])))
    2.0
    """
    values = torch.cat([window.flatten() for window in view.sample_windows()])
    steps = torch.unique(values[values.isfinite()]).diff()
    return float(steps.min()) if len(steps) else 0.0


def find_hot_pixels(x: Tensor, valid: Tensor, step: float) -> Tensor:
    """Find hot and dead pixels.

    Args:
        x: (P, H, W), finite. The first row is a multiple of `CELL_PIXELS` in the picture.
        valid: (P, H, W) of bool: which pixels may be hot. The others have been filled.
        step: as `smallest_step` gives it.

    Returns:
        (P, H, W) of bool.

    >>> x = torch.randn(1, 32, 32, generator=torch.Generator().manual_seed(0))
    >>> x[0, 7, 9] = 100
    >>> find_hot_pixels(x, torch.ones_like(x, dtype=torch.bool), 0.0).nonzero().tolist()
    [[0, 7, 9]]
    """
    variance = _noise(x, valid).square()
    found = torch.zeros_like(valid)
    for _ in range(PASSES):
        usual = _isolated(x, variance, step)
        new = usual.isfinite() & valid
        if not bool(new.any()):
            break
        found |= new
        x = torch.where(new, usual, x)
    return found


def _noise(x: Tensor, valid: Tensor) -> Tensor:
    """The standard deviation of the noise around each pixel, one value for each square, (P, H, W)."""
    height, width = x.shape[-2:]
    differences = F.pad((x[..., 1:] - x[..., :-1]).abs(), (0, 1))
    cells = sorted_cells(differences, valid & F.pad(valid[..., 1:], (0, 1)))  # (P, h, w, side²)
    count = cells.isfinite().sum(-1)
    low = nth_value(cells, NOISE_QUANTILE * count) / NOISE_SHARE
    low = torch.where(count > 0, low, torch.nan)
    low = torch.where(low.isnan(), low.nanmedian().nan_to_num(0), low)
    return low.repeat_interleave(CELL_PIXELS, -2).repeat_interleave(CELL_PIXELS, -1)[..., :height, :width]


def _isolated(x: Tensor, variance: Tensor, step: float) -> Tensor:
    """The median around each isolated pixel, (P, H, W); NaN for all others."""
    height, width = x.shape[-2:]
    edged = F.pad(x[:, None], (1, 1, 1, 1), mode="replicate")[:, 0]
    shifts = [(down, right) for down in range(3) for right in range(3) if (down, right) != (1, 1)]
    near = torch.stack([edged[:, down : down + height, right : right + width] for down, right in shifts])
    near = near.sort(0).values  # (8, P, H, W)
    result = torch.full_like(x, torch.nan)
    for sign, other, third in ((1, near[3], near[5]), (-1, near[4], near[2])):
        # The noise of counts is at least that of their mean, and of one more.
        limit = LIMIT_SIGMAS * (variance + step * (other.abs() + step)).sqrt()
        candidates = ((sign * (x - other) > limit) & (sign * (x - third) >= 0)).nonzero()
        for some in torch.split(candidates, CHUNK):
            planes, rows, columns = some.unbind(1)
            middle = _local_median(x, planes, rows, columns)
            own, others = x[planes, rows, columns], other[planes, rows, columns]
            excess, spread = sign * (own - middle), sign * (others - middle)
            sharp = (spread < OPTICS_SHARE * excess) & (excess > limit[planes, rows, columns])
            result[planes[sharp], rows[sharp], columns[sharp]] = middle[sharp]
    return result


def _local_median(x: Tensor, planes: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """The median around single pixels, (n,)."""
    height, width = x.shape[-2:]
    steps = torch.arange(-WINDOW_RADIUS_PIXELS, WINDOW_RADIUS_PIXELS + 1, device=x.device)
    down = (rows[:, None] + steps).clamp(0, height - 1)  # (n, side)
    right = (columns[:, None] + steps).clamp(0, width - 1)
    return x[planes[:, None, None], down[:, :, None], right[:, None, :]].flatten(1).median(1).values
