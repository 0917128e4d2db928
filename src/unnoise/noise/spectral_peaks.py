"""Peaks in the spectra of patches: lines, grids and waves. They fill few frequencies, and noise fills all.

The median of a patch's powers tells its noise, however strong a few of them are. So no power counts that noise of this
median cannot have. What is left of fine regular structure is near its noise. Texture without regularity stays.

Noise of neighboring pixels may be correlated. So powers are divided by a spectrum first: that of the median patch,
smoothed by a median over neighboring frequencies, so that lines that all patches have in common do not pass for it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unnoise.noise.autocovariance import PATCH_PIXELS
from unnoise.noise.frequency_bands import bands, halves
from unnoise.noise.row_noise import CHI_SQUARED_MEDIAN

Array = NDArray[Any]

CEILING = 12.0
"""A power beyond this many times the mean is that of a peak."""
SMOOTH_FREQUENCIES = 5
"""Side of the window of the median over neighboring frequencies."""
MAX_BLUR_PIXELS = 1.2
"""Standard deviation of the widest blur whose noise is known within a band. Steeper spectra are those of structure."""
KEPT_SHARES = 0.988, 0.857, 0.962, 0.974, 0.989
"""Of the power of white noise, this is left in each band, the lowest first."""
SPECTRUM_PATCHES = 500
"""About so many patches tell the spectrum, as patches overlap."""
FEWEST = 8
"""A band with fewer frequencies in each half is judged by the next higher band."""
STEEP = 6.0
"""The power of such a band may be this many times that of the next higher band."""
TINY = 1e-20


def without_peaks(powers: Array) -> Array:
    """Powers with the noise's mean in place of peaks: (P, C, PATCH_PIXELS, PATCH_PIXELS) → the same shape.

    >>> powers = np.random.default_rng(0).chisquare(1, (50, 1, PATCH_PIXELS, PATCH_PIXELS))
    >>> with_line = powers.copy()
    >>> with_line[:, :, 6, 8] += 1000.0
    >>> bool(abs(without_peaks(with_line).mean() - powers.mean()) < 0.05), bool(with_line.mean() > 4)
    (True, True)
    """
    flat = powers.reshape(*powers.shape[:2], -1)  # (P, C, F)
    step = max(1, len(powers) // SPECTRUM_PATCHES)
    spectrum = _smooth_spectrum(powers[::step]).reshape(powers.shape[1], -1).astype(powers.dtype)
    kept = flat / spectrum
    told = np.zeros(0)
    for pair in _bands():
        if min(map(len, pair)) >= FEWEST:
            told = np.minimum(*(_median(kept[..., half]) for half in pair)) / CHI_SQUARED_MEDIAN
            most = CEILING * told
        else:
            most = CEILING * STEEP * told
        for half in pair:
            # falls from `most` to `told` without a jump, as rounding must not decide
            kept[..., half] = np.minimum(kept[..., half], np.maximum(2 * most - kept[..., half], told))
    shares = np.where(bands() < 0, 1, np.array(KEPT_SHARES)[bands()]).ravel()
    result: Array = (kept * (spectrum / shares).astype(powers.dtype)).reshape(powers.shape)
    return result


def _smooth_spectrum(powers: Array) -> Array:
    """That of the median patch, (C, PATCH_PIXELS, PATCH_PIXELS), as far as noise of `MAX_BLUR_PIXELS` may have it."""
    flat = powers.reshape(*powers.shape[:2], -1)
    shape = np.median(flat / (_median(flat) + TINY), axis=0).reshape(powers.shape[1:])
    reach = SMOOTH_FREQUENCIES // 2
    padded = np.pad(np.log(shape + TINY), ((0, 0), (reach, reach), (reach, reach)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (SMOOTH_FREQUENCIES, SMOOTH_FREQUENCIES), axis=(1, 2))
    smooth = np.exp(np.median(windows, axis=(-1, -2)))
    waves = np.pi * np.arange(PATCH_PIXELS) / PATCH_PIXELS  # radians per pixel
    blur = np.exp(-((MAX_BLUR_PIXELS * waves) ** 2))
    for axis in (1, 2):  # from the highest frequency to the lowest
        steps = np.moveaxis(smooth, axis, 0)
        for k in range(PATCH_PIXELS - 2, -1, -1):
            steps[k] = np.minimum(steps[k], steps[k + 1] * (blur[k] / blur[k + 1]))
    return smooth


def _median(x: Array) -> Array:
    """Of the last axis, which stays with one entry; the lower one of two. Much faster than NumPy's for many short rows."""
    middle = (x.shape[-1] - 1) // 2
    result: Array = np.partition(x, middle, axis=-1)[..., middle : middle + 1]
    return result


@lru_cache
def _bands() -> list[tuple[NDArray[np.int64], ...]]:
    """Indices of the frequencies of both halves of each band, the highest band first."""
    return [tuple(np.flatnonzero((bands() == band) & half) for half in halves()) for band in range(bands().max(), -1, -1)]
