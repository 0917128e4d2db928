"""The noise of a sensor: shot noise, which grows with the signal, and read noise, which does not.

The model is that of Foi, Trimeche, Katkovnik and Egiazarian, "Practical Poissonian-Gaussian noise modeling and fitting
for single-image raw-data", IEEE Transactions on Image Processing 17(10), 2008. A raw value of mean x has the variance

    var = a·x + b,

with x = 1 where the sensor saturates. If the sensor saturates at 1/a electrons, their Poisson variance in raw units is
a·x. An amplifier with an error of σ electrons adds b = (a·σ)². Twice the ISO means twice the a.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def typical_read_variance(shot: float) -> float:
    """The b of a typical camera with a = `shot`: log b = 2.18·log a + 1.20.

    Brooks et al., "Unprocessing Images for Learned Raw Denoising", CVPR 2019, fitted this line to the cameras of the
    Darmstadt noise data set, for a from 0.0001 to 0.012. Their scatter about the line, 0.26 in log b, is left out.

    >>> f"{typical_read_variance(0.001):.1e}"
    '9.6e-07'
    """
    return math.exp(2.18 * math.log(shot) + 1.20)


def expose(light: Array, shot: float, read: float, generator: np.random.Generator, bits: int | None = None) -> Array:
    """One exposure: a·Poisson(x/a) plus Gaussian noise of variance b, clipped where the sensor saturates.

    Args:
        light: means of the raw values, any shape, in 0..1.
        shot: a, the variance of the shot noise at a signal of 1; above 0.
        read: b, the variance without light.
        generator: of all random numbers.
        bits: depth of the converter. None: its steps are too fine to matter.

    Returns:
        Raw values of the same shape and float type, at most 1. They can be below 0: sensors record from a black level
        above zero, and clipping there would brighten the shadows.

    >>> raw = expose(np.full(10_000, 0.5), 0.01, 0.0, np.random.default_rng(0))
    >>> round(float(raw.mean()), 2), round(float(raw.var()), 3)
    (0.5, 0.005)
    """
    raw = generator.poisson(light / shot).astype(light.dtype) * light.dtype.type(shot)
    raw += light.dtype.type(math.sqrt(read)) * generator.standard_normal(light.shape, dtype=np.float32)
    if bits is not None:
        steps = 2**bits - 1
        raw = np.rint(raw * steps) / steps
    recorded: Array = np.minimum(raw, 1)
    return recorded
