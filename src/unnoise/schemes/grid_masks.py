"""Masks on a regular grid: one pixel in each cell of n×n is hidden, and n² such masks hide every pixel once.

Batson and Royer, "Noise2Self: Blind Denoising by Self-Supervision", ICML 2019; Wang et al., "Blind2Unblind:
Self-Supervised Image Denoising with Visible Blind Spots", CVPR 2022.
"""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from unnoise.regions import Region
from unnoise.schemes.base import Network, run_region

CORNER_WEIGHT = 0.5
"""Of the four diagonal neighbours; the four others have the weight 1."""


def hidden_pixels(height: int, width: int, period: int, number: int, device: torch.device | str = "cpu") -> Tensor:
    """The pixels that one mask of the grid hides, (1, 1, H, W), True where hidden.

    Args:
        height, width: of the image.
        period: n, the side of a cell.
        number: which pixel of each cell, 0 to n² − 1, row by row.

    Example:
        >>> hidden_pixels(2, 4, period=2, number=1).int().tolist()
        [[[[0, 1, 0, 1], [0, 0, 0, 0]]]]
    """
    row, column = divmod(number, period)
    rows = torch.arange(height, device=device) % period == row
    columns = torch.arange(width, device=device) % period == column
    return (rows[:, None] & columns)[None, None]


def neighbour_mean(x: Tensor) -> Tensor:
    """The weighted mean of the eight neighbours of each pixel, without itself, (B, C, H, W) → the same shape.

    Diagonal neighbours have half the weight of the others. At the edges, the neighbours that there are count. A picture
    of one pixel has none, and gives zero.

    Example:
        >>> neighbour_mean(torch.tensor([[[[1.0, 5.0, 3.0]]]])).tolist()
        [[[[5.0, 2.0, 5.0]]]]
    """
    edge, corner = 1.0, CORNER_WEIGHT
    kernel = torch.tensor([[corner, edge, corner], [edge, 0, edge], [corner, edge, corner]], dtype=x.dtype, device=x.device)
    channels = x.shape[1]
    total = F.conv2d(x, kernel.expand(channels, 1, 3, 3), padding=1, groups=channels)
    weight = F.conv2d(torch.ones_like(x[:1, :1]), kernel.expand(1, 1, 3, 3), padding=1)
    return total / weight.clamp(min=CORNER_WEIGHT)


def predict_grid(network: Network, images: Tensor, filled: Tensor, period: int, region: Region | None = None) -> Tensor:
    """Each pixel as the network predicts it where a mask of the grid hides it. The network runs n² times.

    Args:
        network: sees `filled` at the hidden pixels, and the images elsewhere.
        images: (B, C, H, W).
        filled: of the same shape, what stands in place of hidden pixels. It must not depend on the pixel itself.
        period: n.
        region: rows and columns to predict; None: all.

    Returns:
        (B, C, H, W), or of the size of the region.

    Example:
        >>> x = torch.rand(1, 1, 5, 5)
        >>> torch.equal(predict_grid(lambda x: x, x, torch.zeros_like(x), 2), torch.zeros_like(x))
        True
    """
    run = network if region is None else partial(run_region, network, region=region)
    place = (...,) if region is None else (..., *region)
    result = torch.zeros_like(images[place])
    for number in range(period**2):
        hidden = hidden_pixels(images.shape[-2], images.shape[-1], period, number, images.device)
        if bool(hidden[place].any()):  # a small image has no pixel at some places of the cell
            result = torch.where(hidden[place], run(torch.where(hidden, filled, images)).to(result.dtype), result)
    return result
