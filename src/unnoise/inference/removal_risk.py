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
from typing import Any

from unnoise.array_api import array_namespace
from unnoise.inference.overlapping_blocks import STRIDE_SAMPLES
from unnoise.noise.noise_model import BLOCK_SAMPLES
from unnoise.photometry.array_ops import clip

CHANCE_SIGMAS = 3.0
"""The weight is larger than the best one by this many standard deviations of its chance error, and 1 at most. So noise alone is
removed whole. It is 15 % for squares of three channels."""
LEVEL_MARGIN = 1.1
"""The measured variance of noise may be too low by this factor in some places."""
TINY = 1e-20
NEGLIGIBLE_SHARE = 0.03
"""Shares to be put back up to this one are not put back, which saves time."""


def second_blocks(noisy: Any, forward: Any, sigma: Any) -> list[Any]:
    """Coefficients of every second block along both axes, in standard deviations of the noise. They do not overlap.

    Args:
        noisy: a part of the noisy picture, (C, 4·(r + 1), 4·(columns + 1)).
        forward: the transforms into coefficients, (C, 64, 64).
        sigma: standard deviation of the noise at each block, (C, r, columns, 1).

    Returns:
        (⌈r / 2⌉, ⌈columns / 2⌉, 64) for each channel.

    >>> import numpy as np
    >>> second_blocks(np.zeros((1, 32, 40)), np.eye(64)[None], np.ones((1, 7, 9, 1)))[0].shape
    (4, 5, 64)
    """
    scales = sigma[:, ::2, ::2]
    return [
        (_blocks(values) @ transform).reshape(*scale.shape[:2], -1) / scale
        for values, transform, scale in zip(noisy, forward, scales, strict=True)
    ]


def removal_weights(residual: Sequence[Any], noisy: Sequence[Any]) -> Any:
    """The share of the residual that is to be removed in squares of 2×2 such blocks, all channels together.

    Args:
        residual, noisy: coefficients in standard deviations of the noise, (r, columns, 64) for each channel.

    Returns:
        (⌈r / 2⌉, ⌈columns / 2⌉) in 0..1.

    >>> import numpy as np
    >>> noise = np.random.default_rng(0).normal(size=(16, 16, 64))
    >>> float(removal_weights([noise], [noise]).min())  # noise alone was removed
    1.0
    >>> bool((removal_weights([2 * noise], [2 * noise]) < 0.5).all())  # twice as much as the noise
    True
    """
    xp = array_namespace(noisy[0])
    sums: list[Any] = []
    for u, v in zip(residual, noisy, strict=True):
        products = [_of_squares(x) for x in (u * u, u * v, v * v)]
        sums = [one + other for one, other in zip(sums, products, strict=True)] if sums else products
    removed, both, seen = (x[..., 1:] for x in sums)  # the mean has limits of its own
    power = xp.sum(removed, axis=-1)
    samples = _of_squares(xp.ones_like(noisy[0][..., :1]))[..., 0] * len(residual)
    noise = xp.sum(clip(both / clip(seen, TINY), 0, 1), axis=-1) * samples
    slack = LEVEL_MARGIN + CHANCE_SIGMAS * xp.sqrt(2 / (samples * removed.shape[-1]))
    weight = clip(slack * noise / clip(power, TINY), None, 1)
    return xp.where((weight < 1 - NEGLIGIBLE_SHARE) & (power > 0), weight, xp.ones_like(weight))


def _blocks(x: Any) -> Any:
    """Blocks that do not overlap, ordered as by `overlapping_blocks`: (h, w) → (⌊h / 8⌋·⌊w / 8⌋, 64)."""
    rows, columns = (length // BLOCK_SAMPLES for length in x.shape)
    xp = array_namespace(x)
    whole = x[: rows * BLOCK_SAMPLES, : columns * BLOCK_SAMPLES]
    cells = xp.reshape(whole, (rows, 2, STRIDE_SAMPLES, columns, 2, STRIDE_SAMPLES))
    return xp.reshape(xp.permute_dims(cells, (0, 3, 1, 4, 2, 5)), (-1, BLOCK_SAMPLES**2))


def _of_squares(x: Any) -> Any:
    """Sums over squares of 2×2, (r, columns, n) → (⌈r / 2⌉, ⌈columns / 2⌉, n)."""
    xp = array_namespace(x)
    for axis in range(2):
        even = x[(slice(None),) * axis + (slice(0, None, 2),)]
        odd = x[(slice(None),) * axis + (slice(1, None, 2),)]
        if odd.shape[axis] < even.shape[axis]:
            last = even[(slice(None),) * axis + (slice(-1, None),)]
            odd = xp.concat([odd, xp.zeros_like(last)], axis=axis)
        x = even + odd
    return x
