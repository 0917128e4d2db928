"""SDAP's scheme: random sub-samples of a picture share its content and have other noise, so each is the next one's target.

Pan et al., "Random Sub-Samples Generation for Self-Supervised Real Image Denoising", ICCV 2023. Each cell of s×s pixels
gives one pixel to each of s² sub-samples, in an order drawn for every cell. Unlike PD, two neighbours in a sub-sample
are at random distances. That breaks the noise's correlation, and makes countless sub-samples of one picture.
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from unnoise.layers.polyphase import split_batch
from unnoise.regions import Region
from unnoise.rng import RandomSource
from unnoise.schemes.base import Network, run_region
from unnoise.schemes.pd_components import BatchedComponents, Stride


class RandomSubsamples(BatchedComponents):
    """Learns from cyclic pairs of random sub-samples; restores the components of a small stride, and optionally once more.

    Example:
        >>> scheme = RandomSubsamples(enhance=True)
        >>> scheme.restore(lambda x: 2 * x, torch.ones(1, 3, 5, 7)).unique().tolist()
        [4.0]
    """

    name: Literal["random-subsamples"] = "random-subsamples"
    cell: Stride = 5
    """Side of the cells in training, the paper's s."""
    pairs: Annotated[int, Field(ge=0)] = 0
    """How many of the cyclic pairs a step learns from, drawn at random; 0: all of them, as in the paper. Fewer take less
    memory and time for each step."""
    enhance: bool = False
    """The paper's E: one more pass over the merged picture, at full resolution."""

    def loss(self, network: Network, noisy: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Σ_j mean |network(u_j) − u_(j+1)| over the sub-samples u_j of a cyclic order, the paper's Eq. 8.

        With `pairs` the mean of those pairs counts as often as all would.
        """
        subsamples = random_subsamples(noisy, self.cell, generator)  # (s², B, C, h, w)
        count = len(subsamples)
        chosen = torch.arange(count)
        if 0 < self.pairs < count:
            chosen = torch.randperm(count, generator=_draws(generator))[: self.pairs]
        seen = subsamples[chosen].flatten(0, 1).contiguous(memory_format=torch.channels_last)  # (pairs·B, C, h, w)
        targets = subsamples[(chosen + 1) % count].flatten(0, 1)
        return F.l1_loss(network(seen), targets) * count

    def restore_radius(self, network_radius: int) -> int:
        return super().restore_radius(network_radius) + (network_radius if self.enhance else 0)

    def restore_cropped(self, network: Network, noisy: Tensor, region: Region, generator: RandomSource | None = None) -> Tensor:
        if not self.enhance:
            return super().restore_cropped(network, noisy, region, generator)
        whole = slice(0, noisy.shape[-2]), slice(0, noisy.shape[-1])
        return run_region(network, super().restore_cropped(network, noisy, whole, generator), region)


def random_subsamples(images: Tensor, cell: int, generator: torch.Generator | None = None) -> Tensor:
    """Deal out the pixels of each cell at random, one to each sub-sample: (B, C, H, W) → (s², B, C, H // s, W // s).

    All channels of a pixel stay together. Rows and columns beyond the last whole cell are left out.

    Args:
        images: at least one cell high and wide.
        cell: s.
        generator: of the draws; None: one with seed 0.

    Example:
        >>> x = torch.arange(16.0).reshape(1, 1, 4, 4)
        >>> dealt = random_subsamples(x, 2)
        >>> dealt.shape, sorted(dealt[:, 0, 0, 0, 0].tolist())
        (torch.Size([4, 1, 1, 2, 2]), [0.0, 1.0, 4.0, 5.0])
    """
    return deal(images, cell, random_order(images, cell, generator))


def random_order(images: Tensor, cell: int, generator: torch.Generator | None = None) -> Tensor:
    """An order of the pixels of each whole cell, drawn for each by itself: (B, s², 1, H // s, W // s), whole numbers.

    Args:
        images: (B, C, H, W), at least one cell high and wide.
        cell: s.
        generator: of the draws; None: one with seed 0.

    Example:
        >>> sorted(random_order(torch.zeros(1, 3, 4, 4), 2)[0, :, 0, 1, 1].tolist())
        [0, 1, 2, 3]
    """
    height, width = (length // cell for length in images.shape[-2:])
    shape = len(images), cell**2, 1, height, width
    return torch.rand(shape, generator=_draws(generator)).argsort(dim=1).to(images.device)


def deal(images: Tensor, cell: int, order: Tensor) -> Tensor:
    """Deal out the pixels of each cell in an order: (B, C, H, W) → (s², B, C, H // s, W // s).

    Args:
        images: as those that the order was drawn for; they may have other channels.
        cell: s.
        order: of `random_order`.

    Example:
        >>> x = torch.rand(1, 3, 4, 4)
        >>> order = random_order(x, 2)
        >>> torch.equal(deal(2 * x, 2, order), 2 * deal(x, 2, order))
        True
    """
    height, width = (length // cell * cell for length in images.shape[-2:])
    parts = split_batch(images[..., :height, :width].contiguous(), cell)
    parts = parts.reshape(len(images), cell**2, *parts.shape[1:])  # (B, s², C, h, w)
    return parts.gather(1, order.expand_as(parts)).transpose(0, 1)


def _draws(generator: torch.Generator | None) -> torch.Generator:
    return generator if generator is not None else torch.Generator().manual_seed(0)
