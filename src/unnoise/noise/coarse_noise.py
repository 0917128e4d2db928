"""Whether noise is coarse: whether it correlates over several pixels, so that means of 2×2 pixels hold nearly as much."""

from __future__ import annotations

import numpy as np

from unnoise.noise.noise_model import NoiseModel
from unnoise.photometry.array_ops import to_numpy

MEANS_PIXELS = 2
"""Side of the squares whose means are looked at."""
WHITE, COARSE = 1.7, 2.2
"""Power of the noise of means of 2×2 pixels, where white noise has 1: up to the first no second pass is made, from the second on it
counts whole. Phones of SIDD: 1.9 to 3; cameras of PolyU: 3.5 to 4.8; 4 is the most where neighbours are equal."""


def coarse_share(noise: NoiseModel) -> float:
    """How much a second pass at half the size counts for this noise: 0 for white noise, 1 for coarse noise.

    It counts less where texture fills the picture, which may be told as coarse noise.

    >>> nothing, spectrum = np.zeros((1, 65), np.float32), np.ones((1, 16, 16), np.float32)
    >>> white = NoiseModel(0.0, 1.0, nothing + 1e-4, spectrum, 0.01, 0.0, nothing, nothing)
    >>> low = spectrum * (np.add.outer(np.arange(16), np.arange(16)) < 8)
    >>> coarse = NoiseModel(0.0, 1.0, nothing + 1e-4, low, 0.01, 0.0, nothing, nothing)
    >>> coarse_share(white), coarse_share(coarse)
    (0.0, 1.0)
    """
    if noise.is_none:
        return 0.0
    variance = np.asarray(to_numpy(noise.variance)).mean(axis=1)  # (C,)
    means, pixels = (
        float((np.asarray(to_numpy(powers)).reshape(len(variance), -1)[:, 1:].mean(axis=1) * variance).sum())
        for powers in (noise.coefficients(MEANS_PIXELS), noise.filled_spectrum())
    )
    ratio = MEANS_PIXELS**2 * means / pixels
    return float(np.clip((ratio - WHITE) / (COARSE - WHITE), 0, 1)) * noise.coarse_trust
