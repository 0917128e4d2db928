"""The noise of photon counts, which is known from the counts alone: its variance is their mean, and it is white."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from unnoise.noise.autocovariance import PATCH_PIXELS
from unnoise.noise.noise_model import KNOTS, NoiseModel
from unnoise.noise.photon_counts import MOST_COUNTS, are_photon_counts, photon_value
from unnoise.photometry.array_ops import to_numpy
from unnoise.photometry.array_windows import convert_like
from unnoise.regions import RegionSource


def photon_noise(view: RegionSource) -> NoiseModel | None:
    """The noise of a picture of counts of one channel, (1, 1, H, W).

    Returns:
        None: the values are no counts of photons, or there are too many different ones to tell.

    >>> counts = np.random.default_rng(0).poisson(9.0, (1, 1, 96, 96)).astype(np.float32)
    >>> model = photon_noise(RegionSource.of(2 * counts))
    >>> 5.9 < model.level < 6.1  # three photons of two each
    True
    """
    windows = view.sample_windows()
    values: NDArray[Any] = np.unique(np.concatenate([to_numpy(window).ravel() for window in windows]))
    step = photon_value(values) if len(values) <= MOST_COUNTS else None
    if step is None or not are_photon_counts(view, values):
        return None
    high = float(values[-1])
    mean = float(np.mean([float(window.mean()) for window in windows]))
    nothing = np.zeros((1, KNOTS), np.float32)
    curve = step * np.linspace(0, high, KNOTS, dtype=np.float32)[None]
    ones = np.ones((1, PATCH_PIXELS, PATCH_PIXELS), np.float32)
    variance, spectrum, below, above = (convert_like(x, windows[0]) for x in (curve, ones, nothing, nothing))
    return NoiseModel(0.0, high, variance, spectrum, (step * mean) ** 0.5, 0.0, below, above)
