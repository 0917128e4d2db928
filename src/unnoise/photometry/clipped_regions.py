"""Black and white as they are: where a picture is clipped all around, there is no noise to take out and nothing to guess."""

from __future__ import annotations

import torch
from torch import Tensor

from unnoise.photometry.clipping import EVERYWHERE, Cut

REACH = 2
"""Pixels to each side that must be clipped too."""


def clipped(noisy: Tensor, cut: Cut = EVERYWHERE) -> Tensor:
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


def left_clipped(noisy: Tensor, restored: Tensor, where: Tensor) -> Tensor:
    """`restored`, but as `noisy` is `where` that is `clipped`; (B, C, H, W) each. Most pictures need no copy for it."""
    return torch.where(where, noisy, restored) if where.any() else restored


def _near(x: Tensor, dim: int) -> Tensor:
    """Whether x is true in a place or up to `REACH` pixels away along `dim`."""
    result, length = x.clone(), x.shape[dim]
    for distance in range(1, min(REACH, length - 1) + 1):
        left = length - distance
        result.narrow(dim, 0, left).logical_or_(x.narrow(dim, distance, left))
        result.narrow(dim, distance, left).logical_or_(x.narrow(dim, 0, left))
    return result
