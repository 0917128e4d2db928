"""Blind2Unblind: blind predictions of all pixels train the network, and a second term makes its view of them count.

Wang, Liu, Li and Han, "Blind2Unblind: Self-Supervised Image Denoising with Visible Blind Spots", CVPR 2022. h(f(Ω)) is
the picture put together from the passes that hide each pixel, f(y) the network's result for the noisy picture itself.
The loss is ‖h(f(Ω)) + β f̂(y) − (1 + β) y‖² + η ‖h(f(Ω)) − y‖², where f̂ has no gradient. β grows at the end of the run.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from unnoise.schemes.base import Network
from unnoise.schemes.grid_masks import hidden_pixels, neighbour_mean
from unnoise.schemes.single_pass import SinglePass

Share = Annotated[float, Field(ge=0, le=1)]


class Blind2Unblind(SinglePass):
    """Trains on the re-visible loss; restores a picture by one call, which sees every pixel. Any network will do.

    Example:
        >>> scheme = Blind2Unblind(period=2).at(1.0)
        >>> scheme.beta
        20.0
        >>> scheme.loss(lambda x: x, torch.ones(1, 1, 8, 8))  # nothing is left to learn on a flat picture
        tensor(0.)
    """

    changes_over_run: ClassVar[bool] = True
    name: Literal["blind2unblind"] = "blind2unblind"
    period: Annotated[int, Field(ge=2, le=8)] = 4
    """Side of the grid's cells. The network sees each crop period² times, once with each pixel of the cells hidden."""
    eta: Annotated[float, Field(ge=0)] = 1.0
    """η, the weight of the blind term, which keeps the training stable."""
    first_beta: Annotated[float, Field(ge=0)] = 2.0
    last_beta: Annotated[float, Field(ge=0)] = 20.0
    grows_from: Share = 0.8
    """The share of the run from which β grows, linearly to its end. 0.8 for noise of one level, 0.4 for ranges of
    levels and for real noise, as the published code has it."""

    @property
    def beta(self) -> float:
        """The weight of f̂(y) now."""
        grown = min(max(self._share - self.grows_from, 0.0) / max(1 - self.grows_from, 1e-9), 1.0)
        return self.first_beta + grown * (self.last_beta - self.first_beta)

    def loss(self, network: Network, noisy: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The re-visible loss, each term a mean over all values. No random numbers are needed."""
        batch, channels, height, width = noisy.shape
        count = self.period**2
        hidden = torch.cat(
            [hidden_pixels(height, width, self.period, each, noisy.device) for each in range(count)]
        )  # (n², 1, H, W)
        filled = neighbour_mean(noisy)
        shown = torch.where(hidden, filled[:, None], noisy[:, None])  # (B, n², C, H, W)
        predicted = network(shown.flatten(0, 1)).reshape(batch, count, channels, height, width)
        blind = torch.where(hidden, predicted, 0).sum(1)  # (B, C, H, W): each pixel is hidden once
        with torch.no_grad():
            visible = network(noisy)
        difference = blind - noisy
        revisible = difference + self.beta * (visible - noisy)
        return revisible.square().mean() + self.eta * difference.square().mean()
