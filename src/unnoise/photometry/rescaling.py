"""Rescaling: floats of extreme size, such as volts or dates in seconds, move to where float32 holds them.

A measurement may reach from 0 to 1e-12, or from 1e9 to 1e9 + 1. The seven digits of float32 would not tell the second
one's values apart. And the code around the network treats numbers such as 1e-12 as zero. So extreme pictures are
multiplied by a power of two, which changes no digit. Pictures far from zero also move towards it. The result goes back
the same way. Moderate pictures stay as they are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from unnoise.deprecated.module_names import renamed

if TYPE_CHECKING:
    from torch import Tensor

SMALL, LARGE = 2.0**-10, 2.0**20
"""Pictures whose largest value lies between these are not multiplied."""
INSIDE = 2.0**-1, 2.0**5
"""Where the largest value of small and of large ones comes to lie, at most: below white, as it was, and above it."""
FAR = 2.0**10
"""Values that lie further from zero than so many times their own range are moved."""


@dataclass(frozen=True)
class Rescaling:
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


def choose_rescaling(low: float, high: float) -> Rescaling | None:
    """For finite values from `low` to `high`; None: they are moderate."""
    if low == high:
        return Rescaling(low, 1.0) if low else None  # so that one value comes back to its last digit
    width, largest = high - low, max(abs(low), abs(high))
    shift = 0.0
    if 0 < width < largest / FAR and math.isfinite(width):
        shift = low - width  # not to zero, which means black
        largest = 2 * width
    if shift == 0 and SMALL <= largest <= LARGE:
        return None
    end = INSIDE[1] if largest > 1 else INSIDE[0]
    return Rescaling(shift, 2.0 ** min(1000, math.floor(math.log2(end) - math.log2(largest))))  # beyond, float64 ends


__getattr__ = renamed(__name__, {"Span": "Rescaling", "span_of": "choose_rescaling"})
