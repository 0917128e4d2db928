"""Bright sources: stars, beads, cells and other far brighter structure on a background.

Beside bright structure a network leaves more of the noise: next to 200 stars a sky of 14 ± 3 counts instead of ± 1. And
one range of values for both hides the noise of the background. So such a picture is restored twice: as it is, and with
noisy background in place of the sources. The first result counts at the sources, the second one elsewhere. What is
restored of the background so depends on it alone, whatever share of the picture the sources have. At the sources the
local mean of the noisy picture is kept, and so their flux.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from unnoise.inference.background import SMOOTHED_NOISE_SHARE, SMOOTHING_PIXELS, Background
from unnoise.inference.inpainting import noise_at
from unnoise.inference.row_blocks import RowBlocks, around, blocks_of
from unnoise.inference.sources import PixelSource
from unnoise.inference.stores import Store
from unnoise.layers.gaussian_blur import gaussian_blur, kernel_radius

PEAK_SPREADS = 14.0
"""A source's peak is this far above the background, in spreads of the smoothed values: 4 standard deviations of noise."""
LOW_SPREADS, HIGH_SPREADS = 1.5, 5.0
"""Around it the weight rises from 0 to 1 between these."""
BULK_FACTOR = 5.0
"""It is also this far above the median of all values, in distances from there to their upper quartile, and a third of
that range more."""
RADIUS_PIXELS = 12
"""A source reaches this far from its peak."""
APART_PIXELS = 4
"""Pixels this near to such a value do not count as background."""
FLUX_SIGMA_PIXELS = 2.0
"""Standard deviation of the Gaussian over which flux is kept."""
HALO_PIXELS = RADIUS_PIXELS + 1 + kernel_radius(SMOOTHING_PIXELS)


@dataclass(frozen=True)
class PointSources:
    """The point sources of a picture or batch.

    >>> from unnoise import images
    >>> from unnoise.inference.sources import source_of_tensor
    >>> noisy = 0.1 + 0.001 * torch.randn(64, 64, generator=torch.Generator().manual_seed(0))
    >>> noisy[30:33, 40:43] += 0.1
    >>> source = source_of_tensor(*images.to_tensor(noisy))
    >>> found = find_point_sources(source)
    >>> bool(found.without().read(slice(30, 33), slice(40, 43)).max() < 0.11)
    True
    """

    source: PixelSource
    blocks: RowBlocks
    """Weights, and the picture without its sources, (P, H, W) each."""

    def without(self) -> PixelSource:
        """The picture with noisy background in place of its sources."""
        shape = self.source.read(slice(0, 1), slice(0, 1)).shape[:2]

        def read(rows: slice, columns: slice) -> Tensor:
            planes = self.blocks.read(rows, columns)[1]
            return planes.reshape(shape + planes.shape[-2:])

        return replace(self.source, read=read)

    def combine(self, store: Store, plain: Callable[[slice], Tensor], low: float, high: float) -> None:
        """Put both results together.

        Args:
            store: the result of the picture, which is changed.
            plain: reads rows of the result of `without`, (B, C, rows, W).
            low, high: the range of values.
        """
        height, width = self.source.size
        waiting: tuple[slice, Tensor] | None = None  # not yet written, since the block below reads these rows
        for rows in blocks_of(height):
            whole, inner = around(rows, kernel_radius(FLUX_SIGMA_PIXELS), height)
            everywhere = slice(0, width)
            noisy, restored = self.source.read(whole, everywhere), store.read(whole, everywhere).to(torch.float32)
            weight, _, taken = (x.reshape(noisy.shape) for x in self.blocks.read(whole, everywhere))
            lost = gaussian_blur(weight * (noisy - restored), FLUX_SIGMA_PIXELS)
            at_sources = restored + lost / gaussian_blur(weight, FLUX_SIGMA_PIXELS).clamp(min=1e-6)
            own = weight[..., inner, :]
            joined = own * at_sources[..., inner, :] + (1 - own) * (plain(rows) + taken[..., inner, :])
            if waiting:
                store.write(*waiting)
            waiting = rows, joined.clamp(low, high)
        if waiting:
            store.write(*waiting)


def find_point_sources(source: PixelSource) -> PointSources | None:
    """Find the point sources of a measurement; None: it has none.

    Args:
        source: the noisy pixels after `repair`, (B, C, H, W).

    >>> from unnoise import images
    >>> from unnoise.inference.sources import source_of_tensor
    >>> noisy = 0.1 + 0.001 * torch.randn(64, 64, generator=torch.Generator().manual_seed(0))
    >>> source = source_of_tensor(*images.to_tensor(noisy))
    >>> find_point_sources(source) is None
    True
    """
    limit = _limits(source)
    background = _background(source, limit)  # not that of `repair`, which large sources cover
    if background is None:
        return None
    found = RowBlocks(source.size, partial(_block, source, background, limit), keep_all=source.strip_pixels is None)
    width = slice(0, source.size[1])
    if not any(bool((found.read(rows, width)[0] > 0).any()) for rows in blocks_of(source.size[0])):
        return None
    return PointSources(source, found)


def _background(source: PixelSource, limit: Tensor) -> Background | None:
    """The background between pixels that lie above the limit, however many these are; None: there are no such pixels."""
    parts, found = [], False
    for rows in blocks_of(source.size[0]):
        whole, inner = around(rows, APART_PIXELS + kernel_radius(SMOOTHING_PIXELS), source.size[0])
        x = source.read(whole, slice(0, source.size[1])).flatten(0, 1)
        bright = gaussian_blur(x, SMOOTHING_PIXELS) > limit.to(x.device)
        found = found or bool(bright.any())
        parts.append(Background.measure(x[:, inner], ~_widened(bright, APART_PIXELS)[:, inner]))
    return Background.join(parts) if found else None


def _limits(source: PixelSource) -> Tensor:
    """The value above which a peak must lie, (P, 1, 1)."""
    values = torch.cat([window.flatten(0, 1).flatten(1) for window in source.sample_windows()], dim=1)  # (P, n)
    order = values.sort(1).values
    lower, middle, upper = (order[:, int(share * (order.shape[1] - 1))] for share in (0.25, 0.5, 0.75))
    low, high = middle - BULK_FACTOR * (middle - lower), middle + BULK_FACTOR * (upper - middle)
    limit = high + (high - low) / 3
    # Where a quarter of all values equals the median, they are few counts: three photons among zeros are no star.
    return torch.where((lower < middle) & (middle < upper), limit, torch.inf)[:, None, None]


def _block(source: PixelSource, background: Background, limit: Tensor, rows: slice) -> tuple[Tensor, Tensor, Tensor]:
    """Weights, the picture without its sources, and what was taken out, (P, rows, W) each."""
    whole, inner = around(rows, HALO_PIXELS, source.size[0])
    x = source.read(whole, slice(0, source.size[1])).flatten(0, 1)
    level, spread, noise = (part.to(x.device) for part in background.at(whole, source.size[1]))
    smooth = gaussian_blur(x, SMOOTHING_PIXELS)
    excess = (smooth - level) / spread.clamp(min=1e-12)
    reached = (excess > PEAK_SPREADS) & (smooth > limit.to(x.device)) & (spread > 0)
    if not bool(reached.any()):
        nothing = torch.zeros_like(x[:, inner])
        return nothing, x[:, inner], nothing
    allowed = excess > LOW_SPREADS
    for _ in range(RADIUS_PIXELS):
        reached = _widened(reached) & allowed
    rise = ((excess - LOW_SPREADS) / (HIGH_SPREADS - LOW_SPREADS)).clamp(0, 1)
    weight = torch.where(_widened(reached), rise.square() * (3 - 2 * rise), 0)
    taken = weight * (x - level)
    sigma = torch.maximum(noise, spread / SMOOTHED_NOISE_SHARE)
    added = noise_at(whole, x.shape, sigma) * (1 - (1 - weight).square()).sqrt()
    return weight[:, inner], (x - taken + added)[:, inner], taken[:, inner]


def _widened(x: Tensor, radius: int = 1) -> Tensor:
    return F.max_pool2d(x[:, None].to(torch.float32), 2 * radius + 1, 1, radius)[:, 0] > 0
