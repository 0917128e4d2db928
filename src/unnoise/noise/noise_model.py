"""The noise of a picture: its variance by brightness and its power spectrum, channel by channel.

A coefficient of a cosine transform of noise has the variance

    variance(brightness, channel) · spectrum(frequency, channel).

It bounds the power that may be removed at that frequency.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unnoise.array_api import array_namespace
from unnoise.photometry.array_ops import clip, copy, lerp, match, take_along_last
from unnoise.photometry.array_windows import convert_like, softmax

KNOTS = 65
"""Points of each curve, evenly from `low` to `high`."""
BLOCK_SAMPLES = 8
"""Side of the blocks whose coefficients are asked for. A sample is a pixel or a mean of pixels."""


@dataclass(frozen=True)
class NoiseModel:
    """The noise of one picture of C channels, as NumPy arrays or torch tensors. Variances are in squares of the picture's
    own unit.

    >>> import torch
    >>> from unnoise.noise.noise_estimation import estimate_noise
    >>> from unnoise.regions import RegionSource
    >>> noise = 0.1 * torch.randn(1, 1, 128, 128, generator=torch.Generator().manual_seed(0))
    >>> model = estimate_noise(RegionSource.of(0.5 + noise))
    >>> model.is_none, round(model.level, 1)
    (False, 0.1)
    """

    low: float
    high: float
    """Values of the picture between which the curves go; constant beyond."""
    variance: Any
    """(C, KNOTS), float32: the variance of a pixel's noise by brightness, times the mean of `spectrum`."""
    spectrum: Any
    """(C, 16, 16), float32: powers of an orthonormal cosine transform of 16×16 pixels, relative to `variance`. All 0: none can be
    told apart from structure."""
    level: float
    """Standard deviation of a pixel's noise, over all channels and plain places, in the picture's own unit."""
    doubt: float
    """0..1: how likely the noise is stronger in textures than in the plain places where it was measured. Cameras make it so."""
    below: Any
    """(C, KNOTS): so far the mean of noisy values may lie below the scene, by how the noise is bent and cut off; 0 or less."""
    above: Any
    """(C, KNOTS): so far above; 0 or more."""
    colors: Any | None = None
    """(K, C) in the picture's unit: colors at which the variance is known to differ; None: it depends on brightness alone."""
    gains: Any | None = None
    """(K, C): factors of the variance at these colors."""
    reach: float = 0.0
    """How far a color reaches: a standard deviation in the picture's unit."""
    bent: float = 1.0
    """How far the curve of sRGB has bent the noise, −1..1; see `noise_bias.bent_share`."""
    coarse_trust: float = 1.0
    """0..1: how sure it is that coarse frequencies hold noise, and no texture that fills the picture; see `plateau`."""

    @property
    def is_none(self) -> bool:
        """Whether no noise can be told."""
        return not bool((self.spectrum > 0).any())

    @property
    def floor(self) -> float:
        """A standard deviation that is too small to matter."""
        return 1e-6 * (self.high - self.low)

    def at(self, curve: Any, brightness: Any) -> Any:
        """A curve (C, KNOTS) at each brightness, (C, H, W) in the picture's unit → the same shape."""
        xp = array_namespace(brightness)
        place = clip((brightness - self.low) * ((KNOTS - 1) / (self.high - self.low)), 0, KNOTS - 1)
        place = xp.reshape(place, (len(place), -1))
        left = clip(xp.floor(place), None, KNOTS - 2)
        index = xp.astype(left, xp.int64)
        low, high = take_along_last(curve, index), take_along_last(curve, index + 1)
        return xp.reshape(lerp(low, high, place - left), brightness.shape)

    def variance_at(self, seen: Any) -> Any:
        """The variance at each pixel of a picture without noise, (C, H, W) → the same shape, in units of `spectrum`."""
        xp = array_namespace(seen)
        variance = self.at(match(self.variance, seen), seen)
        if self.colors is None or self.gains is None:
            return variance
        own, centers = xp.reshape(seen, (len(seen), -1)).T, match(self.colors, seen)  # (H·W, C), (K, C)
        # The squared distance without its part that is the same for all centers
        closeness = own @ centers.T  # (H·W, K)
        closeness -= xp.sum(xp.square(centers), axis=1) / 2
        closeness /= self.reach**2
        gain = softmax(closeness) @ match(self.gains, seen)
        return variance * xp.reshape(gain.T, seen.shape)

    def coefficients(self, scale: int) -> Any:
        """Variances of the coefficients of blocks of 8×8 means of `scale`×`scale` pixels, relative to `variance`: (C, 8, 8)."""
        between = convert_like(_between(scale), self.spectrum)  # (8, 16)
        return between @ self.filled_spectrum() @ between.T

    def filled_spectrum(self) -> Any:
        """The spectrum with the mean and both slopes, which were not measured, as their neighbours are."""
        xp = array_namespace(self.spectrum)
        filled = copy(self.spectrum)
        near = xp.mean(xp.stack([filled[:, y, x] for y, x in ((1, 1), (0, 2), (2, 0), (1, 2), (2, 1))]), axis=0)
        for y, x in ((0, 0), (0, 1), (1, 0)):
            filled[:, y, x] = near
        return filled


@lru_cache
def _between(scale: int) -> NDArray[np.float32]:
    """How the power of each of 8 frequencies of means of `scale` pixels follows from the 16 of pixels, (8, 16)."""
    weights = np.zeros((BLOCK_SAMPLES, 16))
    for k in range(BLOCK_SAMPLES):
        place = 2 * k / scale
        if scale == 1:
            for index, share in ((max(2 * k - 1, 0), 0.25), (2 * k, 0.5), (min(2 * k + 1, 15), 0.25)):
                weights[k, index] += share
            continue
        left = int(place)
        weights[k, left] += 1 - (place - left)
        weights[k, min(left + 1, 15)] += place - left
        weights[k] /= scale  # averaging weakens frequencies about as much as it folds higher ones onto them
    return weights.astype(np.float32)
