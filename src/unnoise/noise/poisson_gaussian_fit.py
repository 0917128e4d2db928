"""Fitting the variance a·x + b to a measured curve of noise by brightness.

Foi, Trimeche, Katkovnik and Egiazarian, "Practical Poissonian-Gaussian noise modeling and fitting for single-image raw-data",
IEEE Transactions on Image Processing 17(10), 2008. The model is that of light and of raw values. A gamma curve bends it, so that
for photographs the fit says what it says only where `holds` is true, and a may then be negative.
"""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict

from unnoise.noise.flat_patches import NoiseCurve

MAX_RELATIVE_ERROR = 0.1
"""Largest median deviation of the standard deviation for which the line is said to hold."""
MAX_CLIPPED_SHARE = 0.01
"""Points with a larger share of pixels at black or white take no part: what was cut there is missing from their variance."""


class LineFit(BaseModel):
    """variance = a·brightness + b, brightness and standard deviation in 0..1."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    a: float
    b: float
    error: float
    """Median relative deviation of the standard deviations from the line."""
    holds: bool
    """Whether `error` is at most 10 %."""

    def on(self, zero: float, one: float) -> LineFit:
        """The same line for values of which `zero` and `one` are 0 and 1 here: where photons are counted, a is then 1."""
        step = one - zero
        return self.model_copy(update={"a": step * self.a, "b": step**2 * self.b - step * self.a * zero})


def fit_line(curve: NoiseCurve) -> LineFit | None:
    """Weighted least squares over the points that are not cut; None where fewer than three are left.

    A variance measured in n patches errs in proportion to itself, so the weights are n / variance², the variance being the
    line's own of the step before; ten steps.
    """
    kept = (curve.cut <= MAX_CLIPPED_SHARE) & (curve.variance > 0)
    if kept.sum() < 3:
        return None
    x, variance, count = curve.brightness[kept], curve.variance[kept], curve.patches[kept]
    expected = variance
    least = 1e-2 * float(np.median(variance))
    for _ in range(10):
        weight = np.sqrt(count) / expected
        (a, b), *_ = np.linalg.lstsq(np.stack([x, np.ones_like(x)], axis=1) * weight[:, None], variance * weight, rcond=None)
        expected = np.maximum(a * x + b, least)
    error = float(np.median(np.abs(np.sqrt(expected / variance) - 1)))
    return LineFit(a=float(a), b=float(b), error=error, holds=error <= MAX_RELATIVE_ERROR)
