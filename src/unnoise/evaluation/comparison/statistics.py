"""How sure a mean and a difference are, over the pictures of a data set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

RESAMPLES = 4000
CONFIDENCE = 0.95
SEED = 0
"""Draws are the same in each run, so a table can be made again."""


class Interval(NamedTuple):
    """A mean and its confidence interval.

    >>> Interval(30.0, 29.5, 30.6).low
    29.5
    """

    mean: float
    low: float
    high: float


def mean_interval(values: Sequence[float]) -> Interval:
    """The mean over pictures and its 95 % confidence interval, by the bootstrap (Efron, 1979).

    Args:
        values: one for each picture. Of a single one, or of infinite ones, the interval is NaN.

    >>> mean_interval([30.0, 31.0, 32.0]).mean
    31.0
    """
    array = np.asarray(values, np.float64)
    mean = float(array.mean())
    if len(array) < 2 or not np.isfinite(array).all():
        return Interval(mean, float("nan"), float("nan"))
    draws = np.random.default_rng(SEED).integers(0, len(array), (RESAMPLES, len(array)))
    low, high = np.quantile(array[draws].mean(axis=1), [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(mean, float(low), float(high))


def paired_p_value(one: Sequence[float], other: Sequence[float]) -> float:
    """How likely chance alone makes the mean difference of two methods as large, over the same pictures.

    A two-sided permutation test: if the methods were equal, each picture's difference could as well have the other sign.
    Up to 12 pictures all signs are tried, else `RESAMPLES` random ones.

    Args:
        one, other: values for the same pictures in the same order.

    Returns:
        The p-value. NaN where a value is not finite.

    >>> paired_p_value([30.0, 31.0, 32.0, 33.0, 34.0, 35.0], [29.0, 30.1, 31.0, 32.1, 33.0, 34.0])
    0.03125
    """
    differences = np.asarray(one, np.float64) - np.asarray(other, np.float64)
    if not np.isfinite(differences).all():
        return float("nan")
    count = len(differences)
    if count <= 12:
        signs = 1 - 2.0 * ((np.arange(2**count)[:, None] >> np.arange(count)) & 1)
        means = np.abs(signs @ differences)
        return float((means >= np.abs(differences.sum()) * (1 - 1e-12)).mean())
    signs = np.random.default_rng(SEED).choice([-1.0, 1.0], (RESAMPLES, count))
    beyond = int((np.abs(signs @ differences) >= np.abs(differences.sum()) * (1 - 1e-12)).sum())
    return (beyond + 1) / (RESAMPLES + 1)
