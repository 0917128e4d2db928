"""Noise2Self: pixels on a grid are replaced by the mean of their neighbours, and the network predicts them.

Batson and Royer, "Noise2Self: Blind Denoising by Self-Supervision", ICML 2019. A function whose result at a pixel does
not depend on the pixel (J-invariant) has, for noise that is independent from pixel to pixel, the same best parameters
with noisy targets as with clean ones.
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from unnoise.regions import Region
from unnoise.rng import RandomSource
from unnoise.schemes.base import Network, Scheme, run_region
from unnoise.schemes.grid_masks import hidden_pixels, neighbour_mean, predict_grid

Replacement = Literal["neighbours", "zero"]


class Noise2Self(Scheme):
    """Trains on one grid of hidden pixels a step; restores each pixel by the pass that hides it. Any network will do.

    Example:
        >>> scheme, noisy = Noise2Self(period=2), torch.rand(1, 3, 8, 8)
        >>> torch.allclose(scheme.restore(lambda x: x, noisy), neighbour_mean(noisy))  # the pixel itself is not seen
        True
    """

    name: Literal["noise2self"] = "noise2self"
    period: Annotated[int, Field(ge=2, le=16)] = 4
    """n, the side of the grid's cells. One pixel in n² is hidden."""
    replaced_by: Replacement = "neighbours"
    """What stands in place of a hidden pixel: the weighted mean of its eight neighbours, or zero."""
    blind: bool = True
    """Whether a pixel is restored without being seen, by n² passes, as J-invariance asks. Otherwise one pass sees the
    noisy picture as it is, which the authors' code offers too."""

    @property
    def tile_alignment(self) -> int:
        return self.period if self.blind else 1

    def restore_radius(self, network_radius: int) -> int:
        """The replacement looks one pixel further."""
        return network_radius + self.blind

    def refine_radius(self, network_radius: int) -> int:
        return self.restore_radius(network_radius)

    def loss(self, network: Network, noisy: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The mean squared error at the pixels that a grid of random place hides."""
        draws = generator if generator is not None else torch.Generator().manual_seed(0)
        number = int(torch.randint(self.period**2, (1,), generator=draws))
        hidden = hidden_pixels(noisy.shape[-2], noisy.shape[-1], self.period, number, noisy.device)
        error = network(torch.where(hidden, self._filled(noisy), noisy)) - noisy
        count = hidden.sum() * noisy.shape[0] * noisy.shape[1]
        return torch.where(hidden, error, 0).square().sum() / count.clamp(min=1)

    def restore(self, network: Network, noisy: Tensor, generator: RandomSource | None = None) -> Tensor:
        return predict_grid(network, noisy, self._filled(noisy), self.period) if self.blind else network(noisy)

    def restore_cropped(self, network: Network, noisy: Tensor, region: Region, generator: RandomSource | None = None) -> Tensor:
        if not self.blind:
            return run_region(network, noisy, region)
        return predict_grid(network, noisy, self._filled(noisy), self.period, region)

    def refine(self, network: Network, mixed: Tensor, generator: RandomSource | None = None) -> Tensor:
        """The same passes. The paper has no refinement."""
        return self.restore(network, mixed, generator)

    def refine_cropped(self, network: Network, mixed: Tensor, region: Region, generator: RandomSource | None = None) -> Tensor:
        return self.restore_cropped(network, mixed, region, generator)

    def _filled(self, noisy: Tensor) -> Tensor:
        return neighbour_mean(noisy) if self.replaced_by == "neighbours" else torch.zeros_like(noisy)
