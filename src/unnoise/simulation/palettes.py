"""Colours of the whole RGB cube, in the ways in which a picture's colours go together."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def palette(count: int, generator: np.random.Generator) -> Array:
    """Colours (count, 3) in 0..1 that fill the gamut, corners and edges included.

    One of four kinds: evenly spread over the cube; crowded at its faces, edges and corners; shades of a few hues; greys.

    >>> palette(5, np.random.default_rng(0)).shape
    (5, 3)
    """
    kind = generator.choice(4, p=(0.35, 0.35, 0.2, 0.1))
    if kind == 0:
        return generator.random((count, 3))
    if kind == 1:
        return generator.beta(0.4, 0.4, (count, 3))
    if kind == 2:
        hues = generator.beta(0.5, 0.5, (int(generator.integers(1, 4)), 3))
        light = generator.uniform(0.2, 1.2, (count, 1))
        faded = generator.uniform(0, 0.5, (count, 1)) * generator.random((count, 1))
        colors = hues[generator.integers(len(hues), size=count)] * light
        return np.clip(colors * (1 - faded) + faded, 0, 1)
    return np.repeat(generator.random((count, 1)), 3, axis=1)


def pair_of_colors(generator: np.random.Generator) -> tuple[Array, Array]:
    """Two colours (3,) in 0..1: now and then black and white, at times close to each other.

    >>> [color.shape for color in pair_of_colors(np.random.default_rng(0))]
    [(3,), (3,)]
    """
    if generator.random() < 0.15:
        black, white = np.zeros(3), np.ones(3)
        return (black, white) if generator.random() < 0.5 else (white, black)
    first, second = palette(2, generator)
    contrast = generator.uniform(0.1, 1) if generator.random() < 0.5 else 1.0
    return first, first + contrast * (second - first)
