"""Constant regions of a measurement: fills at the edge, gaps between tiles, scale bars, saturated places.

A region is constant where a square of 5×5 pixels has the picture's lowest value throughout, and that value is rare
elsewhere. Counts that happen to be zero, and noise that black cuts off, are not rare elsewhere. Of the highest value a
quarter of a square of 7×7 is enough, so that thin scale bars and time stamps count too.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

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

    >>> x = torch.ones(1, 9, 9)
    >>> x[:, :, :3] = 0
    >>> int(ConstantValues(torch.tensor([[0.0, torch.nan]])).find(x, torch.ones_like(x, dtype=torch.bool)).sum())
    27
    """

    ends: Tensor
    """(P, 2): low and high. NaN: there is no such region."""

    def find(self, x: Tensor, valid: Tensor) -> Tensor:
        """The pixels of constant regions, (P, H, W) each."""
        result = torch.zeros_like(valid)
        for number, end in enumerate(self.ends.unbind(1)):
            if not bool(end.isnan().all()):
                result |= _regions(x, valid, end, high=number == 1)
        return result

    @property
    def is_none(self) -> bool:
        return bool(self.ends.isnan().all())


def count_constant(x: Tensor, valid: Tensor, ends: Tensor, inner: slice) -> Tensor:
    """Count pixels of constant regions, and stray ones.

    Args:
        x, valid: (P, H, W).
        ends: (P, 2), the values.
        inner: the rows that are counted.

    Returns:
        (P, 2, 3): for each value the pixels in its regions, the pixels with this value elsewhere, and the pixels in
        squares of 3×3 without it.

    >>> x = torch.ones(1, 9, 9)
    >>> x[:, :, :3], x[:, 4, 8] = 0, 0
    >>> count_constant(x, torch.ones_like(x, dtype=torch.bool), torch.tensor([[0.0, 2.0]]), slice(0, 9))
    tensor([[[27,  1, 53],
             [ 0,  0, 81]]])
    """
    counts = []
    for number, end in enumerate(ends.unbind(1)):
        same = (x == end[:, None, None]) & valid
        inside = _regions(x, valid, end, high=number == 1) if bool(same.any()) else same
        other = valid & ~same
        whole = other & _dilate(_erode(other | ~valid, 1), 1)
        found = [part[:, inner].flatten(1).sum(1) for part in (inside, same & ~inside, whole)]
        counts.append(torch.stack(found, dim=1))
    return torch.stack(counts, dim=1)


def decide_constant(ends: Tensor, counts: Tensor, valid_count: Tensor) -> ConstantValues:
    """Which values have constant regions.

    Args:
        ends: (P, 2), the lowest and the highest value.
        counts: the sum of what `count_constant` gave for all rows.
        valid_count: (P,), the number of pixels that are not missing.

    >>> ends, pixels = torch.tensor([[0.0, 9.0]]), torch.tensor([1000])
    >>> decide_constant(ends, torch.tensor([[[200, 0, 800], [0, 1, 999]]]), pixels).ends
    tensor([[0., nan]])
    """
    inside, stray, whole = counts.unbind(-1)
    others = valid_count[:, None] - inside
    solid = (inside >= MIN_PIXELS) & (stray <= MAX_STRAY_SHARE * others) & (others > MIN_PIXELS)
    solid &= whole >= MIN_WHOLE_SHARE * others  # else the others are single photons among zeros
    solid[:, 1] &= inside[:, 1] <= MAX_DENSE_SHARE * valid_count
    return ConstantValues(torch.where(solid, ends, torch.nan))


def _regions(x: Tensor, valid: Tensor, end: Tensor, *, high: bool) -> Tensor:
    same = (x == end[:, None, None]) & valid
    if high:
        side = DENSE_SIDE_PIXELS
        share = F.avg_pool2d(same[:, None].to(torch.float32), side, 1, side // 2)[:, 0]
        core = same & (share * side**2 > DENSE_PIXELS - 0.5)
    else:
        # Missing pixels and those beyond the edge count as equal, so that a narrow fill at the edge is found.
        core = _dilate(_erode(same | ~valid, SIDE_PIXELS // 2), SIDE_PIXELS // 2) & same
    return same & _dilate(core, EDGE_PIXELS)


def _dilate(x: Tensor, radius: int) -> Tensor:
    return F.max_pool2d(x[:, None].to(torch.float32), 2 * radius + 1, 1, radius)[:, 0] > 0


def _erode(x: Tensor, radius: int) -> Tensor:
    return ~_dilate(~x, radius)
