"""APR-RD's first step: each pixel gives way to a random neighbour, in two ways, so that input and target differ in noise.

Kim et al., "APR-RD: Complemental Two Steps for Self-Supervised Real Image Denoising", AAAI 2025. The blind spot is at full
resolution, as AT-BSN's. The second step, a student of several blind spots whose targets are recharged with noisy pixels,
is `distillation` with `recharge`.
"""

from __future__ import annotations

from typing import Annotated, Literal, cast

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from unnoise.denoisers.tunable_network import TunableNetwork
from unnoise.rng import integers
from unnoise.schemes.base import Network
from unnoise.schemes.tunable_blind_spot import TunableBlindSpot


class AdjacentReplacement(TunableBlindSpot):
    """Learns to predict one picture of neighbours from another; restores with a small blind spot.

    Example:
        >>> from unnoise import denoisers
        >>> network = denoisers.create("atbsn", width=4)
        >>> AdjacentReplacement().loss(network, torch.rand(1, 3, 32, 32)).shape
        torch.Size([])
    """

    name: Literal["adjacent-replacement"] = "adjacent-replacement"  # type: ignore[assignment]
    infer_hole: Annotated[int, Field(ge=0, le=63)] = 1
    window: Annotated[int, Field(ge=3, le=15)] = 3
    """Side of the window that both neighbours come from, odd."""
    regularization: Annotated[float, Field(ge=0)] = 4.0
    """The paper's γ, of the term that takes away what the two pictures differ by without noise."""

    def loss(self, network: Network, noisy: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """mean |f(h₁y) − h₂y| + γ mean |f(h₁y) − h₂y − (h₁f(y) − h₂f(y))|, both passes with the large blind spot."""

        def see(x: Tensor) -> Tensor:
            return cast(TunableNetwork, network)(x, blind_spot=self.train_hole)

        first, second = adjacent_places(len(noisy), noisy.shape[-2], noisy.shape[-1], self.window, generator)
        restored = see(noisy)
        predicted, target = see(taken(noisy, first)), taken(noisy, second)
        reconstruction = F.l1_loss(predicted, target)
        differing = taken(restored, first) - taken(restored, second)
        return reconstruction + self.regularization * (predicted - target - differing).abs().mean()


def adjacent_places(
    batch: int, height: int, width: int, window: int, generator: torch.Generator | None = None
) -> tuple[Tensor, Tensor]:
    """Two different pixels of the window around each pixel, drawn alike from all pairs: (B, H·W) each, as places in the
    flattened picture. Beyond an edge the pixel at the edge stands, so there both may be the same.

    Args:
        batch, height, width: of the pictures.
        window: its side, odd.
        generator: of the draws; None: one with seed 0.

    Example:
        >>> first, second = adjacent_places(1, 4, 5, window=3)
        >>> first.shape
        torch.Size([1, 20])
    """
    draws = generator if generator is not None else torch.Generator().manual_seed(0)
    count = window**2
    pair = integers(count * (count - 1), (batch, height, width), draws)
    one, other = pair // (count - 1), pair % (count - 1)
    other = other + (other >= one)  # the second is any but the first
    rows, columns = torch.arange(height)[:, None], torch.arange(width)
    places = []
    for chosen in (one, other):
        row = (rows + chosen // window - window // 2).clamp(0, height - 1)
        column = (columns + chosen % window - window // 2).clamp(0, width - 1)
        places.append((row * width + column).flatten(1))
    return places[0], places[1]


def taken(x: Tensor, places: Tensor) -> Tensor:
    """The pixels at these places, with all channels: (B, C, H, W) and (B, H·W) → (B, C, H, W).

    >>> taken(torch.tensor([[[[5.0, 6.0]]]]), torch.tensor([[1, 1]])).tolist()
    [[[[6.0, 6.0]]]]
    """
    flat = x.flatten(2)
    gathered = flat.gather(2, places.to(x.device)[:, None].expand(-1, x.shape[1], -1)).reshape(x.shape)
    return gathered.contiguous(memory_format=torch.channels_last)
