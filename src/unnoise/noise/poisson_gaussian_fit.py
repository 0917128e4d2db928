"""Fitting the noise variance a·x + b to a curve of noise by brightness x.

Foi, Trimeche, Katkovnik and Egiazarian, "Practical Poissonian-Gaussian noise modeling and fitting for single-image
raw-data", IEEE Transactions on Image Processing 17(10), 2008. The model is for linear light and raw values. A gamma
curve bends it: for photographs the fit is meaningful only where `holds` is true, and a may be negative.
"""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict

from unnoise.noise.flat_patches import NoiseCurve

MAX_RELATIVE_ERROR = 0.1
"""The line holds if the median relative error of the standard deviation is at most this."""
MAX_CLIPPED_SHARE = 0.01
"""Points with a larger share of pixels at black or white are not fitted: clipping has lowered their variance."""


class LineFit(BaseModel):
    """variance = a·brightness + b, with brightness and standard deviation in 0..1.

    >>> LineFit(a=0.01, b=0.0001, error=0.02, holds=True).rescaled(0, 100).a
    1.0
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    a: float
    b: float
    error: float
    """Median relative error of the standard deviation."""
    holds: bool
    """Whether `error` is at most 10 %."""

    def rescaled(self, zero: float, one: float) -> LineFit:
        """The same line on the picture's own scale, where 0 and 1 are the values `zero` and `one`. For photon counts a
        is then 1."""
        step = one - zero
        return self.model_copy(update={"a": step * self.a, "b": step**2 * self.b - step * self.a * zero})


def fit_line(curve: NoiseCurve) -> LineFit | None:
    """Fit the line by weighted least squares to the points without clipping.

    The error of a variance that was measured in n patches is proportional to the variance. So the weights are n /
    variance², with the variance of the line of the step before. There are ten steps.

    Returns:
        The fit. None if fewer than three points are left.

    >>> x = np.linspace(0.1, 0.9, 5)
    >>> fit = fit_line(NoiseCurve(x, 0.01 * x + 0.001, np.zeros(5), np.full(5, 30)))
    >>> round(fit.a, 4), round(fit.b, 4), fit.holds
    (0.01, 0.001, True)
    """
    usable = (curve.cut <= MAX_CLIPPED_SHARE) & (curve.variance > 0)
    if usable.sum() < 3:
        return None
    x, variance, count = curve.brightness[usable], curve.variance[usable], curve.patches[usable]
    expected = variance
    least = 1e-2 * float(np.median(variance))
    for _ in range(10):
        weight = np.sqrt(count) / expected
        (a, b), *_ = np.linalg.lstsq(np.stack([x, np.ones_like(x)], axis=1) * weight[:, None], variance * weight, rcond=None)
        expected = np.maximum(a * x + b, least)
    error = float(np.median(np.abs(np.sqrt(expected / variance) - 1)))
    return LineFit(a=float(a), b=float(b), error=error, holds=error <= MAX_RELATIVE_ERROR)
