"""Reflection padding, for networks that need sides divisible by 8, 16 or 32.

A blind network must not use it. The reflection of row i beyond the edge shows the network the very pixel that it must
not see. Pad such a network with zeros, by `unnoise.layers.polyphase.pad_to_multiple`.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from unnoise.layers.polyphase import missing


def pad_to_multiple_reflect(x: Tensor, multiple: int) -> Tensor:
    """Pad by reflection at the bottom and right until both sides divide by a number: (B, C, H, W) → (B, C, H', W').

    The last row and column are not repeated. An image smaller than its padding is reflected several times. A side of
    one pixel is repeated.

    Example:
        >>> pad_to_multiple_reflect(torch.arange(3.0).reshape(1, 1, 1, 3), 2).tolist()
        [[[[0.0, 1.0, 2.0, 1.0], [0.0, 1.0, 2.0, 1.0]]]]
    """
    height, width = x.shape[-2:]
    rows, columns = missing(height, multiple), missing(width, multiple)
    if not rows and not columns:
        return x
    if rows < height and columns < width:
        return F.pad(x, (0, columns, 0, rows), mode="reflect")
    x = x.index_select(-2, _to_and_fro(height, height + rows, x.device))  # (B, C, H + rows, W)
    return x.index_select(-1, _to_and_fro(width, width + columns, x.device))  # (B, C, H + rows, W + columns)


def _to_and_fro(length: int, total: int, device: torch.device) -> Tensor:
    """The first `total` of the indices 0, 1, …, length − 1, length − 2, …, 1, 0, 1, …"""
    period = max(1, 2 * (length - 1))
    places = torch.arange(total, device=device) % period
    return torch.minimum(places, period - places) if length > 1 else places
