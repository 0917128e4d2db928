"""What a sensor adds to light: shot noise, which grows with the signal, and read noise, which does not.

The model is Foi, Trimeche, Katkovnik and Egiazarian, "Practical Poissonian-Gaussian noise modeling and fitting for single-image
raw-data", IEEE Transactions on Image Processing 17(10), 2008: a raw value of mean x has the variance

    var = a·x + b,

with x = 1 where the sensor saturates. Counting electrons makes both terms plain: with 1/a electrons at saturation, their
Poisson variance in raw units is a·x, and an amplifier that errs by σ electrons adds b = (a·σ)². Twice the ISO is twice the a.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def typical_read_variance(shot: float) -> float:
    """The b that goes with a = `shot` in a typical camera: log b = 2.18·log a + 1.20.

    Brooks et al., "Unprocessing Images for Learned Raw Denoising", CVPR 2019, fitted this line to the cameras of the Darmstadt
    noise data set, with a from 0.0001 to 0.012; the scatter about it, 0.26 in log b, is left out.
    """
    return math.exp(2.18 * math.log(shot) + 1.20)


def expose(light: Array, shot: float, read: float, generator: np.random.Generator, bits: int | None = None) -> Array:
    """One exposure: a·Poisson(x/a) plus Gaussian noise of variance b, cut off where the sensor saturates.

    Args:
        light: means of the raw values, any shape, in 0..1.
        shot: a, the variance that a signal of 1 has by its own light; above 0.
        read: b, the variance without light.
        generator: where all randomness comes from.
        bits: depth of the converter; None: its steps are too fine to matter.

    Returns:
        Raw values of the same shape and float type, at most 1. They may be below 0: sensors record from a black level that lies
        above zero for just that reason, and cutting there would brighten the shadows.
    """
    raw = generator.poisson(light / shot).astype(light.dtype) * light.dtype.type(shot)
    raw += light.dtype.type(math.sqrt(read)) * generator.standard_normal(light.shape, dtype=np.float32)
    if bits is not None:
        steps = 2**bits - 1
        raw = np.rint(raw * steps) / steps
    recorded: Array = np.minimum(raw, 1)
    return recorded
