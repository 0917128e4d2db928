"""A border of reflected pixels around a pass, for networks that do worse where zeros begin."""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor

from unnoise.regions import Region


def with_reflected_border(run: Callable[[Tensor], Tensor], x: Tensor, border: int) -> Tensor:
    """Reflect-pad (B, C, H, W) by `border` pixels, as far as the image allows, call `run`, and crop its (…, H', W') to (…, H, W).

    Near the edge of the picture a blind network is no longer blind: the reflection shows a pixel to itself.
    """
    height, width = x.shape[-2:]
    return region_with_reflected_border(lambda x, wanted: run(x)[..., *wanted], x, border, (slice(0, height), slice(0, width)))


def region_with_reflected_border(run: Callable[[Tensor, Region], Tensor], x: Tensor, border: int, wanted: Region) -> Tensor:
    """`with_reflected_border`, cropped to the rows and columns `wanted` of x; `run` gets the place that is wanted of the padded image."""
    height, width = x.shape[-2:]
    by = min(border, height - 1), min(border, width - 1)
    if not any(by):
        return run(x, wanted)
    padded = F.pad(x, (by[1], by[1], by[0], by[0]), mode="reflect")
    rows, columns = (slice(place.start + more, place.stop + more) for place, more in zip(wanted, by, strict=True))
    return run(padded, (rows, columns))
