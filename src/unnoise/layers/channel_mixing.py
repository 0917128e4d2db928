"""Sums and mixtures of channels as matrix products, which are fast on every processor."""

from __future__ import annotations

import torch
from torch import Tensor

from unnoise.layers import triton as kernels


def channel_sums(x: Tensor, *, exactly: bool = True) -> Tensor:
    """Sum the channels of each pixel: (B, C, H, W) → (B, 1, H, W), at least float32.

    A product with ones is several times faster than torch's sum over so few neighbours. It rounds the result to the
    type of x. A second product adds what the first one rounded off.

    Args:
        x: channels last, and `can_fuse`.
        exactly: whether to make the second product.

    Example:
        >>> channel_sums(torch.ones(1, 3, 1, 1).contiguous(memory_format=torch.channels_last)).item()
        3.0
    """
    rows = x.permute(0, 2, 3, 1).flatten(0, 2)  # (B·H·W, C)
    ones = rows.new_ones(rows.shape[1], 1)
    coarse = rows @ ones
    sums = coarse.to(torch.promote_types(x.dtype, torch.float32))  # (B·H·W, 1)
    if exactly and sums.dtype != x.dtype:
        sums = sums + torch.addmm(-coarse, rows, ones)
    return sums.reshape(len(x), 1, *x.shape[-2:])


def spatial_means(x: Tensor) -> Tensor:
    """The mean of each channel of each image, (B, C, H, W) → (B, C, 1, 1), for an x that `can_fuse`.

    On a CPU with channels last a product with ones takes half the time of torch's mean.

    Example:
        >>> spatial_means(torch.ones(2, 3, 4, 4)).shape
        torch.Size([2, 3, 1, 1])
    """
    if x.stride(1) != 1 or kernels.can_run(x):
        return x.mean((2, 3), keepdim=True)
    rows = x.permute(0, 2, 3, 1).flatten(1, 2)  # (B, H·W, C)
    sums = rows.new_ones(1, 1, rows.shape[1]).expand(len(rows), -1, -1) @ rows  # (B, 1, C)
    return sums.mT[..., None] / rows.shape[1]


def mix_channels(matrices: Tensor, x: Tensor) -> Tensor:
    """Multiply each pixel of image b by matrix b, in the memory format of x.

    Args:
        matrices: (B, C', C).
        x: (B, C, H, W).

    Returns:
        (B, C', H, W).

    Example:
        >>> mix_channels(torch.ones(1, 1, 3), torch.ones(1, 3, 2, 2)).unique().tolist()
        [3.0]
    """
    batch, _, height, width = x.shape
    if x.stride(1) == 1:
        rows = x.permute(0, 2, 3, 1).flatten(1, 2) @ matrices.mT  # (B, H·W, C')
        return rows.reshape(batch, height, width, -1).permute(0, 3, 1, 2)
    return (matrices @ x.flatten(2)).reshape(batch, -1, height, width)
