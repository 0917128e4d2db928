"""Black and white as they are: where a picture is clipped all around, there is no noise to take out and nothing to guess."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

REACH = 2
"""Pixels to each side that must be clipped too."""


def clipped(noisy: Tensor) -> Tensor:
    """Where a channel is exactly 0, or exactly 1, throughout the 5 × 5 pixels around; (B, C, H, W) each.

    What lies beyond the picture does not count. Where noise is only often clipped, 25 pixels together seldom are, and the mean that
    a network gives there differs from black by less than a twentieth of the noise's level.
    """
    found = torch.zeros_like(noisy, dtype=torch.bool)
    for value in (0.0, 1.0):
        here = noisy == value
        if here.any():
            other = (~here).to(noisy.dtype)
            for size, pad in (((2 * REACH + 1, 1), (REACH, 0)), ((1, 2 * REACH + 1), (0, REACH))):
                other = F.max_pool2d(other, size, 1, pad)
            found |= other == 0
    return found
