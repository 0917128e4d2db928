"""Between the channels that a picture has and those that a network takes."""

from __future__ import annotations

import torch
from torch import Tensor


def fit_channels(noisy: Tensor, channels: int) -> Tensor:
    """(B, C, H, W) → (B', channels, H, W): repeat grey, or take the channels one by one.

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
    """Undo `fit_channels`: from what it made of (B, C, H, W) = `shape` back to that shape. Repeated channels are averaged."""
    if restored.shape == shape:
        return restored
    if restored.shape[1] != 1:
        restored = restored.mean(1, keepdim=True)
    return restored.reshape(shape)  # (B, C, H, W)
