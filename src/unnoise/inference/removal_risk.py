"""How much of a removal lowers the error: the weight of the residual with the least expected squared error.

Of noisy y = x + n and restored f, the residual r = y − f is what was removed. With the weight w, the result y − w·r has the error
σ² + w²·E[r²] − 2w·E[n·r]. So the best weight is E[n·r] / E[r²]. A filter that lets the share h of a frequency through has
E[n·r] = (1 − h)·σ², and 1 − h = E[r·y] / E[y²] is seen in the picture. No clean picture and no second pass of the network is needed.

This is Stein's unbiased risk estimate (Stein, "Estimation of the mean of a multivariate normal distribution", Annals of Statistics,
1981) with the divergence of a linear filter, fitted to each frequency of each square. In plain places the weight is 1. In grass or fur
a network removes texture with the noise, and less removal is better, though no limit of the noise is exceeded.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from unnoise.inference.overlapping_blocks import STRIDE_SAMPLES
from unnoise.noise.noise_model import BLOCK_SAMPLES

CHANCE_SIGMAS = 3.0
"""The weight is larger than the best one by this many standard deviations of its chance error, and 1 at most. So noise alone is
removed whole. It is 15 % for squares of three channels."""
LEVEL_MARGIN = 1.1
"""The measured variance of noise may be too low by this factor in some places."""
NEGLIGIBLE_SHARE = 0.03
"""Shares to be put back up to this one are not put back, which saves time."""


def second_blocks(noisy: Tensor, forward: Tensor, sigma: Tensor) -> list[Tensor]:
    """Coefficients of every second block along both axes, in standard deviations of the noise. They do not overlap.

    Args:
        noisy: a part of the noisy picture, (C, 4·(r + 1), 4·(columns + 1)).
        forward: the transforms into coefficients, (C, 64, 64).
        sigma: standard deviation of the noise at each block, (C, r, columns, 1).

    Returns:
        (⌈r / 2⌉, ⌈columns / 2⌉, 64) for each channel.

    >>> second_blocks(torch.zeros(1, 32, 40), torch.eye(64)[None], torch.ones(1, 7, 9, 1))[0].shape
    torch.Size([4, 5, 64])
    """
    scales = sigma[:, ::2, ::2]
    return [
        (_blocks(values) @ transform).reshape(*scale.shape[:2], -1) / scale
        for values, transform, scale in zip(noisy, forward, scales, strict=True)
    ]


def removal_weights(residual: Sequence[Tensor], noisy: Sequence[Tensor]) -> Tensor:
    """The share of the residual that is to be removed in squares of 2×2 such blocks, all channels together.

    Args:
        residual, noisy: coefficients in standard deviations of the noise, (r, columns, 64) for each channel.

    Returns:
        (⌈r / 2⌉, ⌈columns / 2⌉) in 0..1.

    >>> noise = torch.randn(16, 16, 64, generator=torch.Generator().manual_seed(0))
    >>> removal_weights([noise], [noise]).min().item()  # noise alone was removed
    1.0
    >>> bool((removal_weights([2 * noise], [2 * noise]) < 0.4).all())  # twice as much as the noise
    True
    """
    sums: list[Tensor] | None = None
    for u, v in zip(residual, noisy, strict=True):
        products = [u * u, u * v, v * v]
        sums = products if sums is None else [a.add_(b) for a, b in zip(sums, products, strict=True)]
    assert sums is not None
    removed, both, seen = (_of_squares(x)[..., 1:] for x in sums)  # the mean has limits of its own
    tiny = torch.finfo(seen.dtype).tiny
    noise = (both / seen.clamp(min=tiny)).clamp(0, 1).sum(-1) * _samples(residual)
    slack = LEVEL_MARGIN + CHANCE_SIGMAS * (2 / (_samples(residual) * removed.shape[-1])).sqrt()
    weight = (slack * noise / removed.sum(-1).clamp(min=tiny)).clamp(max=1)
    return torch.where((weight < 1 - NEGLIGIBLE_SHARE) & (removed.sum(-1) > 0), weight, 1)


def _samples(residual: Sequence[Tensor]) -> Tensor:
    """The number of blocks that count in each square, all channels together."""
    rows, columns = residual[0].shape[:2]
    return _of_squares(residual[0].new_ones(rows, columns, 1))[..., 0] * len(residual)


def _blocks(x: Tensor) -> Tensor:
    """Blocks that do not overlap, ordered as by `overlapping_blocks`: (h, w) → (⌊h / 8⌋·⌊w / 8⌋, 64)."""
    rows, columns = (length // BLOCK_SAMPLES for length in x.shape)
    cells = x[: rows * BLOCK_SAMPLES, : columns * BLOCK_SAMPLES].reshape(rows, 2, STRIDE_SAMPLES, columns, 2, STRIDE_SAMPLES)
    return cells.permute(0, 3, 1, 4, 2, 5).reshape(-1, BLOCK_SAMPLES**2)


def _of_squares(x: Tensor) -> Tensor:
    """Sums over squares of 2×2, (r, columns, n) → (⌈r / 2⌉, ⌈columns / 2⌉, n)."""
    rows, columns = x.shape[:2]
    x = F.pad(x, (0, 0, 0, columns % 2, 0, rows % 2))
    return x.reshape(x.shape[0] // 2, 2, x.shape[1] // 2, 2, -1).sum((1, 3))
