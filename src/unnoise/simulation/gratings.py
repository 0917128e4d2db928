"""Textures that repeat, in any direction, colour and period from two pixels on: stripes, checks, rings, small tiles."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from unnoise.simulation.palettes import pair_of_colors, palette

Array = NDArray[Any]

PERIOD_PIXELS = 2.0, 24.0
"""Of a wave, drawn evenly in the logarithm."""
TILE_PIXELS = 2, 9
"""Side of a tile that repeats, from and to (the last one excluded)."""


def grating(height: int, width: int, generator: np.random.Generator) -> Array:
    """A texture (height, width, 3) in 0..1.

    >>> grating(16, 20, np.random.default_rng(0)).shape
    (16, 20, 3)
    """
    draw = (_waves, _rings, _tiles)[generator.choice(3, p=(0.6, 0.15, 0.25))]
    return draw(height, width, generator)


def _waves(height: int, width: int, generator: np.random.Generator) -> Array:
    """Stripes, or the product or the brighter of two crossing ones, from soft (a sine) to hard edges."""
    y, x = np.mgrid[:height, :width]
    angle = generator.choice((0, np.pi / 2, np.pi / 4)) if generator.random() < 0.3 else generator.uniform(0, np.pi)
    first = _wave(x, y, angle, generator)
    kind = generator.integers(3)
    if kind:
        second = _wave(x, y, angle + generator.choice((np.pi / 2, generator.uniform(0.3, 1.5))), generator)
        first = first * second if kind == 1 else np.maximum(first, second)
    return _colored(first, generator)


def _wave(x: Array, y: Array, angle: float, generator: np.random.Generator) -> Array:
    """−1..1."""
    period = np.exp(generator.uniform(*np.log(PERIOD_PIXELS)))
    sharpness = generator.uniform(0.3, 6)
    phase = 2 * np.pi * ((x * np.cos(angle) + y * np.sin(angle)) / period + generator.random())
    wave: Array = np.tanh(sharpness * np.sin(phase)) / np.tanh(sharpness)
    return wave


def _rings(height: int, width: int, generator: np.random.Generator) -> Array:
    """A zone plate: every direction, and every period down to two pixels, side by side."""
    y, x = np.mgrid[:height, :width]
    middle = generator.uniform(0, 1, 2) * (height, width)
    reach = np.hypot(height, width)
    squared = (y - middle[0]) ** 2 + (x - middle[1]) ** 2  # (height, width)
    return _colored(np.sin(np.pi * generator.uniform(0.3, 0.8) / reach * squared), generator)


def _tiles(height: int, width: int, generator: np.random.Generator) -> Array:
    """A small tile of a few colours, repeated: woven cloth, ordered dither, bricks, pixel art."""
    rows, columns = generator.integers(*TILE_PIXELS, 2)
    colors = np.array(pair_of_colors(generator)) if generator.random() < 0.6 else palette(4, generator)
    tile = colors[generator.integers(len(colors), size=(rows, columns))]  # (rows, columns, 3)
    repeated = np.tile(tile, (-(-height // rows), -(-width // columns), 1))
    return repeated[:height, :width]


def _colored(wave: Array, generator: np.random.Generator) -> Array:
    """A wave (H, W) within −1..1 → (H, W, 3), from one colour to another."""
    first, second = pair_of_colors(generator)
    colored: Array = first + (0.5 + 0.5 * np.clip(wave, -1, 1))[..., None] * (second - first)
    return colored
