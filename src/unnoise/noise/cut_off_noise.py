"""How strong noise is at black and at white, told by what is cut off there.

Where half of a patch's pixels are black, the others are the upper half of the noise. The share of the black pixels and
the mean tell the noise's standard deviation and the scene (Foi, "Clipped noisy images", Signal Processing, 2009). The
spectrum of coarse noise is measured without its lowest frequencies, and tells too little.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

SHARES = 0.35, 0.65
"""Shares of cut-off pixels from which the noise is told."""
LARGEST_MISFIT = 0.2
"""How far the ratio of spread to mean may lie from that of cut-off noise: edges and text have another."""
FEWEST = 8
"""Patches that it takes."""
LARGEST_FACTOR = 2.0
"""Noise at black and white is at most this many times as strong as its spectrum tells."""


def cut_off_sigma(patches: NDArray[np.float32]) -> NDArray[np.float64]:
    """The standard deviation of the noise that black and white cut off.

    Args:
        patches: of a picture, (P, C, side, side) in 0..1.

    Returns:
        (C, 2): for each channel at black and at white; NaN where it cannot be told.

    >>> random = np.random.default_rng(0)
    >>> patches = np.clip(0.1 * random.normal(size=(20, 1, 16, 16)), 0, 1).astype(np.float32)
    >>> cut_off_sigma(patches).round(1)
    array([[0.1, nan]])
    """
    found = np.full((patches.shape[1], 2), np.nan)
    for channel in range(patches.shape[1]):
        own = patches[:, channel].reshape(len(patches), -1)
        for end in range(2):
            cut = ((own <= 0) if end == 0 else (own >= 1)).mean(axis=1)
            half = own[(cut >= SHARES[0]) & (cut <= SHARES[1])]
            if len(half) >= FEWEST:
                found[channel, end] = _sigma(1 - half if end else half)
    return found


def _sigma(half: NDArray[np.float32]) -> float:
    """From patches (P, pixels), about half of them at black; NaN where they hold something else."""
    share, mean, spread = (half <= 0).mean(axis=1), half.mean(axis=1, dtype=np.float64), half.std(axis=1, dtype=np.float64)
    z = np.interp(share, _SHARE[::-1], _PLACE[::-1])  # the scene, in standard deviations
    expected = np.interp(z, _PLACE, _MEAN)
    fits = np.abs(spread / mean * expected / np.interp(z, _PLACE, _SPREAD) - 1) <= LARGEST_MISFIT
    return float(np.median((mean / expected)[fits])) if fits.sum() >= FEWEST else math.nan


_PLACE = np.linspace(-0.6, 0.6, 25)
_DENSITY = np.exp(-0.5 * _PLACE**2) / math.sqrt(2 * math.pi)
_ABOVE = np.array([0.5 * (1 + math.erf(z / math.sqrt(2))) for z in _PLACE])
_SHARE = 1 - _ABOVE
"""Of cut-off pixels, by the scene in standard deviations of the noise; and their mean and spread in the same unit."""
_MEAN = _DENSITY + _PLACE * _ABOVE
_SPREAD = np.sqrt((1 + _PLACE**2) * _ABOVE + _PLACE * _DENSITY - _MEAN**2)


def with_cut_off_noise(
    sigma: NDArray[np.float64], brightness: NDArray[np.float64], patches: NDArray[np.float32]
) -> NDArray[np.float64]:
    """The standard deviation of noise by brightness, raised towards black and white to what is cut off there.

    Args:
        sigma: as the spectrum tells it, (C, N).
        brightness: of each, rising from 0 to 1, (N,).
        patches: as for `cut_off_sigma`.

    >>> random = np.random.default_rng(0)
    >>> patches = np.clip(0.1 * random.normal(size=(20, 1, 16, 16)), 0, 1).astype(np.float32)
    >>> with_cut_off_noise(np.full((1, 3), 0.07), np.array([0.0, 0.5, 1.0]), patches).round(2)
    array([[0.1 , 0.07, 0.07]])
    """
    ends = sigma[:, [0, -1]]
    factors = np.clip(np.nan_to_num(cut_off_sigma(patches) / np.maximum(ends, 1e-9), nan=1), 1, LARGEST_FACTOR)
    far = np.abs(2 * brightness - 1)  # 1 at the ends, 0 in the middle
    return sigma * np.where(brightness < 0.5, 1 + (factors[:, :1] - 1) * far, 1 + (factors[:, 1:] - 1) * far)
