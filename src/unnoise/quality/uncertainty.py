"""Where a restoration is unsure: how far results differ that ought to be the same."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def spread(results: Sequence[Tensor]) -> Tensor:
    """The standard deviation over results of one picture, (1, C, H, W) each → (1, H, W), channels together.

    >>> spread([torch.zeros(1, 3, 2, 2), torch.ones(1, 3, 2, 2)])
    tensor([[[0.5000, 0.5000],
             [0.5000, 0.5000]]])
    """
    return torch.stack(list(results)).var(0, correction=0).mean(1).sqrt()
