"""Periodic patterns: cloth, meshes, blinds, print. They are fine and regular, and denoisers easily take them for
noise."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

PERIOD_PIXELS = 3.5, 30.0
"""Range of the distance from one thread to the next, drawn evenly in the logarithm."""
DEPTH = 0.1, 0.8
"""Range of how much the pattern darkens and brightens, as a share of the light."""
SHARPNESS = 0.5, 6.0
"""Range of the sharpness of the threads' edges. Small values give a sine."""


def weave(along: Array, across: Array, generator: np.random.Generator) -> Array:
    """A random pattern of stripes, checks or a net, by which to change the light.

    Args:
        along: distance in pixels of each place from some line, (H, W) or a shape that broadcasts to it.
        across: the same for a perpendicular line.
        generator: of kind, period, depth, sharpness and phase.

    Returns:
        (H, W), between −0.8 and 0.8.

    >>> rows, columns = np.mgrid[:16, :24]
    >>> weave(rows, columns, np.random.default_rng(0)).shape
    (16, 24)
    """
    period = np.exp(generator.uniform(*np.log(PERIOD_PIXELS)))
    stretch = np.exp(generator.uniform(-0.7, 0.7))
    sharpness, depth = generator.uniform(*SHARPNESS), generator.uniform(*DEPTH)
    phases = generator.uniform(0, 2 * np.pi, 2)
    kind = generator.integers(3)
    wave = np.sin(2 * np.pi / period * along + phases[0])
    if kind:
        other = np.sin(2 * np.pi / (period * stretch) * across + phases[1])
        wave = wave * other if kind == 1 else np.maximum(wave, other)
    pattern: Array = depth / np.tanh(sharpness) * np.tanh(sharpness * wave)
    return pattern
