"""A picture that shows how far a training has come: noisy, restored, and residual."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

RESIDUAL_GAIN = 4.0
"""The residual is shown around mid-gray, multiplied by this."""


def side_by_side(noisy: NDArray[Any], restored: NDArray[Any]) -> NDArray[np.uint8]:
    """The noisy picture, the restored picture and the amplified residual next to each other.

    Args:
        noisy, restored: (H, W) or (H, W, C), floats in 0..1.

    Returns:
        (H, 3·W + 16, 3) uint8, with white gaps of 8 pixels.

    >>> side_by_side(np.zeros((4, 10)), np.ones((4, 10))).shape
    (4, 46, 3)
    """
    panels = [_colour(noisy), _colour(restored), _colour((noisy - restored) * RESIDUAL_GAIN + 0.5)]
    gap = np.full((panels[0].shape[0], 8, 3), 255, np.uint8)
    return np.concatenate([panels[0], gap, panels[1], gap, panels[2]], axis=1)  # (H, 3·W + 16, 3)


def _colour(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    eight_bit = np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8)
    if eight_bit.ndim == 2:
        eight_bit = eight_bit[..., None]  # (H, W, 1)
    return np.repeat(eight_bit, 3, axis=2) if eight_bit.shape[2] == 1 else eight_bit[..., :3]
