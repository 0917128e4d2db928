"""Synthetic noise like that of a picture, made from its own residual. A restoration is perturbed with it.

This is a bootstrap. Blocks of the residual that hold little but noise are brought to unit level, placed in random order
and turned, and get the noise level of their new place. They keep the correlation between neighbors and between
channels. All functions take torch tensors, NumPy arrays, or other arrays of the array API standard.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from array_api_compat import device

from unnoise.array_api import array_namespace
from unnoise.photometry.array_ops import T, clip, lerp, quantile, searchsorted, take_along_last
from unnoise.rng import uniform

LEVEL_BLOCK_PIXELS = 16
"""Side in pixels of the blocks in which the level is measured."""
BLOCK_PIXELS = 32
"""Side in pixels of the blocks that are placed: several times the correlation length of camera noise."""
BIN_COUNT = 8
"""Number of brightness bins in which the level is measured. Each has the same number of blocks."""
QUIET_QUANTILE = 0.25
"""Quantile of the blocks of one brightness by their energy. Blocks below it hold noise alone, those above it also
detail."""
DONOR_SHARE = 1 / 3
"""Share of the blocks that are placed: those with the least energy."""
PERTURBATION = 0.5
"""ε: how much of the noise's own level a restoration is perturbed with."""


@dataclass(frozen=True)
class BrightnessBins:
    """Blocks of a picture in bins of similar brightness, in which `noise_level` measures.

    >>> import torch
    >>> BrightnessBins.of(torch.rand(1, 3, 64, 64)).order.shape  # two bins of eight blocks
    torch.Size([1, 3, 16])
    """

    order: Any
    """(B, C, n): the blocks, the darkest first; n is a multiple of `count`."""
    count: int
    """The number of bins."""
    at_pixels: Interpolation
    """From the mean brightness of each bin to each pixel, (B, C, H·W)."""

    @classmethod
    def of(cls, estimate: T) -> BrightnessBins:
        """Bins of a picture or batch, (B, C, H, W)."""
        xp: Any = array_namespace(estimate)
        side = min(LEVEL_BLOCK_PIXELS, *estimate.shape[-2:])
        brightness = xp.matrix_transpose(xp.mean(_blocks(estimate, side), axis=(3, 4)))  # (B, C, n)
        order: Any = xp.argsort(brightness, axis=-1, stable=True)
        bins = max(1, min(BIN_COUNT, order.shape[-1] // 8))
        order = order[..., : order.shape[-1] // bins * bins]
        centres = xp.reshape(take_along_last(brightness, order), (*order.shape[:2], bins, -1))  # (B, C, bins, n / bins)
        values = xp.reshape(estimate, (*estimate.shape[:2], -1))
        return cls(order, bins, Interpolation.of(values, xp.mean(centres, axis=-1)))


def noise_level(residual: T, estimate: T, bins: BrightnessBins | None = None) -> T:
    """The noise level at each pixel, as a function of brightness in each channel.

    It is measured in the quieter blocks of each brightness, and is linear between them.

    Args:
        residual, estimate: (B, C, H, W): noisy − restored, and restored.
        bins: of the estimate, where they are known already.

    Returns:
        Standard deviations, (B, C, H, W).

    >>> import torch
    >>> noise = 0.1 * torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    >>> level = noise_level(noise, torch.full((1, 1, 64, 64), 0.5))
    >>> bool(0.08 < level.mean() < 0.1)  # the quieter blocks give a little too little
    True
    """
    xp: Any = array_namespace(residual, estimate)
    bins = bins or BrightnessBins.of(estimate)
    side = min(LEVEL_BLOCK_PIXELS, *residual.shape[-2:])
    spread: Any = xp.matrix_transpose(xp.sqrt(xp.mean(xp.square(_blocks(residual, side)), axis=(3, 4))))  # (B, C, n)
    spreads = xp.reshape(take_along_last(spread, bins.order), (*spread.shape[:2], bins.count, -1))
    levels = quantile(spreads, QUIET_QUANTILE)  # (B, C, bins)
    return xp.reshape(bins.at_pixels.between(levels), estimate.shape)


def power_ratio(residual: T, level: T, estimate: T, source: Any, bins: BrightnessBins | None = None) -> T:
    """The true noise power divided by the power that `noise_level` finds in the quieter places.

    It is found on the noise of `probe`, whose power is known. The arguments are those of `noise_level` and `probe`.

    Returns:
        A scalar.

    >>> import torch
    >>> noise = 0.1 * torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    >>> flat = torch.full_like(noise, 0.5)
    >>> bool(1 < power_ratio(noise, noise_level(noise, flat), flat, torch.Generator().manual_seed(0)) < 1.3)
    True
    """
    xp: Any = array_namespace(residual, level, estimate)
    known = probe(residual, level, source)
    return xp.mean(xp.square(known)) / clip(xp.mean(xp.square(noise_level(known, estimate, bins))), 1e-20)


def perturbed(restore: Callable[[T], T], noisy: T, restored: T, extra: T, size: float = PERTURBATION) -> T:
    """How a restoration f moves with the noise b = `extra` in the picture x: (f(x + εb) − f(x)) / ε, with f(x) =
    `restored` and ε = `size`.

    >>> import numpy as np
    >>> noisy, extra = np.ones(2), np.array([1.0, 2.0])
    >>> perturbed(lambda x: 3 * x, noisy, 3 * noisy, extra)
    array([3., 6.])
    """
    moved: Any = restore(noisy + size * extra)
    return (moved - restored) / size


def interpolate(x: T, knots: T, values: T) -> T:
    """Linear interpolation along the last dimension, constant beyond the ends.

    Args:
        x: (…, N).
        knots, values: (…, K), the knots rising.

    Returns:
        (…, N).

    >>> import torch
    >>> interpolate(torch.tensor([-1.0, 0.5, 9.0]), torch.tensor([0.0, 1.0]), torch.tensor([2.0, 4.0]))
    tensor([2., 3., 4.])
    """
    return Interpolation.of(x, knots).between(values)


@dataclass(frozen=True)
class Interpolation:
    """Where values lie between knots, for several curves over the same knots.

    >>> import numpy as np
    >>> Interpolation.of(np.array([0.5]), np.array([0.0, 1.0])).between(np.array([2.0, 4.0]))
    array([3.])
    """

    right: Any
    """(…, N): the next knot; None: there is one knot alone."""
    share: Any
    """(…, N): how near it is, 0..1."""
    shape: tuple[int, ...]

    @classmethod
    def of(cls, x: T, knots: T) -> Interpolation:
        """The places of x (…, N) between knots (…, K), which rise."""
        if knots.shape[-1] == 1:
            return cls(None, None, tuple(x.shape))
        right = clip(searchsorted(knots, x), 1, knots.shape[-1] - 1)
        low, high = take_along_last(knots, right - 1), take_along_last(knots, right)
        return cls(right, clip((x - low) / clip(high - low, 1e-12), 0, 1), tuple(x.shape))

    def between(self, values: T) -> T:
        """The curve with these values (…, K) at the knots, (…, N)."""
        if self.right is None:
            return array_namespace(values).broadcast_to(values, self.shape)
        return lerp(take_along_last(values, self.right - 1), take_along_last(values, self.right), self.share)


def probe(residual: T, level: T, source: Any) -> T:
    """Noise with a given level and the correlation of the residual, independent of it.

    Args:
        residual, level: (B, C, H, W); the level is a standard deviation.
        source: of all random numbers: an `rng.RandomSource` for tensors, else a sequence of `rng.sequence_for`.

    Returns:
        (B, C, H, W).

    >>> import torch
    >>> residual = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    >>> probe(residual, torch.full_like(residual, 0.1), torch.Generator().manual_seed(1)).std().round(decimals=2)
    tensor(0.1000)
    """
    xp: Any = array_namespace(residual, level)
    height, width = residual.shape[-2:]
    side = min(BLOCK_PIXELS, height, width)
    unit = _blocks(residual / clip(level, 1e-12), side)  # (B, n, C, side, side)
    quietest = xp.argsort(xp.mean(xp.square(unit), axis=(2, 3, 4)), axis=-1, stable=True)
    donors = quietest[:, : max(1, round(DONOR_SHARE * unit.shape[1]))]  # (B, donors)
    rows, columns = -(-height // side), -(-width // side)
    draws = xp.asarray(uniform((4, residual.shape[0], rows, columns), source, device(residual)), device=device(residual))
    chosen, across, down, sign = (xp.reshape(draws[n, ...], (-1, rows * columns)) for n in range(4))
    picked = take_along_last(donors, xp.astype(chosen * donors.shape[1], donors.dtype))  # (B, rows·columns)
    field = xp.stack([xp.take(unit[n, ...], picked[n, ...], axis=0) for n in range(unit.shape[0])])
    for draw, axis in ((across, -1), (down, -2)):  # field: (B, rows·columns, C, side, side)
        field = xp.where((draw < 0.5)[..., None, None, None], xp.flip(field, axis=axis), field)
    field = xp.where((sign < 0.5)[..., None, None, None], -field, field)
    field = field / clip(xp.sqrt(xp.mean(xp.square(field), axis=(1, 2, 3, 4), keepdims=True)), 1e-12)
    field = xp.reshape(field, (field.shape[0], rows, columns, -1, side, side))
    field = xp.permute_dims(field, (0, 3, 1, 4, 2, 5))  # (B, C, rows, side, columns, side)
    field = xp.reshape(field, (*residual.shape[:2], rows * side, columns * side))
    return field[..., :height, :width] * level


def _blocks(x: T, side: int) -> T:
    """The whole blocks of (B, C, H, W), as (B, n, C, side, side)."""
    xp: Any = array_namespace(x)
    count, channels = x.shape[:2]
    rows, columns = x.shape[-2] // side, x.shape[-1] // side
    blocks = xp.reshape(x[..., : rows * side, : columns * side], (count, channels, rows, side, columns, side))
    blocks = xp.permute_dims(blocks, (0, 2, 4, 1, 3, 5))  # (B, rows, columns, C, side, side)
    return xp.reshape(blocks, (count, rows * columns, channels, side, side))
