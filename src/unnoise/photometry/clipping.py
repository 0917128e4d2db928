"""Clipping: where black and white cut noise off, and where zero is a count like any other.

A detector whose values end at 0 shows half of the noise in the dark. A mean is right only if it allows for the missing
half. But where photons are counted, 0 is a true value: at a mean of one photon, a third of the pixels have none. If
these counted as clipped, a faint picture would lose nine tenths of its light. Counts tell themselves: at a mean of m
photons the share exp(−m) is 0, and clipped noise has many more zeros than that. Values below 0 say that nothing was
clipped.

Regions that are clipped all around stay as they are: they hold no noise to remove and nothing to guess.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from unnoise.deprecated.module_names import renamed
from unnoise.regions import RegionSource

BLOCK_PIXELS = 8
"""Side in pixels of the blocks whose means are compared with their zeros."""
SMALLEST = 0.001
"""Quantile of the positive values that is taken for one photon."""
MANY = 2.0
"""So many times as many zeros as counts would have are too many."""
LOPSIDED = 0.62
"""Square of the spread of positive values against their mean. Of noise that black cuts it is at most 0.57, that of half a Gaussian; few
photons beside an amplifier's noise have more, and what the mean of these needs is not to have their larger half cut back."""
POSITIVE = 8
"""So many positive values tell a block's spread."""
REACH_PIXELS = 2
"""Pixels to each side that must be clipped for a pixel to stay as it is."""


@dataclass(frozen=True)
class Clipping:
    """Whether noise is missing at black, 0, and at white, 1, as values reach no further."""

    black: bool = True
    white: bool = True


BOTH_ENDS = Clipping()
"""As it is in photographs."""


def measure_clipping(view: RegionSource) -> Clipping:
    """Of a measurement, told from windows of it."""
    windows = view.sample_windows()
    lowest, highest = min(x.min().item() for x in windows), max(x.max().item() for x in windows)
    return Clipping(black=lowest >= 0 and _has_too_many_zeros(windows), white=highest <= 1)


def _has_too_many_zeros(windows: list[Tensor]) -> bool:
    """For counts; looked at in the darker half of the blocks, where the stars of a dark sky are not."""
    means, zeros = (_block_means(x) for x in (windows, [(x <= 0).float() for x in windows]))
    positive = torch.cat([x.flatten() for x in windows])
    positive = positive[positive > 0]
    if not len(positive):
        return False
    photon = positive.sort().values[int(SMALLEST * len(positive))]
    dark = means <= means.median()
    few = zeros[dark].mean() <= MANY * torch.exp(-means[dark] / photon).mean()
    return not few and not _is_lopsided(windows, dark)


def _is_lopsided(windows: list[Tensor], dark: Tensor) -> bool:
    positive = [x.clamp(min=0) for x in windows]
    share = _block_means([(x > 0).float() for x in windows])[dark]
    total, squares = _block_means(positive)[dark], _block_means([x.square() for x in positive])[dark]
    enough = share >= POSITIVE / BLOCK_PIXELS**2
    if not enough.any():
        return False
    spread = squares * share / total.square().clamp(min=1e-30) - 1
    return bool(spread[enough].median() > LOPSIDED)


def _block_means(windows: list[Tensor]) -> Tensor:
    return torch.cat([F.avg_pool2d(x, BLOCK_PIXELS, ceil_mode=True, count_include_pad=False).flatten() for x in windows])


def find_clipped(noisy: Tensor, cut: Clipping = BOTH_ENDS) -> Tensor:
    """Where a channel is exactly 0, or exactly 1, throughout the 5 × 5 pixels around; (B, C, H, W) each.

    Where `cut` says that 0 is a value like any other, as where photons are counted, it is none of these.

    What lies beyond the picture does not count. Where noise is only often clipped, 25 pixels together seldom are, and the mean that
    a network gives there differs from black by less than a twentieth of the noise's level.
    """
    found: Tensor | None = None
    for value, cuts in ((0.0, cut.black), (1.0, cut.white)):
        if not cuts:
            continue
        here = noisy == value
        if here.any():
            inside = ~_near(_near(~here, -2), -1)
            found = inside if found is None else found | inside
    return torch.zeros_like(noisy, dtype=torch.bool) if found is None else found


def keep_clipped(noisy: Tensor, restored: Tensor, where: Tensor) -> Tensor:
    """`restored`, but as `noisy` is `where` that is `find_clipped`; (B, C, H, W) each. Most pictures need no copy for it."""
    return torch.where(where, noisy, restored) if where.any() else restored


def _near(x: Tensor, dim: int) -> Tensor:
    """Whether x is true in a place or up to `REACH_PIXELS` pixels away along `dim`."""
    result, length = x.clone(), x.shape[dim]
    for distance in range(1, min(REACH_PIXELS, length - 1) + 1):
        left = length - distance
        result.narrow(dim, 0, left).logical_or_(x.narrow(dim, distance, left))
        result.narrow(dim, distance, left).logical_or_(x.narrow(dim, 0, left))
    return result


__getattr__ = renamed(__name__, {"Cut": "Clipping", "cut_of": "measure_clipping"})
