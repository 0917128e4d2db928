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
from unnoise.noise.groups import median

Array = NDArray[Any]

MEDIAN_OF_NORMAL = 0.6745
"""Median of the absolute value of normal noise of standard deviation 1."""
TOLERANCE = 0.62
"""The median may lie below the mean by this factor, where the noise is not equally strong everywhere."""
MAX_ABOVE_WHITE = 2.0
"""Power of a frequency, in units of white noise with the same differences, where the shape of the spectrum is not believed."""
TINY = 1e-20


def diagonal_variance(pixels: Array, level: Array) -> Array:
    """The variance of diagonal differences by their median, in units of the noise's level: (C,).

    Args:
        pixels: of patches, (P, C, PATCH_PIXELS, PATCH_PIXELS).
        level: (P, C), the variance of the noise in each patch, above 0.

    >>> noise = np.random.default_rng(0).normal(0, 0.1, (50, 1, PATCH_PIXELS, PATCH_PIXELS))
    >>> noise[..., 4:] += 1  # an edge
    >>> diagonal_variance(noise, np.full((50, 1), 0.01)).round(1)
    array([4.])
    """
    rows = pixels[..., 1:, :] - pixels[..., :-1, :]
    differences = rows[..., 1:] - rows[..., :-1]
    differences /= np.sqrt(level).astype(pixels.dtype)[..., None, None]
    size = [np.abs(differences[:, channel]).ravel() for channel in range(pixels.shape[1])]
    result: Array = (np.array([median(own) for own in size], np.float64) / MEDIAN_OF_NORMAL) ** 2
    return result


def expected_variance(spectrum: Array) -> Array:
    """The variance of diagonal differences of noise with this spectrum, (C, PATCH_PIXELS, PATCH_PIXELS) → (C,).

    >>> expected_variance(np.ones((1, PATCH_PIXELS, PATCH_PIXELS))).round(6)
    array([4.])
    """
    gain = (2 * np.sin(np.pi * np.arange(PATCH_PIXELS) / (2 * PATCH_PIXELS))) ** 2 / (PATCH_PIXELS - 1)
    result: Array = np.einsum("ckl,k,l->c", spectrum, gain, gain)
    return result


def bounded_spectrum(spectrum: Array, variance: Array, chosen: Array) -> Array:
    """A spectrum of noise, as far as diagonal differences allow it, (C, PATCH_PIXELS, PATCH_PIXELS).

    Where they show less than the spectrum says, it holds structure. It is lowered to what they show. Where they show less
    than half, its shape is that of structure, too, and no frequency has much more than white noise would.

    Args:
        spectrum: (C, PATCH_PIXELS, PATCH_PIXELS).
        variance: (C,), see `diagonal_variance`; in the same units.
        chosen: (C,) of bool: the channels to which this is done.

    >>> white = np.ones((1, PATCH_PIXELS, PATCH_PIXELS))
    >>> every = np.array([True])
    >>> [round(float(bounded_spectrum(x, np.array([4.0]), every).mean()), 2) for x in (white, 100 * white)]
    [1.0, 1.61]
    """
    share = np.where(chosen, np.minimum(variance / np.maximum(TOLERANCE * expected_variance(spectrum), TINY), 1), 1)  # (C,)
    believed = np.clip(2 * share - 1, 0, 1)
    white = variance / expected_variance(np.ones((1, PATCH_PIXELS, PATCH_PIXELS)))
    most = np.where(believed < 1, MAX_ABOVE_WHITE * white / np.maximum(1 - believed, TINY), np.inf)
    return np.minimum(spectrum * share[:, None, None], most[:, None, None])
