"""How strongly the error of one pixel is correlated with the errors of its neighbors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from unnoise.errors import UsageError

Array = NDArray[Any]


def autocorrelation(residual: Array, radius: int) -> NDArray[np.float64]:
    """The autocorrelation of a residual, noisy − clean, at all shifts of up to `radius` pixels.

    The mean of the residual r is subtracted in each channel. Over all pixels p with a neighbor p + d in the picture,

        ρ(d) = mean_p r(p)·r(p + d) / mean_p r(p)².

    Args:
        residual: (H, W) or (H, W, C), any unit. The channels are pooled.
        radius: the largest shift in rows and columns, 0 ≤ radius < min(H, W).

    Returns:
        (2·radius + 1, 2·radius + 1), symmetric, with the shift (0, 0) in the middle and the value 1 there. A constant
        residual gives 0 everywhere else.

    Raises:
        UsageError: another shape, or a radius that is too large for the picture.

    >>> stripes = np.tile([1.0, -1.0], (4, 4))
    >>> autocorrelation(stripes, 1)
    array([[-1.,  1., -1.],
           [-1.,  1., -1.],
           [-1.,  1., -1.]])
    """
    values = np.asarray(residual, dtype=np.float64)
    if values.ndim not in (2, 3):
        raise UsageError(f"Expected a residual of shape (H, W) or (H, W, C), got {values.shape}; give one picture at a time.")
    height, width = values.shape[:2]
    if not 0 <= radius < min(height, width):
        raise UsageError(
            f"The radius {radius} does not fit a residual of {height}×{width}; it must be from 0 to {min(height, width) - 1}."
        )
    values = values - values.mean(axis=(0, 1))
    power = np.mean(values**2)
    result = np.zeros((2 * radius + 1, 2 * radius + 1))
    for dy in range(radius + 1):
        for dx in range(-radius, radius + 1):
            here = values[: height - dy, max(0, -dx) : width - max(0, dx)]
            there = values[dy:, max(0, dx) : width + min(0, dx)]
            rho = np.mean(here * there) / power if power > 0 else 0.0
            result[radius + dy, radius + dx] = result[radius - dy, radius - dx] = rho
    result[radius, radius] = 1.0
    return result
