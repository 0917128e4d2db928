"""Differences of color channels, which tell white noise from gray texture.

Texture such as grass, brick or cloth is much the same in all channels, so the differences of channels do not hold it. Noise of pixels
that count photons, or noise that was added, is independent in each channel, and the differences do hold it. So the quietest differences
of each brightness are looked at: what is in them at fine frequencies is noise. Where it is white, no channel has more noise than it
tells; the rest is texture. Cameras that interpolate colors, smooth them or store JPEG make differences that are not white. These tell
nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unnoise.noise.autocovariance import PATCH_PIXELS
from unnoise.noise.frequency_bands import bands, halves

Array = NDArray[Any]

PATCHES = 1600
"""About how many patches are looked at."""
FINE, NEXT_FINE, MIDDLE = 4, 3, 2
"""Three bands of frequencies, as in `frequency_bands.bands`."""
WHITE_NEXT = 0.7, 1.33
"""Ratio of the powers of the two finest bands, within which noise counts as white. Photographs of cameras have 1.4 and more."""
WHITE_MIDDLE = 0.6, 4.5
"""The same of the middle and the finest band. Colored texture raises it to 3. Cameras have 5 and more."""
LEAST = 0.7 / 255
"""Standard deviation below which differences hold no more than rounding, of values in 0..1."""
CUTS = 0.02, 0.35
"""Patches with a larger share of cut-off pixels tell nothing. The second share counts where too few patches have less than the
first, as in pages of text: noise that is partly cut off is weaker, and stays white."""
FEWEST = 40
LEAST_LEFT = 0.5
"""At least this share of the finest band's power counts as noise."""
LEAST_SHARE = 0.2
"""Share of the patches that must lie in groups with white noise."""
GROUP_PATCHES = 100
"""Patches of about the same brightness that are compared."""
MAX_GROUPS = 12
QUIET_SHARE = 0.25
"""Share of a group's patches that counts, those whose differences hold least."""


@dataclass(frozen=True)
class WhiteNoise:
    """White noise that is independent in each channel.

    >>> WhiteNoise(np.array([[0.5], [0.5]]), np.array([[4e-4], [1e-4]])).at(1, np.array([0.2]))
    array([0.0001])
    """

    brightness: Array
    """(C, K), rising along K, in 0..1."""
    variance: Array
    """(C, K): the variance in each channel at these brightnesses."""

    def at(self, channel: int, brightness: Array) -> Array:
        """The variance in one channel at each brightness, the same shape; constant beyond the ends."""
        found: Array = np.interp(brightness, self.brightness[channel], self.variance[channel])
        return found


def white_noise(coefficients: Array, cut: Array) -> WhiteNoise | None:
    """Measure white noise in the differences of channels.

    Args:
        coefficients: of the cosine transform of a picture's patches, (P, C, PATCH_PIXELS, PATCH_PIXELS); see
            `autocovariance.dct`. Pixels are in 0..1. The transform of a difference is the difference of the transforms.
        cut: (P, C), shares of pixels at black or white.

    Returns:
        The noise, in the patches' unit. None: there is one channel, or the differences hold other noise, or next to none.

    >>> from unnoise.noise.autocovariance import dct
    >>> noise = np.random.default_rng(0).normal(0, 0.1, (100, 3, 16, 16))
    >>> grass = np.random.default_rng(1).normal(0, 0.5, (100, 1, 16, 16))
    >>> found = white_noise(dct(noise + grass), np.zeros((100, 3)))
    >>> bool(np.all(abs(found.variance - 0.01) < 0.002))
    True
    """
    channels = coefficients.shape[1]
    inside: NDArray[np.int64] = np.flatnonzero((cut <= CUTS[0]).all(axis=1))
    if len(inside) < FEWEST:
        inside = np.flatnonzero((cut <= CUTS[1]).all(axis=1))
    if channels < 2 or len(inside) < FEWEST:
        return None
    step = max(1, round(len(inside) / PATCHES))
    chosen = coefficients[::step] if len(inside) == len(coefficients) else coefficients[inside[::step]]
    pairs = combinations(range(min(channels, 3)), 2)
    held = np.stack([_band_means(chosen[:, one] - chosen[:, other]) for one, other in pairs], axis=2)  # (2, P, pairs, 3)
    means = chosen[..., 0, 0] / PATCH_PIXELS  # (P, C)
    order = np.argsort(means.mean(axis=1), kind="stable")
    groups = np.array_split(order, max(1, min(MAX_GROUPS, len(order) // GROUP_PATCHES)))
    quiet = [_quiet_powers(held[:, group]) for group in groups]  # (pairs, 3) each
    told = [(group, power) for group, power in zip(groups, quiet, strict=True) if _is_white(power)]
    if sum(len(group) for group, _ in told) < LEAST_SHARE * len(order):
        return None
    brightness = np.stack([means[group].mean(axis=0) for group, _ in told], axis=1)  # (C, K)
    variance = np.stack([_of_channels(_without_structure(power), channels) for _, power in told], axis=1)  # (C, K)
    rising = np.argsort(brightness, axis=1, kind="stable")
    return WhiteNoise(np.take_along_axis(brightness, rising, 1), np.take_along_axis(variance, rising, 1))


def _band_means(difference: Array) -> Array:
    """Mean powers of the three bands in each half of the frequencies, (P, PATCH_PIXELS, PATCH_PIXELS) → (2, P, 3)."""
    found = np.square(difference).reshape(len(difference), -1) @ _averages().astype(difference.dtype)  # (P, 6)
    return np.moveaxis(found.reshape(-1, 2, 3), 1, 0)


@lru_cache
def _averages() -> NDArray[np.float32]:
    """Weights of the means over the three bands in each half of the frequencies, (PATCH_PIXELS², 6)."""
    inside = [half & (bands() == band) for half in halves() for band in (FINE, NEXT_FINE, MIDDLE)]
    return np.stack([each.ravel() / each.sum() for each in inside], axis=-1).astype(np.float32)


def _quiet_powers(held: Array) -> Array:
    """Powers in the quietest patches of a group, (2, P, pairs, 3) → (pairs, 3). They are chosen by one half of the frequencies and
    measured by the other."""
    count = max(round(QUIET_SHARE * held.shape[1]), 1)
    measured = []
    for own, other in (held, held[::-1]):
        ranked = np.argsort(own[..., :2].mean(axis=(1, 2)), kind="stable")
        measured.append(other[ranked[:count]].mean(axis=0))
    result: Array = np.mean(measured, axis=0)
    return result


def _is_white(power: Array) -> bool:
    """Whether powers (pairs, 3) are those of white noise, and more than rounding leaves."""
    fine, next_fine, middle = power.mean(axis=0)
    if fine / 2 <= LEAST**2:
        return False
    return bool(WHITE_NEXT[0] <= next_fine / fine <= WHITE_NEXT[1] and WHITE_MIDDLE[0] <= middle / fine <= WHITE_MIDDLE[1])


def _without_structure(power: Array) -> Array:
    """The fine powers (pairs,) of (pairs, 3), without what colored structure has there.

    What the next band has beyond the finest one is structure. Edges and lines have about half as much in the finest band, so
    the same difference is taken off there.
    """
    fine, next_fine = power.mean(axis=0)[:2]
    left: Array = power[:, 0] * np.clip(2 - next_fine / fine, LEAST_LEFT, 1)
    return left


def _of_channels(power: Array, channels: int) -> Array:
    """The variance in each of C channels, from that of the difference of each pair: (pairs,) → (C,).

    The variance of a difference is the sum of two variances. Three sums tell three variances.
    """
    if channels == 2:
        return np.repeat(power / 2, 2)
    first, second, third = power  # of channels 0 − 1, 0 − 2 and 1 − 2
    own = np.array([first + second - third, first + third - second, second + third - first]) / 2
    own = np.clip(own, power.mean() / 8, None)  # a little structure may make one too small
    return np.concatenate([own, np.full(channels - 3, own.max())])
