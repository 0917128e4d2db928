"""Self-ensemble: the mean of the results for all eight flips and quarter turns of a picture.

Timofte et al., "Seven Ways to Improve Example-Based Single Image Super Resolution", CVPR 2016.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def self_ensemble(restore: Callable[[Tensor], Tensor], noisy: Tensor) -> Tensor:
    """Average `restore` over the eight flips and quarter turns of the input; each result is turned back first.

    Args:
        restore: (…, H, W) → the same shape, and (…, W, H) → the same shape.
        noisy: (…, H, W).

    Returns:
        (…, H, W).

    Example:
        >>> self_ensemble(lambda x: 2 * x, torch.ones(1, 1, 2, 3)).unique().tolist()
        [2.0]
    """
    total = torch.zeros_like(noisy)
    for turns in range(4):
        for flip in (False, True):
            turned = torch.rot90(noisy.flip(-1) if flip else noisy, turns, (-2, -1))
            result = torch.rot90(restore(turned), -turns, (-2, -1))
            total += result.flip(-1) if flip else result
    return total / 8
