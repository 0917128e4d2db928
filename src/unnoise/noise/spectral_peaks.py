"""Peaks in the spectra of patches: lines, grids and waves. They fill few frequencies of a band, and noise fills all.

The median of a band's powers tells its noise, however strong a few of them are. So no power counts for more than noise
of this median may have. What is left of fine regular structure is near its noise. Texture without regularity stays.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unnoise.noise.autocovariance import PATCH_PIXELS
from unnoise.noise.frequency_bands import bands, halves

Array = NDArray[Any]

CHI_SQUARED_MEDIAN = 0.4549
"""Median of the power of one frequency of noise, if the mean is 1."""
CEILING = 12.0
"""No power counts for more than this many times the mean that the median of its band tells."""
KEPT_SHARE = 0.94
"""Of the power of white noise, this is left."""
FEWEST = 8
"""A band with fewer frequencies in each half is limited by the next higher band."""
STEEP = 6.0
"""The power of such a band may be this many times that of the next higher band."""


def limit_peaks(powers: Array) -> Array:
    """Powers without peaks: (P, C, PATCH_PIXELS, PATCH_PIXELS) → the same shape.

    >>> powers = np.random.default_rng(0).chisquare(1, (50, 1, PATCH_PIXELS, PATCH_PIXELS))
    >>> with_line = powers.copy()
    >>> with_line[:, :, 6, 8] += 1000.0
    >>> bool(abs(limit_peaks(with_line).mean() - powers.mean()) < 0.1), bool(with_line.mean() > 4)
    (True, True)
    """
    limited = powers.reshape(*powers.shape[:2], -1).copy()  # (P, C, F)
    for pair in reversed(_groups()):
        if min(map(len, pair)) >= FEWEST:
            told = np.minimum(*(np.median(limited[..., half], axis=-1, keepdims=True) for half in pair)) / CHI_SQUARED_MEDIAN
            most = CEILING * told
        else:
            most = CEILING * STEEP * told
        for half in pair:
            part = limited[..., half]
            limited[..., half] = np.where(part <= most, part, told)
    return (limited / KEPT_SHARE).reshape(powers.shape)


@lru_cache
def _groups() -> list[tuple[NDArray[np.int64], ...]]:
    """Indices of the frequencies of both halves of each band, the lowest band first."""
    return [tuple(np.flatnonzero((bands() == band) & half) for half in halves()) for band in range(bands().max() + 1)]
