"""Padding by reflection, for networks whose down-sampling asks for sides that divide by 8, 16 or 32.

Not for a blind network: the reflection of row i past the edge shows the network the very pixel that it must not see. Such a
network is padded with zeros, by `unnoise.layers.polyphase.pad_to_multiple`.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def pad_to_multiple_reflect(x: Tensor, multiple: int) -> Tensor:
    """Pad (B, C, H, W) by reflection at the bottom and right to sides that divide by `multiple`.

    The last row and column are not repeated. An image smaller than its padding is reflected to and fro as often as needed; a
    side of one pixel is repeated.
    """
    height, width = x.shape[-2:]
    rows, columns = -height % multiple, -width % multiple
    if not rows and not columns:
        return x
    if rows < height and columns < width:
        return F.pad(x, (0, columns, 0, rows), mode="reflect")
    x = x.index_select(-2, _to_and_fro(height, height + rows, x.device))  # (B, C, H + rows, W)
    return x.index_select(-1, _to_and_fro(width, width + columns, x.device))  # (B, C, H + rows, W + columns)


def _to_and_fro(length: int, total: int, device: torch.device) -> Tensor:
    """The first `total` of 0, 1, …, length − 1, length − 2, …, 1, 0, 1, …"""
    period = max(1, 2 * (length - 1))
    places = torch.arange(total, device=device) % period
    return torch.minimum(places, period - places) if length > 1 else places
