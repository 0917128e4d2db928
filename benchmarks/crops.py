"""The middle of a picture, for benchmarks that need no more of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def middle(picture: Array, side: int | None) -> Array:
    """(H, W, …) → at most (side, side, …), in memory of its own; None: the whole."""
    if side is None:
        return picture
    top, left = ((length - min(side, length)) // 2 for length in picture.shape[:2])
    return np.ascontiguousarray(picture[top : top + side, left : left + side])
