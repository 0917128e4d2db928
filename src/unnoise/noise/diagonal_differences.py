"""White noise from diagonal differences, which are blind to lines, steps and slopes along rows and columns.

The difference x₀₀ − x₀₁ − x₁₀ + x₁₁ of four pixels is 0 along every straight edge of a grid, and its median over the
picture is not moved by corners (D. Donoho and I. Johnstone, "Ideal spatial adaptation by wavelet shrinkage", Biometrika
81, 1994, take the median of the finest diagonal wavelets). So it tells the noise of pictures that have no plain patch.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from unnoise.noise.autocovariance import PATCH_PIXELS

Array = NDArray[Any]

MEDIAN_OF_NORMAL = 0.6745
"""Median of the absolute value of normal noise of standard deviation 1."""
TOLERANCE = 0.7
"""The median may lie below the mean by this factor, where the noise is not equally strong everywhere."""
MAX_ABOVE_WHITE = 2.0
"""Power of a frequency, in units of white noise with the same differences, where the shape of the spectrum is not believed."""
TINY = 1e-20


def diagonal_variance(pixels: Array) -> Array:
    """The variance of diagonal differences by their median, (P, C, PATCH_PIXELS, PATCH_PIXELS) → (C,).

    >>> noise = np.random.default_rng(0).normal(0, 0.1, (50, 1, PATCH_PIXELS, PATCH_PIXELS))
    >>> noise[..., 4:] += 1  # an edge
    >>> diagonal_variance(noise).round(2)
    array([0.04])
    """
    rows = pixels[..., 1:, :] - pixels[..., :-1, :]
    differences = rows[..., 1:] - rows[..., :-1]
    size = np.abs(np.moveaxis(differences, 1, 0).reshape(pixels.shape[1], -1))
    result: Array = (np.median(size, axis=1) / MEDIAN_OF_NORMAL) ** 2
    return result


def bounded_spectrum(spectrum: Array, variance: Array) -> Array:
    """A spectrum of noise, as far as diagonal differences allow it, (C, PATCH_PIXELS, PATCH_PIXELS).

    Where they show less than the spectrum says, it holds structure. It is lowered to what they show. Where they show less
    than half, its shape is that of structure, too, and no frequency has much more than white noise would.

    Args:
        spectrum: (C, PATCH_PIXELS, PATCH_PIXELS).
        variance: (C,), see `diagonal_variance`; in the same units.

    >>> white = np.ones((1, PATCH_PIXELS, PATCH_PIXELS))
    >>> float(bounded_spectrum(white, np.array([4.0])).mean()), float(bounded_spectrum(100 * white, np.array([4.0])).mean() < 2)
    (1.0, 1.0)
    """
    gain = (2 * np.sin(np.pi * np.arange(PATCH_PIXELS) / (2 * PATCH_PIXELS))) ** 2
    expected = (spectrum * gain[:, None] * gain).mean(axis=(1, 2))
    share = np.minimum(variance / np.maximum(TOLERANCE * expected, TINY), 1)  # (C,)
    believed = np.clip(2 * share - 1, 0, 1 - TINY)
    most = MAX_ABOVE_WHITE * variance / (gain.mean() ** 2 * np.maximum(1 - believed, TINY))
    return np.minimum(spectrum * share[:, None, None], most[:, None, None])
