"""Stars, and spots under a fluorescence microscope: points of light on a dark, or at times a bright, ground."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from unnoise.simulation.charts import shades
from unnoise.simulation.palettes import palette

Array = NDArray[Any]

SPOT_PIXELS = 0.5, 2.5
"""Standard deviation of a picture's spots."""
STARS_PER_PIXEL = 2e-4, 1e-2
"""Drawn evenly in the logarithm."""


def stars(side: int, generator: np.random.Generator) -> Array:
    """Spots whose brightness follows a power law, (side, side, 3) in 0..1.

    >>> stars(32, np.random.default_rng(0)).shape
    (32, 32, 3)
    """
    ground = shades(side, generator) * generator.uniform(0, 0.4)
    sigma = generator.uniform(*SPOT_PIXELS)
    count = max(1, int(side * side * np.exp(generator.uniform(*np.log(STARS_PER_PIXEL)))))
    brightness = np.minimum(10 ** generator.uniform(-1.7, 0.5, count), 2.0)
    colors = 1 - generator.uniform(0, 0.9) * (1 - palette(count, generator))
    reach = int(np.ceil(4 * sigma))
    offsets = np.arange(-reach, reach + 1)
    light = np.zeros((side + 2 * reach, side + 2 * reach, 3))
    for place, value, color in zip(generator.uniform(0, side, (count, 2)), brightness, colors, strict=True):
        row, column = place.astype(int)
        profiles = [np.exp(-((offsets - part % 1) ** 2) / (2 * sigma**2)) for part in place]
        spot = profiles[0][:, None] * profiles[1][None]
        light[row : row + 2 * reach + 1, column : column + 2 * reach + 1] += (value * spot)[..., None] * color
    picture = np.clip(ground + light[reach:-reach, reach:-reach], 0, 1)
    return 1 - picture if generator.random() < 0.15 else picture
