"""Where black and white cut noise off, and where zero is a count like any other.

A detector whose values end at 0 shows half of the noise in the dark; what is missing must be allowed for where a mean is to be right. But
where photons are counted, none is a true value: at a mean of one photon a third of the pixels have none, and to take them for cut off
would lose nine tenths of a faint picture's light. Counts tell themselves: at a mean of m photons the share exp(−m) has none, and noise
that is cut off has many more zeros than that. And values below 0 say that nothing was cut.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from unnoise.regions import RegionSource

BLOCK = 8
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


@dataclass(frozen=True)
class Cut:
    """Whether noise is missing at black, 0, and at white, 1, as values reach no further."""

    black: bool = True
    white: bool = True


EVERYWHERE = Cut()
"""As it is in photographs."""


def cut_of(view: RegionSource) -> Cut:
    """Of a measurement, told from windows of it."""
    windows = view.sample_windows()
    lowest, highest = min(x.min().item() for x in windows), max(x.max().item() for x in windows)
    return Cut(black=lowest >= 0 and _has_too_many_zeros(windows), white=highest <= 1)


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
    enough = share >= POSITIVE / BLOCK**2
    if not enough.any():
        return False
    spread = squares * share / total.square().clamp(min=1e-30) - 1
    return bool(spread[enough].median() > LOPSIDED)


def _block_means(windows: list[Tensor]) -> Tensor:
    return torch.cat([F.avg_pool2d(x, BLOCK, ceil_mode=True, count_include_pad=False).flatten() for x in windows])
