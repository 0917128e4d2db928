"""How far the mean of noisy values may lie from the scene: noise that a curve bends, and noise that black and white cut
off.

The noise of a sensor has the mean 0 in linear light. The curve of a display bends it: the mean of coded values is
darker than the scene (see `unnoise.photometry.bias_correction`). The same curve makes the noise skewed. Noise of the
standard deviation σ at a coded brightness x has about the skewness −4.2·σ / (x + 0.055). It shifts the mean by
−0.7·σ² / (x + 0.055).
Noise that was added to coded values has neither. So its skewness tells whether the curve has bent it.
"""

from __future__ import annotations

import math
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
FAINT = 1 / 255
"""Standard deviation below which rounding hides the skewness."""
LEAST = 0.1
"""Expected skewness below which there is nothing to tell."""
EVIDENCE = 1.0
"""Sum of the squares of expected skewness that it takes to tell."""
NONE, FULL = 0.2, 0.6
"""Measured skewness against that expected: noise below the first was not bent, noise above the second was. SIDD: 0.57
to 1.0; noise added to coded values: −0.1 to 0.05."""
MOST = 0.5
"""Largest shift of the mean, in standard deviations of the noise."""


def bent_share(patches: Array, means: Array, variances: Array, cut: Array) -> float:
    """How far the curve of sRGB has bent the noise: 0 not at all, 1 as that of a sensor; 1 where it cannot be told.

    Args:
        patches: of a picture, (P, C, PATCH_PIXELS, PATCH_PIXELS) in 0..1.
        means, variances: (P, C), of the pixels of each.
        cut: (P, C), shares of pixels at black or white.

    >>> generator = np.random.default_rng(0)
    >>> patches = 0.3 + 0.03 * generator.standard_normal((2000, 1, 16, 16))  # a normal distribution: not bent
    >>> bent_share(patches, patches.mean(axis=(2, 3)), patches.var(axis=(2, 3)), np.zeros((2000, 1)))
    0.0
    """
    measured = expected = 0.0
    flat = patches.reshape(*patches.shape[:2], -1)  # (P, C, PATCH_PIXELS²)
    inside = cut <= CUT  # (P, C)
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
        skewness = -SKEWNESS * sigma / (brightness + OFFSET)
        tells = (sigma >= FAINT) & (skewness <= -LEAST)
        measured += float((skewness * third / np.maximum(sigma, 1e-12) ** 3)[tells].sum())
        expected += float((skewness**2)[tells].sum())
    if expected < EVIDENCE:
        return 1.0
    return float(np.clip((measured / expected - NONE) / (FULL - NONE), 0, 1))


def shifts(brightness: Array, sigma: Array, bent: float) -> tuple[Array, Array]:
    """How far the mean of noisy values may lie below and above the scene, by the noisy mean: (N,) each, 0 or less and 0
    or more.

    Args:
        brightness: of the noisy means, rising, in 0..1.
        sigma: standard deviation of the noise at each.
        bent: as `bent_share` gives it.

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
    curve = bent * np.minimum(SHIFT * sigma**2 / (brightness + OFFSET), MOST * sigma)
    below, above = np.minimum(cut, 0) - curve, np.maximum(cut, 0)
    return np.interp(brightness, mean, below), np.interp(brightness, mean, above)


def _density(x: Array) -> Array:
    """Of the standard normal distribution."""
    return np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)


def _share_below(x: Array) -> Array:
    """The standard normal distribution's function."""
    return np.array([0.5 * (1 + math.erf(value / math.sqrt(2))) for value in x])
