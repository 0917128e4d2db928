"""Bright sources: stars, beads, cells and other far brighter structure on a background.

Beside bright structure a network leaves more of the noise: next to 200 stars a sky of 14 ± 3 counts instead of ± 1. And
one range of values for both hides the noise of the background. So such a picture is restored twice: as it is, and with
noisy background in place of the sources. The first result counts at the sources, the second one elsewhere. What is
restored of the background so depends on it alone, whatever share of the picture the sources have. At the sources the
local mean of the noisy picture is kept, and so their flux.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from array_api_compat import device, to_device

from unnoise.array_api import array_namespace
from unnoise.inference.background import SMOOTHED_NOISE_SHARE, SMOOTHING_PIXELS, Background
from unnoise.inference.inpainting import noise_at
from unnoise.inference.row_blocks import RowBlocks, around, blocks_of
from unnoise.inference.sources import PixelSource
from unnoise.inference.stores import Store
from unnoise.layers.gaussian_blur import gaussian_blur, kernel_radius
from unnoise.photometry.array_ops import clip, concat
from unnoise.photometry.array_windows import dilate_mask, planes_of_batch

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

    >>> import torch
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

        def read(rows: slice, columns: slice) -> Any:
            planes = self.blocks.read(rows, columns)[1]
            return array_namespace(planes).reshape(planes, (*shape, *planes.shape[-2:]))

        return replace(self.source, read=read)

    def combine(self, store: Store, plain: Callable[[slice], Any], low: float, high: float) -> None:
        """Put both results together.

        Args:
            store: the result of the picture, which is changed.
            plain: reads rows of the result of `without`, (B, C, rows, W).
            low, high: the range of values.
        """
        height, width = self.source.size
        waiting: tuple[slice, Any] | None = None  # not yet written, since the block below reads these rows
        for rows in blocks_of(height):
            whole, inner = around(rows, kernel_radius(FLUX_SIGMA_PIXELS), height)
            everywhere = slice(0, width)
            noisy, restored = self.source.read(whole, everywhere), store.read(whole, everywhere)
            xp = array_namespace(noisy)
            restored = xp.astype(restored, xp.float32, copy=False)
            weight, _, level = (xp.reshape(x, noisy.shape) for x in self.blocks.read(whole, everywhere))
            lost = gaussian_blur(weight * (noisy - restored), FLUX_SIGMA_PIXELS)
            at_sources = restored + lost / clip(gaussian_blur(weight, FLUX_SIGMA_PIXELS), 1e-6)
            own, bright = weight[..., inner, :], at_sources[..., inner, :]
            # `without` took own · (noisy − level) out. What is put back must bear no noise, where own is between 0 and 1.
            joined = own * bright + (1 - own) * (plain(rows) + own * (bright - level[..., inner, :]))
            if waiting:
                store.write(*waiting)
            waiting = rows, clip(joined, low, high)
        if waiting:
            store.write(*waiting)


def find_point_sources(source: PixelSource) -> PointSources | None:
    """Find the point sources of a measurement; None: it has none.

    Args:
        source: the noisy pixels after `repair`, (B, C, H, W).

    >>> import torch
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


def _background(source: PixelSource, limits: tuple[Any, Any]) -> Background | None:
    """The background between pixels that lie above the limits, however many these are; None: there are no such pixels."""
    parts, found = [], False
    for rows in blocks_of(source.size[0]):
        whole, inner = around(rows, APART_PIXELS + kernel_radius(SMOOTHING_PIXELS), source.size[0])
        x = planes_of_batch(source.read(whole, slice(0, source.size[1])))
        low, high = (to_device(limit, device(x)) for limit in limits)
        xp = array_namespace(x)
        smooth = gaussian_blur(x, SMOOTHING_PIXELS)
        found, bright = found or bool(xp.any(smooth > low)), smooth > high
        parts.append(Background.measure(x[:, inner], ~dilate_mask(bright, APART_PIXELS)[:, inner]))
    return Background.join(parts) if found else None


def _limits(source: PixelSource) -> tuple[Any, Any]:
    """The values above which a peak must lie, on plain background and on textured, (P, 1, 1) each."""
    planes = [planes_of_batch(window) for window in source.sample_windows()]
    xp = array_namespace(planes[0])
    values = concat([xp.reshape(x, (len(x), -1)) for x in planes], axis=1)  # (P, n)
    order = xp.sort(values, axis=1)
    lower, middle, upper = (order[:, int(share * (order.shape[1] - 1))] for share in (0.25, 0.5, 0.75))
    # Where a quarter of all values equals the median, they are few counts: three photons among zeros are no star.
    are_many = (lower < middle) & (middle < upper)
    plain, textured = (
        xp.where(are_many, middle + factor * ((upper - middle) + (upper - lower) / 3), math.inf)[:, None, None]
        for factor in BULK_FACTORS
    )
    return plain, textured


def _block(source: PixelSource, background: Background, limits: tuple[Any, Any], rows: slice) -> tuple[Any, Any, Any]:
    """Weights, the picture without its sources, and the background below these, (P, rows, W) each."""
    whole, inner = around(rows, HALO_PIXELS, source.size[0])
    x = planes_of_batch(source.read(whole, slice(0, source.size[1])))
    xp = array_namespace(x)
    level, spread, noise = (to_device(part, device(x)) for part in background.at(whole, source.size[1]))
    smooth = gaussian_blur(x, SMOOTHING_PIXELS)
    excess = (smooth - level) / clip(spread, 1e-12)
    first, last = TEXTURE_SPREADS
    texture = clip((spread / clip(SMOOTHED_NOISE_SHARE * noise, 1e-12) - first) / (last - first), 0, 1)
    low, high = (to_device(limit, device(x)) for limit in limits)
    # Not interpolated where few counts have infinite limits.
    apart = xp.where(xp.isfinite(low), high - low, 0.0)
    limit = xp.where(texture < 1, low + texture * apart, high)
    reached = (excess > PEAK_SPREADS[0] + texture * (PEAK_SPREADS[1] - PEAK_SPREADS[0])) & (smooth > limit) & (spread > 0)
    if not bool(xp.any(reached)):
        return xp.zeros_like(x[:, inner]), x[:, inner], level[:, inner]
    allowed, steps = excess > LOW_SPREADS, xp.zeros_like(x)
    for _ in range(RADIUS_PIXELS):
        reached = dilate_mask(reached, 1) & allowed
        steps += xp.astype(reached, x.dtype)
    nearness = clip(steps / (RADIUS_PIXELS - FADE_PIXELS), None, 1)  # slopes of hills must not end in a cliff
    weight = _smoothstep((excess - LOW_SPREADS) / (HIGH_SPREADS - LOW_SPREADS)) * _smoothstep(nearness)
    sigma = xp.maximum(noise, spread / SMOOTHED_NOISE_SHARE)
    added = noise_at(whole, x.shape, sigma) * xp.sqrt(1 - xp.square(1 - weight))
    return weight[:, inner], (x - weight * (x - level) + added)[:, inner], level[:, inner]


def _smoothstep(x: Any) -> Any:
    x = clip(x, 0, 1)
    return array_namespace(x).square(x) * (3 - 2 * x)
