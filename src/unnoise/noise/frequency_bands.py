"""Bands of frequencies of the cosine transform of patches, and two halves of them.

The halves are the black and white squares of a chessboard. Patches are chosen by one half and measured by the other, as
what both were chosen and measured by would be too low (see `flat_patches`).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unnoise.noise.autocovariance import PATCH_PIXELS, used_frequencies

Array = NDArray[Any]

EDGES = 1, 3, 5, 8, 11, PATCH_PIXELS
"""Bands of frequencies, from and to, by the larger index of the cosine transform of 16 pixels."""


@lru_cache
def halves() -> list[NDArray[np.bool_]]:
    """The used frequencies in two halves, as the black and white squares of a chessboard.

    >>> black, white = halves()
    >>> bool((black & white).any()), bool(((black | white) == used_frequencies()).all())
    (False, True)
    """
    parity = np.add.outer(np.arange(PATCH_PIXELS), np.arange(PATCH_PIXELS)) % 2
    return [used_frequencies() & (parity == half) for half in (0, 1)]


@lru_cache
def bands() -> NDArray[np.int64]:
    """(PATCH_PIXELS, PATCH_PIXELS): the band of each frequency, −1 for the mean and both slopes.

    >>> int(bands()[0, 0]), bool(bands()[1:, 1:].max() == bands().max())
    (-1, True)
    """
    found = np.searchsorted(EDGES, np.maximum(*np.indices((PATCH_PIXELS, PATCH_PIXELS))), side="right") - 1
    return np.where(used_frequencies(), found, -1)


@lru_cache
def _sums() -> NDArray[np.float32]:
    """Which frequency is in which half and band: 1 or 0, (PATCH_PIXELS², 2·bands)."""
    inside = [(bands() == band) & half for half in halves() for band in range(len(EDGES) - 1)]
    return np.stack(inside, axis=-1).reshape(PATCH_PIXELS**2, -1).astype(np.float32)


def band_powers(powers: Array) -> Array:
    """Sums over each half of the frequencies and each band: (N, C, PATCH_PIXELS, PATCH_PIXELS) → (N, C, 2, B).

    >>> powers = np.ones((1, 1, PATCH_PIXELS, PATCH_PIXELS))
    >>> bool((band_powers(powers)[0, 0] == band_sizes()).all())
    True
    """
    return (powers.reshape(-1, PATCH_PIXELS**2) @ _sums().astype(powers.dtype)).reshape(*powers.shape[:2], 2, -1)


def band_means(powers: Array) -> Array:
    """Means over each band, both halves together: (PATCH_PIXELS, PATCH_PIXELS) → (B,).

    >>> band_means(np.ones((PATCH_PIXELS, PATCH_PIXELS)))
    array([1., 1., 1., 1., 1.])
    """
    sums = powers.ravel() @ _sums().astype(powers.dtype)
    means: Array = sums.reshape(2, -1).sum(axis=0) / band_sizes().sum(axis=0)
    return means


def sum_of_bands(powers: Array) -> Array:
    """The sum along the last axis, (…, B) → (…). Several times as fast as NumPy's along so short an axis, with the same rounding.

    >>> sum_of_bands(np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([3., 7.])
    """
    total: Array = powers[..., 0].copy()
    for band in range(1, powers.shape[-1]):
        total += powers[..., band]
    return total


def band_sizes() -> Array:
    """The number of frequencies in each half and band, (2, B).

    >>> bool(band_sizes().sum() == used_frequencies().sum())
    True
    """
    return _sums().sum(axis=0).reshape(2, -1)
