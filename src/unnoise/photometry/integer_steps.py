"""A warning where rounding to whole numbers would spoil a result: the mean of faint counts is no whole number."""

from __future__ import annotations

import warnings

from array_api_compat import array_namespace

from unnoise.errors import UnnoiseWarning
from unnoise.regions import RegionSource

MIN_STEPS = 12
"""Steps that a picture should span, so that rounding to one of them costs less than its noise."""
TOP_QUANTILE = 0.999
"""Quantile of the values that counts as the highest: hot pixels say nothing."""


def warn_of_few_steps(view: RegionSource, white: int, name: str) -> None:
    """Warn where the whole numbers of a measurement, with `white` at 1, are fewer than `MIN_STEPS`: the result is rounded to them too.

    >>> import numpy as np
    >>> view = RegionSource.of(np.random.default_rng(0).uniform(0, 1, (1, 1, 32, 32)).astype(np.float32))
    >>> warn_of_few_steps(view, 65535, "The image")
    """
    windows = view.sample_windows()
    xp = array_namespace(*windows)
    values = xp.sort(xp.concat([xp.reshape(x, (-1,)) for x in windows]))
    steps = round(float(values[int(TOP_QUANTILE * (values.shape[0] - 1))] - values[0]) * white)
    if 0 < steps < MIN_STEPS:
        warnings.warn(
            f"{name} spans {steps} whole numbers, and its result is rounded to whole numbers too; give it as floats to keep what lies "
            "between.",
            UnnoiseWarning,
            stacklevel=3,
        )
