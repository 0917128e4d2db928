"""The transfer function of sRGB (IEC 61966-2-1) and its inverse, for any arrays. No torch is imported."""

from __future__ import annotations

from typing import Any

from array_api_compat import is_torch_array

from unnoise.array_api import array_namespace
from unnoise.photometry.array_ops import T, clip

DISPLAY_KNEE = 0.04045
"""Display value below which the curve is a straight line."""
LINEAR_KNEE = 0.0031308
"""The same point in linear light."""


def srgb_decode(display: T) -> T:
    """Turn display values into linear light.

    Args:
        display: floats of any shape, 0 black and 1 white. Values above 1 follow the curve, those below 0 its straight
            line.

    Returns:
        Linear light of the same kind, shape and type.

    >>> import numpy as np
    >>> srgb_decode(np.array([0.0, 0.5, 1.0])).round(3)
    array([0.   , 0.214, 1.   ])
    """
    values: Any = display
    curve: Any = _power((clip(values, DISPLAY_KNEE) + 0.055) / 1.055, 2.4)
    if not is_torch_array(values):
        return array_namespace(values).where(values <= DISPLAY_KNEE, values / 12.92, curve)
    curve += (clip(values, high=DISPLAY_KNEE) - DISPLAY_KNEE) / 12.92
    return curve


def srgb_encode(linear: T) -> T:
    """Turn linear light into display values: the inverse of `srgb_decode`, with the same arguments and result.

    >>> import numpy as np
    >>> srgb_encode(np.array([0.0, 0.214, 1.0])).round(2)
    array([0. , 0.5, 1. ])
    """
    values: Any = linear
    curve = _power(clip(values, LINEAR_KNEE), 1 / 2.4)
    curve *= 1.055
    curve -= 0.055
    if not is_torch_array(values):
        return array_namespace(values).where(values <= LINEAR_KNEE, 12.92 * values, curve)
    curve += (clip(values, high=LINEAR_KNEE) - LINEAR_KNEE) * 12.92
    return curve


def _power(x: Any, exponent: float) -> Any:
    """Raise x > 0 to a power. Tensors are overwritten: this form takes two thirds of the time of torch's own power.

    For the same reason the straight line is added to tensors, and not selected: a selection takes longer than
    arithmetic.
    """
    return x.log2_().mul_(exponent).exp2_() if is_torch_array(x) else x**exponent
