"""Rescaling: floats of extreme size, such as volts or dates in seconds, move to where float32 holds them.

A measurement may reach from 0 to 1e-12, or from 1e9 to 1e9 + 1. The seven digits of float32 would not tell the second
one's values apart. And the code around the network treats numbers such as 1e-12 as zero. So extreme pictures are
multiplied by a power of two, which changes no digit. Pictures far from zero also move towards it. The result goes back
the same way. Moderate pictures stay as they are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from unnoise.array_api import array_namespace
from unnoise.deprecated.module_names import renamed

SMALL, LARGE = 2.0**-10, 2.0**20
"""Pictures whose largest value lies between these are not multiplied."""
INSIDE = 2.0**-1, 2.0**5
"""Upper bound of the largest value after rescaling: of small pictures, and of large ones."""
FAR = 2.0**10
"""Values move towards zero if their distance from it exceeds this many times their own range."""


@dataclass(frozen=True)
class Rescaling:
    """x → (x − shift) · factor and back, in float64.

    >>> import numpy as np
    >>> Rescaling(shift=1e6, factor=1e-3).forward(np.array([1e6, 2e6]))
    array([   0., 1000.], dtype=float32)
    """

    shift: float
    factor: float

    def forward(self, values: Any) -> Any:
        """As float32; an array or a tensor, of any shape."""
        xp = array_namespace(values)
        return xp.astype((xp.astype(values, xp.float64, copy=False) - self.shift) * self.factor, xp.float32)

    def inverse(self, values: Any, dtype: Any) -> Any:
        """From what `seen` gave, in another type."""
        xp = array_namespace(values)
        return xp.astype(xp.astype(values, xp.float64, copy=False) / self.factor + self.shift, dtype, copy=False)


def choose_rescaling(low: float, high: float) -> Rescaling | None:
    """The rescaling for finite values from `low` to `high`. None: float32 holds them well.

    >>> choose_rescaling(0.0, 1000.0) is None
    True
    """
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
