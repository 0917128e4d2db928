"""A border of reflected pixels around a pass, for networks that do worse near the zeros at the edge."""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor

from unnoise.regions import Region


def with_reflected_border(run: Callable[[Tensor], Tensor], x: Tensor, border: int) -> Tensor:
    """Pad (B, C, H, W) by reflection, run, and crop the border off the result, (…, H', W') → (…, H, W).

    A small image gets at most H − 1 and W − 1 pixels. Near the edge of the picture a blind network is then no longer
    blind, since the reflection shows a pixel to itself.

    Args:
        run: takes the padded image.
        x: (B, C, H, W).
        border: pixels on each side.

    Example:
        >>> import torch
        >>> with_reflected_border(lambda x: 2 * x, torch.ones(1, 1, 3, 3), border=2).shape
        torch.Size([1, 1, 3, 3])
    """
    height, width = x.shape[-2:]
    return region_with_reflected_border(lambda x, region: run(x)[..., *region], x, border, (slice(0, height), slice(0, width)))


def region_with_reflected_border(run: Callable[[Tensor, Region], Tensor], x: Tensor, border: int, region: Region) -> Tensor:
    """`with_reflected_border` for one region of x; `run` receives that region in the coordinates of the padded image.

    >>> import torch
    >>> x = torch.rand(1, 1, 8, 8)
    >>> whole = lambda padded, region: padded[..., region[0], region[1]]
    >>> torch.equal(region_with_reflected_border(whole, x, 2, (slice(0, 3), slice(0, 8))), x[..., :3, :])
    True
    """
    height, width = x.shape[-2:]
    by = min(border, height - 1), min(border, width - 1)
    if not any(by):
        return run(x, region)
    padded = F.pad(x, (by[1], by[1], by[0], by[0]), mode="reflect")
    rows, columns = (slice(place.start + more, place.stop + more) for place, more in zip(region, by, strict=True))
    return run(padded, (rows, columns))
