"""Noise2Same: the network may see every pixel, and is held back from using what it sees of the pixel itself.

Xie, Wang and Ji, "Noise2Same: Optimizing a Self-Supervised Bound for Image Denoising", NeurIPS 2020. One pass sees the
noisy picture, a second one the picture with some pixels replaced. Where the two differ at these pixels, the network relies
on them. The sum of the error and of this difference bounds the error against the clean picture, for noise that is
independent from pixel to pixel.
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from unnoise.schemes.base import Network
from unnoise.schemes.grid_masks import neighbour_mean
from unnoise.schemes.single_pass import SinglePass

NOISE_DEVIATION = 0.2
"""Of the noise that replaces pixels, in deviations of the crop."""


class Noise2Same(SinglePass):
    """Trains with one replaced value in each cell; restores a picture by one call. Any network will do.

    Example:
        >>> Noise2Same(cell=4).loss(lambda x: x, torch.rand(1, 3, 16, 16)).shape
        torch.Size([])
    """

    name: Literal["noise2same"] = "noise2same"
    cell: Annotated[int, Field(ge=2, le=64)] = 14
    """Side of the cells in pixels, each with one replaced value; 14 replaces half a percent of them."""
    weight: Annotated[float, Field(ge=0)] = 2.0
    """The paper's λ, of the difference between the two passes."""
    replaced_by: Literal["noise", "neighbours"] = "noise"
    """What replaces a value: Gaussian noise about the crop's mean, or the weighted mean of its eight neighbours."""

    def loss(self, network: Network, noisy: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """mean (y − x)² + λ √(mean over replaced values of (y − y')²), the paper's Eq. 9.

        All is in deviations of each crop, which the paper's code standardizes its pictures to: the root is not linear.
        """
        draws = generator if generator is not None else torch.Generator().manual_seed(0)
        hidden = one_in_each_cell(noisy.shape, self.cell, draws).to(noisy.device)
        deviation = noisy.std((1, 2, 3), keepdim=True).clamp_min(1e-6)
        if self.replaced_by == "noise":
            drawn = torch.randn(noisy.shape, generator=draws).to(noisy)
            filled = noisy.mean((1, 2, 3), keepdim=True) + NOISE_DEVIATION * deviation * drawn
        else:
            filled = neighbour_mean(noisy)
        both = torch.cat([noisy, torch.where(hidden, filled, noisy)]).contiguous(memory_format=torch.channels_last)
        whole, masked = network(both).chunk(2)
        difference = ((whole - masked) / deviation).square()[hidden].mean()
        return F.mse_loss(whole / deviation, noisy / deviation) + self.weight * (difference + 1e-12).sqrt()


def one_in_each_cell(shape: torch.Size, cell: int, generator: torch.Generator) -> Tensor:
    """One value of each cell and channel, drawn at random, as True: (B, C, H, W). Cells at the edge may have none.

    Args:
        shape: B, C, H and W.
        cell: side of the cells in pixels.
        generator: of the draws.

    Example:
        >>> one_in_each_cell(torch.Size([1, 3, 8, 8]), 4, torch.Generator().manual_seed(0)).sum().item()
        12
    """
    batch, channels, height, width = shape
    rows, columns = -(-height // cell), -(-width // cell)
    place = torch.randint(cell**2, (batch, channels, rows, columns, 1), generator=generator)
    chosen = (torch.arange(cell**2) == place).reshape(batch, channels, rows, columns, cell, cell)
    whole = chosen.permute(0, 1, 2, 4, 3, 5).reshape(batch, channels, rows * cell, columns * cell)
    whole = whole[..., :height, :width]
    if not whole.any():
        whole = whole.clone()
        whole[..., height // 2, width // 2] = True
    return whole
