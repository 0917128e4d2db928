"""Channels: fitting those of a picture to the number that a network takes, and back."""

from __future__ import annotations

import torch
from torch import Tensor


def fit_channels(noisy: Tensor, channels: int) -> Tensor:
    """Fit the channels to a network, (B, C, H, W) → (B', channels, H, W): repeat a grey one, else take them one by one.

    >>> fit_channels(torch.zeros(2, 1, 8, 8), 3).shape
    torch.Size([2, 3, 8, 8])
    >>> fit_channels(torch.zeros(2, 4, 8, 8), 3).shape
    torch.Size([8, 3, 8, 8])
    """
    if noisy.shape[1] == channels:
        return noisy
    if channels == 1:
        return noisy.reshape(-1, 1, *noisy.shape[-2:])  # (B·C, 1, H, W)
    if noisy.shape[1] == 1:
        return noisy.expand(-1, channels, -1, -1)
    return noisy.reshape(-1, 1, *noisy.shape[-2:]).expand(-1, channels, -1, -1)  # (B·C, channels, H, W)


def unfit_channels(restored: Tensor, shape: torch.Size) -> Tensor:
    """Undo `fit_channels`. Repeated channels are averaged.

    Args:
        restored: (B', channels, H, W), as `fit_channels` made it.
        shape: (B, C, H, W), the shape before.

    >>> unfit_channels(torch.zeros(8, 3, 8, 8), torch.Size([2, 4, 8, 8])).shape
    torch.Size([2, 4, 8, 8])
    """
    if restored.shape == shape:
        return restored
    if restored.shape[1] != 1:
        restored = restored.mean(1, keepdim=True)
    return restored.reshape(shape)  # (B, C, H, W)
