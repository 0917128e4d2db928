"""Random monotone curves of brightness: dark, bright, flat, steep, bent, faded and crushed pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

GAMMA = 0.4, 2.5
"""Of the power law, drawn evenly in the logarithm."""
STEEPEST = 4.0
"""Of the S-curve: slope in its middle against that of none."""

SMALLEST_RANGE = 0.3
"""Squeezed into this share of the range, or stretched from it, at most."""


def toned(picture: Array, generator: np.random.Generator) -> Array:
    """The picture through a curve drawn at random, (..., 3) or any shape, float32 in 0..1 → the same.

    One of: none, a power law, an S-curve, a squeezed range (fog, underexposure), a stretched range whose ends are cut off.

    >>> toned(np.linspace(0, 1, 5, dtype=np.float32), np.random.default_rng(0)).shape
    (5,)
    """
    kind = generator.choice(5, p=(0.4, 0.25, 0.15, 0.1, 0.1))
    if kind == 1:
        return np.power(picture, np.float32(np.exp(generator.uniform(*np.log(GAMMA)))))
    if kind == 2:
        slope = np.float32(generator.uniform(1.2, STEEPEST))
        curved: Array = 0.5 + 0.5 * np.tanh(slope * (2 * picture - 1)) / np.tanh(slope)
        return curved
    if kind in (3, 4):
        width = generator.uniform(SMALLEST_RANGE, 1)
        low = generator.uniform(0, 1 - width)
        changed = low + width * picture if kind == 3 else (picture - low) / width
        return np.clip(changed, 0, 1).astype(np.float32)
    return picture
