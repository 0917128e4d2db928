"""Variance stabilization: a curve of a measurement's values after which its noise is about equally strong everywhere.

The variance of a sensor's noise is b + a·x: noise of the electronics, and of photons, which grows with the light x. With
a and b known, the square root of b + a·x has noise of even strength. Bright and dark places can then be compared, and
noise is found that no plain place shows at its own brightness.

F. J. Anscombe, "The transformation of Poisson, binomial and negative-binomial data", Biometrika 35, 1948; for both kinds
of noise together: J.-L. Starck, F. Murtagh and A. Bijaoui, "Image Processing and Data Analysis", 1998. The fit from
below is our own.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

FIT_TOLERANCE = 1.05
"""The line may lie above a point by this factor, as chance moves points."""
ANSCOMBE_SHARE = 3 / 8
"""Of a², as a part of the variance at zero: evens out the noise of few photons."""
EQUAL_HEIGHT = 1e-6
"""Of lines that differ by less, the more level one counts: rounding must not decide where there is one point."""
LEVEL_SLOPE = 1e-3
"""With a smaller ratio of a and b the noise is even already."""
TINY = 1e-14


@dataclass(frozen=True)
class VarianceStabilization:
    """The curve x → ∫ 1 / √(b + a·x), scaled so that 0 and 1 stay. Below 0 it goes on as a straight line.

    >>> root = VarianceStabilization(slope=1.0, offset=0.0)
    >>> counts = np.random.default_rng(0).poisson(20 * np.array([[1.0], [16.0]]), (2, 10_000)) / 400
    >>> spread = VarianceStabilization(slope=1 / 400, offset=0.0).forward(counts).std(axis=1)
    >>> bool(0.95 < spread[0] / spread[1] < 1.05)
    True
    """

    slope: float
    """a, 0 or more, for values in about 0..1."""
    offset: float
    """b, the variance at 0; 0 or more."""

    @classmethod
    def fit(cls, brightness: Array, variance: Array) -> VarianceStabilization:
        """The highest line below the points of a curve that falls nowhere and is negative nowhere.

        Texture raises points, and nothing but chance lowers them.

        Args:
            brightness, variance: (N,) each, N ≥ 1.

        >>> x = np.array([0.1, 0.2, 0.4, 0.8])
        >>> found = VarianceStabilization.fit(x, np.array([2.0, 3.0, 50.0, 9.0]))
        >>> round(found.slope, 2), round(found.offset, 2)
        (10.0, 1.0)
        """
        lines = [(0.0, float(variance.min())), (max(float((variance / np.maximum(brightness, TINY)).min()), 0.0), 0.0)]
        for i, j in combinations(range(len(brightness)), 2):
            slope = (variance[j] - variance[i]) / max(brightness[j] - brightness[i], TINY)
            lines.append((float(slope), float(variance[i] - slope * brightness[i])))
        below = [
            (slope, offset)
            for slope, offset in lines
            if slope >= 0 and offset >= 0 and np.all(offset + slope * brightness <= FIT_TOLERANCE * variance + TINY)
        ]
        heights = np.array([np.log(np.maximum(offset + slope * brightness, TINY)).sum() for slope, offset in below])
        equal = np.flatnonzero(heights >= heights.max() - EQUAL_HEIGHT)
        return cls(*below[int(equal[0])])

    def forward(self, x: Any) -> Any:
        """The stabilized values, of any shape. NaN stay."""
        if self._is_even:
            return x
        bright = np.maximum(x, 0)
        root = np.sqrt(self._at_zero)
        risen = (np.sqrt(self._at_zero + self.slope * bright) - root) * (2 / self.slope)
        return (risen + np.minimum(x, 0) / root) / self._top

    def derivative(self, stabilized: Any) -> Any:
        """The derivative of `forward` where it has these values, of any shape."""
        if self._is_even:
            return np.ones_like(stabilized)
        root = np.sqrt(self._at_zero) + np.maximum(stabilized, 0) * (self._top * self.slope / 2)  # of the variance there
        return 1 / (root * self._top)

    @property
    def _at_zero(self) -> float:
        return self.offset + ANSCOMBE_SHARE * self.slope**2

    @property
    def _is_even(self) -> bool:
        return self.slope <= LEVEL_SLOPE * self.offset or self.slope <= TINY

    @property
    def _top(self) -> float:
        """The integral from 0 to 1."""
        return float((np.sqrt(self._at_zero + self.slope) - np.sqrt(self._at_zero)) * 2 / self.slope)
