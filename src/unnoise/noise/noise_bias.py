"""How far the mean of noisy values may lie from the scene: noise that a curve bends, and noise that black and white cut
off.

The noise of a sensor has the mean 0 in linear light. The curve of a display bends it: the mean of coded values is
darker than the scene (see `unnoise.photometry.bias_correction`). The same curve makes the noise skewed. Noise of the
standard deviation σ at a coded brightness x has about the skewness −4.2·σ / (x + 0.055). It shifts the mean by
−0.7·σ² / (x + 0.055).
Noise that was added to coded values has neither. So its skewness tells whether the curve has bent it.
In a negative, or in a picture whose values were inverted otherwise, skewness and shift have the opposite sign.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unnoise.noise.groups import least_of_each

Array = NDArray[Any]

SKEWNESS, SHIFT = 4.2, 0.7
"""Of the curve of sRGB, whose exponent is 2.4: 3·1.4 and 1.4/2."""
OFFSET = 0.055
"""Of that curve."""
GROUP = 100
"""Patches in a group of one brightness. The quietest ones, a share of `QUIET`, are measured."""
QUIET = 0.1
FEWEST = 40
"""Patches that it takes to tell."""
CUT = 0.004
"""Patches with a larger share of cut-off pixels tell nothing: cutting makes noise lopsided too."""
CUT_IN_NEGATIVE, CUT_RATIO = 0.05, 10.0
"""In a negative whose skewness tells nothing, white cuts at least this share of the pixels off, and this many times the share of black.
Dark scenes of SIDD: 0.11 to 0.36, none at the other end."""
MAX_SKEWNESS, MAX_SIGMA_RATIO = 1.5, 2.5
"""Groups with more skewness, or with this many times the usual standard deviation, hold edges."""
FAINT = 1 / 255
"""Standard deviation below which rounding hides the skewness."""
LEAST = 0.1
"""Expected skewness below which there is nothing to tell."""
EVIDENCE, LEAST_EVIDENCE = 1.0, 0.2
"""Sum of the squares of expected skewness that it takes to tell, and that it takes where the error is small."""
MAX_ERROR = 0.25
"""A small standard error of the measured share."""
NONE, FULL = 0.2, 0.6
"""Measured skewness against that expected: noise below the first was not bent, noise above the second was. SIDD: 0.57
to 1.0; noise added to coded values: −0.1 to 0.05."""
MOST = 0.5
"""Largest shift of the mean, in standard deviations of the noise."""


def bent_share(patches: Array, means: Array, variances: Array, cut: Array) -> float:
    """How far the curve of sRGB has bent the noise: 0 not at all, 1 as that of a sensor; 1 where it cannot be told.

    In a negative the noise is skewed the other way: −1.

    Args:
        patches: of a picture, (P, C, PATCH_PIXELS, PATCH_PIXELS) in 0..1.
        means, variances: (P, C), of the pixels of each.
        cut: (P, C), shares of pixels at black or white.

    >>> generator = np.random.default_rng(0)
    >>> patches = 0.3 + 0.03 * generator.standard_normal((2000, 1, 16, 16))  # a normal distribution: not bent
    >>> bent_share(patches, patches.mean(axis=(2, 3)), patches.var(axis=(2, 3)), np.zeros((2000, 1)))
    0.0
    """
    brightness, sigma, skewness = _groups(patches, means, variances, cut)
    as_photograph = _Expected.of(skewness, -SKEWNESS * sigma / (brightness + OFFSET), sigma)
    as_negative = _Expected.of(skewness, SKEWNESS * sigma / (1 - brightness + OFFSET), sigma)
    if as_negative.share == 1 and as_negative.is_told:
        photons = sigma / np.maximum(brightness, FAINT)  # are skewed the same way, but less, and in the dark
        if as_negative.distance < np.square(skewness - photons).sum():
            return -1.0
    if as_photograph.is_told:
        return as_photograph.share
    return -1.0 if not as_negative.is_told and _is_cut_at_white(patches) else 1.0


def _is_cut_at_white(patches: Array) -> bool:
    """Whether white cuts much noise off, and black next to none. Dark photographs have it the other way round."""
    white = float((patches >= 1).mean())
    return white >= CUT_IN_NEGATIVE and white > CUT_RATIO * float((patches <= 0).mean())


@dataclass(frozen=True)
class _Expected:
    """How well a skewness that is expected agrees with the one that was measured."""

    evidence: float
    """Sum of the squares of what is expected."""
    share: float
    """Of it that was measured, 0 at `NONE` and 1 at `FULL`."""
    distance: float
    """Sum of the squares of what is not explained, with the best share of what is expected."""
    error: float
    """Standard error of that share."""

    @property
    def is_told(self) -> bool:
        return self.evidence >= EVIDENCE or (self.evidence >= LEAST_EVIDENCE and self.error <= MAX_ERROR)

    @classmethod
    def of(cls, measured: Array, expected: Array, sigma: Array) -> _Expected:
        tells = (sigma >= FAINT) & (np.abs(expected) >= LEAST)
        evidence = float(np.square(expected[tells]).sum())
        ratio = float((measured * expected)[tells].sum()) / max(evidence, 1e-12)
        share = float(np.clip((ratio - NONE) / (FULL - NONE), 0, 1))
        distance = float(np.square(measured - ratio * expected).sum())
        count = int(tells.sum())
        error = math.sqrt(distance / (count - 1) / evidence) if count > 1 else math.inf
        return cls(evidence, share, distance, error)


def _groups(patches: Array, means: Array, variances: Array, cut: Array) -> tuple[Array, Array, Array]:
    """Brightness, standard deviation and skewness of noise in groups of the quietest patches of one brightness, (G,) each."""
    flat = patches.reshape(*patches.shape[:2], -1)  # (P, C, PATCH_PIXELS²)
    inside = cut <= CUT  # (P, C)
    found = [np.zeros((3, 0))]
    for channel in range(patches.shape[1]):
        places = np.flatnonzero(inside[:, channel])
        if len(places) < FEWEST:
            continue
        places = places[np.argsort(means[places, channel], kind="stable")]
        quiet = least_of_each(variances[:, channel], np.array_split(places, max(1, len(places) // GROUP)), QUIET, at_least=3)
        own = np.concatenate(quiet)
        centred = (flat[own, channel] - means[own, channel, None]).astype(np.float64)
        squares = centred * centred
        starts = np.cumsum([0, *(len(group) for group in quiet[:-1])])
        powers = np.stack([squares.mean(axis=1), (squares * centred).mean(axis=1), means[own, channel]])  # (3, patches)
        second, third, brightness = np.add.reduceat(powers, starts, axis=1) / [len(group) for group in quiet]
        sigma = np.sqrt(second)
        found.append(np.stack([brightness, sigma, third / np.maximum(sigma, 1e-12) ** 3]))
    brightness, sigma, skewness = np.concatenate(found, axis=1)
    is_noise = np.abs(skewness) <= MAX_SKEWNESS
    if is_noise.any():
        is_noise &= sigma <= MAX_SIGMA_RATIO * np.median(sigma[is_noise])
    return brightness[is_noise], sigma[is_noise], skewness[is_noise]


def shifts(brightness: Array, sigma: Array, bent: float) -> tuple[Array, Array]:
    """How far the mean of noisy values may lie below and above the scene, by the noisy mean: (N,) each, 0 or less and 0
    or more.

    Args:
        brightness: of the noisy means, rising, in 0..1.
        sigma: standard deviation of the noise at each.
        bent: as `bent_share` gives it; below 0 the curve runs from white to black.

    >>> import numpy as np
    >>> low, high = shifts(np.array([0.2, 0.5, 0.8]), np.full(3, 0.01), bent=0.0)
    >>> bool((low <= 0).all() and (high >= 0).all())
    True
    """
    spread = np.maximum(sigma, 1e-6)
    black, white = -brightness / spread, (1 - brightness) / spread
    inside = _share_below(white) - _share_below(black)
    mean = brightness * inside + spread * (_density(black) - _density(white)) + 1 - _share_below(white)
    cut = mean - brightness  # of a scene of this brightness, whose noisy mean is therefore `mean`
    light = brightness if bent >= 0 else 1 - brightness
    curve = np.minimum(SHIFT * sigma**2 / (light + OFFSET), MOST * sigma)
    below, above = np.minimum(cut, 0) - max(bent, 0) * curve, np.maximum(cut, 0) - min(bent, 0) * curve
    return np.interp(brightness, mean, below), np.interp(brightness, mean, above)


def _density(x: Array) -> Array:
    """Of the standard normal distribution."""
    return np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)


def _share_below(x: Array) -> Array:
    """The standard normal distribution's function."""
    return np.array([0.5 * (1 + math.erf(value / math.sqrt(2))) for value in x])
