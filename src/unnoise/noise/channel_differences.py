"""Differences of color channels, which tell white noise from gray texture.

Texture such as grass, brick or cloth is much the same in all channels, so the differences of channels do not hold it. Noise of pixels
that count photons, or noise that was added, is independent in each channel, and the differences do hold it. Where they show white noise,
no channel has much more noise than they do: the rest is texture. Cameras that interpolate colors, smooth them or store JPEG make
differences that are not white. These tell nothing.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unnoise.noise.autocovariance import dct_powers
from unnoise.noise.frequency_bands import bands

Array = NDArray[Any]

PATCHES = 400
"""About how many patches are looked at."""
FINE, MIDDLE = 4, 2
"""Two bands of frequencies, as in `frequency_bands.bands`."""
WHITE = 0.75, 1.3
"""Ratio of the powers of the middle and the fine band, within which noise counts as white."""
CUT = 0.02
"""Patches with a larger share of cut-off pixels tell nothing."""
FEWEST = 40


def white_variance(patches: Array, cut: Array) -> float | None:
    """The variance of white noise in the differences of channels, for one channel.

    Args:
        patches: (P, C, PATCH_PIXELS, PATCH_PIXELS) of a picture.
        cut: (P, C), shares of pixels at black or white.

    Returns:
        The variance in squares of the patches' unit. None: there is one channel, or the differences hold more than white noise.

    >>> noise = np.random.default_rng(0).normal(0, 0.1, (100, 3, 16, 16))
    >>> grass = np.random.default_rng(1).normal(0, 0.5, (100, 1, 16, 16))
    >>> round(white_variance(noise + grass, np.zeros((100, 3))), 3)
    0.01
    """
    channels = patches.shape[1]
    inside = np.flatnonzero((cut <= CUT).all(axis=1))
    if channels < 2 or len(inside) < FEWEST:
        return None
    chosen = patches[inside[:: max(1, len(inside) // PATCHES)]]
    pairs = list(combinations(range(min(channels, 3)), 2))
    differences = np.stack([chosen[:, one] - chosen[:, other] for one, other in pairs], axis=1)
    powers, _ = dct_powers(differences)  # (P, pairs, PATCH_PIXELS, PATCH_PIXELS)
    middle, fine = (float(np.median(powers[..., bands() == band].mean(axis=(1, 2)))) for band in (MIDDLE, FINE))
    if fine <= 0 or not WHITE[0] <= middle / fine <= WHITE[1]:
        return None
    return fine / 2
