"""What a camera does to a finished picture: smoothing of its colors and sharpening of its edges."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from unnoise.layers.gaussian_blur import gaussian_blur
from unnoise.simulation.color import luma

Array = NDArray[Any]

SHARPENING_SIGMA_PIXELS = 1.0
"""Standard deviation of the blur in `sharpen`."""


def blur(picture: Array, sigma: float) -> Array:
    """Gaussian blur of a picture (H, W, C), standard deviation `sigma` in pixels; see `gaussian_blur`.

    >>> blur(np.ones((8, 8, 3), np.float32), 1.0).shape
    (8, 8, 3)
    """
    return gaussian_blur(picture, sigma, axes=(0, 1))


def smooth_color(picture: Array, sigma: float) -> Array:
    """Blur the color and keep the brightness; cameras do this first against noise, because eyes notice it least.

    Args:
        picture: (H, W, 3), floats in 0..1.
        sigma: standard deviation of the blur in pixels.

    Returns:
        (H, W, 3), clipped to 0..1.

    >>> smooth_color(np.array([[[0.5, 0.5, 0.5]]]), 1.0).round(6).tolist()
    [[[0.5, 0.5, 0.5]]]
    """
    brightness = luma(picture)[..., None]  # (H, W, 1)
    smoothed: Array = np.clip(brightness + blur(picture - brightness, sigma), 0, 1)
    return smoothed


def sharpen(picture: Array, amount: float) -> Array:
    """Unsharp masking: y + amount·(y − blur(y)), the blur being one pixel wide.

    Args:
        picture: (H, W, 3), floats in 0..1.
        amount: 0 changes nothing; cameras use about 0.5 to 1.5.

    Returns:
        (H, W, 3), clipped to 0..1.

    >>> bright_line = np.full((5, 5, 3), 0.4)
    >>> bright_line[2] = 0.6
    >>> sharpen(bright_line, 0.5)[:, 0, 0].round(2)
    array([0.39, 0.38, 0.66, 0.38, 0.39])
    """
    sharpened: Array = np.clip(picture + amount * (picture - blur(picture, SHARPENING_SIGMA_PIXELS)), 0, 1)
    return sharpened
