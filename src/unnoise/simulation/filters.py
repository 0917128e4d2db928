"""Blurs: what a lens does to light, and how a camera quietens the colours and sharpens the edges of a finished picture."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unnoise.simulation.color import luma

Array = NDArray[Any]

SHARPENING_BLUR = 1.0


def reach(sigma: float) -> int:
    """How many pixels away `blur` looks."""
    return math.ceil(3 * sigma)


def blur(picture: Array, sigma: float) -> Array:
    """A Gaussian blur of (H, W, C), standard deviation `sigma` in pixels, cut at three; edge pixels are repeated outside."""
    radius = reach(sigma)
    weights = np.exp(-(np.arange(-radius, radius + 1) ** 2) / (2 * sigma**2)) if radius else np.ones(1)
    weights = (weights / weights.sum()).astype(picture.dtype)
    height, width = picture.shape[:2]
    padded = np.pad(picture, ((radius, radius), (0, 0), (0, 0)), mode="edge")
    columns: Array = sum(weight * padded[i : i + height] for i, weight in enumerate(weights))
    padded = np.pad(columns, ((0, 0), (radius, radius), (0, 0)), mode="edge")
    rows: Array = sum(weight * padded[:, i : i + width] for i, weight in enumerate(weights))
    return rows


def smooth_color(picture: Array, sigma: float) -> Array:
    """Blur colour and leave brightness, (H, W, 3) in 0..1: what cameras do against noise first, as eyes mind it least."""
    brightness = luma(picture)[..., None]  # (H, W, 1)
    smoothed: Array = np.clip(brightness + blur(picture - brightness, sigma), 0, 1)
    return smoothed


def sharpen(picture: Array, amount: float) -> Array:
    """Unsharp masking, y + amount·(y − blur(y)) with a blur of one pixel, on (H, W, 3) in 0..1."""
    sharpened: Array = np.clip(picture + amount * (picture - blur(picture, SHARPENING_BLUR)), 0, 1)
    return sharpened
