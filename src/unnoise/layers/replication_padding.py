"""Padding by repeating the last row and column, for networks whose published code pads so.

A blind network must not use it: the repeated pixel is the one that it must not see.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from unnoise.layers.polyphase import missing


def pad_to_multiple_replicate(x: Tensor, multiple: int) -> Tensor:
    """Repeat the last row and column until both sides divide by a number: (B, C, H, W) → (B, C, H', W').

    Example:
        >>> pad_to_multiple_replicate(torch.arange(3.0).reshape(1, 1, 1, 3), 2).tolist()
        [[[[0.0, 1.0, 2.0, 2.0], [0.0, 1.0, 2.0, 2.0]]]]
    """
    rows, columns = missing(x.shape[-2], multiple), missing(x.shape[-1], multiple)
    if not (torch.compiler.is_compiling() or rows or columns):
        return x
    return F.pad(x, (0, columns, 0, rows), mode="replicate")
