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

PEAK_SPREADS = 8.0, 14.0
"""A source's peak is this far above the background, in spreads of the smoothed values: on plain background, and on
textured. The second is 4 standard deviations of noise."""
LOW_SPREADS, HIGH_SPREADS = 2.0, 6.0
"""Around it the weight rises from 0 to 1 between these."""
BULK_FACTORS = 3.0, 15.0
"""It is also this far above the median of all values, in distances from there to their upper quartile, and a third of
that range more: on plain background, and on textured."""
TEXTURE_SPREADS = 1.25, 2.0
"""Background is plain where the smoothed values spread no more than this many times as far as noise makes them, and
textured from the second number on. Lower thresholds there would take bright texture for sources: that cost up to 8 dB."""
RADIUS_PIXELS = 12
"""A source reaches this far from its peak."""
FADE_PIXELS = 4
"""From this distance on its weight fades."""
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
    """Weights, the picture without its sources, and the background, (P, H, W) each."""

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
            weight, _, level = (x.reshape(noisy.shape) for x in self.blocks.read(whole, everywhere))
            lost = gaussian_blur(weight * (noisy - restored), FLUX_SIGMA_PIXELS)
            at_sources = restored + lost / gaussian_blur(weight, FLUX_SIGMA_PIXELS).clamp(min=1e-6)
            own, bright = weight[..., inner, :], at_sources[..., inner, :]
            # `without` took own · (noisy − level) out. What is put back must bear no noise, where own is between 0 and 1.
            joined = own * bright + (1 - own) * (plain(rows) + own * (bright - level[..., inner, :]))
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
    limits = _limits(source)
    background = _background(source, limits)  # not that of `repair`, which large sources cover
    if background is None:
        return None
    found = RowBlocks(source.size, partial(_block, source, background, limits), keep_all=source.strip_pixels is None)
    width = slice(0, source.size[1])
    if not any(bool((found.read(rows, width)[0] > 0).any()) for rows in blocks_of(source.size[0])):
        return None
    return PointSources(source, found)


def _background(source: PixelSource, limits: tuple[Tensor, Tensor]) -> Background | None:
    """The background between pixels that lie above the limits, however many these are; None: there are no such pixels."""
    parts, found = [], False
    for rows in blocks_of(source.size[0]):
        whole, inner = around(rows, APART_PIXELS + kernel_radius(SMOOTHING_PIXELS), source.size[0])
        x = source.read(whole, slice(0, source.size[1])).flatten(0, 1)
        low, high = (limit.to(x.device) for limit in limits)
        smooth = gaussian_blur(x, SMOOTHING_PIXELS)
        found, bright = found or bool((smooth > low).any()), smooth > high
        parts.append(Background.measure(x[:, inner], ~_widened(bright, APART_PIXELS)[:, inner]))
    return Background.join(parts) if found else None


def _limits(source: PixelSource) -> tuple[Tensor, Tensor]:
    """The values above which a peak must lie, on plain background and on textured, (P, 1, 1) each."""
    values = torch.cat([window.flatten(0, 1).flatten(1) for window in source.sample_windows()], dim=1)  # (P, n)
    order = values.sort(1).values
    lower, middle, upper = (order[:, int(share * (order.shape[1] - 1))] for share in (0.25, 0.5, 0.75))
    # Where a quarter of all values equals the median, they are few counts: three photons among zeros are no star.
    are_many = (lower < middle) & (middle < upper)
    plain, textured = (
        torch.where(are_many, middle + factor * ((upper - middle) + (upper - lower) / 3), torch.inf)[:, None, None]
        for factor in BULK_FACTORS
    )
    return plain, textured


def _block(
    source: PixelSource, background: Background, limits: tuple[Tensor, Tensor], rows: slice
) -> tuple[Tensor, Tensor, Tensor]:
    """Weights, the picture without its sources, and the background below these, (P, rows, W) each."""
    whole, inner = around(rows, HALO_PIXELS, source.size[0])
    x = source.read(whole, slice(0, source.size[1])).flatten(0, 1)
    level, spread, noise = (part.to(x.device) for part in background.at(whole, source.size[1]))
    smooth = gaussian_blur(x, SMOOTHING_PIXELS)
    excess = (smooth - level) / spread.clamp(min=1e-12)
    first, last = TEXTURE_SPREADS
    texture = ((spread / (SMOOTHED_NOISE_SHARE * noise).clamp(min=1e-12) - first) / (last - first)).clamp(0, 1)
    low, high = (limit.to(x.device) for limit in limits)
    # Not interpolated where few counts have infinite limits.
    limit = torch.where(texture < 1, low + texture * (high - low).nan_to_num(0), high)
    reached = (excess > PEAK_SPREADS[0] + texture * (PEAK_SPREADS[1] - PEAK_SPREADS[0])) & (smooth > limit) & (spread > 0)
    if not bool(reached.any()):
        return torch.zeros_like(x[:, inner]), x[:, inner], level[:, inner]
    allowed, steps = excess > LOW_SPREADS, torch.zeros_like(x)
    for _ in range(RADIUS_PIXELS):
        reached = _widened(reached) & allowed
        steps += reached
    nearness = (steps / (RADIUS_PIXELS - FADE_PIXELS)).clamp(max=1)  # slopes of hills must not end in a cliff
    weight = _smoothstep((excess - LOW_SPREADS) / (HIGH_SPREADS - LOW_SPREADS)) * _smoothstep(nearness)
    sigma = torch.maximum(noise, spread / SMOOTHED_NOISE_SHARE)
    added = noise_at(whole, x.shape, sigma) * (1 - (1 - weight).square()).sqrt()
    return weight[:, inner], (x - weight * (x - level) + added)[:, inner], level[:, inner]


def _smoothstep(x: Tensor) -> Tensor:
    x = x.clamp(0, 1)
    return x.square() * (3 - 2 * x)


def _widened(x: Tensor, radius: int = 1) -> Tensor:
    return F.max_pool2d(x[:, None].to(torch.float32), 2 * radius + 1, 1, radius)[:, 0] > 0
