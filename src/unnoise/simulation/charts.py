"""Plain and softly shaded places: colour charts, skies, out-of-focus ground. There is nothing there to see but noise."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from unnoise.simulation.gratings import grating
from unnoise.simulation.palettes import palette

Array = NDArray[Any]

PATCH_PIXELS = 8.0, 200.0
"""Side of a chart's patches, drawn evenly in the logarithm."""
TEXTURED_PIXELS = 20.0
"""A patchwork's patches have at least this side, or a grating would not repeat in them."""
TEXTURED_SHARE = 0.5
"""Share of the patches of a patchwork that bear a grating."""


def chart(side: int, generator: np.random.Generator) -> Array:
    """Rectangular patches of one colour each, (side, side, 3) in 0..1.

    >>> chart(16, np.random.default_rng(0)).shape
    (16, 16, 3)
    """
    return _laid_out(side, generator, PATCH_PIXELS[0], 0.0)


def patchwork(side: int, generator: np.random.Generator) -> Array:
    """Rectangular patches, plain ones and gratings, (side, side, 3) in 0..1.

    >>> patchwork(16, np.random.default_rng(0)).shape
    (16, 16, 3)
    """
    return _laid_out(side, generator, TEXTURED_PIXELS, TEXTURED_SHARE)


def shades(side: int, generator: np.random.Generator) -> Array:
    """Colours that change slowly, (side, side, 3) in 0..1: a bicubic surface through a few random colours.

    >>> shades(16, np.random.default_rng(0)).shape
    (16, 16, 3)
    """
    points = int(generator.integers(2, 7))
    colors = palette(points * points, generator).reshape(points, points, 3)
    contrast = generator.uniform(0.05, 1)
    colors = colors[0, 0] + contrast * (colors - colors[0, 0])
    weights = _cubic_weights(points, side)  # (side, points)
    return np.clip(np.einsum("yi,ijc,xj->yxc", weights, colors, weights), 0, 1)


def _cubic_weights(points: int, side: int) -> Array:
    """Rows of weights (side, points) that interpolate `points` values by Catmull and Rom's cubic."""
    place = np.linspace(0, points - 1, side)
    distance = np.abs(place[:, None] - np.arange(-1, points + 1))  # (side, points + 2): one more point at each end
    near = 1.5 * distance**3 - 2.5 * distance**2 + 1
    far = -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2
    weights = np.where(distance <= 1, near, np.where(distance < 2, far, 0))
    inner = weights[:, 1:-1].copy()
    inner[:, 0] += weights[:, 0]
    inner[:, -1] += weights[:, -1]
    return inner


def _laid_out(side: int, generator: np.random.Generator, smallest: float, textured: float) -> Array:
    height, width = np.exp(generator.uniform(np.log(smallest), np.log(PATCH_PIXELS[1]), 2)).astype(int)
    if generator.random() < 0.5:
        width = height
    rows, columns = -(-side // height) + 1, -(-side // width) + 1
    colors = palette(rows * columns, generator).reshape(rows, columns, 3)
    picture = np.repeat(np.repeat(colors, height, axis=0), width, axis=1)
    top, left = generator.integers(height), generator.integers(width)
    picture = picture[top : top + side, left : left + side].copy()
    if textured:
        for row in range(rows):
            for column in range(columns):
                edges = np.clip((row * height - top, (row + 1) * height - top), 0, side)
                borders = np.clip((column * width - left, (column + 1) * width - left), 0, side)
                if edges[0] < edges[1] and borders[0] < borders[1] and generator.random() < textured:
                    texture = grating(edges[1] - edges[0], borders[1] - borders[0], generator)
                    picture[edges[0] : edges[1], borders[0] : borders[1]] = texture
    return picture
