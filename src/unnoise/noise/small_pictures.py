"""The noise of pictures that are too small for plain patches: an upper bound from second differences of pixels.

A pixel differs from the mean of those two before and after it by noise and by structure, but not by a slope. The median
of these differences is that of plain places, if there are some. So the estimate is too high rather than too low. It
serves as a bound, and tells that there is hardly noise.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from unnoise.noise.autocovariance import PATCH_PIXELS
from unnoise.noise.noise_model import KNOTS, NoiseModel
from unnoise.photometry.array_ops import to_numpy
from unnoise.photometry.array_windows import convert_like
from unnoise.regions import RegionSource

MOST_PIXELS = 64 * 64
"""Larger pictures have enough patches, or hold next to nothing but gaps."""
LAG_PIXELS = 2
"""Noise of cameras and JPEG is alike in direct neighbours."""
MEDIAN_OF_NORMAL = 0.6745
"""Median of the magnitude of normal noise, in standard deviations."""


def small_picture_noise(view: RegionSource, low: float = 0.0, high: float = 1.0, *, faint: float) -> NoiseModel | None:
    """An upper bound of the noise of a small picture, taken as white.

    Args:
        view: of the picture, (1, C, H, W). NaN are missing values.
        low, high: the range that most of its values lie in.
        faint: standard deviation below which there is no noise, as a share of the range.

    Returns:
        A model, with arrays of the picture's kind; one without noise if it is faint. None: the picture is large, or
        too small even for this.

    >>> small = 0.5 + 0.02 * np.random.default_rng(0).normal(size=(1, 1, 24, 24)).astype(np.float32)
    >>> model = small_picture_noise(RegionSource.of(small), faint=0.001)
    >>> 0.015 < model.level < 0.025
    True
    """
    height, width = view.size
    if height * width > MOST_PIXELS or max(height, width) <= 2 * LAG_PIXELS:
        return None
    seen = view.read(slice(0, height), slice(0, width))
    pixels = to_numpy(seen)[0].astype(np.float64)  # (C, H, W)
    rows, columns = (_second_differences(pixels, axis) for axis in (1, 2))
    differences = np.concatenate([rows.reshape(len(pixels), -1), columns.reshape(len(pixels), -1)], axis=1)
    known = ~np.isnan(differences)
    if not known.any(axis=1).all():
        return None
    medians = np.array([np.median(np.abs(row[own])) for row, own in zip(differences, known, strict=True)])
    sigma = medians / (MEDIAN_OF_NORMAL * np.sqrt(6))
    level = float(np.sqrt((sigma**2).mean()))
    is_told = level >= faint * (high - low)
    nothing: NDArray[Any] = np.zeros((len(sigma), KNOTS), np.float32)
    curve = np.repeat(sigma[:, None] ** 2, KNOTS, axis=1).astype(np.float32)
    spectrum = np.full((len(sigma), PATCH_PIXELS, PATCH_PIXELS), float(is_told), np.float32)
    variance, spectrum, below, above = (convert_like(x, seen) for x in (curve, spectrum, nothing, nothing))
    return NoiseModel(low, high, variance, spectrum, level if is_told else 0.0, 0.0, below, above)


def _second_differences(pixels: NDArray[Any], axis: int) -> NDArray[Any]:
    """First, minus twice the middle, plus last, of three pixels along rows or columns: six times their variance."""
    along = np.moveaxis(pixels, axis, -1)
    if along.shape[-1] <= 2 * LAG_PIXELS:
        return along[..., :0]
    found: NDArray[Any] = along[..., : -2 * LAG_PIXELS] - 2 * along[..., LAG_PIXELS:-LAG_PIXELS] + along[..., 2 * LAG_PIXELS :]
    return found
