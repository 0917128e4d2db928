"""Synthetic noise like that of a picture, made from its own residual. A restoration is perturbed with it.

This is a bootstrap. Blocks of the residual that hold little but noise are brought to unit level, placed in random order
and turned, and get the noise level of their new place. They keep the correlation between neighbors and between
channels.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from unnoise.rng import RandomSource, uniform

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


def noise_level(residual: Tensor, estimate: Tensor) -> Tensor:
    """The noise level at each pixel, as a function of brightness in each channel.

    It is measured in the quieter blocks of each brightness, and is linear between them.

    Args:
        residual, estimate: (B, C, H, W): noisy − restored, and restored.

    Returns:
        Standard deviations, (B, C, H, W).

    >>> noise = 0.1 * torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    >>> level = noise_level(noise, torch.full((1, 1, 64, 64), 0.5))
    >>> bool(0.08 < level.mean() < 0.1)  # the quieter blocks give a little too little
    True
    """
    side = min(LEVEL_BLOCK_PIXELS, *residual.shape[-2:])
    brightness = _blocks(estimate, side).mean((3, 4)).mT  # (B, C, n)
    spread = _blocks(residual, side).square().mean((3, 4)).sqrt().mT  # (B, C, n)
    order = brightness.argsort(-1)
    bins = max(1, min(BIN_COUNT, order.shape[-1] // 8))
    order_bins = order[..., : order.shape[-1] // bins * bins]
    order_bins = order_bins.reshape(*order_bins.shape[:2], bins, -1)  # (B, C, bins, n / bins)
    centres, spreads = (
        values[:, :, None].expand(-1, -1, bins, -1).gather(-1, order_bins) for values in (brightness, spread)
    )  # (B, C, bins, n / bins)
    levels = spreads.quantile(QUIET_QUANTILE, dim=-1)  # (B, C, bins)
    return interpolate(estimate.flatten(2), centres.mean(-1), levels).reshape(estimate.shape)


def power_ratio(residual: Tensor, level: Tensor, estimate: Tensor, source: RandomSource) -> Tensor:
    """The true noise power divided by the power that `noise_level` finds in the quieter places.

    It is found on the noise of `probe`, whose power is known. The arguments are those of `noise_level` and `probe`.

    Returns:
        A scalar.
    """
    known = probe(residual, level, source)
    return known.square().mean() / noise_level(known, estimate).square().mean().clamp(min=1e-20)


def perturbed(
    restore: Callable[[Tensor], Tensor], noisy: Tensor, restored: Tensor, extra: Tensor, size: float = PERTURBATION
) -> Tensor:
    """How a restoration f moves with the noise b = `extra` in the picture x: (f(x + εb) − f(x)) / ε, with f(x) = `restored` and
    ε = `size`."""
    return (restore(noisy + size * extra) - restored) / size


def interpolate(x: Tensor, knots: Tensor, values: Tensor) -> Tensor:
    """Linear interpolation along the last dimension, constant beyond the ends.

    Args:
        x: (…, N).
        knots, values: (…, K), the knots rising.

    Returns:
        (…, N).

    >>> interpolate(torch.tensor([-1.0, 0.5, 9.0]), torch.tensor([0.0, 1.0]), torch.tensor([2.0, 4.0]))
    tensor([2., 3., 4.])
    """
    if knots.shape[-1] == 1:
        return values.expand_as(x)
    right = torch.searchsorted(knots, x.contiguous()).clamp(1, knots.shape[-1] - 1)
    low, high = knots.gather(-1, right - 1), knots.gather(-1, right)
    share = ((x - low) / (high - low).clamp(min=1e-12)).clamp(0, 1)
    return torch.lerp(values.gather(-1, right - 1), values.gather(-1, right), share)


def probe(residual: Tensor, level: Tensor, source: RandomSource) -> Tensor:
    """Noise with a given level and the correlation of the residual, independent of it.

    Args:
        residual, level: (B, C, H, W); the level is a standard deviation.
        source: of all random numbers.

    Returns:
        (B, C, H, W).

    >>> residual = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    >>> probe(residual, torch.full_like(residual, 0.1), torch.Generator().manual_seed(1)).std().round(decimals=2)
    tensor(0.1000)
    """
    height, width = residual.shape[-2:]
    side = min(BLOCK_PIXELS, height, width)
    unit = _blocks(residual / level.clamp(min=1e-12), side)  # (B, n, C, side, side)
    quietest = unit.square().mean((2, 3, 4)).argsort(-1)
    donors = quietest[:, : max(1, round(DONOR_SHARE * unit.shape[1]))]  # (B, donors)
    rows, columns = -(-height // side), -(-width // side)
    chosen, across, down, sign = uniform((4, residual.shape[0], rows, columns), source, residual.device).flatten(2)
    picked = donors.gather(1, (chosen * donors.shape[1]).long())  # (B, rows·columns)
    field = unit[torch.arange(len(unit), device=unit.device)[:, None], picked]  # (B, rows·columns, C, side, side)
    for draw, dimension in ((across, -1), (down, -2)):
        field = torch.where((draw < 0.5)[..., None, None, None], field.flip(dimension), field)
    field = torch.where((sign < 0.5)[..., None, None, None], -field, field)
    field = field / field.square().mean((1, 2, 3, 4), keepdim=True).sqrt().clamp(min=1e-12)
    field = field.reshape(len(field), rows, columns, -1, side, side).permute(
        0, 3, 1, 4, 2, 5
    )  # (B, C, rows, side, columns, side)
    return field.reshape(*residual.shape[:2], rows * side, columns * side)[..., :height, :width] * level


def _blocks(x: Tensor, side: int) -> Tensor:
    """The whole blocks of (B, C, H, W), as (B, n, C, side, side)."""
    rows, columns = x.shape[-2] // side, x.shape[-1] // side
    x = x[..., : rows * side, : columns * side].reshape(*x.shape[:2], rows, side, columns, side)
    return x.permute(0, 2, 4, 1, 3, 5).flatten(1, 2)  # (B, rows·columns, C, side, side)
