"""Neighbor2Neighbor: each cell of 2×2 pixels gives one pixel to each of two half-size images, which predict each other.

Huang, Li, Jia, Lu and Liu, "Neighbor2Neighbor: Self-Supervised Denoising from Single Noisy Images", CVPR 2021. Both
images show nearly the same scene with independent noise. A second term makes up for the small difference of the scenes:
the network's results for the whole picture, sampled at the same places, should differ as the images do.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import Field, PrivateAttr
from torch import Tensor

from unnoise.rng import integers
from unnoise.schemes.base import Network
from unnoise.schemes.single_pass import SinglePass

PAIRS = ((0, 1), (0, 2), (1, 3), (2, 3), (1, 0), (2, 0), (3, 1), (3, 2))
"""The ordered pairs of adjacent pixels of a cell, whose pixels are numbered row by row."""


class Neighbor2Neighbor(SinglePass):
    """Trains on pairs of half-size images; restores a picture by one call. Any network will do.

    Example:
        >>> scheme = Neighbor2Neighbor().at(0.5)
        >>> scheme.loss(lambda x: x, torch.ones(1, 3, 8, 8), torch.Generator())
        tensor(0.)
    """

    changes_over_run: ClassVar[bool] = True
    name: Literal["neighbor2neighbor"] = "neighbor2neighbor"
    gamma: Annotated[float, Field(ge=0)] = 2.0
    """γ, the weight of the second term at the end of the run. It grows from 0, as in the published code. 2 for
    simulated noise on photographs, 16 for raw pictures."""

    _share: float = PrivateAttr(1.0)

    def loss(self, network: Network, noisy: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """‖f(g₁) − g₂‖² + γ ‖f(g₁) − g₂ − (g₁(f(y)) − g₂(f(y)))‖², each a mean over all values.

        An odd last row or column is left out. Without a generator the pairs are those of seed 0.
        """
        draws = generator if generator is not None else torch.Generator().manual_seed(0)
        choice = integers(len(PAIRS), (noisy.shape[0], noisy.shape[-2] // 2, noisy.shape[-1] // 2), draws)
        pair = torch.tensor(PAIRS)[choice].to(noisy.device)  # (B, H/2, W/2, 2)
        first, second = sample_cells(noisy, pair[..., 0]), sample_cells(noisy, pair[..., 1])
        with torch.no_grad():
            restored = network(noisy)
            expected = sample_cells(restored, pair[..., 0]) - sample_cells(restored, pair[..., 1])
        difference = network(first) - second
        return difference.square().mean() + self.gamma * self._share * F.mse_loss(difference, expected)


def sample_cells(image: Tensor, place: Tensor) -> Tensor:
    """One pixel of each 2×2 cell, (B, C, H, W) → (B, C, H // 2, W // 2).

    Args:
        image: an odd last row or column is left out.
        place: (B, H // 2, W // 2), the number of the pixel in its cell, 0..3 row by row.

    Example:
        >>> sample_cells(torch.arange(8.0).reshape(1, 1, 2, 4), torch.tensor([[[1, 2]]])).tolist()
        [[[[1.0, 6.0]]]]
    """
    batch, channels, height, width = image.shape
    rows, columns = height // 2, width // 2
    cells = F.pixel_unshuffle(image[..., : 2 * rows, : 2 * columns], 2).reshape(batch, channels, 4, rows, columns)
    return cells.gather(2, place[:, None, None].expand(-1, channels, -1, -1, -1))[:, :, 0]  # (B, C, H/2, W/2)
