"""Uncertainty of a restoration: the spread of several results that should be equal."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def spread(results: Sequence[Tensor]) -> Tensor:
    """The standard deviation over results of one picture, all channels together.

    Args:
        results: (1, C, H, W) each.

    Returns:
        (1, H, W), in the unit of the results.

    >>> spread([torch.zeros(1, 3, 2, 2), torch.ones(1, 3, 2, 2)])
    tensor([[[0.5000, 0.5000],
             [0.5000, 0.5000]]])
    """
    return torch.stack(list(results)).var(0, correction=0).mean(1).sqrt()
