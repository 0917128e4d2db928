"""Sums and mixtures of channels as products of matrices, which is what a processor does best."""

from __future__ import annotations

import torch
from torch import Tensor

from unnoise.layers import triton as kernels


def channel_sums(x: Tensor, *, exactly: bool = True) -> Tensor:
    """The sum along the channels of each pixel, (B, C, H, W) → (B, 1, H, W) in float32 at least, for an x that `can_fuse`, channels last.

    torch's sums of so few neighbours take several times as long as a product with ones. That rounds its results to x's type; a second
    one, of what the first left, makes them exact to twice as many bits where that is asked for.
    """
    rows = x.permute(0, 2, 3, 1).flatten(0, 2)  # (B·H·W, C)
    ones = rows.new_ones(rows.shape[1], 1)
    coarse = rows @ ones
    sums = coarse.to(torch.promote_types(x.dtype, torch.float32))  # (B·H·W, 1)
    if exactly and sums.dtype != x.dtype:
        sums = sums + torch.addmm(-coarse, rows, ones)
    return sums.reshape(len(x), 1, *x.shape[-2:])


def image_means(x: Tensor) -> Tensor:
    """The mean of each channel of each image, (B, C, H, W) → (B, C, 1, 1), for an x that `can_fuse`.

    On a CPU, where the pixels are rows of memory, a product with ones takes half the time of torch's sums.
    """
    if x.stride(1) != 1 or kernels.can_run(x):
        return x.mean((2, 3), keepdim=True)
    rows = x.permute(0, 2, 3, 1).flatten(1, 2)  # (B, H·W, C)
    sums = rows.new_ones(1, 1, rows.shape[1]).expand(len(rows), -1, -1) @ rows  # (B, 1, C)
    return sums.mT[..., None] / rows.shape[1]


def mix_channels(matrices: Tensor, x: Tensor) -> Tensor:
    """Multiply each pixel of image b in x, (B, C, H, W), by the b-th of `matrices`, (B, C', C).

    Gives (B, C', H, W), in the memory format of x.
    """
    batch, _, height, width = x.shape
    if x.stride(1) == 1:
        rows = x.permute(0, 2, 3, 1).flatten(1, 2) @ matrices.mT  # (B, H·W, C')
        return rows.reshape(batch, height, width, -1).permute(0, 3, 1, 2)
    return (matrices @ x.flatten(2)).reshape(batch, -1, height, width)
