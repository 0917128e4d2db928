"""AMSNet's mask scheme: train on the pixels that one random mask hides, restore with masks that together hide every pixel.

Liao et al., "Asymmetric Mask Scheme for Self-Supervised Real Image Denoising", ECCV 2024. The model it trains is AMSNet-B.
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from unnoise.layers.polyphase import split_batch
from unnoise.schemes.base import Network
from unnoise.schemes.masks import random_mask
from unnoise.schemes.multi_mask import MultiMask, given_or_fresh


class AsymmetricMask(MultiMask):
    """One mask in training, `masks` complementary ones at inference."""

    name: Literal["asymmetric-mask"] = "asymmetric-mask"
    keep: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Share of the pixels that the network is shown in training; the loss counts the others, 1 − keep.

    The percentages of the paper's Fig. 10 ("mask ratio") are the share that is *hidden*: 75, 50, 25, 12.5 and 6.25 % are keep = 0.25,
    0.5, 0.75, 0.875 and 0.9375. Its models are tested as they were trained: masks = 2, 4, 8 and 16 go with 50 % and less, and with
    75 % four masks that keep a quarter each (masks = 4, overlap = 3). `keep` and 1 − overlap/masks may differ, though.
    """

    def loss(self, network: Network, noisy: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Mean |network(M ⊙ PD(x)) − PD(x)| over the values that M hides, the paper's Eq. 4.

        The equation sums; the published code takes the mean, which keeps the rate of learning apart from the size of the batch.
        The zeros that PD may have added are hidden, but do not count. Without a generator the mask is that of seed 0, always the same.
        """
        parts = split_batch(noisy, self.train_stride)  # (B·s², C, h, w)
        inside = split_batch(torch.ones_like(noisy[:, :1]), self.train_stride) > 0  # (B·s², 1, h, w)
        count, channels, height, width = parts.shape
        kept = random_mask(count, height, width, self.keep, given_or_fresh(generator)).to(parts.device)
        counted = inside & ~kept
        distance = (network(torch.where(kept, parts, 0)) - parts).abs()
        # A tiny crop may have no hidden pixel at all: then the loss is zero, not 0/0.
        return torch.where(counted, distance, 0).sum() / (channels * counted.sum()).clamp(min=1)
