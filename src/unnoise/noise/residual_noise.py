"""More noise of the kind that a picture already has, made from its own residual: what to shake a network with.

A bootstrap: blocks of the residual that hold little beside noise, brought to unit level and strewn over the picture in random order,
turned about, and given the level of their new place. They keep what the noise has of correlation between neighbours and channels.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from unnoise.rng import RandomSource, uniform

LEVEL_BLOCK_PIXELS = 16
"""Side in pixels of the blocks in which the level is measured."""
BLOCK_PIXELS = 32
"""Side of the blocks that are strewn, in pixels: several times as far as the noise of cameras is correlated."""
BIN_COUNT = 8
"""Of brightness, each with as many blocks, in which the level is measured."""
QUIET_QUANTILE = 0.25
"""Quantile of the blocks of one brightness, by what is left in them: the lower ones hold noise alone, the upper ones detail too."""
DONOR_SHARE = 1 / 3
"""Share of the blocks, those with the least beside noise, that are strewn."""
PERTURBATION = 0.5
"""ε: how much of the noise's own level a restoration is perturbed with."""


def noise_level(residual: Tensor, estimate: Tensor) -> Tensor:
    """The level of the noise in each pixel, as it depends on brightness, channel by channel: (B, C, H, W) each → the same.

    The quieter blocks of each brightness tell it; between their brightnesses it goes in straight lines.
    """
    side = min(LEVEL_BLOCK_PIXELS, *residual.shape[-2:])
    brightness = _blocks(estimate, side).mean((3, 4)).mT  # (B, C, n)
    spread = _blocks(residual, side).square().mean((3, 4)).sqrt().mT  # (B, C, n)
    order = brightness.argsort(-1)
    bins = max(1, min(BIN_COUNT, order.shape[-1] // 8))
    kept = order[..., : order.shape[-1] // bins * bins]
    kept = kept.reshape(*kept.shape[:2], bins, -1)  # (B, C, bins, n / bins)
    centres, spreads = (
        values[:, :, None].expand(-1, -1, bins, -1).gather(-1, kept) for values in (brightness, spread)
    )  # (B, C, bins, n / bins)
    levels = spreads.quantile(QUIET_QUANTILE, dim=-1)  # (B, C, bins)
    return interpolate(estimate.flatten(2), centres.mean(-1), levels).reshape(estimate.shape)


def power_ratio(residual: Tensor, level: Tensor, estimate: Tensor, source: RandomSource) -> Tensor:
    """By which factor the noise's power is more than `noise_level` tells, a scalar: it looks at the quieter places alone.

    Found on noise that `probe` makes of the residual, of which the power is known. Arguments as for `noise_level` and `probe`.
    """
    known = probe(residual, level, source)
    return known.square().mean() / noise_level(known, estimate).square().mean().clamp(min=1e-20)


def perturbed(restore: Callable[[Tensor], Tensor], noisy: Tensor, restored: Tensor, extra: Tensor) -> Tensor:
    """How a restoration f moves with the noise b = `extra` in the picture x: (f(x + εb) − f(x)) / ε, with f(x) = `restored`."""
    return (restore(noisy + PERTURBATION * extra) - restored) / PERTURBATION


def interpolate(x: Tensor, knots: Tensor, values: Tensor) -> Tensor:
    """Linear interpolation along the last dimension, constant beyond the ends: (…, N) and twice (…, K) → (…, N)."""
    if knots.shape[-1] == 1:
        return values.expand_as(x)
    right = torch.searchsorted(knots, x.contiguous()).clamp(1, knots.shape[-1] - 1)
    low, high = knots.gather(-1, right - 1), knots.gather(-1, right)
    share = ((x - low) / (high - low).clamp(min=1e-12)).clamp(0, 1)
    return torch.lerp(values.gather(-1, right - 1), values.gather(-1, right), share)


def probe(residual: Tensor, level: Tensor, source: RandomSource) -> Tensor:
    """Noise of this level and of the residual's correlation, independent of it: (B, C, H, W) each → the same."""
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
    """The whole blocks that (B, C, H, W) holds, (B, n, C, side, side)."""
    rows, columns = x.shape[-2] // side, x.shape[-1] // side
    x = x[..., : rows * side, : columns * side].reshape(*x.shape[:2], rows, side, columns, side)
    return x.permute(0, 2, 4, 1, 3, 5).flatten(1, 2)  # (B, rows·columns, C, side, side)
