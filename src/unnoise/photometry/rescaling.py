"""Floats of any size: volts and fluxes in SI units, dates in seconds, are moved to where float32 and the bounds in our sums hold them.

A measurement may reach from 0 to 1e-12, or from 1e9 to 1e9 + 1. Its tensor is of float32, whose seven digits would not tell the values
of the second apart, and what is done around the network holds small numbers that stand for nothing, such as 1e-12 for a power. So
extreme pictures are multiplied by a power of two, which changes no digit, and, where they lie far from zero, moved towards it; the result
goes back the same way. Pictures of moderate values stay as they are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

SMALL, LARGE = 2.0**-10, 2.0**20
"""Pictures whose largest value lies between these are not multiplied."""
INSIDE = 2.0**-1, 2.0**5
"""Where the largest value of small and of large ones comes to lie, at most: below white, as it was, and above it."""
FAR = 2.0**10
"""Values that lie further from zero than so many times their own range are moved."""


@dataclass(frozen=True)
class Span:
    """x → (x − shift) · factor and back, in float64."""

    shift: float
    factor: float

    def forward(self, values: Any) -> Any:
        """As float32; an array or a tensor, of any shape."""
        if isinstance(values, np.ndarray):
            return ((values.astype(np.float64) - self.shift) * self.factor).astype(np.float32)
        return ((values.double() - self.shift) * self.factor).float()

    def inverse(self, values: Any, dtype: Any) -> Any:
        """From what `seen` gave, in another type."""
        if isinstance(values, np.ndarray):
            return (values.astype(np.float64) / self.factor + self.shift).astype(dtype)
        moved: Tensor = values.double() / self.factor + self.shift
        return moved.to(dtype)


def span_of(low: float, high: float) -> Span | None:
    """For finite values from `low` to `high`; None: they are moderate."""
    if low == high:
        return Span(low, 1.0) if low else None  # so that one value comes back to its last digit
    width, largest = high - low, max(abs(low), abs(high))
    shift = 0.0
    if 0 < width < largest / FAR and math.isfinite(width):
        shift = low - width  # not to zero, which means black
        largest = 2 * width
    if shift == 0 and SMALL <= largest <= LARGE:
        return None
    end = INSIDE[1] if largest > 1 else INSIDE[0]
    return Span(shift, 2.0 ** min(1000, math.floor(math.log2(end) - math.log2(largest))))  # beyond, float64 ends
