"""Channels: fitting those of a picture to the number that a network takes, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from unnoise.array_api import array_namespace


def fit_channels(noisy: Any, channels: int) -> Any:
    """Fit the channels to a network, (B, C, H, W) → (B', channels, H, W): repeat a grey one, else take them one by one.

    >>> import numpy as np
    >>> fit_channels(np.zeros((2, 1, 8, 8)), 3).shape
    (2, 3, 8, 8)
    >>> fit_channels(np.zeros((2, 4, 8, 8)), 3).shape
    (8, 3, 8, 8)
    """
    if noisy.shape[1] == channels:
        return noisy
    xp = array_namespace(noisy)
    alone = xp.reshape(noisy, (-1, 1, *noisy.shape[-2:]))  # (B·C, 1, H, W)
    return alone if channels == 1 else xp.broadcast_to(alone, (len(alone), channels, *noisy.shape[-2:]))


def unfit_channels(restored: Any, shape: Sequence[int]) -> Any:
    """Undo `fit_channels`. Repeated channels are averaged.

    Args:
        restored: (B', channels, H, W), as `fit_channels` made it.
        shape: (B, C, H, W), the shape before.

    >>> import numpy as np
    >>> unfit_channels(np.zeros((8, 3, 8, 8)), (2, 4, 8, 8)).shape
    (2, 4, 8, 8)
    """
    if tuple(restored.shape) == tuple(shape):
        return restored
    xp = array_namespace(restored)
    if restored.shape[1] != 1:
        restored = xp.mean(restored, axis=1, keepdims=True)
    return xp.reshape(restored, tuple(shape))  # (B, C, H, W)
