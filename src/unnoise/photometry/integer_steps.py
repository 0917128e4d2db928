"""Whole numbers whose steps are coarse against the noise: counts of few photons, or few bits.

The mean of faint counts is no whole number, so rounding a restored picture to the nearest one would change its light.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from unnoise.array_api import array_namespace
from unnoise.errors import UnnoiseWarning
from unnoise.photometry.array_ops import to_numpy
from unnoise.regions import RegionSource

MIN_STEPS = 12
"""Steps that a picture should span, so that rounding to one of them costs less than its noise."""
TOP_QUANTILE = 0.999
"""Quantile of the values that counts as the highest: hot pixels say nothing."""
COARSE_SIGMA_STEPS = 6.0
"""Noise with a smaller standard deviation, in steps, tells the mean of 32 × 32 pixels to less than half a step."""
KEPT_SHARE = 0.95
"""Share of the differences of neighbours, from the smallest on, that show the noise. Edges have the others."""
KEPT_SIGMA = 0.871
"""Standard deviation of this share of normal values, if that of all is 1."""


def spanned_steps(view: RegionSource, step: float) -> int:
    """The number of steps from the lowest to nearly the highest value, in windows of a picture.

    >>> import numpy as np
    >>> spanned_steps(RegionSource.of(np.arange(64, dtype=np.float32).reshape(1, 1, 8, 8)), 1.0)
    62
    """
    windows = view.sample_windows()
    xp = array_namespace(*windows)
    values = xp.sort(xp.concat([xp.reshape(x, (-1,)) for x in windows]))
    return round(float(values[int(TOP_QUANTILE * (values.shape[0] - 1))] - values[0]) / step)


def has_few_values(view: RegionSource) -> bool:
    """Whether windows of a picture hold no more than `MIN_STEPS` different values, NaN aside. Such noise is far from normal.

    >>> import numpy as np
    >>> has_few_values(RegionSource.of(np.random.default_rng(0).poisson(0.5, (1, 1, 64, 64)) * 40.8))
    True
    """
    values: set[float] = set()
    for window in view.sample_windows():
        found = np.unique(to_numpy(window))
        values.update(found[~np.isnan(found)].tolist())
        if len(values) > MIN_STEPS:
            return False
    return True


def are_few_counts(view: RegionSource, step: float) -> bool:
    """Whether a picture holds whole numbers from 0 to less than `MIN_STEPS`: counts, but no photograph.

    >>> import numpy as np
    >>> counts = np.random.default_rng(0).poisson(0.5, (1, 1, 64, 64)).astype(np.float32)
    >>> are_few_counts(RegionSource.of(counts / 255), 1 / 255)
    True
    """
    windows = view.sample_windows()
    xp = array_namespace(*windows)
    lowest = min(float(xp.min(x)) for x in windows)
    return lowest < step / 2 and 0 < spanned_steps(view, step) < MIN_STEPS


def steps_are_coarse(view: RegionSource, step: float) -> bool:
    """Whether the noise in windows of a picture, (B, C, H, W), spans less than `COARSE_SIGMA_STEPS` steps.

    >>> import numpy as np
    >>> noise = np.random.default_rng(0).normal(500, 10, (1, 1, 64, 64)).astype(np.float32)
    >>> steps_are_coarse(RegionSource.of(noise), 1.0), steps_are_coarse(RegionSource.of(noise), 5.0)
    (False, True)
    """
    found: list[Any] = []
    windows = view.sample_windows()
    xp = array_namespace(*windows)
    for x in windows:
        if min(x.shape[-2:]) > 1:
            mixed = x[..., 1:, 1:] - x[..., 1:, :-1] - x[..., :-1, 1:] + x[..., :-1, :-1]  # blind to slopes and stripes
            found.append(xp.reshape(abs(mixed), (-1,)))
    if not found:
        return True
    changes = xp.sort(xp.concat(found))
    kept = changes[: max(1, int(KEPT_SHARE * changes.shape[0]))]
    sigma = float(xp.mean(xp.square(kept))) ** 0.5 / (2 * KEPT_SIGMA)
    return sigma < COARSE_SIGMA_STEPS * step


def warn_of_few_steps(view: RegionSource, step: float, name: str) -> None:
    """Warn where the whole numbers of a measurement, `step` apart, are fewer than `MIN_STEPS`. The result is rounded to
    them too.

    >>> import numpy as np
    >>> view = RegionSource.of(np.arange(64, dtype=np.float32).reshape(1, 1, 8, 8))
    >>> warn_of_few_steps(view, 1.0, "The image")
    """
    steps = spanned_steps(view, step)
    if 0 < steps < MIN_STEPS:
        warnings.warn(
            f"{name} spans {steps} whole numbers. Its result is rounded up or down by chance, which keeps the means but adds "
            "noise; ask for floats, as with --dtype float32, to keep what lies between.",
            UnnoiseWarning,
            stacklevel=3,
        )
