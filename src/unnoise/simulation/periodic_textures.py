"""Patterns that repeat: cloth, meshes, blinds, print. Fine and regular, they are what a denoiser is quickest to take for noise."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

PERIOD_PIXELS = 3.5, 30.0
"""Pixels from one thread to the next, from and to, drawn evenly in the logarithm."""
DEPTH = 0.1, 0.8
"""How far the pattern makes its place darker and brighter, as a share of its light."""
SHARPNESS = 0.5, 6.0
"""Of the threads' edges, from those of a sine on."""


def weave(along: Array, across: Array, generator: np.random.Generator) -> Array:
    """Stripes, checks, or a net, drawn at random: (H, W) within −DEPTH..DEPTH, to change light by.

    Args:
        along: each place's distance from some line in pixels, (H, W) or a shape that broadcasts to it.
        across: the same from a line at a right angle to it.
        generator: of kind, period, depth, sharpness and phase.
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
