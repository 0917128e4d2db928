"""Constant regions of a measurement: fills at the edge, gaps between tiles, scale bars, saturated places.

A region is constant where a square of 5×5 pixels has the picture's lowest value throughout, and that value is rare
elsewhere. Counts that happen to be zero, and noise that black cuts off, are not rare elsewhere. Of the highest value a
quarter of a square of 7×7 is enough, so that thin scale bars and time stamps count too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from unnoise.array_api import array_namespace
from unnoise.photometry.array_windows import dilate_mask, near_means

SIDE_PIXELS = 5
"""Side of the smallest region."""
DENSE_SIDE_PIXELS, DENSE_PIXELS = 7, 12
"""Of the highest value, so many pixels in a square of this side make a region."""
MAX_DENSE_SHARE = 0.25
"""Largest share of the picture that such regions may have: more would be counts of one photon."""
EDGE_PIXELS = 3
"""Pixels of the same value this near to a region belong to it."""
MIN_PIXELS = 32
"""Regions hold at least this many pixels in all."""
MAX_STRAY_SHARE = 0.002
"""Largest share of the other pixels that may have the value too."""
MIN_WHOLE_SHARE = 0.5
"""Smallest share of the other pixels that lie in squares of 3×3 without the value."""
REACH_PIXELS = DENSE_SIDE_PIXELS + EDGE_PIXELS


@dataclass(frozen=True)
class ConstantValues:
    """The values that constant regions have.

    >>> import numpy as np
    >>> x = np.ones((1, 9, 9))
    >>> x[:, :, :3] = 0
    >>> int(ConstantValues(np.array([[0.0, np.nan]])).find(x, np.ones_like(x, dtype=bool)).sum())
    27
    """

    ends: Any
    """(P, 2): low and high. NaN: there is no such region."""

    def find(self, x: Any, valid: Any) -> Any:
        """The pixels of constant regions, (P, H, W) each."""
        xp = array_namespace(x)
        result = xp.zeros_like(valid)
        for number, end in enumerate(self.ends.T):
            if not bool(xp.all(xp.isnan(end))):
                result |= _regions(x, valid, end, high=number == 1)
        return result

    @property
    def is_none(self) -> bool:
        xp = array_namespace(self.ends)
        return bool(xp.all(xp.isnan(self.ends)))


def count_constant(x: Any, valid: Any, ends: Any, inner: slice) -> Any:
    """Count pixels of constant regions, and stray ones.

    Args:
        x, valid: (P, H, W).
        ends: (P, 2), the values.
        inner: the rows that are counted.

    Returns:
        (P, 2, 3): for each value the pixels in its regions, the pixels with this value elsewhere, and the pixels in
        squares of 3×3 without it.

    >>> import numpy as np
    >>> x = np.ones((1, 9, 9))
    >>> x[:, :, :3], x[:, 4, 8] = 0, 0
    >>> count_constant(x, np.ones_like(x, dtype=bool), np.array([[0.0, 2.0]]), slice(0, 9)).tolist()
    [[[27, 1, 53], [0, 0, 81]]]
    """
    xp = array_namespace(x)
    counts = []
    for number, end in enumerate(ends.T):
        same = (x == end[:, None, None]) & valid
        inside = _regions(x, valid, end, high=number == 1) if bool(xp.any(same)) else same
        other = valid & ~same
        whole = other & dilate_mask(_erode(other | ~valid, 1), 1)
        found = [part[:, inner].sum((1, 2)) for part in (inside, same & ~inside, whole)]
        counts.append(xp.stack(found, axis=1))
    return xp.stack(counts, axis=1)


def decide_constant(ends: Any, counts: Any, valid_count: Any) -> ConstantValues:
    """Which values have constant regions.

    Args:
        ends: (P, 2), the lowest and the highest value.
        counts: the sum of what `count_constant` gave for all rows.
        valid_count: (P,), the number of pixels that are not missing.

    >>> import numpy as np
    >>> ends, pixels = np.array([[0.0, 9.0]]), np.array([1000])
    >>> decide_constant(ends, np.array([[[200, 0, 800], [0, 1, 999]]]), pixels).ends
    array([[ 0., nan]])
    """
    inside, stray, whole = (counts[..., kind] for kind in range(3))
    others = valid_count[:, None] - inside
    solid = (inside >= MIN_PIXELS) & (stray <= MAX_STRAY_SHARE * others) & (others > MIN_PIXELS)
    solid &= whole >= MIN_WHOLE_SHARE * others  # else the others are single photons among zeros
    solid[:, 1] &= inside[:, 1] <= MAX_DENSE_SHARE * valid_count
    return ConstantValues(array_namespace(ends).where(solid, ends, math.nan))


def _regions(x: Any, valid: Any, end: Any, *, high: bool) -> Any:
    same = (x == end[:, None, None]) & valid
    if high:
        side = DENSE_SIDE_PIXELS
        xp = array_namespace(x)
        share = near_means(xp.astype(same, xp.float32), side)
        core = same & (share * side**2 > DENSE_PIXELS - 0.5)
    else:
        # Missing pixels and those beyond the edge count as equal, so that a narrow fill at the edge is found.
        core = dilate_mask(_erode(same | ~valid, SIDE_PIXELS // 2), SIDE_PIXELS // 2) & same
    return same & dilate_mask(core, EDGE_PIXELS)


def _erode(x: Any, radius: int) -> Any:
    return ~dilate_mask(~x, radius)
