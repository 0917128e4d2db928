"""A border of reflected pixels around a pass, for networks that do worse where zeros begin."""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor


def within_reflection(run: Callable[[Tensor], Tensor], x: Tensor, border: int) -> Tensor:
    """Reflect-pad (B, C, H, W) by `border` pixels, as far as the image allows, call `run`, and crop its (…, H', W') to (…, H, W).

    Near the edge of the picture a blind network is no longer blind: the reflection shows a pixel to itself.
    """
    height, width = x.shape[-2:]
    rows, columns = min(border, height - 1), min(border, width - 1)
    if not rows and not columns:
        return run(x)
    padded = F.pad(x, (columns, columns, rows, rows), mode="reflect")
    return run(padded)[..., rows : rows + height, columns : columns + width]
