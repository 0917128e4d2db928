"""Patch-shuffle: halving a map without parting pixels that a blind-spot network must keep apart.

Jang et al., "PUCA: Patch-Unshuffle and Channel Attention for Enhanced Self-Supervised Image Denoising", NeurIPS 2023.
Pixel-unshuffle would bring a pixel's neighbours into its own place. Here whole patches of s×s pixels become channels.
So every row and column keeps its remainder by s, and convolutions with dilation s stay blind.
"""

from __future__ import annotations

from torch import Tensor


def patch_unshuffle(x: Tensor, side: int) -> Tensor:
    """(B, C, H, W) → (B, C·s², H/s, W/s): each square of s×s patches becomes one patch, and the patches its channels.

    Args:
        x: H and W divide by s².
        side: s, of a patch in pixels.

    Example:
        >>> import torch
        >>> patch_unshuffle(torch.arange(16.0).reshape(1, 1, 4, 4), 2)[0, 1]
        tensor([[2., 3.],
                [6., 7.]])
    """
    batch, channels, height, width = x.shape
    tiles = height // side**2, width // side**2
    if channels > 1 and x.stride(1) == 1:  # channels last, and the result as well
        x = x.permute(0, 2, 3, 1).reshape(batch, tiles[0], side, side, tiles[1], side, side, channels)
        x = x.permute(0, 1, 3, 4, 6, 7, 2, 5)  # (B, rows, i, columns, j, C, patch, patch)
        return x.reshape(batch, height // side, width // side, channels * side**2).permute(0, 3, 1, 2)
    x = x.reshape(batch, channels, tiles[0], side, side, tiles[1], side, side)  # (B, C, rows, patch, i, columns, patch, j)
    x = x.permute(0, 1, 3, 6, 2, 4, 5, 7)  # (B, C, patch, patch, rows, i, columns, j)
    return x.reshape(batch, channels * side**2, height // side, width // side)


def patch_shuffle(x: Tensor, side: int) -> Tensor:
    """The inverse of `patch_unshuffle`: (B, C·s², h, w) → (B, C, h·s, w·s).

    Example:
        >>> import torch
        >>> x = torch.rand(1, 3, 8, 4)
        >>> torch.equal(patch_shuffle(patch_unshuffle(x, 2), 2), x)
        True
    """
    batch, channels, height, width = x.shape
    if channels > 1 and x.stride(1) == 1:
        x = x.permute(0, 2, 3, 1).reshape(batch, height // side, side, width // side, side, -1, side, side)
        x = x.permute(0, 1, 6, 2, 3, 7, 4, 5)  # (B, rows, patch, i, columns, patch, j, C)
        return x.reshape(batch, height * side, width * side, channels // side**2).permute(0, 3, 1, 2)
    x = x.reshape(batch, -1, side, side, height // side, side, width // side, side)  # (B, C, patch, patch, rows, i, columns, j)
    x = x.permute(0, 1, 4, 2, 5, 6, 3, 7)  # (B, C, rows, patch, i, columns, patch, j)
    return x.reshape(batch, channels // side**2, height * side, width * side)
